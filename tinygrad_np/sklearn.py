"""Multi-layer perceptrons as scikit-learn estimators: for its pipelines, searches, validation.

Names and meanings of settings are those of ``sklearn.neural_network`` where both have the thing, so
that one can stand in for the other. The module needs scikit-learn (extra ``sklearn``), and
``import tinygrad_np`` does not import it.
"""

import functools
import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from . import nn, optim
from .data import batches
from .nn.functional import cross_entropy, log_softmax, mse_loss, softmax
from .training.fit import fit
from .training.inputs import refuse_mask
from .training.scoring import predict

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError(
        "the estimators need scikit-learn 1.6 or newer: pip install 'scikit-learn>=1.6'."
    ) from None

__all__ = ["MLPClassifier", "MLPRegressor"]

FLOATS = (np.float64, np.float32)

ACTIVATIONS: dict[str, Callable[[], nn.Module | None]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "gelu": nn.GELU,
    "identity": lambda: None,
}
INITIALS = ("he_uniform", "he_normal", "xavier_uniform", "xavier_normal")
SCHEDULES: dict[str, Callable[[float, int], Any]] = {
    "constant": lambda lr, steps: lr,  # noqa: ARG005
    "cosine": optim.CosineDecay,
    "one_cycle": optim.OneCycle,
}
SOLVERS = ("adam", "adamw", "rmsprop", "sgd")


def _one_of(*names: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in names, f"one of {', '.join(names)}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _is_real(value: Any, below: float = math.inf) -> bool:
    return isinstance(value, int | float | np.number) and bool(0 <= value < below)


REPLAYED = 50  # batches of an epoch; of fewer, captures and comparisons cost more than is gained

COUNT = (_is_count, "an int from 1 up")
NUMBER = (_is_real, "a number from 0 up")
SHARE = (lambda value: _is_real(value, below=1), "a number from 0 to below 1")
SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "hidden_layer_sizes": (
        lambda value: all(_is_count(size) for size in np.atleast_1d(np.asarray(value, object))),
        "ints from 1 up",
    ),
    "activation": _one_of(*ACTIVATIONS),
    "solver": (
        _one_of(*SOLVERS)[0],
        f"one of {', '.join(SOLVERS)} (lbfgs is not here: for small data take adam with a larger "
        "learning_rate_init)",
    ),
    "alpha": NUMBER,
    "batch_size": (lambda value: value == "auto" or _is_count(value), "'auto' or an int from 1 up"),
    "learning_rate_init": NUMBER,
    "schedule": (
        lambda value: callable(value) or (isinstance(value, str) and value in SCHEDULES),
        f"one of {', '.join(SCHEDULES)}, or a function of the number of steps done",
    ),
    "max_iter": COUNT,
    "tol": NUMBER,
    "momentum": SHARE,
    "validation_fraction": (lambda v: _is_real(v, below=1) and v > 0, "a number between 0 and 1"),
    "beta_1": SHARE,
    "beta_2": SHARE,
    "epsilon": NUMBER,
    "n_iter_no_change": COUNT,
    "dropout": SHARE,
    "weight_decay": NUMBER,
    "initial": _one_of(*INITIALS),
}


OTHERS = {
    "sample_weight": "resample the rows instead: rows = rng.choice(n, n, p=weights / "
    "weights.sum()), then fit(X[rows], y[rows])",
    "learning_rate": "give schedule='constant', 'cosine', 'one_cycle' or a function of the number "
    "of steps done",
    "power_t": "give schedule=lambda step: 0.001 / (1 + step) ** power",
    "max_fun": "it belongs to lbfgs, which is not here; give max_iter=",
}


def _refuse(name: str, others: dict[str, Any]) -> None:
    """Raise TypeError, with the way to it, for a setting that is scikit-learn's alone."""
    for other in others:
        known = ", ".join(n for n in SETTINGS if n != "initial")
        remedy = OTHERS.get(other, f"there are {known} and more, see help({name})")
        raise TypeError(f"{name}: has no {other}=; {remedy}.")


def _explained(init: Callable[..., None]) -> Callable[..., None]:
    """``__init__`` that says what to give instead of a setting that is scikit-learn's alone."""
    known = inspect.signature(init).parameters

    @functools.wraps(init)  # scikit-learn reads the settings off the signature
    def explained(self: Any, *args: Any, **settings: Any) -> None:
        _refuse(type(self).__name__, {n: v for n, v in settings.items() if n not in known})
        init(self, *args, **settings)

    return explained


