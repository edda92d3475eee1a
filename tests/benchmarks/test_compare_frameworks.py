"""The comparison: the same task for all, gradients held against the hand-written one, absent named.

Nothing here depends on how fast anyone is.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import compare_frameworks
from benchmarks.compare_frameworks import CONTENDERS, Line, main
from benchmarks.contenders import in_numpy, match
from benchmarks.contenders.match import Match, MatchWorker
from benchmarks.contenders.processes import Process, RefusedError, environment
from benchmarks.contenders.roster import ROSTER
from tinygrad_np.data.files import save_idx
from tinygrad_np.run.recipes import Parts

SIZES = (16, 12, 10)


def arrays(examples: int) -> tuple[Any, Any]:
    """Images of 4×4 pixels whose classes are far apart, and labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, examples)
    centres = rng.integers(0, 200, (10, 4, 4))
    return (centres[labels] + rng.integers(0, 50, (examples, 4, 4))).astype(np.uint8), labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of 600 training and 100 test images as four files."""
    home = tmp_path / "dataset"
    home.mkdir()
    images, labels = arrays(700)
    for name, part in (("train", slice(0, 600)), ("t10k", slice(600, None))):
        save_idx(home / f"{name}-images-idx3-ubyte", images[part])
        save_idx(home / f"{name}-labels-idx1-ubyte", labels[part].astype(np.uint8))
    return home


class InProcess:
    """A worker without a process of its own."""

    def __init__(self, *_: Any) -> None:
        self.worker = MatchWorker()

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def end(self) -> None:
        """Nothing to end."""

    def ask(self, do: str, **request: Any) -> Any:
        answer = self.worker.answer({"do": do, **request})
        for reason in ("missing", "cannot", "failed"):
            if reason in answer:
                raise RefusedError(reason, answer[reason])
        return answer


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_frameworks, "Process", InProcess)
    monkeypatch.setattr(compare_frameworks, "PAUSE", 0.0)


def options(folder: Path, *more: str) -> list[str]:
    return [
        "--dataset",
        str(folder),
        "--sizes",
        "16-12-10",
        "--batch",
        "40",
        "--rate",
        "0.02",
        *more,
    ]


@pytest.mark.usefixtures("in_process")
def test_the_same_for_all_and_what_is_missing_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mygrad", "autograd"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"benchmarks.contenders.in_{name}", raising=False)
    target = folder / "figures.json"
    only = "replay,eager,plain,autograd,mygrad"
    assert main(options(folder, "--only", only, "--epochs", "4", "--json", str(target))) == 0
    printed = capsys.readouterr().out
    assert "| — | not installed: pip install mygrad |" in printed
    assert "\nHIPS/autograd: not installed: pip install autograd\n" in printed
    assert "4 epochs of 480 images" in printed
    written = json.loads(target.read_text())
    assert (written["images"], written["epochs"], written["machine"]["threads"]) == (480, 4, 2)
    ours, missing = written["results"][:3], written["results"][3:]
    assert [line["name"] for line in ours] == ["replay", "eager", "plain"]
    for line in ours:
        assert 0 < line["gradient_error"] < 2e-6
        losses = [epoch["loss"] for epoch in line["epochs"]]
        assert losses == sorted(losses, reverse=True)
        expected = [epoch["loss"] for epoch in ours[2]["epochs"]]
        assert losses == pytest.approx(expected, rel=1e-4)
        assert line["epochs"][-1]["validation"] >= 0.97
        assert line["test_accuracy"] >= 0.97
    assert ours[0]["epochs"][0]["loss"] == ours[1]["epochs"][0]["loss"]  # replayed: bit for bit
    for line in missing:
        assert line["remark"].startswith("not installed: pip install ")
        assert (line["epochs"], line["gradient_error"], line["test_accuracy"]) == ([], None, None)


@pytest.mark.usefixtures("in_process")
def test_a_wrong_gradient_is_shown_and_not_trained_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = in_numpy.Plain._backward

    def wrong(self: Any, *given: Any) -> Any:
        gradients = right(self, *given)
        gradients[3] *= np.float32(1.001)
        return gradients

    monkeypatch.setattr(in_numpy.Plain, "_backward", wrong)
    assert main(options(folder, "--only", "replay,plain", "--epochs", "1")) == 1
    printed = capsys.readouterr()
    assert "| NumPy by hand | " + np.__version__ + " | 1.0e-03 | DISAGREES |" in printed.out
    assert "NumPy by hand: its gradient disagrees (error 1.0e-03), so it is left out" in printed.out
    assert "epoch 1  tinygrad_np replayed" in printed.err
    assert "epoch 1  NumPy by hand" not in printed.err


def losses_of(name: str, folder: Path) -> tuple[list[float], list[float]]:
    """The gradients' errors, and the losses of two epochs."""
    images, labels = arrays(120)
    x = images.reshape(120, 16).astype(np.float32) / 255
    match.write_parts(folder, Parts((x, labels), (x, labels), (x[:7], labels[:7])))
    worker = MatchWorker()
    told = vars(Match(SIZES, 40, "adam", 0.01, 0, str(folder)))
    errors = worker.prepare(name, told)["errors"]
    return errors, [worker.epoch(number)["loss"] for number in (1, 2)]


