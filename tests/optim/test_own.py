"""An optimiser of the user's own, by ``update()``: everything that the package's own have."""

import collections
import copy
import json
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import ShapeError, nn, optim, training
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


class Lion(optim.Optimiser):
    """Chen et al. (2023), algorithm 2."""

    settings = ("betas", "weight_decay")
    states = ("momentum",)
    decoupled = True

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.99), weight_decay: float = 0.0,
        **limits: Any,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas=betas, weight_decay=weight_decay, **limits)
        self.calls = 0

    def update(self, p: Any, g: Any, state: Any, group: Any) -> Any:
        self.calls += 1
        beta1, beta2 = group["betas"]
        direction = np.sign(beta1 * state["momentum"] + (1 - beta1) * g)
        state["momentum"] = beta2 * state["momentum"] + (1 - beta2) * g
        return p - group["lr"] * (direction + group["weight_decay"] * p)


class Momentum(optim.Optimiser):
    """SGD again, with its state written in place, and the package's own decay."""

    settings = ("momentum", "weight_decay")
    states = ("velocity",)

    def __init__(self, params: Any, lr: Any, momentum: float, weight_decay: float) -> None:
        super().__init__(params, lr, momentum=momentum, weight_decay=weight_decay)

    def update(self, p: Any, g: Any, state: Any, group: Any) -> Any:
        assert group["step"] == self.steps
        v = state["velocity"]
        v *= group["momentum"]
        v += g
        return p - np.asarray(group["lr"], p.dtype) * v


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5, seed=0), nn.Tanh(), nn.Linear(5, 2, seed=1))


def made(model: Any) -> Lion:
    groups = [
        {"params": model[0].parameters(), "betas": (0.5, 0.9)},
        {"params": model[2].parameters(), "lr": 0.02},
    ]
    return Lion(groups, optim.StepDecay(0.01, 4, 0.5), weight_decay=0.1, clip_norm=0.5)


def weights(model: nn.Module) -> bytes:
    return b"".join(value.tobytes() for value in model.state_dict().values())


def test_replayed_eager_in_a_loop_and_from_a_checkpoint(tmp_path: Path) -> None:
    found = []
    for way in ("replayed", "eager", "loop", "resumed"):
        model = network()
        lion = made(model)
        batches = [(X[:8], Y[:8]), (X[8:16], Y[8:16]), (X[16:], Y[16:])]
        if way == "loop":
            for _ in range(4):
                for x, y in batches:
                    lion.zero_grad()
                    F.cross_entropy(model(tg.Tensor(x)), y).backward()
                    lion.step()
        else:
            options: Any = {"replay": way != "eager"}
            if way == "resumed":
                options["checkpoint"] = tmp_path / "lion.npz"
                training.fit(model, batches, lion, epochs=2, **options)
                model = network()
                lion = made(model)
                options["resume"] = True
            training.fit(model, batches, lion, epochs=4, **options)
        found.append(weights(model))
    assert len(set(found)) == 1


def test_it_is_sgd_where_it_computes_that() -> None:
    for dtype in (np.float32, np.float64, np.complex128):
        pair = []
        for kind in (Momentum, optim.SGD):
            rng = np.random.default_rng(1)
            params = [
                tg.Tensor(rng.standard_normal(s), requires_grad=True, dtype=dtype)
                for s in [(3, 2), (2,), ()]
            ]
            optimiser = kind(params, 0.1, momentum=0.9, weight_decay=0.1)
            for _ in range(5):
                for p in params:
                    p.grad = tg.Tensor(rng.standard_normal(p.shape).astype(dtype))
                optimiser.step()
            pair.append(params)
        for p, q in zip(*pair, strict=True):
            assert p.dtype == dtype
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5)


def test_what_is_not_finite_is_not_updated_by() -> None:
    model = network()
    lion = made(model)
    before = weights(model)
    x = np.array([[np.inf, 0, 0, 0]], np.float32)
    with (
        np.errstate(all="ignore"),
        pytest.warns(RuntimeWarning, match="fit: a gradient is not finite"),
    ):
        training.fit(model, [(x, Y[:1])], lion, epochs=1)
    assert weights(model) == before and lion.steps == lion.calls == 0


def test_settings_states_and_copies() -> None:
    model = network()
    lion = made(model)
    training.fit(model, [(X, Y)], lion, epochs=2)
    state = lion.state_dict()
    assert state["settings"]["groups"][0]["betas"] == [0.5, 0.9]
    assert state["0.momentum"].shape == (5, 4)
    json.dumps(state["settings"])
    twin_model, twin = copy.deepcopy((model, lion))
    for m, o in ((model, lion), (twin_model, twin)):
        training.fit(m, [(X, Y)], o, epochs=2)
    assert weights(model) == weights(twin_model)
    assert lion.weight_decay == 0.1 and lion.betas == (0.5, 0.9)  # type: ignore[attr-defined]
    lion.weight_decay = 0.2
    assert [group["weight_decay"] for group in lion.param_groups] == [0.2, 0.2]


COUNT = 0


def counted(_: int) -> float:
    global COUNT
    COUNT += 1
    return 0.1 / (1 + COUNT)


class Decaying:
    """A schedule that changes itself."""

    def __init__(self) -> None:
        self.rates, self.rate = [0.1], 0.1

    def __call__(self, _: int) -> float:
        self.rate *= 0.99
        self.rates.append(self.rate)
        return self.rates[-1]


