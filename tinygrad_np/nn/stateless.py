"""A module as a function of its parameters."""

from collections.abc import Mapping
from typing import Any

from ..arguments import refusal
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from .module import Module
from .turns import alone


def functional_call(module: Module, params: Mapping[str, Any], *inputs: Any, **options: Any) -> Any:
    """``module(*inputs, **options)`` with other Tensors or arrays in place of its own.

    ``params`` maps names, as of ``named_parameters()`` and ``state_dict()``, to values of the same
    shapes; parameters without a value there keep their own. Afterwards the module is as before. So
    a network can be differentiated by ``tg.grad`` and the other transforms. Raises TypeError for
    other things than a module and a dict, KeyError for unknown names, ShapeError for other shapes.

    Of several threads that call it with one module, or with modules that share one, each waits for
    its turn, and so do ``named_parameters()``, ``state_dict()`` and the like. A plain call of the
    module, ``module(x)``, does not wait: one in another thread meanwhile may see the values.

    >>> net = tg.nn.Linear(2, 1, seed=0)
    >>> params = {name: p.numpy() for name, p in net.named_parameters()}
    >>> slopes = tg.grad(lambda p: np.sum(tg.nn.functional_call(net, p, np.ones((3, 2)))))(params)
    >>> slopes["bias"]
    array([3.], dtype=float32)
    """
    if not isinstance(module, Module):
        raise refusal("functional_call", "module", module, "a tg.nn.Module")
    if not isinstance(params, Mapping):
        needed = "a dict of names and Tensors, such as module.state_dict(),"
        raise refusal("functional_call", "params", params, needed)
    with alone(module) as is_nested:
        new = _stand_ins(module, params, is_nested)
        replaced: list[tuple[Module, str, Any]] = []
        try:
            for _, part in list(module.named_modules()):
                for name, held in list(vars(part).items()):
                    other = _swapped(held, new)
                    if other is not held:
                        replaced.append((part, name, held))
                        vars(part)[name] = other
            return module(*inputs, **options)
        finally:
            for part, name, held in replaced:
                vars(part)[name] = held


def _stand_ins(module: Module, params: Mapping[str, Any], is_nested: bool) -> dict[int, Any]:
    """The Tensors given, by the ids of those in whose place they are to be.

    In a nested call those may be results: what the outer call was given.
    """
    own = dict(module.named_tensors())
    if is_nested:
        own = {name: t for name, t in module._walk() if isinstance(t, Tensor)}
    unknown = [str(name) for name in params if name not in own]
    if unknown:
        known = ", ".join(list(own)[:8])
        raise KeyError(f"functional_call: {', '.join(unknown)}; this module has {known}.")
    new: dict[int, Any] = {}
    for name, value in params.items():
        value = value if isinstance(value, Tensor) else Tensor(value)
        if value.shape != own[name].shape:
            raise ShapeError(
                f"functional_call: {name} of shape {value.shape}; expected {own[name].shape}."
            )
        new[id(own[name])] = value
    return new


def _swapped(held: Any, new: dict[int, Any]) -> Any:
    """A Tensor's stand-in, or a container with stand-ins; the same object if there are none."""
    if isinstance(held, Tensor):
        return new.get(id(held), held)
    if isinstance(held, dict):
        values = {key: _swapped(value, new) for key, value in held.items()}
        changed = any(values[key] is not held[key] for key in held)
        return type(held)(values) if changed else held
    if type(held) in (list, tuple):
        parts = [_swapped(part, new) for part in held]
        changed = any(a is not b for a, b in zip(parts, held, strict=True))
        return type(held)(parts) if changed else held
    return held
