"""Values, first and second derivatives against PyTorch, which shares no code with us."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import positive, real, unit
from tests.each import for_each
from tinygrad_np.autodiff.primitives import elementwise, neural

torch = pytest.importorskip("torch")
F = torch.nn.functional


@dataclass(frozen=True, eq=False)
class Twin:
    """The same function in both libraries."""

    id: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    args: tuple[np.ndarray, ...]


def twin(name: str, ours: Any, theirs: Any, *args: np.ndarray) -> Twin:
    return Twin(name, ours, theirs, args)


x, y, m = real(2, 3), real(2, 3, seed=1), real(3, 3) + 3 * np.eye(3)
labels = np.array([2, 0])
ANYWHERE = (
    "exp expm1 exp2 sin cos arctan sinh cosh tanh arcsinh square abs negative sinc reciprocal"
)
POSITIVE = "log log2 log10 log1p sqrt"
INSIDE = "arcsin arccos arctanh tan"
BINARY = (
    "add subtract multiply divide maximum minimum fmax fmin hypot logaddexp logaddexp2 arctan2 "
    "fmod remainder"
)
TWINS = [
    *(twin(n, getattr(np, n), getattr(torch, n), x) for n in ANYWHERE.split()),
    *(twin(n, getattr(np, n), getattr(torch, n), positive(2, 3)) for n in POSITIVE.split()),
    *(twin(n, getattr(np, n), getattr(torch, n), unit(2, 3)) for n in INSIDE.split()),
    twin("arccosh", np.arccosh, torch.arccosh, positive(3) + 1),
    *(twin(n, getattr(np, n), getattr(torch, n), x, y) for n in BINARY.split()),
    twin("power", np.power, torch.pow, positive(2, 3), y),
    twin(
        "where",
        lambda a, b: np.where(a > 0, a * b, b),
        lambda a, b: torch.where(a > 0, a * b, b),
        x,
        y,
    ),
    twin("clip", lambda a: np.clip(a, -1, 1) * a, lambda a: torch.clamp(a, -1, 1) * a, x),
    twin("sum", lambda a: np.sum(a**3, axis=1), lambda a: (a**3).sum(1), x),
    twin("mean", lambda a: np.mean(a**3, axis=0, keepdims=True), lambda a: (a**3).mean(0, True), x),
    twin("prod", lambda a: np.prod(a, axis=1), lambda a: a.prod(1), x),
    twin("prod of zeros", np.prod, torch.prod, np.array([0.0, 2.0, 3.0])),
    twin("var", lambda a: np.var(a, axis=1, ddof=1), lambda a: a.var(1), x),
    twin("std", lambda a: np.std(a, axis=0, ddof=1), lambda a: a.std(0), x),
    twin("max", lambda a: np.max(a**2, axis=1), lambda a: (a**2).max(1).values, x),
    twin(
        "amax of ties",
        lambda a: np.max(a, axis=1),
        lambda a: torch.amax(a, 1),
        np.array([[1.0, 1.0, 0.0]]),
    ),
    twin("cumsum", lambda a: np.cumsum(a**2, axis=1), lambda a: torch.cumsum(a**2, 1), x),
    twin("cumprod", lambda a: np.cumprod(a, axis=1), lambda a: torch.cumprod(a, 1), x),
    twin("diff", lambda a: np.diff(a**2, n=2), lambda a: torch.diff(a**2, n=2), x),
    twin("norm", lambda a: np.linalg.norm(a, axis=1), lambda a: torch.linalg.norm(a, dim=1), x),
    twin(
        "norm 3",
        lambda a: np.linalg.norm(a, 3, axis=1),
        lambda a: torch.linalg.vector_norm(a, 3, 1),
        x,
    ),
    twin(
        "sort", lambda a: np.sort(a**2) * y, lambda a: torch.sort(a**2).values * torch.tensor(y), x
    ),
    twin(
        "index", lambda a: a[[0, 0, 1], [2, 2, 1]] ** 2, lambda a: a[[0, 0, 1], [2, 2, 1]] ** 2, x
    ),
    twin("roll", lambda a: np.roll(a**2, 1, 1) * a, lambda a: torch.roll(a**2, 1, 1) * a, x),
    twin("flip", lambda a: np.flip(a**2, 1) * a, lambda a: torch.flip(a**2, (1,)) * a, x),
    twin("repeat", lambda a: np.repeat(a, 2, 1) ** 2, lambda a: a.repeat_interleave(2, 1) ** 2, x),
    twin("tile", lambda a: np.tile(a, (2, 2)) ** 2, lambda a: a.repeat(2, 2) ** 2, x),
    twin("tril", lambda a: np.tril(a) ** 2, lambda a: torch.tril(a) ** 2, x),
    twin("diag", lambda a: np.diagonal(a) ** 2, lambda a: torch.diagonal(a) ** 2, m),
    twin("kron", np.kron, torch.kron, x, y),
    twin("cross", np.cross, lambda a, b: torch.linalg.cross(a, b), x, y),
    twin("outer", np.outer, torch.outer, real(2), real(3, seed=1)),
    twin(
        "tensordot",
        lambda a, b: np.tensordot(a, b, ((0,), (0,))),
        lambda a, b: torch.tensordot(a, b, ([0], [0])),
        x,
        y,
    ),
    *(
        twin(f"matmul {a} {b}", np.matmul, torch.matmul, real(*a), real(*b, seed=1))
        for a, b in [
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 2)),
            ((2, 2, 3), (3, 1)),
            ((2, 1, 3), (2, 3, 1)),
        ]
    ),
    *(
        twin(
            f"einsum {s}", lambda *v, s=s: np.einsum(s, *v), lambda *v, s=s: torch.einsum(s, *v), *v
        )
        for s, *v in [
            ("ij,kj->ik", x, y),
            ("ij,ij->", x, y),
            ("ii->i", m),
            ("...j,j->...", x, y[0]),
        ]
    ),
    twin("solve", np.linalg.solve, torch.linalg.solve, m, real(3, 2)),
    twin("inv", np.linalg.inv, torch.linalg.inv, m),
    twin("det", np.linalg.det, torch.linalg.det, m),
    twin(
        "matrix_power",
        lambda a: np.linalg.matrix_power(a, 3),
        lambda a: torch.linalg.matrix_power(a, 3),
        m / 3,
    ),
    twin(
        "pad",
        lambda a: np.pad(a, ((0, 0), (1, 1)), "reflect") ** 2,
        lambda a: F.pad(a[None], (1, 1), "reflect")[0] ** 2,
        x,
    ),
    twin("relu", neural.relu, F.relu, x),
    twin("leaky_relu", lambda a: neural.leaky_relu(a, 0.2), lambda a: F.leaky_relu(a, 0.2), x),
    twin("sigmoid", elementwise.sigmoid, torch.sigmoid, x),
    twin("softmax", neural.softmax, lambda a: F.softmax(a, -1), x),
    twin("log_softmax", lambda a: neural.log_softmax(a, axis=0), lambda a: F.log_softmax(a, 0), x),
    twin("logsumexp", neural.logsumexp, lambda a: torch.logsumexp(a, -1, True), x),
    twin(
        "cross_entropy",
        lambda a: neural.cross_entropy(a, labels),
        lambda a: F.cross_entropy(a, torch.tensor(labels)),
        x,
    ),
]


def close(ours: Any, theirs: Any) -> None:
    found = ours.numpy() if isinstance(ours, tg.Tensor) else ours
    np.testing.assert_allclose(found, theirs.numpy(force=True), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("pair", TWINS, ids=lambda pair: pair.id)
def test_twins_agree(pair: Twin) -> None:
    """A weighted sum of the result, its gradient, and the gradient of that one's weighted sum."""
    leaves = [torch.tensor(a, requires_grad=True) for a in pair.args]
    variables = [tg.Tensor(a, requires_grad=True) for a in pair.args]
    theirs, ours = pair.theirs(*leaves), pair.ours(*variables)
    close(ours, theirs)
    weight = np.linspace(0.5, 1.5, theirs.numel()).reshape(tuple(theirs.shape))
    slopes = torch.autograd.grad(theirs, leaves, torch.tensor(weight), create_graph=True)
    ours.backward(weight, create_graph=True)
    for variable, slope in zip(variables, slopes, strict=True):
        close(variable.grad, slope)
    first = [variable.grad for variable in variables]
    second = [torch.zeros_like(leaf) for leaf in leaves]
    if any(slope.requires_grad for slope in slopes):
        second = torch.autograd.grad(
            sum((s * s).sum() for s in slopes), leaves, allow_unused=True, materialize_grads=True
        )
    for variable in variables:
        variable.grad = None
    squares = sum(np.sum(slope * slope) for slope in first)
    if squares.requires_grad:
        squares.backward()
    for variable, expected in zip(variables, second, strict=True):
        if variable.grad is None:
            assert not expected.any()
        else:
            close(variable.grad, expected)


