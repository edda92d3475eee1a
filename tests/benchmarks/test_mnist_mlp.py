"""The main job from its command line: what it prints, what it writes, how it refuses."""

import functools
import html
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from benchmarks import mnist_mlp
from benchmarks.by_hand_training import fit_by_hand
from tinygrad_np import data, draw
from tinygrad_np.run import run as runs
from tinygrad_np.run import train
from tinygrad_np.run.outputs import write_json
from tinygrad_np.run.recipes import DEFAULT, RECIPES, REFERENCES
from tinygrad_np.run.run import run, weights_sha256

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
KEYS = [
    "recipe", "dataset", "seed", "epochs", "train_seconds", "train_accuracy",
    "validation_accuracy", "test_accuracy", "test_loss", "reported_accuracy", "parameters",
    "weights_sha256", "history",
]  # fmt: skip
PICTURES = [
    f"{name}.png" for name in (
        "confusion", "curves", "embedding", "hardest", "histograms", "predictions", "reliability",
        "saliency", "weights",
    )
]  # fmt: skip


def digits(n: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright bar whose place is the class, on noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    images = rng.integers(0, 60, (n, side, side)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3] += 150
    return images, labels


def write_idx(folder: Path, side: int = 28, train: int = 600, test: int = 120) -> Path:
    folder.mkdir(exist_ok=True)
    arrays = (*digits(train, side, 0), *digits(test, side, 1))
    for name, array in zip(NAMES, arrays, strict=True):
        data.save_idx(folder / name, array)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx(tmp_path_factory.mktemp("data") / "bars")


@pytest.fixture
def plain_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pictures, which take 0.01 s instead of 1."""
    figure = pytest.importorskip("matplotlib.figure").Figure
    for picture in PICTURES:
        monkeypatch.setattr(draw, Path(picture).stem, lambda *_, **__: figure((1, 1)))


@pytest.fixture
def plain_pictures(plain_figures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pictures, and the graph as text."""
    del plain_figures

    def save(graph: Any, path: Path) -> Path:
        path.with_suffix(".dot").write_text(graph.source)
        return path.with_suffix(".dot")

    monkeypatch.setattr(draw, "save", save)


@pytest.fixture
def job(plain_pictures: None, whole_job: Callable[..., int]) -> Callable[..., int]:
    """The main job with empty pictures."""
    del plain_pictures
    return whole_job


@pytest.fixture
def whole_job(tmp_path: Path, images: Path) -> Callable[..., int]:
    """The main job on the small data set for one epoch; later options win."""

    def call(*options: Any) -> int:
        given = ["--dataset", images, "--epochs", 1, "--out", tmp_path / "out", *options]
        return mnist_mlp.main([str(option) for option in given])

    return call


@pytest.mark.slow
def test_the_program_prints_and_writes(
    whole_job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")  # the picture of features
    given = ["--recipe", "small", "--quiet", "--epochs", 3, "--json", tmp_path / "r.json"]
    assert whole_job(*given) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0].split() == [
        "recipe", "data", "network", "epochs", "seconds", "train", "%", "validation", "%",
        "test", "%", "reported", "%",
    ]  # fmt: skip
    assert set(lines[1]) == {"-"}
    [result] = json.loads((tmp_path / "r.json").read_text())
    sizes = "-".join(map(str, RECIPES["small"].sizes))
    row = lines[2].split()
    assert row[:4] == ["small", "bars", sizes, "3"]
    accuracies = [result[f"{part}_accuracy"] for part in ("train", "validation", "test")]
    assert row[5:8] == [f"{100 * share:.2f}" for share in accuracies]
    assert lines[3:] == [f"weights, pictures and reports: {tmp_path / 'out'}/"]
    assert max(map(len, lines[:3])) <= 130
    [folder] = (tmp_path / "out").iterdir()
    assert folder.name == "small-bars-seed0"
    written = sorted(path.name for path in folder.iterdir())
    assert written in (
        sorted([*PICTURES, graph, "report.html", "result.json", "weights.npz"])
        for graph in ("graph.svg", "graph.dot")
    )
    for name in PICTURES:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert all(p.stat().st_size > (1000, 100)[p.suffix == ".json"] for p in folder.iterdir())


def test_json_is_what_the_contract_says(job: Any, tmp_path: Path, images: Path) -> None:
    assert job("--json", tmp_path / "r.json", "--quiet", "--epochs", 2) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert isinstance(results, list)
    [result] = results
    assert list(result) == KEYS
    assert (result["recipe"], result["dataset"]) == (DEFAULT, str(images))
    assert (result["seed"], result["epochs"], result["reported_accuracy"]) == (0, 2, None)
    for part in ("train", "validation", "test"):
        assert 0 <= result[f"{part}_accuracy"] <= 1
    assert 0 < result["test_loss"] < 5
    assert 0 < result["train_seconds"] < 60
    sizes = RECIPES[DEFAULT].sizes
    assert result["parameters"] == sum((a + 1) * b for a, b in pairwise(sizes))
    history = result["history"]
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    assert history[-1]["validation_accuracy"] == result["validation_accuracy"]
    weights = tg.load(tmp_path / "out" / f"{DEFAULT}-bars-seed0" / "weights.npz")
    assert weights_sha256(weights) == result["weights_sha256"]
    model = RECIPES[DEFAULT].build(5)
    model.load_state_dict(weights)
    parts = RECIPES[DEFAULT].parts(data.load_dataset(str(images)))
    loss, accuracy = tg.training.evaluate(model, *parts.test)
    assert (loss, accuracy) == (result["test_loss"], result["test_accuracy"])


def test_several_seeds(job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert job("--seeds", 2, "--json", tmp_path / "r.json", "--quiet") == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert [result["seed"] for result in results] == [0, 1]
    assert results[0]["weights_sha256"] != results[1]["weights_sha256"]
    a, b = (100 * result["test_accuracy"] for result in results)
    line = capsys.readouterr().out.splitlines()[2]
    assert f"{(a + b) / 2:.2f} ± {abs(a - b) / math.sqrt(2):.2f}" in line
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *(f"{DEFAULT}-bars-seed{seed}" for seed in (0, 1)), f"{DEFAULT}-bars-seeds0-1",
    }  # fmt: skip


def test_a_seed_of_a_series_alone_gives_the_same_run(job: Any, tmp_path: Path) -> None:
    """As the command in each report says."""
    assert job("--seed", 3, "--seeds", 2, "--json", tmp_path / "r.json", "--quiet") == 0
    series = json.loads((tmp_path / "r.json").read_text())
    assert [result["seed"] for result in series] == [3, 4]
    page = (tmp_path / "out" / f"{DEFAULT}-bars-seed4" / "report.html").read_text()
    [line] = re.findall(r"<pre>(python .*)</pre>", page)
    program, script, *options = shlex.split(html.unescape(line))
    assert (program, script) == ("python", "benchmarks/mnist_mlp.py")
    assert options[-2:] == ["--seed", "4"]
    again = [*options, "--out", str(tmp_path), "--json", str(tmp_path / "a.json"), "--quiet"]
    assert mnist_mlp.main(again) == 0
    [alone] = json.loads((tmp_path / "a.json").read_text())
    assert alone["weights_sha256"] == series[1]["weights_sha256"]
    group = (tmp_path / "out" / f"{DEFAULT}-bars-seeds3-4" / "report.html").read_text()
    assert "--epochs 1 --seed 3 --seeds 2</pre>" in group


def test_the_command_names_how_the_gradients_were_made(job: Any, tmp_path: Path) -> None:
    assert job("--by-hand", "--eager", "--quiet") == 0
    page = (tmp_path / "out" / f"{DEFAULT}-bars-seed0" / "report.html").read_text()
    assert "--seed 0 --by-hand --eager</pre>" in page


def test_runs_repeat_themselves(job: Any, tmp_path: Path) -> None:
    digests = []
    for name in ("a.json", "b.json"):
        assert job("--json", tmp_path / name, "--quiet") == 0
        digests.append(json.loads((tmp_path / name).read_text())[0]["weights_sha256"])
    assert digests[0] == digests[1]


class Told:
    """A callback that notes where trainings start and end."""

    def __init__(self) -> None:
        self.of: list[str | None] = []

    def on_start(self, run: Any) -> None:
        self.of.append(f"start of {run.epochs} epochs")

    def on_end(self, history: Any) -> None:
        self.of.append(history.stopped)


# one of those that differ in more than how wide and how long
PLAIN = {
    (each.by_hand, each.optimiser, each.batch_size is None, len(each.sizes)): name
    for name, each in RECIPES.items()
    if each.is_plain
}


@pytest.mark.parametrize("name", list(PLAIN.values()))
def test_by_hand_gives_the_same_weights(name: str, images: Path) -> None:
    """Up to the rounding of float32 sums, with layers of at most 50."""
    dataset = data.load_dataset(str(images))
    first, *hidden, last = RECIPES[name].sizes
    sizes = (first, *(min(size, 50) for size in hidden), last)
    recipe = replace(RECIPES[name], sizes=sizes, transform=None, epochs=2)
    told = Told()
    auto, hand = (
        run(recipe, "bars", dataset, trainer=way, callbacks=[told]) for way in (None, fit_by_hand)
    )
    assert told.of == 2 * ["start of 2 epochs", "finished"]
    for name, value in auto.model.state_dict().items():
        np.testing.assert_allclose(hand.model.state_dict()[name], value, rtol=1e-3, atol=2e-5)
    for mine, theirs in zip(auto.history, hand.history, strict=True):
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
        assert mine.learning_rate == theirs.learning_rate


def test_all_trains_the_references(
    plain_pictures: None, tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Fashion-MNIST is not at hand: one sentence says how to get it."""
    del plain_pictures
    small = {name: replace(RECIPES[name], sizes=(784, 12, 10)) for name in REFERENCES}
    monkeypatch.setattr(train, "RECIPES", {**RECIPES, **small})
    monkeypatch.setattr(data, "mnist", lambda: data.load_dataset(str(images)))

    def missing(*_: Any, **__: Any) -> Any:
        raise tg.DataError("no Fashion-MNIST here; install it.")

    monkeypatch.setattr(data, "load", missing)
    given = ["--recipe", "all", "--epochs", "1", "--quiet", "--out", str(tmp_path / "out")]
    assert mnist_mlp.main([*given, "--json", str(tmp_path / "r.json")]) == 0
    printed = capsys.readouterr()
    assert printed.err == "ref-2 on Fashion-MNIST is left out: no Fashion-MNIST here; install it.\n"
    results = json.loads((tmp_path / "r.json").read_text())
    assert [result["recipe"] for result in results] == list(REFERENCES)
    for result, row in zip(results, printed.out.splitlines()[2:7], strict=True):
        recipe = RECIPES[result["recipe"]]
        assert result["reported_accuracy"] == recipe.reported_accuracy("mnist")
        judged = result[f"{recipe.judged_on}_accuracy"]
        verdict = "reached" if judged >= result["reported_accuracy"] else "MISSED"
        assert row.endswith(f"{100 * result['reported_accuracy']:.2f} {recipe.judged_on} {verdict}")


def test_all_trains_ref_2_on_fashion_too_where_it_is_at_hand(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = data.load_dataset(str(images))
    monkeypatch.setattr(data, "mnist", lambda: dataset)
    monkeypatch.setattr(data, "load", lambda *_, **__: dataset)
    wanted = train.jobs(train.parse(["--recipe", "all"]), print)
    assert [(recipe.name, name) for recipe, name, _ in wanted] == [
        ("ref-0", "mnist"), ("ref-1", "mnist"), ("ref-2", "mnist"), ("ref-2", "fashion"),
        ("ref-3", "mnist"), ("ref-4", "mnist"),
    ]  # fmt: skip


def test_the_program_is_one(tmp_path: Path) -> None:
    """From another folder, by the path of its file."""
    program = [sys.executable, str(ROOT / "benchmarks" / "mnist_mlp.py"), "--epochs", "0"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mnist_mlp.py: --epochs 0: at least 1 is needed.\n"


def test_a_network_with_batch_normalisation_and_dropout(
    job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(RECIPES["dropout"], sizes=(784, 24, 24, 10))
    monkeypatch.setattr(train, "RECIPES", {**RECIPES, "dropout": small})
    assert job("--recipe", "dropout", "--quiet") == 0
    folder = tmp_path / "out" / "dropout-bars-seed0"
    drawn = (folder / "graph.dot").read_text()
    assert "standardise" in drawn and "Dropout" in drawn
    weights = tg.load(folder / "weights.npz")
    assert weights["layers.2.num_batches_tracked"] > 0
    assert weights["layers.2.running_mean"].shape == (24,)


def test_recipes_for_other_data_take_those(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(place: str, **_: Any) -> Any:
        asked.append(place)
        return data.load_folder(images)

    monkeypatch.setattr(data, "load", load)
    for dataset, expected in ((None, "fashion"), ("there", "there")):
        words = ["--dataset", dataset] if dataset else []
        given = train.parse(["--recipe", "fashion", *words])
        ((recipe, name, _),) = train.jobs(given, print)
        assert (recipe.name, name) == ("fashion", expected)
    assert asked == ["fashion", "there"]


TRAINED = 500  # of 600 images; 100 are held out

SPEEDS = {"replayed": (), "eager": ("--eager",), "small batches": ("--batch", 32)}


@pytest.mark.parametrize("options", SPEEDS.values(), ids=SPEEDS)
def test_images_per_second_are_those_of_the_epoch(
    options: tuple[Any, ...], job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job("--epochs", 2, "--json", tmp_path / "all.json", *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{DEFAULT} on bars, seed 0"
    [result] = json.loads((tmp_path / "all.json").read_text())
    for number, (line, epoch) in enumerate(zip(lines[1:3], result["history"], strict=True), 1):
        told = re.fullmatch(rf"  epoch   {number}  loss .*  ([\d,]+) images/s", line)
        assert told is not None
        images = round(int(told[1].replace(",", "")) * epoch["seconds"])
        assert images == pytest.approx(TRAINED, abs=1 + epoch["seconds"])


def test_quiet(job: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert job("--epochs", 2, "--eager", "--quiet") == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 4
    assert printed.err == ""


def test_a_bar_on_a_terminal(
    job: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tqdm = pytest.importorskip("tqdm")
    every = functools.partial(tqdm.tqdm, mininterval=0, miniters=1)  # else only the ends are drawn
    monkeypatch.setattr(tqdm, "tqdm", every)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert job() == 0
    printed = capsys.readouterr()
    assert f"{DEFAULT} on bars, seed 0: 100%" in printed.err
    assert "epoch 1, loss " in printed.err
    assert ", accuracy " in printed.err
    assert "measuring accuracies" in printed.err
    assert len(printed.out.splitlines()) == 4


def test_without_tqdm_and_matplotlib(
    whole_job: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("tqdm", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert whole_job("--seeds", 2) == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "for a progress bar: pip install tqdm.",
        "pictures of training need matplotlib: pip install matplotlib.",
    ]
    assert "  epoch   1  loss " in printed.out
    folder = tmp_path / "out" / f"{DEFAULT}-bars-seed1"
    assert sorted(p.stem for p in folder.iterdir()) == ["graph", "report", "result", "weights"]
    page = (folder / "report.html").read_text()
    assert page.count("<p>pictures of training need matplotlib: pip install") == len(PICTURES)


def test_without_a_program_that_draws_graphs(
    plain_figures: None,
    whole_job: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del plain_figures
    monkeypatch.setattr("tinygrad_np.draw.render.programs", list)
    assert whole_job("--quiet") == 0
    [note] = capsys.readouterr().err.splitlines()
    assert "pip install graphviz-pure" in note
    folder = tmp_path / "out" / f"{DEFAULT}-bars-seed0"
    assert (folder / "graph.dot").read_text().startswith("digraph")
    assert not (folder / "graph.svg").exists()


def test_a_run_that_diverges_is_reported_as_json_can(images: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPES["ref-4"], sizes=(784, 10, 10), schedule=lambda *_: 1e30, epochs=2)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="the loss is nan in batch"):
        result = run(recipe, "bars", data.load_dataset(str(images)))
    write_json(tmp_path / "new" / "f.json", [result.as_json()])
    [figures] = json.loads((tmp_path / "new" / "f.json").read_text(), parse_constant=pytest.fail)
    assert math.isnan(result.test_loss)
    assert figures["test_loss"] is None
    assert figures["history"][-1]["train_loss"] is None
    assert result.history.stopped == "diverged"


# --- bad input


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def broken(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    path = write_idx(folder) / name
    path.write_bytes(change(path.read_bytes()))
    return folder


def without(folder: Path, name: str) -> Path:
    (write_idx(folder) / name).unlink()
    return folder


def file(path: Path, content: bytes = b"") -> Path:
    path.write_bytes(content)
    return path


BAD: dict[str, tuple[Callable[[Path], list[Any]], str]] = {
    "unknown recipe": (lambda _: ["--recipe", "ref-9"], "there is no recipe 'ref-9'; known: "),
    "unknown data set": (lambda p: ["--dataset", p / "nothing"], "found no data set, folder or"),
    "empty name": (lambda _: ["--dataset", ""], "found no data set"),
    "empty folder": (lambda p: ["--dataset", empty(p / "e")], "found no file"),
    "missing file": (lambda p: ["--dataset", without(p / "d", NAMES[3])], f"found no {NAMES[3]}"),
    "wrong magic": (
        lambda p: ["--dataset", broken(p / "d", NAMES[0], lambda b: b"\1" + b[1:])],
        "byte 0: found 0x01000803",
    ),
    "truncated": (
        lambda p: ["--dataset", broken(p / "d", NAMES[2], lambda b: b[:-5])],
        "found the end, expected",
    ),
    "trailing bytes": (
        lambda p: ["--dataset", broken(p / "d", NAMES[1], lambda b: b + b"\0")],
        "found more data",
    ),
    "damaged gzip": (
        lambda p: ["--dataset", broken(p / "d", NAMES[1], lambda b: b"\x1f\x8b" + b)],
        "gzip data",
    ),
    "label out of range": (
        lambda p: ["--dataset", broken(p / "d", NAMES[1], lambda b: b[:-1] + b"\x0b")],
        "found 11, expected 0 to 9",
    ),
    "wrong image size": (
        lambda p: ["--dataset", write_idx(p / "d", side=24), "--recipe", "cnn"],
        "576 pixels each and the network of recipe cnn has 784 inputs",
    ),
    "no images": (lambda p: ["--dataset", write_idx(p / "d", train=0)], "part has no picture"),
    "three images": (lambda p: ["--dataset", write_idx(p / "d", train=3)], "split: found"),
    "no test images": (
        lambda p: ["--dataset", write_idx(p / "d", test=0)],
        "the test part has no picture",
    ),
    "corrupt CSV": (
        lambda p: ["--dataset", file(p / "t.csv", b"label,pixel0\n1,x\n")],
        "row 2, column 2: found 'x'",
    ),
    "a pickle": (lambda p: ["--dataset", file(p / "t.pkl", b"\x80\4N.")], "this is a pickle"),
    "no epochs": (lambda _: ["--epochs", 0], "--epochs 0: at least 1 is needed"),
    "negative seed": (lambda _: ["--seed", -1], "--seed -1: at least 0 is needed"),
    "resume by hand": (lambda _: ["--resume", "--by-hand"], "--resume needs checkpoints"),
    "stray word": (lambda _: ["ref-0"], "unrecognized arguments: ref-0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    case: str, job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = BAD[case]
    json_file = tmp_path / "r.json"
    options = make(tmp_path)
    json_file.write_text("old")
    before = set(tmp_path.rglob("*"))
    assert job("--json", json_file, *options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("mnist_mlp.py: ")
    assert message in line
    assert json_file.read_text() == "old"
    made = set(tmp_path.rglob("*")) - before
    assert made <= ({tmp_path / "out"} if "json" in case else set())


def test_a_full_disk_leaves_the_old_json(
    job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.json").write_text("old")

    def full(descriptor: int) -> None:
        del descriptor
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert job("--json", tmp_path / "r.json", "--quiet") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "checkpoint.npz: cannot be written (No space left on device)" in line
    assert (tmp_path / "r.json").read_text() == "old"
    assert list(tmp_path.rglob("*.part")) == []


def test_control_c_is_one_line(
    job: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", stopped)
    assert job("--quiet") == 130
    assert capsys.readouterr().err == "mnist_mlp.py: stopped.\n"


def interrupted_at(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after so many epochs of any training."""

    recorded = tg.training.Histograms.on_epoch

    def on_epoch(record: Any, done: Any) -> None:
        recorded(record, done)
        if done.epoch == epoch:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(tg.training.Histograms, "on_epoch", on_epoch)


def test_control_c_leaves_results_and_resume_goes_on(
    job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--quiet", "--eager", "--epochs", 4, "--seeds", 2, "--json", tmp_path / "r.json")
    assert job(*given) == 0
    expected = json.loads((tmp_path / "r.json").read_text())
    assert list(tmp_path.rglob("checkpoint.npz")) == []
    shutil.rmtree(tmp_path / "out")
    capsys.readouterr()
    with monkeypatch.context() as patch:
        interrupted_at(3, patch)
        assert job(*given) == 130
    printed = capsys.readouterr()
    assert printed.err == "interrupted in epoch 3 of 4; --resume continues from there.\n"
    assert " 3/4 interrupted " in printed.out
    assert printed.out.splitlines()[2].startswith(DEFAULT)
    [reached] = json.loads((tmp_path / "r.json").read_text())
    assert [epoch["epoch"] for epoch in reached["history"]] == [1, 2, 3]
    assert reached["epochs"] == 3
    state = tg.load(tmp_path / "out" / f"{DEFAULT}-bars-seed0" / "weights.npz")
    assert weights_sha256(state) == reached["weights_sha256"]
    assert job(*given, "--resume") == 0
    found = json.loads((tmp_path / "r.json").read_text())
    assert [r["weights_sha256"] for r in found] == [r["weights_sha256"] for r in expected]
    for ours, theirs in zip(found, expected, strict=True):
        losses = [[e["step_losses"] for e in r["history"]] for r in (ours, theirs)]
        assert losses[0] == losses[1]
    assert list(tmp_path.rglob("checkpoint.npz")) == []


def test_what_has_finished_is_kept_and_what_has_not_begun_is_said(
    job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--quiet", "--eager", "--epochs", 2, "--resume", "--json", tmp_path / "r.json")
    assert job(*given) == 0
    printed = capsys.readouterr()
    title = f"{DEFAULT} on bars, seed "
    begun = "nothing to resume under {}; training from the start.\n".format(tmp_path / "out")
    assert printed.err == f"{title}0: {begun}"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(train, "run", None)
        assert job(*given) == 0
    again = capsys.readouterr()
    finished = "has finished; without --resume it is trained again.\n"
    assert again.out == printed.out
    assert again.err == f"{title}0: {finished}"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert job(*given, "--seeds", 2) == 0
    assert capsys.readouterr().err == f"{title}0: {finished}{title}1: {begun}"
    (tmp_path / "out" / f"{DEFAULT}-bars-seed0" / "result.json").write_text("{}")
    assert job(*given) == 0
    assert begun in capsys.readouterr().err


def test_a_finished_run_of_other_settings_is_not_replaced(
    job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def folders() -> dict[str, str]:
        found = (tmp_path / "out").iterdir()
        return {p.name: json.loads((p / "result.json").read_bytes())["command"] for p in found}

    usual = f"{DEFAULT}-bars-seed0"
    given = ("--quiet", "--eager", "--epochs")
    assert job(*given, 1) == 0
    before = (tmp_path / "out" / usual / "weights.npz").read_bytes()
    capsys.readouterr()
    with monkeypatch.context() as patch:
        interrupted_at(1, patch)
        assert job(*given, 2) == 130
    assert job(*given, 2, "--resume") == 0
    [said] = [e for e in set(capsys.readouterr().err.splitlines()) if "other data" in e]
    place = tmp_path / "out" / usual
    assert said == f"{place} has a run of other data or settings; this one goes to {place}-2."
    assert job(*given, 2) == 0
    assert {name: c.split(" --epochs ")[1][:1] for name, c in folders().items()} == {
        usual: "1", f"{usual}-2": "2",
    }  # fmt: skip
    assert (place / "weights.npz").read_bytes() == before


def test_another_run_is_not_resumed(
    job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupted_at(1, patch)
        assert job("--quiet", "--eager", "--epochs", 3) == 130
    capsys.readouterr()
    assert job("--quiet", "--epochs", 4, "--resume") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "checkpoint.npz: is a checkpoint of another training" in line
    assert len(list(tmp_path.rglob("checkpoint.npz"))) == 1
    assert job("--quiet", "--eager", "--epochs", 1) == 0  # without --resume it starts again
    assert list(tmp_path.rglob("checkpoint.npz")) == []


def test_control_c_by_hand_leaves_results(
    job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_at(2, monkeypatch)
    assert job("--quiet", "--epochs", 3, "--by-hand", "--json", tmp_path / "r.json") == 130
    assert capsys.readouterr().err == "interrupted in epoch 2 of 3.\n"
    [reached] = json.loads((tmp_path / "r.json").read_text())
    assert [epoch["epoch"] for epoch in reached["history"]] == [1, 2]


def test_the_order_of_batches_and_the_weights_come_from_the_seed_alone(images: Path) -> None:
    dataset = data.load_dataset(str(images))
    recipe = replace(RECIPES["ref-4"], sizes=(784, 10, 10), epochs=1)
    first = run(recipe, "bars", dataset, seed=3)
    np.random.seed(1)
    second = run(recipe, "bars", dataset, recipe.parts(dataset), seed=3)
    assert first.history[0].step_losses == second.history[0].step_losses
    assert runs.weights_sha256(first.model.state_dict()) == runs.weights_sha256(
        second.model.state_dict()
    )
