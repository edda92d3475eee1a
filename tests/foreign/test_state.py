"""The state of a model that was moved to another library's arrays."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.foreign.strict import Strict


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays come into NumPy's memory by ``get()``, as CuPy's do."""
    monkeypatch.setattr(Strict, "get", lambda self: self.host().copy(), raising=False)


def moved() -> Any:
    model = tg.nn.Linear(3, 2, seed=0)
    for _, tensor in model.named_tensors():
        tensor.data = Strict(tensor.numpy())
    return model


@pytest.mark.usefixtures("fetched")
def test_a_moved_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model, plain = moved(), tg.nn.Linear(3, 2, seed=0)
    state = model.state_dict()
    for name, right in plain.state_dict().items():
        assert type(state[name]) is np.ndarray
        np.testing.assert_array_equal(state[name], right)
    np.testing.assert_array_equal(model.weight.numpy(), plain.weight.numpy())
    path = tg.save(tmp_path / "weights.npz", dict(model.named_tensors()))
    other = tg.nn.Linear(3, 2, seed=1).state_dict()
    for given in (other, {n: tg.Tensor(Strict(a)) for n, a in other.items()}, tg.load(path)):
        model.load_state_dict(given)
        assert isinstance(model.weight.data, Strict)
        right = (
            given["weight"].numpy() if isinstance(given["weight"], tg.Tensor) else given["weight"]
        )
        np.testing.assert_array_equal(model.weight.data.host(), right)


def test_a_library_without_a_way_into_numpys_memory_is_named() -> None:
    with pytest.raises(TypeError, match="Strict does not become an array of NumPy's by itself"):
        moved().state_dict()


def test_a_moved_model_and_its_optimiser_are_copied_after_a_backward() -> None:
    model = moved()
    x = Strict(np.ones((4, 3), np.float32))
    np.sum(model(x) ** 2).backward()
    optimiser = tg.optim.Adam(model.parameters(), 0.1)
    optimiser.step()
    twin, _ = copy.deepcopy((model, optimiser))
    assert isinstance(twin.weight.grad.data, Strict)
    assert twin.weight.grad.data is not model.weight.grad.data
    np.testing.assert_array_equal(twin.weight.data.host(), model.weight.data.host())
