"""Every public constructor and function of the toolbox, given what it does not take.

A sweep of arguments and values: each gives one sentence of the project's own, at once, that names
the argument and what was given.
"""

import math
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import data, nn, optim, training
from tinygrad_np.data import augment

F = nn.functional
PACKAGE = str(Path(tg.__file__).parent)


def function(*args: Any) -> Any:
    """A function where none is wanted."""
    return args


# what is given, and how a message may call it
VALUES: dict[str, tuple[Any, str]] = {
    "None": (None, r"None"),
    "word": ("abc", r"abc|'a'|\bstr\b"),
    "negative": (-1, r"-1"),
    "zero": (0, r"\b0\b"),
    "fraction": (2.5, r"2\.5|float"),
    "nan": (math.nan, r"nan|float"),
    "infinite": (math.inf, r"inf|float"),
    "true": (True, r"True|bool"),
    "function": (function, r"function|Tensor|tuple"),
    "class": (nn.ReLU, r"class|ReLU"),
    "list": ([1, "x"], r"list|\[1|'x'|\b1\b|dtype <U"),
    "array": (np.full((2, 3), 1.5), r"array|shape|dtype"),
}
NUMBERS = {"zero", "fraction", "true"}
COUNT: set[str] = set()
FROM_ZERO = {"zero"}
REAL = {"zero", "fraction"}
ABOVE_ZERO = {"fraction"}
SHARE = {"zero"}
FLAG = {"true", "zero"}
OPTIONAL = {"None"}
SEED = {"zero", "None"}
OWN_SEED = {"zero"}
CALLABLE = {"function"}
ANY_NUMBER = {"negative", "zero", "fraction"}
MOVED = {*ANY_NUMBER, "true"}  # numbers, or one for each image
PATH = {"word"}

P = [tg.Tensor(np.ones((2, 3)), requires_grad=True)]
X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1, 2])
IMAGES = np.ones((2, 1, 6, 6), np.float32)
RAW = np.full((2, 6, 6), 200, np.uint8)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3, seed=0))


def fit(**given: Any) -> Any:
    model = given.pop("model", None) or net()
    own: dict[str, Any] = {
        "batches": data.batches(X, Y, 3, seed=0), "optimiser": optim.SGD(model.parameters(), 0.1),
        "epochs": 1,
    } | given  # fmt: skip
    return training.fit(model, own.pop("batches"), own.pop("optimiser"), **own)


def fit_model(model: Any) -> Any:
    sgd = optim.SGD(net().parameters(), 0.1)
    return training.fit(model, data.batches(X, Y, 3, seed=0), sgd, epochs=1)


def load_own(**given: Any) -> Any:
    rows = np.column_stack([Y, np.full((6, 64), 200)])
    np.savetxt("own.csv", [*rows, *rows], "%d", ",")
    return data.load("own.csv", **given)


def keyword(fn: Callable[..., Any], name: str, *args: Any, **others: Any) -> Callable[[Any], Any]:
    return lambda value: fn(*args, **(others | {name: value}))


Row = tuple[str, str, Callable[[Any], Any], set[str]]


def rows(fn: Any, kinds: dict[str, set[str]], **usual: Any) -> list[Row]:
    """A row for each argument, the others as ``usual``."""
    name = fn.__name__
    return [(name, each, keyword(fn, each, **usual), good) for each, good in kinds.items()]


LIMITS = {"clip_norm": OPTIONAL | ABOVE_ZERO, "clip_value": OPTIONAL | ABOVE_ZERO,
          "max_norm": OPTIONAL | ABOVE_ZERO}  # fmt: skip
PARAMS: dict[str, set[str]] = {"params": set()}
RATE = REAL | CALLABLE
PAIR = {"true"}
CONV = {"kernel_size": COUNT, "stride": COUNT, "padding": FROM_ZERO}
POOL = {"kernel_size": COUNT, "stride": COUNT | OPTIONAL, "padding": FROM_ZERO}

