"""Checks before the first step of a training."""

import copy
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..arguments import function, refusal, shown, whole
from ..autodiff.nests import leaves, rebuild
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..data.datasets import Dataset
from ..data.samples import arrays
from ..errors import DataError, ShapeError
from ..nn import Conv1d, Conv2d, Flatten, Linear, Sequential
from ..nn.module import Module
from ..optim.groups import steps_of
from ..optim.optimisers import Optimiser
from ..optim.several import Several
from .callbacks import Run
from .decision import Decision, Loss, decision
from .history import MONITORS
from .inputs import are_paired, as_arrays, as_tensors, numbers, outputs_of, part, rows, shapes

Arrays = tuple[Any, Any]
EVALUATION_ROWS = 2048
BATCHES = "tg.data.batches(x, y, batch_size=64, seed=0)"


def check_settings(model: Any, batches: Any, epochs: Any, loss: Any) -> None:
    """Raise TypeError or ValueError, with the remedy, for arguments of ``fit`` of another kind."""
    whole("fit", "epochs", epochs)
    check_model("fit", model)
    check_loss("fit", loss)
    _check_batches(batches, int(epochs))


def check_model(place: str, model: Any) -> None:
    """Raise TypeError for what is no module, such as the class of one."""
    if not isinstance(model, Module):
        made = f", so write {model.__name__}(…)," if isinstance(model, type) else ""
        raise refusal(place, "model", model, f"a tg.nn.Module{made}")


def check_loss(place: str, loss: Any) -> None:
    """Raise TypeError for what is no function, such as a word."""
    of = "(outputs, targets), such as tg.nn.functional.cross_entropy or tg.nn.functional.mse_loss,"
    function(place, "loss", loss, of, count=2)


def _check_batches(batches: Any, epochs: int) -> None:
    if isinstance(batches, Dataset):
        raise TypeError(
            "fit iterates over batches (x, y), and was given a data set with its test part; write "
            f"(x, y), test = dataset, and give {BATCHES} with x as the model takes it."
        )
    given = batches if isinstance(batches, (tuple, list)) else [batches]
    if given and all(isinstance(part, (np.ndarray, Tensor)) for part in given):
        shapes = " and ".join(str(part.shape) for part in given)
        raise TypeError(
            f"fit iterates over batches (x, y), and was given arrays of shape {shapes}; give "
            f"{BATCHES}, or [(x, y)] for all examples at once."
        )
    if isinstance(batches, Iterator) and epochs > 1:
        raise DataError(
            f"fit: batches of type {type(batches).__name__} are empty after one of {epochs} "
            f"epochs; give what can be iterated over once per epoch, such as {BATCHES} or a list, "
            "not a generator."
        )
    if not hasattr(batches, "__iter__") or isinstance(batches, (str, bytes, type)):
        raise TypeError(f"fit iterates over batches (x, y), not {shown(batches)}; give {BATCHES}.")


def given_optimiser(model: Module, optimiser: Any) -> Any:
    """One optimiser, or several as one. Raises TypeError and ValueError for what is none."""
    parts = list(optimiser.values()) if isinstance(optimiser, dict) else optimiser
    if not isinstance(parts, (list, tuple)) or all(isinstance(p, Tensor) for p in parts):
        _check_optimiser(optimiser)
        _check_parameters(model, [optimiser])
        return optimiser
    for each in parts:
        _check_optimiser(each)
        if not isinstance(getattr(each, "params", None), (list, tuple)):
            raise TypeError(
                f"fit: of several optimisers, {shown(each)} has no list of its parameters; give it "
                "an attribute params, or derive it from tg.optim.Optimiser."
            )
    _check_parameters(model, parts)
    return Several(optimiser)


def _check_optimiser(optimiser: Any) -> None:
    missing = [n for n in ("zero_grad", "step") if not callable(getattr(optimiser, n, None))]
    if missing or isinstance(optimiser, type):
        raise TypeError(
            f"fit needs an optimiser with zero_grad() and step(), not {shown(optimiser)}; give one "
            "such as tg.optim.Adam(model.parameters(), 0.001), or several in a list or a dict."
        )


def _check_parameters(model: Module, optimisers: Iterable[Any]) -> None:
    """Raise ValueError where no optimiser has one of the model's parameters."""
    lists: list[Any] = [getattr(optimiser, "params", None) for optimiser in optimisers]
    if not lists or not all(isinstance(params, (list, tuple)) for params in lists):
        return  # one of the user's own, which knows
    params = [parameter for params in lists for parameter in params]
    own = {id(tensor) for _, tensor in model.named_tensors()}
    if not any(id(parameter) in own for parameter in params):
        raise ValueError(
            f"fit: none of the optimiser's {len(params)} parameters is one of the model's, so the "
            "model would not change; make the optimiser from model.parameters() of this model."
        )


def warn_of_pixels(model: Module, x: Any) -> None:
    """Warn of bytes up to 255 that come into a layer of weights as they are."""
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or not x.size or x.max() < 2:
        return
    layers = model if isinstance(model, Sequential) else [model]
    first = next((layer for layer in layers if not isinstance(layer, Flatten)), None)
    if isinstance(first, (Linear, Conv1d, Conv2d)):
        warnings.warn(
            f"fit: x is of dtype uint8, up to {x.max()}, and comes into {type(first).__name__} as "
            "it is; a network learns better from small numbers: give x.astype(np.float32) / 255.",
            RuntimeWarning,
            stacklevel=9,
        )


