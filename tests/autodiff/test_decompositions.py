"""Matrices where formulas divide by 0; bases and phases; PyTorch as a second source."""

import importlib.util
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.autodiff.rules import decompositions, linear_algebra

Function = Callable[..., Any]
HAS_TORCH = importlib.util.find_spec("torch") is not None
A = np.array([[1.2, -0.4, 0.3], [0.5, -0.9, 0.8], [-0.7, 0.6, 1.1]])
C = np.array([[0.3, 0.8, -0.5], [0.2, -0.6, 0.9], [1.1, 0.4, 0.7]])
Q = np.linalg.qr(A)[0]


def drawn(*shape: int, seed: int, dtype: str = "d") -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if dtype == "D" else x


def adjoint(x: Any) -> Any:
    return np.conjugate(np.swapaxes(x, -1, -2))


def weighed(x: Any) -> Any:
    return np.sum(C * np.real(x))


# Functions with a derivative where eigenvalues or singular values are equal.
EQUAL: dict[str, tuple[Function, np.ndarray]] = {
    "sum of the eigenvalues' squares": (lambda t: np.sum(np.linalg.eigvalsh(t) ** 2), np.eye(3)),
    "product of eigenvalues": (lambda t: np.prod(np.linalg.eigvals(t)).real, 2 * np.eye(3)),
    "space of the equal two": (
        lambda t: weighed((v := np.linalg.eigh(t)[1][:, :2]) @ v.T),
        np.diag([1.0, 1.0, 2.0]),
    ),
    "equal but for rounding": (
        lambda t: weighed((v := np.linalg.eigh(t)[1][:, 1:]) @ v.T),
        Q @ np.diag([1.0, 3.0, 3.0]) @ Q.T,
    ),
    "space, not symmetric": (
        lambda t: weighed(
            (f := np.linalg.eig(t))[1]
            * np.where(np.real(f[0]) > 1.5, 1.0, 0.0)
            @ np.linalg.inv(f[1])
        ),
        A @ np.diag([1.0, 1.0, 2.0]) @ np.linalg.inv(A),
    ),
    "polar factor": (
        lambda t: weighed((f := np.linalg.svd(t))[0] @ f[2]),
        np.eye(3),
    ),
    "polar factor, rounded": (lambda t: weighed((f := np.linalg.svd(t)).U @ f.Vh), 2 * Q),
    "polar factor of a tall one": (
        lambda t: weighed((f := np.linalg.svd(t, full_matrices=False)).U @ f.Vh @ A[:2]),
        2 * Q[:, :2],
    ),
    "nuclear norm": (lambda t: np.linalg.norm(t, "nuc"), -np.eye(3)),
    "pinv": (lambda t: weighed(np.linalg.pinv(t)), np.eye(3)),
    "pinv of a Hermitian one": (lambda t: weighed(np.linalg.pinv(t, hermitian=True)), np.eye(3)),
    "pinv, cut": (lambda t: weighed(np.linalg.pinv(t, 0.5)), np.diag([2.0, 2.0, 0.4])),
    "cholesky": (lambda t: weighed(np.linalg.cholesky(t)), np.eye(3)),
    "det": (np.linalg.det, np.eye(3)),
    "lstsq": (lambda t: np.sum(C[:, :2] * np.linalg.lstsq(t, A[:, :2])[0]), np.eye(3)),
}


@for_each(EQUAL)
def test_equal_values(name: str) -> None:
    f, at = EQUAL[name]
    tg.gradcheck(f, at, tolerance=1e-6)


