"""What a loss goes through and the model does not know: it is neither trained nor switched."""

import warnings
from collections.abc import Iterable
from typing import Any

from ..autodiff.nests import leaves
from ..autodiff.tape import Leaf, history
from ..autodiff.tensor import Tensor
from ..nn.layers import Dropout
from ..nn.module import Module
from ..nn.normalisation import BatchNorm1d

WHERE = (
    "a Module finds what is its attribute, or in a list, tuple, dict or nn.ModuleList that is one, "
    "and nothing in a set, a deque, another object or a function, and no layer that forward makes"
)
SWITCHED = (Dropout, BatchNorm1d)  # by train() and eval()


def warn_of_unknown(found: list[str]) -> None:
    """Say once what is not trained."""
    warnings.warn(
        f"fit: the loss goes through {', '.join(found)}, which the model does not know, so that it "
        f"is neither trained nor switched by eval(): {WHERE}; what is to stay as it is gets "
        ".requires_grad_(False) or .eval().",
        RuntimeWarning,
        stacklevel=9,
    )


def unknown(
    model: Module, outputs: Any, losses: Iterable[Any], others: Iterable[Any], since: int
) -> list[str]:
    """Names and shapes of leaves that no optimiser has, and the kinds of hidden layers.

    What requires grad on purpose is no fault: what the model or any optimiser of ours has, what is
    in ``others``, and what a step makes itself (numbered from ``since`` on) but layers made there.
    """
    known = {_node(part) for part in (*model.parameters(), *others)}
    modules = {id(module) for _, module in model.named_modules()}
    found: dict[Any, str] = {}
    for node in history(*map(_node, losses)):
        made = _strange(node, modules)
        for parent, value in zip(node.parents, getattr(node, "values", ()), strict=False):
            if type(parent) is not Leaf or parent in known or parent.slot or parent.closed is False:
                continue
            if parent.number < since or made is not None:
                found[parent] = f"{parent.name or 'a Tensor'} {value.shape}"
    for node in history(*map(_node, leaves(outputs))):
        kind = _strange(node, modules)
        if kind is not None and issubclass(kind, SWITCHED):
            found[kind] = kind.__name__
    return list(dict.fromkeys(found.values()))


def _node(given: Any) -> Any:
    return given._node if isinstance(given, Tensor) else None


def _strange(node: Any, modules: set[int]) -> Any:
    """The class of the module that made this result, if the model does not know it."""
    origin = getattr(node, "origin", None)
    while origin is not None:
        module, kind, _, origin = origin
        held = module()
        if id(held) not in modules and (held is None or held.training):
            return kind
    return None
