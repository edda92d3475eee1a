"""What both estimators share: settings, network, training."""

import math
import warnings
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import nn, optim
from ..autodiff.nests import refuse_subclass
from ..habits import hinted
from ..training.fit import fit
from ..training.scoring import predict
from .quasi_newton import lbfgs
from .settings import ACTIVATIONS, SCHEDULES, check_settings
from .watch import Rows, Watch

FLOATS = (np.float64, np.float32)
REPLAYED = 50  # batches of an epoch; of fewer, captures and comparisons cost more than is gained


@dataclass(eq=False, repr=False)  # which writes __init__, where scikit-learn reads the settings
class Perceptron(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator but for the loss, the targets and the score."""

    hidden_layer_sizes: Any = (100,)
    activation: str = "relu"
    _: KW_ONLY
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: Any = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    schedule: Any = "constant"
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: int = 10
    max_fun: int = 15000
    dropout: float = 0.0
    weight_decay: float = 0.01
    initial: str = "auto"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on ``X`` (n, features), float32 or float64, and ``y``; returns the estimator.

        ``sample_weight`` (n,), numbers from 0 up, says how much each row counts in the loss, and in
        the score of ``early_stopping``. A fit starts anew, unless ``warm_start`` is set: it then
        goes on from the weights of the last one, with the settings of now, and draws from
        ``random_state`` as a new one would. Raises ValueError for settings out of range, for other
        widths, classes or targets than the last fit had in a warm start, and for training that
        diverged; warns with ConvergenceWarning where ``max_iter`` ended it.
        """
        check_settings(self)
        first = not (self.warm_start and hasattr(self, "module_"))
        if not first:
            self._check_widths()
        X, y = self._checked(X, y, first)
        weights = self._row_weights(X, y, sample_weight)
        if first:
            self._start(X, y)
        else:
            self._go_on(X, y)
        data = _counting(X, y, weights)
        if self.solver == "lbfgs":
            return self._minimise(*data)
        held = None
        if self.early_stopping:
            X, y, weights = data
            parts = train_test_split(
                X, y, np.ones(len(X)) if weights is None else weights,
                test_size=self.validation_fraction, random_state=self._rng,
                stratify=self._strata(y),
            )  # fmt: skip
            if weights is None:
                parts[4:] = None, None
            data, held = tuple(parts[::2]), tuple(parts[1::2])
        watch = Watch(self, len(data[0]), held)
        optimiser = self._new_optimiser(len(data[0]), self.max_iter)
        self._optimiser: optim.Optimiser | None = optimiser
        self._train(data, optimiser, self.max_iter, watch)
        if watch.stops and not watch.stopped and self.history_.stopped == "finished":
            self._warn_of_the_end(f"max_iter={self.max_iter} epochs are over")
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Self:
        check_settings(self)
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        if isinstance(self.schedule, str) and self.schedule != "constant":
            raise ValueError(
                f"partial_fit cannot know how many steps schedule={self.schedule!r} will take; use "
                "'constant' or a function of the number of steps done."
            )
        weights = self._row_weights(X, y, sample_weight)
        if first:
            self._start(X, y)
        else:
            self._check_widths()
        data = _counting(X, y, weights)
        if self._optimiser is None:
            self._optimiser = self._new_optimiser(len(data[0]), 1)
        self._train(data, self._optimiser, 1, Watch(self, len(data[0]), None))
        return self

    def _row_weights(self, X: np.ndarray, y: np.ndarray, given: Any) -> np.ndarray | None:
        """How much each row counts (n,) in the dtype of ``X``; None where all count 1."""
        del y
        if given is None:
            return None
        self._refuse(sample_weight=given)
        weights: np.ndarray = _check_sample_weight(
            given, X, dtype=X.dtype, ensure_non_negative=True
        )
        return weights

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, (inputs, outputs) as scikit-learn has them."""
        return [layer.weight.numpy().T for layer in self._layers()]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer, (outputs,)."""
        return [layer.bias.numpy() for layer in self._layers() if layer.bias is not None]

    @property
    def n_layers_(self) -> int:
        """How many layers there are, inputs and outputs among them."""
        return len(self._layers()) + 1

    @property
    def best_loss_(self) -> float | None:
        """The lowest loss of an epoch; None where scores were watched instead."""
        check_is_fitted(self, "module_")
        return None if self.early_stopping else min(self.loss_curve_, default=self.loss_)

    @property
    def out_activation_(self) -> str:
        """What makes predictions of the last layer: identity, logistic or softmax."""
        check_is_fitted(self, "module_")
        return "identity"

    def _layers(self) -> list[nn.Linear]:
        check_is_fitted(self, "module_")
        return [layer for layer in self.module_ if isinstance(layer, nn.Linear)]

    def _start(self, X: np.ndarray, y: np.ndarray) -> None:
        """A new network, and no history."""
        self._draw_anew()
        self.n_outputs_ = self._outputs(y)
        self.module_ = self._network(X.shape[1], self.n_outputs_, X.dtype)
        self.loss_curve_: list[float] = []
        self.t_ = 0  # examples seen
        self._optimiser = None

    def _go_on(self, X: np.ndarray, y: np.ndarray) -> None:
        """A network with the settings of now, and the weights of the last fit."""
        self._check_same(y)
        old = self._layers()
        self._draw_anew()
        self.module_ = self._network(X.shape[1], self.n_outputs_, X.dtype)
        for layer, before in zip(self._layers(), old, strict=True):
            layer.load_state_dict(before.state_dict())

    def _draw_anew(self) -> None:
        """The generator of a fit, and no order of the rows yet; None is not NumPy's global one."""
        state = self.random_state
        self._rng = np.random.RandomState() if state is None else check_random_state(state)
        self._order = np.arange(0)

    def _check_widths(self) -> None:
        widths = [layer.weight.shape[0] for layer in self._layers()[:-1]]
        if (now := self._widths()) != widths:
            raise ValueError(
                f"{type(self).__name__}: the weights of the last fit have hidden layers of "
                f"{tuple(widths)}, and hidden_layer_sizes is {tuple(now)}; set it back, or call "
                "fit with warm_start=False to start again."
            )

    def _widths(self) -> list[int]:
        return [int(n) for n in np.atleast_1d(np.asarray(self.hidden_layer_sizes, np.int64))]

    def _network(self, features: int, outputs: int, dtype: Any) -> nn.Sequential:
        modules: list[nn.Module] = []
        drawn = self.dropout > 0 or self.initial != "auto"
        seed = np.random.default_rng(self._rng.randint(1 << 31, size=4)) if drawn else None
        for width in self._widths():
            modules.append(self._layer(features, width, dtype, seed))
            if (activation := ACTIVATIONS[self.activation]()) is not None:
                modules.append(activation)
            if self.dropout:
                modules.append(nn.Dropout(self.dropout, seed=seed))
            features = width
        return nn.Sequential(*modules, self._layer(features, outputs, dtype, seed))

    def _layer(self, fan_in: int, fan_out: int, dtype: Any, seed: Any) -> nn.Linear:
        """Weights and biases as scikit-learn draws them, or weights of ``nn.init`` and biases 0."""
        if self.initial != "auto":
            initial = getattr(nn.init, self.initial)
            return nn.Linear(fan_in, fan_out, seed=seed, initial=initial, dtype=dtype)
        layer = nn.Linear(fan_in, fan_out, seed=0, dtype=dtype)
        bound = math.sqrt((2 if self.activation == "logistic" else 6) / (fan_in + fan_out))
        weight = self._rng.uniform(-bound, bound, (fan_in, fan_out)).T
        bias = self._rng.uniform(-bound, bound, fan_out)
        layer.load_state_dict({"weight": weight.astype(dtype), "bias": bias.astype(dtype)})
        return layer

    def _new_optimiser(self, rows: int, epochs: int) -> optim.Optimiser:
        batch_size = self._batch_size(rows)
        lr = self.schedule
        if not callable(lr):
            lr = SCHEDULES[lr](self.learning_rate_init, epochs * -(-rows // batch_size))
        params = self.module_.parameters()
        betas = self.beta_1, self.beta_2
        match self.solver:
            case "adam":
                return _Adam(params, lr, betas, self.epsilon)
            case "adamw":
                return optim.AdamW(params, lr, betas, self.epsilon, self.weight_decay)
            case "rmsprop":
                return optim.RMSprop(params, lr)
        nesterov = self.nesterovs_momentum and self.momentum > 0
        return optim.SGD(params, lr, self.momentum, nesterov)

    def _batch_size(self, rows: int) -> int:
        return min(200 if self.batch_size == "auto" else int(self.batch_size), rows)

    def _train(
        self, data: tuple[Any, Any, Any], optimiser: optim.Optimiser, epochs: int, watch: Watch
    ) -> None:
        """``epochs`` passes over the data, from where network and optimiser are."""
        given = Rows(self, data, self._batch_size(len(data[0])))
        # found here: what scikit-learn looks up in each step a replay would watch
        weights = [layer.weight for layer in self._layers()]

        def objective(outputs: Any, y: Any) -> Any:
            return self._objective(outputs, y, weights)

        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "fit: ", RuntimeWarning)  # said below
            self.history_ = fit(
                self.module_, given, optimiser, epochs=epochs, loss=objective,
                callbacks=[watch], replay=len(given) >= REPLAYED,
            )  # fmt: skip
        watch.finish()
        self.n_iter_ = len(self.history_)
        self.loss_curve_ += [epoch.train_loss for epoch in self.history_]
        self.loss_ = self.loss_curve_[-1]
        if self.history_.stopped == "diverged":
            self._refuse_what_diverged(self.history_.cause)
        if self.history_.stopped == "interrupted":
            warnings.warn(
                f"{type(self).__name__}: interrupted after {self.n_iter_} epochs, the last one "
                "unfinished; the weights are those of that moment.",
                stacklevel=3,
            )

    def _minimise(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> Self:
        """Train by L-BFGS."""

        def seen(loss: float) -> None:
            self.loss_curve_.append(loss)
            if self.verbose:
                print(f"iteration {len(self.loss_curve_)}: loss {loss:.6f}")

        targets = y if weights is None else (y, weights)
        with np.errstate(all="ignore"):
            found = lbfgs(
                self.module_, self._objective, X, targets, seen,
                maxiter=self.max_iter, maxfun=self.max_fun, gtol=self.tol,
            )  # fmt: skip
        self.loss_, self.n_iter_ = float(found.fun), int(found.nit)
        self.validation_scores_ = self.best_validation_score_ = None
        if not (math.isfinite(self.loss_) and np.isfinite(found.x).all()):
            self._refuse_what_diverged(f"The loss is {self.loss_}.")
        if not found.success:
            self._warn_of_the_end(
                f"lbfgs ended after {found.nit} iterations and {found.nfev} evaluations "
                f"({found.message})",
                stacklevel=4,
            )
        return self

    def _objective(self, outputs: Any, y: Any, weights: list[Any]) -> Any:
        """The loss of a batch and the L2 penalty, by scikit-learn's formula."""
        y, each = y if isinstance(y, tuple) else (y, None)
        if each is None:
            loss, total = self._loss(outputs, y), outputs.shape[0]
        else:
            losses, total = self._loss(outputs, y, reduction="none"), np.sum(each)
            loss = np.sum(losses * each) / total
        if not self.alpha or self.solver == "adamw":
            return loss
        squares = [np.sum(weight * weight) for weight in weights]
        return loss + sum(squares[1:], squares[0]) * (0.5 * self.alpha) / total

    def _refuse_what_diverged(self, cause: str | None) -> None:
        raise ValueError(
            f"{type(self).__name__}: the training diverged; scale the inputs (StandardScaler) or "
            f"lower learning_rate_init. {cause}"
        )

    def _warn_of_the_end(self, what: str, stacklevel: int = 3) -> None:
        text = f"{type(self).__name__}: {what} and the training has not converged."
        warnings.warn(text, ConvergenceWarning, stacklevel=stacklevel)

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
            refuse_subclass(name, value)
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

    def _loss(self, outputs: Any, y: Any, reduction: str = "mean") -> Any:
        """The loss, or with ``reduction="none"`` that of each row (n,)."""
        raise NotImplementedError

    def _checked(self, X: Any, y: Any, first: bool) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def _outputs(self, y: np.ndarray) -> int:
        raise NotImplementedError

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        """The classes of which each part is to have its share; None for numbers."""
        del y
        return None

    def _held_score(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        raise NotImplementedError


Perceptron.__init__ = hinted("MLP")(Perceptron.__init__)  # type: ignore[method-assign]


class _Adam(optim.Adam):
    """Adam as scikit-learn has it: epsilon is added before the bias of √s is corrected.

    That is the order of computation at the end of section 2 of Kingma & Ba (2015).
    """

    def _numbers_of(self, group: Any, rate: float, age: int) -> tuple[float, ...]:
        beta1, beta2, _, factor = super()._numbers_of(group, rate, age)
        return beta1, beta2, group["eps"] / math.sqrt(1 - beta2), factor


def takes_steps(estimator: Any) -> bool:
    """Whether there is ``partial_fit``, as scikit-learn asks; AttributeError says why not."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            f"{type(estimator).__name__}: partial_fit takes one pass of steps, and solver='lbfgs' "
            "has none; use another solver."
        )
    return True


def _counting(X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[Any, Any, Any]:
    """The rows that count: a batch of others only would have no mean."""
    if weights is None:
        return X, y, None
    rows = weights > 0
    if not rows.any():
        raise ValueError(
            f"each of the {len(X)} rows has the weight 0; at least one has to count: see "
            "sample_weight and class_weight."
        )
    return X[rows], y[rows], weights[rows]
