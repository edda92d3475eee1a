"""Every public function and class of the toolbox, each argument given what it may not take.

`test_bad_arguments` says what the sentences are to say of arguments in a table; here the public
names themselves are swept, so that a new one is in it at once: whatever is given, the answer is a
result, or an error that this project wrote, and none that came about somewhere inside.
"""

import functools
import inspect
import io
import re
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.test_bad_arguments import IMAGES, PACKAGE, RAW, X, Y, function, net
from tinygrad_np import data, draw, nn, optim, training
from tinygrad_np.errors import GradientError, ReplayError, TapeError

F = nn.functional
ROOMS = [data, data.augment, training, nn, F, nn.init, optim, draw]
GIVEN: list[Any] = [
    None, 3, -1, 2.5, "abc", b"abc", [1, "x"], [[1, 2], [3]], {"a": 1}, {1}, np.empty(0),
    np.array([None, 1], object), np.ones((2, 3, 4)), np.array(["a", "b"]), np.ones((2, 3), complex),
    np.array(2.0), tg.Tensor(np.ones((2, 3)), requires_grad=True), nn.Linear(2, 3, seed=0),
    function, nn.ReLU, True,
]  # fmt: skip
W = np.ones((3, 4), np.float32)
Z = np.zeros((6, 3), np.float32)
PART = SimpleNamespace(data=RAW, targets=Y[:2])
HISTORY = training.History()
RECORD = training.Histograms(net(), X, Y)
GRAPH = draw.graph(net(), X)
RECORDING = tg.trace(np.sqrt, RAW)


@functools.cache
def report() -> Any:
    return training.diagnose(net(), X, Y)


def usual() -> dict[str, Any]:
    """A good value for each name of an argument that is needed, made anew."""
    model = net()
    params = [tg.Tensor(np.ones((2, 3)), requires_grad=True)]
    return {
        "recording": RECORDING,
        "x": X, "y": Y, "images": IMAGES, "labels": Y, "logits": Z, "scores": Z, "prediction": Z,
        "target": Z, "log_probabilities": Z, "predictions": Y, "counts": np.eye(3, dtype=int),
        "probabilities": np.full((6, 3), 1 / 3),
        "weight": W, "model": model, "module": model, "params": params, "parameters": params,
        "lr": 0.1, "peak": 0.1, "schedule": 0.1, "steps": 4, "every": 2, "decay": 0.1, "epochs": 1,
        "batches": data.batches(X, Y, 3, seed=0), "optimiser": optim.SGD(model.parameters(), 0.1),
        "batch_size": 2, "seed": 0, "fraction_or_count": 2, "classes": 3, "path": "a.npz",
        "in_features": 4, "out_features": 3, "in_channels": 1, "out_channels": 2, "kernel_size": 2,
        "num_embeddings": 4, "embedding_dim": 2, "num_features": 4, "normalized_shape": 4,
        "num_groups": 2, "num_channels": 4, "embed_dim": 4, "num_heads": 2, "input_size": 4,
        "hidden_size": 3, "output_size": 2, "shape": (3, 4), "indices": Y, "patience": 2, "rows": 1,
        "columns": 1, "degrees": 10.0, "factor": 0.1, "matrix": np.eye(2), "max_norm": 1.0,
        "field": np.zeros((2, 6, 6)), "array": RAW, "picture": RAW[0], "history": HISTORY,
        "generator": np.random.default_rng(0), "layer": "0", "max_value": 1.0, "clip_value": 1.0,
        "train": PART, "test": PART,
        "features": X, "names": ["a", "b", "c"], "report": report(), "record": RECORD,
        "graph": GRAPH,
    }  # fmt: skip


def public() -> Iterator[tuple[str, Any]]:
    for room in ROOMS:
        for name in sorted(getattr(room, "__all__", [])):
            found = getattr(room, name)
            if callable(found) and not (isinstance(found, type) and issubclass(found, Exception)):
                yield f"{room.__name__.removeprefix('tinygrad_np.')}.{name}", found


