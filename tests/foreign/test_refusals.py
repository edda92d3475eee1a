"""What arrays of another library are refused, each in one sentence, without that library."""

import copy
import types
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.foreign.strict import Strict
from tinygrad_np.autodiff.primitives import needs_memory
from tinygrad_np.foreign import check_known, theirs


class Lazy(Strict):
    """An array that nothing can be written into."""

    def __getattr__(self, name: str) -> Any:
        if name == "fill":
            raise AttributeError(name)
        return super().__getattr__(name)


def test_what_writes_needs_memory() -> None:
    needs_memory("max_pool2d", Strict(np.ones(2)))
    with pytest.raises(TypeError, match="max_pool2d writes into arrays, and a tests"):
        needs_memory("max_pool2d", Lazy(np.ones(2)))


def test_lengths_are_to_be_known() -> None:
    with pytest.raises(TypeError, match="whose lengths nobody knows yet, is no Tensor"):
        check_known(types.SimpleNamespace(shape=(float("nan"), 2)))


def test_what_a_library_lacks_is_named() -> None:
    def refuse() -> None:
        raise TypeError("operand type(s) all returned NotImplemented from <ufunc 'add'>, 'at'")

    try:
        refuse()
    except TypeError as error:
        error.__traceback__ = None  # as of an error in C
        told = theirs(error, "sum", [Strict(np.ones(2))])
    assert "needs what that library lacks or refuses (np.add.at)" in str(told)
    assert theirs(TypeError("x"), "sum", [np.ones(2)]) is None


def test_a_rule_gives_the_kind_that_it_was_given() -> None:
    @tg.primitive
    def twice(x: Any) -> Any:
        return x * 2

    tg.defvjp(twice, lambda g, out, x: np.ones(x.shape))  # noqa: ARG005
    with pytest.raises(TypeError, match=r"twice of a tests Strict returned an array of NumPy's"):
        tg.grad(lambda x: np.sum(twice(x)))(Strict(np.ones(2)))


