"""The step-time contenders compute the same; nothing here depends on how fast they do."""

import itertools
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from benchmarks import step_time, time_to_accuracy
from benchmarks.contenders import course, report, tuning
from benchmarks.contenders.contender import CannotExpressError, Task
from benchmarks.contenders.in_numpy import Plain
from benchmarks.contenders.processes import Process, RefusedError
from benchmarks.contenders.report import Result
from benchmarks.contenders.roster import ROSTER
from benchmarks.contenders.scenarios import OPTIMISERS, SCENARIOS, Scenario
from benchmarks.contenders.tuned import Choice, Products, Tuned
from benchmarks.contenders.worker import Worker

IN_PROCESS = ("hand", "plain", "eager", "replay")
every_scenario = pytest.mark.parametrize("name", SCENARIOS)
every_optimiser = pytest.mark.parametrize("optimiser", OPTIMISERS)


def small(name: str, batch: int = 20) -> Scenario:
    """The same number of layers, at most 40 wide."""
    scenario = SCENARIOS[name]
    return replace(scenario, batch=batch, sizes=tuple(min(m, 40) for m in scenario.sizes))


def losses(contender: Any, steps: int = 5) -> list[float]:
    return [contender.step() for _ in range(steps)]


# --- the contenders


@every_scenario
@every_optimiser
def test_the_first_losses_agree(name: str, optimiser: str) -> None:
    task = small(name).task(optimiser)
    expected = losses(Plain(task))
    assert expected[-1] < expected[0]
    for contender in IN_PROCESS:
        if contender != "replay" or hasattr(tg, "replay"):
            found = losses(ROSTER[contender].build(task, None))
            assert step_time.agree(found, expected, tolerance=1e-5), contender


CHOICES = [
    Choice(hidden, inputs_first, mask, rows, workers, piece, updaters)
    for hidden, inputs_first, mask, (rows, workers), (piece, updaters) in itertools.product(
        ("rows", "columns", "ones"),
        (False, True),
        ("bits", "compare"),
        ((0, 1), (7, 1), (7, 2)),
        ((0, 1), (100, 2)),
    )
]


@pytest.mark.parametrize(
    ("name", "optimiser"),
    [("leaky", "sgd"), ("tiny", "adam"), *(("three-layer", each) for each in OPTIMISERS)],
)
def test_every_choice_computes_the_same(name: str, optimiser: str) -> None:
    task = small(name).task(optimiser)
    plain = Plain(task)
    expected = losses(plain)
    for choice in CHOICES:
        contender = Tuned(task, choice)
        np.testing.assert_allclose(losses(contender), expected, rtol=1e-5, err_msg=str(choice))
        for ours, theirs in zip(contender.weights(), plain.weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5, err_msg=str(choice))


def test_relu_passes_nothing_at_zero() -> None:
    """Layer 1 gives exactly 0 for all examples, and must not learn from it."""
    task = small("two-layer").task("sgd")
    task.weights[0][...] = 0
    for mask in ("bits", "compare"):
        contender = Tuned(task, Choice(mask=mask))
        contender.step()
        assert not contender.weights()[0].any()
        assert not contender.weights()[1].any()
        assert contender.weights()[3].any()


@pytest.mark.parametrize("contender", IN_PROCESS)
def test_rates_batches_and_starting_afresh(contender: str) -> None:
    if contender == "replay" and not hasattr(tg, "replay"):
        pytest.skip("no replay")
    task = small("three-layer").task("adam")
    choice = asdict(Choice(hidden="ones")) if contender == "hand" else None
    trained = ROSTER[contender].build(task, choice)
    first = losses(trained, 2)
    assert losses(trained.fresh(), 2) == first
    trained.set_rate(0.0)
    before = trained.weights()
    kept = trained.step()
    for old, new in zip(before, trained.weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert trained.step() == kept
    task.x[...] = 1 - task.x
    trained.load()
    other = replace(task, weights=before)
    assert trained.step() == pytest.approx(Plain(other).step(), rel=1e-5)


def test_no_replay_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tg, "replay", raising=False)
    with pytest.raises(CannotExpressError, match="no replay"):
        ROSTER["replay"].build(small("tiny").task("sgd"), None)


