"""What can be seen to be wrong before the first step of a training."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arguments import function, refusal, shown, whole
from ..autodiff.nests import leaves, rebuild
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..errors import DataError, ShapeError
from ..nn import Embedding
from ..nn.module import Module
from .decision import Decision, decision

Arrays = tuple[np.ndarray, np.ndarray]
EVALUATION_ROWS = 2048
BATCHES = "tg.data.batches(x, y, batch_size=64, seed=0)"


def check_settings(model: Any, batches: Any, optimiser: Any, epochs: Any, loss: Any) -> None:
    """Raise TypeError or ValueError, with the remedy, for arguments of ``fit`` of another kind."""
    whole("fit", "epochs", epochs)
    check_model("fit", model)
    check_loss("fit", loss)
    _check_batches(batches, int(epochs))
    _check_optimiser(model, optimiser)


def check_model(place: str, model: Any) -> None:
    """Raise TypeError for what is no module, such as the class of one."""
    if not isinstance(model, Module):
        made = f", so write {model.__name__}(…)," if isinstance(model, type) else ""
        raise refusal(place, "model", model, f"a tg.nn.Module{made}")


def check_loss(place: str, loss: Any) -> None:
    """Raise TypeError for what is no function, such as a word."""
    of = "(outputs, targets), such as tg.nn.functional.cross_entropy or tg.nn.functional.mse_loss,"
    function(place, "loss", loss, of)


def _check_batches(batches: Any, epochs: int) -> None:
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


def _check_optimiser(model: Module, optimiser: Any) -> None:
    missing = [n for n in ("zero_grad", "step") if not callable(getattr(optimiser, n, None))]
    if missing or isinstance(optimiser, type):
        raise TypeError(
            f"fit needs an optimiser with zero_grad() and step(), not {shown(optimiser)}; give one "
            "such as tg.optim.Adam(model.parameters(), 0.001)."
        )
    params = getattr(optimiser, "params", None)
    if not isinstance(params, (list, tuple)):
        return  # one of the user's own, which knows
    own = {id(tensor) for _, tensor in model.named_tensors()}
    if not any(id(parameter) in own for parameter in params):
        raise ValueError(
            f"fit: none of the optimiser's {len(params)} parameters is one of the model's, which "
            "would not change: it was made for another model; make it from model.parameters() of "
            "this one."
        )


def given_batch(batch: Any, model: Module) -> tuple[Any, Any]:
    """A batch as (x, y) of arrays or nests of such; raises TypeError for other things."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise TypeError(
            f"fit: one of the batches is no (x, y), but {shown(batch)}; give {BATCHES}."
        )
    return numbers("x", batch[0], model), numbers("y", batch[1], model)


def numbers(name: str, value: Any, model: Module | None = None) -> Any:
    """An array, Tensor or nest of such, of numbers; a list gets the dtype of the ``model``.

    Raises TypeError for words, objects and masked arrays.
    """
    found = [value] if isinstance(value, (np.ndarray, Tensor)) else leaves(value)
    if not found or not all(isinstance(part, (np.ndarray, Tensor)) for part in found):
        value = _as_array(name, value, model)
        found = [value]
    for part in found:
        refuse_mask(name, part)
        if part.dtype.kind not in "biufc":
            remedy = (
                "labels are class numbers: np.unique(y, return_inverse=True)[1], or "
                if name == "y"
                else ""
            )
            raise TypeError(
                f"{name} of shape {part.shape} has dtype {part.dtype}, which is no number's; "
                f"{remedy}make numbers of its columns and give {name}.astype(np.float32)."
            )
    return value


def refuse_mask(name: str, value: Any) -> None:
    """Raise TypeError for a masked array, which NumPy would take for its data."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array of shape {value.shape}, whose mask would be lost; give "
            f"{name}.filled(0), or only the rows without a mask."
        )


def _as_array(name: str, value: Any, model: Module | None) -> np.ndarray:
    """What is no array as one. Lists would make a network of float32 compute in float64."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(
            f"{name} is a list whose entries have several lengths; give rows of one length."
        ) from None
    if model is None or not isinstance(value, (list, tuple)):
        return array
    is_index = name == "y" or any(isinstance(m, Embedding) for _, m in model.named_modules())
    like = next((p.dtype for p in model.parameters() if p.dtype.kind == "f"), array.dtype)
    return array.astype(like) if array.dtype.kind in ("f" if is_index else "biuf") else array


def examples(name: str, value: Any, model: Module | None = None) -> Any:
    """``numbers`` with an axis of examples; raises ShapeError for one number."""
    value = numbers(name, value, model)
    if not np.ndim(value):
        raise ShapeError(f"{name} is one number, {shown(value)}; expected an array (n, ...).")
    return value


def as_tensors(nest: Any) -> Any:
    """Arrays as Tensors, as a replayed step gets them."""
    if isinstance(nest, Tensor):
        return nest
    if isinstance(nest, np.ndarray):
        return Tensor(nest)
    return rebuild(nest, [p if isinstance(p, Tensor) else Tensor(p) for p in leaves(nest)])


def check_validation(
    model: Module, validation: Any, loss: Callable[[Any, Any], Any]
) -> Decision | None:
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
        x, y = (_plain(numbers(n, v, model)) for n, v in zip("xy", validation, strict=True))
    except TypeError as error:
        raise TypeError(f"validation={shown(validation)}: {error}") from None
    if not x.ndim or not y.ndim or len(x) != len(y):
        raise ShapeError(
            f"validation: x of shape {x.shape} and y of shape {y.shape}; expected as many targets "
            "as examples."
        )
    if not len(y):
        raise ValueError("there is nothing in the validation data; give at least one example.")
    outputs = _tried(model, x)
    if outputs is None or not isinstance(outputs, Tensor) or not outputs.ndim:
        has_labels = y.ndim == 1 and y.dtype.kind in "iu"
        return Decision() if has_labels else None
    like = np.zeros((len(y), *outputs.shape[1:]), outputs.dtype)
    try:
        with no_grad(), np.errstate(all="ignore"):
            loss(Tensor(like), Tensor(y))
    except (DataError, ShapeError, IndexError) as error:
        raise DataError(
            f"validation: outputs of shape {like.shape} and targets of shape {y.shape} do not fit "
            f"the loss: {error}"
        ) from error
    return decision(like, y, loss)


def _tried(model: Module, x: np.ndarray) -> Any:
    """What a copy of the model gives for two examples, None where it cannot be copied."""
    try:
        twin = copy.deepcopy(model).train()
    except Exception:  # a model may hold what nobody can copy: then fit finds out later
        return None
    with no_grad(), np.errstate(all="ignore"):
        try:
            return twin(Tensor(x[[0, -1]]))
        except (ValueError, TypeError, IndexError) as error:
            first = error
        try:  # it may be made for one number of examples
            return twin(Tensor(x[:EVALUATION_ROWS]))
        except (ValueError, TypeError, IndexError):
            raise DataError(
                f"validation: the model does not take x of shape {x.shape}: {first}"
            ) from first


def _plain(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value
