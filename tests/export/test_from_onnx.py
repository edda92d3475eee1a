"""ONNX files of other writers, node by node and as PyTorch writes them; what is refused."""

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.export.each import FLOAT, difference, images, outputs, rows
from tinygrad_np import nn
from tinygrad_np.export.onnx_nodes import NODES
from tinygrad_np.nn import functional as F


def one_node(
    onnx: Any, kind: str, inputs: list[Any], opset: int = 18, count: int = 1, domain: str = "",
    **attributes: Any,
) -> Any:  # fmt: skip
    """A model of one node; the first input is the model's, the others are initializers."""
    h = onnx.helper
    names = ["x" if i == 0 else f"a{i}" if v is not None else "" for i, v in enumerate(inputs)]
    outs = [f"y{i}" for i in range(count)]
    node = h.make_node(kind, names, outs, name="the node", domain=domain, **attributes)
    arrays = [
        onnx.numpy_helper.from_array(np.asarray(v), n)
        for n, v in zip(names[1:], inputs[1:], strict=True) if n
    ]  # fmt: skip
    dtype = h.np_dtype_to_tensor_dtype(inputs[0].dtype)
    given = h.make_tensor_value_info("x", dtype, inputs[0].shape)
    infos = [onnx.ValueInfoProto(name=n) for n in outs]  # the graph gives the rest
    graph = h.make_graph([node], "one", [given], infos, arrays)
    domains = [h.make_opsetid("", opset)] + ([h.make_opsetid(domain, 1)] if domain else [])
    return h.make_model(graph, opset_imports=domains, ir_version=8)


