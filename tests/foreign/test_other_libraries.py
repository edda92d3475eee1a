"""Tensors given to PyTorch, JAX and DLPack, and their arrays beside Tensors: nothing detaches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each

X = np.ones((2, 3), np.float32)
LEAF = tg.Tensor(X, requires_grad=True)
KINDS = {"leaf": LEAF, "recorded": LEAF * 2, "constant": tg.Tensor(X)}

INTO_TORCH: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda torch, t: torch.nn.functional.relu(t),
    "cross_entropy": lambda torch, t: torch.nn.CrossEntropyLoss()(t, torch.tensor([0, 1])),
    "mse_loss": lambda torch, t: torch.nn.MSELoss()(torch.ones(2, 3), t),
    "linear": lambda torch, t: torch.nn.Linear(3, 2)(t),
    "sum": lambda torch, t: torch.sum(t),
    "cat": lambda torch, t: torch.cat([torch.ones(2, 3), t]),
    "where": lambda torch, t: torch.where(torch.ones(2, 3) > 0, t, t),
    "__setitem__": lambda torch, t: torch.zeros(2, 3).__setitem__(0, t[0]),
    "copy_": lambda torch, t: torch.zeros(2, 3).copy_(t),
    "add_": lambda torch, t: torch.zeros(2, 3).add_(t),
}
BESIDE: dict[str, Callable[[Any, Any], Any]] = {
    "times": lambda t, other: t * other,
    "times, behind": lambda t, other: other * t,
    "product": lambda t, other: t @ other.T,
    "equal": lambda t, other: t == other,
    "a function": lambda t, other: np.add(other, t),
}


@for_each(INTO_TORCH, KINDS)
def test_functions_of_pytorch_refuse_a_tensor(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=rf"^PyTorch's {name} takes no Tensor .*torch.tensor\(t"):
        INTO_TORCH[name](torch, KINDS[kind])


@for_each(BESIDE, KINDS)
def test_a_tensor_of_pytorch_is_no_operand(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch")
    other = torch.ones(2, 3)
    with pytest.raises(TypeError, match=r"is a torch Tensor, which is no array.*np.asarray\(a\)"):
        BESIDE[name](KINDS[kind], other)
    BESIDE[name](KINDS[kind], np.asarray(other))


@for_each(("tensor", "as_tensor", "asarray", "from_dlpack"), KINDS)
def test_pytorch_makes_no_constant_of_a_tensor(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"would lose its history; give t.numpy\(\), which"):
        getattr(torch, name)(KINDS[kind])
    assert torch.tensor(KINDS[kind].numpy()).shape == (2, 3)


@for_each(KINDS)
def test_dlpack_takes_the_values_alone(kind: str) -> None:
    t = KINDS[kind]
    with pytest.raises(TypeError, match=r"would lose its history; give t.numpy\(\), which"):
        np.from_dlpack(t)
    np.testing.assert_array_equal(np.from_dlpack(t.numpy()), t.numpy())


@for_each(("leaf", "recorded"))
def test_jax_makes_no_constant_of_a_tensor(kind: str) -> None:
    jnp = pytest.importorskip("jax.numpy")
    for take in (jnp.asarray, jnp.array, jnp.sum, jnp.sin, lambda t: jnp.ones((2, 3)) * t):
        with pytest.raises((TypeError, tg.DetachError)):
            take(KINDS[kind])
