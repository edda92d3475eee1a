"""The public functions under arrays of another library: results of its kind, or one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, full_name
from tests.each import named
from tests.foreign.cases import of_kind, pulled
from tests.foreign.strict import Strict
from tinygrad_np import data, nn, optim, training
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.nn import functional as F

Kind = Callable[[np.ndarray], Any]
V = np.array([0.5, 1.5, 2.5])
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
Y = np.arange(6) % 3
IMAGES = np.random.default_rng(1).normal(size=(2, 4, 6, 6)).astype(np.float32)


def f(v: Any) -> Any:
    return np.sum(np.tanh(v) ** 3)


def several(v: Any) -> Any:
    return np.sin(v) * v[0]


def tensors(kind: Kind, *values: np.ndarray) -> list[tg.Tensor]:
    return [tg.Tensor(kind(v), requires_grad=v.dtype.kind == "f") for v in values]


def array(t: Any) -> Any:
    return t.data if isinstance(t, tg.Tensor) else t


def defined(v: Any) -> Any:
    @tg.primitive
    def cube(x: Any) -> Any:
        return x * x * x

    tg.defvjp(cube, lambda g, _out, x: g * 3 * x * x)
    return tg.grad(lambda x: np.sum(cube(x)))(v)


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "grad": tg.grad(f),
    "value_and_grad": tg.value_and_grad(f),
    "vjp": lambda v: [(found := tg.vjp(several, v))[0], *found[1](v)],
    "jvp": lambda v: tg.jvp(several, (v,), (v,)),
    "jacobian": tg.jacobian(several),
    "hessian": tg.hessian(f),
    "hvp": lambda v: tg.hvp(f, (v,), (v,)),
    "vmap": lambda v: tg.vmap(lambda a: np.exp(a) * 2)(v),
    "vmap of grad": lambda v: tg.vmap(tg.grad(lambda a: np.sin(a) * a))(v),
    "vmap of hessian": lambda v: tg.vmap(tg.hessian(lambda a: a**3))(v),
    "vmap of jvp": lambda v: tg.vmap(lambda a: tg.jvp(np.sin, (a,), (a,)))(v),
    "vmap of checkpoint": lambda v: tg.vmap(tg.checkpoint(lambda a: np.sin(a) * a))(v),
    "vmap of a nest": lambda v: tg.vmap(lambda d: {"b": d["a"] * d["w"]})({"a": v, "w": v}),
    "grad of vmap": lambda v: tg.grad(lambda x: np.sum(tg.vmap(lambda a: a * a)(x)))(v),
    "grad of a nest": lambda v: tg.grad(lambda d: f(d["a"] * d["w"][0]))({"a": v, "w": [v]}),
    "grad by the second": lambda v: tg.grad(lambda a, b: f(a * b), argnums=1)(v, v),
    "jacobian of grad": lambda v: tg.jacobian(tg.grad(f))(v),
    "grad of hvp": lambda v: tg.grad(lambda x: np.sum(tg.hvp(f, (x,), (x,))[0]))(v),
    "checkpoint": lambda v: tg.grad(tg.checkpoint(f))(v),
    "stop_gradient": lambda v: tg.grad(lambda a: f(a * tg.stop_gradient(a)))(v),
    "gradcheck": lambda v: tg.gradcheck(f, v),
    "defvjp, primitive": defined,
    "Tensor": lambda v: tg.Tensor(v),
    "from_numpy": lambda v: tg.from_numpy(v),
    "backward": lambda v: [t := tg.Tensor(v, requires_grad=True), f(t).backward(), t.grad][2],
    "detach": lambda v: tg.Tensor(v, requires_grad=True).detach(),
    "numpy": lambda v: tg.Tensor(v).numpy(),
    "item, len, repr": lambda v: [tg.Tensor(v)[0].item(), len(tg.Tensor(v)), repr(tg.Tensor(v))][1],
    "array": lambda v: tg.array([tg.Tensor(v)[0], tg.Tensor(v)[1]]),
    "stack": lambda v: tg.stack([tg.Tensor(v), tg.Tensor(v)]),
    "replay": lambda v: tg.replay(f)(v),
    "replay of a nest": lambda v: tg.replay(lambda d: f(d["a"]))({"a": v}),
    "replay of grad": lambda v: tg.replay(tg.grad(f))(v),
    "replay of vmap": lambda v: tg.replay(tg.vmap(np.sin))(v),
    "index": lambda v: tg.Tensor(v)[0:2],
    "trace": lambda v: str(tg.trace(f, tg.Tensor(v), backward=False)),
    "tape_of": lambda v: str(tg.tape_of(f(tg.Tensor(v, requires_grad=True)))),
    "to_numpy": lambda v: tg.to_numpy(f, v),
    "anomaly": lambda v: _anomaly(v),
    "autopsy": lambda v: tg.autopsy(f(tg.Tensor(v, requires_grad=True))),
    "no_grad": lambda v: _no_grad(v),
}  # fmt: skip


def _anomaly(v: Any) -> Any:
    with tg.anomaly():
        return tg.grad(f)(v)


def _no_grad(v: Any) -> Any:
    with tg.no_grad():
        return f(tg.Tensor(v))


FLAT: dict[str, Callable[[], Any]] = {
    "Linear": lambda: nn.Linear(4, 3, seed=0),
    "BatchNorm1d": lambda: nn.BatchNorm1d(4),
    "LayerNorm": lambda: nn.LayerNorm(4),
    "GroupNorm, flat": lambda: nn.GroupNorm(2, 4),
    "Dropout": lambda: nn.Dropout(0.5, seed=0),
    "Identity": nn.Identity,
    "Sequential": lambda: nn.Sequential(nn.Linear(4, 3, seed=0), nn.ReLU()),
    **{
        name: getattr(nn, name)
        for name in ("ReLU", "LeakyReLU", "Tanh", "Sigmoid", "GELU", "Softmax", "SiLU", "Softplus",
                     "ELU")
    },
}  # fmt: skip
PICTURES: dict[str, Callable[[], Any]] = {
    "Conv2d": lambda: nn.Conv2d(4, 3, 3, seed=0),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(4, 3, 3, seed=0),
    "MaxPool2d": lambda: nn.MaxPool2d(2),
    "AvgPool2d": lambda: nn.AvgPool2d(2),
    "AdaptiveAvgPool2d": lambda: nn.AdaptiveAvgPool2d(2),
    "Flatten": nn.Flatten,
    "BatchNorm2d": lambda: nn.BatchNorm2d(4),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "Dropout2d": lambda: nn.Dropout2d(0.5, seed=0),
}
SEQUENCES: dict[str, Callable[[], Any]] = {
    "Conv1d": lambda: nn.Conv1d(4, 3, 3, seed=0),
    "RNN": lambda: nn.RNN(6, 3, seed=0),
    "LSTM": lambda: nn.LSTM(6, 3, seed=0),
    "GRU": lambda: nn.GRU(6, 3, seed=0),
    "MultiheadAttention": lambda: nn.MultiheadAttention(6, 2, seed=0),
}
LOSSES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "cross_entropy": lambda x, y, _: F.cross_entropy(x, y),
    "nll_loss": lambda x, y, _: F.nll_loss(F.log_softmax(x), y),
    "mse_loss": lambda x, _, t: F.mse_loss(x, t),
    "binary_cross_entropy_with_logits": lambda x, _, t: F.binary_cross_entropy_with_logits(x, t),
    "one_hot": lambda x, y, _: x[:, :3] * F.one_hot(y, 3),
}
OPTIMISERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: optim.Adam(p, 0.1),
    "AdamW": lambda p: optim.AdamW(p, 0.1, clip_norm=1.0),
    "RMSprop": lambda p: optim.RMSprop(p, 0.1, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, 0.1),
    "Adadelta": lambda p: optim.Adadelta(p, 0.1),
    "StepDecay": lambda p: optim.SGD(p, optim.StepDecay(0.1, 1, 0.5)),
    "InverseTimeDecay": lambda p: optim.SGD(p, optim.InverseTimeDecay(0.1, 0.5)),
    "CosineDecay": lambda p: optim.Adam(p, optim.CosineDecay(0.1, 5)),
    "OneCycle": lambda p: optim.Adam(p, optim.OneCycle(0.1, 5)),
    "clip_value": lambda p: optim.SGD(p, 0.1, clip_value=0.1),
    "max_norm": lambda p: optim.SGD(p, 0.1, max_norm=0.1),
}


def through(make: Callable[[], Any], x: np.ndarray, kind: Kind) -> list[Any]:
    """What a layer gives, and the gradients of its input and its parameters."""
    model, [given] = make(), tensors(kind, x)
    if kind is not np.array:
        model.to(like=kind(np.zeros(1, np.float32)))
    args = (given,) * 3 if isinstance(model, nn.MultiheadAttention) else (given,)
    out = leaves(model(*args))[0]
    np.sum(out * out).backward()
    return [out, given.grad, *(p.grad for p in model.parameters() if p.grad is not None)]


def lossed(fn: Callable[..., Any], kind: Kind) -> list[Any]:
    (x,) = tensors(kind, X)
    loss = np.sum(fn(x, kind(Y), kind(np.abs(X) / 4)))
    loss.backward()
    return [loss, x.grad]


def stepped(make: Callable[[Any], Any], kind: Kind) -> list[Any]:
    params = tensors(kind, X, V.astype(np.float32))
    optimiser = make(params)
    for _ in range(3):
        optimiser.zero_grad()
        (np.sum(params[0] ** 2) + np.sum(np.sin(params[1]))).backward()
        optimiser.step()
    return params


def linear(kind: Kind) -> Any:
    model = nn.Linear(4, 3, seed=0)
    return model if kind is np.array else model.to(like=kind(np.zeros(1, np.float32)))


def saved(kind: Kind, folder: Path) -> Any:
    model = linear(kind)
    tg.save(folder / "w.npz", model.state_dict())
    model.load_state_dict(tg.load(folder / "w.npz"))
    return model.weight


def loaded(kind: Kind, _: Path) -> Any:
    """The state of a model of NumPy's arrays in one of this kind."""
    model = linear(kind)
    model.load_state_dict(nn.Linear(4, 3, seed=1).state_dict())
    return model.weight


