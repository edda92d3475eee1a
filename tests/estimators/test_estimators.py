"""The estimators: by scikit-learn's own checks, inside its tools, and beside its own networks."""

import importlib
import io
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import tinygrad_np as tg
import tinygrad_np.sklearn.perceptron as estimators
from tests.each import for_each
from tinygrad_np.sklearn import MLPClassifier, MLPRegressor

ROOT = Path(__file__).parents[2]
Data = tuple[np.ndarray, np.ndarray]
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK: dict[str, Any] = {"learning_rate_init": 0.03, "max_iter": 15}


@pytest.fixture(scope="module")
def iris() -> Data:
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


@pytest.fixture(scope="module")
def diabetes() -> Data:
    x, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(x), (y - y.mean()) / y.std()


def weights(estimator: Any) -> list[np.ndarray]:
    return [*estimator.coefs_, *estimator.intercepts_]


def equal(first: Any, second: Any) -> bool:
    pairs = zip(weights(first), weights(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# --- scikit-learn's own checks, and tools


EACH_ONCE = [("adam", MLPClassifier), ("lbfgs", MLPRegressor)]
CROSSED = [("adam", MLPRegressor), ("lbfgs", MLPClassifier)]


@unconverged
@pytest.mark.parametrize(
    ("solver", "kind"), [*EACH_ONCE, *(pytest.param(*c, marks=pytest.mark.slow) for c in CROSSED)]
)
def test_the_checks_of_scikit_learn(solver: str, kind: Any) -> None:
    made = kind(**QUICK, solver=solver)
    found = check_estimator(made, on_skip=None, on_fail=None)
    assert len(found) > 50
    failed = [(each["check_name"], each["exception"]) for each in found
              if each["status"] == "failed"]  # fmt: skip
    assert failed == []


@unconverged
def test_cross_validation_of_a_pipeline_on_digits() -> None:
    x, y = load_digits(return_X_y=True)
    network = MLPClassifier((32,), learning_rate_init=0.01, max_iter=12, random_state=0)
    scores = cross_val_score(make_pipeline(StandardScaler(), network), x, y, cv=3)
    assert scores.min() > 0.9


@unconverged
def test_grid_search_finds_what_learns(iris: Data) -> None:
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=32, random_state=0))
    grid = {
        "mlpclassifier__learning_rate_init": [1e-6, 0.04],
        "mlpclassifier__solver": ["adam", "adamw", "rmsprop", "sgd"],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(*iris)
    found = search.cv_results_
    table = dict(zip(map(str, found["params"]), found["mean_test_score"], strict=True))
    assert search.best_score_ > 0.94
    for solver in grid["mlpclassifier__solver"]:
        slow, fast = (
            table[str({"mlpclassifier__learning_rate_init": lr, "mlpclassifier__solver": solver})]
            for lr in (1e-6, 0.04)
        )
        assert fast > 0.85 > slow + 0.15


@unconverged
def test_random_search_over_everything_that_has_names(iris: Data) -> None:
    space = {
        "activation": ["relu", "leaky_relu", "tanh", "logistic", "gelu", "identity"],
        "hidden_layer_sizes": [(), 8, (8, 8)],
        "schedule": ["constant", "cosine", "one_cycle"],
        "initial": ["he_uniform", "he_normal", "xavier_uniform", "xavier_normal"],
        "dropout": [0.0, 0.2],
        "early_stopping": [False, True],
    }
    network = MLPClassifier(learning_rate_init=0.03, max_iter=25, batch_size=32, random_state=0)
    search = RandomizedSearchCV(network, space, n_iter=3, cv=2, random_state=1).fit(*iris)
    assert search.best_score_ > 0.93
    assert search.cv_results_["mean_test_score"].min() > 0.6


@unconverged
def test_regression_of_several_targets(iris: Data) -> None:
    x, _ = iris
    y = np.stack([x[:, 0] * x[:, 1], np.abs(x[:, 2])], axis=1)
    settings = {"learning_rate_init": 0.02, "batch_size": 30, "random_state": 0}
    network = MLPRegressor((32,), **settings).fit(x, y)
    assert network.predict(x).shape == (150, 2)
    assert network.score(x, y) > 0.95
    alone = MLPRegressor((32,), **settings)
    assert alone.fit(x, y[:, 1]).predict(x).shape == (150,)
    assert alone.score(x, y[:, 1]) > 0.95


# --- beside scikit-learn's own


@unconverged
@for_each(
    [MLPClassifier, MLPRegressor],
    [
        {"solver": "sgd", "learning_rate_init": 0.1, "batch_size": 40},
        {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False, "momentum": 0.5},
        {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0, "activation": "logistic"},
        {"solver": "adam", "learning_rate_init": 0.02, "activation": "tanh", "epsilon": 1e-12},
        {"solver": "adam", "hidden_layer_sizes": (7, 5), "beta_1": 0.8, "epsilon": 1e-12},
    ],
)
def test_the_same_training_as_scikit_learn_from_the_same_weights(
    kind: Any, settings: dict[str, Any], iris: Data, diabetes: Data
) -> None:
    x, y = iris if kind is MLPClassifier else diabetes
    shared = {
        "hidden_layer_sizes": (6,), "alpha": 0.0, "shuffle": False, "warm_start": True,
        "max_iter": 30, "tol": 2e-3, "n_iter_no_change": 2,
    } | settings  # fmt: skip
    ours = kind(random_state=3, **shared)
    ours.set_params(learning_rate_init=0, max_iter=1).fit(x, y)
    ours.set_params(**clone(ours).set_params(**shared).get_params())
    ours.set_params(learning_rate_init=settings.get("learning_rate_init", 0.001))
    theirs = getattr(neural_network, kind.__name__)(random_state=3, **shared)
    theirs.set_params(max_iter=1).fit(x, y)
    theirs.coefs_ = [np.array(w) for w in ours.coefs_]
    theirs.intercepts_ = [np.array(b) for b in ours.intercepts_]
    theirs.best_loss_ = np.inf  # a warm start of theirs remembers it
    theirs.set_params(max_iter=30).fit(x, y)
    ours.fit(x, y)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_[1:], theirs.loss_curve_[1:], rtol=1e-8)
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-6, atol=1e-8)


