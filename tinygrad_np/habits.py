"""What other libraries call things: the remedy for each name, as the end of a message."""

import functools
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

_BATCHES = "tg.data.batches(x, y, batch_size=64, seed=0)"
_FIT = f"the call is tg.training.fit(model, {_BATCHES}, optimiser, epochs=5)"
_CPU = "leave it out: all runs on the CPU, in main memory"
_LARGEST = "use np.max(x, axis=(2, 3), keepdims=True) for one number a channel, else {}"
_NUMPY = {
    **dict.fromkeys(["dim", "dims"], "use axis=, as in NumPy"),
    "keepdim": "use keepdims=, as in NumPy",
    **dict.fromkeys(["unbiased", "correction"], "use ddof=, as in NumPy"),
    **dict.fromkeys(["reduce", "size_average"], "use reduction='mean', 'sum' or 'none'"),
    "num_classes": "use classes=",
    "divisor_override": "there is none: multiply the mean by size / divisor",
    "inplace": "leave it out: an activation returns a new Tensor",
    **dict.fromkeys(
        ["return_indices", "align_corners", "recompute_scale_factor", "antialias", "max_norm",
         "norm_type", "scale_grad_by_freq", "sparse"],
        "there is none, so leave it out",
    ),
}  # fmt: skip
_LAYER = {
    **_NUMPY,
    "device": _CPU,
    "track_running_stats": "there is none: they are always kept",
    **dict.fromkeys(
        ["proj_size", "add_bias_kv", "add_zero_attn", "padding_mode"],
        "there is none, so leave it out",
    ),
}