def exchanged(kind: Kind, _: Path) -> Any:
    model = linear(kind)
    state = model.state_dict()
    model.load_state_dict(state)
    return [model.weight, model(kind(X))]


def called(kind: Kind, _: Path) -> Any:
    model = linear(kind)
    return nn.functional_call(model, dict(model.named_parameters()), kind(X))


def fitted(kind: Kind, _: Path) -> Any:
    model = linear(kind)
    batches = [(kind(X), kind(Y))]
    training.fit(model, batches, optim.SGD(model.parameters(), 0.1), epochs=1, replay=False)
    return model.weight


def replayed(kind: Kind, _: Path) -> Any:
    model = linear(kind)
    training.fit(model, [(kind(X), kind(Y))], optim.SGD(model.parameters(), 0.1), epochs=1)
    return model.weight


def batched(kind: Kind, _: Path) -> Any:
    return next(iter(data.batches(kind(X), kind(Y), 2, seed=0)))


PROGRAMS: dict[str, Callable[[Kind, Path], Any]] = {
    "save, load": saved,
    "load_state_dict of NumPy's": loaded,
    "state_dict, load_state_dict": exchanged,
    "functional_call": called,
    "fit(replay=False)": fitted,
    "fit": replayed,
    "evaluate": lambda kind, _: training.evaluate(linear(kind), kind(X), kind(Y)),
    "data.batches": batched,
    "data.split": lambda kind, _: data.split(kind(X), kind(Y), 2, seed=0),
    "data.normalise": lambda kind, _: data.normalise(kind((X * 9).astype(np.uint8))),
    "to_onnx": lambda kind, folder: tg.to_onnx(linear(kind), kind(X), path=folder / "m.onnx"),
    "draw.graph": lambda kind, _: tg.draw.graph(linear(kind), kind(X)).source[:9],
    "state_dict of Adam": lambda kind, _: _adam(kind),
}


