"""Programs drawn at random: replayed, they are what they are, to the last bit."""

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each
from tests.replay.steps import clear, rng, variable
from tests.replay.twins import Twin, differences
from tinygrad_np.autodiff.shapes import broadcasts_to
from tinygrad_np.nn import functional as F

Value = Any


def fitted(a: Value, b: Value) -> Value:
    """``b``, or a number made of it that broadcasts to ``a``."""
    return b if broadcasts_to(b.shape, a.shape) else np.mean(b)


def lined(a: Value) -> Value:
    """At least one axis, and two rows at most sixteen long."""
    return a.reshape(-1)[:16] if a.ndim != 2 else a


def matrix(a: Value) -> Value:
    return a.reshape(a.shape[0], -1) if a.ndim > 1 else a.reshape(1, -1)


def rewritten(a: Value, b: Value) -> Value:
    y = lined(a) * 1
    y[0] = np.mean(b)
    y[1:] *= 0.5
    y += np.max(b)
    return y


def trained(a: Value, b: Value) -> Value:
    w = tg.Tensor(a.detach(), requires_grad=True)
    for _ in range(2):
        w.grad = None
        np.tanh(w * np.mean(b.detach())).sum().backward()
        with tg.no_grad():
            w -= 0.1 * w.grad  # type: ignore[operator]
    return w.detach()


def labels(a: Value) -> Value:
    return np.argmax(matrix(a), axis=1)


UNARY: list[Callable[[Value], Value]] = [
    np.tanh, np.sin, np.exp, np.abs, np.square, F.relu, F.sigmoid, F.softmax, np.negative,
    lambda a: np.sqrt(np.abs(a)), lambda a: np.log1p(np.abs(a)), lambda a: a**3, lambda a: 1 / a,
    lambda a: a * 1, lambda a: a + 0.0, lambda a: a.astype("f4"), lambda a: a.astype("f8"),
    lambda a: a.T, lambda a: a.reshape(-1), lambda a: a[None], lambda a: a[::-1] if a.ndim else a,
    lambda a: a[..., ::2] if a.ndim else a, lambda a: np.cumsum(a), lambda a: lined(a)[1:],
    lambda a: np.broadcast_to(a, (2, *a.shape)) if a.size < 99 else a, lambda a: a.detach(),
    lambda a: a.copy(), lambda a: np.sum(a, axis=0) if a.ndim else a, lambda a: np.max(a),
    lambda a: np.mean(a, axis=-1, keepdims=True) if a.ndim else a, lambda a: np.var(a),
    lambda a: matrix(a) @ matrix(a).T, lambda a: np.sort(a.reshape(-1)), lambda a: np.std(a) + a,
    lambda a: np.einsum("ij->ji", matrix(a)), lambda a: F.cross_entropy(matrix(a), labels(a)),
    lambda a: tg.grad(lambda t: np.sum(np.tanh(t) ** 2))(a),
    lambda a: np.clip(a, -0.5, 0.5), lambda a: np.where(a > 0, a, 0.1 * a), np.floor,
    lambda a: np.pad(lined(a), 1), lambda a: np.prod(lined(a)), lambda a: np.zeros_like(a) + 1,
]  # fmt: skip
BINARY: list[Callable[[Value, Value], Value]] = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.arctan2, np.divide, np.hypot,
    lambda a, b: np.where(a > b, a, b * 2), lambda a, b: a - b * (a > 0), np.logaddexp,
]  # fmt: skip
PAIRS: list[Callable[[Value, Value], Value]] = [
    rewritten, trained,
    lambda a, b: np.concatenate([a.reshape(-1), b.reshape(-1)])[:40],
    lambda a, b: np.stack([np.mean(a), np.max(b)]),
    lambda a, b: np.outer(lined(a), lined(b))[:5, :5],
    lambda a, b: a.reshape(-1)[np.argsort(b.reshape(-1)) % a.size][:20],
    lambda a, b: np.take_along_axis(matrix(a), labels(a)[:, None], 1) * np.mean(b),
]  # fmt: skip
OPERATIONS = len(UNARY) + len(BINARY) + len(PAIRS)


def computed(program: list[tuple[int, int, int]], pool: list[Value]) -> list[Value]:
    """The pool with the result of each operation added; operands are counted from its end."""
    for operation, i, j in program:
        a, b = pool[-1 - i % len(pool)], pool[-1 - j % len(pool)]
        if operation < len(UNARY):
            result = UNARY[operation](a)
        elif operation < len(UNARY) + len(BINARY):
            result = BINARY[operation - len(UNARY)](a, fitted(a, b))
        else:
            result = PAIRS[operation - len(UNARY) - len(BINARY)](a, b)
        if result.size:
            pool.append(result if result.size <= 400 else np.mean(result, axis=0))
    return pool


