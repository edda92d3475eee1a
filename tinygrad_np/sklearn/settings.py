"""What the settings of the estimators may be."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn, optim
from ..arguments import is_whole

ACTIVATIONS: dict[str, Callable[[], nn.Module | None]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "gelu": nn.GELU,
    "identity": lambda: None,
}
INITIALS = ("auto", "he_uniform", "he_normal", "xavier_uniform", "xavier_normal")
SCHEDULES: dict[str, Callable[[float, int], Any]] = {
    "constant": lambda lr, steps: lr,  # noqa: ARG005
    "cosine": optim.CosineDecay,
    "one_cycle": optim.OneCycle,
}
SOLVERS = ("adam", "adamw", "rmsprop", "sgd", "lbfgs")


def _one_of(*names: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in names, f"one of {', '.join(names)}"


def _is_count(value: Any) -> bool:
    return is_whole(value) and bool(value >= 1)


def _is_real(value: Any, below: float = math.inf) -> bool:
    return isinstance(value, int | float | np.number) and bool(0 <= value < below)


COUNT = (_is_count, "an int from 1 up")
NUMBER = (_is_real, "a number from 0 up")
SHARE = (lambda value: _is_real(value, below=1), "a number from 0 to below 1")
SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "hidden_layer_sizes": (
        lambda value: all(_is_count(size) for size in np.atleast_1d(np.asarray(value, object))),
        "ints from 1 up",
    ),
    "activation": _one_of(*ACTIVATIONS),
    "solver": _one_of(*SOLVERS),
    "alpha": NUMBER,
    "batch_size": (lambda value: value == "auto" or _is_count(value), "'auto' or an int from 1 up"),
    "learning_rate": _one_of("constant", "invscaling", "adaptive"),
    "learning_rate_init": NUMBER,
    "power_t": NUMBER,
    "schedule": (
        lambda value: callable(value) or (isinstance(value, str) and value in SCHEDULES),
        f"one of {', '.join(SCHEDULES)}, or a function of the number of steps done",
    ),
    "max_iter": COUNT,
    "max_fun": COUNT,
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


def check_settings(estimator: Any) -> None:
    """Raise ValueError for a setting out of range, and for two that contradict each other."""
    name = type(estimator).__name__
    for setting, (good, expected) in SETTINGS.items():
        if not good(value := getattr(estimator, setting)):
            raise ValueError(f"{name}: found {setting}={value!r}, expected {expected}.")
    scheduled = estimator.schedule != "constant"
    if estimator.solver == "lbfgs":
        for setting, is_given, neutral in (
            ("schedule", scheduled, "'constant'"),
            ("dropout", estimator.dropout > 0, "0"),
            ("early_stopping", estimator.early_stopping, "False"),
        ):
            if is_given:
                raise ValueError(
                    f"{name}: solver='lbfgs' minimises one function, all rows at once, and has no "
                    f"use for {setting}={getattr(estimator, setting)!r}; set {setting}={neutral}, "
                    "or use another solver."
                )
    if estimator.solver == "sgd" and scheduled and estimator.learning_rate != "constant":
        raise ValueError(
            f"{name}: learning_rate={estimator.learning_rate!r} and "
            f"schedule={estimator.schedule!r} both set the rate; leave one of them 'constant'."
        )
