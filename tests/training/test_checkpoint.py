"""Whole trainings in files: they go on bit for bit, or are refused in one sentence."""

# ruff: noqa: ARG005 - each way of damaging a file takes both of its parts

import functools
import json
import re
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import DataError, data, nn, optim, training
from tinygrad_np.training import Checkpoint

EPOCHS = 3
STEPS = 5  # per epoch, the last one with fewer examples


def examples(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return (rng.standard_normal((n, 6)) + 2 * np.eye(3, 6)[y]).astype(np.float32), y


def noisy(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return x + rng.standard_normal(x.shape, dtype=np.float32)


class Stop:
    """Ends the training after so many steps."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_step(self, _: training.Progress) -> bool:
        self.left -= 1
        return not self.left


def network(seed: int = 0, hidden: int = 8, bits: Any = None) -> nn.Module:
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(6, hidden, seed=rng),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Dropout(0.3, seed=rng if bits is None else np.random.Generator(bits(3))),
        nn.Linear(hidden, 3, seed=rng),
    )


def adam(model: nn.Module) -> optim.Optimiser:
    schedule = optim.OneCycle(0.03, EPOCHS * STEPS, final_divisor=100)  # of which some go on longer
    return optim.Adam(model.parameters(), schedule, weight_decay=1e-3)


def momentum(model: nn.Module) -> optim.Optimiser:
    return optim.SGD(model.parameters(), lambda step: 0.1 / (1 + step), momentum=0.9)


def given(kind: str = "shuffled", seed: int = 1) -> Any:
    x, y = examples(70, seed)
    if kind == "list":
        return [(x[i : i + 16], y[i : i + 16]) for i in range(0, 70, 16)]
    return data.batches(x, y, 16, seed=seed, transform=noisy)


class Training:
    """One process's worth of training; everything in it is made anew."""

    def __init__(self, kind: str = "shuffled", optimiser: Any = adam, **network_: Any) -> None:
        self.model = network(**network_)
        self.optimiser = optimiser(self.model)
        self.batches = given(kind)

    def fit(self, **options: Any) -> training.History:
        with np.errstate(under="ignore"):
            return training.fit(
                self.model, self.batches, self.optimiser,
                **{"epochs": EPOCHS, "validation": examples(40, 2), **options},
            )  # fmt: skip

    def everything(self, history: training.History) -> Any:
        """All that must not depend on interruptions, as a nest that can be compared."""
        epochs = [{**epoch.as_dict(), "seconds": None} for epoch in history]
        weights = {n: (a.dtype.str, a.tobytes()) for n, a in self.model.state_dict().items()}
        state = {
            n: a.tobytes() if isinstance(a, np.ndarray) else a
            for n, a in self.optimiser.state_dict().items()
        }
        draws = [
            module.generator.random()
            for _, module in self.model.named_modules()
            if isinstance(module, nn.Dropout)
        ]
        order = None if isinstance(self.batches, list) else self.batches.state()["generator"]
        return weights, state, epochs, draws, order, history.stopped, history.best.epoch


def whole(**options: Any) -> Any:
    made = {n: options.pop(n) for n in ("kind", "optimiser", "bits") if n in options}
    plain = Training(**made)
    return plain.everything(plain.fit(**options))


@pytest.mark.parametrize("replay", [True, False], ids=["replayed", "eager"])
@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_a_training_goes_on_from_any_step(tmp_path: Path, ending: str, replay: bool) -> None:
    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    expected = whole(replay=replay)
    for after in (5,) if replay and ending == ".npz" else (4,) if replay else (1, 3, 6, 11, 14):
        path = tmp_path / f"{after}{ending}"
        first = Training()
        stopped = first.fit(checkpoint=path, callbacks=[Stop(after)], replay=replay)
        assert stopped.stopped == "callback"
        assert sum(len(epoch.step_losses) for epoch in stopped) == after
        assert [epoch.finished for epoch in stopped][-1] == (after % STEPS == 0)
        second = Training(seed=5)
        history = second.fit(checkpoint=path, resume=True, replay=replay)
        assert second.everything(history) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "list", "replay": False},
        {"optimiser": momentum},
        {"keep_best": True, "epochs": 6, "replay": False},
        {
            "early_stopping": training.EarlyStopping(1, "validation_accuracy"), "epochs": 30,
            "replay": False,
        },
        {"bits": np.random.MT19937},
        {"validation": None, "replay": False},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_a_training_of_each_kind_goes_on(tmp_path: Path, options: dict[str, Any]) -> None:
    expected = whole(**options)
    made = {n: options[n] for n in ("kind", "optimiser", "bits") if n in options}
    options = {n: value for n, value in options.items() if n not in made}
    path = tmp_path / "training.npz"
    for after in (3, 4, 7):  # steps 3, 7 and 14
        part = Training(**made)
        history = part.fit(checkpoint=path, resume=True, callbacks=[Stop(after)], **options)
    part = Training(**made)
    history = part.fit(checkpoint=path, resume=True, **options)
    if "epochs" in options:
        assert history.stopped == ("early" if "early_stopping" in options else "finished")
        assert len(history) > EPOCHS
    assert part.everything(history) == expected


def test_every_save_is_a_place_to_go_on_from(tmp_path: Path) -> None:
    """Also those within an epoch, and at its last step."""
    path = tmp_path / "training.npz"
    expected = whole(replay=False)
    found: dict[int, bytes] = {}

    class Keep:
        def on_step(self, now: training.Progress) -> None:
            if path.exists():
                found.setdefault((now.epoch - 1) * STEPS + now.step, path.read_bytes())

    Training().fit(checkpoint=path, checkpoint_every=2, callbacks=[Keep()], replay=False)
    found[EPOCHS * STEPS + 1] = path.read_bytes()
    assert len(set(found.values())) == 8
    for content in sorted(set(found.values())):
        path.write_bytes(content)
        part = Training()
        assert part.everything(part.fit(checkpoint=path, resume=True, replay=False)) == expected


def test_a_finished_training_is_not_trained_again_but_goes_on_for_more_epochs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "training.npz"
    options: dict[str, Any] = {"optimiser": momentum, "keep_best": True, "replay": False}
    expected = whole(**options, epochs=5)
    goes_on: dict[str, Any] = {"checkpoint": path, "keep_best": True, "replay": False}
    Training(optimiser=momentum).fit(**goes_on)
    goes_on["resume"] = True
    before = path.read_bytes()
    again = Training(optimiser=momentum)
    history = again.fit(callbacks=[Stop(1)], **goes_on)
    assert (history.stopped, len(history)) == ("finished", EPOCHS)
    assert again.everything(history) == whole(**options)
    assert path.read_bytes() == before
    more = Training(optimiser=momentum)
    assert more.everything(more.fit(epochs=5, **goes_on)) == expected


def test_what_a_checkpoint_holds(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    part = Training()
    history = part.fit(checkpoint=path, callbacks=[Stop(7)], keep_best=True, replay=False)
    found = Checkpoint.load(path)
    assert list(found.weights) == list(part.model.state_dict())
    assert found.best is not None
    assert list(found.best) == list(found.weights)
    for (
        name,
        value,
    ) in part.model.state_dict().items():  # the best epoch: the unfinished or the first
        expected = found.best if history.best.finished else found.weights
        np.testing.assert_array_equal(expected[name], value)
    assert found.history.epochs == history.epochs[:1]
    assert found.tally is not None
    assert found.tally.losses == history[1].step_losses
    assert found.tally.accuracies == history[1].step_accuracies
    assert found.position.batches == STEPS
    assert list(found.generators) == ["3.generator"]
    assert [p.name for p in tmp_path.iterdir()] == ["training.npz"]


def test_divergence_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"

    def loss(outputs: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(outputs, y) * (np.inf if len(seen) == 9 else 1)

    seen: list[int] = []

    class Count:
        def on_step(self, now: training.Progress) -> None:
            seen.append(now.step)

    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="batch 5 of epoch 2"):
        history = Training().fit(
            checkpoint=path, checkpoint_every=4, loss=loss, replay=False, callbacks=[Count()]
        )
    assert history.stopped == "diverged"
    assert [len(epoch.step_losses) for epoch in history] == [5, 5]
    found = Checkpoint.load(path)
    assert found.tally is not None
    assert len(found.tally.losses) == 3


def wrong_data() -> Training:
    other = Training()
    other.batches = given(seed=4)
    return other


def fewer_batches() -> Training:
    other = Training()
    other.batches = data.batches(*examples(70, 1), 20, seed=1)
    return other


REFUSED: dict[str, tuple[Callable[[], Training], dict[str, Any], str]] = {
    "another width": (
        lambda: Training(hidden=7), {},
        r"another training: 0\.weight has shape \(8, 6\), expected \(7, 6\); 0\.bias has shape",
    ),
    "another generator": (
        lambda: Training(bits=np.random.MT19937), {},
        r"another training: generator 3\.generator has no state of MT19937\.$",
    ),
    "another optimiser": (
        lambda: Training(optimiser=momentum), {},
        "this optimiser: it is of class 'Adam', expected SGD",
    ),
    "another schedule": (
        lambda: Training(optimiser=lambda m: optim.Adam(
            m.parameters(), optim.OneCycle(0.03, 99), weight_decay=1e-3)), {},
        r"fit this optimiser: lr is 'OneCycle.*expected OneCycle\(peak=0\.03, steps=99",
    ),
    "other data": (wrong_data, {}, "another training: its first batch has other data"),
    "fewer batches": (
        fewer_batches, {}, "another training: its epochs have 5 batches, expected 4"
    ),
    "a list": (lambda: Training("list"), {}, "these batches are a list and have no state"),
    "another monitor": (
        Training, {"validation": None},
        "goes by validation_accuracy, expected train_loss",
    ),
    "no best weights": (Training, {"keep_best": True}, "was saved without keep_best=True"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, case: str) -> None:
    make, options, message = REFUSED[case]
    path = tmp_path / "training.npz"
    Training().fit(checkpoint=path, epochs=2, callbacks=[Stop(8)], replay=False)
    other = make()
    weights = {n: a.tobytes() for n, a in other.model.state_dict().items()}
    with pytest.raises(DataError, match=message) as caught:
        other.fit(checkpoint=path, resume=True, **options)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert {n: a.tobytes() for n, a in other.model.state_dict().items()} == weights
    assert other.optimiser.steps == 0


def test_each_entry_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """However many there are."""
    path = tmp_path / "training.npz"
    deep = nn.Sequential(*(nn.Linear(6, 6, seed=i) for i in range(60)))
    flat = nn.Sequential(*(nn.Linear(6, 6, bias=False, seed=i) for i in range(2)))
    batches = [examples(20, 0)]
    training.fit(deep, batches, momentum(deep), epochs=1, checkpoint=path, replay=False)
    with pytest.raises(DataError) as caught:
        training.fit(flat, batches, momentum(flat), epochs=2, checkpoint=path, resume=True)
    told = str(caught.value).removesuffix(".").split("; ")
    unexpected = [
        f"unexpected {name}" for name in deep.state_dict() if name not in flat.state_dict()
    ]
    assert told[-len(unexpected) + 1 :] == unexpected[1:]
    assert told[0].endswith(f": is a checkpoint of another training: {unexpected[0]}")


def test_a_model_without_a_generator_names_it(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    x, y = examples(20, 0)
    model = nn.Sequential(nn.Dropout(seed=0), nn.Linear(6, 3, seed=0))
    plain = nn.Sequential(nn.ReLU(), nn.Linear(6, 3, seed=0))
    for net, other in ((model, plain), (plain, model)):
        path.unlink(missing_ok=True)
        training.fit(net, [(x, y)], momentum(net), epochs=1, checkpoint=path, replay=False)
        word = "unexpected" if net is model else "missing"
        with pytest.raises(DataError, match=f"{word} generator 0.generator"):
            training.fit(other, [(x, y)], momentum(other), epochs=2, checkpoint=path, resume=True)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    path.write_bytes(b"work of a week")
    with pytest.raises(DataError, match=r"training\.npz: is there already; give resume=True"):
        Training().fit(checkpoint=path)
    with pytest.raises(DataError, match=r"not a readable file of weights"):
        Training().fit(checkpoint=path, resume=True)
    assert path.read_bytes() == b"work of a week"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"checkpoint": "training.pkl"}, DataError, r"a checkpoint is an \.npz or \.safetensors"),
        ({"checkpoint": "t.npz", "checkpoint_every": 0}, ValueError, "checkpoint_every=0.: an int"),
        ({"resume": True}, ValueError, "need a file; give checkpoint=PATH"),
        ({"checkpoint_every": 3}, ValueError, "need a file; give checkpoint=PATH"),
    ],
)
def test_settings_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, error: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        Training().fit(**options)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_saved_is_refused_before_the_first_step(tmp_path: Path) -> None:
    made = Training()
    with pytest.raises(DataError, match=r"of type deque have no state\(\) and restore\(\)"):
        made.batches = deque(given("list"))
        made.fit(checkpoint=tmp_path / "t.npz")
    made = Training()
    other = tg.Tensor(np.ones((2, 4)), requires_grad=True)
    made.optimiser = optim.SGD([other, *made.model.parameters()], 0.1)
    with pytest.raises(DataError, match=r"parameter 0 of the optimiser, of shape \(2, 4\), is"):
        made.fit(checkpoint=tmp_path / "t.npz")