def drawn(program: list[tuple[int, int, int]], cleared: bool, returned: int) -> Callable[[], Twin]:
    """A step that runs the program, backward and an update."""

    def make() -> Twin:
        w, v = variable(3, 4), variable(4, dtype="f4")
        constant = tg.Tensor(rng(5).standard_normal((3, 1)))

        def run(x: Any, y: Any) -> Any:
            if cleared:
                clear(w, v)
            pool = computed(program, [constant, y, x * 1, v, w * x])
            loss = sum(np.mean(value) for value in pool[3:])
            loss.backward()
            with tg.no_grad():
                w[...] = w - 0.01 * np.tanh(w.grad)
            return [loss, *pool[-returned:]]

        return Twin(run, [w, v])

    return make


def inputs(k: int) -> list[np.ndarray]:
    return [rng(k).standard_normal((3, 4)), rng(k + 50).standard_normal(4).astype("f4")]


@for_each(range(1, 24, 2))
def test_programs_drawn_at_random(seed: int) -> None:
    draw = random.Random(seed)
    program = [
        (draw.randrange(OPERATIONS), draw.randrange(8), draw.randrange(8)) for _ in range(seed + 1)
    ]
    cleared, returned = seed % 4 == 1, 1 + seed % 6
    with np.errstate(all="ignore"):
        runs = 2 if cleared else 3  # the first call finds no gradients
        found = differences(drawn(program, cleared, returned), inputs, runs + 1, runs, False)
    assert found == ""


# Each row by itself, for batches that are passed in blocks.

ROWS = 2_100
WIDTH = 4
BY_ROW: list[Callable[[Any], Value]] = [  # of the rows h, the batch x, the variables w and b
    lambda s: F.linear(s.h, s.w, s.b),
    lambda s: F.linear(s.h, s.w),
    lambda s: s.h @ s.w,
    lambda s: F.relu(s.h),
    lambda s: F.leaky_relu(s.h, 0.2),
    lambda s: np.tanh(s.h),
    lambda s: F.sigmoid(s.h),
    lambda s: F.gelu(s.h, "tanh"),
    lambda s: s.h * s.b + s.x,
    lambda s: s.h - np.mean(s.h, axis=1, keepdims=True),
    lambda s: s.h / np.sqrt(np.sum(s.h * s.h, axis=1, keepdims=True) + 1),
    lambda s: np.where(s.x > 0, s.h, 0.1 * s.x),
    lambda s: np.maximum(s.h, s.x),
    lambda s: s.h * np.expand_dims(np.max(s.x, axis=-1), 1),
    lambda s: F.softmax(s.h),
    lambda s: F.log_softmax(s.h) + s.h,
    lambda s: np.clip(s.h, -1.0, 1.0) + s.h * np.sum(s.b),
    lambda s: np.log1p(np.abs(s.h)).astype("f4"),
    lambda s: s.h[:, ::-1] * 1,
    lambda s: s.h * s.h.detach() - s.x,
    lambda s: s.h - np.mean(s.h, axis=0),  # meets the other rows
]
LOSSES: list[Callable[[Value, Value], Value]] = [
    F.cross_entropy,
    lambda h, y: F.nll_loss(F.log_softmax(h), y),
    lambda h, y: F.mse_loss(h, F.one_hot(y, WIDTH)),
    lambda h, y: F.binary_cross_entropy_with_logits(h, F.one_hot(y, WIDTH)),
    lambda h, y: np.mean(np.square(np.sum(h, axis=1) - y)),
    lambda h, y: np.mean(h) + (y * 0).sum(),
]


def passed(layers: list[int], loss: int, wide: bool) -> Callable[[], Twin]:
    """A step that trains on the whole of a batch."""

    def make() -> Twin:
        dtype = "f8" if wide else "f4"
        w, b = variable(WIDTH, WIDTH, dtype=dtype), variable(WIDTH, seed=2, dtype=dtype)

        def run(x: Any, y: Any) -> Any:
            clear(w, b)
            h = x
            for layer in layers:
                h = BY_ROW[layer](SimpleNamespace(h=h, x=x, w=w, b=b))
            value = LOSSES[loss](h, y)
            if value.requires_grad:
                value.backward()
            right = np.equal(np.argmax(h, axis=1), y).sum()
            return value, right

        return Twin(run, [w, b])

    return make


def batch(k: int) -> list[np.ndarray]:
    x = rng(k).standard_normal((ROWS, WIDTH)).astype("f4")
    return [x, rng(k).integers(0, WIDTH, ROWS)]


@for_each(range(15))
def test_full_batches_drawn_at_random(seed: int) -> None:
    layers = random.Random(seed).choices(range(len(BY_ROW)), k=seed % 8)
    made = passed(layers, seed % len(LOSSES), seed % 4 == 0)
    with np.errstate(all="ignore"):
        assert differences(made, batch, 3, 2, False) == ""