class Restless(optim.Optimiser):
    """Counts, draws and notes in ``update``, and goes by all of it."""

    def __init__(self, params: Any, lr: Any) -> None:
        super().__init__(params, lr)
        self.n, self.log, self.sums = 0, collections.deque(maxlen=5), {"all": np.zeros(1)}
        self.rng, self.other = np.random.default_rng(0), random.Random(0)
        self.old = np.random.RandomState(0)

    def update(self, p: Any, g: Any, _: Any, group: Any) -> Any:
        self.n += 1
        self.log.append(self.n)
        self.sums["all"] += float(np.abs(g).sum())
        noise = self.rng.normal() + self.other.random() + self.old.rand() + self.sums["all"][0]
        return p - np.float32(group["lr"] / (1 + self.n + sum(self.log))) * g * np.float32(noise)


@pytest.mark.parametrize(
    "rate", [0.1, counted, Decaying, "closure"], ids=lambda r: type(r).__name__
)
def test_what_update_and_schedules_change_of_their_own(rate: Any) -> None:
    """Comparisons run an update twice: what it counts, draws and notes is that of one."""
    found = []
    for replay in (True, False):
        globals()["COUNT"], model, drawn = 0, network(), []
        rate = Decaying() if rate is Decaying else rate

        def own(_: int, drawn: list[float] = drawn) -> float:
            drawn.append(0.1 * 0.99 ** len(drawn))
            return drawn[-1]

        restless = Restless(model.parameters(), own if rate == "closure" else rate)
        batches = tg.data.batches(X, Y, 4, seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            training.fit(model, batches, restless, epochs=3, replay=replay)
        rate = Decaying if isinstance(rate, Decaying) else rate
        found.append((weights(model), restless.n, list(restless.log), COUNT, drawn))
    assert found[0] == found[1]


def test_a_schedule_that_takes_from_an_iterator_runs_as_python() -> None:
    found = []
    for replay in (True, False):
        model, rates = network(), iter(np.linspace(0.01, 0.1, 99))
        sgd = optim.SGD(model.parameters(), lambda _, rates=rates: float(next(rates)))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            training.fit(model, tg.data.batches(X, Y, 4, seed=0), sgd, epochs=2, replay=replay)
        found.append(weights(model))
        assert ["an optimiser that holds a iterator" in str(w.message) for w in said] == [
            True
        ] * replay
    assert found[0] == found[1]


class Early(optim.Optimiser):
    settings = ("beta",)

    def __init__(self, params: Any, lr: float, beta: float) -> None:
        self.beta = beta
        super().__init__(params, lr, beta=beta)


class Late(optim.Optimiser):
    settings = ("beta",)

    def __init__(self, params: Any, lr: float, beta: float) -> None:
        super().__init__(params, lr)
        self.beta = beta


def test_settings_are_handed_to_the_base() -> None:
    for kind in (Early, Late):
        with pytest.raises(AttributeError, match=r"no setting beta yet; hand it to super\(\)"):
            kind([tg.Tensor([1.0], requires_grad=True)], 0.1, 0.5)


class Normalised(optim.Optimiser):
    """One that overrides ``step``, and reads its rate."""

    @tg.no_grad()
    def step(self) -> None:
        for p in self.params:
            p[...] = p - self.lr * p.grad / (np.sqrt(np.sum(p.grad**2)) + 1e-8)


def test_an_own_step_is_captured_once_and_compared_once(captures: list[Any]) -> None:
    model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 2, seed=1))
    batches = tg.data.batches(X, Y, 4, seed=0)
    training.fit(model, batches, Normalised(model.parameters(), 0.01), epochs=3)
    assert len(captures) == 2


def test_what_update_keeps_is_named_in_the_class() -> None:
    def kept(_: Any, p: Any, g: Any, state: Any, *__: Any) -> Any:
        state["m"] = 0.9 * state.get("m", 0) + g
        return p - state["m"]

    def by_default(_: Any, p: Any, g: Any, state: Any, *__: Any) -> Any:
        return p - state.setdefault("m", np.zeros_like(p)) - g

    for update in (kept, by_default):
        for states, named in (((), r"\('m',\)"), (("v",), r"\('v', 'm'\)")):
            p = tg.Tensor([1.0, 2.0], requires_grad=True)
            p.grad = tg.Tensor([1.0, 1.0])
            kind: Any = type("Own", (optim.Optimiser,), {"update": update, "states": states})
            with pytest.raises(ValueError, match=rf"keeps 'm' .* lost .* states = {named};"):
                kind([p], 0.1).step()
            assert p.tolist() == [1, 2]
    for name in ("states", "settings"):
        with pytest.raises(TypeError, match=rf"Own: {name}='m' .* {name} = \('m',\)\.$"):
            type("Own", (optim.Optimiser,), {name: "m"})


def test_what_update_returns_is_checked() -> None:
    for returned, text in ((None, "returned None"), (np.zeros(3), r"of shape \(3,\)")):
        p = tg.Tensor([1.0, 2.0], requires_grad=True)
        kind = type("Wrong", (optim.Optimiser,), {"update": lambda *_, returned=returned: returned})
        p.grad = tg.Tensor([1.0, 1.0])
        with pytest.raises(ShapeError, match=rf"Wrong\.update\(\) .*{text}.*shape \(2,\); return"):
            kind([p], 0.1).step()
