"""The search: what it keeps, how it goes on, what it writes, how it refuses."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from benchmarks import search
from benchmarks.contenders.processes import RefusedError
from benchmarks.trial import GAINS, Trainer, network
from tinygrad_np import data, training
from tinygrad_np.run.recipes import RECIPES

NAMES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
PICTURES = [f"{name}.png" for name, *_ in search.PLOTS]
Job = Callable[..., int]


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 8×8 pixels with a bright row for each class, in noise."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 380).astype(np.uint8)
    images = rng.integers(0, 120, (380, 8, 8)).astype(np.uint8)
    images[np.arange(380), labels] += 60
    arrays = (images[:360], labels[:360], images[360:], labels[360:])
    for name, array in zip(NAMES, arrays, strict=True):
        data.save_idx(folder / name, array)
    return folder


@pytest.fixture
def job(bars: Path, tmp_path: Path) -> Job:
    """Run the program on the small images."""

    def run(trials: int, *options: object, out: Path = tmp_path / "out") -> int:
        given = ["--trials", trials, "--dataset", bars, "--train", 300, "--epochs", 2]
        return search.main([str(o) for o in (*given, "--out", out, *options)])

    return run


class Pretender:
    """In place of a process: the accuracy comes from the rate, and is doubled in each epoch."""

    def __init__(self, **_: Any) -> None:
        self.asked: list[str] = []

    def __enter__(self) -> "Pretender":
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def ask(self, do: str, **request: Any) -> Any:
        self.asked.append(do)
        if do == "start":
            self.value = 0.2 * math.exp(-abs(math.log(request["settings"]["learning_rate"] / 3e-3)))
        if do == "epoch":
            self.value *= 2
            return {"accuracy": self.value, "seconds": 1.0}
        return {}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "Process", Pretender)
    monkeypatch.setattr(search, "plot", lambda folder, study: None)  # noqa: ARG005


def study_in(folder: Path) -> Any:
    storage = search.read_journal(folder / "search.journal")
    return optuna.load_study(study_name=search.STUDY, storage=storage)


def kept(folder: Path) -> list[tuple[dict[str, Any], dict[int, float], str]]:
    trials = study_in(folder).trials
    return [(t.params, t.intermediate_values, t.state.name) for t in trials]


# --- the search


@pytest.mark.slow
def test_a_search_of_two_jobs_that_goes_on_after_an_end_within_a_trial(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(search, "plot", lambda folder, study: None)  # noqa: ARG005
        assert job(2, "--quiet") == 0
    before = kept(out)
    study_in(out).ask(search.space())
    with (out / "search.journal").open("ab") as journal:
        journal.write(b'{"op_code":4,"wor')  # the program is killed here
    assert json.loads((out / "best.json").read_text())["lost"] == 0
    capsys.readouterr()
    assert job(4, "--jobs", 2) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert kept(out)[:2] == before
    assert [state for _, _, state in kept(out)] == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 2
    study = study_in(out)
    lines = printed.out.splitlines()
    assert lines[0] == lines[3] == search.HEAD
    assert {int(line.split()[0]) for line in lines[1:3]} == {3, 4}
    best = study.best_trial
    assert lines[5].split()[:2] == [str(best.number), f"{100 * best.value:.2f}"]
    assert lines[-1].startswith("4 trials complete, 0 pruned, 1 lost")
    assert best.value > 0.3
    written = json.loads((out / "best.json").read_text())
    assert written["validation_accuracy"] == best.value
    assert written["settings"] == best.params
    assert (written["trial"], written["complete"]) == (best.number, 4)
    assert {path.name for path in out.iterdir()} == {*PICTURES, "best.json", "search.journal"}
    for name in PICTURES:
        assert (out / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("pretended")
def test_a_search_that_goes_on_gives_what_one_at_once_gives(job: Job, tmp_path: Path) -> None:
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    for trials in (3, 7, 5):  # the last ones are there already
        assert job(trials, out=parts) == 0
    assert job(7, out=whole) == 0
    assert kept(parts) == kept(whole)
    assert len(kept(whole)) == 7
    assert kept(whole)[0][0] == search.FIRST
    rates = [params["learning_rate"] for params, _, _ in kept(whole)]
    assert len(set(rates)) == 7
    assert job(3, "--seed", 1, out=tmp_path / "other") == 0
    assert kept(tmp_path / "other")[1:] != kept(whole)[1:3]


def in_memory(**options: Any) -> search.Search:
    given = search.parse(["--epochs", "2", "--quiet"])
    pruner = optuna.pruners.MedianPruner(n_startup_trials=search.PRUNED_AFTER)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    return search.Search(given, study, 10, iter(range(20)), **options)


def test_trials_below_the_median_are_pruned() -> None:
    on_its_way = in_memory()
    for _ in range(search.PRUNED_AFTER):
        on_its_way.study.enqueue_trial({**search.FIRST, "learning_rate": 0.003})
    on_its_way.study.enqueue_trial({**search.FIRST, "learning_rate": 0.1})
    asked = []
    for _ in range(search.PRUNED_AFTER + 1):
        process = Pretender()
        on_its_way.train(process, on_its_way.ask())  # type: ignore[arg-type]
        asked.append(process.asked)
    assert asked == [["start", "epoch", "epoch"]] * search.PRUNED_AFTER + [["start", "epoch"]]
    states = [trial.state.name for trial in search.finished(on_its_way.study)]
    assert states == ["COMPLETE"] * search.PRUNED_AFTER + ["PRUNED"]
    text = search.line(on_its_way.study.trials[-1])
    assert text.endswith("pruned after epoch 1")
    assert text.split()[1] == f"{100 * 0.2 * 0.03 * 2:.2f}"


def test_a_search_that_is_to_stop_gives_out_no_more_trials() -> None:
    assert in_memory(stopping=True).ask() is None
    on_its_way = in_memory()
    trial = on_its_way.ask()
    on_its_way.stopping = True
    on_its_way.train(Pretender(), trial)  # type: ignore[arg-type]
    assert on_its_way.study.trials[0].state.name == "RUNNING"  # and counts as lost later


@pytest.mark.usefixtures("pretended")
def test_control_c_leaves_the_outputs(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(2, "--quiet") == 0
    (tmp_path / "out" / "best.json").unlink()
    capsys.readouterr()

    def stopped(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search.Search, "run", stopped)
    assert job(4) == 130
    printed = capsys.readouterr()
    assert printed.err == "search.py: stopped.\n"
    assert "2 trials complete" in printed.out
    assert (tmp_path / "out" / "best.json").is_file()


# --- one trial


def test_training_and_validation_images_are_those_of_the_recipes(bars: Path) -> None:
    trainer = Trainer()
    trainer.read(str(bars), train=200, held=60)
    recipe = replace(RECIPES["default"], sizes=(64, 8, 10), validation=60, standardise=False)
    parts = recipe.parts(data.load_dataset(str(bars)))
    for found, expected in zip(trainer.validation, parts.validation, strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(trainer.train, parts.train, strict=True):
        np.testing.assert_array_equal(found, expected[:200])


def test_epochs_asked_for_one_by_one_are_a_training(bars: Path) -> None:
    trainer, whole = Trainer(), Trainer()
    settings = {**search.FIRST, "width": 16, "batch_size": 32}
    for one in (trainer, whole):
        one.read(str(bars), train=300, held=60)
        assert one.start(settings, epochs=3, seed=1) == {"parameters": 64 * 16 + 16 + 136 + 90}
    found = [trainer.epoch()["accuracy"] for _ in range(3)]
    history = training.fit(
        whole.model, whole.batches, whole.optimiser, epochs=3, validation=whole.validation
    )
    assert found == [epoch.validation_accuracy for epoch in history]
    assert whole.optimiser.rate() == pytest.approx(8e-3 / 1e4)
    for a, b in zip(trainer.model.parameters(), whole.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("initial", GAINS)
def test_the_scale_multiplies_the_initial_weights(initial: str) -> None:
    first, second = (
        network(64, {"initial": initial, "scale": scale, "width": 300}, seed=0)
        for scale in (1.0, 3.0)
    )
    fan = 64 if initial.startswith("he") else (64 + 300) / 2
    expected = math.sqrt((2 if initial.startswith("he") else 1) / fan)
    weight = first.parameters()[0].numpy()
    assert np.std(weight) == pytest.approx(expected, rel=0.02)
    np.testing.assert_allclose(second.parameters()[0].numpy(), 3 * weight, rtol=1e-5)


def test_a_rate_far_too_high_is_a_bad_trial_and_no_error(bars: Path) -> None:
    trainer = Trainer()
    trainer.read(str(bars), train=300, held=60)
    trainer.start({**search.FIRST, "learning_rate": 1e38}, epochs=2, seed=0)
    with pytest.warns(RuntimeWarning, match="its update was not made"):
        assert 0 <= trainer.epoch()["accuracy"] < 0.4


# --- refusals


def holding(content: bytes) -> Callable[[Path], list[object]]:
    def options(folder: Path) -> list[object]:
        (folder / "kept").write_bytes(content)
        return ["--storage", folder / "kept"]

    return options


BAD: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "no trials": (lambda _: ["--trials", 0], "--trials 0: at least 1 is needed."),
    "no jobs": (lambda _: ["--jobs", -1], "--jobs -1: at least 1 is needed."),
    "seed": (lambda _: ["--seed", -1], "--seed -1: at least 0 is needed."),
    "too many images": (lambda _: ["--train", 301], "--train 301: 300 images are left"),
    "no data": (lambda _: ["--dataset", "nowhere"], "nowhere"),
    "another file": (holding(b"mine"), "kept: not a journal of Optuna; name another file."),
    "damaged": (holding(b'{"a\n{"b\n'), "kept: a damaged journal ("),
    "strange": (holding(b'{"a": 1}\n'), "kept: a damaged journal ("),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    case: str, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = BAD[case]
    (tmp_path / "file").write_text("")
    assert job(2, *make(tmp_path)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("search.py: ")
    assert message in line
    if "not a journal" in message:
        assert (tmp_path / "kept").read_bytes() == b"mine"


@pytest.mark.usefixtures("pretended")
def test_trials_of_another_kind_are_not_mixed(
    job: Job, bars: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(1, "--quiet") == 0
    capsys.readouterr()
    assert job(2, "--epochs", 3) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"are of --dataset {bars} --epochs 2 --train 300 --seed 0; give the same" in line


def test_a_process_that_ends_is_one_line(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Dying(Pretender):
        def ask(self, do: str, **request: Any) -> Any:
            if do == "epoch":
                raise RefusedError("failed", "the process ended with code -9: no message")
            return super().ask(do, **request)

    monkeypatch.setattr(search, "Process", Dying)
    assert job(2, "--quiet") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("a trial could not be trained: the process ended with code -9: no message")


def test_without_optuna_the_remedy_is_named(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert job(1) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == "search.py: the search needs Optuna: pip install optuna."
