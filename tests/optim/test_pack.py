"""Parameters packed into one buffer: the same bits as one parameter after another."""

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim
from tinygrad_np.optim import pack, schedules

OPTIMISERS: dict[str, Callable[[Any], optim.Optimiser]] = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "nesterov, decay": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: optim.Adam(p, 0.01),
    "Adam, decay": lambda p: optim.Adam(p, schedules.StepDecay(0.01, 3), weight_decay=0.1),
}
every = pytest.mark.parametrize("name", OPTIMISERS)
SHAPES: list[tuple[int, ...]] = [(6, 4), (6,), (3, 6), (), (0, 2), (2, 3, 4), (1, 5)]
HELD: list[Any] = []  # arrays that were handed out, and are not moved
Change = Callable[[list[tg.Tensor], optim.Optimiser, int], None]


def arrays(seed: int, dtype: Any = np.float32, order: Any = "C") -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found = [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]
    return [np.array(a, order=order) for a in found]


def parameters(packed: bool, dtypes: Any = (np.float32,), order: Any = "C") -> list[tg.Tensor]:
    """Leaves; an array that was handed out is not moved into a pack."""
    values = [a for k, dtype in enumerate(dtypes) for a in arrays(k, dtype, order)]
    found = [tg.Tensor(a, requires_grad=True) for a in values]
    if not packed:
        for parameter in found:
            HELD.append(parameter.data)
    return found


def trained(
    make: Callable[[Any], optim.Optimiser],
    packed: bool,
    change: Change = lambda *_: None,
    missing: Callable[[int, int], bool] = lambda *_: False,
    steps: int = 6,
    **options: Any,
) -> tuple[list[tg.Tensor], optim.Optimiser]:
    """Parameters after some steps along gradients that are drawn, but for those ``missing``."""
    params = parameters(packed, **options)
    optimiser = make(params)
    for step in range(steps):
        optimiser.zero_grad()
        for i, p in enumerate(params):
            if not missing(step, i):
                drawn = np.random.default_rng([step, i]).standard_normal(p.shape)
                p.grad = tg.Tensor(np.asarray(drawn, p.dtype))
        change(params, optimiser, step)
        optimiser.step()
    return params, optimiser


def assert_same(a: list[tg.Tensor], b: list[tg.Tensor]) -> None:
    assert [p.numpy().tobytes() for p in a] == [p.numpy().tobytes() for p in b]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "dtypes", [(np.float32,), (np.float64, np.float32), (np.complex128, np.float16)]
)
@every
def test_packed_is_unpacked(name: str, dtypes: Any, order: str) -> None:
    options = {"dtypes": dtypes, "order": order}
    packed, one = trained(OPTIMISERS[name], True, **options)
    single, other = trained(OPTIMISERS[name], False, **options)
    assert len(one._packs) == len(dtypes)
    assert len(other._packs) == len(packed)
    assert_same(packed, single)


def test_parameters_are_views_of_one_buffer_in_their_own_layouts() -> None:
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.ReLU(), nn.Linear(3, 2, seed=1))
    before = model.state_dict()
    strides = [p._array.strides for p in model.parameters()]
    optimiser = optim.Adam(model.parameters())
    ((values,), states) = [p.values for p in optimiser._packs], optimiser._packs[0].state
    assert values.shape == (4 * 3 + 3 + 3 * 2 + 2,) == states[0].shape == states[1].shape
    for name, tensor in model.named_tensors():
        assert tensor._array.base is values or np.shares_memory(tensor._array, values)
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    assert [p._array.strides for p in model.parameters()] == strides
    assert model.parameters()[0]._array.flags.f_contiguous  # as nn.Linear keeps it
    starts = sorted(p._array.__array_interface__["data"][0] for p in model.parameters())
    ends = [start + p.nbytes for start, p in zip(starts, model.parameters(), strict=True)]
    assert starts[1:] == ends[:-1]


def test_writes_to_a_parameter_reach_the_buffer() -> None:
    p, q = tg.Tensor([1.0, 2.0], requires_grad=True), tg.Tensor([[3.0]], requires_grad=True)
    optimiser = optim.SGD([p, q], 0.1)
    with tg.no_grad():
        p[0] = 5.0
        q += 1.0
    p.data[1] = 7.0
    assert optimiser._packs[0].values.tolist() == [5.0, 7.0, 4.0]