def _adam(kind: Kind) -> Any:
    params = tensors(kind, X)
    optimiser = optim.Adam(params, 0.1)
    np.sum(params[0] ** 2).backward()
    optimiser.step()
    other = optim.Adam(params, 0.1)
    other.load_state_dict(optimiser.state_dict())
    other.step()
    return params


def table(folder: Path) -> dict[str, Callable[[Kind], Any]]:
    """Every row as a function of the kind of array."""

    def rows(group: dict[str, Any], run: Callable[..., Any], *more: Any) -> dict[str, Any]:
        return {
            name: lambda kind, make=make: run(make, *more, kind) for name, make in group.items()
        }

    return {
        **rows(TRANSFORMS, lambda fn, kind: fn(kind(V))),
        **rows(FLAT, through, X),
        **rows(PICTURES, through, IMAGES),
        **rows(SEQUENCES, through, IMAGES[:, :, 0]),
        **rows(LOSSES, lossed),
        **rows(OPTIMISERS, stepped),
        **rows(PROGRAMS, lambda fn, kind: fn(kind, folder)),
    }


REPLAYS = [name for name in TRANSFORMS if name.startswith("replay")]
# what is for NumPy's arrays alone, and says so
REFUSED = {
    "gradcheck": "does not become", "from_numpy": "takes an np.ndarray", "numpy": "does not become",
    "trace": "a recording is of NumPy's arrays", "to_numpy": "a recording is of NumPy's arrays",
    **dict.fromkeys(REPLAYS, "and replay is NumPy's"), "autopsy": "does not become",
    "save, load": "does not become", "state_dict, load_state_dict": "does not become",
    "fit": "x is a tests Strict", "fit(replay=False)": "x is a tests Strict",
    "evaluate": "y is a tests Strict",
    "data.batches": "x is a tests Strict", "data.split": "x is a tests Strict",
    "to_onnx": "no example input is an array",
}  # fmt: skip