NAMES = dict(public())
# what NumPy refuses of its own, and how Python tells of a function that takes other arguments
NUMPY = re.compile("numpy boolean|not supported for the input types|positional argument|keyword ar")
# the same function again; read 10 MB or from the network; train (`test_bad_arguments` has them)
LEFT_OUT = {"data.load_dataset", "data.load_folder", "data.mnist", "data.fashion_mnist"}
LEFT_OUT |= {"training.diagnose"}
LEFT_OUT |= {f"nn.functional.{name}" for name in ("relu", "sigmoid", "tanh")}  # as np.tanh


def fault(call: Any, given: dict[str, Any]) -> str:
    """What is wrong with the answer, nothing for a result or an error of this project's own."""
    try:
        with redirect_stdout(io.StringIO()):
            call(given)
    except (GradientError, ReplayError, TapeError, ImportError):
        return ""
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        written = frames[-1].filename.startswith(PACKAGE) and "raise" in (frames[-1].line or "")
        if isinstance(error, TypeError) and NUMPY.search(str(error)):
            written = True
        if written and "\n" not in str(error):
            return ""
        return f"{type(error).__name__}: {str(error)[:150]} ({Path(frames[-1].filename).name})"
    return ""


def swept(name: str) -> Iterator[tuple[str, str, str]]:
    fn = NAMES[name]
    arguments = [
        p for p in inspect.signature(fn).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]  # fmt: skip
    known = usual()
    needed = [p.name for p in arguments if p.default is p.empty]
    good = {each: known.get(each) for each in needed}
    if name == "draw.embedding":
        good["method"] = "pca"  # which is quick

    def call(given: dict[str, Any]) -> Any:
        placed = [given.pop(p.name) for p in arguments if p.kind is p.POSITIONAL_ONLY]
        return fn(*placed, **given)

    for each in arguments:
        for value in GIVEN if each.name != "title" else GIVEN[:1]:
            if isinstance(each.default, (str, bool)) and hasattr(value, "shape"):
                continue  # nobody takes an array for a word or a flag
            if found := fault(call, {**good, each.name: value}):
                yield each.name, repr(value)[:40], found
    for value in GIVEN:
        if found := fault(call, dict.fromkeys(needed, value)):
            yield "all", repr(value)[:40], found


@pytest.mark.parametrize("room", ["data", "training", "nn", "optim", "draw"])
@pytest.mark.filterwarnings("ignore")
def test_no_argument_ends_in_an_error_from_inside(
    room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [n for n in NAMES if n.split(".")[0] == room and n not in LEFT_OUT]
    with np.errstate(all="ignore"):
        faults = {(name, *found[:2]): found[2] for name in names for found in swept(name)}
    assert faults == {}


SEQUENCES, PICTURES = np.ones((2, 3, 8), np.float32), np.ones((2, 3, 8, 8), np.float32)
# what gets far enough in functions that would refuse the usual arguments at once
SHAPED: dict[str, dict[str, Any]] = {
    **{name: {"x": SEQUENCES} for name in ("max_pool1d", "avg_pool1d")},
    **{name: {"x": PICTURES} for name in (
        "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "dropout2d", "group_norm",
        "interpolate", "max_pool2d")},
    "conv1d": {"x": SEQUENCES, "weight": np.ones((4, 3, 2), np.float32)},
    "conv2d": {"x": PICTURES, "weight": np.ones((4, 3, 2, 2), np.float32)},
    "conv_transpose2d": {"x": PICTURES, "weight": np.ones((3, 4, 2, 2), np.float32)},
    "pad": {"x": PICTURES, "pad": (1, 1)},
    "smooth_l1_loss": {"beta": 0},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_messages_name_the_function_that_was_called() -> None:
    found = set()
    for name in set(F.__all__) - {"relu", "sigmoid", "tanh"}:  # these are primitives
        fn, good = getattr(F, name), usual()
        arguments = inspect.signature(fn).parameters.values()
        given = {p.name: good.get(p.name) for p in arguments if p.default is p.empty}
        given |= SHAPED.get(name, {})
        for each in arguments:
            for value in (*GIVEN, np.ones(5)):
                try:
                    fn(**{**given, each.name: value})
                except Exception as error:
                    word = re.match(r"\w+(?=[:(])", str(error))
                    if word and word[0] != name:
                        found.add(f"{name} by {each.name}: {error}")
    assert not found, found
