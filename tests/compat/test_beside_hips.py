"""HIPS/autograd beside the module that takes its place: names, parameters, values and types."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.each import run_all

OURS = "tinygrad_np.compat.autograd"
X = np.array([0.3, -1.1, 0.8])
# Modules whose names are how HIPS/autograd works inside: rules, graphs, spaces of each container.
INSIDE = (
    "autograd.builtins", "autograd.core", "autograd.numpy.numpy_jvps", "autograd.numpy.numpy_vjps",
    "autograd.numpy.numpy_vspaces", "autograd.numpy.numpy_wrapper", "autograd.tracer",
)  # fmt: skip
# Names elsewhere that are the same: rules, what they are made of, and readers of its graphs.
RULES = ("grad_", "fwd_grad_", "make_grad_", "make_gammainc", "make_rfft", "check_", "get_fft")
UNKNOWN = {
    "T", "ConstGraphNode", "FullGraphNode", "add2d", "argnums_unpack", "compute_conv_size",
    "const_graph_unary", "covgrad", "custom_where", "einsum_tensordot", "fft_grad",
    "fixed_point_vjp", "flipped_idxs", "full_graph", "generalized_outer_product", "irfft_grad",
    "norm_jvp", "norm_vjp", "parse_axes", "quick_grad_check", "rfft_grad", "solve", "toposort",
}  # fmt: skip


@pytest.fixture(scope="module")
def hips() -> Iterator[Any]:
    """HIPS/autograd, which other tests do not find imported."""
    found = pytest.importorskip("autograd", reason="compares with HIPS/autograd")
    yield found
    for name in [n for n in sys.modules if n.partition(".")[0] == "autograd"]:
        del sys.modules[name]


def twin(name: str) -> Any:
    """The module here in the place of one of HIPS/autograd."""
    return importlib.import_module("tinygrad_np.compat." + name)


def check_names(name: str) -> None:
    theirs = importlib.import_module(name)
    for what, value in vars(theirs).items():
        is_own = getattr(value, "__module__", None) == name
        if what.startswith("_") or not is_own or what in UNKNOWN or what.startswith(RULES):
            continue
        ours = getattr(twin(name), what)
        if inspect.isfunction(value) and not hasattr(value, "fun") and what != "checkpoint":
            given, taken = (list(inspect.signature(f).parameters) for f in (value, ours))
            if "args" not in given:  # nor all that NumPy's function takes
                assert taken[: len(given)] == given, what


def test_names(hips: Any) -> None:
    names = [module.name for module in pkgutil.walk_packages(hips.__path__, "autograd.")]
    run_all(check_names, [(name,) for name in ["autograd", *names] if name not in INSIDE])


INPUTS: dict[str, Any] = {
    "float": 0.7, "int": 2, "number of NumPy's": np.float64(0.7), "float32": np.float32(0.7),
    "0-d": np.array(0.7), "array": X, "float32 array": X.astype("f4"), "ints": np.array([1, 2]),
    "complex": 1 + 2j, "complex array": X + 1j, "list": [1.0, X], "tuple": (2.0, 3.0),
    "dict": {"b": 1.0, "a": X}, "nest": [[1.0, 2.0], (3.0,)], "nothing": np.zeros(0),
}  # fmt: skip
TANGENTS = {
    "float": (1.5, 2.0), "int": (1.5, 2), "float for an array": (X, 2.0), "array": (X, X),
    "list for an array": (X, [1.0, 2.0, 3.0]), "0-d": (np.array(1.5), 2.0), "by a 0-d": (1.5, X[0]),
    "float32": (np.float32(1.5), 2.0), "by a row": (np.ones((2, 3)), X), "of an int": (2, 1),
    "float for complex": (1 + 2j, 1.0),
}  # fmt: skip


class Room:
    """The modules of one of the two."""

    def __init__(self, root: str) -> None:
        self.ag, self.np, self.extend = (
            importlib.import_module(root + name) for name in ("", ".numpy", ".extend")
        )
        self.flat = importlib.import_module(root + ".misc.flatten")
        self.misc = importlib.import_module(root + ".misc.optimizers")
        self.fixed = importlib.import_module(root + ".misc.fixed_points")
        self.operators = importlib.import_module(root + ".differential_operators")

    def total(self, x: Any) -> Any:
        """A number, of any nest."""
        if self.ag.isinstance(x, self.ag.dict):
            return self.total(x["a"]) * x["b"]
        if self.ag.isinstance(x, (self.ag.list, self.ag.tuple)):
            found = 0.0
            for part in x:
                found = found + self.total(part)
            return found
        return self.np.sum(self.np.real(x * x * x))

    def each(self, x: Any) -> Any:
        """An array, of an array."""
        return self.np.tanh(x) * x

    def root(self, a: Any) -> Any:
        """A square root, by Newton."""
        return self.fixed.fixed_point(
            lambda a: lambda x: 0.5 * (x + a / x), a, 0 * a + 1.0,
            lambda x, y: self.np.max(self.np.abs(x - y)), 1e-10,
        )  # fmt: skip


def calls_of(name: str, x: Any) -> dict[str, Any]:
    """Calls with one argument."""
    nest = isinstance(x, (list, tuple, dict))

    def inner(room: Room) -> Any:
        return room.total if nest else room.each

    made: dict[str, Any] = {
        "grad": lambda r: r.ag.grad(r.total)(x),
        "value_and_grad": lambda r: r.ag.value_and_grad(r.total)(x),
        "hessian": lambda r: r.ag.hessian(r.total)(x),
        "elementwise_grad": lambda r: r.ag.elementwise_grad(inner(r))(x),
        "deriv": lambda r: r.ag.deriv(inner(r))(x),
        "jacobian": lambda r: r.ag.jacobian(inner(r))(x),
        "holomorphic_grad": lambda r: r.ag.holomorphic_grad(inner(r))(x),
        "make_vjp": lambda r: r.ag.make_vjp(inner(r))(x)[0](inner(r)(x)),
        "make_jvp": lambda r: r.ag.make_jvp(inner(r))(x)(x),
        "make_jvp_reversemode": lambda r: r.operators.make_jvp_reversemode(inner(r))(x)(x),
        "make_hvp": lambda r: r.ag.make_hvp(r.total)(x)[0](x),
        "make_ggnvp": lambda r: r.ag.make_ggnvp(r.each)(x)(x),
        "hessian_vector_product": lambda r: r.ag.hessian_vector_product(r.total)(x, x),
        "checkpoint": lambda r: r.ag.grad(lambda v: r.total(r.ag.checkpoint(r.each)(v)))(x),
        "flatten": lambda r: r.flat.flatten(x)[0],
        "unflatten": lambda r: (lambda pair: pair[1](pair[0] * 2))(r.flat.flatten(x)),
        "of unflatten": lambda r: (lambda pair: r.ag.grad(lambda v: r.total(pair[1](v)))(pair[0]))(
            r.flat.flatten(x)),
        "flatten_func": lambda r: r.flat.flatten_func(r.total, x)[0](r.flat.flatten(x)[0]),
        "zeros": lambda r: r.extend.vspace(x).zeros(),
        "ones": lambda r: r.extend.vspace(x).ones() if nest else 1 * r.extend.vspace(x).ones(),
        "standard_basis": lambda r: list(r.extend.vspace(x).standard_basis()),
        "adam": lambda r: r.misc.adam(lambda v, _: r.ag.grad(r.total)(v), x, num_iters=3),
    }  # fmt: skip
    return {f"{transform} of {name}": call for transform, call in made.items()}


def along(name: str, x: Any, v: Any) -> dict[str, Any]:
    """Pushforwards and products."""
    made: dict[str, Any] = {
        "make_jvp": lambda r: r.ag.make_jvp(r.each)(x)(v),
        "make_jvp of two": lambda r: r.ag.make_jvp(lambda t: r.np.array([t, 2 * t]))(x)(v),
        "make_vjp": lambda r: r.ag.make_vjp(r.each)(x)[0](v),
        "make_jvp_reversemode": lambda r: r.operators.make_jvp_reversemode(r.each)(x)(v),
        "make_hvp": lambda r: r.ag.make_hvp(r.total)(x)[0](v),
    }
    return {f"{transform}, {name}": call for transform, call in made.items()}


CALLS = {
    **{name: call for key, x in INPUTS.items() for name, call in calls_of(key, x).items()},
    **{name: call for key, pair in TANGENTS.items() for name, call in along(key, *pair).items()},
    **{f"fixed_point of {a}": lambda r, a=a: (
        r.root(a), r.ag.jacobian(r.root)(a), r.ag.hessian(lambda a: r.np.sum(r.root(a)))(a))
       for a in (2.0, X + 2)},
    "names": lambda r: r.ag.grad(r.each).__name__ + r.ag.grad(r.each).__doc__,
    **{f"{op} by {places}": lambda r, op=op, places=places: getattr(r.ag, op)(
        lambda x, y, s=1.0: s * x * y**2, places)(2.0, 3.0, s=2.0)
       for op in ("grad", "value_and_grad", "elementwise_grad") for places in (0, 1, (0, 1), [1])},
}  # fmt: skip


def check_equal(ours: Any, theirs: Any) -> None:
    """Equal in value, nest, dtype and kind; a number is one of NumPy's wherever it is."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            check_equal(a, b)
    elif isinstance(theirs, str):
        assert ours == theirs
    else:
        if isinstance(theirs, np.ndarray) and theirs.ndim:
            assert type(ours) is np.ndarray
        elif isinstance(theirs, np.generic):
            assert isinstance(ours, np.generic)
        assert np.shape(ours) == np.shape(theirs)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.filterwarnings("ignore")
def test_calls(hips: Any) -> None:
    assert hips.__name__ == "autograd"
    theirs, ours = Room("autograd"), Room(OURS)
    tried = []
    for name, call in CALLS.items():
        try:
            tried.append((name, call, call(theirs)))
        except Exception:
            continue  # what HIPS/autograd refuses is not compared
    assert len(tried) > 250
    run_all(lambda _, call, expected: check_equal(call(ours), expected), tried)
