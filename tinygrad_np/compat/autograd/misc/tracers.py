"""Functions whose graph is the same in each call."""

import functools
from typing import Any


def const_graph(fun: Any, *args: Any, **kwargs: Any) -> Any:
    """``fun`` with these arguments given first. It runs as Python in each call."""
    return functools.partial(fun, *args, **kwargs)
