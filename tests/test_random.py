"""Random numbers: distribution and dtype, drawn anew in every replay, errors with a remedy."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim, training
from tinygrad_np.nn import functional as F

MANY = 100_000
X = np.random.default_rng(5).standard_normal((24, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def fresh(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# a draw, its mean, its standard deviation, its smallest and largest possible value
DRAWS: dict[str, tuple[Callable[..., tg.Tensor], float, float, float, float]] = {
    "normal": (lambda **o: tg.random.normal(MANY, **o), 0, 1, -6, 6),
    "moved normal": (lambda **o: tg.random.normal((MANY,), 3, 0.5, **o), 3, 0.5, 0, 6),
    "uniform": (lambda **o: tg.random.uniform(MANY, **o), 0.5, 12**-0.5, 0, 1),
    "moved uniform": (lambda **o: tg.random.uniform([MANY], -2, 4, **o), 1, 3**0.5, -2, 4),
    "bernoulli": (lambda **o: tg.random.bernoulli(MANY, **o), 0.5, 0.5, 0, 1),
    "rare": (lambda **o: tg.random.bernoulli(MANY, 0.1, **o), 0.1, 0.3, 0, 1),
    "never": (lambda **o: tg.random.bernoulli(MANY, 0, **o), 0, 0, 0, 0),
    "always": (lambda **o: tg.random.bernoulli(MANY, 1.0, **o), 1, 0, 1, 1),
}


@pytest.mark.parametrize(("draw", "mean", "std", "least", "most"), DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_distribution(
    draw: Any, mean: float, std: float, least: float, most: float, dtype: Any
) -> None:
    drawn = draw(generator=fresh(), dtype=dtype)
    assert (drawn.shape, drawn.dtype, drawn.requires_grad) == ((MANY,), dtype, False)
    values = drawn.numpy().astype(np.float64)
    assert values.mean() == pytest.approx(mean, abs=5 * std / MANY**0.5 + 1e-3)
    assert values.std() == pytest.approx(std, abs=0.02)
    assert least <= values.min() <= values.max() <= most
    again = draw(generator=fresh(), dtype=dtype)
    np.testing.assert_array_equal(drawn.numpy(), again.numpy())
    generator = fresh()
    first, second = (draw(generator=generator, dtype=dtype).numpy() for _ in range(2))
    assert std == 0 or (first != second).any()


def test_numbers_are_those_of_numpy() -> None:
    np.testing.assert_array_equal(
        tg.random.normal((2, 3), generator=fresh()).numpy(),
        fresh().standard_normal((2, 3), np.float32),
    )
    np.testing.assert_array_equal(
        tg.random.uniform((2, 3), generator=fresh(), dtype=np.float64).numpy(),
        fresh().random((2, 3)),
    )
    order = tg.random.permutation(9, generator=fresh())
    np.testing.assert_array_equal(order.numpy(), fresh().permutation(9))
    assert order.dtype == np.int64
    assert tg.random.permutation(0, generator=fresh()).shape == (0,)


def test_float32_stays_float32_whatever_the_parameters_numbers_are() -> None:
    for number in (2, 2.0, np.float64(2), np.int64(2)):
        assert tg.random.normal(3, number, number, generator=fresh()).dtype == np.float32
        assert tg.random.uniform(3, number, 5.0, generator=fresh()).dtype == np.float32
    assert tg.random.bernoulli((2,), 0.5, generator=fresh(), dtype=bool).dtype == bool


def test_probabilities_for_each_element() -> None:
    p = np.array([0.0, 1.0, 0.25])
    for given in (p, tg.Tensor(p)):
        drawn = tg.random.bernoulli((20_000, 3), given, generator=fresh()).numpy()
        np.testing.assert_allclose(drawn.mean(axis=0), p, atol=0.02)


def test_gradients_reach_what_the_numbers_are_moved_by() -> None:
    """The noise is constant: d/dloc = 1, d/dscale = the noise."""
    loc, scale = np.array([1.0, -2.0]), np.array([0.5, 3.0])

    def normal(loc: Any, scale: Any) -> Any:
        return np.sum(
            tg.random.normal((4, 2), loc, scale, generator=fresh(), dtype=np.float64) ** 3
        )

    def uniform(low: Any, high: Any) -> Any:
        return np.sum(tg.random.uniform((4, 2), low, high, generator=fresh(), dtype=float) ** 3)

    tg.gradcheck(normal, loc, scale, order=2)
    tg.gradcheck(uniform, loc, scale, order=2)
    noise = fresh().standard_normal((4, 2))
    expected = (3 * (loc + scale * noise) ** 2 * noise).sum(axis=0)
    np.testing.assert_allclose(tg.grad(normal, argnums=1)(loc, scale), expected, rtol=1e-12)


# Steps that draw, replayed beside eager mode. Each makes its loss from its own generator.


class Autoencoder(nn.Module):
    """Two means and two logarithms of variances for each example (Kingma & Welling 2014)."""

    def __init__(self) -> None:
        rng = fresh(1)
        self.encoder, self.decoder = nn.Linear(4, 4, seed=rng), nn.Linear(2, 4, seed=rng)
        self.generator = fresh(2)

    def forward(self, x: Any) -> Any:
        code = self.encoder(x)
        mean, log_variance = code[:, :2], code[:, 2:]
        noise = tg.random.normal(mean.shape, generator=self.generator)
        return self.decoder(mean + np.exp(log_variance / 2) * noise)


class DropPath(nn.Module):
    """A branch that is left out for some rows (Huang et al. 2016)."""

    def __init__(self) -> None:
        self.branch, self.head = nn.Linear(4, 4, seed=0), nn.Linear(4, 2, seed=1)
        self.generator = fresh(2)

    def forward(self, x: Any) -> Any:
        kept = tg.random.bernoulli((len(x), 1), 0.8, generator=self.generator)
        return self.head(x + np.tanh(self.branch(x)) * kept / 0.8)


class Noisy(nn.Module):
    """Gaussian noise on the inputs, uniform noise on the hidden units."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(4, 8, seed=0), nn.Linear(8, 2, seed=1)
        self.generator = fresh(2)

    def forward(self, x: Any) -> Any:
        x = x + tg.random.normal(x.shape, 0.0, 0.1, generator=self.generator)
        h = F.relu(self.first(x))
        return self.last(h * tg.random.uniform(h.shape, 0.9, 1.1, generator=self.generator))


