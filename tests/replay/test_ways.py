"""What cannot be replayed, or not for a batch, says which way leads there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

X = np.array([-1.0, 0.5, 2.0])
TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def pieces(x: Any) -> Any:
    return np.sum(np.piecewise(x, [x < 0, x >= 0], [lambda v: v * v, lambda v: 3 * v]))


def squares(t: Any) -> Any:
    return np.real(np.sum(np.linalg.eigvals(t) ** 2))


def cubes(x: Any) -> Any:
    return np.sum(x**3)


def replayed(f: Callable[[Any], Any], *points: np.ndarray) -> list[Any]:
    step = tg.replay(f)
    return [step(point) for point in points]


def chosen(x: Any) -> Any:
    return np.sum(np.arange(3.0)[np.argmax(x)] * x)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "pieces of a batch": (
        lambda: tg.vmap(pieces)(np.stack([X, X])),
        r"another number of elements in each example; choose with np.where\(mask, a, b\)",
    ),
    "pieces of other sizes": (
        lambda: replayed(tg.grad(pieces), X, X, -X),
        r"its shape depends on values. Use functions whose shapes do not, such as np.where",
    ),
    "the gradient of a replay": (
        lambda: tg.grad(tg.replay(cubes))(X),
        r"replay the gradient, tg.replay\(tg.grad\(f\)\)",
    ),
    "an array at a Tensor's place": (
        lambda: tg.replay(tg.grad(chosen))(X),
        r"from a Tensor, tg.Tensor\(table\)\[t\]",
    ),
    "eigenvalues that turn complex": (
        lambda: replayed(tg.grad(squares), np.eye(2), np.eye(2), TURN),
        r"whether its results are complex depends on values. Give it complex numbers \(x \+ 0j\)",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_the_way(what: str) -> None:
    call, message = REFUSED[what]
    with pytest.raises((tg.TapeError, tg.ReplayError), match=message):
        call()


def test_the_ways_that_are_named_lead_there() -> None:
    wheres = lambda x: np.sum(np.where(x < 0, x * x, 3 * x))
    batch = np.stack([X, 2 * X])
    np.testing.assert_array_equal(
        tg.vmap(tg.grad(wheres))(batch), [tg.grad(pieces)(row) for row in batch]
    )
    for f, points in (
        (tg.grad(pieces), (X, X, 2 * X)),
        (tg.grad(wheres), (X, X, -X)),
        (tg.grad(cubes), (X, X, 2 * X)),
        (tg.grad(lambda x: np.sum(tg.Tensor(np.arange(3.0))[np.argmax(x)] * x)), (X, X, -X)),
        (tg.grad(lambda t: squares(t + 0j)), (np.diag([1.0, 2.0]), np.diag([3.0, 2.0]), TURN)),
    ):
        np.testing.assert_array_equal(replayed(f, *points), [f(point) for point in points])
