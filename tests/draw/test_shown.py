"""How objects show themselves: a line of text, and HTML in a notebook."""

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.draw.test_page import EVIL, Reader
from tinygrad_np import data, draw, nn, optim, training
from tinygrad_np.data import augment
from tinygrad_np.markup import chart, of_array
from tinygrad_np.replay import Program, Replay
from tinygrad_np.replay.show import Profile

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3


class Schedule:
    """A callable that says nothing about itself."""

    def __call__(self, step: int) -> float:
        return 0.1 / (1 + step)


class Told:
    """Keeps what ``fit`` hands out."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def on_start(self, run: training.Run) -> None:
        self.given.append(run)

    def on_step(self, now: training.Progress) -> None:
        self.given[1:] = [now]


def modules() -> list[nn.Module]:
    """One of each class of layers."""
    recurrent = [kind(4, 3, seed=0) for kind in (nn.RNN, nn.LSTM, nn.GRU)]
    plain = [
        nn.ELU(), nn.GELU(approximate="tanh"), nn.Identity(), nn.LeakyReLU(), nn.ReLU(),
        nn.Sigmoid(), nn.SiLU(), nn.Softmax(), nn.Softplus(), nn.Tanh(), nn.Flatten(),
        nn.AvgPool2d(2), nn.MaxPool2d(2), nn.AvgPool1d(2), nn.MaxPool1d(2), nn.BatchNorm1d(3),
        nn.BatchNorm2d(3), nn.LayerNorm(3),
        nn.Dropout(seed=0), nn.Dropout2d(seed=0), nn.GroupNorm(1, 3), nn.AdaptiveAvgPool2d(1),
        nn.ZeroPad2d(1), nn.Upsample(scale_factor=2),
    ]  # fmt: skip
    return [
        *recurrent, *plain, nn.Linear(2, 3, seed=0), nn.Conv2d(1, 2, 3, seed=0),
        nn.Conv1d(1, 2, 3, seed=0), nn.ConvTranspose2d(1, 2, 3, seed=0),
        nn.Embedding(5, 2, seed=0), nn.MultiheadAttention(4, 2, seed=0),
        nn.Sequential(nn.Linear(4, 3, seed=0), lambda x: x * 2.0),
        nn.ModuleList([nn.Tanh()]), nn.ModuleDict({"a": nn.Tanh()}), nn.Module(),
    ]  # fmt: skip


def objects(folder: Path) -> list[Any]:
    """One or more of each public class, and of what they give."""
    model = nn.Sequential(nn.Linear(4, 3, seed=0))
    distorted = data.batches(X, Y, 4, seed=0, transform=augment.Distort())
    optimisers = [
        kind(nn.Linear(2, 2, seed=0).parameters(), Schedule() if i % 2 else 0.1)
        for i, kind in enumerate(
            (optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Adadelta, optim.Optimiser)
        )
    ]
    sgd = optim.SGD(model.parameters(), lambda _: 0.1, clip_norm=1.0)
    told, histograms = Told(), training.Histograms(model, X, Y)
    batches = data.batches(X, Y, 4, seed=0)
    history = training.fit(model, batches, sgd, epochs=2, callbacks=[told, histograms],
                           checkpoint=folder / "c.npz")  # fmt: skip
    diagnosis = training.diagnose(model, X, Y)

    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(model(x), y)
        sgd.zero_grad()
        loss.backward()
        return loss

    replay = tg.replay(step)
    before = [tg.replay(Schedule())]
    for _ in range(3):
        replay(X, Y)
    leaf = tg.Tensor(X, requires_grad=True, name="x")
    schedules = [
        optim.WarmUp(Schedule(), 3), optim.WarmUp(lambda _: 0.1, 3), optim.StepDecay(0.1, 3),
        optim.CosineDecay(0.1, 3), optim.InverseTimeDecay(0.1, 0.1), optim.OneCycle(0.1, 9),
    ]  # fmt: skip
    return [
        leaf, leaf * 2.0, *modules(), *optimisers, sgd, *schedules, *told.given, histograms,
        history, history[0], diagnosis, diagnosis.findings[0], diagnosis.measurements, batches,
        training.EarlyStopping(2), *before, replay, replay.program, replay.profile(1),
        draw.graph(leaf * 2.0), draw.graph(replay), tg.trace(step, X, Y), distorted,
        tg.receipt(lambda x: np.sum(np.tanh(x)), X),
        augment.Distort(),
        training.calibration(np.eye(3), np.arange(3)), *histograms.gradients["0.weight"],
        training.precision_recall(np.arange(3), np.arange(3), 3), tg.no_grad(),
        tg.anomaly(),
        data.Dataset(((X, Y), (X, Y))), tg.polynomial.POWER,
        training.Checkpoint.load(folder / "c.npz"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return objects(tmp_path_factory.mktemp("shown"))


def public_classes() -> set[type]:
    """The classes that a user finds under a public name, but exceptions."""
    rooms: list[ModuleType] = [tg, nn, optim, data, training, draw, tg.random, tg.polynomial]
    found = [value for room in rooms for name, value in vars(room).items() if name[0] != "_"]
    classes = {value for value in found if inspect.isclass(value)}
    classes = {kind for kind in classes if kind.__module__.startswith(tg.__name__)}
    return {kind for kind in classes if not issubclass(kind, Exception)}


def test_no_object_shows_a_place_in_memory(shown: list[Any]) -> None:
    assert public_classes() - {kind for thing in shown for kind in type(thing).mro()} == set()
    assert {Replay, Program, Profile} <= {type(thing) for thing in shown}
    for thing in shown:
        for text in (repr(thing), str(thing), getattr(thing, "_repr_html_", str)()):
            assert " at 0x" not in text, text


def test_html_is_well_formed_and_escaped(shown: list[Any]) -> None:
    evil = tg.Tensor(np.ones((2, 3)), requires_grad=True, name=EVIL)
    lost = training.History(stopped="diverged", cause=EVIL)
    found = training.Diagnosis(
        [training.Finding("warning", EVIL, EVIL, EVIL)], shown_measurements(shown)
    )
    layer = type(f"Evil{EVIL}", (nn.Module,), {"extra_repr": lambda _: EVIL})()
    drawn = [t for t in shown if hasattr(t, "_repr_html_")]
    assert len({type(t) for t in drawn}) > 20
    for thing in (evil, lost, found, layer, *drawn):
        read = Reader(thing._repr_html_())
        assert "script" not in {tag for tag, _ in read.tags}
    for thing in (evil, lost, found, layer):
        assert EVIL in Reader(thing._repr_html_()).text


def shown_measurements(shown: list[Any]) -> Any:
    return next(t for t in shown if isinstance(t, training.Diagnosis)).measurements


def text(thing: Any) -> str:
    """The text of its HTML with single blanks."""
    return " ".join(re.sub("<[^>]*>", " ", thing._repr_html_()).split())


def test_a_tensor_shows_values_or_statistics() -> None:
    w = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, dtype=np.float32, name="w")
    assert text(w) == (
        "Tensor · shape=(2, 2) · dtype=float32 · name=&#x27;w&#x27; · requires_grad=True "
        "0 1 0 1.0 2.0 1 3.0 4.0"
    )
    made = tg.Tensor(np.repeat([0.0, 4.0], 60), requires_grad=True) * 1.0
    assert text(made) == (
        "Tensor · shape=(120,) · dtype=float64 · made by multiply min max mean std zeros "
        "0.0 4.0 2.0 2.0 50 %"
    )
    ill = tg.Tensor(np.array([np.nan, np.inf, *[5.0] * 120]))
    assert text(ill).endswith("min max mean std zeros not finite 5.0 5.0 5.0 0.0 0 % 2")
    for array, said in (
        (np.full(200, True), "true 100 %"),
        (np.full(200, 3 + 4j), "min of |·| max of |·| mean of |·| std of |·| zeros of |·| 5.0 5.0"),
        (np.zeros((0, 3)), "[]"), (np.array(7), "7"), (np.full(101, np.nan), "not finite 101"),
        (np.full(101, 1e308), "min max mean std zeros 1e+308 1e+308 inf"),
    ):  # fmt: skip
        assert said in " ".join(re.sub("<[^>]*>", " ", of_array(array)).split())


def test_a_module_shows_what_it_learns() -> None:
    model = nn.Sequential(nn.Linear(2, 3, seed=0), nn.BatchNorm1d(3)).eval()
    model[0].requires_grad_(False)
    model[0].weight.data[...] = 2.0
    said = text(model)
    assert said.startswith("Sequential · 6 parameters · evaluation mode name shape dtype elements")
    assert "0.weight (3, 2) float32 6 2.0 0.0 not trained" in said
    assert "1.running_mean (3,) float32 3 0.0 0.0 not trained" in said
    assert "1.weight (3,) float32 3 1.0 0.0 1.bias" in said
    many = nn.ModuleList([nn.Linear(1, 1, seed=0) for _ in range(40)])
    assert "… and 20 more" in text(many)
    assert many._repr_html_().count("<tr>") == 61


def test_a_history_shows_its_curves(shown: list[Any]) -> None:
    history = next(t for t in shown if isinstance(t, training.History))
    drawn = history._repr_html_()
    assert drawn.count("<svg") == 2  # loss and accuracy
    assert f"{history[1].train_loss:.4g}" in drawn
    assert "History · 2 epochs · finished" in text(history)
    nothing = training.History()
    assert text(nothing) == "History · 0 epochs · going on"


def test_a_chart_leaves_gaps_and_has_round_numbers() -> None:
    drawn = chart({"a": ([0, 1, 2, 3], [0.0, 1.0, float("nan"), 4.0]), "b": ([], [])}, "t", "x")
    [path] = re.findall(r'<path d="(M[^h"]*L[^"]*M[^"]*)"', drawn)
    assert re.sub(r"[\d. ]+", "·", path) == "M·L·M·"
    assert re.findall(r'text-anchor="end"[^>]*>([^<]*)<', drawn) == ["0", "1", "2", "3", "4"]
    assert drawn.count("<circle") == 3
    for values in ([3.0, 3.0], [0.0, 0.0], [1e300, -1e300], [float("inf"), 1.0], [], [1e-9, 2e-9]):
        Reader(chart({"a": (range(len(values)), values)}, "t", "x"))


def test_a_replayed_step_shows_its_equations(shown: list[Any]) -> None:
    replay = next(t for t in shown if type(t) is Replay and t._local.last is not None)
    assert text(replay).startswith("Replay(objects.&lt;locals&gt;.step, 1 program recorded")
    assert text(replay.program).startswith(f"Program · {str(replay.program).split(',')[0]}")
    assert "row_product(" in text(replay)
    assert re.search(r"test_shown\.py:\d+", text(replay))
    assert "nothing recorded yet: call it twice" in text(tg.replay(np.sin))


def test_figures_show_themselves(shown: list[Any]) -> None:
    pytest.importorskip("matplotlib")
    history = next(t for t in shown if isinstance(t, training.History))
    figures = [
        draw.curves(history), draw.confusion(np.eye(3)), draw.weights(X, (2, 2)),
        draw.embedding(X, Y, "pca"), draw.reliability(np.eye(3), np.arange(3)),
        draw.predictions(np.ones((3, 2, 2)), np.arange(3), np.eye(3)),
    ]  # fmt: skip
    by_name = draw.diagnosis(next(t for t in shown if isinstance(t, training.Diagnosis)))
    for figure in (*figures, *by_name.values()):
        assert " at 0x" not in repr(figure)
        assert hasattr(figure, "_repr_png_")
    assert figures[1]._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    one_of_them = type(by_name)({EVIL: figures[1]})
    read = Reader(one_of_them._repr_html_())  # type: ignore[attr-defined]
    assert [tag for tag, _ in read.tags] == ["b", "figure", "img"]