class Mixing(nn.Module):
    """Examples mixed with others of the batch (Zhang et al. 2018)."""

    def __init__(self) -> None:
        self.only = nn.Linear(4, 2, seed=0)
        self.generator = fresh(2)

    def forward(self, x: Any) -> Any:
        order = tg.random.permutation(len(x), generator=self.generator)
        share = tg.random.uniform((len(x), 1), 0.8, 1.0, generator=self.generator)
        return self.only(share * x + (1 - share) * x[order])


def squared(prediction: Any, target: Any) -> Any:
    return np.mean((prediction - target) ** 2)


STEPS = {
    "autoencoder": (Autoencoder, squared, X),
    "drop path": (DropPath, F.cross_entropy, Y),
    "noise": (Noisy, F.cross_entropy, Y),
    "mixing": (Mixing, F.cross_entropy, Y),
}
steps = pytest.mark.parametrize(("kind", "loss", "target"), STEPS.values(), ids=STEPS)


@steps
def test_a_replayed_step_draws_as_eager_mode_does(kind: Any, loss: Any, target: Any) -> None:
    found = []
    for wrap in (tg.replay, lambda step: step):
        model = kind()
        optimiser = optim.Adam(model.parameters(), 0.01)

        def step(x: Any, t: Any, model: Any = model, optimiser: Any = optimiser) -> Any:
            optimiser.zero_grad()
            value = loss(model(x), t)
            value.backward()
            return value

        run, losses = wrap(step), []
        for i in range(8):
            rows = slice(0, 24) if i % 4 else slice(0, 10)  # and a short batch
            losses.append(run(tg.Tensor(X[rows]), tg.Tensor(target[rows])).item())
            optimiser.step()
        found.append([losses, *model.state_dict().values(), model.generator.bit_generator.state])
    assert len(set(found[0][0])) == 8
    for replayed, eager in zip(*found, strict=True):
        np.testing.assert_equal(replayed, eager)


