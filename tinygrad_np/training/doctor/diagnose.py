"""The diagnosis: all measurements on copies, then the findings."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from .trials import Loss, drawn, measure_updates, overfit, range_test, transfer

LOOKED_AT = 512  # examples that activations and gradients are measured on
GREATEST_BATCH = 1024  # of the short trainings; a full batch would take minutes

Optimised = Optimiser | Callable[[list[Tensor]], Optimiser] | float | None


def diagnose(
    model: Module,
    x: Any,
    y: Any,
    optimiser: Optimised = None,
    *,
    loss: Loss = cross_entropy,
    batch_size: int = 128,
    seed: int = 0,
) -> Diagnosis:
    """Find out why a model does not learn: inputs (n, ...) and targets (n, ...) to a ``Diagnosis``.

    ``x`` and ``y`` are training data as the model gets them, arrays or nests of them as ``fit``
    takes; what only outputs of classes have is looked at where there is one array of outputs and
    one of targets. ``optimiser`` is the one it is trained with, a function from parameters to one,
    or the learning rate of plain gradient descent; without one its rate is only suggested.
    Everything is tried on copies: weights, optimiser, generators and modes stay as they are. It
    looks at the data, the loss at the start against ln(classes), dead and saturated units,
    gradients by depth, one batch learned by heart, a range of learning rates (Smith 2017) and the
    size of updates: some 500 steps in all. ``str`` of the result is the report; ``draw.diagnosis``
    draws it. Raises ShapeError for no examples, or another number of targets.

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
        patient = _Patient(model, x, y, loss, min(batch_size, GREATEST_BATCH), seed)
        measured = patient.examined(optimiser)
    return Diagnosis(findings(measured), measured)


def _check_optimiser(optimiser: Any) -> None:
    """Raise TypeError or ValueError for what no step can be made with."""
    made = isinstance(optimiser, type) and issubclass(optimiser, Optimiser)
    if optimiser is None or isinstance(optimiser, Optimiser) or made:
        return
    if isinstance(optimiser, type) or not callable(optimiser):
        needed = "an optimiser, a function from parameters to one, or a learning rate from 0 up"
        real("diagnose", "optimiser", optimiser, needed)


@dataclass
class _Patient:
    """A model, its data, and the trainings of its copies."""

    model: Module
    x: Any
    y: Any
    loss: Loss
    batch_size: int
    seed: int

    def examined(self, optimiser: Optimised) -> Measurements:
        """All that is measured; nothing more where there is no first loss, or none to go down."""
        model, x, y, loss = self.model, self.x, self.y, self.loss
        rng = np.random.default_rng(self.seed)
        targets = y if isinstance(y, np.ndarray) else np.empty((0, 0))
        measured = Measurements(data_facts(x, rng), targets)
        if any(facts.bad for facts in measured.inputs):
            return measured
        chosen = rng.permutation(rows(x))[:LOOKED_AT]
        some, some_targets = part(x, chosen), part(y, chosen)
        try:
            twin, _ = copy.deepcopy((model, optimiser))  # whose parameters are known
            start = look(twin, some, some_targets, loss)
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
        decided = start.decision
        if decided == GREATEST and not 0 <= y.min() <= y.max() < start.outputs.shape[1]:
            measured.failure = f"some labels are out of range for {start.classes} outputs."
            return measured
        gradients = [p.gradient for p in start.parameters if p.gradient is not None]
        if not start.is_connected or not all(map(math.isfinite, [start.loss, *gradients])):
            return measured
        if len(chosen) > 1:
            measured.mixed = mixing(model, part(some, slice(8)))
        measured.overfit = overfit(self._copy(), loss, some, some_targets, start)
        if decided is not None:
            labels = y if decided.two is None else np.ravel(y == decided.two[1]).astype(np.int64)
            measured.neighbours = near = nearest_neighbours(x, labels, rng)
            if near is not None and near[0] < near[1] and measured.overfit.learned:
                rate = measured.overfit.rate
                measured.transfer = transfer(self._copy(), loss, x, y, rate, self.seed, decided)
        self._with_optimiser(measured, optimiser)
        return measured

    def _with_optimiser(self, measured: Measurements, optimiser: Optimised) -> None:
        """The range of rates, and the updates at the optimiser's own or the suggested one."""
        if isinstance(optimiser, Optimiser):
            own = dict(self.model.named_parameters())
            missing = [name for name, p in own.items() if not any(p is q for q in optimiser.params)]
            measured.foreign = len(missing) == len(own)
            measured.left_out = [] if measured.foreign else missing
        given = None if measured.foreign else optimiser
        test = range_test(*self._copies(given), self.loss, self._batches())
        measured.range_test = test
        if given is None:
            test.given, given = None, test.suggested
        if given is not None:
            measured.updates = measure_updates(*self._copies(given), self.loss, self._batches())

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        return drawn(self.x, self.y, self.batch_size, self.seed)

    def _copy(self) -> Module:
        return copy.deepcopy(self.model).train()

    def _copies(self, optimiser: Optimised) -> tuple[Module, Optimiser]:
        """A copy of the model in training mode, and an optimiser of its own."""
        if isinstance(optimiser, Optimiser):
            patient, treated = copy.deepcopy((self.model, optimiser))
            return patient.train(), treated
        patient = self._copy()
        if not callable(optimiser):
            return patient, SGD(patient.parameters(), float(optimiser or 0))
        treated = optimiser(patient.parameters())
        if not isinstance(treated, Optimiser):
            needed = "a function from parameters to an optimiser, such as tg.optim.Adam,"
            raise refusal("diagnose", "optimiser", optimiser, needed)
        return patient, treated