class _MLP(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share: settings, network, training."""

    _optimiser: optim.Optimiser | None

    @_explained
    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate_init: float = 0.001,
        schedule: Any = "constant",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        dropout: float = 0.0,
        weight_decay: float = 0.01,
        initial: str = "xavier_uniform",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.initial = initial

    def fit(self, X: Any, y: Any, **others: Any) -> Self:
        """Train on ``X`` (n, features), float32 or float64, and ``y``; returns the estimator.

        A fit starts anew, unless ``warm_start`` is set: it then goes on from the weights of the
        last one, with the settings of now, and draws from ``random_state`` as a new one would.
        Raises ValueError for settings out of range, for other widths, classes or targets than the
        last fit had in a warm start, and for training that diverged; warns with ConvergenceWarning
        where ``max_iter`` ended it.
        """
        _refuse(type(self).__name__, others)
        self._check_settings()
        first = not (self.warm_start and hasattr(self, "module_"))
        if not first:
            self._check_widths()
        X, y = self._checked(X, y, first)
        if first:
            self._start(X, y)
        else:
            self._go_on(X, y)
        held = None
        if self.early_stopping:
            X, held_x, y, held_y = train_test_split(
                X, y, test_size=self.validation_fraction,
                random_state=int(self._rng.integers(1 << 31)), stratify=self._strata(y),
            )  # fmt: skip
            held = held_x, held_y
        watch = _Watch(self, held)
        self._optimiser = self._new_optimiser(len(X), self.max_iter)
        self._train(X, y, self._optimiser, self.max_iter, watch)
        if watch.stops and not watch.stopped and self.history_.stopped == "finished":
            warnings.warn(
                f"{type(self).__name__}: max_iter={self.max_iter} epochs are over and the training "
                "has not converged.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _partial_fit(self, X: Any, y: Any, first: bool) -> Self:
        self._check_settings()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        if isinstance(self.schedule, str) and self.schedule != "constant":
            raise ValueError(
                f"partial_fit cannot know how many steps schedule={self.schedule!r} is to take; "
                "use 'constant' or a function of the number of steps done."
            )
        if first:
            self._start(X, y)
        else:
            self._check_widths()
        if self._optimiser is None:
            self._optimiser = self._new_optimiser(len(X), 1)
        self._train(X, y, self._optimiser, 1, _Watch(self, None))
        return self

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, (inputs, outputs) as scikit-learn has them."""
        return [layer.weight.numpy().T for layer in self._layers()]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer, (outputs,)."""
        return [layer.bias.numpy() for layer in self._layers() if layer.bias is not None]

    def _layers(self) -> list[nn.Linear]:
        check_is_fitted(self, "module_")
        return [layer for layer in self.module_ if isinstance(layer, nn.Linear)]

    def _check_settings(self) -> None:
        for name, (good, expected) in SETTINGS.items():
            if not good(value := getattr(self, name)):
                raise ValueError(
                    f"{type(self).__name__}: found {name}={value!r}, expected {expected}."
                )

    def _start(self, X: np.ndarray, y: np.ndarray) -> None:
        """A new network, and no history."""
        self._rng = _generator(self.random_state)
        self.n_outputs_ = self._outputs(y)
        self.module_ = self._network(X.shape[1], self.n_outputs_, X.dtype)
        self.loss_curve_: list[float] = []
        self._optimiser = None

    def _go_on(self, X: np.ndarray, y: np.ndarray) -> None:
        """A network with the settings of now, and the weights of the last fit."""
        self._check_same(y)
        old = self._layers()
        self._rng = _generator(self.random_state)
        self.module_ = self._network(X.shape[1], self.n_outputs_, X.dtype)
        for layer, before in zip(self._layers(), old, strict=True):
            layer.load_state_dict(before.state_dict())

    def _check_widths(self) -> None:
        widths = [layer.weight.shape[0] for layer in self._layers()[:-1]]
        if (now := self._widths()) != widths:
            raise ValueError(
                f"{type(self).__name__}: the weights to go on with are of hidden layers "
                f"{tuple(widths)}, and hidden_layer_sizes is {tuple(now)}; set it back, or call "
                "fit with warm_start=False to begin anew."
            )

    def _widths(self) -> list[int]:
        return [int(n) for n in np.atleast_1d(np.asarray(self.hidden_layer_sizes, np.int64))]

    def _network(self, features: int, outputs: int, dtype: Any) -> nn.Sequential:
        initial = getattr(nn.init, self.initial)
        modules: list[nn.Module] = []
        for width in self._widths():
            layer = nn.Linear(features, width, seed=self._rng, initial=initial, dtype=dtype)
            activation = ACTIVATIONS[self.activation]()
            modules += [layer] if activation is None else [layer, activation]
            if self.dropout:
                modules.append(nn.Dropout(self.dropout, seed=self._rng))
            features = width
        modules.append(nn.Linear(features, outputs, seed=self._rng, initial=initial, dtype=dtype))
        return nn.Sequential(*modules)

    def _new_optimiser(self, rows: int, epochs: int) -> optim.Optimiser:
        batch_size = self._batch_size(rows)
        lr = self.schedule
        if not callable(lr):
            lr = SCHEDULES[lr](self.learning_rate_init, epochs * -(-rows // batch_size))
        params, decay = self.module_.parameters(), self.alpha / batch_size
        betas = self.beta_1, self.beta_2
        match self.solver:
            case "adam":
                return optim.Adam(params, lr, betas, self.epsilon, decay)
            case "adamw":
                return optim.AdamW(params, lr, betas, self.epsilon, self.weight_decay)
            case "rmsprop":
                return optim.RMSprop(params, lr, weight_decay=decay)
        nesterov = self.nesterovs_momentum and self.momentum > 0
        return optim.SGD(params, lr, self.momentum, nesterov, decay)

    def _batch_size(self, rows: int) -> int:
        return min(200 if self.batch_size == "auto" else int(self.batch_size), rows)

    def _train(
        self,
        X: np.ndarray,
        y: np.ndarray,
        optimiser: optim.Optimiser,
        epochs: int,
        watch: "_Watch",
    ) -> None:
        """``epochs`` passes over the data, from where network and optimiser are."""
        given = batches(X, y, self._batch_size(len(X)), seed=self._rng, shuffle=self.shuffle)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "fit: ", RuntimeWarning)  # said below
            self.history_ = fit(
                self.module_, given, optimiser, epochs=epochs, loss=self._loss,
                callbacks=[watch], replay=len(given) >= REPLAYED,
            )  # fmt: skip
        watch.finish()
        self.n_iter_ = len(self.history_)
        self.loss_curve_ += [epoch.train_loss for epoch in self.history_]
        self.loss_ = self.loss_curve_[-1]
        if self.history_.stopped == "diverged":
            raise ValueError(
                f"{type(self).__name__}: the training diverged; scale the inputs "
                f"(StandardScaler) or lower learning_rate_init. {self.history_.cause}"
            )
        if self.history_.stopped == "interrupted":
            warnings.warn(
                f"{type(self).__name__}: interrupted after {self.n_iter_} epochs, the last one not "
                "whole; the weights are those reached.",
                stacklevel=3,
            )

    def _predicted(self, X: Any) -> np.ndarray:
        """The network's outputs (n, outputs), in the dtype that it was trained in."""
        check_is_fitted(self, "module_")
        self._refuse(X=X)
        X = validate_data(self, X, dtype=self.module_.parameters()[0].dtype, reset=False)
        outputs: np.ndarray = predict(self.module_, X)
        return outputs

    def _refuse(self, **given: Any) -> None:
        """Refuse masked arrays and complex numbers."""
        for name, value in given.items():
            refuse_mask(name, value)
            if getattr(getattr(value, "dtype", None), "kind", "f") == "c":
                raise ValueError(
                    f"{type(self).__name__}: Complex data not supported: {name} is of dtype "
                    f"{value.dtype}; give real and imaginary parts as columns of their own "
                    f"(np.hstack([{name}.real, {name}.imag]))."
                )

    def _refuse_huge(self, X: np.ndarray) -> None:
        """Refuse inputs with whose squares, as optimisers take of gradients, nothing is learned."""
        if (top := float(np.max(np.abs(X)))) > math.sqrt(np.finfo(X.dtype).max):
            raise ValueError(
                f"{type(self).__name__}: X has values up to {top:.3g}, whose squares overflow "
                f"{X.dtype}; scale the inputs (X / np.abs(X).max(), then StandardScaler)."
            )

    def _dtypes(self, first: bool) -> Any:
        """What inputs may be: either float, and then that of the network."""
        return FLOATS if first else self.module_.parameters()[0].dtype

    # what differs between the two

    def _check_same(self, y: np.ndarray) -> None:
        """Refuse targets that a warm start cannot go on with."""

    @staticmethod
    def _loss(outputs: Any, y: Any) -> Any:
        raise NotImplementedError

    def _checked(self, X: Any, y: Any, first: bool) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def _outputs(self, y: np.ndarray) -> int:
        raise NotImplementedError

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        raise NotImplementedError

    def _held_score(self, outputs: np.ndarray, y: np.ndarray) -> float:
        raise NotImplementedError


class _Watch:
    """A callback: stops by scikit-learn's rule, and keeps the weights with the best score.

    What has to get better by ``tol`` within ``n_iter_no_change`` epochs is the score on examples
    held out, or without those the training loss, if the schedule has no end of its own.
    """

    def __init__(self, own: _MLP, held: tuple[np.ndarray, np.ndarray] | None) -> None:
        self.own = own
        self.held = held
        self.stops = held is not None or own.schedule == "constant" or callable(own.schedule)
        self.stopped = False
        self.best = -math.inf
        self.waited = 0
        self.scores: list[float] = []
        self.weights: dict[str, np.ndarray] | None = None

    def on_epoch(self, epoch: Any) -> bool:
        """Note what the epoch gave; True ends the training."""
        own, value = self.own, -epoch.train_loss
        if not math.isfinite(value):
            return False  # fit ends here by itself
        if self.held is not None:
            x, y = self.held
            value = own._held_score(predict(own.module_, x), y)
            self.scores.append(value)
        if own.verbose:
            score = f", score {value:.4f}" if self.held is not None else ""
            print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.6f}{score}")
        self.waited = 0 if value >= self.best + own.tol else self.waited + 1
        if value > self.best:
            self.best = value
            if self.held is not None:
                self.weights = own.module_.state_dict()
        self.stopped = self.stops and self.waited > own.n_iter_no_change
        return self.stopped

    def finish(self) -> None:
        """Best weights, and scores as attributes, where examples were held out."""
        if self.weights is not None:
            self.own.module_.load_state_dict(self.weights)
        held = self.held is not None
        self.own.validation_scores_ = self.scores if held else None
        self.own.best_validation_score_ = self.best if held else None