class Mixing(Strict):
    """An array of a library that takes NumPy's beside its own, as Dask does."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        inputs = tuple(Strict(v) if type(v) is np.ndarray else v for v in inputs)
        return mixing(Strict.__array_ufunc__(self, ufunc, method, *inputs, **options))

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return mixing(Strict.__array_function__(self, fn, types, args, kwargs))

    def __getitem__(self, index: Any) -> Any:
        return mixing(Strict.__getitem__(self, index))

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return (lambda *args: mixing(found(*args))) if callable(found) else found


def mixing(result: Any) -> Any:
    return Mixing(result.host()) if isinstance(result, Strict) else result


def test_a_gradient_is_of_the_kind_of_its_array() -> None:
    a, host = Mixing([1.0, 2.0]), np.array([3.0, 4.0])

    def swept(own: Any, other: Any, seed: Any = None, hook: Any = None) -> Any:
        t = tg.Tensor(own, requires_grad=True)
        if hook is not None:
            t.register_hook(hook)
        (t * other if seed is not None else np.sum(t * other)).backward(seed)
        assert t.grad is not None
        return t.grad.data

    for gradient in (
        swept(a, 2.0, hook=lambda g: g * 1),
        swept(a, 2.0, hook=lambda g: None),  # noqa: ARG005
        swept(a, host),
        swept(a, 1.0, [2.0, 2.0]),
        tg.grad(lambda x: np.sum(x * host))(a),
        tg.vmap(lambda _: tg.Tensor(a) * 1.0)(a)[0],
        tg.array([a, a]).data,
        tg.array([[tg.Tensor(a)], [a]]).data,
        tg.Tensor(a).flatten().data,
    ):
        assert isinstance(gradient, Strict)
    written = tg.Tensor(Strict([0.0, 0.0]))
    written[...] = a
    assert written.data.host().tolist() == [1.0, 2.0]

    def kept(x: Any) -> Any:
        return np.sum(a * x)

    mixed, other = "multiply of a tests .* that requires grad, whose", "and stands for a"
    for wrong, said in (
        (lambda: tg.grad(kept)(host), mixed),
        (lambda: tg.hessian(kept)(host), mixed),
        (lambda: tg.grad(lambda x, y: np.sum(x * y), (0, 1))(a, host), mixed),
        (lambda: swept(host, a), mixed),
        (lambda: swept(a, 1.0, host), other),
        (lambda: swept(host, 1.0, a), other),
        (lambda: swept(a, 1.0, hook=lambda g: host), other),  # noqa: ARG005
        (lambda: tg.jvp(np.sin, (a,), (host,)), f"a direction is a numpy ndarray, {other} tests"),
        (lambda: tg.jvp(np.sin, (host,), (a,)), other),
        (lambda: tg.vjp(np.sin, a)[1](host), other),
    ):
        with pytest.raises(TypeError, match=said):
            wrong()


def test_a_vmap_does_not_hide_another_librarys_arrays() -> None:
    """What is refused outside is refused of the examples, too, however deep they are inside."""
    a, host = Mixing([[1.0, 2.0]]), np.array([[3.0, 4.0]])

    class Losing(Mixing):
        __slots__ = ()

        def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
            found = Strict.__array_function__(self, fn, types, args, kwargs)
            return found.host() if fn is np.argsort else mixing(found)

    def total(x: Any, y: Any) -> Any:
        return np.sum(x * y)

    by_host = tg.grad(total, 1)
    for wrong, axes, given in (
        (by_host, (0, 0), (a, host)),
        (by_host, (0, None), (a, host[0])),
        (by_host, (None, 0), (a[0], host)),
        (tg.vmap(by_host), (0, 0), (a, host)),
        (tg.grad(total, (0, 1)), (0, 0), (a, host)),
        (tg.hessian(total, 1), (0, 0), (a, host)),
        (tg.grad(lambda x: total(x, a[0])), 0, (host,)),
        (lambda x: tg.vjp(total, a[0], x)[1](1.0), 0, (host,)),
    ):
        with pytest.raises(TypeError, match=r"multiply of a tests .* that requires grad, whose"):
            tg.vmap(wrong, axes)(*given)
    assert isinstance(tg.vmap(tg.grad(total))(a, host), Strict)
    assert isinstance(tg.vmap(lambda x: tg.vjp(np.sin, x)[1]([1, 2])[0])(a), Strict)
    assert isinstance(tg.vmap(lambda x: tg.jvp(np.sin, (x,), (1,))[1])(a[0]), Strict)
    with pytest.raises(TypeError, match=r"^argsort of a tests Losing returned an array of NumPy's"):
        tg.vmap(np.argsort)(Losing([[2.0, 1.0]]))


def test_a_list_does_not_hide_another_librarys_arrays() -> None:
    a = Strict([1.0, 2.0])
    for wrong in (
        lambda: tg.Tensor([a, a]),
        lambda: tg.Tensor([[1.0, 2.0], [tg.Tensor(a)]]),
        lambda: np.add(tg.Tensor([1.0, 2.0]), [a[0], 1.0]),
    ):
        with pytest.raises(TypeError, match=r"with a tests Strict in it, .*use tg\.array\(list\)"):
            wrong()


def test_masks_inside_are_refused() -> None:
    inside = types.SimpleNamespace(shape=(2,), _meta=np.ma.ones(2))
    with pytest.raises(TypeError, match="of masked arrays is no Tensor: the mask would be lost"):
        check_known(inside)


def test_functions_of_masked_arrays_read_what_a_tensor_lacks() -> None:
    t = tg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(AttributeError, match=r"^np\.ma\.clip of a Tensor: .*use np\.clip of t"):
        np.ma.clip(t, 0, 1)
    with pytest.raises(AttributeError, match=r"^a Tensor has no 'view'"):  # without the source
        eval("np.ma.clip(t, 0, 1)", {"np": np, "t": t})
    with pytest.raises(tg.DataError, match="A network with one output has no classes"):
        tg.nn.functional.cross_entropy(tg.Tensor(np.zeros((2, 1))), np.array([0, 1]))


class Converting(Strict):
    """An array that NumPy's functions take for one of theirs, where its library has none."""

    __slots__ = ()

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.host()

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return fn(*(a.host() if isinstance(a, Strict) else a for a in args), **kwargs)

    def __getitem__(self, index: Any) -> Any:
        return Converting(self.host()[index])


def test_numpys_array_does_not_take_anothers_for_its_own() -> None:
    """The result would be NumPy's, and nobody would see that the other one was converted."""
    w: Any = Converting([1.0, 2.0, 3.0])
    places: Any = Converting([0, 2])
    functional = tg.nn.functional
    for wrong in (
        lambda x: np.convolve(x, w),
        lambda x: np.convolve(x, tg.Tensor(w)),
        lambda x: np.correlate(x, w),
        lambda x: np.polymul(x, w),
        lambda x: np.interp(x, w, w),
        lambda x: np.sum(x, initial=w[0]),
        lambda x: np.take(x, places),
        lambda x: np.take_along_axis(x, places, 0),
        lambda x: np.delete(x, places),
        lambda x: np.repeat(x, Converting([1, 2, 1])),
        lambda x: x[places],
        lambda x: x[Converting([True, False, True])],
        lambda x: functional.embedding(places, x.reshape(3, 1)),
    ):
        with pytest.raises(TypeError, match="Converting"):
            tg.grad(lambda x, f=wrong: np.sum(f(x)))(np.array([1.0, 2.0, 3.0]))


def test_a_tensor_is_copied_with_its_gradient() -> None:
    t = tg.Tensor(Strict([1.0, 2.0]), requires_grad=True)
    np.sum(t * t).backward()
    copied: Any = copy.deepcopy(t)
    assert copied.grad.data.host().tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match=r"a tests Strict does not become an array of NumPy's by"):
        t.numpy()