def test_leftovers_of_killed_saves_are_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    token = "0123456789abcdef"
    own = [f".training.npz.{token}.part", f".training.npz.{token[::-1]}.part"]
    others = [
        f".{token}.part", f".other.npz.{token}.part", ".training.npz.part", "training.npz.bak",
        f".training.npz.{token}0.part", f".training.npz.{token.upper()}.part",
        f".trainingxnpz.{token}.part", f"training.npz.{token}.part",
    ]  # fmt: skip
    for name in own + others:
        (tmp_path / name).write_text(name)
    (tmp_path / f".training.npz.{'0' * 16}.part").mkdir()
    Training().fit(checkpoint=path, epochs=1, replay=False)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == sorted(
        [*others, "training.npz"]
    )
    assert (tmp_path / f".training.npz.{'0' * 16}.part").is_dir()


# --- files that are no checkpoints


@functools.cache
def written() -> bytes:
    """The checkpoint of a training that was stopped in its second epoch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.npz"
        Training().fit(checkpoint=path, callbacks=[Stop(8)], keep_best=True, replay=False)
        return path.read_bytes()


def changed(tmp_path: Path, change: Callable[[dict[str, np.ndarray], dict[str, Any]], Any]) -> Path:
    path = tmp_path / "training.npz"
    path.write_bytes(written())
    arrays = tg.load(path)
    manifest = json.loads(arrays["checkpoint"].tobytes())
    change(arrays, manifest)
    if "checkpoint" in arrays and arrays["checkpoint"].dtype == np.uint8:
        arrays["checkpoint"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    return tg.save(path, arrays)


def test_a_checkpoint_written_again_is_the_same(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda arrays, manifest: None)
    before = path.read_bytes()
    Checkpoint.load(path).save(path)
    assert path.read_bytes() == before


DAMAGED: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], Any], str]] = {
    "weights": (lambda a, m: a.pop("checkpoint"), "has no entry 'checkpoint', so it is no"),
    "version": (lambda a, m: m.update(format="2"), "format '2', not 'tinygrad_np checkpoint 1'"),
    "no list": (lambda a, m: a.update(checkpoint=np.zeros(3)), "'checkpoint' is float64 of"),
    "no history": (lambda a, m: a.pop("history"), "KeyError: 'history'"),
    "no monitor": (lambda a, m: m.pop("monitor"), "KeyError: 'monitor'"),
    "monitor": (lambda a, m: m.update(monitor="__class__"), "monitor '__class__'"),
    "columns": (lambda a, m: a.update(history=np.zeros((1, 6))), "ValueError"),
    "endless": (lambda a, m: a["history"].fill(np.inf), "OverflowError"),
    "steps": (lambda a, m: a["history"].fill(9), "9.0 steps in epoch 1"),
    "no steps": (lambda a, m: a["history"].fill(0), "0.0 steps in epoch 1"),
    "half": (lambda a, m: a["history"].fill(4.5), "4.5 steps in epoch 1"),
    "text": (lambda a, m: a.update(step_losses=np.zeros(8, np.uint8)), "uint8 of shape"),
    "accuracies": (lambda a, m: a.update(step_accuracies=np.zeros(7)), "7 accuracies of 8 steps"),
    "empty tally": (lambda a, m: a["tally"].fill(0), "3 steps and 0 examples"),
    "tally": (lambda a, m: a.update(tally=np.zeros(4)), "ValueError"),
    "array": (lambda a, m: m.update(start={"$array": "nowhere"}), "KeyError: 'nowhere'"),
    "list for name": (lambda a, m: m.update(start={"$array": []}), "TypeError"),
    "batches": (lambda a, m: m.update(batches="5"), "batches '5'"),
    "first": (lambda a, m: m.update(first=None), "first None"),
    "generators": (lambda a, m: m.update(generators=[]), "list for dict"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_checkpoints(tmp_path: Path, case: str) -> None:
    change, message = DAMAGED[case]
    path = changed(tmp_path, change)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        Checkpoint.load(path)
    assert str(caught.value).startswith(f"{path}: ")


UNUSABLE: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], Any], str]] = {
    "best": (lambda a, m: a.pop("best/0.bias"), "of the best weights missing 0.bias"),
    "unexpected": (lambda a, m: a.update({"model/x": np.zeros(1)}), "unexpected x"),
    "dtype": (
        lambda a, m: a.update({"model/0.bias": np.zeros(8)}),
        "0.bias has dtype float64, expected float32",
    ),
    "optimiser": (lambda a, m: m.update(optimiser=3), "it is 3, expected what"),
    "steps": (lambda a, m: m["optimiser"].update(steps=-1), "steps is -1"),
    "position": (lambda a, m: m["now"].update(given=99), "found 99 batches given"),
    "start": (lambda a, m: m.update(start=None), "its place in the data is not in these"),
    "generator": (
        lambda a, m: m["generators"]["3.generator"].pop("state"),
        "generator 3.generator has no state of PCG64",
    ),
    "draws": (
        lambda a, m: m["generators"]["3.generator"]["state"].update(inc="x"),
        "generator 3.generator has no state of PCG64",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_checkpoints_of_a_wrong_content(tmp_path: Path, case: str) -> None:
    change, message = UNUSABLE[case]
    path = changed(tmp_path, change)
    before = path.read_bytes()
    part = Training()
    state = part.batches.state()
    with pytest.raises(DataError, match=re.escape(message)):
        part.fit(checkpoint=path, resume=True, keep_best=True)
    assert part.optimiser.steps == 0
    assert part.batches.state() == state
    assert path.read_bytes() == before
