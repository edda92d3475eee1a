"""Small helpers, by the names that HIPS/autograd has for them."""

from typing import Any

from .test_util import check_grads
from .wrap_util import subvals as subvals


def subval(x: Any, i: int, v: Any) -> tuple[Any, ...]:
    """A tuple like ``x`` with ``v`` at place ``i``."""
    return subvals(x, [(i, v)])


def func(f: Any) -> Any:
    """The function itself."""
    return f


def quick_grad_check(
    fun: Any, arg0: Any, extra_args: Any = (), kwargs: Any = None, **_options: Any
) -> None:
    """Compare the gradient of ``fun`` by its first argument with finite differences."""
    check_grads(fun, modes=["rev"], order=1)(arg0, *extra_args, **(kwargs or {}))