@steps
def test_it_trains_in_fit(kind: Any, loss: Any, target: Any) -> None:
    found = []
    for replay in (True, False):
        model = kind()
        optimiser = optim.Adam(model.parameters(), 0.05)
        made = tg.data.batches(X, target, 10, seed=0)
        history = training.fit(model, made, optimiser, epochs=8, loss=loss, replay=replay)
        losses = [epoch.train_loss for epoch in history]
        assert losses[-1] < 0.9 * losses[0]
        found.append([losses, *model.state_dict().values()])
    for replayed, eager in zip(*found, strict=True):
        np.testing.assert_array_equal(replayed, eager)


def test_a_draw_that_nobody_reads_moves_the_generator_in_a_replay() -> None:
    generator, w = fresh(), tg.Tensor(np.ones(3), requires_grad=True)

    def step(x: Any) -> Any:
        tg.random.permutation(5, generator=generator)
        loss = np.sum(w * x)
        loss.backward()
        return loss

    run = tg.replay(step)
    for _ in range(5):
        run(np.ones(3))
    other = fresh()
    for _ in range(5):
        other.permutation(5)
    assert generator.bit_generator.state == other.bit_generator.state


G = fresh()
p_with_grad = tg.Tensor(np.full(3, 0.5), requires_grad=True)
REFUSED: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "no generator": (lambda: tg.random.normal(3),  # type: ignore[call-arg]
        TypeError, "keyword-only argument: 'generator'"),
    "a seed": (
        lambda: tg.random.uniform(3, generator=0),  # type: ignore[arg-type]
        TypeError,
        "tg.random.uniform: the generator is 0; give generator=np.random.default_rng(seed), made",
    ),
    "the module": (
        lambda: tg.random.bernoulli(3, generator=np.random),  # type: ignore[arg-type]
        TypeError,
        "tg.random.bernoulli: the generator is module; give generator=np.random.default_rng(seed)",
    ),
    "the old kind": (
        lambda: tg.random.permutation(3, generator=np.random.RandomState(0)),  # type: ignore[arg-type]
        TypeError,
        "tg.random.permutation: the generator is RandomState; give generator=",
    ),
    "shape": (
        lambda: tg.random.normal((2, 2.5), generator=G),  # type: ignore[arg-type]
        TypeError,
        "tg.random.normal: shape (2, 2.5); give an int from 0 up, or several as a tuple.",
    ),
    "negative": (lambda: tg.random.uniform(-1, generator=G), TypeError, "shape -1; give an int"),
    "dtype": (
        lambda: tg.random.normal(3, generator=G, dtype=np.int64),
        TypeError,
        "tg.random.normal: dtype int64; give float16, float32 or float64",
    ),
    "fit": (
        lambda: tg.random.normal(3, np.zeros((2, 3)), generator=G),
        tg.ShapeError,
        "tg.random.normal: loc of shape (2, 3) does not broadcast to shape (3,);",
    ),
    "fit of the second": (
        lambda: tg.random.uniform(3, 0, np.zeros(4), generator=G),
        tg.ShapeError,
        "tg.random.uniform: high of shape (4,) does not broadcast to shape (3,);",
    ),
    "probability": (
        lambda: tg.random.bernoulli(3, 1.5, generator=G),
        tg.DataError,
        "bernoulli: p from 1.5 to 1.5; give probabilities from 0 to 1.",
    ),
    "probabilities": (
        lambda: tg.random.bernoulli(3, tg.Tensor([0.1, -0.2, np.nan]), generator=G),
        tg.DataError,
        "bernoulli: p from nan to nan; give probabilities from 0 to 1.",
    ),
    "derivative": (
        lambda: tg.random.bernoulli(3, p_with_grad, generator=G),
        tg.DetachError,
        "tg.random.bernoulli: p requires grad, and a draw has no derivative; give p.detach()",
    ),
    "array": (
        lambda: tg.random.permutation(X, generator=G),  # type: ignore[arg-type]
        TypeError,
        "tg.random.permutation: n is of type ndarray; give an int from 0 up, and permute with the",
    ),
    "fraction": (
        lambda: tg.random.permutation(2.0, generator=G),  # type: ignore[arg-type]
        TypeError,
        "tg.random.permutation: n is 2.0; give an int from 0 up",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        call()