def test_a_view_from_before_keeps_the_parameter_where_it_is() -> None:
    """Who has the array, or a Tensor around it, must see what becomes of the parameter."""
    exposed, viewed, recorded, free = (tg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(4))
    array, tensor, graph = exposed.data, viewed.detach(), recorded * recorded
    optimiser = optim.SGD([exposed, viewed, recorded, free], 0.5)
    assert len(optimiser._packs) == 4
    for p in (exposed, viewed, recorded, free):
        p.grad = tg.Tensor([1.0, 1.0])
    optimiser.step()
    assert array.tolist() == tensor.tolist() == free.tolist() == [0.5, 1.5]
    with pytest.raises(tg.StaleValueError):
        graph.sum().backward()


def data_replaced(params: list[tg.Tensor], _: Any, step: int) -> None:
    if step == 2:
        params[0].data = arrays(7)[0]
        params[5].data = arrays(7)[5]


def layout_replaced(params: list[tg.Tensor], _: Any, step: int) -> None:
    if step in (2, 4):
        for p in params:
            p.data = np.array(p.numpy() * 0.5, order="FC"[step == 4])


def halved(params: list[tg.Tensor], _: Any, step: int) -> None:
    if step in (2, 4):
        for p in params:
            p.data = p.numpy() * 0.5


def written(params: list[tg.Tensor], _: Any, step: int) -> None:
    with tg.no_grad():
        params[0][...] = params[0] * 0.5
        if step == 3:
            params[2].data[1] = 0.0


def rewound(_: Any, optimiser: optim.Optimiser, step: int) -> None:
    if step == 1:
        SAVED.append(optimiser.save())
    if step == 3:
        optimiser.restore(SAVED.pop())


def another_optimiser(params: list[tg.Tensor], _: Any, step: int) -> None:
    if step == 2:
        SECOND[:] = [optim.SGD(params[:3], 0.01)]
    if step >= 2:
        SECOND[0].step()


def gradients_changed(params: list[tg.Tensor], _: Any, step: int) -> None:
    for p in params:
        assert p.grad is not None
        p.grad *= 0.5
        if step == 2 and p.size:
            p.grad.data[...] = 1.0


