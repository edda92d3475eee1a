"""Every mode of ``np.pad``, with all of its options: NumPy's values, dtypes and refusals."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each

FOUR = ((1.0, 2.0), (3.0, 4.0))
LENGTHS = [{}, *({"stat_length": v} for v in (1, ((1, 2), (3, 1)), (1, None), 9, 0, -1))]
TURNS: list[dict[str, Any]] = [{}, {"reflect_type": "odd"}, {"reflect_type": "even"}]
MODES: dict[str, list[dict[str, Any]]] = {
    "constant": [{}, *({"constant_values": v} for v in (1.5, (1.0, 2.0), FOUR, ((1.0,), (3.0,))))],
    "linear_ramp": [{}, *({"end_values": v} for v in (1.5, (1.0, 2.0), FOUR))],
    "edge": [{}], "wrap": [{}], "empty": [{}], "reflect": TURNS, "symmetric": TURNS,
    **dict.fromkeys(("maximum", "minimum", "mean", "median"), LENGTHS), "no": [{}],
}  # fmt: skip
SHAPES = [(2, 3), (1, 3), (4,), (), (0, 3), (2, 0, 2)]
WIDTHS: list[Any] = [1, 0, (1, 2), ((1, 0), (0, 2)), (7, 5), -1, 1.5, {0: 1}, (1, 2, 3)]


def calls() -> Iterator[tuple[np.ndarray, Any, str, dict[str, Any]]]:
    rng = np.random.default_rng(0)
    kinds = [((2, 3), dtype) for dtype in ("f4", "f2", "i8", "?", "c8")]
    for shape, dtype in [*((shape, "f8") for shape in SHAPES), *kinds]:
        x = 5 * rng.normal(size=shape) + 1j * rng.normal(size=shape) * (dtype == "c8")
        x = (x if dtype == "c8" else x.real).astype(dtype)
        for width, (mode, options) in itertools.product(WIDTHS, MODES.items()):
            for given in options:
                yield x, width, mode, given


def outcome(x: Any, width: Any, mode: str, options: Any) -> Any:
    try:
        return np.pad(x, width, mode, **options)
    except Exception as error:
        return error


@pytest.mark.slow  # 4,000 calls
@pytest.mark.filterwarnings("ignore")
def test_all_modes_are_numpys() -> None:
    for x, width, mode, options in calls():
        theirs = outcome(x, width, mode, options)
        ours = outcome(tg.Tensor(x, requires_grad=x.dtype.kind in "fc"), width, mode, options)
        shown = f"{x.shape} {x.dtype} {width} {mode} {options}: {theirs!r} {ours!r}"
        if isinstance(theirs, Exception):
            assert isinstance(ours, Exception), shown
            continue
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), shown
        if mode != "empty":
            np.testing.assert_array_equal(ours.detach().numpy(), theirs, err_msg=shown)


def padded(t: Any, v: Any, mode: str, options: Any) -> Any:
    named = {"constant": "constant_values", "linear_ramp": "end_values"}
    given = options | ({named[mode]: v} if mode in named else {})
    return np.pad(t, ((2, 1), (0, 3)), mode, **given)


@pytest.mark.slow
@for_each([
    (mode, options) for mode, several in MODES.items() if mode not in ("no", "empty")
    for options in several if options.get("stat_length") not in (0, -1, (1, None))
])  # fmt: skip
def test_a_replay_is_eager(case: tuple[str, dict[str, Any]]) -> None:
    rng = np.random.default_rng(1)
    v = rng.normal(size=(2, 2))
    f = tg.value_and_grad(lambda t, u: np.sum(padded(t, u, *case) ** 3), argnums=(0, 1))
    replayed = tg.replay(f)
    for x32 in rng.normal(size=(4, 2, 3)).astype(np.float32):
        for ours, theirs in zip(leaves(replayed(x32, v)), leaves(f(x32, v)), strict=True):
            assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)


def leaves(found: Any) -> list[np.ndarray]:
    value, (by_x, by_v) = found
    return [np.asarray(value), np.asarray(by_x), np.asarray(by_v)]
