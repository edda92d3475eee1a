"""A training step: what is replayed."""

import functools
import math
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

from ..arguments import shown
from ..autodiff.tape import next_number, no_grad
from ..autodiff.tensor import Tensor
from ..errors import DetachError, ReplayError, ShapeError, TapeError
from ..nn.functional import binary_cross_entropy_with_logits, cross_entropy, nll_loss
from ..optim.optimisers import Optimiser
from ..optim.several import Several
from .callbacks import Run
from .decision import GREATEST, has_classes
from .guard import Guard
from .inputs import outputs_of, rows


def training_step(run: Run, guard: Guard) -> Callable[..., tuple[Any, ...]]:
    """A function of the x and y of one batch, or of several, one after the other, for one update.

    It gives the loss, for each batch how many were right, the outputs, or None, and last the losses
    by name where there are several, all of before the update.
    """
    forward, names, wanted = forward_pass(run, looks=True), run.names, bool(run.metrics)
    look = guard.reached.look
    is_fixed = run.loss is cross_entropy  # which refuses labels that are no class

    def found(outputs: Any, y: Any) -> Any:
        if wanted:
            return outputs
        if not isinstance(outputs, Tensor) or not isinstance(y, Tensor):
            return None
        if is_fixed and has_classes(outputs, y):
            return GREATEST.right(outputs, y)
        return outputs if _may_be_judged(outputs, y) else None

    def step(*given: Any) -> tuple[Any, ...]:
        since = next_number()
        guard.zero_grad()
        parts, looks = dict[str, Any](), []
        shares: Any = None
        if run.group is not None:  # what each batch counts beside those of all processes
            *given, shares = given  # type: ignore[assignment]
        pairs = list(zip(given[::2], given[1::2], strict=True))
        shares = _shares([rows(y, x) for x, y in pairs]) if shares is None else list(shares)
        kept = []
        for (x, y), share in zip(pairs, shares, strict=True):
            outputs, losses = forward(x, y)
            look(outputs, losses.values(), given, since)
            looks.append(found(outputs, y))
            if isinstance(share, Tensor):
                losses = {n: value * share.astype(value.dtype) for n, value in losses.items()}
            elif share != 1:
                losses = {name: value * share for name, value in losses.items()}
            if names:
                kept.append(losses)
            else:
                _descending(run, losses[""]).backward()
            with no_grad():
                for name, value in losses.items():
                    parts[name] = parts[name] + value if name in parts else value
        if names:
            _separately(run, guard, kept)
        with no_grad():
            total = functools.reduce(operator.add, parts.values())
        right = None
        if run.group is not None and all(is_count(look) for look in looks):
            with no_grad():
                right = functools.reduce(operator.add, looks)
        guard.step(total, right)
        return (total, *looks, parts) if names else (total, *looks)

    return step


def is_count(look: Any) -> bool:
    """Whether a step has counted itself how many examples of a batch were right."""
    return isinstance(look, Tensor) and not look.ndim


# of a loss and what made the outputs: what is wrong, where nothing else can be meant
_MADE = {
    (cross_entropy, "softmax"): "cross_entropy takes logits, and the model returns probabilities; "
    "leave out its softmax, which cross_entropy has in it",
    (nll_loss, "softmax"): "nll_loss takes logarithms, and the model returns probabilities; use "
    "log_softmax in it, or logits and loss=cross_entropy",
    (nll_loss, "linear"): "nll_loss takes logarithms of probabilities, and the model returns "
    "logits; use loss=cross_entropy, or log_softmax in the model",
    (binary_cross_entropy_with_logits, "sigmoid"): "binary_cross_entropy_with_logits takes logits, "
    "and the model returns probabilities; leave out its sigmoid",
}


def forward_pass(run: Run, looks: bool = False) -> Callable[[Any, Any], tuple[Any, dict[str, Any]]]:
    """A function of x and y that gives the outputs and the losses; one loss has the name "".

    If it ``looks`` whether the outputs are what the loss takes, it warns where they are not.
    """
    model, loss, names = run.model, run.loss, run.names

    def forward(x: Any, y: Any) -> tuple[Any, dict[str, Any]]:
        outputs = outputs_of(model, x)
        if outputs is None:
            raise TypeError(
                f"fit: the model, of class {type(model).__name__}, returned None; is a `return` "
                "missing in its forward?"
            )
        if looks:
            _look(loss, outputs)
        try:
            value = loss(outputs, y)
        except (ReplayError, DetachError) as error:
            found = re.search(r"t\.numpy\(\)|float\(t\)|t\.item\(\)", str(error))
            if found and "argument of the step" not in str(error):  # else it says enough
                raise type(error)(
                    f"fit(loss={shown(loss)}): it takes a value out of a Tensor ({found[0]}), and "
                    "what is computed of that has no gradient; leave out float(), .item() and "
                    ".numpy() in the loss. For a value that is only shown give fit(…, "
                    "replay=False)."
                ) from error
            raise
        if not names:
            return outputs, {"": _checked(loss, value)}
        if not isinstance(value, dict) or set(value) != set(names):
            raise TypeError(
                f"fit(loss={shown(loss)}): it returned "
                f"{list(value) if isinstance(value, dict) else shown(value)} for the optimisers "
                f"{list(names)}; give a dict of losses with these names."
            )
        return outputs, {name: _checked(loss, value[name]) for name in names}

    return forward


