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
        ({"monitor": "validation_f1"}, "mode=None.: 'max' if validation_f1 is to rise"),
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
