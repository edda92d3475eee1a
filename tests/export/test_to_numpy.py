"""Steps as scripts: of every kind of recipe, and what else a step may do, without the package."""

import ast
import collections
import importlib.util
import itertools
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.tape import mode
from tinygrad_np.run.recipes import RECIPES, Recipe

F = nn.functional
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 4)).astype(np.float32), np.arange(6) % 3
RUNNER = """
import runpy, sys
for name in sys.argv[1:]:
    sys.argv[1:] = [name + ".npz", name + "-made.npz"]
    runpy.run_path(name + ".py", run_name="__main__")
assert not [name for name in sys.modules if name.startswith("tinygrad")]
"""


def training(model: nn.Module, optimiser: Any, loss: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        out = loss(model(x), y)
        out.backward()
        optimiser.step()
        return out

    return step


# one network of convolutions, and one of perceptrons whose steps differ
KINDS = {
    (r.network is None, r.activation, r.optimiser, r.norm, r.dropout > 0, len(r.sizes)): r
    for r in RECIPES.values()
    if r.network is None or r.name == "cnn"
}


def recipe(made: Recipe) -> tuple[Any, nn.Module, Any, tuple[Any, ...]]:
    """With layers of at most 32, where they are free."""
    if made.network is None:
        first, *hidden, last = made.sizes
        made = replace(made, sizes=(first, *(min(size, 32) for size in hidden), last))
    x = RNG.random((5, made.sizes[0]), dtype=np.float32)
    y = np.arange(5) % 10
    model = made.build(seed=0)
    optimiser = made.build_optimiser(model, (x, y))
    return training(model, optimiser, made.loss), model, optimiser, (x, y)


def trained(
    make: Any, loss: Any = F.cross_entropy, model: Any = None
) -> tuple[Any, nn.Module, Any, tuple[Any, ...]]:
    model = model or nn.Sequential(nn.Linear(4, 5, seed=0), nn.Tanh(), nn.Linear(5, 3, seed=1))
    optimiser = make(model.parameters())
    return training(model, optimiser, loss), model, optimiser, (X, Y)


class Signs(optim.Optimiser):
    """An optimiser of one's own."""

    states = ("mean",)

    def update(self, p: Any, g: Any, state: Any, group: Any) -> Any:
        state["mean"] = 0.9 * state["mean"] + g
        return p - group["lr"] * np.sign(state["mean"])


class Noisy(optim.Optimiser):
    """One that draws, for each parameter and for all, and counts what it does."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, 0.1)
        self.generator, self.done, self.seen = np.random.default_rng(3), 0, [0.0]

    def update(self, p: Any, g: Any, state: Any, group: Any) -> Any:
        del state
        self.done += 1
        self.seen.append(self.seen[-1] + self.generator.random())
        noise = self.generator.normal(0.0, 0.1, p.shape).astype(p.dtype)
        rows = g.reshape(len(g), -1)[::-1].copy()
        rows -= rows.mean() * 0.1 + rows.T[0].sum()
        return p - group["lr"] * (g + rows.reshape(g.shape) + noise * self.done * self.seen[-1])


def transformed(z: Any, t: Any) -> Any:
    """Indices, gathers, several results, a constant array, a complex detour."""
    far = distant(tg.Tensor(X[0]), X[1])
    places = np.interp(t, [0, 1, 2], [0.0, 2.0, 1.0]).astype(int)  # no rule: constants
    picked = z[np.arange(6), places] + np.linalg.slogdet(z.T @ z + np.eye(3, dtype=np.float32))[1]
    waves = np.abs(np.fft.fft(z, axis=0)) * np.linspace(0, 1, 18, dtype=np.float32).reshape(6, 3)
    return (
        np.mean(picked) + np.mean(np.sort(waves, axis=0)[1:]) + np.max(np.where(z > 0, z, -z)) + far
    )


def twice() -> tuple[Any, nn.Module, Any, tuple[Any, ...]]:
    """Two updates in one step, which has a network of its own too."""
    once, model, optimiser, inputs = trained(lambda p: optim.SGD(p, 0.1, momentum=0.5))

    def step(x: Any, y: Any) -> Any:
        inner = nn.Linear(3, 2, seed=0)
        sgd = optim.SGD(inner.parameters(), lr=0.1)
        for _ in range(2):
            once(x, y)
            sgd.zero_grad()
            loss = np.sum(inner(model(x)) ** 2)
            loss.backward()
            sgd.step()
        return loss

    return step, model, optimiser, inputs


def by_hand() -> tuple[Any, nn.Module, Any, tuple[Any, ...]]:
    """An update written by hand, statistics that are kept, numbers that are not finite."""
    model = nn.Linear(4, 3, seed=0)
    model.seen = tg.Tensor(np.zeros(3, np.float32))  # type: ignore[attr-defined]

    def step(x: Any, y: Any) -> Any:
        z = np.nan_to_num(model(x), nan=np.inf) * np.exp(1j * np.ones(3)).astype(np.complex64)
        loss = np.mean(np.abs(z[:, [2, 0]])) + np.mean(np.clip(model(x), -np.inf, 0.5)[y])
        model.zero_grad()
        loss.backward()
        with tg.no_grad():
            model.seen[...] = model.seen + np.frexp(np.mean(model(x), axis=0))[0]  # type: ignore
            for parameter in model.parameters():
                parameter[...] = parameter - 0.1 * parameter.grad
        return loss + np.sum(model.weight)

    return step, model, None, (X, Y)


CASES: dict[str, Any] = {
    **{f"recipe {made.name}": lambda made=made: recipe(made) for made in KINDS.values()},
    "momentum": lambda: trained(
        lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    ),
    "clipped": lambda: trained(lambda p: optim.Adam(p, 0.01, clip_norm=0.01, max_norm=0.5)),
    "clipped by value": lambda: trained(lambda p: optim.RMSprop(p, 0.01, clip_value=0.01)),
    "twice": twice,
    "by hand": by_hand,
    "adagrad": lambda: trained(lambda p: optim.Adagrad(p, 0.1)),
    "own": lambda: trained(lambda p: Signs(p, 0.1)),
    "own, with noise": lambda: trained(Noisy),
    "functions": lambda: trained(lambda p: optim.SGD(p, 0.1), transformed),
    "lstm": lambda: trained(
        lambda p: optim.SGD(p, 0.1),
        lambda z, t: F.cross_entropy(z[0][0], t),
        nn.Sequential(lambda x: x[np.newaxis], nn.LSTM(4, 3, seed=0)),
    ),
    "layers": lambda: trained(
        lambda p: optim.Adadelta(p),
        model=nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 8, seed=0), nn.SiLU(), nn.Dropout(
            0.5, seed=3), nn.BatchNorm1d(8), nn.Linear(8, 3, seed=1)),
    ),
}  # fmt: skip


if importlib.util.find_spec("scipy") is not None:  # whose functions stay SciPy's
    CASES["erf"] = lambda: trained(
        lambda p: optim.SGD(p, 0.1), model=nn.Sequential(nn.Linear(4, 3, seed=0), nn.GELU())
    )


def test_scripts_give_the_same_bits_where_the_package_is_not(tmp_path: Path) -> None:
    check(CASES, tmp_path)


@pytest.mark.slow
def test_scripts_of_all_other_recipes(tmp_path: Path) -> None:
    others = [made for made in RECIPES.values() if made not in KINDS.values()]
    check({made.name: lambda made=made: recipe(made) for made in others}, tmp_path)


def check(cases: dict[str, Any], tmp_path: Path) -> None:
    """Weights, gradients and result of each script, in a fresh process, have the same bits."""
    made: dict[str, dict[str, Any]] = {}
    for name, make in cases.items():
        step, model, _, inputs = make()
        given = {"x": inputs[0], "y": inputs[1], **model.state_dict()}
        np.savez(tmp_path / f"{name}.npz", **given)
        text = tg.to_numpy(step, *inputs)
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        assert "import tinygrad" not in text
        made[name] = model.state_dict() | {
            f"{key}.grad": parameter.grad.numpy() for key, parameter in model.named_parameters()
        }
    subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", RUNNER, *cases], cwd=tmp_path, check=True
    )
    wrong = []
    for name, wanted in made.items():
        with np.load(tmp_path / f"{name}-made.npz") as found:
            for key, array in wanted.items():
                ours = found[key] if key in found else np.load(tmp_path / f"{name}.npz")[key]
                if ours.dtype != array.dtype or ours.tobytes() != array.tobytes():
                    wrong.append((name, key))
            assert np.isfinite(found["result"])
    assert wrong == []


class Scaled:
    """A function that keeps a number."""

    def __init__(self) -> None:
        self.factor = 2

    def __repr__(self) -> str:
        return f"Scaled({self.factor})"

    def __call__(self, x: Any) -> Any:
        return x * self.factor


@tg.primitive
def distant(x: Any, y: Any) -> Any:
    """A function of one's own, with names of its module and of Python's library."""
    return np.asarray(math.dist(x, y) * len(X), x.dtype)


def test_what_no_script_can_hold_is_refused_with_its_line() -> None:
    factor = 2.0
    scaled = tg.primitive(lambda x: x * factor)
    outside = tg.primitive(Scaled())

    class Own:
        params: tuple[Any, ...] = ()

        def perform(self) -> None: ...

        def step(self) -> None:
            mode.capture.effect(self)  # type: ignore[union-attr]

    half = nn.Linear(4, 3, seed=0, dtype=np.float16)
    cases = [
        (
            scaled,
            r"scaled|<lambda> cannot be written as a script: .* has variables of where it was",
        ),
        (outside, r"dispatch cannot be written as a script: Scaled\(2\) has no source that a"),
        (lambda _: Own().step(), r"Own cannot be written as a script: Own is no optimiser of"),
    ]
    for fn, message in cases:
        with pytest.raises(tg.ExportError, match=rf"test_to_numpy\.py:\d+: ({message})"):
            tg.to_numpy(lambda x, fn=fn: fn(x), X)
    step, *_ = trained(lambda p: optim.SGD(p, 0.1), model=half)
    with pytest.raises(tg.ExportError, match=r"an update of float16 is not written out"):
        tg.to_numpy(step, X.astype(np.float16), Y)


def run(text: str, **given: Any) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)
    found: dict[str, Any] = names["step"](given)
    return found


A, OTHER = np.array([1.0, -2.0, 3.0]), np.array([-5.0, 2.0, -7.0])
W = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="w")


def replaced(x: Any) -> Any:
    t = tg.Tensor(A)
    t.data = x
    return t


LEAVING: dict[str, Any] = {
    "a truth value": lambda x: np.sum(W * x) if np.sum(x) > 0 else np.sum(W),
    "t.data": lambda x: np.sum(W * (x - x.data.mean())),
    "t.numpy()": lambda x: np.sum(x * W.numpy()),
    "t.item()": lambda x: np.sum(W * x) * x[0].item(),
    "int(t)": lambda x: W[int(np.argmax(x))] * 1.0,
    "float(t)": lambda x: W * float(x[0]),
    "t.tolist()": lambda x: np.sum(W * np.array(x.tolist())),
    "np.asarray(t)": lambda x: W * np.asarray(x),
    "its use as an index": lambda x: W[[1, 2, 0][np.argmax(x)]],
    "np.array_equal": lambda x: W * np.array_equal(x, x),
    "a write into an array": lambda x: W * np.add(x, 1.0, out=np.empty(3)),
    "t.data = v": replaced,
}
STAYING = [
    lambda x: np.sum(x * W.detach()),
    lambda x: (f"{x} {x!r} {np.sum(x):.2f}", np.sum(x) / len(x) * x.ndim)[1],
    lambda x: W[np.argsort(x)] * x.shape[0] + np.zeros_like(x),
    lambda x: np.where(x > np.mean(x), x, W),
    lambda x: max(x.size, 2) * x.astype(W.dtype),
]


def test_values_that_left_the_tape_are_refused_with_their_line() -> None:
    for how, step in LEAVING.items():
        told = rf"to_numpy: test_to_numpy\.py:\d+: the step takes a value out .*\({re.escape(how)}"
        with pytest.raises(tg.ExportError, match=told):
            tg.to_numpy(step, A)
        recording = tg.trace(step, A)  # a recording is no promise
        assert recording.left[0].startswith(how)
        assert how in repr(recording)
    for step in STAYING:
        made = run(tg.to_numpy(step, A), x=OTHER, w=W.numpy())
        assert np.array_equal(made["result"], step(tg.Tensor(OTHER)).numpy())


def test_results_have_the_shapes_that_they_have() -> None:
    fns: tuple[Any, ...] = (
        lambda x: np.nonzero(x > 0), lambda x: np.where(x > 0), lambda x: np.split(x, 1),
        lambda x: np.meshgrid(x), lambda x: np.sum(W[np.nonzero(x > 0)]),
        lambda x: (x * 2, 3.5, None, np.arange(2), True), lambda _x: 1.5,
    )  # fmt: skip
    for fn in fns:
        found = run(tg.to_numpy(fn, A), x=A, w=W.numpy())
        wanted = [np.asarray(part.detach() if isinstance(part, tg.Tensor) else part)
                  for part in leaves(fn(tg.Tensor(A))) if part is not None]  # fmt: skip
        results = [array for name, array in found.items() if "result" in name]
        assert [a.tobytes() for a in results] == [a.tobytes() for a in wanted]
        assert [a.shape for a in results] == [a.shape for a in wanted]
    with pytest.raises(tg.ExportError, match=r"to_numpy: result 2 is of type str; return Tens"):
        tg.to_numpy(lambda x: (x, "words"), A)


def test_earlier_gradients_are_inputs_of_their_own() -> None:
    w = tg.Tensor([10.0, 20.0], requires_grad=True, name="w")
    sgd = optim.SGD([w], lr=1.0)

    def adding(x: Any) -> Any:
        np.sum(w * x).backward()
        np.sum(w * x).backward()
        return 1.0 * w.grad  # type: ignore[operator]

    def late(x: Any) -> Any:
        sgd.step()
        sgd.zero_grad()
        np.sum(w * x).backward()

    for step, grad, after in ((adding, [7.0, 8.0], [10.0, 20.0]), (late, [1.0, 1.0], [5.0, 14.0])):
        w.grad, values = np.array([5.0, 6.0]), w.numpy()
        text = tg.to_numpy(step, np.ones(2))
        made = run(text, x=np.ones(2), w=values, **{"w.grad": np.array([5.0, 6.0])})
        assert made["w.grad"].tolist() == grad == w.grad.tolist()
        assert made.get("w", values).tolist() == after == w.tolist()


def test_an_optimisers_generator_is_in_the_script() -> None:
    step, _, noisy, inputs = trained(Noisy)
    text = tg.to_numpy(step, *inputs)
    assert noisy.done == 4 and len(noisy.seen) == 5
    assert text.count("np.random.Generator(") == 1
    assert text.count(" = generator.normal(0.0, 0.1, (") == 4


def test_headings_stand_once_for_each_pass() -> None:
    step, *_ = trained(lambda p: optim.SGD(p, 0.1))

    def accumulated(x: Any, y: Any) -> Any:
        step(x, y)
        return step(x, y)

    w = tg.Tensor(np.ones(4, np.float32), requires_grad=True, name="w")
    w.grad = tg.Tensor(np.ones(4, np.float32))
    adding = tg.to_numpy(lambda x: np.sum(np.sin(x * w)).backward() or w.grad * 1.0, X)  # type: ignore[operator]
    for text, wanted in (
        (tg.to_numpy(accumulated, X, Y), ["forward", "backward", "update"] * 2),
        (adding, ["forward", "backward", "forward"]),
    ):
        found = re.findall(r"^    # (forward|backward|update)(?:, (\d))?$", text, re.MULTILINE)
        assert [name for name, _ in found] == wanted
        assert [n or "1" for _, n in found] == [
            str(wanted[: i + 1].count(name)) for i, name in enumerate(wanted)
        ]


mean, k = 3.0, 4  # names that the function below has, too


@tg.primitive
def shadowing(x: Any) -> Any:
    mean = x * 1
    for k in range(2):
        mean = mean + k
    return mean + sum(k * 0 for k in range(2)) + (lambda mean: mean * 0.0)(len(X))


def test_names_of_a_function_are_not_those_of_its_module() -> None:
    made = run(tg.to_numpy(lambda x: shadowing(x), A), x=OTHER)
    assert made["result"].tolist() == shadowing(OTHER).tolist()
    assert (mean, k) == (3.0, 4)


def test_arguments_have_the_names_of_the_users_code() -> None:
    pair = collections.namedtuple("pair", "left right")
    v, both = tg.Tensor(A, requires_grad=True), [tg.Tensor(A), tg.Tensor(OTHER)]

    def step(batch: Any, two: Any, rows: Any) -> Any:
        return np.sum(batch["x"] * two.left + two.right * rows[1][0] * v) + np.sum(both[1])

    inputs = {"x": A}, pair(A, OTHER), [1.0, [A]]
    text = tg.to_numpy(step, *inputs)
    names = ("batch['x']", "two.left", "two.right", "rows[1][0]", "v", "both[1]")
    found = re.findall(r"given\[(.*)\]  # float64", text)
    assert sorted(map(ast.literal_eval, found)) == sorted(names)
    assert "multiply(batch['x'], two.left)" in str(tg.trace(step, *inputs))


def test_constants_lie_as_they_did() -> None:
    for axes in itertools.permutations(range(3)):
        held = RNG.standard_normal((20, 30, 40)).transpose(axes)
        w = tg.Tensor(np.ones(held.shape[-1]), requires_grad=True, name="w")
        made = run(tg.to_numpy(lambda h=held, w=w: np.matmul(h, w)), w=w.numpy())
        assert made["result"].tobytes() == np.matmul(held, w.numpy()).tobytes()


def test_a_script_reads_as_the_step_was_written() -> None:
    step, *_ = trained(lambda p: optim.SGD(p, 0.1))
    text = tg.to_numpy(step, X, Y)
    for part in (
        "# forward\n", "# backward\n", "# update\n", "    x = given['x']  # float32[6, 4]\n",
        "1: Tanh, test_to_numpy.py:", ", derivative of tanh\n", "def row_product(",
        "'0.weight.grad': ", "new_0_weight = p0_weight.copy(order='K')\n",
    ):  # fmt: skip
        assert part in text, part
    assert max(map(len, text.splitlines())) < 140