LAYERS: list[Row] = [
    *rows(nn.Linear, {"in_features": COUNT, "out_features": COUNT, "bias": FLAG, "seed": SEED,
                      "initial": CALLABLE, "dtype": set()}, in_features=4, out_features=3),
    *rows(nn.Embedding, {"num_embeddings": COUNT, "embedding_dim": COUNT, "seed": SEED,
                         "dtype": set()}, num_embeddings=4, embedding_dim=3),
    *rows(nn.Conv2d, {"in_channels": COUNT, "out_channels": COUNT, **CONV, "dilation": COUNT,
                      "groups": COUNT, "bias": FLAG, "seed": SEED, "initial": CALLABLE,
                      "padding_mode": set(), "dtype": set()}, in_channels=1, out_channels=3,
          kernel_size=3),
    *rows(nn.Conv1d, {"in_channels": COUNT, "out_channels": COUNT, **CONV, "dilation": COUNT,
                      "groups": COUNT}, in_channels=1, out_channels=3, kernel_size=3),
    *rows(nn.ConvTranspose2d, {"in_channels": COUNT, "out_channels": COUNT, **CONV, "dilation":
                               COUNT, "groups": COUNT, "output_padding": FROM_ZERO, "bias": FLAG,
                               "dtype": set()}, in_channels=1, out_channels=3, kernel_size=3),
    *rows(nn.AdaptiveAvgPool2d, {"output_size": COUNT}),
    *rows(nn.ZeroPad2d, {"padding": {"negative", "zero"}}),
    *rows(nn.Upsample, {"size": COUNT, "mode": set()}), *rows(nn.Upsample, {"scale_factor":
                                                                            ABOVE_ZERO}),
    *rows(nn.GroupNorm, {"num_groups": COUNT, "num_channels": COUNT, "eps": REAL, "affine": FLAG,
                         "dtype": set()}, num_groups=1, num_channels=3),
    *rows(nn.MaxPool2d, POOL, kernel_size=2), *rows(nn.AvgPool2d, POOL, kernel_size=2),
    *[row for norm in (nn.BatchNorm1d, nn.BatchNorm2d) for row in rows(
        norm, {"num_features": COUNT, "eps": REAL, "momentum": SHARE | OPTIONAL, "affine": FLAG,
               "dtype": set()}, num_features=3)],
    *rows(nn.LayerNorm, {"normalized_shape": COUNT, "eps": REAL, "elementwise_affine": FLAG,
                         "bias": FLAG, "dtype": set()}, normalized_shape=3),
    *rows(nn.Dropout, {"p": SHARE, "seed": SEED}),
    *rows(nn.GELU, {"approximate": set()}), *rows(nn.LeakyReLU, {"negative_slope": ANY_NUMBER}),
    *rows(nn.Softmax, {"axis": {"negative", "zero"}}),
    ("Sequential", "layer 0", lambda value: nn.Sequential(value), CALLABLE),
]  # fmt: skip
INITIALS: list[Row] = [
    row for fn, more in (
        (nn.init.uniform, {"bound": REAL}), (nn.init.normal, {"std": REAL}),
        (nn.init.zeros, {}), (nn.init.xavier_uniform, {"gain": REAL}),
        (nn.init.xavier_normal, {"gain": REAL}), (nn.init.he_uniform, {"gain": REAL}),
        (nn.init.he_normal, {"gain": REAL}),
    ) for row in rows(fn, {"shape": set(), "seed": SEED, "dtype": set(), **more},
                      **{"shape": (3, 4), **dict.fromkeys(more, 1.0)})
]  # fmt: skip
OPTIMISERS: list[Row] = [
    *rows(optim.SGD, {**PARAMS, "lr": RATE, "momentum": REAL, "nesterov": {"zero", "true"},
                      "weight_decay": REAL, **LIMITS}, params=P, lr=0.1, momentum=0.9),
    *[row for adam in (optim.Adam, optim.AdamW) for row in rows(
        adam, {**PARAMS, "lr": RATE, "betas": set(), "eps": REAL, "weight_decay": REAL,
               **LIMITS}, params=P)],
    *rows(optim.RMSprop, {**PARAMS, "lr": RATE, "alpha": SHARE, "eps": REAL, "momentum": REAL,
                          "weight_decay": REAL, "centered": FLAG, **LIMITS}, params=P),
    ("betas", "betas", lambda value: optim.Adam(P, betas=(0.9, value)), SHARE),
    ("betas", "betas", lambda value: optim.Adam(P, betas=(value, 0.9)), SHARE),
]  # fmt: skip
SCHEDULES: list[Row] = [
    *rows(optim.StepDecay, {"lr": REAL, "every": COUNT, "factor": REAL}, lr=0.1, every=2),
    *rows(optim.InverseTimeDecay, {"lr": REAL, "decay": REAL, "every": COUNT}, lr=0.1, decay=0.1),
    *rows(optim.CosineDecay, {"lr": REAL, "steps": COUNT, "final": REAL}, lr=0.1, steps=9),
    *rows(optim.OneCycle, {"peak": REAL, "steps": COUNT, "warm_up": SHARE,
                           "start_divisor": ABOVE_ZERO, "final_divisor": ABOVE_ZERO},
          peak=0.1, steps=9),
    *rows(optim.WarmUp, {"schedule": REAL | CALLABLE, "steps": COUNT, "start": REAL},
          schedule=0.1, steps=9),
]  # fmt: skip
DATA: list[Row] = [
    *rows(data.batches, {"x": set(), "y": set(), "batch_size": COUNT, "seed": OWN_SEED,
                         "shuffle": FLAG, "transform": OPTIONAL | CALLABLE, "ahead": FROM_ZERO},
          x=X, y=Y, batch_size=2, seed=0),
    *rows(data.split, {"x": set(), "y": set(), "fraction_or_count": set(), "seed": OWN_SEED},
          x=X, y=Y, fraction_or_count=2, seed=0),
    *rows(data.normalise, {"images": set(), "mean": ANY_NUMBER, "std": ABOVE_ZERO,
                           "dtype": set()}, images=RAW, mean=0.1, std=0.3),
    *rows(augment.Distort, {"shift": REAL, "rotation": REAL, "scale": SHARE, "shear": REAL,
                            "alpha": REAL, "sigma": ABOVE_ZERO, "background": ANY_NUMBER,
                            "mirror": SHARE, "whole": FLAG}),
    *rows(augment.shift, {"images": set(), "rows": MOVED, "columns": MOVED,
                          "background": ANY_NUMBER}, images=IMAGES, rows=1, columns=1),
    *rows(augment.rotate, {"images": set(), "degrees": MOVED, "background": ANY_NUMBER},
          images=IMAGES, degrees=10),
    *rows(augment.scale, {"images": set(), "rows": MOVED,
                          "columns": MOVED, "background": ANY_NUMBER},
          images=IMAGES, rows=1, columns=1),
    *rows(augment.shear, {"images": set(), "factor": MOVED, "background": ANY_NUMBER},
          images=IMAGES, factor=0.1),
    *rows(augment.affine, {"images": set(), "matrix": MOVED, "offset": MOVED,
                           "background": ANY_NUMBER}, images=IMAGES, matrix=np.eye(2)),
    *rows(augment.displace, {"images": set(), "field": MOVED, "background": ANY_NUMBER},
          images=IMAGES, field=np.zeros((2, 6, 6))),
    *rows(augment.elastic, {"images": set(), "seed": OWN_SEED, "alpha": REAL, "sigma": ABOVE_ZERO,
                            "background": ANY_NUMBER}, images=IMAGES, seed=0),
    *rows(data.load_idx, {"path": PATH}), *rows(data.load_csv, {"path": PATH}),
    *rows(data.load, {"path": PATH}), *rows(load_own, {
        "label": OPTIONAL | {"negative", "zero"}, "classes": OPTIONAL | COUNT,
        "transpose": OPTIONAL | {"true"}, "size": OPTIONAL}),
    *rows(data.save_idx, {"path": PATH, "array": {"array"}}, path="a", array=RAW),
    *rows(data.fashion_mnist, {"folder": OPTIONAL | PATH}),
    *rows(data.from_sklearn, {"x": set(), "largest": {"fraction", "None"},
                                "classes": COUNT | OPTIONAL},
          x=np.full((14, 64), 200), y=np.zeros(14, int)),
    ("from_sklearn", "labels", lambda v: data.from_sklearn(np.full((14, 64), 200), v), {"None"}),
]  # fmt: skip
VALIDATION = {"validation": (X, Y)}
TRAINING: list[Row] = [
    ("fit", "model|Module", fit_model, set()),
    *rows(fit, {"batches": set(), "optimiser": set(), "epochs": COUNT, "loss": set(),
                "validation": OPTIONAL, "metrics": OPTIONAL, "callbacks": set(),
                "early_stopping": OPTIONAL, "keep_best": FLAG, "progress": FLAG,
                "replay": FLAG, "checkpoint": OPTIONAL, "resume": {"zero", "true"}}, **VALIDATION),
    ("fit", "checkpoint_every", lambda v: fit(checkpoint=f"{id(v)}.npz", checkpoint_every=v),
     OPTIONAL),
    ("fit", "callback", lambda value: fit(callbacks=[value]), set()),
    ("fit", "metrics", lambda value: fit(metrics=[value]), CALLABLE),
    ("fit", "metrics", lambda value: fit(metrics={"a": value}), CALLABLE),
    *rows(training.EarlyStopping, {"patience": COUNT, "monitor": set(), "min_delta": REAL,
                                   "mode": OPTIONAL}, patience=2),
    *rows(training.evaluate, {"model": set(), "x": set(), "y": set(), "loss": set(),
                              "metrics": OPTIONAL}, model=net(), x=X, y=Y),
    *rows(training.predict, {"model": set(), "x": set()}, model=net(), x=X),
    *rows(training.features, {"model": set(), "x": set(), "layer": set()}, model=net(), x=X,
          layer="0"),
    *rows(training.Histograms, {"model": set(), "x": {"array"}, "y": {"array"},
                                "every_epochs": COUNT, "bins": COUNT, "loss": CALLABLE},
          model=net(), x=X, y=Y),
    *rows(training.diagnose, {"model": set(), "x": set(), "y": set(), "optimiser":
                              OPTIONAL | REAL, "loss": CALLABLE, "batch_size": COUNT, "seed":
                              OWN_SEED}, model=net(), x=X, y=Y),
    *rows(training.accuracy, {"predictions": set(), "labels": set()}, predictions=Y, labels=Y),
    *rows(training.top_k, {"scores": set(), "labels": set(), "k": COUNT}, scores=X, labels=Y, k=1),
    *rows(training.confusion, {"predictions": set(), "labels": set(), "classes": COUNT},
          predictions=Y, labels=Y, classes=3),
    *rows(training.precision_recall, {"predictions": set(), "labels": set(), "classes": COUNT},
          predictions=Y, labels=Y, classes=3),
    *rows(training.calibration, {"probabilities": set(), "labels": set(), "bins": COUNT},
          probabilities=np.full((6, 4), 0.25), labels=Y),
    *rows(tg.save, {"path": PATH, "state": set()}, path="a.npz", state={"a": X}),
    *rows(tg.load, {"path": PATH}), *rows(training.Checkpoint.load, {"path": PATH}),
    ("load_state_dict", "state", net().load_state_dict, set()),
    ("load_state_dict", "state", lambda v: optim.SGD(P, 0.1).load_state_dict(v), set()),
]  # fmt: skip
Z = np.zeros((6, 3), np.float32)
OPERAND = NUMBERS | {"negative", "nan", "infinite", "array"}  # an array of no axes is one
FUNCTIONS: list[Row] = [
    *[row for fn in (F.leaky_relu, F.gelu) for row in rows(fn, {"x": OPERAND})],
    *rows(F.leaky_relu, {"negative_slope": ANY_NUMBER}, x=X),
    *rows(F.gelu, {"approximate": set()}, x=X),
    *[row for fn in (F.softmax, F.log_softmax)
      for row in rows(fn, {"x": OPERAND, "axis": {"negative", "zero"}}, x=X)],
    *rows(F.linear, {"x": set(), "weight": set(), "bias": OPTIONAL}, x=X, weight=np.ones((5, 4))),
    *rows(F.cross_entropy, {"logits": set(), "labels": set(), "label_smoothing": SHARE}, logits=Z,
          labels=Y),
    *rows(F.nll_loss, {"log_probabilities": set(), "labels": set()}, log_probabilities=Z, labels=Y),
    *rows(F.mse_loss, {"prediction": set(), "target": set()}, prediction=Z, target=Z),
    *rows(F.binary_cross_entropy_with_logits, {"logits": set(), "target": set()}, logits=Z,
          target=Z),
    *rows(F.one_hot, {"labels": {"zero", "negative"}, "classes": COUNT, "dtype": set()}, labels=Y,
          classes=3),
    *rows(F.conv2d, {"x": set(), "weight": set(), "bias": OPTIONAL, "stride": COUNT, "padding":
                     FROM_ZERO, "dilation": COUNT, "groups": COUNT}, x=IMAGES,
          weight=np.ones((2, 1, 3, 3))),
    *[row for fn in (F.max_pool2d, F.avg_pool2d) for row in rows(fn, {"x": set(), **POOL},
                                                                x=IMAGES, kernel_size=2)],
    *rows(F.conv1d, {"x": set(), "weight": set(), "bias": OPTIONAL, "stride": COUNT, "padding":
                     FROM_ZERO, "dilation": COUNT, "groups": COUNT}, x=IMAGES[:, 0],
          weight=np.ones((2, 6, 3))),
    *rows(F.conv_transpose2d, {"x": set(), "weight": set(), "bias": OPTIONAL, "stride": COUNT,
                               "padding": FROM_ZERO, "dilation": COUNT, "groups": COUNT,
                               "output_padding": FROM_ZERO}, x=IMAGES,
          weight=np.ones((1, 2, 3, 3))),
    *rows(F.adaptive_avg_pool2d, {"x": set(), "output_size": COUNT}, x=IMAGES, output_size=2),
    *rows(F.group_norm, {"x": {"array"}, "num_groups": COUNT, "weight": OPTIONAL, "bias": OPTIONAL,
                         "eps": REAL}, x=X, num_groups=1),
    *rows(F.pad, {"x": {"array"}, "pad": set(), "mode": set(), "value": {*ANY_NUMBER, "nan",
                                                                     "infinite"}},
          x=IMAGES, pad=(1, 1)),
    *rows(F.interpolate, {"x": set(), "size": COUNT}, x=IMAGES),
    *rows(F.interpolate, {"scale_factor": ABOVE_ZERO, "mode": set()}, x=IMAGES),
    *rows(F.batch_norm, {"x": {"array"}, "running_mean": OPTIONAL, "running_var": OPTIONAL,
                         "weight": OPTIONAL, "bias": OPTIONAL, "training": FLAG,
                         "momentum": SHARE | OPTIONAL, "eps": REAL}, x=X),
    *rows(F.layer_norm, {"x": set(), "normalized_shape": set(), "weight": OPTIONAL,
                         "bias": OPTIONAL, "eps": REAL}, x=X, normalized_shape=4),
    *rows(F.dropout, {"p": SHARE, "training": FLAG, "generator": set()}, x=X,
          generator=np.random.default_rng(0)),
    *rows(F.embedding, {"indices": {"zero", "negative"}, "weight": {"array"}},
          indices=Y % 2, weight=X),
]  # fmt: skip
TABLE = [*LAYERS, *INITIALS, *OPTIMISERS, *SCHEDULES, *DATA, *TRAINING, *FUNCTIONS]


def fault(argument: str, call: Callable[[Any], Any], what: str) -> str:
    """What is wrong with the answer to a bad argument; nothing if it is a sentence."""
    value, given = VALUES[what]
    try:
        call(value)
    except (TypeError, ValueError) as error:
        text = str(error)
        frames = traceback.extract_tb(error.__traceback__)
        if not frames[-1].filename.startswith(PACKAGE):
            return f"raised by {frames[-1].filename}: {text}"
        if not re.search(argument, text):
            return f"does not name the argument: {text}"
        if not re.search(rf"{given}|of shape \(|of dtype|of type|as (int|type)", text):
            return f"does not name what was given: {text}"
        if "\n" in text or len(text) > 500:
            return f"is no sentence: {text}"
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "is accepted"


@pytest.mark.parametrize("part", range(8))
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_argument_is_refused_in_a_sentence(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    faults = {
        (place, argument, what): found
        for place, argument, call, good in TABLE[part::8]
        for what in VALUES
        if what not in good and (found := fault(argument, call, what))
    }
    assert faults == {}
