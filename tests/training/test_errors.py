"""Errors on the way leave the checkpoint and the best weights; errors before it say what to do."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import DataError, ReplayError, ShapeError, data, nn, optim, training
from tinygrad_np.training import Checkpoint

F = nn.functional
STEPS = 5


def examples(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return (rng.standard_normal((n, 6)) + 2 * np.eye(3, 6)[y]).astype(np.float32), y


X, Y = examples(70, 1)
HELD = examples(40, 2)


def network(seed: int = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(6, 8, seed=seed), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2, seed=3),
        nn.Linear(8, 3, seed=seed + 1),
    )  # fmt: skip


class Failure(Exception):
    """What goes wrong in these tests."""


class Bomb:
    """Raises when it is touched so often; none before and, once it went off, none after."""

    def __init__(self, at: int) -> None:
        self.left = at

    def touch(self) -> None:
        self.left -= 1
        if not self.left:
            raise Failure


class Batches:
    """Batches whose iterator is touched before each."""

    def __init__(self, bomb: Bomb) -> None:
        self.inner, self.bomb = data.batches(X, Y, 16, seed=1), bomb
        self.state, self.restore = self.inner.state, self.inner.restore

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Any:
        for batch in self.inner:
            self.bomb.touch()
            yield batch


class Training:
    """Everything that a process makes; ``where`` says who goes off ``at`` which touch."""

    def __init__(self, where: str, at: int) -> None:
        self.bomb = bomb = Bomb(at)
        self.model = network()
        self.optimiser = optim.SGD(self.model.parameters(), 0.5, momentum=0.9)
        self.batches = Batches(bomb) if where == "batches" else data.batches(X, Y, 16, seed=1)
        self.callback = type("Callback", (), {})()
        if where.startswith("on_"):
            setattr(self.callback, where, lambda _: bomb.touch())
        else:
            self.callback.on_end = lambda _: None
        touch_training, touch_held = where == "loss", where == "validation"

        def loss(outputs: Any, y: Any) -> Any:
            if touch_training if outputs.dtype == np.float32 else touch_held:
                bomb.touch()
            return F.cross_entropy(outputs, y)

        self.loss = loss
        self.best: list[Any] = []

    def fit(self, **options: Any) -> training.History:
        return training.fit(
            self.model, self.batches, self.optimiser, epochs=4, loss=self.loss, validation=HELD,
            keep_best=True, callbacks=[self.callback], **options,
        )  # fmt: skip

    def weights(self) -> dict[str, bytes]:
        return {name: value.tobytes() for name, value in self.model.state_dict().items()}


# Before the first epoch the loss is tried on the validation data, in float32, and asked which
# labels it ignores; the first batch is looked at once for the checkpoint.
WHERE = {
    "on_step": (3, 5, 13),
    "on_epoch": (1, 3),
    "batches": (3, 7, 8),
    "loss": (4, 7, 14),
    "validation": (1, 3),
}


@functools.cache
def undisturbed(replay: bool) -> tuple[Training, training.History]:
    whole = Training("nowhere", 0)
    return whole, whole.fit(replay=replay)


@pytest.mark.parametrize(
    ("where", "at", "replay"),
    [(where, at, False) for where, times in WHERE.items() for at in times]
    # a replayed loss does not run
    + [(where, times[-1], True) for where, times in WHERE.items() if where != "loss"],
)
def test_an_error_leaves_a_checkpoint_that_goes_on(
    tmp_path: Path, where: str, at: int, replay: bool
) -> None:
    whole, expected = undisturbed(replay)
    path = tmp_path / "t.npz"
    broken = Training(where, at)
    with pytest.raises(Failure):
        broken.fit(checkpoint=path, replay=replay)
    found = Checkpoint.load(path)
    steps = sum(len(epoch.step_losses) for epoch in found.history)
    steps += len(found.tally.losses) if found.tally else 0
    done = {"on_step": at, "on_epoch": at * STEPS, "batches": at - 2, "validation": at * STEPS}
    assert steps == done.get(where, at - 3)
    if where == "on_epoch":
        assert len(found.history) == at
    best = found.best or found.weights
    assert broken.weights() == {name: value.tobytes() for name, value in best.items()}
    again = Training("nowhere", 0)
    history = again.fit(checkpoint=path, resume=True, replay=replay)
    losses = [[e.step_losses, e.validation_loss] for e in history]
    assert losses == [[e.step_losses, e.validation_loss] for e in expected]
    assert again.weights() == whole.weights()


def test_an_error_of_the_save_itself_is_a_note(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "t.npz"
    broken = Training("on_step", 3)

    def fail(_: Any) -> None:
        path.parent.mkdir(exist_ok=True)
        path.mkdir()
        broken.bomb.touch()

    broken.callback.on_step = fail
    broken.bomb.left = 1
    with pytest.raises(Failure) as caught:
        broken.fit(checkpoint=path)
    assert "The checkpoint could not be saved either: " in caught.value.__notes__[0]


def train(**given: Any) -> training.History:
    model = given.pop("model", None) or network()
    x, y = given.pop("x", X), given.pop("y", Y)
    options = {
        "batches": data.batches(x, y, 16, seed=0),
        "epochs": 2,
        **given,
    }
    optimiser = options.pop("optimiser", None) or optim.SGD(model.parameters(), 0.1)
    return training.fit(model, options.pop("batches"), optimiser, **options)


def strange() -> optim.Optimiser:
    return optim.SGD(network(5).parameters(), 0.1)


def pair(x: Any, y: Any) -> Any:
    return {"validation": (x, y)}


class Silent(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(6, 3, seed=0)

    def forward(self, x: Any) -> None:
        self.layer(x)


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "half epochs": ({"epochs": 2.5}, TypeError, r"epochs=2.5.: an int"),
    "words for epochs": ({"epochs": "3"}, TypeError, "epochs='3'.: an int"),
    "True epochs": ({"epochs": True}, TypeError, "epochs=True.: an int"),
    "no epochs": ({"epochs": 0}, ValueError, "epochs=0.: an int from 1"),
    "epochs below zero": ({"epochs": -1}, ValueError, "epochs=-1.: an int from 1"),
    "loss by name": ({"loss": "mse"}, TypeError, r"loss='mse'.: a function .*functional.mse_loss"),
    "a pair of arrays": ({"batches": (X, Y)}, TypeError, r"\(70, 6\) and \(70,\); give tg.data.b"),
    "an array": ({"batches": X}, TypeError, r"arrays of shape \(70, 6\); give tg.data.batches"),
    "Tensors": ({"batches": [tg.Tensor(X), tg.Tensor(Y)]}, TypeError, "give tg.data.batches"),
    "a data set": (
        {"batches": data.Dataset(((X, Y), (X, Y)))}, TypeError, "data set with its test part; write"
    ),
    "no batches": ({"batches": 3}, TypeError, "not 3; give tg.data.batches"),
    "a generator": ({"batches": (p for p in [(X, Y)])}, DataError, "not a generator"),
    "batches of x alone": ({"batches": [[X]]}, TypeError, r"is no .x, y., but "),
    "batches of dicts": ({"batches": [{"x": X}]}, TypeError, r"is no .x, y., but "),
    "another model": ({"optimiser": strange()}, ValueError, r"would not change; .*parameters"),
    "a class": ({"optimiser": optim.SGD}, TypeError, "not the class SGD; give one such as"),
    "parameters": ({"optimiser": network().parameters()}, TypeError, "not a list of 6; give one"),
    "words": ({"x": X.astype(str)}, DataError, r"found x of dtype <U\d+, .*x.astype\(np.float32"),
    "objects": ({"x": X.astype(object)}, DataError, r"dtype object, .*astype\(np.float32\)"),
    "labels in words": ({"y": Y.astype(str)}, DataError, r"y = np.unique\(y, return_inverse=True"),
    "validation alone": (
        {"validation": X}, TypeError, r"validation=ndarray of shape .* is needed, validation=\(x, y"
    ),
    "validation too wide": (pair(X[:, :5], Y), DataError, "does not take x of shape .70, 5.: "),
    "validation too long": (pair(X, Y[1:]), ShapeError, r"\(70, 6\) and y of shape \(69,\); exp"),
    "validation labels": (pair(X, Y + 1), DataError, r"do not fit the loss: .*from 1 to 3"),
    "validation words": (pair(X.astype(str), Y), TypeError, "which is not numeric"),
    "nothing to validate": (pair(X[:0], Y[:0]), ValueError, "the validation data are empty"),
    "one left": ({"x": X[:65], "y": Y[:65]}, ShapeError, "Batch 5 .* another batch size"),
    "no module": ({"model": np.tanh, "optimiser": strange()}, TypeError, "a tg.nn.Module is"),
    "a loss of nothing": (
        {"loss": lambda z, t: np.mean(z.detach().numpy()) + 0 * len(t), "replay": False},
        TypeError, "does not depend on the model.s parameters",
    ),
    "a loss without return": (
        {"loss": lambda *_: None}, TypeError, "loss function returned None; is a `return` miss",
    ),
    "a loss of rows": (
        {"loss": lambda z, _: np.sum(z**2, axis=1)}, ShapeError, r"loss=.* shape \(16,\), expected",
    ),
    "targets as an array": (
        {"loss": lambda z, t: F.mse_loss(z, t.numpy()[:, None])}, ReplayError,
        "argument of the step is a Tensor: use it itself",
    ),
    "a model without return": ({"model": Silent()}, TypeError, "class Silent, returned None; is"),
    "a metric by name": ({"metrics": ["f1"]}, TypeError, "found 'f1', expected func"),
    "a metric's name": ({"metrics": {"a b": len}}, ValueError, "found the name 'a b', expected a"),
    "a metric of rows": (
        {"metrics": {"rows": lambda z, _: z[:, 0]}}, TypeError, r"rows returned ndarray of",
    ),
    "an unknown monitor": (
        {"early_stopping": training.EarlyStopping(1, "validation_f1", mode="max"), **pair(X, Y)},
        ValueError, "monitors validation_f1; it must be one of validation_loss",
    ),
}  # fmt: skip


@for_each(REFUSED)
def test_it_is_refused_with_the_remedy_before_anything_changes(case: str) -> None:
    given, error, text = REFUSED[case]
    model = given.get("model") or network()
    state = model.state_dict() if isinstance(model, nn.Module) else {}
    with np.errstate(all="ignore"), pytest.raises(error, match=text):
        train(**{"model": model, **given})
    if case not in ("one left", "a metric of rows"):  # these need a step
        for name, value in state.items():
            np.testing.assert_array_equal(value, model.state_dict()[name])


def test_trying_the_validation_changes_nothing() -> None:
    weights = []
    for validation in (None, HELD):
        model = network()
        train(model=model, validation=validation, replay=False)
        weights.append({n: a.tobytes() for n, a in model.state_dict().items()})
    assert weights[0] == weights[1]


def test_validation_that_fits_in_its_own_way() -> None:
    """One example beside BatchNorm, and models that nobody can copy or that want all rows."""
    assert train(validation=(HELD[0][:1], HELD[1][:1]), replay=False).stopped == "finished"

    class Stubborn(nn.Module):
        def __init__(self) -> None:
            self.inner = network()

        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("one of a kind")

        def forward(self, x: Any) -> Any:
            return self.inner(x)

    found = train(model=Stubborn(), validation=HELD, replay=False)
    assert (found.stopped, found.monitor) == ("finished", "validation_accuracy")

    class Whole(Stubborn):
        __deepcopy__ = None  # type: ignore[assignment]

        def forward(self, x: Any) -> Any:
            if len(x) == 2:
                raise ValueError("made for 40 rows")
            return self.inner(x)

    assert train(model=Whole(), validation=HELD, replay=False).stopped == "finished"


def test_part_of_the_parameters_is_enough() -> None:
    model = network()
    before = model.state_dict()
    part = optim.SGD(model[4].parameters(), 0.1)
    assert train(model=model, optimiser=part, replay=False).stopped == "finished"
    after = model.state_dict()
    assert np.array_equal(before["0.weight"], after["0.weight"])
    assert not np.array_equal(before["4.weight"], after["4.weight"])


def test_what_cannot_be_replayed_names_the_other_way() -> None:
    def looks(z: Any, t: Any) -> Any:
        return F.cross_entropy(z, t) * (2.0 if z.numpy().max() > 1e9 else 1.0)

    with pytest.raises(ReplayError, match=r"replay=False"):
        train(loss=looks)
    assert train(loss=looks, replay=False).stopped == "finished"


def test_a_loss_that_reads_what_fit_counts() -> None:
    optimiser = optim.SGD((model := network()).parameters(), 0.1)
    with pytest.raises(ReplayError, match=r"SGD\.steps, .* a callback's on_step"):
        train(
            model=model, optimiser=optimiser,
            loss=lambda z, t: F.cross_entropy(z, t) * (1 + optimiser.steps),
        )  # fmt: skip


@pytest.mark.parametrize("replay", [True, False])
def test_an_empty_batch_is_named(replay: bool) -> None:
    model = nn.Sequential(nn.Linear(6, 3, seed=0))
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=r"Batch 2 is empty, with y"):
        train(model=model, batches=[(X, Y), (X[:0], Y[:0])], replay=replay)


def test_a_loss_gets_the_same_eager_and_replayed() -> None:
    kinds: list[set[Any]] = []
    for replay in (True, False):
        seen: set[Any] = set()

        def loss(z: Any, t: Any, seen: set[Any] = seen) -> Any:
            seen.add((type(z), type(t), t.dtype, t.requires_grad))
            picked = F.log_softmax(z) * F.one_hot(t, 3)
            return -np.mean(np.sum(picked, axis=1)) + 0 * np.mean(t.astype(np.float32))

        found = train(loss=loss, replay=replay, validation=HELD)
        assert found.stopped == "finished"
        kinds.append(seen)
    assert kinds == [{(tg.Tensor, tg.Tensor, np.dtype(np.int64), False)}] * 2


def frozen(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.requires_grad = False


class Freezing:
    """Freezes all parameters after the third update."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.left = model, 3

    def on_step(self, _: Any) -> None:
        self.left -= 1
        if not self.left:
            frozen(self.model)