def warn_of_schedule(run: Run) -> None:
    """Warn of a learning rate that is as good as 0 long before the training ends."""
    epoch = run.steps_per_epoch()
    if epoch is None:
        return
    parts = run.optimiser.parts if isinstance(run.optimiser, Several) else [run.optimiser]
    for each in (each for each in parts if isinstance(each, Optimiser)):
        last = each.steps - run.done + epoch * run.epochs
        for schedule in (group["lr"] for group in each.param_groups):
            ends = steps_of(schedule)
            if ends is not None and 10 * last > 11 * ends:
                warnings.warn(
                    f"fit: the learning rate of {type(schedule).__name__} is as good as 0 from "
                    f"step {ends:,} on, and this training goes on to step {last:,}; make it "
                    "for as many steps as all epochs have, steps=batches × epochs.",
                    RuntimeWarning,
                    stacklevel=4,
                )
                return


def check_validation(model: Module, validation: Any, loss: Loss) -> Decision | None:
    """What outputs mean there, None if no classes; raises before the first epoch what it would.

    A copy of the model in training mode is tried on two examples, and the loss on outputs of 0 for
    all targets, so that neither weights nor statistics nor generators change. Raises TypeError for
    what is no pair, DataError and ShapeError where data, model and loss do not fit.
    """
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(
            f"validation={shown(validation)}: a pair of arrays is needed, validation=(x, y)."
        )
    try:
        pairs = zip("xy", validation, strict=True)
        x, y = (as_arrays(numbers(name, value, model)) for name, value in pairs)
    except TypeError as error:
        raise TypeError(f"validation={shown(validation)}: {error}") from None
    if not arrays(x) or not arrays(y) or not are_paired(x, y):
        raise ShapeError(
            f"validation: x of {shapes(x)} and y of {shapes(y)}; expected as many targets "
            "as examples."
        )
    if not rows(y):
        raise ValueError("the validation data are empty; give at least one example.")
    is_one = isinstance(y, np.ndarray)
    outputs = _tried(model, x)
    parts = [p for p in leaves(outputs) if isinstance(p, Tensor)]
    if not parts or (isinstance(outputs, Tensor) and not outputs.ndim):
        return Decision() if is_one and y.ndim == 1 and y.dtype.kind in "iu" else None
    n, single = rows(y), isinstance(outputs, Tensor)
    shaped = [(n, *p.shape[1:]) if single or p.shape[:1] == (min(n, 2),) else p.shape
              for p in parts]  # fmt: skip
    made = iter([np.zeros(s, p.dtype) for s, p in zip(shaped, parts, strict=True)])
    like = rebuild(outputs, [next(made) if isinstance(p, Tensor) else p for p in leaves(outputs)])
    try:
        with no_grad(), np.errstate(all="ignore"):
            loss(as_tensors(like), as_tensors(y))
    except (DataError, ShapeError, IndexError) as error:
        raise DataError(
            f"validation: outputs of {shapes(like)} and targets of {shapes(y)} do not fit "
            f"the loss: {error}"
        ) from error
    return decision(like, y, loss) if single and is_one else None


def _tried(model: Module, x: Any) -> Any:
    """What a copy of the model gives for two examples, None where it cannot be copied."""
    try:
        twin = copy.deepcopy(model).train()
    except Exception:  # a model may hold what nobody can copy: then fit finds out later
        return None
    with no_grad(), np.errstate(all="ignore"):
        try:
            return outputs_of(twin, as_tensors(part(x, [0, -1])))
        except (ValueError, TypeError, IndexError) as error:
            first = error
        try:  # it may be made for one number of examples
            return outputs_of(twin, as_tensors(part(x, slice(EVALUATION_ROWS))))
        except (ValueError, TypeError, IndexError):
            raise DataError(
                f"validation: the model does not take x of {shapes(x)}: {first}"
            ) from first


def monitored(run: Run, decided: Decision | None) -> str:
    """What the best epoch goes by."""
    validation, early_stopping = run.validation, run.early_stopping
    if validation is None and run.keep_best:
        raise ValueError("keep_best=True needs validation data; give validation=(x, y).")
    monitor = "train_loss"
    if early_stopping is not None:
        monitor = early_stopping.monitor
        own = [f"{part}_{name}" for name in run.reported() for part in ("train", "validation")]
        if monitor not in (*MONITORS, *own):
            raise ValueError(
                f"early stopping monitors {monitor}; it must be one of "
                f"{', '.join((*MONITORS, *own))}, or give metrics= with that name."
            )
    elif validation is not None:
        monitor = "validation_loss" if decided is None else "validation_accuracy"
    if monitor == "validation_accuracy" and validation is not None and decided is None:
        raise ValueError(
            "early stopping monitors validation_accuracy, and these outputs and targets are not "
            "classes, so they have none; give monitor='validation_loss', or your own metrics=."
        )
    if validation is None and monitor.startswith("validation"):
        raise ValueError(
            f"early stopping monitors {monitor}; give validation=(x, y), or monitor='train_loss'."
        )
    return monitor
