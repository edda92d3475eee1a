"""What PyTorch calls arguments, given to what calls them as NumPy does: the message says how."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.habits import NAMES, WRITTEN

HABITS = {"axis": "dim", "keepdims": "keepdim", "ddof": "unbiased"}
X = np.ones((2, 3), np.float32)
METHODS = [
    "all", "any", "argmax", "argmin", "argsort", "cumprod", "cumsum", "max", "mean", "min", "prod",
    "repeat", "squeeze", "std", "sum", "take", "var",
]  # fmt: skip
NEEDS = {"repeat": (2,), "take": ([0],)}


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The package's own functions and layers that have an argument of NumPy's name."""
    from tinygrad_np import special

    for room in (tg, tg.nn, tg.nn.functional, special):
        for name in sorted(dir(room)):
            fn = getattr(room, name)
            if name.startswith("_") or not callable(fn):
                continue
            try:
                taken = inspect.signature(fn).parameters
            except (TypeError, ValueError):
                continue
            for word in HABITS.keys() & taken.keys():
                yield word, fn


def test_functions_and_layers_take_axis() -> None:
    pytest.importorskip("scipy")
    found = list(functions())
    assert {fn.__name__ for _, fn in found} >= {"stack", "softmax", "log_softmax", "logsumexp"}
    for word, fn in found:
        given: list[Any] = [] if isinstance(fn, type) else [tg.Tensor(X)]
        with pytest.raises(
            TypeError, match=rf"'{HABITS[word]}'.*; use {word}=, as in NumPy\.(\n|$)"
        ):
            fn(*given, **{HABITS[word]: 1})


@for_each(METHODS, (True, False))
def test_methods_take_axis(name: str, requires_grad: bool) -> None:
    t = tg.Tensor(X, requires_grad=requires_grad)
    call = getattr(t, name)
    with pytest.raises(TypeError, match=r"\bdim\b.*; use axis=, as in NumPy\.(\n|$)"):
        call(*NEEDS.get(name, ()), dim=1)
    words = set(inspect.signature(getattr(np, name)).parameters) & {"keepdims", "ddof"}
    for word in words - ({"ddof"} if name in NEEDS else set()):
        with pytest.raises(
            TypeError, match=rf"\b{HABITS[word]}\b.*; use {word}=, as in NumPy\.(\n|$)"
        ):
            call(axis=1, **{HABITS[word]: True})


def test_transpose_takes_all_axes() -> None:
    t = tg.Tensor(X, requires_grad=True)
    for words in ({"dim0": 0, "dim1": 1}, {"dims": (1, 0)}):
        with pytest.raises(TypeError, match=r"; use t.swapaxes\(i, j\), or t.transpose\(i, j, …\)"):
            t.transpose(**words)
    assert t.swapaxes(0, 1).shape == t.transpose(1, 0).shape == (3, 2)


def test_functions_with_hints_are_replayed() -> None:
    t = tg.Tensor(X, requires_grad=True)
    soft = tg.nn.Softmax()

    @tg.replay
    def step(x: Any) -> Any:
        return np.sum(tg.stack([t.transpose(1, 0), soft(t).transpose(1, 0)]) * x)

    for _ in range(4):
        step(np.ones((3, 2), np.float32))
    assert "1 program recorded" in repr(step)


def test_functions_of_numpy_refuse_before_a_tensor_is_asked() -> None:
    """NumPy binds the arguments first: the sentence is NumPy's own, of arrays and of Tensors."""
    for given in (X, tg.Tensor(X, requires_grad=True)):
        with pytest.raises(TypeError, match=r"mean\(\) got an unexpected keyword argument 'dim'$"):
            np.mean(given, dim=1)  # type: ignore[call-overload]


def test_each_remedy_names_what_is_there() -> None:
    t = tg.Tensor([1.0, 2.0], requires_grad=True)
    for name, remedy in NAMES["Tensor"].items():
        if name in ("shape", "dtype"):
            with pytest.raises(AttributeError, match=re.escape(f"'{name}' of a Tensor cannot be")):
                setattr(t, name, None)
        else:
            with pytest.raises(AttributeError, match=re.escape(f"a Tensor has no '{name}'; ")):
                getattr(t, name)
        for home, used in re.findall(r"\b(np|tg|t|other)\.([\w.]+\w)", remedy):
            of: Any = {"np": np, "tg": tg}.get(home, t)
            for part in used.split("."):
                of = getattr(of, part)


