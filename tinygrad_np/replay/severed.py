"""Results of a replay that would require grad in eager mode, where a graph leads to them."""

from typing import Any

import numpy as np

from ..autodiff.tape import Leaf, Record
from ..autodiff.tensor import Tensor
from ..errors import ReplayError
from ..recording.lines import users_line


class Severed(Leaf):
    """Where the graph of such a result ends: values can be read, a gradient is refused."""

    __slots__ = ()
    severed = True

    def __init__(self, tensor: Tensor) -> None:
        super().__init__(tensor, None, None)
        self.hooks = {self: (_refuse, Tensor)}


def _refuse(_: Any) -> None:
    raise ReplayError(
        f"{users_line()}: a gradient goes into the result of a replayed step, which keeps no "
        "graph; call backward() inside the step, or replay the gradient, tg.replay(tg.grad(f)), or "
        "call the function without tg.replay."
    )


def severed(array: np.ndarray) -> Tensor:
    """A Tensor around a result, by which nothing can be differentiated."""
    tensor = Tensor._of(array, None)
    tensor._node = Severed(tensor)
    return tensor


def leads_on(part: Any) -> bool:
    """Whether a gradient would go on from a result of the step."""
    return isinstance(part, Tensor) and isinstance(part._node, Record) and not part._node.released
