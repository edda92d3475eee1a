"""The main job with the pencil-and-paper gradients of ``models.by_hand`` instead of autodiff's."""

import functools
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from models import by_hand
from tinygrad_np import DataError, nn, optim, training
from tinygrad_np.run.recipes import RECIPES, Arrays, Parts, Recipe
from tinygrad_np.training.callbacks import Run, hooks
from tinygrad_np.training.history import Epoch, History, Progress
from tinygrad_np.training.interrupt import Interrupt


def fit_by_hand(
    recipe: Recipe, model: nn.Module, parts: Parts, batches: Any, callbacks: Iterable[Any]
) -> History:
    """The training of ``run`` with the pencil-and-paper gradients; the model gets the weights.

    Raises DataError for a recipe that ``models.by_hand`` has no training for.
    """
    if not recipe.is_plain:
        raise DataError(
            f"recipe {recipe.name} is not trained by hand; leave --by-hand out, or take "
            f"{', '.join(name for name, each in RECIPES.items() if each.is_plain)}."
        )
    names = [name for name, _ in model.named_parameters()]
    parameters = [p.numpy() for p in model.parameters()]
    update: by_hand.Update = by_hand.sgd_step
    if recipe.optimiser is optim.Adam:
        update = functools.partial(_adam, by_hand.AdamState.zeros(parameters))
    rates = _rates(recipe, parts.train)
    told = hooks(callbacks)
    history = History("validation_accuracy", "finished")
    run = Run(model, batches, None, recipe.epochs, recipe.loss, parts.validation, history)
    for on_start in told["on_start"]:
        on_start(run)
    with Interrupt() as interrupt:
        for number in range(1, recipe.epochs + 1):
            rate = next(rates)
            start = time.perf_counter()
            losses: list[float] = []
            sizes: list[int] = []
            given = _counted(batches, sizes)
            here = itertools.chain([rate], rates)
            for value in by_hand.train(recipe.by_hand, parameters, given, here, update):
                losses.append(value)
                for on_step in told["on_step"]:
                    on_step(Progress(number, len(losses), sizes[-1], value, float("nan")))
                if interrupt.asked:
                    break
            seconds = time.perf_counter() - start
            model.load_state_dict(dict(zip(names, parameters, strict=True)))
            train_loss = float(np.average(losses, weights=sizes[: len(losses)]))
            _, train_accuracy = training.evaluate(model, *parts.train)  # only after the epoch
            done = Epoch(number, seconds, rate, train_loss, train_accuracy, step_losses=losses)
            done.finished = len(losses) == recipe.steps_per_epoch(parts.train)
            found = training.evaluate(model, *parts.validation)
            done.validation_loss, done.validation_accuracy = found
            history.epochs.append(done)
            for on_epoch in told["on_epoch"]:
                on_epoch(done)
            if interrupt.asked:
                history.stopped = "interrupted"
                break
    for on_end in told["on_end"]:
        on_end(history)
    return history


def _adam(
    state: by_hand.AdamState,
    parameters: by_hand.Parameters,
    gradients: by_hand.Gradients,
    lr: float,
) -> None:
    by_hand.adam_step(parameters, gradients, state, lr)


def _rates(recipe: Recipe, train: Arrays) -> Iterator[float]:
    lr = recipe.learning_rate(train)
    step = 0
    while True:
        yield float(lr(step)) if callable(lr) else lr
        step += 1


def _counted(batches: Any, sizes: list[int]) -> Iterator[Arrays]:
    for x, y in batches:
        sizes.append(len(y))
        yield x, y