def test_products_alone_are_the_products() -> None:
    for choice in (Choice(), Choice(hidden="ones", rows=10, workers=2)):
        contender = Products(small("three-layer").task("sgd"), choice)
        [programs] = contender.phases
        assert len(programs) == choice.workers
        assert [len(program) for program in programs] == [3 * 3 - 1] * choice.workers
        contender.step()


@pytest.mark.parametrize("blas_threads", [1, 2])
@pytest.mark.parametrize("name", ["tiny", "three-layer", "full-batch"])
def test_all_that_is_tried_can_be_built(
    name: str, blas_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Choice] = []

    def last(task: Task, choices: list[Choice], new_batches: bool) -> Choice:
        assert not new_batches
        for choice in choices:
            assert np.isfinite(Tuned(task, choice).step())
        tried.extend(choices)
        return choices[-1]

    monkeypatch.setattr(tuning, "fastest", last)
    task = small(name, batch=1500 if name == "full-batch" else 20).task("sgd")
    choice = tuning.best_choice(task, blas_threads, threads=2, new_batches=False)
    assert choice == tried[-1]
    assert {c.hidden for c in tried} == {"rows", "columns", "ones"}
    assert all(c.blas_threads == blas_threads for c in tried)
    assert all(c.workers == 1 or blas_threads == 1 for c in tried)


def test_the_fastest_is_the_one_with_the_shortest_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([3.0, 2.0, 5.0, 9.0, 4.0, 1.0] + [8.0] * 15)
    monkeypatch.setattr(tuning, "_seconds", lambda _: next(seconds))
    choices = [Choice(), Choice(hidden="columns"), Choice(hidden="ones")]
    task = small("tiny").task("sgd")
    assert tuning.fastest(task, choices, new_batches=True).hidden == "ones"


@every_scenario
def test_a_batch_cannot_be_learnt_by_heart(name: str) -> None:
    task = small(name).task("sgd")
    np.testing.assert_array_equal(task.x[:10], task.x[10:])
    assert not np.array_equal(task.y[:10], task.y[10:])
    assert task.x.dtype == np.float32
    assert [w.dtype for w in task.weights] == [np.float32] * len(task.weights)


# --- the processes


def test_a_process_answers_and_refuses() -> None:
    with Process() as process:
        task = {"scenario": "tiny", "optimiser": "sgd", "choice": None}
        expected = losses(Plain(SCENARIOS["tiny"].task("sgd")))
        found = process.ask("make", contender="plain", **task)["losses"]
        assert found == pytest.approx(expected, rel=1e-6)
        assert process.ask("steps", count=3)["seconds"] > 0
        assert process.ask("memory")["peak"] > 1 << 20
        with pytest.raises(RefusedError, match="KeyError") as refused:
            process.ask("make", contender="nobody", **task)
        assert refused.value.reason == "failed"
        process._process.kill()
        with pytest.raises(RefusedError, match="the process ended with code -9"):
            process.ask("memory")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mygrad", None)
    monkeypatch.delitem(sys.modules, "benchmarks.contenders.in_mygrad", raising=False)
    request = {"do": "make", "contender": "mygrad", "scenario": "tiny", "optimiser": "sgd"}
    assert Worker().answer({**request, "choice": None}) == {"missing": "mygrad"}


def test_a_contender_that_fails_gets_a_remark_and_no_figures() -> None:
    result = Result("deep", "sgd", "jax", seconds=[1.0])
    with step_time.remarked(result):
        raise RefusedError("failed", "no more memory")
    assert (result.remark, result.seconds) == ("failed: no more memory", [])
    with pytest.raises(RefusedError), step_time.remarked(Result("deep", "sgd", "hand")):
        raise RefusedError("failed", "no more memory")


