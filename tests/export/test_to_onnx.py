"""Models as ONNX files, run by onnxruntime (else onnx.reference), and read again."""

import copy
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.export.each import FLOAT, difference, images, outputs, rows
from tinygrad_np import nn
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.nn import functional as F


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, fn: Callable[..., Any], *layers: nn.Module) -> None:
        self.fn = fn
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: Any) -> Any:
        return self.fn(*inputs, *self.layers)


class Only(nn.Module):
    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self.fn = fn

    def forward(self, x: Any) -> Any:
        return self.fn(x)


class Own(nn.Module):
    """Parameters of one's own, one of them without axes, and calls of NumPy's functions."""

    def __init__(self) -> None:
        self.scale = tg.Tensor(FLOAT(1.5), requires_grad=True)
        self.table = tg.Tensor(np.linspace(-1, 1, 12, dtype=FLOAT).reshape(4, 3), True)
        self.shift = tg.Tensor(np.ones(3, FLOAT))

    def forward(self, x: Any) -> Any:
        y = np.tanh(x @ self.table) * self.scale - self.shift
        y = np.where(y > 0, y, np.exp(y) - 1)
        return np.concatenate([y, np.sqrt(np.abs(y)), np.max(y, axis=1, keepdims=True)], axis=1)


def block(x: Any, inner: Any, norm: Any, outer: Any) -> Any:
    y = F.relu(norm(inner(x)))
    return np.concatenate([x + outer(y), y], axis=1).mean(axis=(2, 3))


def lines(count: int = 2) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 3, 8)).astype(FLOAT)


def words(count: int = 2) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 7, size=(count, 5))


def conv(i: int, o: int, size: int, **options: Any) -> nn.Module:
    return nn.Conv2d(i, o, size, seed=i + o, **options)


def used(module: nn.Module, x: Any) -> nn.Module:
    """A model whose running statistics are not those of the start."""
    module(x)
    return module


def models() -> dict[str, tuple[nn.Module, Callable[..., Any]]]:
    """Networks, and what gives inputs of so many rows."""
    dense = lambda i, o: nn.Linear(i, o, seed=i + o)
    return {
        "MLP": (nn.Sequential(dense(4, 8), nn.ReLU(), nn.Dropout(0.5, seed=0), dense(8, 3)), rows),
        "activations": (
            nn.Sequential(
                dense(4, 6), nn.Tanh(), nn.Sigmoid(), nn.LeakyReLU(0.1), nn.GELU("tanh"),
                nn.SiLU(), nn.Softplus(), nn.ELU(), np.sin, nn.Identity(), nn.Softmax(),
            ),
            rows,
        ),
        "batch norm of rows": (
            used(nn.Sequential(dense(4, 6), nn.BatchNorm1d(6), nn.ReLU(), dense(6, 2)), rows(9)),
            rows,
        ),
        "LeNet": (
            nn.Sequential(
                conv(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), conv(4, 6, 3), nn.Tanh(),
                nn.AvgPool2d(2), nn.Flatten(), dense(6, 5), np.tanh, dense(5, 3),
            ),
            images,
        ),
        "strides, groups, frames": (
            nn.Sequential(
                conv(3, 6, 3, stride=2, padding=2, groups=3), nn.MaxPool2d(3, 2, padding=1),
                nn.AvgPool2d(2, 1, padding=1), conv(6, 4, 2, dilation=2, bias=False),
            ),
            images,
        ),
        "norms of images": (
            used(
                nn.Sequential(
                    conv(3, 6, 1), nn.BatchNorm2d(6), nn.GroupNorm(3, 6), nn.LayerNorm(8),
                    nn.AdaptiveAvgPool2d((3, 5)), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                ),
                images(6),
            ),
            images,
        ),
        "up again": (
            nn.Sequential(
                nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1, seed=0),
                nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 0, 2, 1)),
            ),
            images,
        ),
        "sequences": (
            nn.Sequential(nn.Conv1d(3, 4, 3, padding=1, stride=2, seed=0), nn.ReLU(), nn.Flatten()),
            lines,
        ),
        "residual block": (
            used(Of(block, conv(3, 4, 3, padding=1), nn.BatchNorm2d(4), conv(4, 3, 1)), images(5)),
            images,
        ),
        "words": (
            nn.Sequential(nn.Embedding(7, 4, seed=0), nn.LayerNorm(4), nn.Flatten(), dense(20, 2)),
            words,
        ),
        "attention": (
            Of(lambda x, m: m(x, x, x)[0], nn.MultiheadAttention(8, 2, batch_first=True, seed=0)),
            lines,
        ),
        "LSTM": (Of(lambda x, m: m(x)[0], nn.LSTM(8, 4, batch_first=True, seed=0)), lines),
        "own parameters": (Own(), rows),
        "two inputs, two results": (
            Of(lambda x, y, m: (m(x) + m(y), {"dots": np.sum(x * y, axis=1)}), dense(4, 2)),
            lambda n=2: (rows(n), rows(n) + FLOAT(1)),
        ),
    }  # fmt: skip


