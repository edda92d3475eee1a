"""The table of cases as steps to replay: ``python -m tests.replay.every_case`` counts them all.

With ``--fused`` fused replays; NaN of any kind are equal then.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.autodiff.cases import CASES, Case, Const, full_name, transform
from tests.replay import twins
from tests.replay.twins import Inputs, Twin, differences
from tinygrad_np import ReplayError
from tinygrad_np.autodiff.nests import leaves

Layout = Callable[[np.ndarray], np.ndarray]


def dense(x: np.ndarray) -> np.ndarray:
    return x


def fortran(x: np.ndarray) -> np.ndarray:
    return np.array(x, order="F")


def strided(x: np.ndarray) -> np.ndarray:
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def backwards(x: np.ndarray) -> np.ndarray:
    return x[::-1].copy()[::-1] if x.ndim else x


# what would be frozen otherwise: counts and places that decide shapes
LOOKS = {"trim_zeros": "int(t)", "polynomials.trimmed": "int(t)", "polymul": "int(t)",
         "polydiv": "np.allclose", "poly": "a truth value"}  # fmt: skip
REFUSED = {
    (form, case.id): LOOKS[name]
    for form, case in itertools.product(("leaves", "leaves inside", "arguments"), CASES)
    if (name := full_name(case.fn)) in LOOKS
    and (name != "poly" or (np.iscomplexobj(case.args[0]) and np.ndim(case.args[0]) == 1))
} | {
    ("leaves", "repeat.5(d3,l3,axis=-1)"): "int(t)",
    ("leaves", "delete.3(d3,?3)"): "np.asarray(t)",
    ("leaves inside", "repeat.5(d3,l3,axis=-1)"): "int(t)",
    ("leaves inside", "delete.3(d3,?3)"): "np.asarray(t)",
    ("arguments", "delete.3(d3,?3)"): "np.asarray(t)",
    **dict.fromkeys(
        [(form, "insert.5(d3,?3,d2)") for form in ("leaves", "leaves inside", "arguments")],
        "np.asarray(t)",
    ),
    **dict.fromkeys(
        [(form, "real_if_close.1(D2x3)") for form in ("leaves", "leaves inside", "arguments")],
        "a truth value",
    ),
}


def arrays(case: Case) -> list[np.ndarray]:
    found: list[np.ndarray] = []

    def visit(value: Any) -> None:
        if isinstance(value, (np.ndarray, Const)):
            found.append(value.array if isinstance(value, Const) else value)

    transform(visit, [case.args, case.kwargs])
    return found


def called(case: Case, given: list[Any]) -> Any:
    """The case's function at other arrays, constants included."""
    following = iter(given)

    def visit(value: Any) -> Any:
        return next(following) if isinstance(value, (np.ndarray, Const)) else value

    args, kwargs = transform(visit, [case.args, case.kwargs])
    return case.fn(*args, **kwargs)


def fresh(x: np.ndarray, k: int, place: int, layout: Layout) -> np.ndarray:
    """What array ``x`` at ``place`` is in call ``k``: near it, or in another order."""
    rng = np.random.default_rng([place, k])
    if k and x.dtype.kind in "fc":
        x = np.asarray(x * (1 + 0.02 * rng.uniform(-1, 1, x.shape)), x.dtype)
    elif k:
        x = rng.permutation(x.reshape(-1)).reshape(x.shape)
    return layout(x.copy())


class Weights(dict[tuple[int, ...], tg.Tensor]):
    """A fixed Tensor of each shape."""

    def __missing__(self, shape: tuple[int, ...]) -> tg.Tensor:
        count = int(np.prod(shape))
        self[shape] = tg.Tensor(np.cos(1.0 + np.arange(count)).reshape(shape))
        return self[shape]


WEIGHTS = Weights()


def loss(case: Case, given: list[Any]) -> Any:
    total: Any = 0.0
    for result in leaves(called(case, given)):
        term = np.sum(result * WEIGHTS[result.shape])
        total = total + (term.real + 0.5 * term.imag if term.dtype.kind == "c" else term)
    return total


