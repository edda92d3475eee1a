"""How a training ends, what it remembers, and who is told."""

import json
import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.outside import interrupted
from tinygrad_np import data, nn, optim, training
from tinygrad_np.training import EarlyStopping, Epoch, History
from tinygrad_np.training.interrupt import Interrupt


def examples(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return (rng.standard_normal((n, 4)) + np.eye(3, 4)[y]).astype(np.float32), y


def fit(callbacks: Any = (), epochs: int = 4, lr: Any = 0.1, **options: Any) -> Any:
    """(model, history) of a training with five steps an epoch."""
    model = nn.Linear(4, 3, seed=0)
    given = options.pop("batches", None) or data.batches(*examples(), 8, seed=0)
    options.setdefault("validation", examples(30, 1))
    optimiser = optim.SGD(model.parameters(), lr)
    return model, training.fit(
        model, given, optimiser, epochs=epochs, callbacks=callbacks, **options
    )


class At:
    """Does something at a step, counted over all epochs."""

    def __init__(self, step: int, what: Any) -> None:
        self.left, self.what = step, what

    def on_step(self, _: training.Progress) -> Any:
        self.left -= 1
        return self.what() if not self.left else None


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


# --- history


def history(monitor: str, *figures: tuple[float, float | None]) -> History:
    """Epochs of (loss, accuracy) in validation."""
    epochs = [Epoch(i, 1.0, 0.1, 5.0 - i, 0.1 * i, *f) for i, f in enumerate(figures, start=1)]
    return History(monitor, "finished", epochs)


@pytest.mark.parametrize(
    ("monitor", "best"),
    [
        ("validation_accuracy", 3),  # of equal ones that of the lower loss
        ("validation_loss", 4),
        ("train_loss", 5),
        ("train_accuracy", 5),
    ],
)
def test_the_best_epoch(monitor: str, best: int) -> None:
    found = history(monitor, (0.9, 0.5), (0.8, 0.7), (0.7, 0.7), (0.6, 0.6), (math.nan, math.nan))
    assert found.best.epoch == best


def test_of_equal_epochs_the_first_is_the_best() -> None:
    assert history("validation_accuracy", (0.7, 0.5), (0.6, 0.7), (0.6, 0.7)).best.epoch == 2
    assert history("validation_loss", (math.nan, None), (math.nan, None)).best.epoch == 1
    with pytest.raises(ValueError, match="an empty history has no best epoch"):
        _ = History().best


def test_a_history_is_a_sequence_and_goes_into_json() -> None:
    found = history("validation_loss", (0.9, 0.5), (0.8, 0.7))
    assert (len(found), found[-1].epoch, [e.epoch for e in found]) == (2, 2, [1, 2])
    assert found[:1] == found.epochs[:1]
    assert not History()
    told = json.loads(json.dumps(found.as_dict()))
    assert (told["stopped"], told["monitor"], told["best"]) == ("finished", "validation_loss", 2)
    assert told["epochs"][1]["validation_accuracy"] == 0.7
    assert History().as_dict()["best"] is None


# --- early stopping and best weights


@pytest.mark.parametrize(
    ("patience", "min_delta", "losses", "over"),
    [
        (1, 0.0, [1.0], False),
        (1, 0.0, [1.0, 1.0], True),
        (2, 0.0, [1.0, 1.0], False),
        (2, 0.0, [1.0, 1.1, 0.9, 0.95], False),
        (2, 0.0, [1.0, 1.1, 0.9, 0.95, 0.9], True),
        (2, 0.1, [1.0, 0.95, 0.92], True),
        (2, 0.1, [1.0, 0.95, 0.89], False),
        (1, 0.0, [1.0, math.nan], True),
        (1, 0.0, [math.nan, 1.0], False),
    ],
)
def test_patience(patience: int, min_delta: float, losses: list[float], over: bool) -> None:
    found = history("validation_loss", *[(loss, None) for loss in losses])
    assert EarlyStopping(patience, min_delta=min_delta).is_over(found) is over
    rising = history("validation_loss", *[(0.0, -loss) for loss in losses])
    stopping = EarlyStopping(patience, "validation_accuracy", min_delta=min_delta)
    assert stopping.is_over(rising) is over


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience=0.: an int from 1"),
        ({"patience": 1, "monitor": "loss"}, "monitor='loss': one of validation_loss, "),
        ({"patience": 1, "min_delta": -1}, "min_delta=-1.: a number from 0"),
        ({"patience": 1, "min_delta": math.nan}, "min_delta=nan.: a number from 0"),
    ],
)
def test_early_stopping_refuses(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


def test_early_stopping_and_the_best_weights() -> None:
    """A rate that turns bad after the second epoch: the third and fourth are worse."""
    saved: list[Any] = []

    class Keep:
        def on_start(self, run: training.Run) -> None:
            self.model = run.model

        def on_epoch(self, _: Epoch) -> None:
            saved.append(self.model.state_dict())

    def rate(step: int) -> float:
        return 0.1 if step < 10 else 80.0

    for keep_best in (True, False):
        saved.clear()
        model, found = fit([Keep()], 9, rate, early_stopping=EarlyStopping(2), keep_best=keep_best)
        assert (found.stopped, len(found), found.best.epoch) == ("early", 4, 2)
        assert found.monitor == "validation_loss"
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(value, saved[1 if keep_best else 3][name])


def test_what_best_goes_by() -> None:
    assert fit()[1].monitor == "validation_accuracy"
    assert fit(validation=None)[1].monitor == "train_loss"
    stopping = EarlyStopping(9, "train_loss")
    assert fit(early_stopping=stopping, validation=None)[1].monitor == "train_loss"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_best": True, "validation": None}, "needs validation data; give validation"),
        ({"early_stopping": EarlyStopping(1), "validation": None}, "monitors validation_loss; g"),
    ],
)
def test_settings_that_contradict(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(**options)


# --- callbacks


def test_callbacks_are_told_in_order() -> None:
    told: list[Any] = []

    class Listener:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_start(self, run: training.Run) -> None:
            told.append((self.name, "start", run.epochs, run.steps_per_epoch(), len(run.history)))

        def on_step(self, now: training.Progress) -> None:
            told.append((self.name, "step", now.epoch, now.step))

        def on_epoch(self, epoch: Epoch) -> None:
            told.append((self.name, "epoch", epoch.epoch))

        def on_end(self, history: History) -> None:
            told.append((self.name, "end", history.stopped, len(history)))

    fit([Listener("a"), Listener("b")], epochs=2)
    own = [entry[1:] for entry in told if entry[0] == "a"]
    steps = [[("step", e, s) for s in range(1, 6)] + [("epoch", e)] for e in (1, 2)]
    assert own == [("start", 2, 5, 0), *steps[0], *steps[1], ("end", "finished", 2)]
    assert told[::2] == [("a", *entry) for entry in own]
    assert told[1::2] == [("b", *entry) for entry in own]


def test_a_callback_ends_the_training_within_an_epoch_or_after_one() -> None:
    _, found = fit([At(7, lambda: True)])
    assert (found.stopped, len(found)) == ("callback", 2)
    assert [len(epoch.step_losses) for epoch in found] == [5, 2]
    assert [epoch.finished for epoch in found] == [True, False]
    assert found[1].validation_loss is not None
    _, found = fit([At(10, lambda: True)])
    assert (len(found), found[1].finished) == (2, True)

    class Second:
        def on_epoch(self, epoch: Epoch) -> Any:
            return np.bool_(epoch.epoch == 2)

    _, found = fit([Second()])
    assert (found.stopped, len(found), found[1].finished) == ("callback", 2, True)


def test_on_end_is_called_where_an_error_ends_the_training() -> None:
    ends: list[Any] = []

    class Bad:
        def on_step(self, _: training.Progress) -> None:
            raise RuntimeError("enough")

        def on_end(self, history: History) -> None:
            ends.append(history.stopped)

    with pytest.raises(RuntimeError, match="enough"):
        fit([Bad()])
    assert ends == ["error"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("callback", [print, object(), "on_step"])
def test_a_callback_without_methods_is_refused(callback: Any) -> None:
    with pytest.raises(TypeError, match=r"callbacks.*: .* has none of the met|is needed"):
        fit([callback])


# --- progress


def test_the_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    fit(progress=True, epochs=2)
    shown = capsys.readouterr().err.split("\r")[-1]
    assert "100%" in shown
    assert "10/10" in shown
    fit([At(6, lambda: True)], progress=True, epochs=2)
    shown = capsys.readouterr().err.split("\r")[-1]
    assert "6/10" in shown
    assert "stopped: callback" in shown


def test_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"needs tqdm: pip install tqdm"):
        fit(progress=True)


# --- regression, and losses that are not finite


@pytest.mark.parametrize("replay", [True, False])
def test_regression(replay: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3))
    y = x @ rng.standard_normal((3, 2)) + 1
    model = nn.Linear(3, 2, seed=0, dtype=np.float64)
    found = training.fit(
        model, data.batches(x[:48], y[:48], 16, seed=0), optim.SGD(model.parameters(), 0.3),
        epochs=40, loss=nn.functional.mse_loss, validation=(x[48:], y[48:]), replay=replay,
    )  # fmt: skip
    assert found[-1].train_loss < 1e-6 < found[0].train_loss
    out = model(tg.Tensor(x[48:])).numpy()
    assert found[-1].validation_loss == pytest.approx(np.mean((out - y[48:]) ** 2), rel=1e-12)
    assert math.isnan(found[-1].train_accuracy)
    assert found[-1].validation_accuracy is not None
    assert math.isnan(found[-1].validation_accuracy)
    assert found.monitor == "validation_loss"
    assert found.best.epoch == min(found, key=lambda e: e.validation_loss or 0).epoch


