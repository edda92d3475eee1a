"""The names of HIPS/autograd over this engine: every derivative comes from its table.

>>> import tinygrad_np.compat.autograd.numpy as np
>>> from tinygrad_np.compat.autograd import grad
>>> grad(lambda x: np.tanh(x) ** 2)(1.0)
np.float64(0.6397000084492246)

``python -m tinygrad_np.compat.autograd script.py`` (or ``-m pytest``) runs a program that imports
``autograd`` with this package in its place; ``install()`` does that in a program itself.
"""

import importlib
import pkgutil
import sys

from . import builtins, core, differential_operators, extend, misc, numpy, test_util, tracer, util
from .builtins import dict, isinstance, list, tuple, type
from .differential_operators import (
    checkpoint,
    deriv,
    egrad,
    elementwise_grad,
    grad,
    grad_and_aux,
    grad_named,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    holomorphic_grad,
    jacobian,
    make_ggnvp,
    make_hvp,
    make_jvp,
    make_vjp,
    multigrad_dict,
    tensor_jacobian_product,
    value_and_grad,
    vector_jacobian_product,
)
from .extend import primitive

__all__ = [
    "builtins", "checkpoint", "core", "deriv", "dict", "differential_operators", "egrad",
    "elementwise_grad", "extend", "grad", "grad_and_aux", "grad_named", "hessian",
    "hessian_tensor_product", "hessian_vector_product", "holomorphic_grad", "install",
    "isinstance", "jacobian", "list", "make_ggnvp", "make_hvp", "make_jvp", "make_vjp", "misc",
    "multigrad_dict", "numpy", "primitive", "tensor_jacobian_product", "test_util", "tracer",
    "tuple", "type", "util", "value_and_grad", "vector_jacobian_product",
]  # fmt: skip


def install() -> None:
    """After ``install()``, ``import autograd`` imports this package.

    It does not matter whether HIPS/autograd is there. What needs SciPy is left out where that is
    missing. Raises ImportError if HIPS/autograd has been imported already.

    >>> from tinygrad_np.compat import autograd
    >>> callable(autograd.install)
    True
    """
    loaded = sys.modules.get("autograd")
    if loaded is not None and loaded is not sys.modules[__name__]:
        raise ImportError("HIPS/autograd has been imported already; call install() before that.")
    sys.modules["autograd"] = sys.modules[__name__]
    for module in pkgutil.walk_packages(__path__, f"{__name__}.", onerror=_missing):
        if module.name.endswith("__main__"):
            continue
        alias = "autograd" + module.name.removeprefix(__name__)
        try:
            sys.modules[alias] = importlib.import_module(module.name)
        except ImportError as error:
            _refuse_other_than_scipy(error)


def _missing(_name: str) -> None:
    error = sys.exc_info()[1]
    if error is not None:
        _refuse_other_than_scipy(error)


def _refuse_other_than_scipy(error: BaseException) -> None:
    if (getattr(error, "name", None) or "").partition(".")[0] != "scipy":
        raise error
