"""The programs of docs/cookbook.md: what they print, their values and their derivatives.

Values are compared with SciPy's, scikit-learn's or a formula that shares no code; gradients and
Hessian-vector products with finite differences.
"""

import contextlib
import functools
import io
import re
import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cookbook.md"
BLOCKS = dict(
    re.findall(r"^## ([^\n]+)\n.*?```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL | re.M)
)


@functools.cache
def program(title: str) -> tuple[dict[str, Any], list[str]]:
    """The names that a block binds, and the lines it prints."""
    said = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(said),
    ):
        file = Path(folder, "block.py")
        file.write_text(BLOCKS[title], encoding="utf-8")
        names = runpy.run_path(str(file))
    return names, said.getvalue().splitlines()


def names_of(title: str) -> dict[str, Any]:
    if title == "Fit a curve":
        pytest.importorskip("scipy")
    return program(title)[0]


@pytest.mark.parametrize("title", BLOCKS)
def test_a_block_prints_what_its_comments_say(title: str) -> None:
    names_of(title)
    expected = re.findall(r"^print\(.*\)  # (.*)$", BLOCKS[title], re.MULTILINE)
    assert program(title)[1] == expected != []
    assert 10 < len(BLOCKS[title].splitlines()) < 45


# title, function, where (a name of the block, or numbers)
FUNCTIONS: list[tuple[str, str, Any]] = [
    ("Fit a curve", "misfit", [1.8, 0.25, 1.4]),
    ("Gaussian process", "by_cholesky", [-0.2, 0.1, -1.0]),
    ("Gaussian process", "by_slogdet", [-0.2, 0.1, -1.0]),
    ("Kalman filter", "surprise", [-1.0, -0.5]),
    ("Design a filter", "loss", "half"),
    ("Mixture of Gaussians", "surprise", "p"),
    ("Differential equation", "misfit", [1.1, 0.8, 0.9, 0.6]),
    ("Sensitivity of an eigenvalue", "lowest", "stiffness"),
    ("Principal components", "distance", "data"),
    ("Principal components", "explained", "data"),
]


@pytest.mark.parametrize(("title", "name", "at"), FUNCTIONS)
def test_gradient_and_hessian_vector_product(title: str, name: str, at: Any) -> None:
    names = names_of(title)
    f, x = names[name], names[at] if isinstance(at, str) else np.array(at)
    tg.gradcheck(f, x)
    rng = np.random.default_rng(0)
    nest = x if isinstance(x, dict) else {"x": x}
    whole = f if isinstance(x, dict) else lambda nest: f(nest["x"])
    v = {key: rng.standard_normal(part.shape) for key, part in nest.items()}
    gradient = tg.grad(whole)

    def along(h: float) -> dict[str, Any]:
        found: dict[str, Any] = gradient({key: nest[key] + h * v[key] for key in nest})
        return found

    coarse, fine = ([along(h), along(-h)] for h in (1e-3, 5e-4))
    for key, product in tg.hvp(whole, (nest,), (v,))[0].items():
        slopes = [(up[key] - down[key]) / h for (up, down), h in ((coarse, 2e-3), (fine, 1e-3))]
        numeric = (4 * slopes[1] - slopes[0]) / 3  # Richardson
        np.testing.assert_allclose(product, numeric, rtol=1e-7, atol=1e-7 * np.abs(numeric).max())
        assert np.abs(product).max() > 1e-4


def least_squares(names: dict[str, Any]) -> None:
    optimize = pytest.importorskip("scipy.optimize")

    def curve(t: Any, size: float, decay: float, frequency: float) -> Any:
        return size * np.exp(-decay * t) * np.cos(frequency * t)

    given = names["t"], names["readings"], names["start"]
    found, _ = optimize.curve_fit(curve, *given)
    np.testing.assert_allclose(names["fit"].x, found, rtol=1e-5)
    sensitivity = tg.jacobian(names["curve"])(found) / names["noise"]  # Gauss and Newton's errors
    errors = np.sqrt(np.diag(np.linalg.inv(sensitivity.T @ sensitivity)))
    np.testing.assert_allclose(names["errors"], errors, rtol=0.05)


def gaussian_process(names: dict[str, Any]) -> None:
    stats = pytest.importorskip("scipy.stats")
    for p in ([-0.2, 0.1, -1.0], names["p"]):
        length, amplitude, noise = np.exp(p)
        apart = np.subtract.outer(names["x"], names["x"])
        covariance = amplitude**2 * np.exp(-((apart / length) ** 2) / 2) + noise**2 * np.eye(25)
        expected = -stats.multivariate_normal.logpdf(names["y"], cov=covariance)
        for name in ("by_cholesky", "by_slogdet"):
            np.testing.assert_allclose(names[name](np.array(p)), expected, rtol=1e-10)
    np.testing.assert_allclose(tg.grad(names["by_slogdet"])(names["p"]), 0, atol=1e-8)


