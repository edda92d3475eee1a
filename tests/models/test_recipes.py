"""Recipes: each builds what it says, splits as it says, and can be trained."""

from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from benchmarks.by_hand_training import fit_by_hand
from models.by_hand import BY_HAND
from tests.each import for_each
from tinygrad_np import DataError, data
from tinygrad_np.run.networks import MLP
from tinygrad_np.run.recipes import DEFAULT, RECIPES, REFERENCES, Recipe
from tinygrad_np.run.run import run

every_recipe = for_each(RECIPES.values())
KIND = {"relu": {"relu", "two_layer_relu"}, "leaky_relu": {"leaky_relu"}, "tanh": {"tanh"}}


def images(n: int, side: int = 28, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, side, side)).astype(np.uint8), rng.integers(0, 10, n)


def test_the_registry() -> None:
    assert REFERENCES == ("ref-0", "ref-1", "ref-2", "ref-3", "ref-4")
    assert {DEFAULT, *REFERENCES} <= set(RECIPES)
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    assert RECIPES[DEFAULT].sizes == (784, 128, 64, 10)


@pytest.mark.parametrize(
    ("name", "reported", "judged_on"),
    [
        ("ref-0", {"mnist": 0.84}, "validation"),
        ("ref-1", {"mnist": 0.844}, "validation"),
        ("ref-2", {"mnist": 0.90, "fashion": 0.85}, "test"),
        ("ref-3", {"mnist": 0.9723}, "test"),
        ("ref-4", {"mnist": 0.9753}, "test"),
        (DEFAULT, {}, "test"),
    ],
)
def test_what_the_projects_report(name: str, reported: dict[str, float], judged_on: str) -> None:
    recipe = RECIPES[name]
    assert dict(recipe.reported) == reported
    assert recipe.judged_on == judged_on
    assert recipe.reported_accuracy("mnist") == reported.get("mnist")
    assert recipe.reported_accuracy("another") is None


@every_recipe
def test_the_network(recipe: Recipe) -> None:
    assert recipe.by_hand in BY_HAND
    assert recipe.by_hand in KIND[recipe.activation]
    assert (recipe.sizes[0], recipe.sizes[-1]) == (784, 10)
    model = recipe.build(0)
    if recipe.network is None:
        assert isinstance(model, MLP)
        weights = [p.shape for p in model.parameters() if p.ndim == 2]
        assert weights == list(zip(recipe.sizes[1:], recipe.sizes[:-1], strict=True))
    else:
        widths = [p.shape[0] for p in model.parameters() if p.ndim > 1]
        assert [width for width, _ in groupby(widths)] == list(recipe.sizes[1:])
        assert model(np.zeros((2, 784), np.float32)).shape == (2, 10)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    twin = recipe.build(0, dtype=np.float64)
    for ours, wide in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(ours.numpy(), wide.numpy(), rtol=1e-6)
    assert recipe.summary