def _generator(random_state: Any) -> np.random.Generator:
    """NumPy's newer generator from what scikit-learn takes; None draws anew each time."""
    if random_state is None:
        return np.random.default_rng()
    return np.random.default_rng(check_random_state(random_state).randint(1 << 31, size=4))


class MLPClassifier(ClassifierMixin, _MLP):  # type: ignore[misc]
    """A network with softmax and cross-entropy on top, for two classes or more.

    hidden_layer_sizes : width of each hidden layer, an int or several; () for none
    activation : relu, leaky_relu, tanh, logistic, gelu, identity
    solver : adam, adamw, rmsprop, sgd
    alpha : L2 penalty, alpha / (2 · batch size) · ‖parameters‖², biases too; not with adamw
    batch_size : examples in a step; "auto" is at most 200
    learning_rate_init : the rate, or the highest one of a schedule
    schedule : constant, cosine, one_cycle, or a function of the number of steps done
    max_iter : epochs at most; cosine and one_cycle take them all
    shuffle : a new order of the examples in each epoch
    random_state : an int or RandomState for initial weights, order, dropout and held-out examples;
        None draws anew at each fit, whatever ``np.random.seed`` says
    tol, n_iter_no_change : training ends when the loss (or the score on held-out examples) got
        better by less than ``tol`` for more than this number of epochs
    verbose : print a line for each epoch
    warm_start : fit goes on from the weights of the last fit
    momentum, nesterovs_momentum : of sgd
    early_stopping, validation_fraction : hold out this share of the examples, stratified, watch
        their score instead of the loss, and keep the weights that had the best one
    beta_1, beta_2, epsilon : of adam and adamw
    dropout : share of each hidden layer's outputs that are dropped in training
    weight_decay : decoupled decay of adamw
    initial : xavier_uniform, as scikit-learn draws, xavier_normal, he_uniform, he_normal

    After ``fit``: ``classes_``, ``n_features_in_``, ``module_`` (the network, a ``nn.Module``),
    ``coefs_``, ``intercepts_``, ``history_`` (what ``training.fit`` returned), ``loss_curve_``,
    ``loss_``, ``n_iter_``, ``validation_scores_`` and ``best_validation_score_``. The arithmetic is
    done in the dtype of the inputs, float32 or float64.

    >>> from tinygrad_np.sklearn import MLPClassifier
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> y = np.where(x[:, 0] > 0, "right", "left")
    >>> model = MLPClassifier((8,), early_stopping=True, random_state=0).fit(x, y)
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
    array(['right', 'left'], dtype='<U5')
    """

    @staticmethod
    def _loss(outputs: Any, y: Any) -> Any:
        return cross_entropy(outputs, y)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """One pass over the given examples; the first call needs all ``classes`` there will be."""
        first = not hasattr(self, "module_")
        labels = None if classes is None else np.unique(classes)
        if first and labels is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if not first and labels is not None and not np.array_equal(labels, self.classes_):
            raise ValueError(
                f"partial_fit: found classes {labels}, expected {self.classes_} as in the first "
                "call."
            )
        X, y = self._checked(X, y, first, labels)
        return self._partial_fit(X, y, first)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (n,)."""
        outputs = self._predicted(X)
        return self.classes_[outputs.argmax(axis=1)]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (n, classes), in the order of ``classes_``."""
        return softmax(self._predicted(X), axis=1)  # type: ignore[no-any-return]

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of the probabilities, without overflow, (n, classes)."""
        return log_softmax(self._predicted(X), axis=1)  # type: ignore[no-any-return]

    def _checked(
        self, X: Any, y: Any, first: bool, classes: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The examples, and their labels as places in ``classes_``."""
        self._refuse(X=X, y=y)
        X, y = validate_data(self, X, y, dtype=self._dtypes(first), reset=first)
        self._refuse_huge(X)
        check_classification_targets(y)
        if first:
            self.classes_ = np.unique(y) if classes is None else classes
        if (unknown := np.setdiff1d(y, self.classes_)).size:
            raise ValueError(
                f"{type(self).__name__}: y has the labels {unknown}, which are not among the "
                f"classes {self.classes_}."
            )
        return X, np.searchsorted(self.classes_, y)

    def _check_same(self, y: np.ndarray) -> None:
        if (missing := np.delete(self.classes_, y)).size:
            raise ValueError(
                f"{type(self).__name__}: a warm start needs the classes of the last fit, and y has "
                f"no {missing}; use partial_fit for some of them, or set warm_start=False."
            )

    def _outputs(self, y: np.ndarray) -> int:
        del y
        return len(self.classes_)

    def _strata(self, y: np.ndarray) -> np.ndarray:
        return y

    def _held_score(self, outputs: np.ndarray, y: np.ndarray) -> float:
        return float(accuracy_score(y, outputs.argmax(axis=1)))


