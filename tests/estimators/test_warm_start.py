"""Settings that change between fits that go on from each other."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier as Theirs

from tests.each import for_each
from tinygrad_np import nn
from tinygrad_np.sklearn import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
Y = np.arange(120) % 3
X = RNG.standard_normal((120, 4)) + 2 * np.eye(3, 4)[Y]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def started(kind: Any = MLPClassifier, **settings: Any) -> Any:
    made = kind(
        (8,), **{"max_iter": 3, "warm_start": True, "random_state": 0, "batch_size": 32, **settings}
    )
    return made.fit(X, Y)


@for_each([MLPClassifier, MLPRegressor], [(9,), (8, 8), (), 7])
def test_other_widths_are_refused_and_nothing_changes(kind: Any, widths: Any) -> None:
    network = started(kind)
    before = [w.copy() for w in network.coefs_]
    network.set_params(hidden_layer_sizes=widths)
    with pytest.raises(ValueError, match=r"hidden layers of \(8,\), .* warm_start=False"):
        network.fit(X, Y)
    with pytest.raises(ValueError, match=r"hidden layers of \(8,\), and hidden_layer_sizes is"):
        network.partial_fit(X, Y)
    for was, now in zip(before, network.coefs_, strict=True):
        np.testing.assert_array_equal(was, now)
    network.set_params(warm_start=False).fit(X, Y)
    assert len(network.coefs_) == len(np.atleast_1d(np.asarray(widths, int))) + 1


CHANGES: dict[str, dict[str, Any]] = {
    "activation": {"activation": "tanh"},
    "dropout": {"dropout": 0.5},
    "solver": {"solver": "sgd"},
    "alpha": {"alpha": 10.0},
    "batch_size": {"batch_size": 7},
    "learning_rate_init": {"learning_rate_init": 0.1},
    "beta_1": {"beta_1": 0.1},
    "epsilon": {"epsilon": 0.1},
    "random_state": {"random_state": 5},
    "shuffle": {"shuffle": False},
}


@for_each(CHANGES)
def test_any_other_setting_counts_from_the_next_fit_on(name: str) -> None:
    same, other = started(), started()
    other.set_params(**CHANGES[name])
    same.fit(X, Y)
    other.fit(X, Y)
    assert not np.allclose(same.coefs_[0], other.coefs_[0], rtol=0, atol=1e-9)


@for_each(["tanh", "identity", "logistic"])
def test_an_activation_acts_on_the_old_weights(activation: str) -> None:
    """As scikit-learn has it: without steps, both change their predictions in the same way."""
    ours, theirs = started(), Theirs((8,), max_iter=1, warm_start=True, random_state=0)
    theirs.fit(X, Y)
    theirs.coefs_ = [w.copy() for w in ours.coefs_]
    theirs.intercepts_ = [b.copy() for b in ours.intercepts_]
    settings: dict[str, Any] = {"activation": activation, "learning_rate_init": 1e-12}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours.set_params(**settings).fit(X, Y)
        theirs.set_params(**settings).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    assert [type(m) for m in ours.module_].count(nn.ReLU) == 0


def test_classes_and_dtypes_of_a_warm_start() -> None:
    network = started()
    with pytest.raises(ValueError, match=r"the classes of the last fit, and y has no \[2\]"):
        network.fit(X[Y < 2], Y[Y < 2])
    with pytest.raises(ValueError, match="which are not among the classes"):
        network.fit(X, Y + 1)
    network.fit(X.astype(np.float32), Y)
    assert network.coefs_[0].dtype == np.float64