def test_nothing_is_nan_at_degenerate_matrices() -> None:
    """Whatever a gauge-dependent or infinite slope is taken for: it is a number."""
    matrices = [
        np.zeros((3, 3)),
        np.eye(3),
        np.ones((3, 3)),
        np.diag([1.0, 1.0, 0.0]),
        np.diag([1.0, -1.0, 0.0]),
        Q @ np.diag([1.0, 1.0, 1e-30]) @ Q.T,
        np.ones((3, 2)),
        np.zeros((2, 3)),
    ]
    functions: list[Function] = [
        np.linalg.svd,
        lambda t: np.linalg.svd(t, False),
        np.linalg.svdvals,
        np.linalg.qr,
        lambda t: np.linalg.qr(t, "complete"),
        np.linalg.pinv,
        lambda t: np.linalg.norm(t, 2),
        lambda t: np.linalg.norm(t, -2),
        lambda t: np.linalg.norm(t, "nuc"),
        np.linalg.cond,
        lambda t: np.linalg.lstsq(t, np.ones((t.shape[0], 2)), None),
    ]
    symmetric: list[Function] = [
        np.linalg.eigh,
        np.linalg.eig,
        np.linalg.det,
        np.linalg.slogdet,
        np.linalg.eigvals,
        lambda t: np.linalg.svd(t, hermitian=True),
        lambda t: np.linalg.pinv(t, hermitian=True),
        lambda t: np.linalg.cond(t, 1),
    ]
    for dtype in ("d", "D", "f"):
        for matrix in matrices:
            square = matrix.shape[0] == matrix.shape[1]
            for f in functions + symmetric * square:
                t = tg.Tensor(matrix.astype(dtype), requires_grad=True)
                parts = f(t)
                for part in parts if isinstance(parts, tuple) else [parts]:
                    if part.requires_grad:
                        part.backward(np.ones_like(part.data), retain_graph=True)
                assert t.grad is None or np.isfinite(t.grad.numpy()).all(), (f, matrix, dtype)


def test_phases_of_vectors_do_not_matter() -> None:
    """A function that does not depend on phases has one gradient, whichever phases came out."""
    turns = np.exp(1j * np.array([0.4, -1.3, 2.2]))
    h = drawn(3, 3, seed=0, dtype="D")
    w, v = np.linalg.eigh(h + adjoint(h))
    weight = drawn(3, 3, seed=1, dtype="D")
    found = []
    for vectors in (v, v * turns):
        # d sum_i c_i vᵢᴴ W vᵢ, W Hermitian
        g = 2 * np.conj((weight + adjoint(weight)) @ vectors * [1.0, 2.0, -1.0])
        found.append(decompositions.eigh_back((None, g), (w, vectors), True))
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    u, s, vh = np.linalg.svd(h)
    found = []
    for left, right in ((u, vh), (u * turns, np.conj(turns)[:, None] * vh)):
        g = weight @ right.T, None, left.T @ weight  # of sum(weight * (u vh))
        found.append(decompositions.svd_back(g, (left, s, right)))
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


RANKS = [np.zeros((4, 4)), np.diag([1.0, 0.0, 0.0, 0.0]), drawn(4, 2, seed=3) @ drawn(2, 4, seed=4),
         drawn(4, 3, seed=5) @ drawn(3, 4, seed=6), drawn(4, 4, seed=7),
         drawn(4, 3, seed=5, dtype="D") @ drawn(3, 4, seed=6, dtype="D")]  # fmt: skip


@pytest.mark.parametrize("matrix", [*RANKS, np.stack(RANKS[:5])], ids=lambda m: str(m.shape))
def test_det_of_any_rank_is_differentiable_twice(matrix: np.ndarray) -> None:
    tg.gradcheck(np.linalg.det, matrix, order=2)


def test_det_is_differentiable_thrice_where_it_is_not_0() -> None:
    tg.gradcheck(np.linalg.det, A, order=3)
    tg.gradcheck(np.linalg.det, drawn(2, 2, seed=0, dtype="D"), order=3)


def test_det_of_matrices_that_hold_no_numbers() -> None:
    """One with a NaN has NaN everywhere, and leaves the others of its stack alone."""
    stack = np.stack([np.diag([1.0, 2.0, 0.0]), np.full((3, 3), np.nan), A])
    t = tg.Tensor(stack, requires_grad=True)
    with np.errstate(all="ignore"):
        np.sum(np.linalg.det(t)).backward()
    assert t.grad is not None
    slopes = t.grad.numpy()
    np.testing.assert_allclose(slopes[0], np.diag([0.0, 0.0, 2.0]), atol=1e-15)
    assert np.isnan(slopes[1]).all()
    np.testing.assert_allclose(slopes[2], np.linalg.det(A) * np.linalg.inv(A).T)


