"""The training loop: it learns, repeats itself, and leaves everything as it found it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import DataError, ShapeError, data, nn, optim, training
from tinygrad_np.run.networks import MLP
from tinygrad_np.run.run import weights_sha256
from tinygrad_np.training.history import Progress
from tinygrad_np.training.scoring import EVALUATION_ROWS, predict, score

ROOT = Path(__file__).resolve().parents[2]


def clusters(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that a straight line does not tell apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.standard_normal((n, 6)) * 0.4 + np.eye(6)[y] * 2 * rng.choice([-1, 1], (n, 1))
    return x.astype(np.float32), y


class Watch:
    """Keeps what it is told; ends the training after so many steps or epochs."""

    def __init__(self, last_step: int = 0, last_epoch: int = 0) -> None:
        self.last_step, self.last_epoch = last_step, last_epoch
        self.steps: list[Progress] = []
        self.epochs: list[training.Epoch] = []
        self.others: list[Any] = []

    def on_start(self, run: training.Run) -> None:
        self.others.append(run)

    def on_step(self, now: Progress) -> bool:
        self.steps.append(now)
        return len(self.steps) == self.last_step

    def on_epoch(self, epoch: training.Epoch) -> bool:
        self.epochs.append(epoch)
        return len(self.epochs) == self.last_epoch

    def on_end(self, history: training.History) -> None:
        self.others.append((history, history.stopped))


def trained(epochs: int = 8, seed: int = 0, **options: Any) -> tuple[MLP, training.History]:
    model = MLP((6, 16, 3), seed=seed)
    optimiser = optim.Adam(model.parameters(), 0.02)
    given = data.batches(*clusters(), batch_size=16, seed=seed)
    return model, training.fit(model, given, optimiser, epochs=epochs, **options)


def test_it_learns() -> None:
    model, history = trained(validation=clusters(seed=1))
    first, last = history[0], history[-1]
    assert len(history) == 8
    assert [epoch.epoch for epoch in history] == list(range(1, 9))
    assert last.train_loss < 0.3 * first.train_loss
    assert last.validation_loss is not None
    assert first.validation_loss is not None
    assert last.validation_loss < 0.5 * first.validation_loss
    assert last.train_accuracy > 0.9
    assert last.validation_accuracy == training.evaluate(model, *clusters(seed=1))[1] > 0.9


def test_what_an_epoch_reports() -> None:
    x, y = clusters(10)
    model = MLP((6, 3), seed=0)
    weights, bias = (p.numpy() for p in model.parameters())
    watched = Watch()
    optimiser = optim.SGD(model.parameters(), lambda step: 0.0 if step < 3 else 0.5)
    [epoch] = training.fit(
        model, data.batches(x, y, batch_size=4, shuffle=False), optimiser, epochs=1,
        callbacks=[watched],
    )  # fmt: skip
    steps = watched.steps
    logits = x @ weights.T + bias
    losses = [score(logits[a : a + 4], y[a : a + 4])[0] for a in (0, 4, 8)]
    assert epoch.step_losses == pytest.approx(losses, rel=1e-6)
    assert epoch.train_loss == pytest.approx(np.average(losses, weights=[4, 4, 2]), rel=1e-6)
    assert epoch.train_accuracy == training.accuracy(logits.argmax(axis=1), y)
    assert (epoch.learning_rate, epoch.validation_loss, epoch.validation_accuracy) == (
        0,
        None,
        None,
    )
    assert epoch.seconds > 0
    assert [(s.epoch, s.step, s.images) for s in steps] == [(1, 1, 4), (1, 2, 4), (1, 3, 2)]
    assert [s.loss for s in steps] == epoch.step_losses
    right = (logits.argmax(axis=1) == y).astype(float)
    assert epoch.step_accuracies == [right[a : a + 4].mean() for a in (0, 4, 8)]
    assert steps[-1].accuracy == epoch.train_accuracy
    assert set(epoch.as_dict()) == {
        "epoch", "seconds", "learning_rate", "train_loss", "train_accuracy", "validation_loss",
        "validation_accuracy", "step_losses", "step_accuracies", "finished", "metrics",
        "validation_metrics",
    }  # fmt: skip


def test_a_batch_without_examples_has_no_accuracy() -> None:
    x, y = clusters(20)
    model = MLP((6, 3), seed=0)
    [epoch] = training.fit(
        model, [(x, y), (x[:0], y[:0])], optim.SGD(model.parameters(), 0.1), epochs=1,
        loss=lambda outputs, _: np.sum(outputs**2),
    )  # fmt: skip
    assert len(epoch.step_losses) == 2
    assert epoch.step_accuracies[0] == epoch.train_accuracy
    assert np.isnan(epoch.step_accuracies[1])


def test_one_step_is_the_step_written_out() -> None:
    x, y = clusters(20)
    model, twin = MLP((6, 5, 3), seed=0), MLP((6, 5, 3), seed=0)
    training.fit(model, [(x, y)], optim.SGD(model.parameters(), 0.1), epochs=1)
    nn.functional.cross_entropy(twin(tg.Tensor(x)), y).backward()
    for ours, p in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(ours.numpy(), p.numpy() - np.float32(0.1) * p.grad.numpy())


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = (trained(seed=s, replay=False)[0].state_dict() for s in (0, 0, 1))
    assert weights_sha256(first) == weights_sha256(second) != weights_sha256(other)


def test_another_process_gives_the_same_weights() -> None:
    code = (
        "from importlib.util import module_from_spec, spec_from_file_location as where\n"
        f"spec = where('test_fit', {str(Path(__file__))!r})\n"
        "module = module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print(module.weights_sha256(module.trained()[0].state_dict()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == weights_sha256(trained()[0].state_dict())


def test_the_digest_tells_names_shapes_dtypes_and_values_apart() -> None:
    a = np.zeros((2, 3), np.float32)
    states = [
        {"a": a}, {"b": a}, {"a": a.reshape(3, 2)}, {"a": a.view(np.int32)}, {"a": a + 1},
        {"a": a, "b": a}, {},
    ]  # fmt: skip
    assert len({weights_sha256(state) for state in states}) == len(states)
    assert weights_sha256({"a": np.asfortranarray(a)}) == weights_sha256({"a": a})


def test_another_loss() -> None:
    x, y = clusters(12)

    def halved(logits: Any, labels: Any) -> Any:
        return 0.5 * nn.functional.cross_entropy(logits, labels)

    losses = []
    for loss in (nn.functional.cross_entropy, halved):
        model = MLP((6, 3), seed=0)
        optimiser = optim.SGD(model.parameters(), 0.1)
        losses += [
            e.train_loss for e in training.fit(model, [(x, y)], optimiser, epochs=1, loss=loss)
        ]
    assert losses[1] == pytest.approx(losses[0] / 2, rel=1e-6)


@pytest.mark.parametrize("given", [[], iter([clusters(4)])])
def test_an_epoch_without_batches_is_refused(given: Any) -> None:
    model = MLP((6, 3), seed=0)
    with pytest.raises(DataError, match=r"fit: .* are empty.* not a generator"):
        training.fit(model, given, optim.SGD(model.parameters(), 0.1), epochs=2)


class Partly(nn.Module):
    """One layer stays in evaluation mode, whatever the others do."""

    def __init__(self) -> None:
        self.frozen = nn.Linear(6, 4, seed=0)
        self.head = nn.Linear(4, 3, seed=1)
        self.seen: list[bool] = []

    def forward(self, x: Any) -> Any:
        self.seen.append(self.training)
        return self.head(self.frozen(x))


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "call", [predict, lambda m, x: training.evaluate(m, x, np.zeros(len(x), int))]
)
def test_evaluation_leaves_every_module_in_its_mode(call: Any, fails: bool) -> None:
    model = Partly()
    model.frozen.eval()
    x = np.ones((3, 5 if fails else 6), np.float32)
    if fails:
        with pytest.raises(ShapeError):
            call(model, x)
    else:
        call(model, x)
    assert model.seen == [False]
    assert (model.training, model.frozen.training, model.head.training) == (True, False, True)
    model.eval()
    predict(model, np.ones((3, 6), np.float32))
    assert not model.training


def test_training_runs_in_training_mode() -> None:
    model = Partly()
    model.eval()
    training.fit(model, [clusters(4)], optim.SGD(model.parameters(), 0.1), epochs=1)
    assert model.seen == [True]
    assert model.training


@pytest.mark.parametrize("n", [0, 1, EVALUATION_ROWS, EVALUATION_ROWS + 1])
def test_predict_by_pieces(n: int) -> None:
    model = MLP((6, 4, 3), seed=0)
    x = np.random.default_rng(0).standard_normal((n, 6)).astype(np.float32)
    out = predict(model, x)
    assert (type(out), out.shape, out.dtype) == (np.ndarray, (n, 3), np.float32)
    np.testing.assert_allclose(out, model(tg.Tensor(x)).numpy(), rtol=1e-5, atol=1e-6)


def test_evaluate() -> None:
    model = MLP((6, 3), seed=0)
    x, y = clusters(50)
    logits = model(tg.Tensor(x)).numpy().astype(np.float64)
    shifted = np.exp(logits)
    expected = -np.log(shifted[np.arange(50), y] / shifted.sum(axis=1)).mean()
    loss, right = training.evaluate(model, x, y)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert right == np.mean(logits.argmax(axis=1) == y)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.zeros((5, 1), int), ShapeError),
        (np.full(5, 3), ValueError),
        (np.full(5, -1), ValueError),
    ],
)
def test_evaluate_refuses_wrong_labels(labels: Any, error: Any) -> None:
    with pytest.raises(error):
        training.evaluate(MLP((6, 3), seed=0), np.zeros((5, 6), np.float32), labels)


def test_evaluate_refuses_no_examples() -> None:
    with pytest.raises(ShapeError, match="n at least 1"):
        training.evaluate(MLP((6, 3), seed=0), np.zeros((0, 6), np.float32), np.zeros(0, int))
