"""``tg.from_numpy`` shares memory, and notices what is written to it."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import optim

DTYPES = ["f2", "f4", "f8", "c8", "i4", "u1", "?"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_see_writes(dtype: str) -> None:
    array = np.zeros((2, 3), dtype)
    t = tg.from_numpy(array)
    assert (t.shape, t.dtype, t.requires_grad) == ((2, 3), array.dtype, False)
    array[0, 1] = 1
    assert t[0, 1].item() == 1
    t[1, 2] = 1
    assert array[1, 2] == 1
    assert t.data is array
    assert np.shares_memory(t.data, array) and not np.shares_memory(t.numpy(), array)


def test_layouts_and_views_are_kept() -> None:
    base = np.arange(24.0).reshape(4, 6)
    for array in (base.T, base[::2, ::3], base[1:, ::-1], base[0], np.asfortranarray(base)):
        t = tg.from_numpy(array, requires_grad=True)
        (t * t).sum().backward()
        assert t.grad is not None
        np.testing.assert_array_equal(t.grad.numpy(), 2 * array)
        assert t.data is array


@pytest.mark.parametrize("holds", [True, False], ids=["held", "given up"])
def test_a_write_between_forward_and_backward_is_noticed(holds: bool) -> None:
    array = np.ones(3)
    t = tg.from_numpy(array, requires_grad=True)
    data: Any = t.data
    if not holds:
        del data
    out = (t**3).sum()
    array[0] = 5
    with pytest.raises(tg.StaleValueError):
        out.backward()


def test_optimisers_change_the_array() -> None:
    array = np.array([1.0, 2.0])
    other = tg.Tensor(np.ones(2), requires_grad=True)
    t = tg.from_numpy(array, requires_grad=True)
    sgd = optim.SGD([t, other], 0.1)
    for _ in range(2):
        sgd.zero_grad()
        ((t + other) ** 2).sum().backward()
        sgd.step()
    np.testing.assert_array_equal(array, t.numpy())
    assert t.data is array and (array != [1, 2]).all()


def test_copies_share_nothing() -> None:
    array = np.ones(2)
    t = tg.from_numpy(array)
    others = copy.deepcopy(t), pickle.loads(pickle.dumps(t)), tg.Tensor(t)
    array[0] = 7
    assert [other.numpy()[0] for other in others] == [1, 1, 1]


def test_files_are_shared(tmp_path: Path) -> None:
    file = np.memmap(tmp_path / "a.bin", "f4", "w+", shape=(2, 3))
    t = tg.from_numpy(file)
    t[0, 1] = 7
    assert file[0, 1] == 7 and type(t.data) is np.ndarray
    file[1, 0] = 5
    assert t[1, 0].item() == 5


def test_optimisers_refuse_arrays_that_are_read_only() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    t = tg.from_numpy(array, requires_grad=True)
    for made in (optim.SGD, optim.Adam):
        with pytest.raises(ValueError, match="shares an array that is read-only, so that no opti"):
            made([tg.Tensor(1.0, requires_grad=True), t], 0.1)
    array = np.ones(3)
    optim.SGD([tg.from_numpy(array, requires_grad=True)], 0.1)


def test_a_replayed_step_sees_the_array_and_makes_no_such_tensor() -> None:
    array = np.ones(3, np.float32)
    t = tg.from_numpy(array)
    step = tg.replay(lambda x: (x * t).sum())
    for value in (1, 2, 3, 4, 5):
        array[:] = value
        assert step(np.ones(3, np.float32)).item() == 3 * value
    with pytest.raises(tg.ReplayError, match="outside the step"):
        tg.replay(lambda x: (x * tg.from_numpy(array)).sum())(np.ones(3, np.float32))


@pytest.mark.parametrize(
    "given", [[1.0], 1.0, None, np.float64(1), np.ma.ones(2), np.array(["a"]), tg.Tensor([1.0]),
              np.array([None]), np.ones(2).view(np.recarray)], ids=lambda g: type(g).__name__,
)  # fmt: skip
def test_what_is_no_array_of_numbers_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"tg\.Tensor\(data\) copies|convert the data first"):
        tg.from_numpy(given)


def test_integers_are_constants() -> None:
    with pytest.raises(TypeError, match="cannot require grad"):
        tg.from_numpy(np.arange(3), requires_grad=True)