def test_the_validation_loss_is_the_loss_that_is_trained() -> None:
    def doubled(outputs: Any, labels: Any) -> Any:
        return 2 * nn.functional.cross_entropy(outputs, labels)

    model, found = fit(loss=doubled, epochs=1)
    loss, share = training.evaluate(model, *examples(30, 1))
    assert found[0].validation_loss == pytest.approx(2 * loss, rel=1e-12)
    assert found[0].validation_accuracy == share


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="batch 4 of epoch 2"):
        _, found = fit(lr=lambda step: 0.1 if step < 6 else 1e38, validation=None)
    assert found.stopped == "diverged"
    assert [len(epoch.step_losses) for epoch in found] == [5, 4]
    assert np.isfinite(found[1].step_losses[:-1]).all()
    assert not math.isfinite(found[1].step_losses[-1])


# --- Ctrl-C


def test_ctrl_c_ends_the_training_after_the_step() -> None:
    stopped, found = fit([At(7, interrupt)], keep_best=True)
    assert (found.stopped, len(found), found[1].finished) == ("interrupted", 2, False)
    assert len(found[1].step_losses) == 2
    assert found[1].validation_accuracy is not None
    whole, _ = fit([At(5 if found.best.epoch == 1 else 7, lambda: True)])
    for name, value in whole.state_dict().items():
        np.testing.assert_array_equal(stopped.state_dict()[name], value)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_within_an_update_does_not_leave_half_of_it() -> None:
    """The signal arrives between two parameters."""

    class Halved(optim.SGD):
        def _change(self, *args: Any) -> None:
            if self.steps == 3 and not done:
                done.append(True)
                interrupt()
            super()._change(*args)

    done: list[bool] = []
    models = []
    for kind in (Halved, optim.SGD):
        model = nn.Linear(4, 3, seed=0)
        held = model.weight.data  # the weight is changed by itself, as somebody else has its array
        stop = () if kind is Halved else [At(3, lambda: True)]
        found = training.fit(
            model, data.batches(*examples(), 8, seed=0), kind(model.parameters(), 0.1), epochs=4,
            callbacks=stop, replay=False,
        )  # fmt: skip
        assert len(found[0].step_losses) == 3
        models.append(model.state_dict())
        np.testing.assert_array_equal(held, models[-1]["weight"])
    assert done
    for name, value in models[0].items():
        np.testing.assert_array_equal(value, models[1][name])


