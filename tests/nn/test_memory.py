"""How arrays lie in memory: arrays, Tensors and replays give the same bits, laid alike."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each
from tests.nn.test_integers import CALLS, IMAGES, OF_IMAGES, RNG, ROWS
from tinygrad_np.nn import functional as F
from tinygrad_np.replay.memory import layout


def spread(x: np.ndarray) -> np.ndarray:
    wide = np.zeros([2 * n for n in x.shape])
    found = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    found[...] = x
    return found


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "images last": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0),
    "channels last": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    "backwards": lambda x: np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    "spread": spread,
}
OTHERS: dict[str, Callable[[Any], Any]] = {
    **{f"pad {mode}": lambda x, mode=mode: F.pad(x, (1, 0, 1, 2), mode=mode)
       for mode in ("constant", "reflect", "replicate", "circular")},
    "pad cut": lambda x: F.pad(x, (1, 0, -1, 2)),
    "interpolate twice": lambda x: F.interpolate(x, scale_factor=2),
    "adaptive_avg_pool2d 1": lambda x: F.adaptive_avg_pool2d(x, 1),
}  # fmt: skip
FUNCTIONS = {**CALLS, **OF_IMAGES, **OTHERS}


@for_each(FUNCTIONS, LAYOUTS)
def test_arrays_and_shared_tensors_are_laid_alike(name: str, way: str) -> None:
    x = (ROWS if name in CALLS else IMAGES) * (2 / 99) - 1
    x = LAYOUTS[way](np.abs(x) if name == "binary_cross_entropy" else x)
    expected, found = FUNCTIONS[name](x), FUNCTIONS[name](tg.from_numpy(x)).data
    assert found.tobytes() == np.asarray(expected).tobytes()
    assert layout(found) == layout(np.asarray(expected))


@for_each(["pad cut", "pad reflect", "interpolate", "adaptive_avg_pool2d"], LAYOUTS)
def test_replays_too_and_what_is_computed_of_their_results(name: str, way: str) -> None:
    x = LAYOUTS[way](RNG.standard_normal((5, 2, 7, 8)))
    plain = FUNCTIONS[name](x)
    step = tg.replay(FUNCTIONS[name])
    pooled = tg.replay(lambda x: F.adaptive_avg_pool2d(FUNCTIONS[name](x), 1))
    for _ in range(4):
        assert layout(step(x).data) == layout(plain)
        assert step(x).numpy().tobytes() == plain.tobytes()
        assert pooled(x).numpy().tobytes() == F.adaptive_avg_pool2d(plain, 1).tobytes()
