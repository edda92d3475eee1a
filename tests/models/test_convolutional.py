"""The convolutional networks of the recipes: their sizes, their files, their twins in PyTorch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import nn, optim, training
from tinygrad_np.nn.functional import cross_entropy
from tinygrad_np.run import description, networks
from tinygrad_np.run.networks import NETWORKS
from tinygrad_np.run.recipes import CONVOLUTIONAL, RECIPES

PARAMETERS = {
    "cnn": 80_202,
    "compact": 34_426,
    "deep": 158_778,
    "halving": 104_426,
    "lenet-5": 61_706,  # with all connections to the 16 maps: 60,000 in the paper
    "pytorch-example": 1_199_882,
    "quick": 9_410,
    "resnet": 82_234,
    "pairs": 144_298,
}


def images(n: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((n, 784)).astype(dtype), rng.integers(0, 10, n)


def test_every_network_has_recipes_with_and_without_distortions() -> None:
    made = [RECIPES[name].network for name in CONVOLUTIONAL]
    assert set(made) == set(NETWORKS.values())
    pairs = [name for name in CONVOLUTIONAL if f"{name}-distorted" in CONVOLUTIONAL]
    assert pairs == ["lenet-5", "pytorch-example", "residual", "best", "fashion-best"]
    for name in pairs:
        plain, distorted = RECIPES[name], RECIPES[f"{name}-distorted"]
        assert plain.transform is None and distorted.transform is not None
        assert distorted.network in (plain.network, networks.Pairs, networks.Deep)
        assert distorted.dataset == plain.dataset


@for_each(PARAMETERS)
def test_parameters_and_shapes(name: str) -> None:
    x, _ = images(2)
    model = NETWORKS[name](classes=7, seed=0).eval()
    logits = model(x)
    assert (logits.shape, logits.dtype) == ((2, 7), np.float32)
    np.testing.assert_array_equal(model(x.reshape(2, 1, 28, 28)).numpy(), logits.numpy())
    assert sum(p.size for p in NETWORKS[name](seed=0).parameters()) == PARAMETERS[name]


def test_weights_carry_what_makes_their_network_again(tmp_path: Path) -> None:
    x, _ = images(2)
    pictures = np.zeros((12, 28, 28), np.uint8), np.arange(12) % 10
    for name in ("lenet-5", "residual", "best", "quick"):
        model = RECIPES[name].build(3).eval()
        parts = RECIPES[name].parts((pictures, pictures))
        words = description.describe(RECIPES[name], (pictures, pictures), parts)
        tg.training.weights.save(tmp_path / "w.npz", model.state_dict(), words)
        again, described = description.rebuilt(tmp_path / "w.npz")
        assert RECIPES[name].network is NETWORKS[described.network]
        np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())


def test_deep_gives_the_mean_of_an_image_and_its_mirror_image() -> None:
    x, _ = images(3, np.float64)
    mirrored = x.reshape(3, 28, 28)[..., ::-1].reshape(3, 784)
    model = NETWORKS["deep"](seed=0, dtype=np.float64).eval()
    alone = [model.layers(one.reshape(3, 1, 28, 28)).numpy() for one in (x, mirrored)]
    assert not np.allclose(*alone)
    for given in (x, mirrored):
        np.testing.assert_allclose(model(given).numpy(), np.mean(alone, axis=0), rtol=1e-14)
    model.train()
    assert not np.allclose(model(x).numpy(), model(mirrored).numpy())


def test_a_few_images_are_learned_by_heart() -> None:
    x, y = images(16)
    recipe = replace(RECIPES["quick"], batch_size=8)
    model = recipe.build(0)
    adam = optim.Adam(model.parameters(), 3e-3)
    history = training.fit(model, recipe.batches((x, y), 0), adam, epochs=12, loss=recipe.loss)
    assert history[-1].train_loss < 0.05 < history[0].train_loss
    assert history[-1].train_accuracy == 1


def test_blocks_that_repeat_are_drawn_once() -> None:
    drawn = tg.draw.graph(RECIPES["residual"].build(0), np.zeros((1, 784), np.float32))
    assert "layers.8 … 11: Residual × 4" in drawn.source
    assert "layers.12: MaxPool2d(2)" in drawn.source and "layers.9" not in drawn.source


@for_each(NETWORKS)
def test_the_twins_in_pytorch(name: str) -> None:
    """In float64: the logits, the gradients of all parameters, and the running statistics."""
    torch = pytest.importorskip("torch")
    x, y = images(3, np.float64)
    model = NETWORKS[name](seed=0, dtype=np.float64)
    other = twin(torch, model.layers)
    for _, layer in model.named_modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    logits = model(x)
    cross_entropy(logits, y).backward()
    theirs = other(torch.from_numpy(x.reshape(3, 1, 28, 28)))
    torch.nn.functional.cross_entropy(theirs, torch.from_numpy(y)).backward()
    np.testing.assert_allclose(logits.numpy(), theirs.detach().numpy(), rtol=0, atol=1e-10)
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), its.grad.numpy(), rtol=0, atol=1e-10)
    for mine, its in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        np.testing.assert_allclose(mine, its.numpy(), rtol=0, atol=1e-10)


def twin(torch: Any, module: nn.Module) -> Any:
    """The same in PyTorch, with the same weights and without dropout."""
    its = torch.nn
    if isinstance(module, nn.Sequential):
        return its.Sequential(*(twin(torch, layer) for layer in module))
    if isinstance(module, networks.Residual):
        return residual(torch, twin(torch, module.inner))
    if isinstance(module, nn.Conv2d):
        out_channels, channels, *size = module.weight.shape
        options = {"bias": module.bias is not None}
        made = its.Conv2d(channels, out_channels, size, module.stride, module.padding, **options)
    elif isinstance(module, nn.BatchNorm2d):
        made = its.BatchNorm2d(module.num_features)
    elif isinstance(module, nn.Linear):
        made = its.Linear(*module.weight.shape[::-1])
    elif isinstance(module, nn.MaxPool2d):
        made = its.MaxPool2d(module.kernel_size)
    elif isinstance(module, nn.AdaptiveAvgPool2d):
        made = its.AdaptiveAvgPool2d(module.output_size)
    else:
        made = {nn.ReLU: its.ReLU, nn.Flatten: its.Flatten, nn.Dropout: its.Identity}[
            type(module)
        ]()
    made = made.double()
    made.load_state_dict({k: torch.from_numpy(v) for k, v in module.state_dict().items()})
    return made


def residual(torch: Any, inner: Any) -> Any:
    class Residual(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return torch.relu(x + self.inner(x))

    return Residual()
