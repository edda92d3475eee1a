"""Equal eigenvalues and singular values: a derivative is the true one, or it is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

Function = Callable[..., Any]
la = np.linalg
Q = la.qr(np.array([[1.2, -0.4, 0.3], [0.5, -0.9, 0.8], [-0.7, 0.6, 1.1]]))[0]
C = np.array([[0.3, 0.8, -0.5], [0.2, -0.6, 0.9], [1.1, 0.4, 0.7]])
TWO, ZEROS, LOW = np.diag([2.0, 2.0, 5.0]), np.diag([2.0, 0.0, 0.0]), np.diag([3.0, 2.0, 0.0])
TALL = np.diag([2.0, 0.0, 0.0])[:, :2]
SUMS: dict[str, Function] = {  # of values alone, the first derivative of which is right everywhere
    "eigvalsh": la.eigvalsh,
    "eigvals": la.eigvals,
    "svdvals": la.svdvals,
    "svdvals, Hermitian": lambda t: la.svd(t, hermitian=True, compute_uv=False),
}


def tried(f: Function, *arguments: Any) -> Any:
    """The result, or None where it is refused, in the words of the page."""
    try:
        return f(*arguments)
    except tg.TapeError as error:
        assert "Write the function without vectors" in str(error)
        return None


def product(f: Function, at: np.ndarray, along: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """The Hessian-vector product by differences of the gradients, which are right."""
    ends = [tg.grad(f)(at + sign * step * along) for sign in (1, -1)]
    return np.asarray((ends[0] - ends[1]) / (2 * step))


def slope(f: Function, at: np.ndarray, forward: bool) -> np.ndarray:
    """The gradient, or the derivative in one direction."""
    return np.asarray(tg.jvp(f, at, C + C.T)[1] if forward else tg.grad(f)(at))


def entries(shape: tuple[int, ...]) -> list[np.ndarray]:
    return list(np.eye(int(np.prod(shape))).reshape(-1, *shape))


@pytest.mark.parametrize("name", SUMS)
def test_second_derivatives_at_equal_values_are_true_or_refused(name: str) -> None:
    values, found = SUMS[name], {True: 0, False: 0}
    even = [lambda v: v**2, lambda v: v * 0 + 1, lambda v: np.where(v > 4, v**2, 0)]
    powers = [*even, lambda v: (v - 2) ** 2, lambda v: 3 * v]
    matrices = [2 * np.eye(3), TWO, Q @ TWO @ Q.T, 2 * Q @ np.diag([1.0, 0.5, 3.0]) @ Q.T]
    cases = [(h, at) for h in powers for at in matrices]
    if name == "svdvals":  # of which others have a kink where one is 0
        cases += [(h, at) for h in even for at in (ZEROS, LOW, TALL)]
    for h, at in cases:
        f = lambda t, h=h: np.sum(np.real(h(np.real(values(t)))))
        directions = [*entries(at.shape)[::2], C[:, : at.shape[1]]]
        if name != "svdvals":  # of symmetric ones half are the others, and all have vectors
            directions = [d + d.T for d in directions if np.triu(d).any()]
        for along in directions:
            ours = tried(tg.hvp, f, at, along)
            found[ours is None] += 1
            if ours is not None:
                np.testing.assert_allclose(ours, product(f, at, along), atol=2e-4)
    assert min(found.values()) > 20, found


BOTH: dict[str, tuple[Function, Function]] = {  # with vectors, and the same without
    "eigh": (lambda t: (f := la.eigh(t))[1] * f[0] @ f[1].T, lambda t: (t + t.T) / 2),
    "inverse": (lambda t: (f := la.eigh(t))[1] / f[0] @ f[1].T, lambda t: la.inv((t + t.T) / 2)),
    "eig": (lambda t: np.real((f := la.eig(t))[1] * f[0] @ la.inv(f[1])), lambda t: t),
    "svd": (lambda t: (f := la.svd(t, full_matrices=False))[0] * f[1] @ f[2], lambda t: t),
    "hermitian svd": (
        lambda t: (f := la.svd(t, hermitian=True))[0] * f[1] @ f[2],
        lambda t: (t + t.T) / 2,
    ),
    "leading": (
        lambda t: (f := la.svd(t))[0][:, :1] * f[1][:1] @ f[2][:1],
        lambda t: t @ (v := la.svd(t)[2][:1]).T @ v,
    ),
}


@pytest.mark.parametrize("name", BOTH)
def test_values_and_vectors_of_equal_values_are_true_or_refused(name: str) -> None:
    with_vectors, without = BOTH[name]
    found = {True: 0, False: 0}
    for at in (2 * np.eye(3), TWO, Q @ TWO @ Q.T, LOW, ZEROS, np.diag([3.0, 2.0, 1.0])):
        if name == "inverse" and la.det(at) == 0:
            continue
        f = lambda t: np.sum(C * with_vectors(t))
        g = lambda t: np.sum(C * without(t))
        for forward in (False, True):
            ours = tried(slope, f, at, forward)
            found[ours is None] += 1
            if ours is not None:
                true = slope(g, at, forward)
                np.testing.assert_allclose(ours + ours.T, true + true.T, atol=1e-9)
    assert found[True] >= 2 * (name != "leading") and found[False] >= 2, found


J = np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 5.0]])
SHARED = {
    "ones": np.array([[1.0, 1.0], [0.0, 1.0]]),
    "nilpotent": np.array([[0.0, 1.0], [0.0, 0.0]]),
    "all": np.triu(np.ones((3, 3)), 1),
    "nearly": np.array([[1.0, 1e-5], [0.0, 1.0]]),
    "one of three": J,
    "transposed": J.T,
    "single": J.astype(np.float32),
    "in a stack": np.stack([np.diag([1.0, 2.0, 3.0]), J]),
}


@pytest.mark.parametrize("name", SHARED)
def test_values_of_vectors_that_do_not_span_are_refused(name: str) -> None:
    """Of Σ w² the true gradient is 2 Aᵀ, which values and vectors do not tell."""
    for f in (lambda t: np.sum(np.real(la.eigvals(t) ** 2)), lambda t: np.sum(abs(la.eig(t)[1]))):
        for fn in (tg.grad(f), tg.replay(tg.grad(f)), lambda t, f=f: tg.hvp(f, t, t)):
            with pytest.raises(tg.TapeError, match=r"eig: .* fewer vectors than its multiplicity"):
                fn(SHARED[name])


def test_a_replay_refuses_what_eager_mode_refuses() -> None:
    f = tg.replay(tg.grad(lambda t: np.sum(C * BOTH["eigh"][0](t))))
    apart = np.diag([1.0, 2.0, 3.0])
    for _ in range(4):
        np.testing.assert_allclose(f(apart), np.tril(C + C.T) - np.diag(np.diag(C)), atol=1e-12)
    assert tried(f, 2 * np.eye(3)) is None


def test_examples_of_a_batch_are_refused_as_one_is() -> None:
    stack = np.stack([np.diag([1.0, 2.0, 3.0]), np.diag([1.0, 2.0, 4.0])])
    slope = tg.grad(lambda t: np.sum(C * BOTH["eigh"][0](t)))
    np.testing.assert_allclose(tg.vmap(slope)(stack), [slope(t) for t in stack], atol=1e-14)
    assert tried(tg.vmap(slope), np.stack([stack[0], np.eye(3)])) is None
    f = lambda t: np.sum(la.eigvalsh(t) ** 2)
    assert tried(tg.hessian(f), 2 * np.eye(3)) is None
    hessians = tg.vmap(tg.hessian(f))(stack)
    np.testing.assert_allclose(hessians, [tg.hessian(f)(t) for t in stack], atol=1e-12)
