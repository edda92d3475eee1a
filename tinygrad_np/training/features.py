"""The outputs of a network's layers, read without changing the network."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..arguments import shown
from ..nn.module import Module
from ..nn.turns import alone
from .checks import check_model
from .inputs import outputs_of
from .scoring import predicted


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
    with tapped(model, [layer]) as outputs:

        def last(x: Any) -> Any:
            outputs.clear()
            outputs_of(model, x)
            if layer not in outputs:
                raise ValueError(f"layer {layer!r} was not called; choose one that the model uses.")
            return outputs[layer][-1]

        return predicted(model, x, last)


def leaf_layers(model: Module) -> list[str]:
    """The names of the modules without modules below them, in order of definition."""
    names = [name for name, _ in model.named_modules()]
    return [n for n in names if not any(o.startswith(f"{n}.") if n else o for o in names)]


@contextmanager
def tapped(
    model: Module, layers: list[str], instead: Callable[[list[Any]], Any] | None = None
) -> Iterator[dict[str, list[Any]]]:
    """What layers put out in this thread while it lasts, by name, in the order of the last calls.

    ``instead`` makes of what a layer has put out what the model goes on with. Raises ValueError for
    other names.
    """
    modules = dict(model.named_modules())
    for name in layers:
        if not isinstance(name, str) or name not in modules:
            known = ", ".join(repr(known) for known in modules)
            raise ValueError(f"there is no layer {shown(name)}; the model has {known}.")
    kept: dict[str, list[Any]] = {}
    with alone(model):
        own = [(vars(modules[name]), vars(modules[name]).get("forward")) for name in layers]
        try:
            for name in layers:
                keeping = _keeping(name, modules[name].forward, kept, instead)
                modules[name].forward = keeping  # type: ignore[method-assign]
            yield kept
        finally:
            for attributes, forward in own:
                del attributes["forward"]
                attributes.update({} if forward is None else {"forward": forward})


def _keeping(
    name: str, forward: Callable[..., Any], kept: dict[str, list[Any]],
    instead: Callable[[list[Any]], Any] | None,
) -> Callable[..., Any]:  # fmt: skip
    own = threading.get_ident()

    @functools.wraps(forward)
    def keeping(*inputs: Any, **options: Any) -> Any:
        result = forward(*inputs, **options)
        if threading.get_ident() != own:
            return result
        kept[name] = outputs = [*kept.pop(name, []), result]
        return result if instead is None else instead(outputs)

    return keeping
