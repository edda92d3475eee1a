"""The diagnosis: all measurements on copies, then the findings."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...arguments import real, refusal, whole
from ...autodiff.tensor import Tensor
from ...errors import ShapeError
from ...nn.functional import cross_entropy
from ...nn.module import Module
from ...optim import SGD, Optimiser
from ..checks import check_loss, check_model
from ..decision import GREATEST
from ..inputs import are_paired, as_arrays, numbers, part, rows, shapes
from .causes import findings
from .facts import data_facts, nearest_neighbours
from .layers import look, mixing
from .report import Diagnosis, Measurements
from .trials import (
    Loss,
    drawn,
    measure_updates,
    overfit,
    plain,
    range_test,
    transfer,
)

LOOKED_AT = 512  # examples that activations and gradients are measured on
GREATEST_BATCH = 1024  # of the short trainings; a full batch would take minutes

MakeOptimiser = Callable[[list[Tensor]], Optimiser]


def diagnose(
    model: Module,
    x: Any,
    y: Any,
    optimiser: Optimiser | MakeOptimiser | float | None = None,
    *,
    loss: Loss = cross_entropy,
    batch_size: int = 128,
    seed: int = 0,
) -> Diagnosis:
    """Find out why a model does not learn: inputs (n, ...) and targets (n, ...) to a ``Diagnosis``.

    ``x`` and ``y`` are training data as the model gets them, arrays or nests of them as ``fit``
    takes; what only outputs of classes have is looked at where there is one array of outputs and
    one of targets. ``optimiser`` is the one it is trained
    with, a function from parameters to one, or the learning rate of plain gradient descent; without
    one its rate is only suggested. Everything is tried on copies: weights, optimiser, generators
    and modes stay as they are. It looks at the data, the loss at the start against ln(classes),
    dead and saturated units, gradients by depth, one batch learned by heart, a range of learning
    rates (Smith 2017) and the size of updates: some 500 steps in all. ``str`` of the result is the
    report; ``draw.diagnosis`` draws it. Raises ShapeError for no examples, or another number of
    targets.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 2, seed=1))
    >>> x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    >>> found = tg.training.diagnose(model, 255 * x, (x[:, 0] > 0).astype(int), 0.1)
    >>> print(found.findings[0].name)
    inputs not scaled
    """
    check_model("diagnose", model)
    check_loss("diagnose", loss)
    _check_optimiser(optimiser)
    whole("diagnose", "batch_size", batch_size), whole("diagnose", "seed", seed, least=0)
    x, y = (as_arrays(numbers(name, nest, model)) for name, nest in (("x", x), ("y", y)))
    if not rows(x) or not rows(y) or not are_paired(x, y):
        raise ShapeError(
            f"diagnose: x of {shapes(x)} and y of {shapes(y)}; expected (n, ...) and (n, ...), "
            "with n at least 1."
        )
    with np.errstate(all="ignore"):  # what is not finite is a finding
        measured = _examined(model, x, y, optimiser, loss, min(batch_size, GREATEST_BATCH), seed)
    return Diagnosis(findings(measured), measured)


def _check_optimiser(optimiser: Any) -> None:
    """Raise TypeError or ValueError for what no step can be made with."""
    made = isinstance(optimiser, type) and issubclass(optimiser, Optimiser)
    if optimiser is None or isinstance(optimiser, Optimiser) or made:
        return
    if isinstance(optimiser, type) or not callable(optimiser):
        needed = "an optimiser, a function from parameters to one, or a learning rate from 0 up"
        real("diagnose", "optimiser", optimiser, needed)


def _examined(
    model: Module,
    x: Any,
    y: Any,
    optimiser: Optimiser | MakeOptimiser | float | None,
    loss: Loss,
    batch_size: int,
    seed: int,
) -> Measurements:
    rng = np.random.default_rng(seed)
    measured = Measurements(data_facts(x, y, rng))
    if any(facts.bad for facts in measured.inputs):
        return measured
    chosen = rng.permutation(rows(x))[:LOOKED_AT]
    some, targets = part(x, chosen), part(y, chosen)
    try:
        twin, _ = copy.deepcopy((model, optimiser))  # whose parameters are known
        start = look(twin, some, targets, loss)
    except Exception as error:  # whatever a model or a loss raises is what the user wants named
        measured.failure = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return measured
    measured.start = start
    measured.one_hot = (
        loss is cross_entropy
        and isinstance(y, np.ndarray)
        and y.ndim == 2
        and bool(np.isin(y, (0, 1)).all() and (np.sum(y, axis=1) == 1).all())
    )
    if start.decision == GREATEST and not 0 <= y.min() <= y.max() < start.outputs.shape[1]:
        measured.failure = f"some labels are out of range for {start.classes} outputs."
        return measured
    gradients = [p.gradient for p in start.parameters if p.gradient is not None]
    if not start.is_connected or not all(map(math.isfinite, [start.loss, *gradients])):
        return measured
    if len(chosen) > 1:
        measured.mixed = mixing(model, part(some, slice(8)))
    measured.overfit = overfit(copy.deepcopy(model).train(), loss, some, targets, start)
    decided = start.decision
    if decided is not None:
        labels = y if decided.two is None else np.ravel(y == decided.two[1]).astype(np.int64)
        measured.neighbours = nearest_neighbours(x, labels, rng)
    near = measured.neighbours
    if near is not None and near[0] < near[1] and measured.overfit.learned:
        patient = copy.deepcopy(model).train()
        rate = measured.overfit.rate
        measured.transfer = transfer(patient, loss, x, y, rate, seed, decided or GREATEST)
    _with_optimiser(measured, model, x, y, optimiser, loss, batch_size, seed)
    return measured


def _with_optimiser(
    measured: Measurements,
    model: Module,
    x: Any,
    y: Any,
    optimiser: Optimiser | MakeOptimiser | float | None,
    loss: Loss,
    batch_size: int,
    seed: int,
) -> None:
    """The range of learning rates, and the updates at the optimiser's own or the suggested one."""
    if isinstance(optimiser, Optimiser):
        own = dict(model.named_parameters())
        missing = [name for name, p in own.items() if not any(p is q for q in optimiser.params)]
        measured.foreign = len(missing) == len(own)
        measured.left_out = [] if measured.foreign else missing
    given = None if measured.foreign else optimiser
    patient, treated = _copies(model, given)
    test = range_test(patient, treated, loss, drawn(x, y, batch_size, seed))
    if given is None:
        test.given = None
    measured.range_test = test
    if given is None:
        given = test.suggested
    if given is not None:
        patient, treated = _copies(model, given)
        batches = drawn(x, y, batch_size, seed)
        measured.updates = measure_updates(patient, treated, loss, batches)


def _copies(
    model: Module, optimiser: Optimiser | MakeOptimiser | float | None
) -> tuple[Module, Optimiser]:
    """A copy of the model in training mode, and an optimiser of its own."""
    if isinstance(optimiser, Optimiser):
        patient, treated = copy.deepcopy((model, optimiser))
        return patient.train(), treated
    patient = copy.deepcopy(model).train()
    if optimiser is None:
        return patient, SGD(patient.parameters(), 0.0)
    make = optimiser if callable(optimiser) else plain(float(optimiser))
    treated = make(patient.parameters())
    if not isinstance(treated, Optimiser):
        needed = "a function from parameters to an optimiser, such as tg.optim.Adam,"
        raise refusal("diagnose", "optimiser", optimiser, needed)
    return patient, treated