def check(name: str, run: Callable[[Kind], Any], kind: Kind, of: type, host: Any) -> None:
    """The results are NumPy's, in arrays of that kind."""
    with named(name):
        for a, b in zip(leaves(run(np.array)), leaves(run(kind)), strict=True):
            a, b = array(a), array(b)
            if isinstance(a, np.ndarray):
                assert type(b) is of
                assert b.dtype == a.dtype
                np.testing.assert_allclose(host(b), a, rtol=1e-4, atol=1e-6)


def test_results_are_of_the_kind_that_was_given_or_one_sentence_says_why(tmp_path: Path) -> None:
    rows = table(tmp_path)
    assert REFUSED.keys() <= rows.keys()
    for name, run in rows.items():
        if name in REFUSED:
            with named(name), pytest.raises(Exception, match=REFUSED[name]) as found:
                run(Strict)
            assert isinstance(found.value, (TypeError, ValueError, tg.ReplayError))
            assert str(found.value)
        else:
            check(name, run, Strict, Strict, Strict.host)


# what Dask has no memory for, or not at all
DASK_REFUSED = {
    **dict.fromkeys(
        ("MaxPool2d", "AvgPool2d", "fit(replay=False)", "state_dict of Adam", *OPTIMISERS),
        "a dask Array is no memory",
    ),
    "from_numpy": "takes an np.ndarray, not a dask Array;",
    "trace": "a recording is of NumPy's arrays",
    "to_numpy": "a recording is of NumPy's arrays", "autopsy": "a recording is of NumPy's arrays",
    **dict.fromkeys(REPLAYS, "an argument is a dask Array, and replay is NumPy's"),
    "fit": "is no memory", "evaluate": "y is a dask Array",
    "data.batches": "x is a dask Array",
    "data.split": "x is a dask Array", "to_onnx": "no example input is an array",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning")  # Dask goes to NumPy's function
def test_dask_arrays_stay_lazy_or_one_sentence_says_why(tmp_path: Path) -> None:
    da = pytest.importorskip("dask.array")
    rows = table(tmp_path)
    assert DASK_REFUSED.keys() <= rows.keys()
    for name, run in rows.items():
        if name in DASK_REFUSED:
            with named(name), pytest.raises(Exception, match=DASK_REFUSED[name]) as found:
                run(da.from_array)
            assert isinstance(found.value, (TypeError, ValueError, tg.ReplayError))
        elif name == "numpy":
            assert type(run(da.from_array)) is np.ndarray  # which was asked for
        else:
            check(name, run, da.from_array, da.Array, da.Array.compute)


# what refuses arrays of the standard alone in other words than the usual
STANDARD_REFUSED = {
    **dict.fromkeys(REPLAYS, "an argument is an array_api_strict Array, and replay is NumPy's"),
    **dict.fromkeys(PROGRAMS.keys() - {"data.batches", "data.split", "state_dict of Adam"},
                    "an array of another library that speaks NumPy's protocols"),
    "from_numpy": "takes an np.ndarray, not an array_api_strict Array;",
    "to_numpy": "a recording is of NumPy's arrays",
    "data.normalise": "found images as Array of dtype",
}  # fmt: skip
T = tg.Tensor(V)
# where one meets what is NumPy's
MEETINGS: dict[str, Callable[[Any], Any]] = {
    "vjp": lambda a: tg.vjp(np.sin, V)[1](a),
    "jvp": lambda a: tg.jvp(np.sin, (V,), (a,)),
    "hvp": lambda a: tg.hvp(f, (V,), (a,)),
    "backward": lambda a: tg.Tensor(V, requires_grad=True).backward(a),
    "grad, a constant": lambda a: tg.grad(lambda x, w: f(x * w))(V, a),
    "grad, a keyword": lambda a: tg.grad(lambda x, w: f(x * w))(V, w=a),
    "grad, a result": lambda a: tg.grad(lambda _: a[0])(V),
    "vjp, a result": lambda a: tg.vjp(lambda _: a, V),
    "vmap, the same": lambda a: tg.vmap(lambda x, w: x * w, (0, None))(V, a),
    "vmap, closed over": lambda a: tg.vmap(lambda x: x * a)(V),
    "vmap, a result": lambda a: tg.vmap(lambda _: a)(V),
    "checkpoint, closed over": lambda a: tg.grad(tg.checkpoint(lambda x: f(x * a)))(V),
    "gradcheck, closed over": lambda a: tg.gradcheck(lambda x: f(x * a), V),
    "a rule": lambda a: _ruled(lambda x: x, lambda _: a),
    "a primitive": lambda a: _ruled(lambda _: a, lambda g: g),
    "an operand": lambda a: T + a, "a mask": lambda a: T[a > 1],
    "an index": lambda a: T[(a > 1, 0)],
    "take": lambda a: np.take(T, a), "where=": lambda a: np.sum(T, where=a > 1),
    "a write": lambda a: T.copy().__setitem__(..., a),
    "a write at": lambda a: T.copy().__setitem__(a > 1, 0),
    "data": lambda a: setattr(tg.Tensor(V), "data", a),
    "grad": lambda a: setattr(tg.Tensor(V), "grad", a),
    "concatenate": lambda a: np.concatenate([T, a]), "array": lambda a: tg.array([T, a]),
    "a list": lambda a: tg.array([[a], [a]]), "a list beside": lambda a: T + [a[0]] * 3,
    "load_state_dict": lambda a: nn.LayerNorm(3).load_state_dict({"weight": a, "bias": V}),
    "tensordot": lambda a: np.tensordot(T, a, 1),
    "pad": lambda a: np.pad(T, 1, constant_values=a[0]),
    "interp": lambda a: np.interp(a, V, T), "allclose": lambda a: np.allclose(T, a),
    "polyval": lambda a: tg.polynomial.polyval(T, a), "relu": F.relu,
    "embedding": lambda a: nn.Embedding(5, 2, seed=0)(a),
    "labels": lambda a: F.cross_entropy(T.reshape(1, 3), a), "targets": lambda a: F.mse_loss(T, a),
    "functional_call": lambda a: nn.functional_call(nn.LayerNorm(3), {"weight": a}, V),
}  # fmt: skip


def _ruled(fn: Any, rule: Any) -> Any:
    made = tg.primitive(lambda x: fn(x))
    tg.defvjp(made, lambda g, _out, _x: rule(g))
    return tg.grad(lambda x: np.sum(made(x)))(V)


@pytest.mark.filterwarnings("ignore:You are comparing")  # its dtypes with NumPy's
def test_arrays_of_the_standard_alone_are_refused_everywhere(tmp_path: Path) -> None:
    strict = pytest.importorskip("array_api_strict")
    usual = "an array of the array API standard without NumPy's"
    rows = table(tmp_path) | {
        f"meets NumPy's: {name}": lambda kind, run=run: run(kind(V))
        for name, run in MEETINGS.items()
    }
    assert STANDARD_REFUSED.keys() <= rows.keys()
    for name, run in rows.items():
        said = STANDARD_REFUSED.get(name, usual)
        with named(name), pytest.raises(Exception, match=said) as found:
            run(strict.asarray)
        assert isinstance(found.value, (TypeError, ValueError, tg.ReplayError))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # Dask goes to NumPy's function
def test_what_dask_lacks_is_said_with_the_operation() -> None:
    da = pytest.importorskip("dask.array")

    def slope(f: Any, *v: np.ndarray) -> Any:
        return tg.grad(lambda *a: np.sum(f(*a)))(*map(da.from_array, v))

    for wrong, said in (
        (lambda: slope(np.median, V), "median of a dask Array needs what that"),
        (lambda: slope(np.sort, X), "of a dask Array returned an array of NumPy's"),
        (lambda: slope(lambda t: t[np.array([0, 0])], V), r"lacks or refuses \(np.add.at\)"),
        (lambda: slope(lambda t: np.prod(t, initial=2), V), "prod of .* 'initial'"),
        (lambda: np.linalg.eigh(tg.Tensor(da.from_array(X[:4]))), "eigh of a dask Array returned"),
        (lambda: slope(lambda t: np.reshape(t, 24, "F"), X), "reshape of .* 'order'"),
        (lambda: tg.Tensor(da.from_array(V)[da.from_array(V) > 1]), "compute_chunk_sizes"),
        (lambda: slope(lambda t: t[t > 1], V), "compute_chunk_sizes"),
        (lambda: np.sort(tg.Tensor(da.from_array(X))), "^sort of a dask Array returned .* no sort"),
        (lambda: np.interp(tg.Tensor(da.from_array(V)), V, V), "^interp of .* no interp of its"),
        (lambda: tg.vmap(lambda v: np.searchsorted(v, 0.3))(da.from_array(X)), "^searchsorted of"),
        (lambda: nn.Linear(4, 2).to(like=da.from_array(V))(X), "an operand is NumPy's: conv"),
        (lambda: tg.Tensor(da.ma.masked_array(da.from_array(V), mask=V > 1)), "the mask would be"),
        (lambda: tg.grad(lambda w: np.sum(da.from_array(V) * w))(V), "multiply of .* whose gradi"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=said):
            wrong()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # Dask goes to NumPy's function
@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(k, marks=pytest.mark.long) for k in range(1, 4))]
)
def test_the_table_is_that_of_numpy_under_dask_or_one_sentence_says_why(part: int) -> None:
    """Each function's last case, with its gradients; an error of Dask's never comes bare."""
    da = pytest.importorskip("dask.array")
    theirs = {"nanmedian", "indexing.take_at"}  # fail in Dask's own compute()
    passed = refused = 0
    for fn, cases in list(BY_FUNCTION.items())[part::4]:
        case, name = cases[-1], full_name(fn)
        if not case.variables or name in theirs:
            continue
        with named(case.id), np.errstate(all="ignore"):
            wanted = pulled(case, case.variables, np.array)
            try:
                found = pulled(
                    of_kind(case, da.from_array), [da.from_array(v) for v in case.variables],
                    da.from_array,
                )  # fmt: skip
            except (TypeError, ValueError, NotImplementedError) as error:
                last = error.__traceback__
                while last is not None and last.tb_next is not None:
                    last = last.tb_next
                assert last is not None
                assert last.tb_frame.f_globals["__name__"].startswith("tinygrad_np.")
                assert "all returned NotImplemented" not in str(error)
                assert "a bug in the rule" not in str(error)
                refused += 1
                continue
            for a, b in zip(wanted, found, strict=True):
                assert type(b) is da.Array
                np.testing.assert_allclose(b.compute(), a, rtol=1e-7, atol=1e-9)
            passed += 1
    assert passed > 90