FUNCTIONS: list[Callable[[Any], Any]] = [
    lambda t: np.var(t, axis=1, ddof=1),
    lambda t: t.std(axis=(1, 2), keepdims=True),
    lambda t: t - t.mean(axis=0),
    lambda t: np.min(t),
    lambda t: np.prod(t, axis=1),
    lambda t: np.argmax(t, axis=1) - np.argmin(t, axis=2, keepdims=True)[:, 0],
    lambda t: np.any(t > 1, axis=1) | np.all(t != 0, axis=1),
    lambda t: np.cumsum(t, axis=1),
    lambda t: np.linalg.norm(t, axis=-1),
    lambda t: F.log_softmax(t, axis=1),
    lambda t: np.ravel(t.T),
    lambda t: t.reshape(3, len(t), 8).swapaxes(0, 1),
    lambda t: np.moveaxis(t, 1, -1).reshape(1, -1, len(t), 3),
    lambda t: t[:, None, ..., 1:3],
    lambda t: t[..., ::-2],
    lambda t: t[:, [0, 2]] + np.take(t, [1, 1], axis=1),
    lambda t: t[:, -1, 1:, None],
    lambda t: np.stack([t, 2 * t], axis=1),
    lambda t: np.split(t, 2, axis=-1)[1],
    lambda t: np.repeat(np.tile(t, 2), 2, axis=1),
    lambda t: np.roll(np.flip(t, 1), 1, axis=2),
    lambda t: np.tril(t, 1) + np.triu(t),
    lambda t: np.pad(t, ((0, 0), (1, 2), (0, 1))),
    lambda t: np.clip(t, 0, 1) + t.clip(-1, None),
    lambda t: t.astype(np.float64) / 3,
    lambda t: np.einsum("bij,bkj->bik", t, t) + t @ t.swapaxes(1, 2),
    lambda t: np.tensordot(t, np.ones((8, 2), FLOAT), 1),
    lambda t: np.dot(t, np.ones((8, 2), FLOAT)),
    lambda t: abs(t) ** -0.5 + t**2 + 2 / t - (-t),
    lambda t: np.exp2(t) + np.expm1(t) + np.log1p(np.square(t)) + np.log10(abs(t)) + np.log2(t * t),
    lambda t: np.hypot(t, 1) + np.logaddexp(t, 2 * t) + t % 0.75 + t // 0.5,
    lambda t: np.broadcast_to(t[:, :1], t.shape) + np.zeros_like(t),
    lambda t: np.concatenate([t, np.zeros((len(t), 1, 8), FLOAT)], axis=1),
    lambda t: (t >= 0) * t + np.where(np.isnan(t), 0, np.float32(2) * t),
    lambda t: np.squeeze(t[:, :1]) + np.expand_dims(t, (1, 2))[:, 0, 0, 0],
    lambda t: np.round(t) + np.around(t, 2) + np.round(100 * t, decimals=-1),
    *(lambda t, mode=mode: np.pad(t, ((0, 0), (1, 2), (3, 0)), mode=mode)
      for mode in ("edge", "reflect", "symmetric", "wrap")),
    lambda t: np.where(np.isfinite(t), t, 0) * len(t) + t * float(2 * len(t)),
    lambda t: np.rint(t) + np.floor(t) + np.ceil(t) + np.sign(t) + np.arctan(t) + np.sinh(t),
    lambda t: F.max_pool2d(t[:, None], 2) + np.minimum(F.avg_pool2d(t[:, None], 2), 1),
]  # fmt: skip