@pytest.mark.parametrize("rank", [60, 59, 58])
def test_det_takes_no_minors(rank: int) -> None:
    """The n² minors of n = 60 would take 100 MB; a few matrices suffice."""
    x = drawn(60, rank, seed=0) @ drawn(rank, 60, seed=1) / 60
    t = tg.Tensor(x, requires_grad=True)
    out = np.linalg.det(t)
    tracemalloc.start()
    out.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * x.nbytes
    assert t.grad is not None
    u, s, vh = np.linalg.svd(x)
    others = np.array([np.prod(np.delete(s, i)) for i in range(60)])
    sign = np.linalg.det(u) * np.linalg.det(vh)
    expected = sign * (u * others) @ vh
    np.testing.assert_allclose(t.grad.numpy(), expected, rtol=1e-6, atol=1e-9 * abs(expected).max())
    direction = drawn(60, 60, seed=2)
    tracemalloc.start()
    tg.hvp(np.linalg.det, [x], [direction])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * x.nbytes


def test_the_triangle_that_is_read() -> None:
    spd = A @ A.T + np.eye(3)
    for f, at, lower in [
        (lambda t: np.sum(C * np.linalg.cholesky(t)), spd, True),
        (lambda t: np.sum(C * np.linalg.cholesky(t, upper=True)), spd, False),
        (lambda t: np.sum(C[0] * np.linalg.eigvalsh(t)), spd, True),
        (lambda t: np.sum(C[0] * np.linalg.eigvalsh(t, "U")), spd, False),
        (lambda t: np.sum(C * np.linalg.pinv(t, hermitian=True)), spd, True),
        (lambda t: np.sum(C * np.linalg.eigh(t)[1]), spd, True),
    ]:
        unread = np.triu(np.full((3, 3), np.nan), 1)
        matrix = np.tril(at) + unread if lower else (np.tril(at) + unread).T
        t = tg.Tensor(matrix, requires_grad=True)
        f(t).backward()
        assert t.grad is not None
        slope = t.grad.numpy()
        assert not np.triu(slope if lower else slope.T, 1).any()
        assert np.count_nonzero(np.tril(slope if lower else slope.T)) == 6


def test_rank_loss() -> None:
    """Along matrices of one rank pseudo-inverses and least-squares solutions are smooth."""
    x, y = A[0], A[1, :2]
    tg.gradcheck(lambda x, y: np.linalg.pinv(np.outer(x, y)), x, y, order=2)
    tg.gradcheck(lambda x, y: np.linalg.lstsq(np.outer(x, y), C[0])[0], x, y, order=2)
    tg.gradcheck(lambda t: np.linalg.lstsq(t, C[0], 0.6)[0], A)
    assert np.linalg.lstsq(A, C[0], 0.6)[2] == 2


def test_results_of_lstsq() -> None:
    a, b = tg.Tensor(A[:, :2], requires_grad=True), tg.Tensor(C, requires_grad=True)
    x, squares, rank, s = np.linalg.lstsq(a, b)
    assert x.shape == (2, 3) and squares.shape == (3,) and s.shape == (2,)
    assert rank == 2 and not getattr(rank, "requires_grad", False)
    np.testing.assert_allclose(squares.numpy(), np.sum((C - A[:, :2] @ x.numpy()) ** 2, 0))
    squares.sum().backward()
    assert b.grad is not None
    np.testing.assert_allclose(b.grad.numpy(), 2 * (C - A[:, :2] @ x.numpy()), atol=1e-14)
    empty = np.linalg.lstsq(tg.Tensor(A, requires_grad=True), b)[1]
    assert empty.shape == (0,)


def test_a_named_tuple_stays_one() -> None:
    t = tg.Tensor(A, requires_grad=True)
    for hermitian in (False, True):
        assert np.linalg.svd(t, hermitian=hermitian)._fields == ("U", "S", "Vh")
    assert np.linalg.eigh(t)._fields == ("eigenvalues", "eigenvectors")
    assert np.linalg.qr(t)._fields == ("Q", "R")
    assert np.linalg.slogdet(t)._fields == ("sign", "logabsdet")