def test_ctrl_c_after_the_last_step_of_an_epoch_and_during_validation() -> None:
    _, found = fit([At(5, interrupt)])
    assert (found.stopped, len(found), found[0].finished) == ("interrupted", 1, True)

    class Validated:
        def on_epoch(self, _: Epoch) -> None:
            interrupt()

    _, found = fit([Validated()])
    assert (found.stopped, len(found), found[0].finished) == ("interrupted", 1, True)


def test_a_second_ctrl_c_raises_at_once() -> None:
    def twice() -> None:
        interrupt()
        interrupt()
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        fit([At(2, twice)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_ways_to_handle_ctrl_c_are_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with Interrupt() as outer:
            interrupt()
        assert (seen, outer.asked) == ([signal.SIGINT], False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with Interrupt():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    found = []
    thread = threading.Thread(target=lambda: found.append(fit()[1].stopped))
    thread.start()
    thread.join()
    assert found == ["finished"]


def test_a_handler_set_meanwhile_stays() -> None:
    def own(number: int, frame: Any) -> None:
        del number, frame

    with Interrupt():
        signal.signal(signal.SIGINT, own)
    assert signal.getsignal(signal.SIGINT) is own
    signal.signal(signal.SIGINT, signal.default_int_handler)


PROGRAM = """
import sys
import numpy as np
from tinygrad_np import data, nn, optim, save, training

class Told:
    def on_step(self, now):
        print("step", now.epoch, now.step, flush=True)

x = np.ones((32, 4), np.float32)
model = nn.Linear(4, 3, seed=0)
history = training.fit(
    model, data.batches(x, np.arange(32) % 3, 8, seed=0), optim.SGD(model.parameters(), 0.1),
    epochs=10**6, validation=(x[:3], np.arange(3)), callbacks=[Told()],
)
save(sys.argv[1], model.state_dict())
print("end", history.stopped, len(history), history[-1].validation_loss is not None, flush=True)
"""


def test_ctrl_c_on_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "w.npz")]
    code, rest, errors = interrupted(command, "step 3 2")
    assert (code, errors) == (0, "")
    word, stopped, epochs, validated = rest.splitlines()[-1].split()
    assert (word, stopped, validated) == ("end", "interrupted", "True")
    assert int(epochs) >= 3
    assert set(tg.load(tmp_path / "w.npz")) == {"weight", "bias"}


def test_a_name_that_an_epoch_lacks_brings_those_that_it_has() -> None:
    for name in ("loss", "accuracy"):
        with pytest.raises(AttributeError, match=f"no '{name}'; it has train_{name}, validation_"):
            getattr(Epoch(1, 0, 0, 0, 0), name)