@unconverged
def test_long_epochs_are_replayed_to_the_same_weights(
    iris: Data, monkeypatch: pytest.MonkeyPatch, captures: list[Any]
) -> None:
    usual, asked = estimators.fit, []

    def spy(*given: Any, replay: bool, **named: Any) -> Any:
        asked.append(replay)
        return usual(*given, replay=replay, **named)

    monkeypatch.setattr(estimators, "fit", spy)
    for kind in (MLPClassifier, MLPRegressor):
        network = kind((8,), batch_size=2, max_iter=1, dropout=0.2, random_state=0)
        replayed = clone(network).fit(*iris)
        with monkeypatch.context() as patch:
            patch.setattr(estimators, "REPLAYED", 1_000)
            assert equal(replayed, clone(network).fit(*iris))
    assert asked == [True, False] * 2
    assert len(captures) == 2 * 2  # and the other steps are replayed


@unconverged
def test_alpha_is_divided_by_the_batch_size(iris: Data) -> None:
    x, y = iris
    settings = {"solver": "sgd", "momentum": 0, "batch_size": 150, "max_iter": 1, "random_state": 0}
    start = MLPClassifier(learning_rate_init=0, **settings).fit(x, y)
    free = MLPClassifier(learning_rate_init=0.5, alpha=0, **settings).fit(x, y)
    held = MLPClassifier(learning_rate_init=0.5, alpha=30, **settings).fit(x, y)
    for a, b, c in zip(weights(start), weights(free), weights(held), strict=True):
        penalty = a if a.ndim == 2 else 0
        np.testing.assert_allclose(c - b, -0.5 * 30 / 150 * penalty, atol=1e-12)


# --- settings, state, refusals


@unconverged
def test_the_random_state_decides_everything(iris: Data) -> None:
    network = MLPClassifier((8,), max_iter=3, dropout=0.3, early_stopping=True, random_state=5)
    first, second = clone(network).fit(*iris), clone(network).fit(*iris)
    assert equal(first, second)
    assert first.loss_curve_ == second.loss_curve_
    assert not equal(first, clone(network).set_params(random_state=6).fit(*iris))
    generator = clone(network).set_params(random_state=np.random.RandomState(5))
    assert equal(generator.fit(*iris), first)
    assert not equal(clone(network).set_params(random_state=None).fit(*iris), first)
    np.random.seed(0)
    third = clone(network).set_params(random_state=None).fit(*iris)
    np.random.seed(0)
    assert not equal(clone(network).set_params(random_state=None).fit(*iris), third)


@unconverged
@for_each([MLPClassifier, MLPRegressor])
def test_partial_fit_is_fit_in_pieces(kind: Any, iris: Data) -> None:
    x, y = iris
    settings = {"batch_size": 40, "dropout": 0.2, "random_state": 0}
    whole = kind(max_iter=3, **settings).fit(x, y)
    classes = {"classes": [2, 0, 1]} if kind is MLPClassifier else {}
    pieces = kind(**settings).partial_fit(x, y, **classes).partial_fit(x, y)
    file = io.BytesIO()
    joblib.dump(pieces, file)
    file.seek(0)
    for estimator in (pieces, joblib.load(file)):
        estimator.partial_fit(x, y)
        assert equal(estimator, whole)
        assert estimator.loss_curve_ == whole.loss_curve_
        assert (estimator.n_iter_, whole.n_iter_) == (1, 3)
        assert np.array_equal(estimator.predict(x), whole.predict(x))