def test_chains_are_cut_where_that_is_cheapest() -> None:
    def work(sizes: list[int], cuts: dict[tuple[int, int], int], i: int, j: int) -> int:
        if i == j:
            return 0
        k = cuts[i, j]
        own = sizes[i] * sizes[k + 1] * sizes[j + 1]
        return work(sizes, cuts, i, k) + work(sizes, cuts, k + 1, j) + own

    def least(sizes: list[int]) -> int:
        """Of all orders: join any two neighbours, and go on."""
        if len(sizes) == 2:
            return 0
        return min(
            sizes[k - 1] * sizes[k] * sizes[k + 1] + least(sizes[:k] + sizes[k + 1 :])
            for k in range(1, len(sizes) - 1)
        )

    rng = np.random.default_rng(0)
    for count in (2, 3, 4, 5, 6):
        for _ in range(5):
            sizes = rng.integers(1, 12, count + 1).tolist()
            cuts = linear_algebra.best_cuts(sizes)
            assert work(sizes, cuts, 0, count - 1) == least(sizes)


def hermitian(x: Any) -> Any:
    return x @ adjoint(x) + np.eye(x.shape[-1])


# ours, theirs, shapes of the operands; each gives an array that no gauge moves
PAIRS: dict[str, tuple[Function, Function, list[tuple[int, ...]]]] = {}


def twin(name: str, ours: Function, theirs: Function, *shapes: tuple[int, ...]) -> None:
    PAIRS[name] = ours, theirs, list(shapes)


if HAS_TORCH:
    import torch

    la, tl = np.linalg, torch.linalg

    def spd(x: Any) -> Any:
        return x @ x.mH + torch.eye(x.shape[-1], dtype=x.dtype)

    def ours_first(x: Any) -> Any:
        return x[..., :, :1] @ adjoint(x[..., :, :1])

    def theirs_first(x: Any) -> Any:
        return x[..., :, :1] @ x[..., :, :1].mH

    twin("cholesky", lambda x: la.cholesky(hermitian(x)), lambda x: tl.cholesky(spd(x)), (2, 3, 3))
    twin(
        "upper cholesky",
        lambda x: la.cholesky(hermitian(x), upper=True),
        lambda x: tl.cholesky(spd(x), upper=True),
        (4, 4),
    )
    twin("eigvalsh", lambda x: la.eigvalsh(hermitian(x)), lambda x: tl.eigvalsh(spd(x)), (2, 4, 4))
    twin(
        "eigh",
        lambda x: ours_first(la.eigh(hermitian(x)).eigenvectors),
        lambda x: theirs_first(tl.eigh(spd(x)).eigenvectors),
        (2, 4, 4),
    )
    twin("eigvals", lambda x: la.eigvals(x) ** 2, lambda x: tl.eigvals(x) ** 2, (4, 4))
    twin(
        "eig",
        lambda x: abs((f := la.eig(x)).eigenvectors) ** 2 * f.eigenvalues.real[..., None, :],
        lambda x: (f := tl.eig(x)).eigenvectors.abs() ** 2 * f.eigenvalues.real[..., None, :],
        (2, 3, 3),
    )
    for shape in ((3, 3), (2, 4, 2), (2, 3)):
        twin(f"svdvals {shape}", la.svdvals, tl.svdvals, shape)
        twin(
            f"svd {shape}",
            lambda x: (
                ours_first((f := la.svd(x, False)).U) * f.S[..., :1, None] + np.sum(abs(f.Vh) ** 4)
            ),
            lambda x: (
                theirs_first((f := tl.svd(x, False)).U) * f.S[..., :1, None]
                + torch.sum(f.Vh.abs() ** 4)
            ),
            shape,
        )
        twin(f"qr {shape}", lambda x: la.qr(x).R, lambda x: tl.qr(x).R, shape)
        twin(f"q {shape}", lambda x: la.qr(x).Q, lambda x: tl.qr(x).Q, shape)
        twin(f"pinv {shape}", la.pinv, tl.pinv, shape)
        for order in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf):
            twin(
                f"norm {order} {shape}",
                lambda x, p=order: la.matrix_norm(x, ord=p),
                lambda x, p=order: tl.matrix_norm(x, ord=p),
                shape,
            )
    for order in (None, 2, -2):
        twin(
            f"cond {order}",
            lambda x, p=order: la.cond(x, p),
            lambda x, p=order: tl.cond(x, p),
            (3, 3),
        )
    for order in (1, -np.inf, "fro"):  # there cond itself fails in its backward
        twin(
            f"cond {order}",
            lambda x, p=order: la.cond(x, p),
            lambda x, p=order: tl.matrix_norm(x, p) * tl.matrix_norm(tl.inv(x), p),
            (3, 3),
        )
    for order in (2, 1, 3, 0.5, np.inf, -np.inf):
        twin(
            f"vector norm {order}",
            lambda x, p=order: la.vector_norm(x, ord=p, axis=(0, 2)),
            lambda x, p=order: tl.vector_norm(x, ord=p, dim=(0, 2)),
            (2, 2, 3),
        )
    twin("complete qr", lambda x: la.qr(x, "complete").R, lambda x: tl.qr(x, "complete").R, (2, 4))
    twin(
        "pinv hermitian",
        lambda x: la.pinv(hermitian(x), hermitian=True),
        lambda x: tl.pinv(spd(x), hermitian=True),
        (3, 3),
    )
    twin("det", la.det, tl.det, (2, 4, 4))
    twin("inv", la.inv, tl.inv, (2, 3, 3))
    twin("slogdet", lambda x: la.slogdet(x)[1], lambda x: tl.slogdet(x)[1], (2, 3, 3))
    twin("sign of det", lambda x: la.slogdet(x)[0], lambda x: tl.slogdet(x)[0], (2, 3, 3))
    twin("solve", la.solve, tl.solve, (2, 3, 3), (2, 3, 2))
    twin(
        "lstsq",
        lambda x, y: la.lstsq(x, y)[0],
        lambda x, y: tl.lstsq(x, y).solution,
        (4, 2),
        (4, 3),
    )
    twin("tensorinv", la.tensorinv, tl.tensorinv, (2, 3, 6))
    twin("tensorsolve", la.tensorsolve, tl.tensorsolve, (2, 3, 6), (2, 3))
    twin("power", lambda x: la.matrix_power(x, -3), lambda x: tl.matrix_power(x, -3), (2, 3, 3))
    twin("chain", lambda *v: la.multi_dot(v), lambda *v: tl.multi_dot(v), (2, 3), (3, 4), (4, 1))
    twin("cross", la.cross, tl.cross, (4, 3), (4, 3))
    twin("vecdot", la.vecdot, tl.vecdot, (4, 3), (4, 3))
    twin("trace", np.trace, torch.trace, (3, 4))


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("dtype", ["d", "D"])
@pytest.mark.parametrize("turn", range(4))
def test_values_and_gradients_are_those_of_pytorch(dtype: str, turn: int) -> None:
    for name in list(PAIRS)[turn::4]:
        for seed in range(3):
            compare(name, dtype, seed)