# torch.compile waits for a C compiler, Keras for TensorFlow's or JAX's start: seconds each
@pytest.mark.parametrize("name", [n for n in CONTENDERS if n not in ("torch-compile", "keras")])
def test_gradients_and_losses_of_every_library(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for distribution in ROSTER[name].distributions:
        pytest.importorskip({"scikit-learn": "sklearn"}.get(distribution, distribution))
    errors, losses = losses_of(name, tmp_path)
    assert len(errors) == 4
    assert max(errors) < 2e-6
    assert losses == pytest.approx([2.4951168, 2.2663077], rel=ROSTER[name].tolerance)


def test_every_epoch_has_each_row_once_and_an_order_of_its_own() -> None:
    first, second = (np.stack(list(match.orders(45, 10, seed=3, epoch=n))) for n in (1, 2))
    assert first.shape == (4, 10)
    assert len(set(first.flat)) == len(set(second.flat)) == 40
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, np.stack(list(match.orders(45, 10, seed=3, epoch=1))))


def test_a_process_of_its_own_and_its_threads(tmp_path: Path) -> None:
    assert environment(1, 1)["NPROC"] == environment(1, 1)["OMP_NUM_THREADS"] == "1"
    assert environment(1)["NPROC"] == "2"
    with Process(1, match.__name__, 1) as process:
        with pytest.raises(RefusedError, match="FileNotFoundError"):
            told = vars(Match(SIZES, 40, "sgd", 0.1, 0, str(tmp_path)))
            process.ask("prepare", contender="plain", match=told)
        process.end()


def made_up() -> list[Line]:
    def epochs(*seconds: float) -> list[dict[str, float]]:
        rest = {"loss": 0.5, "validation": 0.9}
        return [{"seconds": s, "cpu_seconds": 2 * s, **rest} for s in seconds]

    return [
        Line("replay", "", 1e-7, 0.01, epochs(2.0, 9.0, 1.0), 0.912),
        Line("plain", "", 2e-7, 0.02, epochs(5.0, 6.0, 7.0), 0.913),
        Line("keras", "not installed: pip install keras jax"),
        Line("sklearn", "failed: no more memory", 3e-7, 0.1),
    ]


def test_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_frameworks.metadata, "version", lambda name: f"{name}-1")
    head, _, *rows = compare_frameworks.table(made_up()).splitlines()
    assert head.startswith("| contender | version | loss, epoch 3 | validation % | test % | s an ")
    assert rows == [
        "| tinygrad_np replayed | tinygrad_np-1 "
        "| 0.5000 | 90.00 | 91.20 | 2.00 | 1.00 | 4.00 | 1.00 | 0.0 |",
        "| NumPy by hand | numpy-1 | 0.5000 | 90.00 | 91.30 | 6.00 | 5.00 | 12.00 | 3.00 | 0.0 |",
        "| Keras (JAX) | keras-1 | — | — | — | — | — | — | — | — |",
        "| scikit-learn | scikit-learn-1 | — | — | — | — | — | — | — | — |",
        "",
        "Keras (JAX): not installed: pip install keras jax",
        "scikit-learn: failed: no more memory",
    ]


def test_a_gradient_that_is_not_a_number_disagrees() -> None:
    assert Line("plain", gradient_error=float("nan")).disagrees
    assert not Line("plain", gradient_error=1e-6).disagrees
    assert not Line("plain").disagrees


def test_picture() -> None:
    pytest.importorskip("matplotlib")
    figure = compare_frameworks.draw(made_up(), "a title")
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["tinygrad_np replayed", "NumPy by hand"]
    assert list(left.lines[0].get_xdata()) == [2.0, 11.0, 12.0]
    assert list(left.lines[0].get_ydata()) == [90.0] * 3
    assert [bar.get_width() for bar in right.patches] == [2.0, 6.0]
    assert [label.get_text() for label in right.get_yticklabels()] == [
        "tinygrad_np replayed",
        "NumPy by hand",
    ]


@pytest.mark.usefixtures("in_process")
def test_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder / "out"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(options(folder, "--only", "plain", "--epochs", "1", "--out", str(out))) == 0
    assert [file.name for file in out.iterdir()] == ["comparison.md"]
    text = (out / "comparison.md").read_text()
    assert "| NumPy by hand |" in text
    assert "16-12-10, ReLU, adam 0.02, batches of 40, 1 epochs of 480 images" in text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--only", "caffe"], "--only: there is no 'caffe'; known: replay, eager, plain, "),
        (["--optimiser", "lion"], "--optimiser: there is no 'lion'; known: adam, sgd."),
        (["--epochs", "0"], "--epochs 0: at least 1 is needed."),
        (["--threads", "0"], "--threads 0: at least 1 is needed."),
        (["--sizes", "784-x-10"], "--sizes 784-x-10: expected widths such as 784-128-64-10."),
        (["--sizes", "784-8-3"], "--sizes: the last width is 3; there are 10 classes."),
        (["--sizes", "5-8-10"], "the images have 784 pixels each"),
        (["--batch", "70000"], "--batch 70000: there are 55000 training images."),
        (["--dataset", "nowhere"], "found no data set, folder or file called 'nowhere'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith(f"compare_frameworks.py: {message}")