class MLPRegressor(RegressorMixin, _MLP):  # type: ignore[misc]
    """A network without a function on top, and half the mean squared error, for one target or more.

    Settings and attributes are those of ``MLPClassifier``, without ``classes_``; the score on
    held-out examples is R², and they are not stratified.

    >>> from tinygrad_np.sklearn import MLPRegressor
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> model = MLPRegressor((8,), max_iter=2000, random_state=0).fit(x, x[:, 0])
    >>> model.predict(x).shape
    (200,)
    """

    def partial_fit(self, X: Any, y: Any) -> Self:
        """One pass over the given examples."""
        first = not hasattr(self, "module_")
        X, y = self._checked(X, y, first)
        return self._partial_fit(X, y, first)

    def predict(self, X: Any) -> np.ndarray:
        """The targets of each row, (n,) or (n, targets) as ``y`` was."""
        outputs = self._predicted(X)
        return outputs[:, 0] if self._flat else outputs

    @staticmethod
    def _loss(outputs: Any, y: Any) -> Any:
        return mse_loss(outputs, y) * 0.5

    def _checked(self, X: Any, y: Any, first: bool) -> tuple[np.ndarray, np.ndarray]:
        """The examples, and their targets (n, targets) in the same dtype."""
        self._refuse(X=X, y=y)
        X, y = validate_data(
            self, X, y, dtype=self._dtypes(first), multi_output=True, y_numeric=True, reset=first
        )
        self._refuse_huge(X)
        targets = 1 if y.ndim == 1 else y.shape[1]
        if not first and targets != self.n_outputs_:
            raise ValueError(
                f"{type(self).__name__}: y has {targets} targets, and {self.n_outputs_} in the "
                "earlier call."
            )
        self._flat = y.ndim == 1
        return X, y.reshape(len(y), targets).astype(X.dtype, copy=False)

    def _outputs(self, y: np.ndarray) -> int:
        return int(y.shape[1])

    def _strata(self, y: np.ndarray) -> None:
        del y

    def _held_score(self, outputs: np.ndarray, y: np.ndarray) -> float:
        return float(r2_score(y, outputs))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
