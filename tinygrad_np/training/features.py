"""The outputs of a network's layers, read without changing the network."""

import copy
import functools
from collections.abc import Callable
from typing import Any

from ..arguments import shown
from ..nn.module import Module
from .checks import check_model
from .inputs import Call
from .scoring import predict


def features(model: Module, x: Any, layer: str) -> Any:
    """The outputs of one layer in evaluation mode: inputs (n, ...) to (n, ...).

    Inputs and outputs may be nests, as for ``predict``.

    ``layer`` is a name as in ``model.named_modules()``, such as "layers.3"; the model itself is "".
    A layer that is called several times gives its last output. The model is left as it is. Raises
    ValueError for other names, and for a layer that the model does not call.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 2, seed=1))
    >>> tg.training.features(model, np.ones((5, 4), np.float32), "1").shape
    (5, 8)
    """
    check_model("features", model)
    twin = copy.deepcopy(model)
    return predict(_Last(twin, layer, tap(twin, [layer])), x)


class _Last(Module):
    """The network, giving the output of one of its layers instead of its own."""

    def __init__(self, model: Module, layer: str, outputs: dict[str, list[Any]]) -> None:
        self.model = model
        self._call = Call(model)
        self._layer = layer
        self._outputs = outputs

    def forward(self, x: Any) -> Any:
        taken = self._outputs[self._layer]
        taken.clear()
        self._call(x)
        if not taken:
            raise ValueError(
                f"layer {self._layer!r} was not called; choose one that the model uses."
            )
        return taken[-1]


def leaf_layers(model: Module) -> list[str]:
    """The names of the modules without modules below them, in order of definition."""
    names = [name for name, _ in model.named_modules()]
    return [n for n in names if not any(o.startswith(f"{n}.") if n else o for o in names)]


def tap(model: Module, layers: list[str]) -> dict[str, list[Any]]:
    """Make layers of a model, best a copy, keep what they put out; raises ValueError for others."""
    modules = dict(model.named_modules())
    kept: dict[str, list[Any]] = {}
    for name in layers:
        if not isinstance(name, str) or name not in modules:
            known = ", ".join(repr(known) for known in modules)
            raise ValueError(f"there is no layer {shown(name)}; the model has {known}.")
        kept[name] = []
        modules[name].forward = _keeping(modules[name].forward, kept[name])  # type: ignore[method-assign]
    return kept


def _keeping(forward: Callable[..., Any], outputs: list[Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def kept(*inputs: Any, **options: Any) -> Any:
        result = forward(*inputs, **options)
        outputs.append(result)
        return result

    return kept
