"""Weights of PyTorch's networks in ours, and back: the same logits."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import ShapeError, nn
from tinygrad_np.training.scoring import predict

torch = pytest.importorskip("torch")


class Ours(nn.Module):
    """Attributes named as in ``Theirs``."""

    def __init__(self) -> None:
        self.words = nn.Embedding(11, 6, seed=0)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(24, 5, seed=0), nn.Tanh())

    def forward(self, x: Any) -> Any:
        return self.head(self.norm(self.words(x)))


class Theirs(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(11, 6)
        self.norm = torch.nn.LayerNorm(6)
        self.head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24, 5), torch.nn.Tanh())

    def forward(self, x: Any) -> Any:
        return self.head(self.norm(self.words(x)))


def mlp(of: Any, **seed: int) -> Any:
    return of.Sequential(
        of.Linear(12, 16, **seed), of.ReLU(), of.Linear(16, 8, **seed), of.GELU(),
        of.Linear(8, 3, **seed),
    )  # fmt: skip


def normed(of: Any, **seed: int) -> Any:
    return of.Sequential(
        of.Linear(12, 16, **seed), of.BatchNorm1d(16), of.LeakyReLU(0.2), of.Dropout(0.5),
        of.Linear(16, 3, bias=False, **seed), of.LayerNorm(3),
    )  # fmt: skip


PAIRS: dict[str, Any] = {
    "mlp": (lambda: mlp(nn, seed=0), lambda: mlp(torch.nn)),
    "normed": (lambda: normed(nn, seed=0), lambda: normed(torch.nn)),
    "embedding": (Ours, Theirs),
}


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> Any:
    """(our network, theirs with weights and statistics of a short training, inputs)"""
    ours, theirs = (make() for make in PAIRS[request.param])
    torch.manual_seed(0)
    torch.set_num_threads(1)  # several wait for each other on a machine that is busy: minutes
    rng = np.random.default_rng(0)
    x: Any = rng.standard_normal((40, 12)).astype(np.float32)
    if request.param == "embedding":
        x = rng.integers(0, 11, (40, 4))
    optimiser = torch.optim.SGD(theirs.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        theirs(torch.tensor(x)).square().mean().backward()
        optimiser.step()
    theirs.eval()
    return ours, theirs, x


def logits(theirs: Any, x: Any) -> Any:
    with torch.no_grad():
        return theirs(torch.tensor(x)).numpy()


def test_their_state_in_our_network(pair: Any) -> None:
    ours, theirs, x = pair
    ours.load_state_dict(theirs.state_dict())
    np.testing.assert_allclose(predict(ours, x), logits(theirs, x), rtol=0, atol=1e-5)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name], value.numpy())


def test_their_parameters_that_require_grad(pair: Any) -> None:
    ours, theirs, x = pair
    state = {**theirs.state_dict(), **dict(theirs.named_parameters())}
    ours.load_state_dict(state)
    np.testing.assert_allclose(predict(ours, x), logits(theirs, x), rtol=0, atol=1e-5)


def test_their_file_in_our_network(pair: Any, tmp_path: Path) -> None:
    files = pytest.importorskip("safetensors.torch")
    ours, theirs, x = pair
    files.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours.load_state_dict(tg.load(tmp_path / "theirs.safetensors"))
    np.testing.assert_allclose(predict(ours, x), logits(theirs, x), rtol=0, atol=1e-5)


def test_our_file_in_their_network(pair: Any, tmp_path: Path) -> None:
    files = pytest.importorskip("safetensors.torch")
    ours, theirs, x = pair
    tg.save(tmp_path / "ours.safetensors", ours.state_dict())
    theirs.load_state_dict(files.load_file(tmp_path / "ours.safetensors"))
    np.testing.assert_allclose(logits(theirs, x), predict(ours, x), rtol=0, atol=1e-5)


def test_our_state_in_their_network(pair: Any) -> None:
    ours, theirs, x = pair
    state = OrderedDict((name, torch.tensor(v)) for name, v in ours.state_dict().items())
    theirs.load_state_dict(state)
    np.testing.assert_allclose(logits(theirs, x), predict(ours, x), rtol=0, atol=1e-5)


def test_double_precision_is_rounded(pair: Any) -> None:
    ours, theirs, x = pair
    ours.load_state_dict(theirs.double().state_dict())
    np.testing.assert_allclose(
        predict(ours, x), logits(theirs.float(), x), rtol=0, atol=1e-5
    )  # fmt: skip


def test_what_does_not_fit_is_named() -> None:
    ours, theirs = mlp(nn, seed=0), mlp(torch.nn)
    before = ours.state_dict()
    state = theirs.state_dict()
    state["0.weight"] = state["0.weight"].T
    state["2.bias"] = state["2.bias"].bfloat16()
    state["2.weight"] = state["2.weight"].to(torch.complex64)
    state["9.weight"] = state.pop("4.bias")
    with pytest.raises(ShapeError) as caught:
        ours.load_state_dict(state)
    assert str(caught.value) == (
        "the state does not fit this model: missing 4.bias; unexpected 9.weight; "
        "2.bias is no array (Got unsupported ScalarType BFloat16); "
        "0.weight has shape (12, 16), expected (16, 12); "
        "2.weight has dtype complex64, which does not cast to float32; if they are the same under "
        "other names, give rename={old: new}."
    )
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_brain_floats_in_a_file_are_refused(tmp_path: Path) -> None:
    files = pytest.importorskip("safetensors.torch")
    files.save_file(mlp(torch.nn).bfloat16().state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(tg.DataError, match=r"w\.safetensors: not a readable .*bfloat16"):
        tg.load(tmp_path / "w.safetensors")


def test_their_state_is_saved_too(tmp_path: Path) -> None:
    theirs = mlp(torch.nn)
    tg.save(tmp_path / "w.npz", dict(theirs.named_parameters()))
    for name, value in tg.load(tmp_path / "w.npz").items():
        np.testing.assert_array_equal(value, theirs.state_dict()[name].numpy())
    with pytest.raises(tg.DataError, match=r"entry '0.weight' is no array \(Got unsupported Sc"):
        tg.save(tmp_path / "w.npz", theirs.bfloat16().state_dict())
