"""Replayed training gives the weights of eager training, bit for bit, for every recipe."""

import functools
from dataclasses import replace

import pytest

from tinygrad_np import data
from tinygrad_np.run.recipes import RECIPES
from tinygrad_np.run.run import Result, run

mnist = functools.cache(data.mnist)


def trained(name: str, replay: bool) -> Result:
    """One pass over a part of the training data; five where it is a single step.

    Layers are of at most 64; the last batch is a short one. Convolutions see three batches of 5
    images: one is captured, one compared, one replayed.
    """
    first, *hidden, last = RECIPES[name].sizes
    recipe = replace(RECIPES[name], sizes=(first, *(min(size, 64) for size in hidden), last))
    count, batch_size = (700, None) if recipe.batch_size is None else (194, 32)
    if recipe.network is not None:
        count, batch_size = 18, 5
    recipe = replace(recipe, batch_size=batch_size)
    epochs = 5 if recipe.batch_size is None else 1
    (x, y), (x_test, y_test) = mnist()
    part = ((x[:count], y[:count]), (x_test[: count // 7], y_test[: count // 7]))
    return run(replace(recipe, epochs=epochs), "mnist", part, seed=3, replay=replay)


# one for each network of convolutions: the last one, on distorted images
NAMES = {recipe.network or name: name for name, recipe in RECIPES.items()}.values()


@pytest.mark.parametrize("name", NAMES)
def test_weights_after_an_epoch_are_those_of_eager_training(name: str) -> None:
    replayed, eager = trained(name, True).as_json(), trained(name, False).as_json()
    assert replayed["weights_sha256"] == eager["weights_sha256"]
    for ours, theirs in zip(replayed["history"], eager["history"], strict=True):
        assert ours["step_losses"] == theirs["step_losses"]
        assert ours["train_accuracy"] == theirs["train_accuracy"]
