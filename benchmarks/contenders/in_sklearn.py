"""scikit-learn: ``partial_fit`` of its multi-layer perceptrons, once per step."""

import warnings
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.contenders.contender import (
    BETAS,
    EPS,
    Array,
    CannotExpressError,
    Contender,
    Task,
)


class Sklearn(Contender):
    """Without L2 penalty, momentum and shuffling; the whole batch is one of its batches.

    Its loss for regression is half the mean of squares, so its rate and its losses are doubled.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if task.activation != "relu":
            raise CannotExpressError("scikit-learn has no leaky ReLU")
        self.scale = 2.0 if task.loss == "squares" else 1.0
        rate = task.rate * (self.scale if task.optimiser == "sgd" else 1.0)
        kind: Any = MLPRegressor if task.loss == "squares" else MLPClassifier
        self.model = kind(
            hidden_layer_sizes=task.sizes[1:-1],
            activation="relu",
            solver=task.optimiser,
            alpha=0.0,
            batch_size=len(task.x),
            learning_rate_init=rate,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
            beta_1=BETAS[0],
            beta_2=BETAS[1],
            epsilon=EPS,
        )
        self.load()
        classes = {} if task.loss == "squares" else {"classes": np.arange(task.sizes[-1])}
        self.model.partial_fit(task.x, self.y, **classes)
        for theirs, ours in zip(self.model.coefs_, task.weights[::2], strict=True):
            theirs[...] = ours.T
        for theirs, ours in zip(self.model.intercepts_, task.weights[1::2], strict=True):
            theirs[...] = ours
        del self.model._optimizer  # the next call makes one that has seen no gradient

    def load(self) -> None:
        self.y = self.task.y.ravel()

    def set_rate(self, rate: float) -> None:
        self.model._optimizer.learning_rate_init = rate

    def step(self) -> float:
        with warnings.catch_warnings():
            self.model.partial_fit(self.task.x, self.y)
        return float(self.model.loss_) * self.scale

    def weights(self) -> list[Array]:
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [w.copy() for coefficients, bias in pairs for w in (coefficients.T, bias)]