SAVED: list[dict[str, Any]] = []
SECOND: list[optim.Optimiser] = []
CHANGES: list[Change] = [
    data_replaced, layout_replaced, written, rewound, another_optimiser, gradients_changed,
]  # fmt: skip
MISSING: dict[str, Callable[[int, int], bool]] = {
    "one, always": lambda _, i: i == 1,
    "all, once": lambda step, _: step == 2,
    "here and there": lambda step, i: (step + i) % 3 == 0,
    "one, at first": lambda step, i: step < 3 and i == 2,
    "one, later": lambda step, i: step >= 3 and i == 2,
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@every
def test_changes_between_the_steps(name: str, change: Change) -> None:
    packed, _ = trained(OPTIMISERS[name], True, change)
    single, _ = trained(OPTIMISERS[name], False, change)
    assert_same(packed, single)


@pytest.mark.parametrize("order", ["C", "F"])
@every
def test_another_layout_is_the_same_numbers(name: str, order: str) -> None:
    """The state belongs to elements, wherever these lie."""
    alike, _ = trained(OPTIMISERS[name], True, layout_replaced, order=order)
    plain, _ = trained(OPTIMISERS[name], True, halved, order="C")
    assert_same(alike, plain)


@pytest.mark.parametrize("missing", MISSING)
@every
def test_missing_gradients(name: str, missing: str) -> None:
    packed, one = trained(OPTIMISERS[name], True, missing=MISSING[missing])
    single, other = trained(OPTIMISERS[name], False, missing=MISSING[missing])
    assert_same(packed, single)
    ages = [age for p in one._packs for age in p.ages]
    assert ages == [age for p in other._packs for age in p.ages]
    assert ages == [sum(not MISSING[missing](k, i) for k in range(6)) for i in range(len(SHAPES))]


@pytest.mark.parametrize("packed", [True, False])
@every
def test_save_and_restore(name: str, packed: bool) -> None:
    params, optimiser = trained(OPTIMISERS[name], packed, steps=3)
    saved = optimiser.save()
    values = [p.numpy() for p in params]

    def further() -> list[bytes]:
        for step in range(3):
            for i, p in enumerate(params):
                drawn = np.random.default_rng([9, step, i]).standard_normal(p.shape)
                p.grad = tg.Tensor(np.asarray(drawn, p.dtype)) if step or i else None
            optimiser.step()
        return [p.numpy().tobytes() for p in params]

    first = further()
    optimiser.restore(saved)
    assert optimiser.steps == 3
    for p, value in zip(params, values, strict=True):
        np.testing.assert_array_equal(p.numpy(), value)
    assert further() == first


def test_a_restored_parameter_counts_as_written() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    optimiser = optim.SGD([w], 0.1)
    saved = optimiser.save()
    graph = (w * w).sum()
    optimiser.restore(saved)
    with pytest.raises(tg.StaleValueError):
        graph.backward()


@every
def test_a_state_is_loaded_into_packed_parameters(name: str) -> None:
    models = [nn.Sequential(nn.Linear(4, 3, seed=0), nn.Linear(3, 2, seed=1)) for _ in range(2)]
    held = [p.data for p in models[1].parameters()]
    optimisers = [OPTIMISERS[name](model.parameters()) for model in models]
    other = nn.Sequential(nn.Linear(4, 3, seed=2), nn.Linear(3, 2, seed=3)).state_dict()
    for model, optimiser in zip(models, optimisers, strict=True):
        for step in range(4):
            if step == 2:
                model.load_state_dict(other)
            optimiser.zero_grad()
            np.square(model(np.full((5, 4), 0.1 * step, "f4"))).sum().backward()
            optimiser.step()
        assert (len(optimiser._packs) == 1) == (model is models[0])
    assert [p.data is h for p, h in zip(models[1].parameters(), held, strict=True)] == [True] * 4
    assert_same(models[0].parameters(), models[1].parameters())


def test_a_copy_of_a_packed_model_is_on_its_own() -> None:
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.Linear(3, 2, seed=1))
    optimiser = optim.SGD(model.parameters(), 0.1)
    np.square(model(np.ones((5, 4), "f4"))).sum().backward()
    twin = copy.deepcopy(model)
    before = twin.state_dict()
    optimiser.step()
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert not np.shares_memory(p._array, q._array)
        assert p.grad is not None and q.grad is not None
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())
    second = optim.SGD(twin.parameters(), 0.1)
    second.step()
    assert_same(model.parameters(), twin.parameters())


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda pair: pickle.loads(pickle.dumps(pair)),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("packed", [True, False])
@every
def test_a_copy_of_parameters_and_optimiser_goes_on_alike(
    name: str, packed: bool, how: str
) -> None:
    params, optimiser = trained(
        OPTIMISERS[name], packed, steps=3, missing=lambda step, i: step == 1 and i == 2
    )
    twins, copied = COPIES[how]((params, optimiser))
    assert len(copied._packs) == 1  # nobody has the copies' arrays
    for owner, own in ((optimiser, params), (copied, twins)):
        for step in range(3):
            for i, p in enumerate(own):
                drawn = np.random.default_rng([5, step, i]).standard_normal(p.shape)
                p.grad = tg.Tensor(np.asarray(drawn, p.dtype))
            owner.step()
    assert_same(params, twins)
    assert (optimiser.steps, vars(optimiser).keys()) == (copied.steps, vars(copied).keys())


def test_a_copy_after_a_step_of_several_threads(monkeypatch: Any) -> None:
    monkeypatch.setattr(pack, "thread_count", lambda: 2)
    p = tg.Tensor(np.zeros(2 * pack.THREADED_FROM, "f4"), requires_grad=True)
    q = tg.Tensor(np.zeros(3, "f4"), requires_grad=True)
    optimiser = optim.SGD([p, q], 1.0)
    p.grad, q.grad = tg.Tensor(np.ones(p.shape, "f4")), tg.Tensor(np.ones(3, "f4"))
    optimiser.step()
    copied = copy.deepcopy(optimiser)
    copied.step()
    assert (copied.params[0].numpy() == -2).all() and (p.numpy() == -1).all()