def compare(name: str, dtype: str, seed: int) -> None:
    """The conjugate of PyTorch's gradient for the same weighted sum of results."""
    ours, theirs, shapes = PAIRS[name]
    arrays = [drawn(*s, seed=10 * seed + k, dtype=dtype) for k, s in enumerate(shapes)]
    leaves = [torch.tensor(x, requires_grad=True) for x in arrays]
    variables = [tg.Tensor(x, requires_grad=True) for x in arrays]
    expected, found = theirs(*leaves), ours(*variables)
    np.testing.assert_allclose(found.numpy(), expected.numpy(force=True), atol=1e-9, err_msg=name)
    weight = drawn(*expected.shape, seed=99, dtype="D" if expected.is_complex() else "d")
    found.backward(weight)
    expected.backward(torch.tensor(weight).conj())
    for leaf, variable in zip(leaves, variables, strict=True):
        assert variable.grad is not None
        slope = 0.0 if leaf.grad is None else leaf.grad.numpy(force=True).conj()
        np.testing.assert_allclose(variable.grad.numpy(), slope, rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors")
def test_cross_of_vectors_in_the_plane() -> None:
    """As NumPy still has it: they have the third element 0."""
    x, y, z = A[:, :2], C[:, :2], C
    for a, b in ((x, y), (x, z), (z, x), (A, z)):
        t, u = (tg.Tensor(v, requires_grad=True) for v in (a, b))
        np.testing.assert_allclose(np.cross(t, u).numpy(), np.cross(a, b), atol=1e-15)
        tg.gradcheck(np.cross, a, b)
    tg.gradcheck(lambda a, b: np.cross(a, b, axisa=0, axisc=0), A.T[:2], C)