def trained(
    loss: Any = F.cross_entropy, lr: Any = 0.1, *, replay: bool, when: str = "never"
) -> training.History:
    model = nn.Sequential(nn.Linear(6, 3, seed=0))
    if when == "before":
        frozen(model)
    optimiser = optim.SGD(model.parameters(), lr)
    if when == "late":
        frozen(model)
    callbacks = [Freezing(model)] if when == "in between" else []
    batches = data.batches(X, Y, 20, seed=0)
    return training.fit(
        model, batches, optimiser, epochs=2, loss=loss, replay=replay, callbacks=callbacks
    )


# losses, rates and moments of freezing, and what is said of them
LEARNING_NOTHING: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"loss": lambda o, t: {"a": F.cross_entropy(o, t), "b": np.sum(o)}}, TypeError,
     r"it returns losses \['a', 'b'\] for one optimiser; give one number, such as their sum"),
    ({"loss": lambda o, t: (F.cross_entropy(o, t), o)}, TypeError, "it returns 2 losses for one"),
    ({"loss": lambda o, t: [F.cross_entropy(o, t)]}, TypeError, "it returns 1 losses for one"),
    ({"loss": lambda o, t: F.cross_entropy(o.detach(), t)}, tg.TapeError, r"fit\(loss=.*\.detach"),
    ({"loss": lambda o, _: np.sum(np.fft.fft(o) * 1j)}, tg.TapeError, "a complex number, dtype"),
    ({"loss": lambda o: np.mean(o)}, TypeError, r"a function of \(outputs, targets\)"),
    ({"loss": lambda o, _t, z: np.mean(o * z)}, TypeError, r"a function of \(outputs, targets\)"),
    ({"when": "before"}, ValueError, "params is empty, .* where all are frozen"),
    ({"when": "late"}, tg.TapeError, r"fit\(loss=.*all parameters of the model are frozen"),
    ({"when": "in between"}, tg.TapeError, r"fit\(loss=.*all parameters of the model are frozen"),
    ({"lr": lambda _: "a"}, TypeError, "the learning rate of step 1 is 'a'; a number from 0 up"),
    ({"lr": lambda _: None}, TypeError, "the learning rate of step 1 is None; a number from 0 up"),
    ({"lr": lambda _: 1j}, TypeError, "the learning rate of step 1 is 1j; a number from 0 up"),
    ({"lr": lambda: 0.1}, TypeError, "a function of the number of steps done"),
    ({"lr": lambda _step, _loss: 0.1}, TypeError, "a function of the number of steps done"),
]  # fmt: skip


@pytest.mark.parametrize("replay", [False, True])
def test_what_nothing_can_be_learned_from_is_said(replay: bool) -> None:
    for given, kind, said in LEARNING_NOTHING:
        with pytest.raises(kind, match=said):
            trained(**given, replay=replay)
    assert len(trained(lr=lambda _: tg.Tensor(0.1), replay=replay)) == 2