def joint_gaussian(names: dict[str, Any]) -> None:
    """The readings as one Gaussian vector: the states are linear in the start and the shocks."""
    stats = pytest.importorskip("scipy.stats")
    n, F = len(names["readings"]), names["F"]
    powers = [np.linalg.matrix_power(F, k)[0] for k in range(n + 1)]  # rows that are read
    for p in ([-1.0, -0.5], names["p"]):
        wander, noise = np.exp(p)
        covariance = noise * np.eye(n)
        for i in range(1, n + 1):
            for j in range(1, n + 1):
                shocks = sum(powers[i - k][1] * powers[j - k][1] for k in range(1, min(i, j) + 1))
                covariance[i - 1, j - 1] += 10 * powers[i] @ powers[j] + wander * shocks
        expected = -stats.multivariate_normal.logpdf(names["readings"], cov=covariance)
        np.testing.assert_allclose(names["surprise"](np.array(p)), expected, rtol=1e-9)
    np.testing.assert_allclose(tg.grad(names["surprise"])(names["p"]), 0, atol=1e-3)


def frequency_response(names: dict[str, Any]) -> None:
    signal = pytest.importorskip("scipy.signal")
    half, frequency = names["half"], names["frequency"]
    taps = np.concatenate([half, half[:-1][::-1]])
    assert taps.shape == (31,)
    _, expected = signal.freqz(taps, worN=2 * np.pi * frequency)
    np.testing.assert_allclose(names["response"](half), np.abs(expected), atol=1e-12)
    best = signal.firls(31, [0, 0.12, 0.18, 0.5], [1, 1, 0, 0], weight=[1, 10], fs=1)
    np.testing.assert_allclose(taps, best, atol=0.02)


def mixture(names: dict[str, Any]) -> None:
    stats = pytest.importorskip("scipy.stats")
    p, numbers = names["p"], names["numbers"]
    weights = np.exp(p["logits"]) / np.exp(p["logits"]).sum()
    densities = stats.norm.pdf(numbers[:, None], p["means"], np.exp(p["log_scales"])) * weights
    np.testing.assert_allclose(names["surprise"](p), -np.log(densities.sum(1)).sum(), rtol=1e-12)
    shares = densities / densities.sum(1, keepdims=True)  # a step of EM stays where it is
    means = (shares * numbers[:, None]).sum(0) / shares.sum(0)
    np.testing.assert_allclose(p["means"], means, atol=1e-3)


def trajectory(names: dict[str, Any]) -> None:
    integrate = pytest.importorskip("scipy.integrate")

    def slope(_t: float, state: Any, birth: float, hunt: float, death: float, feed: float) -> Any:
        prey, predators = state
        return [prey * (birth - hunt * predators), predators * (feed * prey - death)]

    for rates in ([1.1, 0.8, 0.9, 0.6], names["rates"]):
        solved = integrate.solve_ivp(slope, (0, 3), [1, 0.5], args=rates, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(names["end"](np.array(rates)), solved.y[:, -1], rtol=1e-3)
        finer = names["end"](np.array(rates), steps=30)
        np.testing.assert_allclose(finer, solved.y[:, -1], rtol=5e-5)


def vibrations(names: dict[str, Any]) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    k, stretch = names["stiffness"], names["stretch"]
    of_springs = stretch.T @ np.diag(k) @ stretch
    values, vectors = linalg.eigh(of_springs, np.diag(names["masses"]))
    np.testing.assert_allclose(names["lowest"](k), values[0], rtol=1e-12)
    stretched = stretch @ vectors  # second-order perturbation theory
    change = stretched[0, 0] * stretched[0, 1:] / (values[0] - values[1:])
    expected = 2 * stretched[:, 0] * (stretched[:, 1:] @ change)
    np.testing.assert_allclose(tg.hvp(names["lowest"], k, np.eye(7)[0]), expected, atol=1e-12)


def components(names: dict[str, Any]) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    data, new = names["data"], names["new"]
    fitted = decomposition.PCA(2).fit(data)
    share = fitted.explained_variance_ratio_.sum()
    np.testing.assert_allclose(names["explained"](data), share, rtol=1e-12)
    back = fitted.inverse_transform(fitted.transform(new[None]))[0]
    np.testing.assert_allclose(names["distance"](data), np.linalg.norm(new - back), rtol=1e-12)


REFERENCES: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("Fit a curve", least_squares),
    ("Gaussian process", gaussian_process),
    ("Kalman filter", joint_gaussian),
    ("Design a filter", frequency_response),
    ("Mixture of Gaussians", mixture),
    ("Differential equation", trajectory),
    ("Sensitivity of an eigenvalue", vibrations),
    ("Principal components", components),
]


@pytest.mark.parametrize(("title", "compare"), REFERENCES)
def test_values(title: str, compare: Callable[[dict[str, Any]], None]) -> None:
    compare(names_of(title))


def test_every_program_is_checked() -> None:
    assert {title for title, *_ in FUNCTIONS} == {title for title, _ in REFERENCES} == set(BLOCKS)
    assert len(BLOCKS) == 8