@every_recipe
def test_the_optimiser_and_its_rates(recipe: Recipe) -> None:
    train = (np.zeros((1000, 784), np.float32), np.zeros(1000, np.int64))
    steps = recipe.steps_per_epoch(train)
    assert steps == (1 if recipe.batch_size is None else -(-1000 // recipe.batch_size))
    assert sum(1 for _ in recipe.batches(train, 0)) == steps
    optimiser = recipe.build_optimiser(recipe.build(0), train)
    assert type(optimiser) is recipe.optimiser
    assert all(getattr(optimiser, name) == value for name, value in recipe.settings)
    lr = recipe.learning_rate(train)
    rates = [float(lr(s)) if callable(lr) else lr for s in range(steps * recipe.epochs)]
    assert 0 < max(rates) <= 1
    assert min(rates) >= 0
    assert optimiser.rate() == rates[0]


@every_recipe
def test_parts(recipe: Recipe) -> None:
    """The three parts do not overlap, and the split is always the same."""
    x, y = images(1200)
    x[:, 0, 0] = np.arange(1200) // 256  # every image says which it is
    x[:, 0, 1] = np.arange(1200) % 256
    dataset = ((x, y), images(50, seed=1))
    parts, again = recipe.parts(dataset), recipe.parts(dataset)
    assert (parts.train[0].shape, parts.validation[0].shape) == ((1000, 784), (200, 784))
    assert parts.test[0].shape == (50, 784)
    for one, other in ((parts.train, again.train), (parts.validation, again.validation)):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert {a.dtype for a, _ in (parts.train, parts.validation, parts.test)} == {np.dtype("f4")}
    rows = np.concatenate([parts.train[0], parts.validation[0]])
    if recipe.standardise:
        assert parts.train[0].mean() == pytest.approx(0, abs=1e-4)
        assert parts.train[0].std() == pytest.approx(1, abs=1e-4)
        low, high = x[:, 2:].min(), x[:, 2:].max()
        rows = (rows - rows.min()) / (rows.max() - rows.min()) * (high - low) / 255 + low / 255
    else:
        assert 0 <= rows.min() < rows.max() <= 1
    index = np.rint(rows[:, :2] * 255).astype(int) @ [256, 1]
    np.testing.assert_array_equal(np.sort(index), np.arange(1200))
    labels = np.concatenate([parts.train[1], parts.validation[1]])
    np.testing.assert_array_equal(labels, y[index])
    np.testing.assert_array_equal(parts.test[1], dataset[1][1])


def test_how_many_images_ref_0_uses() -> None:
    """As in the Kaggle set it was published with: 41,000 and 1,000."""
    recipe = RECIPES["ref-0"]
    assert (recipe.train, recipe.validation, recipe.batch_size) == (41000, 1000, None)
    x = np.zeros((43000, 28, 28), np.uint8)
    y = np.arange(43000) % 10
    parts = recipe.parts(((x, y), images(5)))
    assert (len(parts.train[1]), len(parts.validation[1])) == (41000, 1000)


@for_each(RECIPES.values(), [(20, 20), (28, 27), (32, 32)])
def test_images_of_another_size_are_refused(recipe: Recipe, shape: Any) -> None:
    x, y = np.zeros((10, *shape), np.uint8), np.zeros(10, np.int64)
    with pytest.raises(DataError) as caught:
        recipe.parts(((x, y), (x, y)))
    pixels = shape[0] * shape[1]
    assert f"the images have {pixels} pixels each" in str(caught.value)
    assert f"recipe {recipe.name} has 784 inputs" in str(caught.value)


@every_recipe
def test_batches_cover_every_image_once(recipe: Recipe) -> None:
    x = np.arange(130, dtype=np.float32)[:, None]
    train = (x, np.arange(130))
    given = replace(recipe, transform=None).batches(train, np.random.default_rng(0))
    for _ in range(2):
        rows = [(xs[:, 0], ys) for xs, ys in given]
        np.testing.assert_array_equal(np.sort(np.concatenate([r for r, _ in rows])), np.arange(130))
        for xs, ys in rows:
            np.testing.assert_array_equal(xs, ys)


def distorting() -> list[Recipe]:
    return [recipe for recipe in RECIPES.values() if recipe.transform is not None]


@for_each(distorting())
def test_distorted_batches_are_other_images_each_time(recipe: Recipe) -> None:
    (x, y), _ = data.mnist()
    train = (data.normalise(x[:64]).reshape(64, -1), y[:64])
    kept = train[0].copy()
    seen = []
    for seed in (0, 0, 1):
        for epoch in range(2):
            ((xs, ys),) = replace(recipe, batch_size=64).batches(train, np.random.default_rng(seed))
            seen.append(xs)
            assert xs.shape == (64, 784) and xs.dtype == np.float32
            assert xs.min() >= 0 and xs.max() <= 1
            assert epoch in (0, 1) and sorted(ys) == sorted(train[1])
    np.testing.assert_array_equal(seen[0], seen[2])
    assert np.mean(seen[0] != seen[4]) > 0.1
    np.testing.assert_array_equal(train[0], kept)


def test_the_loss_is_smoothed_as_the_recipe_says() -> None:
    logits, labels = np.array([[2.0, 0.0]]), np.array([0])
    recipe = replace(RECIPES[DEFAULT], label_smoothing=0.2)
    expected = np.log(np.exp(2) + 1) - 0.9 * 2
    assert recipe.loss(logits, labels) == pytest.approx(expected, rel=1e-14)


def test_what_can_be_trained_by_hand() -> None:
    plain = {name for name, recipe in RECIPES.items() if recipe.is_plain}
    assert {DEFAULT, *REFERENCES} <= plain
    assert plain & {"dropout", "cnn"} == set()
    with pytest.raises(DataError, match="recipe dropout is not trained by hand; leave --by-hand"):
        run(RECIPES["dropout"], "mnist", (images(60), images(20)), trainer=fit_by_hand)
