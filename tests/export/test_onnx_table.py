"""Every layer, function and loss of ``nn``, as ONNX and back: the table in docs/onnx.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.export.each import FLOAT, images, rows
from tests.export.test_to_onnx import (
    Of,
    as_inputs,
    conv,
    lines,
    there_and_back,
    used,
    words,
)
from tinygrad_np import nn
from tinygrad_np.nn import functional as F

PAGE = Path(__file__).resolve().parents[2] / "docs" / "onnx.md"
Case = tuple[nn.Module, Callable[..., Any]]


def positive(count: int = 2) -> np.ndarray:
    return (abs(rows(count)) + FLOAT(0.1)).astype(FLOAT)


def labelled(count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    return rows(count), np.arange(count) % 4


def signed(count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    return rows(count), np.where(rows(count + 1)[1:] > 0, 1, -1).astype(FLOAT)


def shares(count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    return (1 / (1 + np.exp(-rows(count)))).astype(FLOAT), (rows(count) > 0).astype(FLOAT)


def last(fn: Callable[..., Any], *layers: nn.Module) -> nn.Module:
    return Of(fn, *layers)


LAYERS: dict[str, Callable[[], Case]] = {
    "AdaptiveAvgPool2d": lambda: (nn.AdaptiveAvgPool2d((3, 5)), images),
    "AvgPool1d": lambda: (nn.AvgPool1d(3, 2, padding=1), lines),
    "AvgPool2d": lambda: (nn.AvgPool2d(3, 2, padding=1), images),
    "BatchNorm1d": lambda: (used(nn.BatchNorm1d(4), rows(9)), rows),
    "BatchNorm2d": lambda: (used(nn.BatchNorm2d(3), images(6)), images),
    "Conv1d": lambda: (nn.Conv1d(3, 4, 3, padding=1, stride=2, seed=0), lines),
    "Conv2d": lambda: (conv(3, 6, 3, stride=2, padding=1, groups=3), images),
    "ConvTranspose2d": lambda: (
        nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1, seed=0), images,
    ),
    "Dropout": lambda: (nn.Dropout(0.5, seed=0), rows),
    "Dropout2d": lambda: (nn.Dropout2d(0.5, seed=0), images),
    "ELU": lambda: (nn.ELU(0.5), rows),
    "Embedding": lambda: (nn.Embedding(7, 4, seed=0), words),
    "Flatten": lambda: (nn.Flatten(), images),
    "GELU": lambda: (nn.GELU("tanh"), rows),
    "GRU": lambda: (Of(lambda x, m: m(x)[0], nn.GRU(8, 4, batch_first=True, seed=0)), lines),
    "GroupNorm": lambda: (nn.GroupNorm(3, 3), images),
    "Identity": lambda: (nn.Identity(), rows),
    "LSTM": lambda: (Of(lambda x, m: m(x)[0], nn.LSTM(8, 4, batch_first=True, seed=0)), lines),
    "LayerNorm": lambda: (nn.LayerNorm(8), lines),
    "LeakyReLU": lambda: (nn.LeakyReLU(0.1), rows),
    "Linear": lambda: (nn.Linear(4, 3, seed=0), rows),
    "MaxPool1d": lambda: (nn.MaxPool1d(3, 2, padding=1), lines),
    "MaxPool2d": lambda: (nn.MaxPool2d(3, 2, padding=1), images),
    "ModuleDict": lambda: (
        Of(lambda x, m: m["a"](x), nn.ModuleDict({"a": nn.Linear(4, 2, seed=0)})), rows,
    ),
    "ModuleList": lambda: (
        Of(lambda x, m: m[0](x), nn.ModuleList([nn.Linear(4, 2, seed=0)])), rows,
    ),
    "MultiheadAttention": lambda: (
        Of(lambda x, m: m(x, x, x)[0], nn.MultiheadAttention(8, 2, batch_first=True, seed=0)),
        lines,
    ),
    "RNN": lambda: (Of(lambda x, m: m(x)[0], nn.RNN(8, 4, batch_first=True, seed=0)), lines),
    "ReLU": lambda: (nn.ReLU(), rows),
    "Sequential": lambda: (nn.Sequential(nn.Linear(4, 3, seed=0), np.tanh), rows),
    "SiLU": lambda: (nn.SiLU(), rows),
    "Sigmoid": lambda: (nn.Sigmoid(), rows),
    "Softmax": lambda: (nn.Softmax(), rows),
    "Softplus": lambda: (nn.Softplus(), rows),
    "Tanh": lambda: (nn.Tanh(), rows),
    "Upsample": lambda: (nn.Upsample(scale_factor=2), images),
    "ZeroPad2d": lambda: (nn.ZeroPad2d((1, 0, 2, 1)), images),
}  # fmt: skip

W, B = np.linspace(-1, 1, 81, dtype=FLOAT).reshape(3, 3, 3, 3), np.ones(3, FLOAT)
FUNCTIONS: dict[str, Callable[[], Case]] = {
    "adaptive_avg_pool2d": lambda: (Of(lambda x: F.adaptive_avg_pool2d(x, 3)), images),
    "avg_pool1d": lambda: (Of(lambda x: F.avg_pool1d(x, 2)), lines),
    "avg_pool2d": lambda: (Of(lambda x: F.avg_pool2d(x, 2, 1)), images),
    "batch_norm": lambda: (Of(lambda x: F.batch_norm(x, B * 0, B * 2, B, B)), images),
    "conv1d": lambda: (Of(lambda x: F.conv1d(x, W[0], B, padding=1)), lines),
    "conv2d": lambda: (Of(lambda x: F.conv2d(x, W, B, dilation=2)), images),
    "conv_transpose2d": lambda: (Of(lambda x: F.conv_transpose2d(x, W, B, stride=2)), images),
    "dropout": lambda: (Of(lambda x: F.dropout(x, 0.5, training=False)), rows),
    "dropout2d": lambda: (Of(lambda x: F.dropout2d(x, 0.5, training=False)), images),
    "elu": lambda: (Of(F.elu), rows),
    "embedding": lambda: (Of(lambda x: F.embedding(x, tg.Tensor(rows(7)))), words),
    "gelu": lambda: (Of(lambda x: F.gelu(x, approximate="tanh")), rows),
    "group_norm": lambda: (Of(lambda x: F.group_norm(x, 3, B, B)), images),
    "interpolate": lambda: (Of(lambda x: F.interpolate(x, scale_factor=2)), images),
    "layer_norm": lambda: (Of(lambda x: F.layer_norm(x, (8,))), lines),
    "leaky_relu": lambda: (Of(F.leaky_relu), rows),
    "linear": lambda: (Of(lambda x: F.linear(x, rows(3), B)), rows),
    "log_softmax": lambda: (Of(lambda x: F.log_softmax(x, axis=1)), rows),
    "logsumexp": lambda: (Of(lambda x: F.logsumexp(x, axis=1)), rows),
    "max_pool1d": lambda: (Of(lambda x: F.max_pool1d(x, 2)), lines),
    "max_pool2d": lambda: (Of(lambda x: F.max_pool2d(x, 2)), images),
    "one_hot": lambda: (Of(lambda x: F.one_hot(x, 7)), words),
    "pad": lambda: (
        Of(lambda x: F.pad(x, (1, 2)) + F.pad(x, (2, 1), mode="reflect")
           + F.pad(x, (1, 2), mode="replicate") + F.pad(x, (1, 2), mode="circular")
           + F.pad(x, (3, 0), value=2.5)), images,
    ),
    "relu": lambda: (Of(F.relu), rows),
    "sigmoid": lambda: (Of(F.sigmoid), rows),
    "silu": lambda: (Of(F.silu), rows),
    "softmax": lambda: (Of(lambda x: F.softmax(x, axis=1)), rows),
    "softplus": lambda: (Of(F.softplus), rows),
    "tanh": lambda: (Of(F.tanh), rows),
}  # fmt: skip

LOSSES: dict[str, Callable[[], Case]] = {
    "binary_cross_entropy": lambda: (Of(F.binary_cross_entropy), shares),
    "binary_cross_entropy_with_logits": lambda: (
        Of(lambda x, y: F.binary_cross_entropy_with_logits(x, (y > 0) * FLOAT(1))), signed,
    ),
    "cross_entropy": lambda: (Of(F.cross_entropy), labelled),
    "hinge_loss": lambda: (Of(F.hinge_loss), signed),
    "huber_loss": lambda: (Of(F.huber_loss), signed),
    "l1_loss": lambda: (Of(F.l1_loss), signed),
    "mse_loss": lambda: (Of(F.mse_loss), signed),
    "multi_margin_loss": lambda: (Of(F.multi_margin_loss), labelled),
    "nll_loss": lambda: (Of(lambda x, y: F.nll_loss(F.log_softmax(x, axis=1), y)), labelled),
    "smooth_l1_loss": lambda: (Of(F.smooth_l1_loss), signed),
}  # fmt: skip
GROUPS = {"Layers": LAYERS, "Functions": FUNCTIONS, "Losses": LOSSES}
OTHERS = {"Module", "functional", "functional_call", "init"}


def test_every_layer_function_and_loss_is_there() -> None:
    assert {*nn.__all__} - OTHERS == {*LAYERS}
    assert {*F.__all__} == {*FUNCTIONS, *LOSSES}


def test_each_runs_elsewhere_comes_back_and_stands_on_the_page(onnx: Any, tmp_path: Path) -> None:
    path, wrong, lines = tmp_path / "one.onnx", {}, []
    for title, group in GROUPS.items():
        lines += ["", f"| {title} | nodes of `to_onnx` | `from_onnx` |", "|---|---|---|"]
        for name, make in group.items():
            module, data = make()
            few, many = as_inputs(data(2)), as_inputs(data(5))
            there, back, _ = there_and_back(onnx, module, few, many, path)
            wrong |= {name: (there, back)} if max(there, back) > 1e-5 else {}
            kinds = [node.op_type for node in onnx.load(path).graph.node]
            kinds = [kind for kind in dict.fromkeys(kinds) if kind not in ("Constant", "Identity")]
            lines.append(f"| `{name}` | {', '.join(kinds) or 'none'} | equal |")
    assert wrong == {}
    table = "\n".join(lines).strip()
    assert table in PAGE.read_text("utf-8"), table
