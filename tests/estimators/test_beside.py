"""The estimators beside scikit-learn's networks: same seed, same training; and the benchmark."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network

from benchmarks import estimators as benchmark
from tests.each import for_each, named
from tinygrad_np import sklearn as ours
from tinygrad_np.sklearn import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
Y = np.arange(150) % 3
X = RNG.standard_normal((150, 4)) + 2 * np.eye(3, 4)[Y]
SEVERAL = np.stack([X[:, 0] > 0, X[:, 1] + X[:, 2] > 1, X[:, 3] > 0.5], axis=1).astype(int)
SMOOTH = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
WEIGHTS = RNG.uniform(0.1, 3, 150)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SAME: dict[str, dict[str, Any]] = {
    "adam": {},
    "no penalty": {"alpha": 0},
    "other activation": {"activation": "logistic", "hidden_layer_sizes": (7, 5)},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0, "power_t": 0.3,
                   "learning_rate_init": 0.5},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "momentum": 0, "tol": 0.02,
                 "n_iter_no_change": 1, "learning_rate_init": 0.3, "max_iter": 5},
    "penalty": {"alpha": 3.0},
    "lbfgs": {"solver": "lbfgs"},
    "lbfgs, penalty": {"solver": "lbfgs", "alpha": 2.0, "activation": "tanh"},
    "lbfgs, few evaluations": {"solver": "lbfgs", "max_fun": 5},
}  # fmt: skip
TARGETS: dict[str, tuple[str, np.ndarray]] = {
    "classes": ("MLPClassifier", Y),
    "two classes": ("MLPClassifier", np.where(X[:, 0] > 1, "b", "a")),
    "several labels": ("MLPClassifier", SEVERAL),
    "one target": ("MLPRegressor", SMOOTH[:, 0]),
    "several targets": ("MLPRegressor", SMOOTH),
}


# of several targets the loss is the mean, and scikit-learn's steps are those of the sum
CASES = [
    (case, target, weights)
    for case, settings in SAME.items()
    for target in TARGETS
    for weights in (WEIGHTS, None)
    if target != "several targets" or case == "no penalty"
    if weights is WEIGHTS or case in ("adam", "lbfgs, penalty")
]


@for_each(CASES)
def test_one_seed_gives_the_training_of_scikit_learn(
    case: tuple[str, str, np.ndarray | None],
) -> None:
    name, target, weights = case
    kind, y = TARGETS[target]
    shared = {
        "hidden_layer_sizes": 6, "max_iter": 3, "batch_size": 40, "random_state": 3,
        "epsilon": 1e-12 if target == "several targets" else 1e-3, "learning_rate_init": 0.01,
    } | SAME[name]  # fmt: skip
    own, theirs = (getattr(library, kind)(**shared) for library in (ours, neural_network))
    own.fit(X, y, sample_weight=weights)
    theirs.fit(X, y, sample_weight=weights)
    for fitted in ("n_iter_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(own, fitted) == getattr(theirs, fitted), fitted
    if own.solver != "lbfgs":  # of which scikit-learn keeps none
        np.testing.assert_allclose(own.best_loss_, theirs.best_loss_, rtol=1e-6)
        np.testing.assert_allclose(own.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(own.loss_, theirs.loss_, rtol=1e-6)
    for a, b in zip(own.coefs_ + own.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    if y.dtype.kind == "U":
        assert own.predict(X).tolist() == theirs.predict(X).tolist()
    else:
        np.testing.assert_allclose(own.predict(X), theirs.predict(X), rtol=1e-5, atol=1e-6)
    assert own.score(X, y, WEIGHTS) == pytest.approx(theirs.score(X, y, WEIGHTS))
    if kind == "MLPClassifier":
        assert own.classes_.tolist() == theirs.classes_.tolist()
        np.testing.assert_allclose(own.predict_proba(X), theirs.predict_proba(X), rtol=1e-5)
        np.testing.assert_allclose(
            own.predict_log_proba(X), theirs.predict_log_proba(X), 1e-4, 1e-10
        )


def test_scores_of_rows_held_out_are_those_of_scikit_learn() -> None:
    for target, weights in (("several targets", WEIGHTS), ("several labels", WEIGHTS),
                            ("two classes", WEIGHTS), ("one target", None)):  # fmt: skip
        kind, y = TARGETS[target]
        settings = {"early_stopping": True, "max_iter": 6, "random_state": 0}
        own, theirs = (getattr(library, kind)(**settings) for library in (ours, neural_network))
        own.fit(X, y, weights)
        theirs.fit(X, y, weights)
        with named(target):
            np.testing.assert_allclose(own.validation_scores_, theirs.validation_scores_, rtol=1e-4)


def test_class_weights_are_weights_of_rows() -> None:
    settings: dict[str, Any] = {"hidden_layer_sizes": 6, "max_iter": 5, "random_state": 0}
    counts = np.where(Y == 2, 4.0, 1.0)
    labels = np.where(SEVERAL[:, 0] == 1, 0.5, 1.0) * np.where(SEVERAL[:, 2] == 1, 3.0, 1.0)
    uneven = np.r_[0:150, np.flatnonzero(Y == 0)]
    balanced = len(uneven) / 3 / np.bincount(Y[uneven])[Y[uneven]]
    each = [{0: 1, 1: 0.5}, {0: 1, 1: 1}, {0: 1, 1: 3}]
    for rows, y, given, weights in (
        (np.arange(150), Y, {2: 4.0}, counts),
        (np.arange(150), SEVERAL, each, labels),
        (uneven, Y, "balanced", balanced),
    ):
        x, y = X[rows], y[rows]
        with named(given):
            by_class = MLPClassifier(**settings, class_weight=given).fit(x, y)
            by_row = MLPClassifier(**settings).fit(x, y, weights)
            assert by_class.loss_curve_ == pytest.approx(by_row.loss_curve_, rel=1e-9)
            assert by_row.loss_ != MLPClassifier(**settings).fit(x, y).loss_
            both = MLPClassifier(**settings, class_weight=given).fit(x, y, weights)
            assert both.loss_ == pytest.approx(
                MLPClassifier(**settings).fit(x, y, weights**2).loss_, rel=1e-12
            )


def test_rows_of_weight_0_are_as_if_not_there_and_partial_fit_takes_weights() -> None:
    zero = np.where(np.arange(150) < 100, WEIGHTS, 0)
    for kind, y in ((MLPClassifier, Y), (MLPClassifier, SEVERAL), (MLPRegressor, SMOOTH)):
        for solver in ("adam", "lbfgs"):
            settings = {"max_iter": 3, "batch_size": 30, "random_state": 0, "solver": solver}
            with_them = kind((6,), **settings).fit(X, y, zero)
            without = kind((6,), **settings).fit(X[:100], y[:100], WEIGHTS[:100])
            assert with_them.loss_ == without.loss_
        whole = kind((6,), max_iter=2, random_state=0).fit(X, y, WEIGHTS)
        classes = {} if kind is MLPRegressor else {"classes": [0, 1, 2]}
        pieces = kind((6,), random_state=0).partial_fit(X, y, sample_weight=WEIGHTS, **classes)
        pieces.partial_fit(X, y, sample_weight=WEIGHTS)
        assert pieces.loss_curve_ == whole.loss_curve_


def test_lbfgs_trains_further_and_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    model = MLPRegressor((10,), solver="lbfgs", max_iter=400, random_state=0, verbose=True)
    model.fit(X.astype(np.float32), SMOOTH)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ == len(model.loss_curve_)
    assert lines[0] == f"iteration 1: loss {model.loss_curve_[0]:.6f}"
    assert model.coefs_[0].dtype == np.float32
    assert model.score(X, SMOOTH) > 0.9
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as refused:
        model.partial_fit(X, SMOOTH)
    assert "one pass of steps, and solver='lbfgs' has none" in str(refused.value.__cause__)
    before = model.loss_
    model.set_params(warm_start=True).fit(X.astype(np.float32), SMOOTH)
    assert model.loss_ <= before


THREE = np.stack([Y, Y], axis=1)
REFUSED: list[tuple[Any, str]] = [
    (lambda: MLPRegressor().fit(X, Y, np.zeros(150)), "must contain at least one non-zero number"),
    (lambda: MLPRegressor().fit(X, Y, -WEIGHTS), "(?i)negative values in data passed to `sample"),
    (lambda: MLPRegressor().fit(X, Y, WEIGHTS[:5]), r"sample_weight.shape == \(5,\)"),
    (lambda: MLPRegressor(solver="lbfgs", dropout=0.1).fit(X, Y), "no use for dropout=0.1; set dr"),
    (lambda: MLPRegressor(solver="lbfgs", early_stopping=True).fit(X, Y), "set early_stopping=Fal"),
    (lambda: MLPRegressor(solver="lbfgs", schedule="cosine").fit(X, Y), "set schedule='constant'"),
    (lambda: MLPRegressor(solver="sgd", learning_rate="adaptive", schedule="cosine").fit(X, Y),
     "'adaptive' and schedule='cosine' both set the rate"),
    (lambda: MLPRegressor(learning_rate="fast").fit(X, Y), "'fast', expected one of constant, inv"),
    (lambda: MLPClassifier().fit(X, THREE), r"y of shape \(150, 2\) is multiclass-multioutput; ex"),
    (lambda: MLPClassifier().fit(X, SEVERAL * 2), "expected classes .n,., or 0 and 1 for each"),
    (lambda: MLPClassifier(max_iter=1, warm_start=True).fit(X, Y).fit(X, SEVERAL),
     "several labels for each row, and one label for each row in the earlier"),
    (lambda: MLPClassifier().partial_fit(X, SEVERAL, [0, 1]), r"3 labels; expected the labels \[0"),
    (lambda: MLPClassifier(class_weight="balanced").partial_fit(X, Y, [0, 1, 2]),
     "cannot know how frequent the classes are"),
    (lambda: MLPClassifier(class_weight=dict.fromkeys(range(3), 0)).fit(X, Y),
     "each of the 150 rows has the weight 0; at least one"),
    (lambda: MLPRegressor(solver="lbfgs", max_iter=3).fit(X * 1e150, SMOOTH * 1e150),
     "training diverged; scale the inputs"),
]  # fmt: skip


@for_each(range(len(REFUSED)))
def test_what_is_refused(case: int) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = benchmark.measured("make_moons, noise 0.2", [0], hidden_layer_sizes=(4,), max_iter=3)
    assert (row.score, row.rows, row.features) == ("accuracy", 500, 2)
    row = benchmark.measured("diabetes", [0, 1], hidden_layer_sizes=(4,), max_iter=3)
    assert row.scores["tinygrad_np"] == pytest.approx(row.scores["scikit-learn"], abs=1e-4)
    first, _, line = benchmark.table([row]).splitlines()
    assert first == "| data | rows × features | score | tinygrad_np | scikit-learn |"
    assert line.startswith("| diabetes | 442 × 10 | R² | -")
    file = tmp_path / "scores.json"
    assert benchmark.main(["--only", "iris", "--seeds", "1", "--json", str(file)]) == 0
    assert capsys.readouterr().out.count("\n") == 3
    [kept] = json.loads(file.read_text(encoding="utf-8"))["scores"]
    assert kept["scores"]["tinygrad_np"][0] > 0.9
    assert benchmark.main(["--only", "mnist"]) == 2
    assert "the data sets are make_friedman1" in capsys.readouterr().err