@unconverged
def test_warm_start_goes_on(iris: Data) -> None:
    network = MLPClassifier((8,), max_iter=5, warm_start=True, random_state=0).fit(*iris)
    before = network.loss_
    network.fit(*iris)
    assert network.loss_ < before
    assert len(network.loss_curve_) == 10
    again = clone(network).set_params(warm_start=False).fit(*iris).fit(*iris)
    assert again.loss_ == before
    with pytest.raises(ValueError, match=r"labels \[7\], which are not among the classes \[0 1"):
        network.fit(iris[0], np.where(iris[1] == 2, 7, iris[1]))


@unconverged
def test_early_stopping_keeps_the_best_weights(diabetes: Data) -> None:
    settings = {"learning_rate_init": 0.02, "early_stopping": True, "random_state": 1}
    network = MLPRegressor((50,), max_iter=100, n_iter_no_change=5, **settings).fit(*diabetes)
    scores = network.validation_scores_
    best = int(np.argmax(scores)) + 1
    assert network.best_validation_score_ == max(scores)
    assert len(scores) == network.n_iter_ == len(network.history_)
    assert best < network.n_iter_ < 100
    assert equal(network, MLPRegressor((50,), max_iter=best, **settings).fit(*diabetes))


def test_a_schedule_with_an_end_gets_to_it_without_warnings(iris: Data) -> None:
    settings = {"max_iter": 4, "tol": 10.0, "n_iter_no_change": 1, "random_state": 0}
    for schedule in ("cosine", "one_cycle"):
        assert MLPClassifier((8,), schedule=schedule, **settings).fit(*iris).n_iter_ == 4
    assert MLPClassifier((8,), **settings).fit(*iris).n_iter_ == 2 + 1
    settings["tol"] = 0.0
    with pytest.warns(ConvergenceWarning, match="max_iter=4 epochs are over and"):
        MLPClassifier((8,), **settings).fit(*iris)
    rates: list[int] = []

    def schedule_of_one(step: int) -> float:
        rates.append(step)
        return 0.1 / (1 + step)

    with pytest.warns(ConvergenceWarning):
        MLPClassifier((8,), schedule=schedule_of_one, batch_size=50, **settings).fit(*iris)
    assert max(rates) in (11, 12)


@unconverged
@for_each([np.float32, np.float64])
def test_the_dtype_is_kept(dtype: Any, iris: Data) -> None:
    x, y = iris
    network = MLPClassifier((8,), **QUICK, random_state=0).fit(x.astype(dtype), y)
    assert {array.dtype for array in weights(network)} == {np.dtype(dtype)}
    assert network.predict_proba(x.astype(dtype)).dtype == dtype
    assert network.predict_log_proba(x).dtype == dtype  # cast on the way in
    regressor = MLPRegressor((8,), max_iter=2).fit(x.astype(dtype), y)
    assert regressor.predict(x.astype(dtype)).dtype == dtype


@unconverged
def test_labels_of_any_kind_and_the_network_itself(iris: Data) -> None:
    x, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    network = MLPClassifier((8, 6), learning_rate_init=0.02, max_iter=30, random_state=0).fit(
        x, names
    )
    assert network.score(x, names) > 0.95
    assert network.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert isinstance(network.module_, tg.nn.Module)
    assert [w.shape for w in network.coefs_] == [(4, 8), (8, 6), (6, 3)]
    logits = np.maximum(x @ network.coefs_[0] + network.intercepts_[0], 0)
    logits = np.maximum(logits @ network.coefs_[1] + network.intercepts_[1], 0)
    logits = logits @ network.coefs_[2] + network.intercepts_[2]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.predict_proba(x), expected, rtol=1e-10)
    np.testing.assert_allclose(network.predict_log_proba(x), np.log(expected), rtol=1e-8)


