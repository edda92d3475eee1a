"""Masked arrays are refused where their mask would be lost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import data, nn

MASKED = np.ma.array(np.ones((4, 3), np.float32), mask=np.eye(4, 3, dtype=bool))
WAYS: dict[str, Callable[[], Any]] = {
    "batches": lambda: data.batches(MASKED, np.zeros(4, int), 2, seed=0),
    "split": lambda: data.split(MASKED, np.zeros(4, int), 2, seed=0),
    "linear": lambda: nn.Linear(3, 2, seed=0)(MASKED),
    "mse": lambda: nn.functional.mse_loss(tg.Tensor(np.ones((4, 3))), MASKED),
}


@pytest.mark.parametrize("name", WAYS)
def test_masked_arrays_are_refused(name: str) -> None:
    with pytest.raises((TypeError, tg.DataError), match=r"mask.* would be lost"):
        WAYS[name]()
