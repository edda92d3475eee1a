"""The functions of networks on arrays that the table of cases does not have."""

import numpy as np

from tinygrad_np.autodiff.primitives import neural


class Foreign(np.ndarray):
    """An array of another library, as far as these functions can tell."""


def test_ones_are_of_the_library_that_the_array_is_of() -> None:
    ones = neural.ones_for(np.zeros((3, 2), np.float32).view(Foreign), 3)
    assert isinstance(ones, Foreign)
    assert ones.dtype == np.float32
    assert ones.tolist() == [1.0, 1.0, 1.0]