FORKED = """
import os
from tinygrad_np.threads import Crew

crew, done = Crew(), []
crew.run(done.append, ["here", "by another thread"])
if child := os.fork():
    os.waitpid(child, 0)
else:
    crew.run(done.append, ["in the child", "by a thread of its own"])
    print(len(done), flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_several_threads_in_a_fork() -> None:
    run = [sys.executable, "-W", "ignore", "-c", FORKED]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "4\n", ended.stderr


@pytest.mark.parametrize("size", [pack.THREADED_FROM - 1, pack.THREADED_FROM + 12_345])
@pytest.mark.parametrize("name", ["momentum", "Adam, decay"])
def test_pieces_and_threads(name: str, size: int, monkeypatch: Any) -> None:
    """More parameters than fit one piece, by several threads: the same bits."""
    monkeypatch.setattr(pack, "thread_count", lambda: 3)
    shapes = [(size // 7, 3), (100,), (size - 100 - size // 7 * 3,)]

    def run(packed: bool) -> tuple[list[tg.Tensor], optim.Optimiser]:
        rng = np.random.default_rng(0)
        params = [tg.Tensor(rng.random(s, np.float32), requires_grad=True) for s in shapes]
        if not packed:
            HELD.extend(p.data for p in params)
        optimiser = OPTIMISERS[name](params)
        for _ in range(3):
            for p in params:
                p.grad = tg.Tensor(rng.random(p.shape, np.float32) - 0.5)
            optimiser.step()
        return params, optimiser

    packed, optimiser = run(True)
    single, _ = run(False)
    ((made,),) = [optimiser._packs]
    assert len(made.pieces) == (3 if size >= pack.THREADED_FROM else 1)
    cut = [piece[0] for pieces in made.pieces for piece in pieces]
    assert sum(part.size for part in cut) == size and max(p.size for p in cut) <= pack.PIECE
    assert_same(packed, single)


def test_an_error_in_a_thread_is_raised(monkeypatch: Any) -> None:
    monkeypatch.setattr(pack, "thread_count", lambda: 2)
    params = [tg.Tensor(np.zeros(pack.THREADED_FROM, "f4"), requires_grad=True) for _ in range(2)]
    optimiser = optim.SGD(params, 0.1)
    for p in params:
        p.grad = tg.Tensor(np.ones(p.shape, "f4"))

    def change(numbers: Any, values: Any, *_: Any) -> None:
        del numbers
        if not np.shares_memory(values, params[0]._array):
            raise KeyError("as meant")

    monkeypatch.setattr(optimiser, "_change", change)
    with pytest.raises(KeyError, match="as meant"):
        optimiser.step()


def test_parameters_that_share_memory() -> None:
    """Two leaves around one array, and leaves that are views."""
    base = tg.Tensor(np.arange(8.0))
    even, odd = base[::2], base[1::2]
    first = tg.Tensor([1.0, 2.0])
    second = first.detach()
    for tensor in (even, odd, first, second):
        tensor.requires_grad = True
    optimiser = optim.SGD([even, odd, first, second], 1.0)
    for k, tensor in enumerate((even, odd, first, second)):
        tensor.grad = tg.Tensor(np.full(tensor.shape, float(k)))
    optimiser.step()
    assert base.tolist() == [0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 6.0, 6.0]
    assert first.tolist() == second.tolist() == [-4.0, -3.0]


def test_an_eager_gradient_lies_in_the_packs_memory_and_nobody_else_gets_that() -> None:
    layer = nn.Linear(256, 64, seed=0)
    optimiser = optim.SGD(layer.parameters(), 0.1)
    x = np.ones((2, 256), np.float32)

    def backward(factor: float) -> None:
        np.sum(layer(x) * factor).backward()

    backward(1)
    assert layer.weight._grad is optimiser._packs[0].slots[0]
    first = layer.weight.grad
    backward(2)  # adds to what was read, and to memory that nobody has read
    assert first is not None and (first.numpy() == 2).all()
    assert layer.weight.grad is not None and (layer.weight.grad.numpy() == 6).all()
    optimiser.zero_grad()
    backward(3)
    backward(1)
    assert (layer.weight.grad.numpy() == 8).all()
    before = layer.weight.numpy()
    optimiser.step()
    assert (layer.weight.numpy() == before - np.float32(0.1) * 8).all()

    slot = optimiser._packs[0].slots[0]
    optimiser.zero_grad()
    used = slot.take()  # as if another thread's backward were at it
    backward(5)
    assert type(layer.weight._grad) is tg.Tensor
    assert used is not None and (used != 10).all()
    optimiser.zero_grad()
    z = layer(x)
    np.sum(z * z.detach() + layer(x)).backward()  # the layer twice
    assert type(layer.weight._grad) is tg.Tensor
