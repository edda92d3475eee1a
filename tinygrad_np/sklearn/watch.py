"""What the estimators do between the epochs of a training, and the batches of one."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils import shuffle

from ..training.scoring import predict


class Rows:
    """The batches of an epoch, in the order that scikit-learn's networks draw.

    A batch is ``x, y``, or with weights of the rows ``x, (y, weights)``.
    """

    def __init__(self, own: Any, arrays: tuple[Any, Any, Any], batch_size: int) -> None:
        self.own, self.arrays, self.size = own, arrays, batch_size

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // self.size)

    def __iter__(self) -> Iterator[Any]:
        own, n = self.own, len(self.arrays[0])
        if own.shuffle:
            order = own._order if len(own._order) == n else np.arange(n)
            own._order = shuffle(order, random_state=own._rng)
        for start in range(0, n, self.size):
            rows: Any = slice(start, start + self.size)
            if own.shuffle:
                rows = own._order[rows]
            x, y, weights = (None if array is None else array[rows] for array in self.arrays)
            yield x, y if weights is None else (y, weights)


class Watch:
    """A callback: stops by scikit-learn's rule, and keeps the weights with the best score.

    What has to get better by ``tol`` within ``n_iter_no_change`` epochs is the score on examples
    held out, or without those the training loss, if the schedule has no end of its own. With
    ``learning_rate="adaptive"`` the rate is divided by 5 instead, down to 1e-6.
    """

    def __init__(self, own: Any, rows: int, held: tuple[Any, Any, Any] | None) -> None:
        self.own = own
        self.rows = rows
        self.held = held
        self.stops = held is not None or own.schedule == "constant" or callable(own.schedule)
        self.stopped = False
        self.best = -math.inf
        self.waited = 0
        self.scores: list[float] = []
        self.weights: dict[str, np.ndarray] | None = None

    def on_epoch(self, epoch: Any) -> bool:
        """Note what the epoch gave, and set the rate of the next one; True ends the training."""
        own, value = self.own, -epoch.train_loss
        if not math.isfinite(value):
            return False  # fit ends here by itself
        if self.held is not None:
            x, y, weights = self.held
            value = own._held_score(predict(own.module_, x), y, weights)
            self.scores.append(value)
        if own.verbose:
            score = f", score {value:.4f}" if self.held is not None else ""
            print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.6f}{score}")
        self.waited = 0 if value >= self.best + own.tol else self.waited + 1
        if value > self.best:
            self.best = value
            if self.held is not None:
                self.weights = own.module_.state_dict()
        own.t_ += self.rows
        rule = own.learning_rate if own.solver == "sgd" else "constant"
        if rule == "invscaling":
            own._optimiser.lr = own.learning_rate_init / (own.t_ + 1) ** own.power_t
        self.stopped = self.stops and self.waited > own.n_iter_no_change
        if self.stopped and rule == "adaptive" and own._optimiser.lr > 1e-6:
            own._optimiser.lr /= 5
            self.stopped, self.waited = False, 0
        return self.stopped

    def finish(self) -> None:
        """Best weights, and scores as attributes, where examples were held out."""
        if self.weights is not None:
            self.own.module_.load_state_dict(self.weights)
        held = self.held is not None
        self.own.validation_scores_ = self.scores if held else None
        self.own.best_validation_score_ = self.best if held else None