# names of functions and classes, by the module or class that lacks them
NAMES: dict[str, dict[str, str]] = {
    "tinygrad_np": {
        "tensor": "use tg.Tensor(values, requires_grad=…)",
        **{name: f"use np.{known}, which takes Tensors" for name, known in (
            ("cat", "concatenate"), ("concat", "concatenate"))},
        **{name: f"use tg.Tensor(np.{name}(…), requires_grad=…)" for name in (
            "zeros", "ones", "arange", "linspace", "eye")},
        "rand": "use tg.Tensor(np.random.default_rng(seed).random(shape))",
        "randn": "use tg.Tensor(np.random.default_rng(seed).standard_normal(shape))",
        "manual_seed": "give each layer, batches and split a seed=",
        **dict.fromkeys(["optimizers", "optimizer", "optimisers"], "use tg.optim"),
        **dict.fromkeys(["layers", "keras"], "use tg.nn"),
        **dict.fromkeys(["cuda", "device"], _CPU),
    },
    "tinygrad_np.nn": {
        **{name: f"use the function nn.functional.{known}" for name, known in (
            ("BCELoss", "binary_cross_entropy"),
            ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"))},
        "Dense": "use nn.Linear(in_features, out_features)",
        "Input": "leave it out: the first layer says how many numbers it takes",
        "Parameter": "use tg.Tensor(values, requires_grad=True)",
        "Conv2D": "use nn.Conv2d",
        "MaxPooling2D": "use nn.MaxPool2d",
        "BatchNormalization": "use nn.BatchNorm1d or nn.BatchNorm2d",
        "Model": "use nn.Module",
        **dict.fromkeys(["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"],
            "use nn.GroupNorm(c, c, affine=False) for c channels"),
        "ConvTranspose1d": "use nn.ConvTranspose2d of windows (1, k), on x[:, :, None]",
        "AdaptiveMaxPool2d": _LARGEST.format("nn.MaxPool2d"),
        "UpsamplingNearest2d": "use nn.Upsample(scale_factor=2)",
        "Unflatten": "use x.reshape(len(x), …), in Sequential as a function",
        "Buffer": "use tg.Tensor(values), which belongs to the state",
        **{f"Parameter{kind.title()}": f"use a {kind} of Tensors as an attribute"
           for kind in ("list", "dict")},
        **dict.fromkeys(["DataParallel", "SyncBatchNorm"], "use tg.parallel"),
        **{f"Transformer{part}": "build it of nn.MultiheadAttention and nn.LayerNorm" for part in (
            "", "Encoder", "EncoderLayer", "Decoder", "DecoderLayer")},
        "utils": "an optimiser clips gradients, as in SGD(params, lr=0.1, clip_norm=1.0)",
    },
    "tinygrad_np.nn.functional": {
        **dict.fromkeys(["upsample", "upsample_nearest"], "use nn.functional.interpolate"),
        "scaled_dot_product_attention": "use nn.MultiheadAttention",
        "conv_transpose1d": "use nn.functional.conv_transpose2d of windows (1, k), on "
        "x[:, :, None]",
        "instance_norm": "use nn.functional.group_norm(x, c) for c channels",
        "adaptive_max_pool2d": _LARGEST.format("nn.functional.max_pool2d"),
    },
    "tinygrad_np.nn.init": {
        name: f"a layer takes the function itself, as in nn.Linear(4, 2, initial=nn.init.{known})"
        for name, known in (
            ("xavier_uniform_", "xavier_uniform"), ("xavier_normal_", "xavier_normal"),
            ("kaiming_uniform_", "he_uniform"), ("kaiming_normal_", "he_normal"))
    },
    "tinygrad_np.optim": {
        name: f"a schedule is the lr itself, as in SGD(params, lr={known}(…))"
        for name, known in (
            ("CosineAnnealingLR", "CosineDecay"), ("ExponentialLR", "StepDecay"),
            ("LambdaLR", "WarmUp"), ("OneCycleLR", "OneCycle"), ("StepLR", "StepDecay"),
            ("lr_scheduler", "StepDecay"))
    },
    "tinygrad_np.data": {
        **dict.fromkeys(["DataLoader", "TensorDataset"], f"use {_BATCHES}"),
        "train_test_split": "use tg.data.split(x, y, 0.2, seed=0)",
        "random_split": "use tg.data.split(x, y, 0.2, seed=0)",
    },
    "Tensor": {
        "shape": "use t = t.reshape(shape)",
        "dtype": "use t = t.astype(dtype)",
        "flat": "read t.reshape(-1), and write t[index] = v or t.put(i, v)",
        "resize": "use t = np.resize(t, shape)",
        "setfield": "write t[index] = v",
        "setflags": "use t.detach() for a constant",
        "view": "use t[...] for a view, and t.astype(dtype) for another dtype",
        # PyTorch's names
        **dict.fromkeys(["to", "type"], "use t.astype(dtype); there is one device, the processor"),
        **dict.fromkeys(["cuda", "cpu", "contiguous"], _CPU),
        **{name: f"use t.astype(np.{dtype})" for name, dtype in (
            ("float", "float32"), ("double", "float64"), ("half", "float16"), ("long", "int64"),
            ("int", "int32"), ("bool", "bool_"))},
        **{name: f"use np.{name}(t)" for name in (
            "abs", "exp", "log", "log1p", "sqrt", "square", "sin", "cos", "tanh", "sign",
            "floor", "ceil", "matmul", "outer", "diag", "tril", "triu", "flip", "unique",
            "isnan", "median")},
        **{name: f"use tg.nn.functional.{name}(t)" for name in ("relu", "sigmoid", "softmax")},
        **{f"{name}_": f"use t {sign}= v, on a leaf under no_grad" for name, sign in (
            ("add", "+"), ("sub", "-"), ("mul", "*"), ("div", "/"))},
        "clone": "use t.copy()",
        "unsqueeze": "use np.expand_dims(t, axis)",
        "permute": "use t.transpose(axes)",
        "expand": "use np.broadcast_to(t, shape)",
        "view_as": "use t.reshape(other.shape)",
        "t": "use t.T",
        "dim": "use t.ndim",
        "numel": "use t.size",
        "pow": "use t**v",
        **dict.fromkeys(["mm", "bmm"], "use t @ other"),
        **{name: f"use t {sign} v" for name, sign in (
            ("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="))},
        "split": "use np.split(t, places, axis)",
        "topk": "use np.sort(t)[..., ::-1][..., :k], and np.argsort(-t)[..., :k] for the places",
        "norm": "use np.linalg.norm(t)",
        "gather": "use np.take_along_axis(t, indices, axis)",
        "index_select": "use np.take(t, indices, axis)",
        "masked_fill": "use np.where(mask, value, t)",
        "chunk": "use np.array_split(t, n, axis)",
        "zero_": "use t[...] = 0; of a gradient w.grad = None",
        "fill_": "use t.fill(v)",
        "copy_": "use t[...] = v",
        "detach_": "use t = t.detach()",
        "retain_grad": "use t.register_hook(f), or tg.grad by t",
        "grad_fn": "use tg.draw.graph(t) for how it was computed",
        "is_leaf": "use tg.draw.graph(t) for how it was computed",
    },
    "Module": {
        "fit": _FIT,
        "predict": "use tg.training.predict(model, x)",
        "evaluate": "use tg.training.evaluate(model, x, y)",
        "compile": f"leave it out: fit takes the optimiser and loss=; {_FIT}",
        "summary": "use print(model), or tg.draw.graph(model, x)",
        "save": "use tg.save('weights.npz', model.state_dict())",
        "weights": "use model.parameters(), or model.state_dict()",
        **dict.fromkeys(["cuda", "cpu"], _CPU),
        **{name: f"make the layers with dtype=np.{dtype}" for name, dtype in (
            ("half", "float16"), ("float", "float32"), ("double", "float64"))},
    },
    "Schedule": {
        "step": "leave it out: the optimiser asks its lr for the rate of each step",
        "get_last_lr": "call it with the number of steps done, schedule(0)",
    },
    "History": {
        "history": "use [epoch.train_loss for epoch in history], or print(history[-1])",
    },
}  # fmt: skip

# what NumPy's functions make of x in place of layers and functions, by their names in small letters
WRITTEN = {
    "celu": "nn.functional.elu(x)",
    "hardshrink": "np.where(np.abs(x) > 0.5, x, 0)",
    "hardsigmoid": "np.clip(x / 6 + 0.5, 0, 1)",
    "hardswish": "x * np.clip(x / 6 + 0.5, 0, 1)",
    "hardtanh": "np.clip(x, -1, 1)",
    "logsigmoid": "-nn.functional.softplus(-x)",
    "mish": "x * np.tanh(nn.functional.softplus(x))",
    "normalize": "x / np.linalg.norm(x, axis=1, keepdims=True)",
    "pixelshuffle": "x.reshape(n, c, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c, h * r, "
    "w * r)",
    "relu6": "np.clip(x, 0, 6)",
    "softmax2d": "nn.functional.softmax(x, axis=1)",
    "softmin": "nn.functional.softmax(-x)",
    "softshrink": "x - np.clip(x, -0.5, 0.5)",
    "softsign": "x / (1 + np.abs(x))",
    "tanhshrink": "x - np.tanh(x)",
}
_FRAMES = {
    "Reflection": "reflect", "Replication": "replicate", "Circular": "circular",
    "Constant": "constant", "Zero": "constant",
}  # fmt: skip

# arguments, by the function that does not take them; "" is for any other slip in the call
ARGUMENTS: dict[str, dict[str, str]] = {
    "fit": {
        "batch_size": f"it is an argument of the batches: {_BATCHES}",
        "validation_data": "use validation=(x, y)",
        "validation_split": "use (x, y), held = tg.data.split(x, y, 0.2, seed=0) and "
        "validation=held",
        "criterion": "use loss=",
        "loss_fn": "use loss=",
        "verbose": "use progress=True",
        "optimizer": "use optimiser=, or give it third",
        "shuffle": f"it is an argument of the batches: {_BATCHES}",
        "": _FIT,
    },
    "batches": {
        "num_workers": "use ahead=2, which prepares batches in a thread",
        "seed": f"the order is drawn: {_BATCHES}",
        "": f"the call is {_BATCHES}",
    },
    "split": {
        "test_size": "the share is the third argument: split(x, y, 0.2, seed=0)",
        "random_state": "use seed=",
        "": "the call is (x, y), (x_test, y_test) = tg.data.split(x, y, 0.2, seed=0)",
    },
    "Linear": {
        **_LAYER,
        **dict.fromkeys(["units", "activation", "input_shape", "input_dim"],
            "the call is Linear(in_features, out_features); an activation is a layer of its own"),
        "": "the call is Linear(in_features, out_features)",
    },
    "Dropout": {"rate": "use p=", **_LAYER},
    "Plain": {**_LAYER, "": "it takes no arguments, so leave them out"},
    "MLP": dict.fromkeys(("hidden_layers", "hidden_sizes"), "use hidden_layer_sizes="),
    "optimiser": {
        "learning_rate": "use lr=",
        **dict.fromkeys(["beta1", "beta_1", "beta2", "beta_2"], "use betas=(0.9, 0.999)"),
        "epsilon": "use eps=",
        **dict.fromkeys(["foreach", "fused", "capturable", "differentiable"], "leave it out"),
        "maximize": "there is none: give the loss with a minus",
        **dict.fromkeys(["amsgrad", "dampening"], "there is none; write an optimiser of your own "
            "with update(), which has its effect"),
        "decay": "use weight_decay=, or a schedule for lr such as tg.optim.StepDecay",
        "clipnorm": "use clip_norm=",
        "lr": "there is no usual one: give the learning rate, as in SGD(params, lr=0.1)",
        "params": "give model.parameters() first",
    },
    "numpy": _NUMPY,
    "layer": _LAYER,
    "flatten": {"": "use t.reshape(len(t), -1), which keeps the first axis"},
    "evaluate": {"": "the call is tg.training.evaluate(model, x, y), of arrays"},
    "transpose": dict.fromkeys(["dim0", "dim1", "dims", "axes"],
        "use t.swapaxes(i, j), or t.transpose(i, j, …) with all axes"),
    "to": {"": "leave .to(…) out: all runs on the CPU; a layer's dtype is given as dtype="},
}  # fmt: skip


ROOMS = ("nn", "nn.functional", "optim", "training", "data", "draw")  # where names of ours are


def lacking(place: str, name: str) -> AttributeError:
    """The error for a name that a module of the package lacks: where it is, or what does it."""
    package, way = __name__.partition(".")[0], NAMES[place].get(name)
    for room in ROOMS if way is None else ():
        if name in getattr(sys.modules.get(f"{package}.{room}"), "__all__", ()):
            way = f"use tg.{room}.{name}"
    if way is None and place == package and name.islower() and callable(getattr(np, name, None)):
        way = f"use np.{name}, which takes Tensors"
    if way is None and place.startswith(f"{package}.nn") and name[0] != "_":
        way = _layer(place, name)
    return AttributeError(f"module {place!r} has no attribute {name!r}{f'; {way}' if way else ''}")


def _layer(place: str, name: str) -> str:
    """What does what a layer or function for networks does that is not there."""
    package, _, room = place.partition(".")
    own, functions = (sys.modules[f"{package}.{r}"].__all__ for r in (room, "nn.functional"))
    small = name.replace("_", "").lower()
    if small in WRITTEN:
        return f"write {WRITTEN[small]}"
    for function in functions:
        if function.replace("_", "") in (small, small.removesuffix("loss")):
            return f"use the function nn.functional.{function}"
    if frame := re.fullmatch(rf"({'|'.join(_FRAMES)})Pad\dd", name):
        return f"use the function nn.functional.pad, with mode={_FRAMES[frame[1]]!r}"
    if name.startswith("Lazy"):
        other = name.removeprefix("Lazy")
        known = NAMES[place].get(other) or _layer(place, other)
        return f"use nn.{other} with all its sizes" if other in own else known
    base = re.sub(r"([123]d|Cell|_with_indices)$", "", name)
    end, near = name.removeprefix(base), [n for n in (f"{base}1d", f"{base}2d", base) if n in own]
    if end == "1d" and near:
        return f"use {room}.{near[0]} on x[:, :, None]"
    if end and near:
        return f"there is none, only {' and '.join(f'{room}.{n}' for n in near)}"
    within = "in the forward of an nn.Module, " * (room == "nn")
    return f"there is none: write it {within}with NumPy's functions, which take Tensors"


def warn_of_result() -> None:
    """Say that a result has no gradient of its own; the caller of the caller asked for it."""
    warnings.warn(
        "t.grad of a result is None: only leaves, Tensors made with requires_grad=True, keep their "
        "gradient; w = w - step makes a result of w, so write w -= step inside tg.no_grad(), and "
        "t.register_hook(f) sees the gradient of a result.",
        UserWarning,
        stacklevel=3,
    )


def nothing(function: Any) -> str:
    """What is said of a function that returned None to a transform."""
    name = getattr(function, "__qualname__", "the function")
    return f"{name} returned None, which has no derivative; is a `return` missing?"


def hinted(place: str) -> Callable[[F], F]:
    """Let a function say, where its arguments do not bind, what they are called here."""

    def around(function: F) -> F:
        @functools.wraps(function)
        def called(*args: Any, **options: Any) -> Any:
            try:
                return function(*args, **options)
            except TypeError as error:
                trace = error.__traceback__
                if trace is not None and trace.tb_next is None:  # the function was not entered
                    kind, name, said = (
                        type(args[0] if args else None),
                        function.__name__,
                        str(error),
                    )
                    if getattr(kind, name, None) is called:  # a method, inherited perhaps
                        said = said.replace(function.__qualname__, f"{kind.__name__}.{name}")
                    raise TypeError(f"{said}{way(place, said)}") from None
                raise

        return called  # type: ignore[return-value] # of the same signature

    return around


def named_as(name: str, kind: type) -> None:
    """Let messages about the methods of a class have another one's name."""
    for each, method in vars(kind).items():
        if callable(method):
            method.__qualname__ = f"{name}.{each}"


def way(place: str, message: str) -> str:
    """What the name that a message quotes is called here, as the end of the message."""
    known = ARGUMENTS[place]
    named = re.findall(r"'(\w+)'", message)
    way = next((known[name] for name in named if name in known), known.get("", ""))
    return f"; {way}." if way else ""
