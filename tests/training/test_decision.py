"""Outputs become right or wrong in one place, and own metrics go everywhere with them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import DataError, data, nn, optim, training
from tinygrad_np.training import Checkpoint, EarlyStopping
from tinygrad_np.training.decision import Decision, decision
from tinygrad_np.training.scoring import predict, score

F = nn.functional
BCE = F.binary_cross_entropy_with_logits
X = np.random.default_rng(0).standard_normal((80, 3)).astype(np.float32)
ONES = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(np.int64)
SIGNS = 2 * ONES - 1


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


# loss, targets, and what they mean: classes, or nothing
LOSSES: dict[str, tuple[Any, Any, tuple[int, int] | None]] = {
    "logits, column": (BCE, ONES[:, None].astype(np.float32), (0, 1)),
    "logits, integers": (
        lambda z, t: BCE(z[:, 0], t.astype(np.float32)), ONES, (0, 1),
    ),
    "weighted": (
        lambda z, t: np.mean((1 + 4 * t) * np.logaddexp(0.0, (1 - 2 * t) * z[:, 0])), ONES, (0, 1),
    ),
    "squares of sigmoids": (lambda z, t: np.mean((sigmoid(z[:, 0]) - t) ** 2), ONES, (0, 1)),
    "hinge": (lambda z, t: np.mean(F.relu(1 - t * z[:, 0])), SIGNS, (-1, 1)),
    "hinge, column": (
        lambda z, t: np.mean(F.relu(1 - t * z)), SIGNS[:, None].astype(np.float32), (-1, 1),
    ),
    "squared hinge": (lambda z, t: np.mean(F.relu(1 - t * z[:, 0]) ** 2), SIGNS, (-1, 1)),
    "logistic": (lambda z, t: np.mean(np.logaddexp(0.0, -t * z[:, 0])), SIGNS, (-1, 1)),
    "squares": (F.mse_loss, ONES[:, None].astype(np.float32), None),
    "squares of signs": (lambda z, t: np.mean((z[:, 0] - t) ** 2), SIGNS, None),
    "distances": (lambda z, t: np.mean(np.abs(z[:, 0] - t)), ONES, None),
    "counts": (lambda z, t: np.mean(np.exp(z[:, 0]) - t * z[:, 0]), ONES, None),
    "other targets": (
        lambda z, t: BCE(z[:, 0], t), X[:, 0] ** 2 % 1, None,
    ),
}  # fmt: skip


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 16, seed=0), nn.Tanh(), nn.Linear(16, 1, seed=1))


@pytest.mark.parametrize(("case", "replay"), [(c, bool(i % 2)) for i, c in enumerate(LOSSES)])
def test_one_output(case: str, replay: bool) -> None:
    loss, y, two = LOSSES[case]
    model = network()
    outputs: list[Any] = []

    class Watch:
        def on_epoch(self, _: training.Epoch) -> None:
            outputs.append(predict(model, X))

    found = training.fit(
        model, [(X, y)], optim.Adam(model.parameters(), 0.03), epochs=40, loss=loss,
        validation=(X, y), keep_best=True, callbacks=[Watch()], replay=replay,
    )  # fmt: skip
    shares = training.evaluate(model, X, y, loss)[1], score(outputs[-1], y, loss)[1]
    if two is None:
        assert found.monitor == "validation_loss"
        everywhere = [*shares, *(e.train_accuracy for e in found), *found[0].step_accuracies]
        assert all(map(math.isnan, [*everywhere, *(e.validation_accuracy or 0 for e in found)]))
        assert found.best.validation_loss == min(e.validation_loss or 0 for e in found)
        return
    assert found.monitor == "validation_accuracy"
    for epoch, z in zip(found, outputs, strict=True):
        right = float(np.mean(np.where(z[:, 0] > 0, *two[::-1]) == np.ravel(y)))
        assert epoch.validation_accuracy == right
        if epoch.epoch < len(found):  # the next step is on the same examples
            assert found[epoch.epoch].train_accuracy == right
    assert 0.9 < shares[0] == found.best.validation_accuracy


def test_an_output_of_one_axis_and_labels_of_one_kind() -> None:
    bce = BCE
    z = np.array([-2.0, 0.0, 0.5, 3.0])
    assert score(z, np.array([0.0, 0.0, 1.0, 0.0]), bce)[1] == 0.75
    assert decision(z, np.ones(4), bce) == Decision((0, 1))
    assert decision(z, np.ones(4, np.int8), LOSSES["logistic"][0]) is None  # z[:, 0] of one axis
    assert decision(z[:, None], np.ones(4, np.int8), LOSSES["logistic"][0]) == Decision((-1, 1))
    assert decision(z, np.ones((4, 2)), bce) is None
    assert decision(z[:, None], np.zeros(4, np.int64), F.cross_entropy) is None
    assert decision(np.zeros((4, 3)), np.ones(4), F.cross_entropy) is None
    assert decision(np.zeros((4, 3)), np.ones(4, np.int64), F.cross_entropy) == Decision()


# --- metrics of one's own


def error(outputs: Any, targets: Any) -> Any:
    assert type(outputs) is type(targets) is np.ndarray
    return np.mean(outputs.argmax(axis=1) != targets)


def three() -> tuple[np.ndarray, np.ndarray]:
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    return X, y


def trained(epochs: int = 4, **options: Any) -> training.History:
    model = nn.Linear(3, 3, seed=0)
    return training.fit(
        model, data.batches(*three(), 16, seed=0), optim.SGD(model.parameters(), 0.2),
        epochs=epochs, **{"validation": three(), "metrics": [error], **options},
    )  # fmt: skip


@pytest.mark.parametrize("replay", [True, False])
def test_metrics_are_means_of_batches_and_whole_in_validation(replay: bool) -> None:
    steps: list[Any] = []

    class Watch:
        def on_step(self, now: training.Progress) -> None:
            steps.append((now.epoch, now.metrics["error"], now.accuracy))

    metrics = {"error": error, "greatest": lambda z, _: np.float32(z.max())}
    found = trained(metrics=metrics, callbacks=[Watch()], replay=replay)
    for epoch in found:
        assert epoch.metrics["error"] == pytest.approx(1 - epoch.train_accuracy)
        share = epoch.validation_accuracy
        assert share is not None
        assert epoch.validation_metrics["error"] == pytest.approx(1 - share)
        assert set(epoch.metrics) == set(epoch.validation_metrics) == {"error", "greatest"}
        assert epoch.as_dict()["metrics"] == epoch.metrics
    assert all(value == pytest.approx(1 - share) for _, value, share in steps)
    assert len(steps) == 20
    unnamed = trained(epochs=1, metrics=[lambda *_: 1, error, lambda *_: 2], replay=replay)
    values = unnamed[0].metrics
    assert list(values) == ["metric_1", "error", "metric_3"] and values["metric_3"] == 2
    assert list(trained(epochs=1, metrics=[error, error])[0].metrics) == ["metric_1", "metric_2"]
    plain = trained(metrics=None, replay=replay)
    assert [e.step_losses for e in plain] == [e.step_losses for e in found]
    assert [e.step_accuracies for e in plain] == [e.step_accuracies for e in found]
    assert plain[0].metrics == plain[0].validation_metrics == {}


def test_evaluate_with_metrics() -> None:
    model = nn.Linear(3, 3, seed=0)
    loss, share, own = training.evaluate(model, *three(), metrics=[error])
    assert own == {"error": pytest.approx(1 - share)}
    assert (loss, share) == training.evaluate(model, *three())


def test_early_stopping_and_best_by_a_metric() -> None:
    falls = iter([0.1, 0.3, 0.2, 0.25, 0.1, 0.0])
    asked: list[int] = []

    def scripted(outputs: Any, _: Any) -> float:
        asked.append(len(outputs))
        return next(falls) if len(outputs) == 80 else 0.0

    found = trained(
        9, metrics={"f1": scripted}, keep_best=True,
        early_stopping=EarlyStopping(3, "validation_f1", mode="max"),
    )  # fmt: skip
    assert (found.stopped, len(found), found.best.epoch) == ("early", 5, 2)
    assert (found.monitor, found.mode) == ("validation_f1", "max")
    down = EarlyStopping(2, "train_error", mode="min")
    assert trained(early_stopping=down).best.metrics["error"] <= trained()[0].metrics["error"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"monitor": "f1"}, "or train_NAME or validation_NAME for a metric"),
        ({"monitor": "validation_f1"}, "mode=None.: 'max' if validation_f1 should rise"),
        ({"monitor": "validation_f1", "mode": "up"}, "mode='up'.: 'max'"),
        ({"mode": "up"}, "mode='up'.: 'max'"),
    ],
)
def test_early_stopping_refuses(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        EarlyStopping(1, **options)


def test_metrics_in_checkpoints(tmp_path: Path) -> None:
    class Stop:
        def __init__(self, at: int) -> None:
            self.left = at

        def on_step(self, _: training.Progress) -> bool:
            self.left -= 1
            return self.left == 0

    stopping = EarlyStopping(9, "validation_error", mode="min")
    options: Any = {"early_stopping": stopping, "keep_best": True}
    whole = trained(**options)
    for at in (3, 10, 12):
        path = tmp_path / f"{at}.npz"
        trained(checkpoint=path, callbacks=[Stop(at)], **options)
        assert Checkpoint.load(path).history.mode == "min"
        found = trained(checkpoint=path, resume=True, **options)
        assert [e.metrics for e in found] == [e.metrics for e in whole]
        assert [e.validation_metrics for e in found] == [e.validation_metrics for e in whole]
    with pytest.raises(DataError, match="its metrics are error, expected other, more"):
        trained(
            checkpoint=path, resume=True, metrics={"other": error, "more": error}, keep_best=True,
            early_stopping=EarlyStopping(9, "validation_other", mode="min"),
        )  # fmt: skip


def test_metrics_in_the_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    found = trained(2, progress=True)
    shown = capsys.readouterr().err.split("\r")[-1]
    assert f"error {found[-1].metrics['error']:.3g}" in shown


def test_one_column_has_no_greatest() -> None:
    for metric in (training.top_k, training.calibration):
        with pytest.raises(tg.ShapeError, match="with n at least 1 and 2 classes or more"):
            metric(np.zeros((3, 1)), np.zeros(3, np.int64))


RNG = np.random.default_rng(5)
WORDS = RNG.integers(0, 4, (12, 5))
PADDED = np.where(np.arange(5) > 2, 0, np.maximum(WORDS, 1))  # the last two of five are no words
SOFT = np.eye(3, dtype=np.float32)[WORDS[:, 0] % 3] * 0.9 + np.float32(0.1 / 3)
SEVERAL = (RNG.standard_normal((12, 4)) > 0).astype(np.float32)


def clipped(p: Any, t: Any) -> Any:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


def bare(p: Any, t: Any) -> Any:
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


def masked(z: Any, t: Any) -> Any:
    """A mean over what is no padding, as people write it."""
    counts = np.not_equal(t, 0).astype(np.float32)
    losses = F.cross_entropy(np.moveaxis(z, -1, 1), t, reduction="none")
    return np.sum(losses * counts) / np.sum(counts)


def last_axis(z: Any, t: Any) -> Any:
    return F.cross_entropy(np.reshape(z, (-1, z.shape[-1])), np.reshape(t, -1))


def ignoring(index: int) -> Any:
    return lambda z, t: F.cross_entropy(z, t, ignore_index=index)


def drawn(*shape: int, probabilities: bool = False) -> np.ndarray:
    values = RNG.standard_normal(shape).astype(np.float32)
    return sigmoid(values) if probabilities else values


# loss, outputs, targets, and which outputs are right (None: there is no accuracy)
MORE: dict[str, tuple[Any, np.ndarray, np.ndarray, Any]] = {
    "ignored labels": (
        ignoring(-100), z := drawn(12, 4), t := np.where(WORDS[:, 0] == 2, -100, WORDS[:, 0]),
        (z.argmax(1) == t)[t >= 0],
    ),
    "an ignored class": (
        ignoring(0), z := drawn(12, 4), WORDS[:, 0],
        (z.argmax(1) == WORDS[:, 0])[WORDS[:, 0] != 0],
    ),
    "sequences": (F.cross_entropy, z := drawn(12, 4, 5), WORDS, z.argmax(1) == WORDS),
    "padded sequences": (
        ignoring(0), z := drawn(12, 4, 5), PADDED, (z.argmax(1) == PADDED)[PADDED > 0],
    ),
    "classes last": (last_axis, z := drawn(12, 5, 4), WORDS, z.argmax(-1) == WORDS),
    "classes last, as many as words": (
        last_axis, z := drawn(12, 5, 5), WORDS, z.argmax(-1) == WORDS,
    ),
    "classes first, as many as words": (
        F.cross_entropy, z := drawn(12, 5, 5), WORDS, z.argmax(1) == WORDS,
    ),
    "a mask": (masked, z := drawn(12, 5, 4), PADDED, (z.argmax(-1) == PADDED)[PADDED > 0]),
    "shares": (F.cross_entropy, z := drawn(12, 3), SOFT, z.argmax(1) == SOFT.argmax(1)),
    "several labels": (BCE, z := drawn(12, 4), SEVERAL, (z > 0) == SEVERAL),
    "several labels, integers": (
        BCE, z := drawn(12, 4), SEVERAL.astype(np.int64), (z > 0) == SEVERAL,
    ),
    "probabilities": (
        F.binary_cross_entropy, z := drawn(12, 1, probabilities=True), SEVERAL[:, :1],
        (z > 0.5) == SEVERAL[:, :1],
    ),
    "probabilities, clipped": (
        clipped, z := drawn(12, 4, probabilities=True), SEVERAL, (z > 0.5) == SEVERAL,
    ),
    "probabilities, bare": (
        bare, z := drawn(12, probabilities=True), SEVERAL[:, 0], (z > 0.5) == SEVERAL[:, 0],
    ),
    "squares of shares": (F.mse_loss, drawn(12, 3), SOFT, None),
    "squares of several": (F.mse_loss, drawn(12, 4), SEVERAL, None),
    "logarithms of counts": (
        lambda z, t: np.mean((np.log1p(z) - np.log1p(t)) ** 2), drawn(12, 4, probabilities=True),
        SEVERAL, None,
    ),
}  # fmt: skip


class Given(nn.Module):
    """Its outputs are a parameter, whatever it gets."""

    def __init__(self, outputs: np.ndarray) -> None:
        self.outputs = tg.Tensor(outputs, requires_grad=True)

    def forward(self, x: Any) -> Any:
        return self.outputs + np.sum(x) * 0


def test_every_kind_of_target_that_means_classes_has_an_accuracy() -> None:
    for name, (loss, outputs, y, right) in MORE.items():
        expected = math.nan if right is None else float(np.mean(right))
        assert score(outputs, y, loss)[1] == pytest.approx(expected, nan_ok=True), name
        x = np.zeros((12, 1), np.float32)
        for replay in (True, False):
            model = Given(outputs)
            [epoch] = training.fit(
                model, [(x, y)], optim.SGD(model.parameters(), 0.0), epochs=1, loss=loss,
                replay=replay,
            )  # fmt: skip
            assert epoch.train_accuracy == pytest.approx(expected, nan_ok=True), (name, replay)
            history = training.fit(
                model, [(x, y)], optim.SGD(model.parameters(), 0.0), epochs=1, loss=loss,
                replay=replay, validation=(x, y),
            )  # fmt: skip
            found = history[0].validation_accuracy
            assert found == pytest.approx(expected, nan_ok=True), (name, replay)
            wanted = "validation_loss" if right is None else "validation_accuracy"
            assert history.monitor == wanted, name


def test_of_many_outputs_a_few_rows_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision is the same, and counts all rows."""
    from tinygrad_np.training import decision as module

    cases = ("padded sequences", "several labels", "shares", "an ignored class")
    expected = [decision(z, t, loss) for loss, z, t, _ in (MORE[case] for case in cases)]
    asked = []
    monkeypatch.setattr(module, "MOST", 70)
    for case, wanted in zip(cases, expected, strict=True):
        loss, z, t, right = MORE[case]

        def counting(z: Any, t: Any, loss: Any = loss) -> Any:
            asked.append(z.size)
            return loss(z, t)

        found = decision(np.repeat(z, 9, axis=0), np.repeat(t, 9, axis=0), counting)
        assert found == wanted, case
        assert found is not None and found.counted(z, t) == (np.sum(right), np.size(right))
    assert max(asked) <= 70
