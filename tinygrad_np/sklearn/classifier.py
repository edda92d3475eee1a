"""The classifier."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d, validate_data

from ..habits import hinted
from ..nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    log_softmax,
    sigmoid,
    softmax,
)
from .perceptron import Perceptron, takes_steps


@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, Perceptron):  # type: ignore[misc]
    """A network with softmax and cross-entropy on top; of two classes one output and a sigmoid.

    For targets (n, labels) of 0 and 1, several labels at once, each label has a sigmoid instead,
    and the loss is the sum of the labels' cross-entropies.

    hidden_layer_sizes : width of each hidden layer, an int or several; () for none
    activation : relu, leaky_relu, tanh, logistic, gelu, identity
    solver : adam, adamw, rmsprop, sgd, or lbfgs: SciPy's L-BFGS-B, all rows at once, for small data
    alpha : L2 penalty, alpha / (2 n) · ‖weights‖² with the n rows of a batch, or the sum of their
        ``sample_weight``; not with adamw
    batch_size : examples in a step; "auto" is at most 200
    learning_rate, power_t : of sgd: constant; invscaling, the first rate divided by
        (rows seen + 1) ** power_t after each epoch; adaptive, divided by 5 where training would end
    learning_rate_init : the rate, or the highest one of a schedule
    schedule : constant, cosine, one_cycle, or a function of the number of steps done
    max_iter : epochs at most (iterations of lbfgs); cosine and one_cycle take them all
    max_fun : evaluations of the loss at most, of lbfgs
    shuffle : a new order of the examples in each epoch
    random_state : an int or RandomState for initial weights, order, dropout and held-out examples;
        None draws anew at each fit, whatever ``np.random.seed`` says
    tol, n_iter_no_change : training ends when the loss (or the score on held-out examples) got
        better by less than ``tol`` for more than this number of epochs;
        with lbfgs, when no slope is above ``tol``
    verbose : print a line for each epoch
    warm_start : fit goes on from the weights of the last fit
    momentum, nesterovs_momentum : of sgd
    early_stopping, validation_fraction : hold out this share of the examples, stratified, watch
        their score instead of the loss, and keep the weights that had the best one
    beta_1, beta_2, epsilon : of adam and adamw
    dropout : share of each hidden layer's outputs that are dropped in training
    weight_decay : decoupled decay of adamw
    initial : auto, weights and biases as scikit-learn draws them (uniform, after Glorot & Bengio
        2010), or biases of 0 and weights by xavier_uniform, xavier_normal, he_uniform, he_normal
    class_weight : what the rows of a class count, {class: number} or "balanced", which is
        rows / (classes · rows of the class); multiplied with ``sample_weight``. For several labels
        a list of such dicts

    After ``fit``: ``classes_``, ``n_features_in_``, ``module_`` (the network, a ``nn.Module``),
    ``coefs_``, ``intercepts_``, ``loss_curve_``, ``loss_``, ``n_iter_``, ``validation_scores_`` and
    ``best_validation_score_``, and but for lbfgs ``history_`` (what ``training.fit`` returned). The
    arithmetic is done in the dtype of the inputs, float32 or float64.

    >>> from tinygrad_np.sklearn import MLPClassifier
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> y = np.where(x[:, 0] > 0, "right", "left")
    >>> model = MLPClassifier((8,), solver="lbfgs", random_state=0).fit(x, y)
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
    array(['right', 'left'], dtype='<U5')
    """

    _: KW_ONLY
    class_weight: Any = None

    def _loss(self, outputs: Any, y: Any, reduction: str = "mean") -> Any:
        if self._is_binary:
            outputs = outputs[:, 0]
            return binary_cross_entropy_with_logits(
                outputs, y.astype(outputs.dtype), reduction=reduction
            )
        if not self._several:
            return cross_entropy(outputs, y, reduction=reduction)
        losses = binary_cross_entropy_with_logits(outputs, y, reduction=reduction)
        return losses * self.n_outputs_ if reduction == "mean" else np.sum(losses, axis=1)

    @available_if(takes_steps)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One pass over the given examples; the first call needs all ``classes`` there will be.

        For several labels these are ``np.arange(labels)``.
        """
        first = not hasattr(self, "module_")
        labels = None if classes is None else np.unique(classes)
        if first and labels is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if not first and labels is not None and not np.array_equal(labels, self.classes_):
            raise ValueError(
                f"partial_fit: found classes {labels}, expected {self.classes_} as in the first "
                "call."
            )
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"partial_fit cannot know how frequent the classes are, as "
                f"class_weight={self.class_weight!r} asks; give a dict, or sample_weight=."
            )
        X, y = self._checked(X, y, first, labels)
        return self._partial_fit(X, y, sample_weight, first)

    @property
    def out_activation_(self) -> str:
        """What makes probabilities of the last layer."""
        super().out_activation_  # noqa: B018  # raises before fit
        return "logistic" if self._several or self._is_binary else "softmax"

    @property
    def _is_binary(self) -> bool:
        return not self._several and len(self.classes_) == 2

    def _both(self, outputs: np.ndarray) -> np.ndarray:
        """Logits of each class or label: of two classes both have the one output."""
        return np.hstack([-outputs, outputs]) if self._is_binary else outputs

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (n,), or 0 and 1 for each label, (n, labels)."""
        outputs = self._both(self._predicted(X))
        if self._several:
            return (outputs > 0).astype(int)
        return self.classes_[outputs.argmax(axis=1)]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class or label, (n, classes), in the order of ``classes_``."""
        outputs = self._both(self._predicted(X))
        if self.out_activation_ == "logistic":
            return sigmoid(outputs)  # type: ignore[no-any-return]
        return softmax(outputs, axis=1)  # type: ignore[no-any-return]

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of the probabilities, without overflow, (n, classes)."""
        outputs = self._both(self._predicted(X))
        if self.out_activation_ == "logistic":
            return -np.logaddexp(0, -outputs)  # type: ignore[no-any-return]
        return log_softmax(outputs, axis=1)  # type: ignore[no-any-return]

    def _checked(
        self, X: Any, y: Any, first: bool, classes: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The examples, and their labels as places in ``classes_``, or as 0 and 1 for each."""
        self._refuse(X=X, y=y)
        X, y = validate_data(self, X, y, dtype=self._dtypes(first), multi_output=True, reset=first)
        self._refuse_huge(X)
        check_classification_targets(y)
        y = y.toarray() if hasattr(y, "toarray") else y
        several = y.ndim == 2 and y.shape[1] > 1
        if several:
            self._check_labels(y)
        else:
            y = column_or_1d(y, warn=True)
        found = np.arange(y.shape[1]) if several else np.unique(y)
        if first:
            self._several = several
            self.classes_ = found if classes is None else classes
        if several != self._several:
            kinds = ("one label for each row", "several labels for each row")
            raise ValueError(
                f"{type(self).__name__}: y has {kinds[several]}, and {kinds[self._several]} in the "
                "earlier call."
            )
        if several and not np.array_equal(found, self.classes_):
            raise ValueError(
                f"{type(self).__name__}: y has {y.shape[1]} labels; expected the labels "
                f"{self.classes_}, a column for each."
            )
        if (unknown := np.setdiff1d(found, self.classes_)).size:
            raise ValueError(
                f"{type(self).__name__}: y has the labels {unknown}, which are not among the "
                f"classes {self.classes_}."
            )
        return X, y.astype(X.dtype) if several else np.searchsorted(self.classes_, y)

    def _check_labels(self, y: np.ndarray) -> None:
        if type_of_target(y) != "multilabel-indicator" or not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"{type(self).__name__}: y of shape {y.shape} is {type_of_target(y)}; expected "
                "classes (n,), or 0 and 1 for each of several labels (n, labels), as "
                "sklearn.preprocessing.MultiLabelBinarizer returns. Train one classifier for each "
                "column otherwise."
            )

    def _row_weights(self, X: np.ndarray, y: np.ndarray, given: Any) -> np.ndarray | None:
        weights = super()._row_weights(X, y, given)
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, str) and self.class_weight != "balanced":
            raise ValueError(
                f"{type(self).__name__}: found class_weight={self.class_weight!r}, expected "
                "'balanced', a dict {class: number} or None."
            )
        labels = y.astype(int) if self._several else self.classes_[y]
        by_class: np.ndarray = compute_sample_weight(self.class_weight, labels).astype(X.dtype)
        return by_class if weights is None else weights * by_class

    def _check_same(self, y: np.ndarray) -> None:
        if not self._several and (missing := np.delete(self.classes_, y)).size:
            raise ValueError(
                f"{type(self).__name__}: a warm start needs the classes of the last fit, and y has "
                f"no {missing}; use partial_fit for some of them, or set warm_start=False."
            )

    def _outputs(self, y: np.ndarray) -> int:
        del y
        return 1 if self._is_binary else len(self.classes_)

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return None if self._several else y

    def _held_score(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        found = outputs > 0 if self._several else self._both(outputs).argmax(axis=1)
        return float(accuracy_score(y, found, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


MLPClassifier.__init__ = hinted("MLP")(MLPClassifier.__init__)  # type: ignore[method-assign]