def is_float(x: Any) -> bool:
    return bool(x.dtype.kind in "fc")


def losses(cases: list[Case], given: list[list[Any]]) -> list[Any]:
    return [loss(case, values) for case, values in zip(cases, given, strict=True)]


def with_leaves(cases: list[Case], layout: Layout) -> tuple[Callable[[], Twin], Inputs]:
    """The step closes over leaves, which get other values between the calls."""
    values = [arrays(case) for case in cases]

    def make() -> Twin:
        given = [
            [tg.Tensor(layout(v.copy()), requires_grad=is_float(v)) for v in part]
            for part in values
        ]
        variables = [t for part in given for t in part if t.requires_grad]

        def step() -> Any:
            for leaf in variables:
                leaf.grad = None
            results = losses(cases, given)
            for result in results:
                if result.requires_grad:
                    result.backward()
            return results

        def before(k: int) -> None:
            with tg.no_grad():
                for tensors, part in zip(given, values, strict=True):
                    for i, (tensor, value) in enumerate(zip(tensors, part, strict=True)):
                        if tensor.requires_grad:
                            tensor[...] = fresh(value, k, i, layout)

        return Twin(step, variables, before=before)

    return make, lambda _: ()


def with_arguments(
    cases: list[Case], layout: Layout, inside: bool
) -> tuple[Callable[[], Twin], Inputs]:
    """The arrays are the step's arguments; ``inside`` it makes leaves of them."""
    values = [arrays(case) for case in cases]

    def make() -> Twin:
        scale = tg.Tensor(1.25, requires_grad=True)

        def step(*xs: Any) -> Any:
            scale.grad = None
            following = (
                tg.Tensor(x, requires_grad=True) if inside and is_float(x) else x for x in xs
            )
            given = [[next(following) for _ in part] for part in values]
            results = [result * scale for result in losses(cases, given)]
            for result in results:
                result.backward()
            tensors = [t for part in given for t in part if isinstance(t, tg.Tensor)]
            return [*results, *(t.grad for t in tensors if t.grad is not None)]

        return Twin(step, [scale])

    def inputs(k: int) -> list[np.ndarray]:
        return [fresh(value, k, i, layout) for part in values for i, value in enumerate(part)]

    return make, inputs


FORMS: dict[str, Any] = {
    "leaves": with_leaves,
    "leaves inside": lambda cases, layout: with_arguments(cases, layout, True),
    "arguments": lambda cases, layout: with_arguments(cases, layout, False),
}


def difference(
    form: str,
    cases: list[Case],
    dtype: str = "f8",
    layout: Layout = dense,
    verify: bool = True,
) -> str:
    """What differs when the cases are replayed as one step; the refusal, where it is refused."""
    cases = cases if dtype == "f8" else [case.astype(dtype) for case in cases]
    try:
        with np.errstate(all="ignore"):
            made = FORMS[form](cases, layout)
            return differences(*made, 3, 2, verify)
    except ReplayError as error:
        return str(error)


def counts() -> Iterator[tuple[str, int, int, list[str]]]:
    """(what, compared, equal, refused or different) for all forms, dtypes and layouts."""
    layouts = (dense, fortran, strided, backwards)
    for form, dtype, layout in itertools.product(FORMS, ("f8", "f4"), layouts):
        found = {case.id: difference(form, [case], dtype, layout) for case in CASES}
        missed = [name for name, what in found.items() if what]
        what = f"{form}, {dtype}, {layout.__name__}"
        yield what, len(found), len(found) - len(missed), missed


if __name__ == "__main__":
    if "--fused" in sys.argv:
        twins.tg.replay = functools.partial(tg.replay, fuse=True)
        twins.same = twins.same_but_for_the_kind_of_nan
    total = np.zeros(2, int)
    for what, compared, equal, missed in counts():
        print(f"{what}: compared {compared}, equal {equal} {missed}", flush=True)
        total += compared, equal
    print(f"in all: compared {total[0]:,}, equal {total[1]:,}")