@unconverged
def test_verbose_prints_a_line_for_each_epoch(
    iris: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    network = MLPClassifier((8,), max_iter=2, verbose=True, early_stopping=True).fit(*iris)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"epoch 1: loss {network.loss_curve_[0]:.6f}, score 0.")
    assert second.startswith("epoch 2: ")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "width 0": ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes=\(8, 0\), expected ints"),
    "activation": ({"activation": "selu"}, "activation='selu', expected one of relu, leaky_relu"),
    "solver": (
        {"solver": "newton"},
        "solver='newton', expected one of adam, adamw, rmsprop, sgd, l",
    ),
    "schedule": ({"schedule": "adaptive"}, "schedule='adaptive', expected one of constant"),
    "schedules": ({"schedule": ["cosine"]}, r"schedule=\['cosine'\], expected one of constant"),
    "initial": ({"initial": "zeros"}, "initial='zeros', expected one of auto, he_uniform"),
    "alpha": ({"alpha": -1.0}, "alpha=-1.0, expected a number from 0 up"),
    "rate": ({"learning_rate_init": float("nan")}, "learning_rate_init=nan, expected a number"),
    "batch size": ({"batch_size": 0}, "batch_size=0, expected 'auto' or an int"),
    "epochs": ({"max_iter": 1.5}, "max_iter=1.5, expected an int from 1 up"),
    "dropout": ({"dropout": 1.0}, "dropout=1.0, expected a number from 0 to below 1"),
    "share": ({"validation_fraction": 0.0}, "validation_fraction=0.0, expected a number between"),
}


@for_each(BAD)
def test_settings_out_of_range_are_named(case: str, iris: Data) -> None:
    settings, message = BAD[case]
    with pytest.raises(ValueError, match=f"MLPClassifier: found {message}"):
        MLPClassifier(**settings).fit(*iris)
    with pytest.raises(ValueError, match=f"MLPRegressor: found {message}"):
        MLPRegressor(**settings).partial_fit(*iris)


def test_refusals(iris: Data) -> None:
    x, y = iris
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier().partial_fit(x, y)
    with pytest.raises(ValueError, match=r"labels \[2\], which are not among the classes \[0 1\]"):
        MLPClassifier().partial_fit(x, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"found classes \[0 1\], expected \[0 1 2\]"):
        MLPClassifier().partial_fit(x, y, classes=[0, 1, 2]).partial_fit(x, y, classes=[0, 1])
    with pytest.raises(ValueError, match="does not support early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="how many steps schedule='cosine' will take"):
        MLPRegressor(schedule="cosine").partial_fit(x, y)
    with pytest.raises(ValueError, match="y has 2 targets, and 1 in the earlier call"):
        MLPRegressor().partial_fit(x, y).partial_fit(x, x[:, :2])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = MLPClassifier().coefs_
    assert not hasattr(MLPClassifier(), "intercepts_")
    assert set(MLPClassifier(max_iter=2, schedule="cosine").fit(x, y * 0).predict(x)) == {0}
    for kind in (MLPClassifier, MLPRegressor):
        for dtype, factor in ((np.float64, 1e300), (np.float32, 1e25)):
            with pytest.raises(ValueError, match=r"squares overflow float.*; scale the inputs \(X"):
                kind().fit(x.astype(dtype) * dtype(factor), y)
        with pytest.raises(ValueError, match=r"not supported: X is of dtype complex128; give real"):
            kind().fit(x * 1j, y)
        with pytest.raises(ValueError, match="not supported: y is of dtype complex128; give real"):
            kind().fit(x, y * 1j)
        with pytest.raises(ValueError, match=r"training diverged; scale the inputs \(Stan"):
            kind(solver="sgd", activation="identity", learning_rate_init=1e200).fit(x, y)


def test_interrupted_training_keeps_what_was_reached(iris: Data) -> None:
    def interrupt(step: int) -> float:
        if step == 7:
            signal.raise_signal(signal.SIGINT)
        return 0.05

    network = MLPClassifier((8,), batch_size=30, schedule=interrupt, random_state=0)
    with pytest.warns(UserWarning, match="interrupted after 2 epochs, the last one unfinished"):
        network.fit(*iris)
    assert network.n_iter_ == 2
    assert network.score(*iris) > 0.5


# --- scikit-learn is optional


def test_without_scikit_learn_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "tinygrad_np.sklearn")
    with pytest.raises(ImportError, match=r"need scikit-learn 1\.6 or newer: pip install"):
        importlib.import_module("tinygrad_np.sklearn")


def test_the_package_does_not_import_scikit_learn() -> None:
    look = "import sys, tinygrad_np; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look]).returncode == 0


def test_no_warning_where_training_converges(iris: Data) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = MLPClassifier((8,), learning_rate_init=0.05, random_state=0).fit(*iris)
    assert network.n_iter_ < 200
    assert network.score(*iris) > 0.95


@pytest.mark.slow
def test_the_example_of_the_documentation() -> None:
    page = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    code, *_ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    program, expected = code.rsplit("# ", 1)
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (expected, "")


def test_a_word_for_weights_of_classes() -> None:
    with pytest.raises(ValueError, match="found class_weight='auto', expected 'balanced', a dict"):
        MLPClassifier(class_weight="auto", max_iter=1).fit(np.eye(4), [0, 1, 0, 1])