def run(onnx: Any, path: Path, inputs: tuple[Any, ...]) -> list[np.ndarray]:
    """What the file gives in onnxruntime, or in the reference where that is not installed."""
    try:
        import onnxruntime
    except ImportError:
        session: Any = onnx.reference.ReferenceEvaluator(str(path))
        names = session.input_names
    else:
        onnxruntime.set_default_logger_severity(3)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [given.name for given in session.get_inputs()]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def there_and_back(
    onnx: Any, module: nn.Module, few: tuple[Any, ...], many: tuple[Any, ...], path: Path
) -> tuple[float, float, nn.Module]:
    """Written with few rows; with many: the largest differences there, and back."""
    module.train()
    assert tg.to_onnx(module, *few, path=path) == path
    assert module.training
    module.eval()
    onnx.checker.check_model(onnx.load(path), full_check=True)
    wanted = outputs(module(*many))
    again = tg.from_onnx(path)
    there = difference(run(onnx, path, many), wanted)
    return there, difference(outputs(again(*many)), wanted), again


def as_inputs(given: Any) -> tuple[Any, ...]:
    return given if isinstance(given, tuple) else (given,)


def test_models_run_elsewhere_with_any_number_of_rows_and_come_back(
    onnx: Any, tmp_path: Path
) -> None:
    worst = {}
    for name, (module, data) in models().items():
        few, many = as_inputs(data(2)), as_inputs(data(5))
        path = tmp_path / "model.onnx"
        there, back, again = there_and_back(onnx, module, few, many, path)
        worst[name] = there, back
        kept = [n for n in module.state_dict() if not n.endswith("num_batches_tracked")]
        assert sorted(again.state_dict()) == sorted(kept), name
        mine, theirs = (dict(m.named_parameters()) for m in (module, again))
        assert mine.keys() == theirs.keys(), name
        for found in (module, again):
            sum(np.sum(np.square(part)) for part in leaves(found(*many))).backward()
        for key, parameter in mine.items():
            assert parameter.grad is not None and theirs[key].grad is not None, (name, key)
            np.testing.assert_allclose(
                theirs[key].grad.numpy(), parameter.grad.numpy(), rtol=1e-3, atol=1e-3
            )
        once_more = there_and_back(onnx, again, few, many, path)
        worst[f"{name}, again"] = once_more[:2]
    print(f"{len(worst)} there and back, largest difference {max(map(max, worst.values()))}")
    assert {name: d for name, d in worst.items() if max(d) > 1e-5} == {}


def test_functions_run_elsewhere_with_any_number_of_rows_and_come_back(
    onnx: Any, tmp_path: Path
) -> None:
    few, many = lines(2), lines(5)
    for i, fn in enumerate(FUNCTIONS):
        there, back, _ = there_and_back(
            onnx, Only(fn), (few,), (many,),
            tmp_path / "model.onnx",
        )  # fmt: skip
        assert max(there, back) < 1e-5, i


def test_dtypes_are_those_of_the_module(onnx: Any, tmp_path: Path) -> None:
    single, double = nn.Linear(4, 3, seed=0), nn.Linear(4, 3, seed=1, dtype=np.float64)
    given = np.random.default_rng(0).integers(-3, 3, size=(5, 4))
    for module in (single, double, Only(lambda t: np.mean(t / 3, axis=1) + np.sqrt(abs(t[:, 0])))):
        for dtype in (np.float32, np.float64, np.int64, np.int32):
            many = given.astype(dtype)
            there, back, _ = there_and_back(
                onnx, module, (many[:2],), (many,), tmp_path / "model.onnx"
            )
            assert max(there, back) < 1e-6, (module, dtype)


def test_rows_on_another_axis_and_fixed_shapes(onnx: Any, tmp_path: Path) -> None:
    model, path = nn.LSTM(8, 4, seed=0), tmp_path / "model.onnx"
    few = np.ones((3, 1, 8), FLOAT)
    many = np.random.default_rng(0).normal(size=(3, 5, 8)).astype(FLOAT)
    tg.to_onnx(model, few, path=path, batch_axis=1)
    assert difference(run(onnx, path, (many,)), outputs(model(many))) < 1e-5
    tg.to_onnx(model, many, path=path, batch_axis=None)
    assert difference(run(onnx, path, (many,)), outputs(model(many))) < 1e-5
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in shape] == [3, 5, 8]


