"""Module: what is found in its attributes, what a state carries over, and how it is switched."""

import copy
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import ShapeError, nn


class Net(nn.Module):
    """Parameters of every kind, at every place they are looked for."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.stem = nn.Linear(3, 4, seed=rng)
        self.scale = tg.Tensor(np.ones(4, np.float32), requires_grad=True)
        self.blocks = [nn.Linear(4, 4, seed=rng), nn.ReLU(), nn.Linear(4, 4, bias=False, seed=rng)]
        self.heads = {"a": nn.Linear(4, 2, seed=rng), "b": (nn.Linear(4, 1, seed=rng),)}
        self.mean = tg.Tensor(np.zeros(4, np.float32))
        self.note = "not a parameter"

    def forward(self, x: Any) -> Any:
        h = self.stem(x) * self.scale
        for block in self.blocks:
            h = block(h)
        self.last = h
        return self.heads["a"](h)


SHAPES = {
    "stem.weight": (4, 3),
    "stem.bias": (4,),
    "scale": (4,),
    "blocks.0.weight": (4, 4),
    "blocks.0.bias": (4,),
    "blocks.2.weight": (4, 4),
    "heads.a.weight": (2, 4),
    "heads.a.bias": (2,),
    "heads.b.0.weight": (1, 4),
    "heads.b.0.bias": (1,),
}


def test_parameters_in_order_of_definition() -> None:
    net = Net()
    found = dict(net.named_parameters())
    assert list(found) == list(SHAPES)
    assert {name: p.shape for name, p in found.items()} == SHAPES
    assert [id(p) for p in net.parameters()] == [id(p) for p in found.values()]
    assert [n for n, _ in net.named_modules()] == [
        "", "stem", "blocks.0", "blocks.1", "blocks.2", "heads.a", "heads.b.0"
    ]  # fmt: skip


def test_recorded_results_kept_as_attributes_are_no_state() -> None:
    net = Net()
    net(tg.Tensor(np.ones((2, 3), np.float32)))
    assert net.last.requires_grad
    assert "last" not in net.state_dict()
    assert sorted(name for name, _ in net.named_parameters()) == sorted(SHAPES)


def test_state_dict_holds_copies_of_all_tensors() -> None:
    net = Net()
    state = net.state_dict()
    assert sorted(state) == sorted([*SHAPES, "mean"])
    state["scale"][:] = 7
    np.testing.assert_array_equal(net.scale.numpy(), np.ones(4))


@pytest.mark.parametrize("form", [lambda v: v, tg.Tensor, np.ndarray.tolist,
                                  lambda v: tg.Tensor(v, requires_grad=True)])  # fmt: skip
def test_state_round_trip(form: Any) -> None:
    a, b = Net(0), Net(1)
    places = [id(p) for p in b.parameters()]
    b.load_state_dict({name: form(value) for name, value in a.state_dict().items()})
    assert [id(p) for p in b.parameters()] == places
    for name, value in a.state_dict().items():
        np.testing.assert_array_equal(b.state_dict()[name], value)
        assert b.state_dict()[name].dtype == np.float32
    x = tg.Tensor(np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(a(x).numpy(), b(x).numpy())


def test_a_wrong_state_names_every_entry_and_changes_nothing() -> None:
    net = Net()
    before = net.state_dict()
    state = net.state_dict()
    for value in state.values():
        value += 1
    del state["stem.bias"], state["mean"]
    state["extra"] = np.ones(1)
    state["other.weight"] = np.ones(1)
    state["scale"] = np.ones((4, 1), np.float32)
    state["heads.a.bias"] = np.ones(3, np.float32)
    state["blocks.0.bias"] = np.ones(4, complex)
    with pytest.raises(ShapeError) as caught:
        net.load_state_dict(state)
    for part in [
        "missing stem.bias",
        "missing mean",
        "unexpected extra",
        "unexpected other.weight",
        "scale has shape (4, 1), expected (4,)",
        "heads.a.bias has shape (3,), expected (2,)",
        "blocks.0.bias has dtype complex128, which does not cast to float32",
    ]:
        assert part in str(caught.value)
    for name, value in before.items():
        np.testing.assert_array_equal(net.state_dict()[name], value)


@pytest.mark.parametrize(
    ("dtype", "value", "fits"),
    [
        (np.float32, np.array(1e39), False),
        (np.float32, np.array(np.inf), True),
        (np.float32, np.array(0.1), True),
        (np.float32, np.array(1 << 60), True),
        (np.float16, np.array(1e5, np.float32), False),
        (np.int16, np.array(40000), False),
        (np.int16, np.array(4000), True),
    ],
)
def test_values_beyond_the_dtype_are_refused(dtype: Any, value: Any, fits: bool) -> None:
    net = nn.Module()
    net.number = tg.Tensor(np.zeros((), dtype))
    if fits:
        net.load_state_dict({"number": value})
        assert net.number.item() == value.astype(dtype)
        return
    with pytest.raises(
        ShapeError, match=rf"number has {value.dtype} values beyond {net.number.dtype}"
    ):
        net.load_state_dict({"number": value})
    assert net.number.item() == 0


def test_a_state_loaded_between_forward_and_backward_is_noticed() -> None:
    net = Net()
    loss = net(tg.Tensor(np.ones((2, 3), np.float32))).sum()
    net.load_state_dict({name: value + 1 for name, value in net.state_dict().items()})
    with pytest.raises(tg.StaleValueError, match="was overwritten after the operation ran"):
        loss.backward()


def test_train_and_eval_reach_everything() -> None:
    net = Net()
    modules = [module for _, module in net.named_modules()]
    assert all(module.training for module in modules)
    assert net.eval() is net
    assert not any(module.training for module in modules)
    assert net.train() is net
    assert all(module.training for module in modules)
    assert nn.ReLU().training


def test_shared_parameters_count_once_and_get_both_gradients() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.first = nn.Linear(3, 3, bias=False, seed=0)
            self.second = nn.Linear(3, 3, bias=False, seed=1)
            self.second.weight = self.first.weight
            self.again = self.first

        def forward(self, x: Any) -> Any:
            return self.again(self.second(self.first(x)))

    net = Tied()
    assert [name for name, _ in net.named_parameters()] == ["first.weight"]
    assert list(net.state_dict()) == ["first.weight"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "second"]
    x = np.ones((1, 3), np.float32)
    net(tg.Tensor(x)).sum().backward()
    w = net.first.weight.numpy()
    one = np.ones((1, 3))
    third = one.T @ (x @ w.T @ w.T)
    second = (one @ w).T @ (x @ w.T)
    first = (one @ w @ w).T @ x
    np.testing.assert_allclose(net.first.weight.grad.numpy(), first + second + third, rtol=1e-5)


def test_tied_weights_load_under_any_of_their_names() -> None:
    torch = pytest.importorskip("torch")

    def tied(lib: Any, net: Any, **options: Any) -> Any:
        net.layers = lib.ModuleList([lib.Linear(3, 3, **options) for _ in range(2)])
        net.layers[1].weight = net.layers[0].weight
        net.again = net.layers[1]
        return net

    theirs = tied(torch.nn, torch.nn.Module())
    state = dict(theirs.state_dict())
    assert len(state) == 6
    names = ["layers.0.weight", "layers.1.weight", "again.weight"]
    for kept in (names, names[1:], names[2:], [names[1], names[0]]):
        net = tied(nn, nn.Module(), seed=0)
        rest = {n: v for n, v in state.items() if n not in names}
        assert net.load_state_dict({**{n: state[n] for n in kept}, **rest}) == ([], [])
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value, state[name].numpy())
    other = {**state, "again.weight": state["again.weight"] + 1}
    with pytest.raises(ShapeError, match=r"layers\.0\.weight and again\.weight are the same"):
        net.load_state_dict(other)
    for name in ("again.wight", "layers", "layers.2.weight"):
        with pytest.raises(ShapeError, match=f"unexpected {name}"):
            net.load_state_dict({**state, name: state["again.weight"]})


def test_a_module_that_knows_its_parent_is_no_endless_walk() -> None:
    parent, child = nn.Sequential(nn.Linear(2, 2, seed=0)), nn.ReLU()
    child.parent = parent  # type: ignore[attr-defined]
    parent.child = child  # type: ignore[attr-defined]
    assert [name for name, _ in child.named_modules()] == ["", "parent", "parent.0"]
    assert len(child.parameters()) == 2


def test_frozen_parameters_are_state_but_not_parameters() -> None:
    net = Net()
    net.stem.weight.requires_grad = False
    assert "stem.weight" not in dict(net.named_parameters())
    assert "stem.weight" in net.state_dict()
    frozen = net.stem.weight.numpy()
    optimiser = tg.optim.SGD(net.parameters(), 0.1)
    net(tg.Tensor(np.ones((2, 3), np.float32))).sum().backward()
    optimiser.step()
    assert net.stem.weight.grad is None
    np.testing.assert_array_equal(net.stem.weight.numpy(), frozen)
    assert np.any(net.stem.bias.grad.numpy() != 0)


def test_zero_grad() -> None:
    net = Net()
    net(tg.Tensor(np.ones((2, 3), np.float32))).sum().backward()
    assert net.scale.grad is not None
    net.zero_grad()
    assert [p.grad for p in net.parameters()] == [None] * len(SHAPES)


def test_gradients_add_up_without_zero_grad() -> None:
    net = nn.Linear(3, 2, seed=0)
    x = tg.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
    for times in (1, 2, 3):
        net(x).sum().backward()
        np.testing.assert_array_equal(net.weight.grad.numpy(), times * np.tile([[3, 5, 7]], (2, 1)))
        np.testing.assert_array_equal(net.bias.grad.numpy(), times * np.array([2, 2]))


def test_a_module_without_forward_says_so() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty does not define forward\(\)"):
        Empty()(1)


def test_a_copy_has_weights_of_its_own() -> None:
    net = Net()
    twin = copy.deepcopy(net)
    twin.scale.data = np.zeros(4, np.float32)
    np.testing.assert_array_equal(net.scale.numpy(), np.ones(4))
    assert not {id(p) for p in net.parameters()} & {id(p) for p in twin.parameters()}


def test_repr_shows_the_tree() -> None:
    net = nn.Sequential(nn.Linear(3, 4, seed=0), nn.LeakyReLU(0.2), nn.Sequential(nn.Softmax(0)))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(3, 4)\n"
        "  (1): LeakyReLU(0.2)\n"
        "  (2): Sequential(\n"
        "    (0): Softmax(axis=0)\n"
        "  )\n"
        ")"
    )


def test_names_in_messages_are_printable_and_short() -> None:
    layer = nn.Linear(1, 1, seed=0)
    state = {**layer.state_dict(), "\x1b[31m\nred": np.zeros(1), "x" * 10_000: np.zeros(1)}
    with pytest.raises(tg.ShapeError) as caught:
        layer.load_state_dict(state)
    text = str(caught.value)
    assert r"unexpected '\x1b[31m\nred'; unexpected 'xxx" in text
    assert text.isprintable() and len(text) < 300