def nodes() -> list[tuple[str, list[Any], dict[str, Any]]]:
    """Nodes with the attributes that ``to_onnx`` does not write."""
    x, w = images(), np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(FLOAT)
    m, v = rows(), np.arange(4, dtype=FLOAT)
    whole = lambda *n: np.array(n, np.int64)
    return [
        ("Conv", [x, w], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ("Conv", [x, w], {"auto_pad": "SAME_LOWER", "strides": [3, 1]}),
        ("Conv", [x, w, v], {"pads": [0, 1, 2, 3], "dilations": [2, 1], "kernel_shape": [3, 3]}),
        ("ConvTranspose", [x, w[:3], v[:3]], {"pads": [1, 0, 0, 2], "strides": [2, 3]}),
        ("MaxPool", [x], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
        ("MaxPool", [x], {"kernel_shape": [2, 3], "pads": [0, 1, 1, 2], "dilations": [2, 1]}),
        ("MaxPool", [x[:, :, 0]], {"kernel_shape": [3], "strides": [2]}),
        ("AveragePool", [x], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ("AveragePool", [x], {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2],
                              "count_include_pad": 1}),
        ("AveragePool", [x[:, :, 0]], {"kernel_shape": [2], "strides": [2]}),
        ("GlobalAveragePool", [x], {}),
        ("GlobalMaxPool", [x], {}),
        ("BatchNormalization", [x, v[:3], v[1:], v[:3], v[1:]], {"epsilon": 0.1}),
        ("LayerNormalization", [x, x[0]], {"axis": 1, "epsilon": 0.1}),
        ("InstanceNormalization", [x, v[:3], v[1:]], {"epsilon": 0.1}),
        ("Gemm", [m, m, v[:2]], {"transB": 1}),
        ("Gemm", [m, m[:, :2], v[:2]], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
        ("Softmax", [x], {"axis": 1}),
        ("LogSoftmax", [m], {}),
        ("Flatten", [x], {"axis": 2}),
        ("Reshape", [x, whole(0, -1, 4)], {}),
        ("Squeeze", [x[:1]], {"opset": 11, "axes": [0]}),
        ("Unsqueeze", [m], {"opset": 11, "axes": [0, 3]}),
        ("ReduceMean", [x], {"axes": [1, -1], "keepdims": 0, "opset": 13}),
        ("ReduceSum", [x, whole(1)], {}),
        ("ReduceSum", [x], {"noop_with_empty_axes": 1}),
        ("ReduceL1", [x], {"keepdims": 0}),
        ("ReduceSumSquare", [x, whole(2)], {}),
        ("ReduceLogSumExp", [x, whole(2)], {}),
        ("Slice", [m, whole(-1), whole(-9), whole(1), whole(-2)], {}),
        ("Slice", [m, whole(0, 1), whole(99, -1)], {}),
        ("Split", [m, whole(1, 3)], {"axis": 1, "count": 2}),
        ("Split", [m], {"axis": 1, "count": 2, "num_outputs": 2}),
        ("Pad", [m, whole(1, 0, 0, 2), np.array(3, FLOAT)], {}),
        ("Pad", [m, whole(1, 2), None, whole(1)], {"mode": "reflect"}),
        ("Pad", [m, whole(0, 1, 0, 1)], {"mode": "edge"}),
        ("Resize", [x, None, np.array([1, 1, 2, 1.5], FLOAT)], {"opset": 19}),
        ("Resize", [x, None, None, whole(2, 3, 5, 12)], {"opset": 19, "nearest_mode": "ceil"}),
        ("Resize", [x, None, np.array([2, 0.5], FLOAT)], {
            "opset": 19, "axes": [3, 2], "mode": "linear",
            "coordinate_transformation_mode": "pytorch_half_pixel"}),
        ("Resize", [x, None, None, whole(2, 3, 13, 1)], {
            "opset": 19, "mode": "linear", "coordinate_transformation_mode": "align_corners"}),
        ("Resize", [x, None, np.array([1, 1, 3, 2], FLOAT)], {
            "opset": 19, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
        ("GatherElements", [m, np.array([[3, 0], [1, 1]])], {"axis": 1}),
        ("Gather", [m, np.array([[-1, 0]])], {"axis": 1}),
        ("Clip", [m, np.array(-0.5, FLOAT)], {}),
        ("Clip", [m, None, np.array(0.5, FLOAT)], {}),
        ("Expand", [m[:1], whole(3, 1, 4)], {}),
        ("PRelu", [m, v], {}),
        ("Selu", [m], {}),
        ("HardSigmoid", [m], {"alpha": 0.3}),
        ("HardSwish", [m], {}),
        ("Mish", [m], {}),
        ("Softsign", [m], {}),
        ("Elu", [m], {"alpha": 0.5}),
        ("Max", [m, v, m * 2], {}),
        ("Mean", [m, v], {}),
        ("Sum", [m, v, m], {}),
        ("Div", [np.array([-7, 7]), np.array([2, -2])], {}),
        ("Mod", [np.array([-7, 7]), np.array([2, -2])], {}),
        ("Mod", [m, v + 1], {"fmod": 1}),
        ("Pow", [abs(m), v], {}),
        ("Dropout", [m], {}),
    ]  # fmt: skip


def test_nodes_of_other_writers_mean_what_the_reference_says(onnx: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.onnx"
    for kind, inputs, attributes in nodes():
        model = one_node(onnx, kind, inputs, **attributes)
        onnx.save(model, path)
        wanted = onnx.reference.ReferenceEvaluator(model).run(None, {"x": inputs[0]})
        found = outputs(tg.from_onnx(path)(inputs[0]))
        assert difference(found, wanted) < 1e-5, (kind, attributes)
    onnx.save(one_node(onnx, "Softmax", [images()], opset=11, axis=2), path)  # of the last two axes
    found = outputs(tg.from_onnx(path)(images()))
    wanted = [F.softmax(images().reshape(6, 64)).reshape(2, 3, 8, 8)]
    assert difference(found, wanted) < 1e-6


def test_attributes_of_a_node_are_keywords_of_its_function(onnx: Any) -> None:
    for kind, call in NODES.items():
        known = set(onnx.defs.get_schema(kind, 18).attributes) if kind != "Gelu" else set()
        parameters = (
            [] if isinstance(call, np.ufunc) else inspect.signature(call).parameters.values()
        )
        assert not known & {p.name for p in parameters if p.kind is not p.KEYWORD_ONLY}, kind


def test_files_that_are_not_known_are_refused_with_the_node(onnx: Any, tmp_path: Path) -> None:
    path, x = tmp_path / "one.onnx", images()
    cases: list[tuple[str, list[Any], dict[str, Any], str]] = [
        ("Hardmax", [x], {}, r"node the node \(Hardmax\): Hardmax is not known"),
        ("Tanh", [x], {"domain": "own"}, r"node the node \(Tanh\): Tanh of own is not known"),
        ("MaxPool", [x], {"kernel_shape": [2, 2], "count": 2}, r"further results \['y1'\]"),
        (
            "ConvTranspose",
            [x, x[:1].repeat(3, 0)],
            {"output_shape": [9, 9]},
            "output_shape=.* is not",
        ),
        ("MaxPool", [x[None]], {"kernel_shape": [2, 2, 2]}, "sequences and images alone"),
        (
            "Resize",
            [x, None, np.ones(4, FLOAT)],
            {"mode": "cubic"},
            r"node the node \(Resize\): its attribute mode='cubic' is not known",
        ),
        ("Tanh", [x], {"opset": 8}, "its opset is 8; expected 9 to 23"),
    ]
    for kind, inputs, attributes, message in cases:
        onnx.save(one_node(onnx, kind, inputs, **attributes), path)
        with pytest.raises(tg.DataError, match=f"^{path}: .*{message}"):
            tg.from_onnx(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(tg.DataError, match="not a readable ONNX file"):
        tg.from_onnx(path)
    with pytest.raises(tg.DataError, match="there is no such file"):
        tg.from_onnx(tmp_path / "none.onnx")
    with pytest.raises(tg.DataError, match="a folder or device"):
        tg.from_onnx(tmp_path)
    model = tg.from_onnx(tg.to_onnx(nn.Linear(4, 2, seed=0), rows(), path=path))
    with pytest.raises(TypeError, match=r"takes 1 inputs \(x\), got 2"):
        model(rows(), rows())
    with pytest.raises(ValueError) as caught:
        model(np.ones((2, 3), FLOAT))
    assert caught.value.__notes__ == ["in node matmul (MatMul)"]


@pytest.mark.slow
@pytest.mark.usefixtures("onnx")
@pytest.mark.filterwarnings("ignore")
def test_networks_of_pytorch_are_read(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    layers, path = torch.nn, tmp_path / "theirs.onnx"
    torch.manual_seed(0)
    mlp = layers.Sequential(
        layers.Flatten(), layers.Linear(192, 8), layers.ReLU(), layers.LayerNorm(8),
        layers.Linear(8, 4), layers.Softmax(-1),
    )  # fmt: skip
    cnn = layers.Sequential(
        layers.Conv2d(3, 8, 3, padding="same"), layers.BatchNorm2d(8), layers.LeakyReLU(0.1),
        layers.MaxPool2d(2, ceil_mode=True), layers.Conv2d(8, 8, 3, groups=2, padding=1),
        layers.GELU(), layers.GroupNorm(4, 8), layers.AvgPool2d(3, 2, padding=1),
        layers.ConvTranspose2d(8, 4, 3, stride=2, padding=1), layers.PReLU(), layers.Hardswish(),
        layers.AdaptiveAvgPool2d(1), layers.Flatten(), layers.Dropout(0.3), layers.Linear(4, 2),
    )  # fmt: skip
    lenet = layers.Sequential(
        layers.Conv2d(3, 6, 3, padding=1), layers.Tanh(), layers.AvgPool2d(2), layers.Conv2d(
            6, 4, 3), layers.Tanh(), layers.Flatten(), layers.Linear(16, 8), layers.Linear(8, 3),
    )  # fmt: skip
    up = layers.Sequential(
        layers.Conv2d(3, 4, 3, 2, 1, padding_mode="reflect"), layers.SiLU(), layers.Upsample(
            scale_factor=2, mode="bilinear"), layers.ELU(), layers.Conv2d(4, 2, 3),
        layers.Upsample(scale_factor=1.5), layers.Sigmoid(),
    )  # fmt: skip

    class Residual(layers.Module):  # type: ignore[misc,name-defined]
        def __init__(self, i: int, o: int, stride: int) -> None:
            super().__init__()
            self.body = layers.Sequential(
                layers.Conv2d(i, o, 3, stride, 1, bias=False), layers.BatchNorm2d(o),
                layers.ReLU(), layers.Conv2d(o, o, 3, 1, 1, bias=False), layers.BatchNorm2d(o),
            )  # fmt: skip
            self.skip = layers.Conv2d(i, o, 1, stride)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.body(x) + self.skip(x))

    resnet = layers.Sequential(
        Residual(3, 4, 1), Residual(4, 8, 2), layers.AdaptiveAvgPool2d(1), layers.Flatten(),
        layers.Linear(8, 3),
    )  # fmt: skip
    few, many = torch.tensor(images(2)), torch.tensor(images(5))
    has_script = importlib.util.find_spec("onnxscript") is not None
    ways: list[dict[str, Any]] = [{
        "dynamo": False, "opset_version": 13, "input_names": ["x"],
        "dynamic_axes": {"x": {0: "rows"}},
    }]  # fmt: skip
    if has_script:
        rows_vary = ({0: torch.export.Dim("rows")},)
        ways.append({"dynamo": True, "verbose": False, "dynamic_shapes": rows_vary})
    for theirs in (mlp, cnn, lenet, up, resnet):
        theirs(many)
        theirs.eval()
        for way in ways:
            torch.onnx.export(theirs, (few,), str(path), **way)
            ours = tg.from_onnx(path)
            np.testing.assert_allclose(
                ours(images(5)).numpy(), theirs(many).detach().numpy(), atol=1e-5
            )
            assert "4.weight" in ours.state_dict() or theirs is lenet