@pytest.mark.parametrize(
    ("found", "agrees"),
    [
        ([2.0, 1.9, 1.8], True),
        ([2.00001, 1.9, 1.8], True),
        ([2.001, 1.901, 1.801], False),
        ([2.0, 1.9, 1.8003], False),
        ([2.0, 1.9, float("nan")], False),
    ],
)
def test_agreement(found: list[float], agrees: bool) -> None:
    assert step_time.agree(found, [2.0, 1.9, 1.8], tolerance=1e-4) is agrees


# --- the report


def made_up() -> list[Result]:
    def result(scenario: str, contender: str, *us: float, remark: str = "") -> Result:
        seconds = [value * 1e-6 for value in us]
        return Result(scenario, "sgd", contender, remark, seconds=seconds, peak=3 << 20)

    return [
        result("deep", "hand", 100, 90, 2000),
        result("deep", "replay", 150),
        result("deep", "torch", 300),
        result("deep", "jax", 200),
        result("deep", "sklearn", remark="cannot: no"),
        result("tiny", "hand", 10.26),
        result("tiny", "replay", 20.52),
        result("tiny", "torch", 41.04),
        result("tiny", "jax", remark="failed: oh"),
        result("tiny", "sklearn", remark="cannot: no"),
    ]


def test_table() -> None:
    assert report.table(made_up()).splitlines() == [
        "| scenario | hand-written, tuned | tinygrad_np replayed | PyTorch eager | JAX jit |",
        "|---|---:|---:|---:|---:|",
        "| 784-20×64-10, batch 64 | 100 | 150 (1.50) | 300 (3.00) | 200 (2.00) |",
        "| 2-16-16-1, batch 8 | 10.3 | 20.5 (2.00) | 41.0 (4.00) | — |",
    ]
    assert report.memory_table(made_up()).splitlines()[-1].endswith("| 3 | 3 | 3 | — |")


def test_summary() -> None:
    means = report.summary(made_up())
    assert means == {
        "replay": {
            "hand": pytest.approx(np.sqrt(1.5 * 2)),
            report.FASTEST_PEER: pytest.approx(np.sqrt(0.75 * 0.5)),
        }
    }
    assert report.summary_lines(made_up()) == [
        "tinygrad_np replayed / hand-written, tuned: 1.73 (geometric mean, scenarios: 2)",
        "tinygrad_np replayed / the fastest peer: 0.61 (geometric mean, scenarios: 2)",
    ]


def test_json() -> None:
    hand, *_, none = (result.as_json() for result in made_up())
    assert hand["median_us"] == pytest.approx(100)
    assert hand["quartiles_us"] == pytest.approx([95, 1050])
    assert (none["median_us"], none["quartiles_us"]) == (None, None)
    assert none["remark"] == "cannot: no"
    json.dumps([hand, none, step_time.machine()], allow_nan=False)


