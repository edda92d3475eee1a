"""What trainings say of lists, truth values, values that are not there, and several outputs."""

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import data, nn, optim, training
from tinygrad_np.errors import PrecisionWarning
from tinygrad_np.training import EarlyStopping

F = nn.functional
RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4)).astype(np.float32)
Y = np.arange(40) % 3


def fit(x: Any, y: Any, outputs: int = 3, **more: Any) -> tuple[nn.Module, training.History]:
    model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.Tanh(), nn.Linear(8, outputs, seed=1))
    batches = x if y is None else data.batches(x, y, 8, seed=0)
    sgd = optim.SGD(model.parameters(), 0.5)
    return model, training.fit(model, batches, sgd, **{"epochs": 3, **more})


@pytest.mark.parametrize(("column", "replay"), [(True, False), (False, True)])
def test_truth_values_are_0_and_1(column: bool, replay: bool) -> None:
    target = (X.sum(axis=1) > 0)[:, None]

    def loss(z: Any, t: Any) -> Any:
        return F.binary_cross_entropy_with_logits(z if column else z[:, 0], t)

    found = []
    for kind in (bool, np.int64, np.float32):
        t = target.astype(kind) if column else target[:, 0].astype(kind)
        model, history = fit(X, t, 1, loss=loss, validation=(X, t), replay=replay)
        last = history[-1]
        found.append((last.train_accuracy, last.validation_accuracy))
        assert training.evaluate(model, X, t, loss)[1] == last.validation_accuracy
    assert found[0] == found[1] == found[2]
    assert all(0.5 < share <= 1 for share in found[0] if share is not None)


def square(z: Any, t: Any) -> Any:
    return F.mse_loss(z, t)


def test_stopping_by_what_is_never_there_is_said() -> None:
    t = X[:, :1]
    with pytest.warns(RuntimeWarning, match="train_accuracy was NaN, or infinite, so that none"):
        _, history = fit(
            X, t, 1, loss=square, epochs=9, early_stopping=EarlyStopping(2, "train_accuracy")
        )
    assert history.stopped == "early" and len(history) == 2 and "train_accuracy" in history.cause
    stopping = EarlyStopping(2, "validation_accuracy")
    with pytest.raises(ValueError, match="monitors validation_accuracy, and these outputs"):
        fit(X, t, 1, loss=square, validation=(X, t), early_stopping=stopping)
    nan = {"odd": lambda *_: np.nan}
    with pytest.warns(RuntimeWarning, match="validation_odd was NaN"):
        stopping = EarlyStopping(1, "validation_odd", mode="max")
        fit(X, Y, metrics=nan, validation=(X, Y), early_stopping=stopping)


def test_stopping_by_what_is_there_says_nothing() -> None:
    stopping = EarlyStopping(1, "train_loss", min_delta=1.0)
    _, history = fit(X, Y, epochs=9, early_stopping=stopping)
    assert history.stopped == "early" and history.cause == ""


def dtypes(x: Any, y: Any, loss: Any, **more: Any) -> set[str]:
    """The dtypes of outputs and losses in a training."""
    seen = set()

    def watched(z: Any, t: Any) -> Any:
        value = loss(z, t)
        seen.update({str(z.dtype), str(value.dtype)})
        return value

    fit([(x, y)], None, loss=watched, replay=False, epochs=1, **more)
    return seen


@pytest.mark.parametrize("x", [X.tolist(), (X * 9).astype(int).tolist(), list(X)],
                         ids=["floats", "ints", "rows"])  # fmt: skip
def test_lists_get_the_dtype_of_the_network(x: Any) -> None:
    assert dtypes(x, Y.tolist(), F.cross_entropy) == {"float32"}
    assert dtypes(x, X[:, :3].tolist(), square) == {"float32"}
    model, _ = fit(X, Y)
    assert training.predict(model, x).dtype == np.float32
    assert training.evaluate(model, x, Y.tolist())[1] <= 1


def test_lists_of_words_for_an_embedding_stay_integers() -> None:
    model = nn.Sequential(nn.Embedding(5, 4, seed=0), nn.Flatten(), nn.Linear(8, 3, seed=1))
    sgd = optim.SGD(model.parameters(), 0.1)
    words = [[i % 5, i % 3] for i in range(12)]
    history = training.fit(model, [(words, [0, 1, 2] * 4)], sgd, epochs=2)
    assert history.stopped == "finished"
    assert training.predict(model, words).shape == (12, 3)


@pytest.mark.parametrize(("x", "y"), [(X.tolist(), Y), (X, X.tolist())], ids=["x", "y"])
def test_batches_of_lists_say_that_they_are_float64(x: Any, y: Any) -> None:
    with pytest.warns(PrecisionWarning, match=r"float64, .*np\.float32\)"):
        data.batches(x, y, 8, seed=0)


@pytest.mark.parametrize("x", [X, X.astype(float), list(X), Y[:, None].tolist(), []])
def test_batches_of_arrays_and_integers_say_nothing(x: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.batches(x, x, 8, seed=0)


class Two(nn.Module):
    """Gives two outputs."""

    def __init__(self) -> None:
        self.inner = nn.Linear(4, 3, seed=0)

    def forward(self, x: Any) -> Any:
        out = self.inner(x)
        return out, out * 2


def test_several_outputs_need_a_loss_of_their_own() -> None:
    model = Two()
    sgd = optim.SGD(model.parameters(), 0.1)
    batches = data.batches(X, Y, 8, seed=0)
    with pytest.raises(TypeError, match=r"logits is a tuple of 2 Tensors.*outputs\[0\]"):
        training.fit(model, batches, sgd, epochs=1)
    own = training.fit(model, batches, sgd, epochs=2, loss=lambda z, t: F.cross_entropy(z[0], t))
    assert own[1].train_loss < own[0].train_loss
    with pytest.raises(TypeError, match=r"logits is a tuple of 2 .*outputs\[0\]"):
        training.evaluate(model, X, Y)


@pytest.mark.parametrize("transform", [lambda x: x, np.tanh, len, tg.data.augment.Distort])
def test_transforms_take_a_generator(transform: Any) -> None:
    with pytest.raises(tg.DataError, match=r"transform=.*\(x_batch, generator\)"):
        data.batches(X, Y, 8, seed=0, transform=transform)


def test_a_generator_made_within_a_step_is_told() -> None:
    def step(x: Any) -> Any:
        return (x * tg.random.normal((4,), generator=np.random.default_rng(0))).sum()

    replayed = tg.replay(step)
    with pytest.raises(tg.ReplayError, match="Make the generator once, outside the step"):
        for _ in range(3):
            replayed(X[0])


def test_the_whole_difference_of_schedules_is_said() -> None:
    other = optim.SGD(net := [tg.Tensor([1.0], requires_grad=True)], optim.OneCycle(0.1, 1000))
    own = optim.SGD(net, optim.OneCycle(0.1, 1000, final_divisor=100.0))
    with pytest.raises(tg.ShapeError) as caught:
        own.load_state_dict(other.state_dict())
    assert "final_divisor=10000.0" in str(caught.value)
    assert "final_divisor=100.0" in str(caught.value)