@pytest.mark.usefixtures("onnx")
def test_a_network_that_came_back_is_trained_copied_and_pickled(tmp_path: Path) -> None:
    x, y = rows(32), np.sum(rows(32), axis=1, keepdims=True)
    start = nn.Sequential(nn.Linear(4, 8, seed=0), nn.Tanh(), nn.Linear(8, 1, seed=1))
    model = tg.from_onnx(tg.to_onnx(start, x, path=tmp_path / "start.onnx"))
    optimiser = tg.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        loss = F.mse_loss(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (other(x).numpy() == model(x).numpy()).all()
    start.load_state_dict(model.state_dict())
    np.testing.assert_allclose(start(x).numpy(), model(x).numpy(), atol=1e-6)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "cube root": (
        lambda t: np.cbrt(t),
        r"test_to_onnx.py:\d+: cbrt in Only cannot be written",
    ),
    "random": (
        lambda t: t + tg.random.normal(t.shape, generator=np.random.default_rng(0)),
        "draws random numbers",
    ),
    "length": (lambda t: t * (len(t) + 1), "a length is 3 for 2 rows and 6 for 5, which is no"),
    "share": (lambda t: t * (0.5 / len(t)), "the number 0.25 depends on the number of rows"),
    "rows that are framed": (
        lambda t: np.pad(t, ((1, 1), (0, 0), (0, 0)), mode="edge"),
        "it takes rows by their number",
    ),
    "integers": (lambda t: np.round(np.argmax(t, axis=1), 1), "rounds floats, by a number"),
    "half": (lambda t: t[: len(t) // 2], "layout depends on the number of rows"),
    "ramp": (
        lambda t: t + np.arange(len(t), dtype=FLOAT)[:, None, None],
        "an array of shape .* depends on the number of rows",
    ),
    "loop": (lambda t: sum(t[i] for i in range(len(t))), "is done otherwise for another number"),
    "a fixed number": (lambda t: t.reshape(2, 24), "runs on 2 rows, but not on 5"),
    "a square": (lambda t: np.broadcast_to(t[None], (len(t) ** 2, *t.shape)), "is no multiple"),
    "complex": (lambda t: np.fft.fft(t).real, "cannot be written as ONNX"),
    "where": (lambda t: np.sum(t, where=t > 0), "its option where= has no counterpart"),
    "nothing": (lambda _: 3.0, "returns no Tensor"),
    "a number": (lambda t: (t, 3.0), "output 1 of the module is of type float; return Tensors"),
    "a branch": (
        lambda t: t if np.sum(t) > 0 else -t,
        r"to_onnx: test_to_onnx.py:\d+: the step takes a value out of a Tensor \(a truth value",
    ),
    "a value": (lambda t: t - t.numpy().max(), r"takes a value out of a Tensor \(t.numpy\(\)\)"),
    "two indices": (lambda t: t[:, [0, 1], [1, 2]], "one integer array"),
}


@pytest.mark.usefixtures("onnx")
def test_what_cannot_be_written_is_refused_with_operation_and_line(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    for fn, message in REFUSED.values():
        with pytest.raises(tg.ExportError, match=message):
            tg.to_onnx(Only(fn), lines(2), path=path)
    with pytest.raises(tg.ExportError, match=r"on 1 row, but not on 2 .*batch_axis=None"):
        tg.to_onnx(Only(lambda t: np.squeeze(t, axis=0)), lines(1), path=path)
    with pytest.raises(TypeError, match=r"give an nn\.Module"):
        tg.to_onnx(np.tanh, lines(2), path=path)
    with pytest.raises(tg.ExportError, match="no example input is an array"):
        tg.to_onnx(Only(np.tanh), 2.0, path=path)
    with pytest.raises(tg.ExportError, match="has no rows on axis 0"):
        tg.to_onnx(Only(np.tanh), np.ones((0, 2)), path=path)
    with pytest.raises(ValueError, match="batch_axis=-1"):
        tg.to_onnx(Only(np.tanh), lines(2), path=path, batch_axis=-1)
    with pytest.raises(tg.DataError, match="cannot be written"):
        tg.to_onnx(Only(np.tanh), lines(2), path=tmp_path / "no" / "model.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"before"


def test_both_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name, call in {
        "to_onnx": lambda: tg.to_onnx(nn.ReLU(), rows(), path="model.onnx"),
        "from_onnx": lambda: tg.from_onnx("model.onnx"),
    }.items():
        with pytest.raises(ImportError, match=f"tg.{name} needs .*: pip install onnx"):
            call()