def test_losses_that_are_not_finite_become_none() -> None:
    result = Result("deep", "sgd", "jax", losses=[2.5, float("inf"), float("nan")])
    assert result.as_json()["losses"] == [2.5, None, None]


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / "r.png"
    report.draw([*made_up(), Result("wide", "adam", "hand", seconds=[1.0])], target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_plot_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib"):
        report.draw(made_up(), tmp_path / "r.png")


# --- the programs


@pytest.mark.slow
def test_what_it_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_time, "choose", lambda *_: asdict(Choice()))
    monkeypatch.setattr(step_time, "PAUSE", 0.0)
    options = ["--scenarios", "tiny", "--optimisers", "sgd", "--contenders", "plain,products"]
    target = tmp_path / "r.json"
    assert step_time.main([*options, "--quick", "--rounds", "2", "--json", str(target)]) == 0
    printed = capsys.readouterr()
    assert printed.err == "sgd, 2-16-16-1, batch 8 ...\n"
    assert "| scenario | hand-written, tuned | matrix products alone | plain NumPy |" in printed.out
    written = json.loads(target.read_text())
    assert [r["contender"] for r in written["results"]] == ["hand", "products", "plain"]
    for result in written["results"]:
        assert len(result["seconds"]) == written["rounds"] == 2
        assert result["remark"] == ""
    assert written["machine"]["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("program", "options", "message"),
    [
        (step_time, ["--scenarios", "x"], "--scenarios: there is no 'x'; known: full-batch, "),
        (step_time, ["--optimisers", ","], "--optimisers: name at least one of sgd, adam."),
        (step_time, ["--contenders", "jax,y"], "--contenders: there is no 'y'; known: hand, "),
        (step_time, ["--rounds", "0"], "--rounds 0: at least 1 is needed."),
        (time_to_accuracy, ["--contenders", "sklearn"], "--contenders: there is no 'sklearn'"),
        (time_to_accuracy, ["--repeats", "0"], "--repeats 0: at least 1 is needed."),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    program: Any, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith(f"{Path(program.__file__).name}: {message}")


# --- time to accuracy


def easy(examples: int) -> tuple[Any, Any]:
    """A training and a test part whose classes are far apart."""
    rng = np.random.default_rng(0)
    centres = rng.random((10, 784), dtype=np.float32)
    labels = rng.integers(0, 10, examples)
    images = centres[labels] + np.float32(0.1) * rng.random((examples, 784), dtype=np.float32)
    return (images, labels), (images[:200], labels[:200])


@pytest.mark.parametrize("contender", ["hand", "plain", "eager"])
def test_the_mark_is_reached(contender: str) -> None:
    outcome = course.train(ROSTER[contender], 0, None, easy(21 * 128 + 5))
    assert outcome.seconds is not None
    assert (outcome.steps, outcome.accuracy) == (60, 1.0)


def test_a_mark_that_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "MARK", 1.1)
    outcome = course.train(ROSTER["hand"], 0, None, easy(21 * 128 + 5))
    assert (outcome.seconds, outcome.steps, outcome.accuracy) == (None, 63, 1.0)


def test_the_default_recipe() -> None:
    outcome = course.train_recipe(0, easy(20 * 128))
    assert outcome.seconds is not None
    assert (outcome.steps, outcome.accuracy) == (120, 1.0)


def test_batches_are_the_same_for_all_and_each_epoch_has_each_row_once() -> None:
    found = list(course.batches(40, 10, seed=3))
    assert len(found) == 4 * course.SPRINT.epochs
    for epoch in range(course.SPRINT.epochs):
        rows = np.concatenate(found[4 * epoch : 4 * epoch + 4])
        np.testing.assert_array_equal(np.sort(rows), np.arange(40))
    np.testing.assert_array_equal(np.stack(found), np.stack(list(course.batches(40, 10, seed=3))))
    assert {len(rows) for rows in course.batches(45, 10, seed=3)} == {10}


def test_the_clock_stands_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    clock = course.Clock(steps_per_epoch=400, epochs=3)
    now = 5.0
    seconds = clock.seconds()
    now = 9.0
    clock.back_to(seconds)
    now = 10.0
    assert clock.seconds() == 6.0
    due = [step for step in range(1, 1000) if clock.due(step)]
    assert due == [200, 400, 600, 800, *range(820, 1000, 20)]


def test_table_of_times_to_accuracy() -> None:
    def outcome(seconds: float | None, steps: int) -> dict[str, Any]:
        return {"seconds": seconds, "steps": steps, "accuracy": 0.98, "start_seconds": 0.5}

    lines = [
        time_to_accuracy.Line("a", "A", [outcome(1.0, 1000), outcome(3.0, 1500), outcome(None, 9)]),
        time_to_accuracy.Line("b", "B", [outcome(None, 9)]),
        time_to_accuracy.Line("c", "C", remark="missing: c"),
    ]
    assert time_to_accuracy.table(lines).splitlines()[2:] == [
        "| A | 2.00 | 1.00–3.00 | 1,250 | 1,500 | 0.50 | 2 of 3 |",
        "| B | — | — | — | — | — | 0 of 1 |",
    ]