HERE: Any = tg  # whose types are not asked
nn = HERE.nn
T: Any = tg.Tensor(np.ones((2, 3)), requires_grad=True)
NETWORK = tg.nn.Linear(3, 2, seed=0)
CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    **{
        name: (lambda name=name: getattr(nn, name)(inplace=True),  # type: ignore[misc]
               rf"^{name}\.__init__\(\) .*'inplace'; leave it out: an activation")
        for name in ("ReLU", "SiLU", "LeakyReLU", "ELU", "Dropout", "Dropout2d", "Tanh", "Identity")
    },
    "of a base": (lambda: nn.BatchNorm2d(3, device=0), r"^BatchNorm2d\.__init__\(\) .*; "),
    "indices": (lambda: nn.MaxPool2d(2, return_indices=True), r"^MaxPool2d\.__init__.*; there is"),
    "none at all": (lambda: nn.Identity(3, foo=2), r"^Identity\.__init__\(\) .*; it takes no arg"),
    "private": (lambda: nn.Conv2d(1, 1, 1, device=0), r"^Conv2d\.__init__\(\) .*; leave"),
    "flatten(start_dim=)": (
        lambda: T.flatten(start_dim=0), r"^Tensor\.flatten\(\) .*; use t\.reshape\(len\(t\), -1\)",
    ),
    "copy": (lambda: T.copy(dim=0), r"^Tensor\.copy\(\) got"),
    "sort": (lambda: T.sort(dim=0), r"; use axis=, as in NumPy\.$"),
    "one_hot": (lambda: nn.functional.one_hot([0], num_classes=1), "; use classes="),
    "reduce": (lambda: nn.functional.mse_loss(T, T, reduce=True), "; use reduction='mean', "),
    "divisor": (lambda: nn.functional.avg_pool2d(T, 2, divisor_override=1), "multiply the mean"),
    "evaluate": (lambda: HERE.training.evaluate(NETWORK, X), r"'y'; the call is .*\(model, x, y\)"),
    "predict": (
        lambda: HERE.training.predict(NETWORK, HERE.data.batches(X, X, 1, seed=0)),
        "x is an object of type Batches, expected an array .* for x, y in batches",
    ),
    "utils": (lambda: nn.utils, "; an optimiser clips gradients"),
    "kaiming": (lambda: nn.init.kaiming_normal_, "initial=nn.init.he_normal"),
    "Conv3d": (lambda: nn.Conv3d, r"; there is none, only nn\.Conv1d and nn\.Conv2d$"),
    "conv3d": (lambda: nn.functional.conv3d, r"; there is none, only nn\.functional\.conv1d and"),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d, "; use nn.ConvTranspose2d of windows"),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d, r"; use np\.max\(x, axis=\(2, 3\), "),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d, r"; use nn\.GroupNorm\(c, c, affine=False\)"),
    "LazyConv2d": (lambda: nn.LazyConv2d, r"; use nn\.Conv2d with all its sizes$"),
    "elsewhere": (lambda: nn.functional.Conv2d, "; use tg.nn.Conv2d"),
    "Dropout2d": (lambda: nn.Dropout2d(2), r"^Dropout2d\(p=2\)"),
    "LogSoftmax": (lambda: nn.LogSoftmax, "; use the function nn.functional.log_softmax"),
}  # fmt: skip


# what PyTorch 2.13 has, and the function here has not
REDUCING = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "l1_loss",
    "mse_loss", "multi_margin_loss", "nll_loss", "smooth_l1_loss",
)  # fmt: skip
OPTIONS = {
    "inplace": ("dropout", "dropout2d", "elu", "leaky_relu", "relu", "silu"),
    "return_indices": ("max_pool1d", "max_pool2d"),
    "divisor_override": ("avg_pool2d",),
    **dict.fromkeys(["max_norm", "norm_type", "scale_grad_by_freq", "sparse"], ("embedding",)),
    **dict.fromkeys(["align_corners", "recompute_scale_factor", "antialias"], ("interpolate",)),
    **dict.fromkeys(["reduce", "size_average"], REDUCING),
}


@for_each(OPTIONS)
def test_functions_say_what_to_do_without_an_option(option: str) -> None:
    for name in OPTIONS[option]:
        with pytest.raises(
            TypeError, match=rf"{name}\b.*\b{option}\b.*; (use|leave|there is none)"
        ):
            getattr(nn.functional, name)(T, **{option: True})


@pytest.mark.parametrize("case", CALLS)
def test_what_was_called_is_named_with_the_remedy(case: str) -> None:
    call, message = CALLS[case]
    with pytest.raises((TypeError, AttributeError, ValueError), match=message):
        call()


def test_flatten_from_an_axis_on() -> None:
    with pytest.raises(NotImplementedError, match=r"t\.reshape\(len\(t\), -1\) to keep the first"):
        T.flatten(1)


def test_each_of_pytorchs_layers_and_functions_is_there_or_answered() -> None:
    theirs = pytest.importorskip("torch").nn
    names = {n: nn for n, of in vars(theirs).items() if isinstance(of, type)}
    names |= {n: nn.functional for n, of in vars(theirs.functional).items() if callable(of)}
    names = {name: room for name, room in names.items() if name[0] != "_"}
    assert len(names) > 200
    for name, room in names.items():
        if not hasattr(room, name):
            with pytest.raises(AttributeError, match=f"'{name}'; (use|write|there is none|build)"):
                getattr(room, name)


def test_what_is_written_gives_pytorchs_values() -> None:
    torch = pytest.importorskip("torch")
    x, r = np.random.default_rng(0).standard_normal((2, 8, 3, 5)), 2
    n, c, h, w = 2, 2, 3, 5
    known = {"x": x, "np": np, "nn": nn, "n": n, "c": c, "r": r, "h": h, "w": w}
    theirs = {name.replace("_", "").lower(): getattr(torch.nn.functional, name)
              for name in dir(torch.nn.functional)}  # fmt: skip
    theirs |= {"softmax2d": torch.nn.Softmax2d(), "pixelshuffle": torch.nn.PixelShuffle(r)}
    theirs["softmin"] = torch.nn.Softmin(-1)
    for name, formula in WRITTEN.items():
        given = torch.tensor(x)
        expected = theirs[name](given).numpy()
        np.testing.assert_allclose(eval(formula, dict(known)), expected, rtol=1e-6, err_msg=name)
