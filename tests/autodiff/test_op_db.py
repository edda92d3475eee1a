"""PyTorch's table of operations: the first sample of each that NumPy computes, and its gradients.

All samples: ``python -m tests.autodiff.op_db``.
"""

import pytest

pytest.importorskip("torch")

from tests.autodiff.op_db import KNOWN, compared  # after the look for PyTorch


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(6))
def test_the_first_samples_of_pytorchs_operations_agree(part: int) -> None:
    wrong, operations, second = {}, 0, 0
    for name, found in compared(1, part, 6):
        for one in found:
            operations += one.is_numpys
            second += one.second and not one.what
            if one.is_numpys and one.what and name not in KNOWN:
                wrong[name] = one.what
    assert wrong == {}
    assert operations > 45 and second > 35