def _look(loss: Any, outputs: Any) -> None:
    made = getattr(getattr(outputs, "_node", None), "rule", None)
    if (said := _MADE.get((loss, getattr(made, "name", "")))) is not None:
        warnings.warn(f"fit: {said}.", RuntimeWarning, stacklevel=2)


def _checked(loss: Any, value: Any) -> Any:
    if value is None:
        raise TypeError("fit: the loss function returned None; is a `return` missing?")
    if isinstance(value, (dict, list, tuple)):
        told = f"losses {list(value)}" if isinstance(value, dict) else f"{len(value)} losses"
        raise TypeError(
            f"fit(loss={shown(loss)}): it returns {told} for one optimiser; give one number, such "
            "as their sum, each times its weight, or an optimiser for each in a dict of these "
            "names."
        )
    if not isinstance(value, Tensor):
        raise TypeError(
            f"the loss is {shown(value)}, which does not depend on the model's parameters; leave "
            "out float(), .item(), .numpy(), .detach() and no_grad() between the model and the "
            "loss."
        )
    if value.size != 1:
        raise ShapeError(
            f"fit(loss={shown(loss)}): it returns shape {value.shape}, expected one number; use "
            "its mean, np.mean(…)."
        )
    return value


def _descending(run: Run, loss: Tensor) -> Tensor:
    """The loss, if it has a gradient by the parameters; raises TapeError if not."""
    if loss.dtype.kind == "c":
        raise TapeError(
            f"fit(loss={shown(run.loss)}): it returns a complex number, dtype {loss.dtype}; give "
            "its real part, np.real(…), or its modulus."
        )
    if loss.requires_grad:
        return loss
    cause = "look for .detach(), .numpy() and no_grad() on the way to it"
    if not run.model.parameters():
        cause = "all parameters of the model are frozen; set requires_grad = True of some"
    raise TapeError(
        f"fit(loss={shown(run.loss)}): the loss does not depend on the model's parameters as far "
        f"as was recorded, so nothing can be learned; {cause}."
    )


def _shares(sizes: list[int]) -> list[float]:
    """What each of several batches counts: its examples' share of all."""
    total = sum(sizes)
    return [size / total if total else 1 / len(sizes) for size in sizes] if sizes[1:] else [1.0]


def _separately(run: Run, guard: Guard, kept: list[dict[str, Any]]) -> None:
    """Leave each optimiser's parameters the gradients of its own loss, all of the same weights."""
    gradients = []
    for name, part in zip(run.names, run.optimiser.parts, strict=True):
        for losses in kept:
            _descending(run, losses[name]).backward(retain_graph=name != run.names[-1])
        gradients += [(parameter, parameter.grad) for parameter in part.params]
        guard.zero_grad()
    for parameter, gradient in gradients:
        parameter.grad = gradient


def _may_be_judged(outputs: Any, y: Any) -> bool:
    """Whether outputs of this shape may mean classes."""
    n = outputs.shape[:1]
    same = outputs.shape == y.shape or {outputs.shape, y.shape} == {n, (*n, 1)}
    return bool(n) and (same or (outputs.ndim == y.ndim + 1 and y.dtype.kind in "iu"))


def rate_of(optimiser: Any) -> float:
    """The learning rate of the next step, as far as an optimiser of the user's own tells one."""
    if callable(getattr(optimiser, "rate", None)):
        return float(optimiser.rate())
    lr = getattr(optimiser, "lr", math.nan)
    return float(lr) if isinstance(lr, (int, float)) else math.nan


def made_at(optimiser: Any) -> int | None:
    """When an optimiser, or the last of several, was made; None where none is the package's."""
    parts = optimiser.parts if isinstance(optimiser, Several) else [optimiser]
    times = [part.made for part in parts if isinstance(part, Optimiser)]
    return max(times) if len(times) == len(parts) else None


def with_remedy(
    error: Exception, y: Any, number: int, step: int, is_updating: bool = False
) -> Exception:
    """The error of a step, with what only the training knows of it."""
    if is_updating and isinstance(error, ReplayError) and "takes a value out" in str(error):
        first = str(error).partition(". ")[0]
        return ReplayError(
            f"{first}, in step() of an optimiser of your own; write p[...] = p - lr * p.grad "
            "inside tg.no_grad(), override update() instead of step(), or train with "
            "fit(…, replay=False)."
        )
    if isinstance(error, ReplayError) and "replay=False" not in str(error):
        return ReplayError(
            f"{error} Or train with fit(..., replay=False), which runs each step as Python: for a "
            "step that looks at values, counts, prints, or draws numbers by itself."
        )
    if isinstance(error, ShapeError) and rows(y) == 1 and "batch_norm" in str(error):
        return ShapeError(
            f"{error} Batch {step} of epoch {number} has one example, which is left after the "
            "full batches; choose another batch size, or batches(…, drop_last=True)."
        )
    return error