OPERATIONS: dict[str, tuple[Any, Any]] = {
    "add": (np.add, torch.add),
    "subtract": (np.subtract, torch.subtract),
    "multiply": (np.multiply, torch.multiply),
    "divide": (np.divide, torch.divide),
    "maximum": (np.maximum, torch.maximum),
    "arctan2": (np.arctan2, torch.arctan2),
}


@for_each(OPERATIONS, range(12))
def test_broadcast_shapes_agree(name: str, seed: int) -> None:
    mine, other = OPERATIONS[name]
    draw = random.Random(f"{name} {seed}")
    whole = [draw.randrange(4) for _ in range(seed % 5)]
    shapes = [[draw.choice([n, n, 1]) for n in whole][draw.choice([0, 0, 1, 2]) :] for _ in "ab"]
    a, b = (real(*shape, seed=k) for k, shape in enumerate(shapes))
    left, right = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    other(left, right).square().sum().backward()
    t, u = tg.Tensor(a, requires_grad=True), tg.Tensor(b, requires_grad=True)
    np.sum(mine(t, u) ** 2).backward()
    close(t.grad, left.grad)
    close(u.grad, right.grad)


def test_a_network_agrees_over_several_steps() -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(8, 5)), rng.integers(0, 3, 8)
    start = [rng.normal(size=s) * 0.3 for s in ((5, 4), (4,), (4, 3), (3,))]
    ours = [tg.Tensor(a, requires_grad=True) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]
    for _ in range(5):
        hidden = neural.relu(inputs @ ours[0] + ours[1])
        loss = neural.cross_entropy(hidden @ ours[2] + ours[3], targets)
        loss.backward()
        other = F.cross_entropy(
            F.relu(torch.tensor(inputs) @ theirs[0] + theirs[1]) @ theirs[2] + theirs[3],
            torch.tensor(targets),
        )
        other.backward()
        close(loss, other)
        for mine, leaf in zip(ours, theirs, strict=True):
            close(mine.grad, leaf.grad)
            with tg.no_grad(), torch.no_grad():
                mine -= 0.5 * mine.grad
                leaf -= 0.5 * leaf.grad
            mine.grad = leaf.grad = None
