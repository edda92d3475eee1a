"""Lists and dicts of modules, functional calls, freezing, states that fit in part."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn


def linears(count: int) -> list[nn.Linear]:
    return [nn.Linear(2, 2, seed=i) for i in range(count)]


def test_a_list_of_modules() -> None:
    a, b, c, d = linears(4)
    layers = nn.ModuleList([a]).append(b).extend([c])
    assert [*layers] == [a, b, c] and len(layers) == 3 and layers[-1] is c
    assert list(layers.state_dict())[-2:] == ["2.weight", "2.bias"]
    layers.insert(1, d)
    assert [*layers] == [a, d, b, c]
    del layers[0]
    layers[0] = a
    assert [*layers] == [a, b, c] and [*layers[1:]] == [b, c]
    assert list(layers.state_dict())[::2] == ["0.weight", "1.weight", "2.weight"]
    assert repr(layers).startswith("ModuleList(\n  (0): Linear(2, 2)")
    with pytest.raises(TypeError, match=r"ModuleList: layer 3 is the class nn\.Tanh; write"):
        layers.append(nn.Tanh)


def test_a_dict_of_modules() -> None:
    a, b = linears(2)
    heads = nn.ModuleDict({"a": a})
    heads["b"] = b
    assert list(heads) == list(heads.keys()) == ["a", "b"] and len(heads) == 2
    assert list(heads.values()) == [a, b] and dict(heads.items())["b"] is b
    assert "b" in heads and "c" not in heads
    assert list(heads.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert heads.pop("a") is a
    del heads["b"]
    assert len(heads) == 0
    for name in ("train", "x.y", "", 3):
        with pytest.raises(KeyError, match="is no name for a module"):
            heads[name] = a
    with pytest.raises(TypeError, match="ModuleDict: f is of type"):
        heads["f"] = np.tanh


def test_sequential_takes_another_layer() -> None:
    net = nn.Sequential(*linears(1), nn.Tanh())
    net[1] = nn.SiLU()
    assert list(map(repr, net)) == ["Linear(2, 2)", "SiLU()"]
    with pytest.raises(TypeError, match="layer 1 is 'tanh'"):
        net[1] = "tanh"


class Tied(nn.Module):
    """One weight in two places, and one in a list."""

    def __init__(self) -> None:
        self.first = nn.Linear(2, 2, seed=0)
        self.second = nn.Linear(2, 2, seed=1)
        self.second.weight = self.first.weight
        self.scales = [tg.Tensor(np.ones(2, "f4"), requires_grad=True)]

    def forward(self, x: Any, scale: float = 1.0) -> Any:
        return self.second(np.tanh(self.first(x))) * self.scales[0] * scale


def test_a_functional_call() -> None:
    net = Tied()
    x = np.random.default_rng(0).standard_normal((3, 2)).astype("f4")
    params = {name: p.numpy() for name, p in net.named_parameters()}
    before = dict(net.named_tensors())

    def loss(p: Any, x: Any) -> Any:
        return np.sum(np.square(nn.functional_call(net, p, x, scale=2.0)))

    slopes = tg.grad(loss)(params, x)
    np.sum(np.square(net(x, scale=2.0))).backward()
    for name, p in net.named_parameters():
        np.testing.assert_array_equal(slopes[name], p.grad.numpy())
    assert dict(net.named_tensors()) == before
    each = tg.vmap(tg.grad(loss), in_axes=(None, 0))(params, x[:, None])
    np.testing.assert_allclose(sum(each["first.weight"]), slopes["first.weight"], rtol=1e-5)
    replayed = tg.replay(tg.grad(loss))
    for k in range(4):
        moved = {name: p + np.float32(k) for name, p in params.items()}
        for name, slope in replayed(moved, x).items():
            np.testing.assert_array_equal(slope, tg.grad(loss)(moved, x)[name])
    with pytest.raises(TypeError, match=r"functional_call\(params=\[1\]\): a dict of names and"):
        nn.functional_call(net, [1], x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"module=the function loss\): a tg.nn.Module is needed"):
        nn.functional_call(loss, {}, x)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="nothing; this module has first"):
        nn.functional_call(net, {"nothing": x}, x)
    with pytest.raises(tg.ShapeError, match=r"first\.bias of shape \(3, 2\); expected \(2,\)"):
        nn.functional_call(net, {"first.bias": x}, x)
    with pytest.raises(ZeroDivisionError):
        nn.functional_call(net, {"first.bias": x[0]}, x, scale=1 / 0)
    assert dict(net.named_tensors()) == before


def test_freezing_and_thawing() -> None:
    net = nn.Sequential(*linears(2), nn.BatchNorm1d(2))
    assert net[0].requires_grad_(False) is net[0]
    assert next(n for n, _ in net.named_parameters()) == "1.weight"
    assert len(net.state_dict()) == 9
    np.sum(net(np.ones((3, 2), "f4"))).backward()
    assert net[0].weight.grad is None and net[1].weight.grad is not None
    net.requires_grad_(False)
    assert net.parameters() == []
    net.requires_grad_()
    assert len(net.parameters()) == 6
    assert not net[2].running_mean.requires_grad


def test_states_that_fit_in_part() -> None:
    net = nn.Sequential(*linears(2))
    state = {"body.weight": np.full((2, 2), 7), "1.bias": np.ones(2), "other": np.ones(3)}
    found = net.load_state_dict(state, strict=False, rename={"body.weight": "0.weight"})
    assert found == (["0.bias", "1.weight"], ["other"])
    assert (net[0].weight.numpy() == 7).all() and (net[1].bias.numpy() == 1).all()
    whole = {f"net.{name}": value for name, value in net.state_dict().items()}
    assert net.load_state_dict(whole, rename=lambda name: name.removeprefix("net.")) == ([], [])
    with pytest.raises(tg.ShapeError, match=r"0\.bias has shape"):
        net.load_state_dict({"0.bias": np.ones(5)}, strict=False)
    with pytest.raises(ValueError, match="rename returns x for several entries"):
        net.load_state_dict(whole, rename=lambda _: "x")
    with pytest.raises(TypeError, match="rename"):
        net.load_state_dict(whole, rename=3)  # type: ignore[arg-type]


def test_dropped_channels() -> None:
    images = np.ones((4, 5, 3, 3), np.float32)
    dropped = nn.Dropout2d(0.5, seed=0)(images)
    each = dropped.reshape(20, 9)
    assert set(np.unique(each)) == {0, 2} and (each == each[:, :1]).all()
    assert nn.Dropout2d(0.5, seed=0).eval()(images) is images
    with pytest.raises(tg.ShapeError, match="expected"):
        nn.Dropout2d()(images[0, 0])
    with pytest.raises(tg.ShapeError, match=r"expected \(n, c, h, w\); give x"):
        nn.Dropout2d()(images[0])


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_layers_are_added_as_to_a_list(kind: str) -> None:
    a, b, c, d = (nn.Linear(2, 2, seed=i) for i in range(4))
    held: Any = nn.Sequential(b) if kind == "Sequential" else nn.ModuleList([b])
    assert held.append(d) is held and held.insert(0, a) is held and held.insert(-1, c) is held
    assert [*held] == [a, b, c, d] and [n for n in vars(held) if n.isdigit()] == [*"0123"]
    part = held[2:].append(a).extend([b])
    assert [*part] == [c, d, a, b]
    del held[1]
    assert [*held] == [a, c, d]
    with pytest.raises(TypeError, match=r"layer 3 is the class nn\.Tanh"):
        held.append(nn.Tanh)


def test_pytorchs_names_of_losses_say_which_function_is_theirs() -> None:
    for name, function in (
        ("CrossEntropyLoss", "cross_entropy"), ("MSELoss", "mse_loss"), ("L1Loss", "l1_loss"),
        ("NLLLoss", "nll_loss"), ("SmoothL1Loss", "smooth_l1_loss"), ("HuberLoss", "huber_loss"),
        ("BCELoss", "binary_cross_entropy"), ("LogSoftmax", "log_softmax"),
        ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
    ):  # fmt: skip
        way = f"'{name}'; use the function nn.functional.{function}$"
        with pytest.raises(AttributeError, match=way):
            getattr(nn, name)
        assert callable(getattr(nn.functional, function))
    with pytest.raises(
        AttributeError, match="'Nothing'; there is none: write it in the forward of"
    ):
        nn.Nothing  # noqa: B018
    with pytest.raises(AttributeError, match=r"'__nothing__'$"):
        nn.__nothing__  # noqa: B018
