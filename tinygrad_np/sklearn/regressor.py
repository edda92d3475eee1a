"""The regressor."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ..nn.functional import mse_loss
from .perceptron import Perceptron, takes_steps


class MLPRegressor(RegressorMixin, Perceptron):  # type: ignore[misc]
    """A network without a function on top, and half the mean squared error, for one target or more.

    Settings and attributes are those of ``MLPClassifier``, without ``classes_`` and
    ``class_weight``; the score on held-out examples is R², and they are not stratified.

    >>> from tinygrad_np.sklearn import MLPRegressor
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> model = MLPRegressor((8,), max_iter=2000, random_state=0).fit(x, x[:, 0])
    >>> model.predict(x).shape
    (200,)
    """

    @available_if(takes_steps)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over the given examples."""
        first = not hasattr(self, "module_")
        X, y = self._checked(X, y, first)
        return self._partial_fit(X, y, sample_weight, first)

    def predict(self, X: Any) -> np.ndarray:
        """The targets of each row, (n,) or (n, targets) as ``y`` was."""
        outputs = self._predicted(X)
        return outputs[:, 0] if self._flat else outputs

    def _loss(self, outputs: Any, y: Any, reduction: str = "mean") -> Any:
        losses = mse_loss(outputs, y, reduction=reduction) * 0.5
        return losses if reduction == "mean" else np.mean(losses, axis=1)

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

    def _held_score(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        return float(r2_score(y, outputs, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
