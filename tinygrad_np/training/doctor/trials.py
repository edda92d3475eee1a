"""Short trainings on copies: sizes of updates, one batch by heart, a range of learning rates."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...autodiff.tape import no_grad
from ...nn import GRU, LSTM, RNN, Dropout, Module, MultiheadAttention
from ...optim import Adam, Optimiser
from ..decision import Decision
from ..inputs import as_tensors, outputs_of, part, rows
from .facts import above
from .layers import Start

Loss = Callable[[Any, Any], Any]
UPDATES = 20  # steps in which updates are measured
OVERFIT_EXAMPLES, OVERFIT_STEPS, OVERFIT_RATES = 32, 200, (3e-3, 3e-2, 3e-4)
LOWEST, HIGHEST, PER_DECADE = 1e-6, 10.0, 20  # learning rates; steps
WINDOW = 11  # steps that losses are averaged over, half a decade
HELD_OUT = 1000  # examples at most that a short training is judged by
DROPPING = (Dropout, MultiheadAttention, RNN, LSTM, GRU)  # what dropout may be in
SCHEDULED = 20_000  # steps in which the greatest rate of a schedule is looked for


@dataclass
class Updates:
    """The first steps with the optimiser.

    ``ratios`` has, for each weight, |change| / |weight| in every step; ``losses`` the loss of every
    step.
    """

    ratios: dict[str, np.ndarray]
    losses: np.ndarray
    rate: float

    @property
    def medians(self) -> dict[str, float]:
        return {name: float(np.median(steps)) for name, steps in self.ratios.items()}

    @property
    def grow(self) -> bool:
        """Whether the losses do, instead of becoming smaller."""
        return not float(self.losses[-5:].mean()) < 1.5 * abs(float(self.losses[0])) + 0.1


@dataclass
class Overfit:
    """A few examples learned by heart: the loss of every step, and the accuracy at the end."""

    losses: np.ndarray
    accuracy: float | None
    learned: bool
    examples: int
    rate: float


@dataclass
class RangeTest:
    """Losses while the learning rate grows (Smith 2017), all (steps,).

    ``smooth`` are the losses averaged over half a decade; ``suggested`` is where they fall fastest,
    ``diverges`` where half of what was gained is lost again; None if that is nowhere. ``given`` is
    the greatest rate of the optimiser under test.
    """

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    suggested: float | None
    diverges: float | None
    given: float | None = None


def drawn(x: Any, y: Any, size: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Batches without end; every example once in each round."""
    rng = np.random.default_rng(seed)
    n = rows(x, y)
    size = min(size, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            some = order[start : start + size]
            yield part(x, some), part(y, some)


def _step(model: Module, optimiser: Optimiser, loss: Loss, x: Any, y: Any) -> tuple[float, Any]:
    optimiser.zero_grad()
    outputs = outputs_of(model, as_tensors(x))
    value = loss(outputs, as_tensors(y))
    value.backward()
    optimiser.step()
    return float(value.item()), outputs


def measure_updates(
    model: Module, optimiser: Optimiser, loss: Loss, batches: Iterator[tuple[Any, Any]]
) -> Updates:
    """Train a copy for a few steps and see how far each weight moves."""
    weights = [(name, p) for name, p in model.named_parameters() if p.ndim > 1]
    ratios: dict[str, list[float]] = {name: [] for name, _ in weights}
    losses = []
    rate = optimiser.rate()
    for _ in range(UPDATES):
        before = [p.numpy() for _, p in weights]
        losses.append(_step(model, optimiser, loss, *next(batches))[0])
        for (name, p), old in zip(weights, before, strict=True):
            change, size = np.linalg.norm(p.numpy() - old), np.linalg.norm(old)
            ratios[name].append(float(change / size) if size else math.nan)
    kept = {name: np.array(steps) for name, steps in ratios.items() if np.isfinite(steps).all()}
    return Updates(kept, np.array(losses), rate)


def overfit(model: Module, loss: Loss, x: Any, y: Any, start: Start) -> Overfit:
    """Learn one batch by heart, with Adam at the first of three rates that can.

    Dropout is off meanwhile. A batch counts as learned if all of it is right and half of the loss
    is gone; without classes, if nine tenths are; and, in any case, if hardly any is left of what
    outputs have that know no example.
    """
    x, y = (part(nest, slice(OVERFIT_EXAMPLES)) for nest in (x, y))
    tried = []
    for rate in OVERFIT_RATES:
        tried.append(_overfit(copy.deepcopy(model), loss, x, y, start, rate))
        if tried[-1].learned:
            return tried[-1]
    return min(tried, key=lambda found: float(found.losses[-1]))


def _overfit(model: Module, loss: Loss, x: Any, y: Any, start: Start, rate: float) -> Overfit:
    for _, module in model.named_modules():
        module.training = not isinstance(module, DROPPING)
    optimiser = Adam(model.parameters(), rate)
    losses = []
    right = None
    for _ in range(OVERFIT_STEPS):
        value, outputs = _step(model, optimiser, loss, x, y)
        losses.append(value)
        if start.decision is not None:
            right = float(start.decision.right(outputs.numpy(), y)) / len(y)
        if not math.isfinite(value) or (value < 0.02 * losses[0] and right in (None, 1.0)):
            break
    share = losses[-1] / losses[0] if losses[0] else math.nan
    gone = start.constant is not None and losses[-1] < 0.02 * start.constant
    learned = gone or share < (0.1 if right is None else 0.5)
    learned = learned and right in (None, 1.0)
    return Overfit(np.array(losses), right, learned, rows(x, y), rate)


def transfer(
    model: Module, loss: Loss, x: Any, y: np.ndarray, rate: float, seed: int, decided: Decision
) -> tuple[float, float]:
    """The accuracy on examples held out from a short training, and what chance gives.

    Chance is the share of the commonest label plus one standard error: of few examples three are
    so much that what is related to its inputs, but not easily, would seem to come by chance.
    """
    held = min(HELD_OUT, len(y) // 4)
    order = np.random.default_rng(seed).permutation(len(y))
    optimiser = Adam(model.parameters(), rate)
    batches = drawn(part(x, order[held:]), y[order[held:]], OVERFIT_EXAMPLES, seed)
    for _ in range(OVERFIT_STEPS):
        _step(model, optimiser, loss, *next(batches))
    with no_grad():
        some = as_tensors(part(x, order[:held]))
        guesses = decided.classes(outputs_of(model.eval(), some).numpy())
    labels = np.ravel(y[order[:held]])
    common = float(np.unique(labels, return_counts=True)[1].max() / held)
    return float(np.mean(guesses == labels)), above(common, held, 1)


def range_test(
    model: Module, optimiser: Optimiser, loss: Loss, batches: Iterator[tuple[Any, Any]]
) -> RangeTest:
    """Train a copy while the rate grows from one millionth to ten, until the loss is lost.

    It grows to ten times the optimiser's own rate where that is more.
    """
    given = greatest_rate(optimiser)
    highest = max(HIGHEST, 10 * given)
    first = optimiser.steps
    optimiser.lr = lambda step: LOWEST * 10 ** ((step - first) / PER_DECADE)
    rates, losses = [], []
    for _ in range(round(PER_DECADE * math.log10(highest / LOWEST)) + 1):
        rates.append(optimiser.rate())
        losses.append(_step(model, optimiser, loss, *next(batches))[0])
        if not math.isfinite(losses[-1]) or losses[-1] > 10 * (losses[0] + 1):
            break
    test = read_range(np.array(rates), np.array(losses))
    test.given = given
    return test


def read_range(rates: np.ndarray, losses: np.ndarray) -> RangeTest:
    """Where a curve of losses falls fastest, and where it is lost."""
    level = float(losses[:PER_DECADE].mean())
    cut = np.nan_to_num(np.minimum(losses, 3 * abs(level)), nan=3 * abs(level))
    reach = WINDOW // 2
    padded = np.pad(cut, reach, mode="edge")
    smooth = np.convolve(padded, np.full(WINDOW, 1 / WINDOW), mode="valid")
    lowest = int(smooth.argmin())
    gained = level - float(smooth[lowest])
    result = RangeTest(rates, losses, smooth, None, None)
    # by chance the averages of equal losses differ a little: by the noise of the first decade
    noise = float(np.std(losses[:PER_DECADE])) / math.sqrt(WINDOW)
    if gained <= max(0.05 * abs(level), 4 * noise):
        return result
    # the slope before a tenth is gained is noise
    first = int(np.argmax(smooth < level - 0.1 * gained))
    slopes = np.gradient(smooth)[first : lowest + 1]
    result.suggested = float(rates[first + int(slopes.argmin())])
    lost = np.flatnonzero(smooth[lowest:] > level - 0.5 * gained)
    if lost.size:
        result.diverges = float(rates[lowest + int(lost[0])])
    return result


def greatest_rate(optimiser: Optimiser) -> float:
    """The learning rate, or the greatest one of a schedule."""
    if not callable(optimiser.lr):
        return float(optimiser.lr)
    return max(float(optimiser.lr(step)) for step in range(SCHEDULED))
