"""What a loss goes through and the model does not know, in words."""

import warnings
from collections.abc import Iterable

from ..autodiff.tensor import Tensor
from ..nn.layers import Dropout
from ..nn.module import Module
from ..nn.normalisation import BatchNorm1d
from ..recording.reached import Reached

WHERE = (
    "a Module finds what is an attribute, or in a list, tuple, dict or nn.ModuleList that is an "
    "attribute, but not what is in a set, another object or a function, nor what forward makes"
)
SWITCHED = (Dropout, BatchNorm1d)  # by train() and eval()


def reached(model: Module, params: Iterable[Tensor] = ()) -> Reached:
    """What looks at the first loss of a model, whose optimisers have ``params``."""
    modules = (module for _, module in model.named_modules())
    return Reached((*model.parameters(), *params), modules, SWITCHED)


def warn_of_unknown(found: list[str]) -> None:
    """Say once what is not trained."""
    warnings.warn(
        f"fit: the loss goes through {', '.join(found)}, which the model does not know, so that it "
        f"is neither trained nor switched by eval(): {WHERE}; give parameters of a loss "
        "to the optimiser; for layers that should not change call .requires_grad_(False) and "
        ".eval(), or use them inside tg.no_grad().",
        RuntimeWarning,
        stacklevel=9,
    )
