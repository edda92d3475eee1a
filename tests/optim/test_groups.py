"""Parameter groups: against PyTorch, in replays, with schedules, in states, and what is refused."""

import copy
import json
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import ShapeError, nn, optim, training
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
START = [RNG.standard_normal(s) for s in [(4, 3), (3,), (3, 2), (2,)]]
INPUTS = RNG.standard_normal((40, 5, 4))
# the optimiser's settings, and those that the second group has of its own
SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}, {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}, {"lr": 0.01, "momentum": 0.0}),
    ("Adam", {"lr": 0.01}, {"betas": (0.5, 0.9), "eps": 0.1, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.0}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5}, {"centered": True, "alpha": 0.9, "momentum": 0.0}),
    ("Adagrad", {"lr": 0.05}, {"lr_decay": 0.1, "eps": 0.1}),
    ("Adadelta", {"lr": 1.0}, {"rho": 0.5, "weight_decay": 0.1}),
]


def loss(x: Any, w: Any, b: Any, v: Any, c: Any) -> Any:
    y = (x @ w + b) ** 2
    y = y / (1 + y) @ v + c
    return (y**2).mean()


def leaves() -> list[tg.Tensor]:
    return [tg.Tensor(p, requires_grad=True) for p in START]


def test_groups_with_pytorch() -> None:
    """A third group comes later, and a rate, decay and momentum change between steps."""
    torch = pytest.importorskip("torch")
    inputs = torch.tensor(INPUTS)
    for name, settings, other in SETTINGS:
        ours, theirs = leaves(), [torch.tensor(p, requires_grad=True) for p in START]
        pair = [
            getattr(lib.optim, name)(
                [{"params": p[:1]}, {"params": p[1], "name": "bias", **other}], **settings
            )
            for lib, p in ((tg, ours), (torch, theirs))
        ]
        names = [g.keys() - {"params"} for g in pair[0].param_groups]
        assert all(n <= set(g) for n, g in zip(names, pair[1].param_groups, strict=True))
        for i in range(15):
            if i == 4:
                for optimiser, p in zip(pair, (ours, theirs), strict=True):
                    optimiser.add_param_group({"params": p[2:], "lr": 0.03})
            if i == 8:
                for optimiser in pair:
                    optimiser.param_groups[0]["lr"] *= 0.5
                    optimiser.param_groups[2]["weight_decay"] = 0.2
                    if name == "SGD":
                        optimiser.param_groups[2]["momentum"] = 0.3
            for optimiser in pair:
                optimiser.zero_grad()
            loss(INPUTS[i], *ours).backward()
            loss(inputs[i], *theirs).backward()
            for optimiser in pair:
                optimiser.step()
        for mine, twin, start in zip(ours, theirs, START, strict=True):
            np.testing.assert_allclose(mine.numpy(), twin.detach().numpy(), rtol=1e-9, err_msg=name)
            assert np.all(mine.numpy() != start)


def test_one_group_with_everything_is_no_group() -> None:
    for name, settings, _ in SETTINGS:
        found = []
        for params in (leaves(), [{"params": leaves()}], [{"params": leaves(), **settings}]):
            optimiser = getattr(optim, name)(params, **settings)
            for x in INPUTS[:5]:
                optimiser.zero_grad()
                loss(x, *optimiser.params).backward()
                optimiser.step()
            found.append([p.numpy().tobytes() for p in optimiser.params])
        assert found[0] == found[1] == found[2]


def trained(replay: bool | None, name: str) -> list[bytes]:
    """By fit or a loop; a group is added, and a rate changed, on the way."""
    x, y = INPUTS[:3].reshape(15, 4).astype(np.float32), np.arange(15) % 3
    first, last = nn.Linear(4, 5, seed=0), nn.Linear(5, 3, seed=1)
    model = nn.Sequential(first, nn.Tanh(), last)
    groups = [{"params": last.weight, "lr": 0.01}, {"params": last.bias}]
    optimiser = getattr(optim, name)(groups, optim.StepDecay(0.05, 3, 0.5), clip_norm=0.5)

    class Thaw:
        def on_epoch(self, epoch: training.Epoch) -> None:
            if epoch.epoch == 5:
                optimiser.add_param_group({"params": first.parameters(), "lr": 0.02})
            if epoch.epoch == 7:
                optimiser.param_groups[1]["lr"] = 0.07

    model.requires_grad_(True)
    if replay is not None:
        training.fit(model, [(x, y)], optimiser, epochs=9, replay=replay, callbacks=[Thaw()])
    else:
        for k in range(9):
            model.zero_grad()
            F.cross_entropy(model(tg.Tensor(x)), y).backward()
            optimiser.step()
            Thaw().on_epoch(training.Epoch(k + 1, 0, 0, 0, 0))
    return [p.numpy().tobytes() for p in model.parameters()]


def test_replayed_eager_and_in_a_loop_are_the_same_bits() -> None:
    for name in ("SGD", "Adam", "RMSprop"):
        assert trained(True, name) == trained(False, name) == trained(None, name)


def test_a_setting_that_needs_more_state_may_come_later() -> None:
    """Momentum between steps, at each of the first calls: replayed, compared, and eager."""
    x = np.ones((4, 3), np.float32)
    for at in range(6):
        found = []
        for replay in (True, False):
            w = tg.Tensor(np.ones((3, 2), np.float32), requires_grad=True)
            sgd = optim.SGD([w], 0.1)

            def step(x: Any, w: Any = w, sgd: Any = sgd) -> Any:
                sgd.zero_grad()
                loss = np.mean((x @ w) ** 2)
                loss.backward()
                sgd.step()
                return loss

            call = tg.replay(step) if replay else lambda x, step=step: step(tg.Tensor(x))
            for k in range(6):
                if k == at:
                    sgd.param_groups[0]["momentum"] = 0.9
                call(x)
            found.append((w.numpy().tobytes(), sgd.state_dict()["0.velocity"].tobytes()))
        assert found[0] == found[1]


def test_a_number_scales_the_schedule_of_all() -> None:
    p, q = leaves()[:2]
    for schedule, base in (
        (optim.StepDecay(0.1, 2), 0.1),
        (optim.InverseTimeDecay(0.1, 0.5), 0.1),
        (optim.CosineDecay(0.1, 10), 0.1),
        (optim.OneCycle(0.1, 10), 0.1),
        (optim.WarmUp(optim.CosineDecay(0.1, 10), 3), 0.1),
        (optim.WarmUp(0.1, 3), 0.1),
        (lambda k: 0.2 / (k + 1), 0.2),
    ):
        own = optim.StepDecay(1.0, 1, 0.5)
        optimiser = optim.SGD(
            [{"params": p}, {"params": q, "lr": 0.03}, {"params": leaves(), "lr": own}], schedule
        )
        for k in range(12):
            optimiser.steps = k
            rates = [optimiser.rate(group) for group in optimiser.param_groups]
            assert rates == pytest.approx([schedule(k), 0.03 / base * schedule(k), 0.5**k])
        assert optimiser.rate() == rates[0]
        optimiser.lr = 0.5
        assert [g["lr"] for g in optimiser.param_groups] == [0.5] * 3
    with pytest.raises(ValueError, match=r"lr=0\.1 of a group scales .* begins with 0\.0; give"):
        optim.SGD([{"params": p, "lr": 0.1}], lambda k: 0.1 * k)


def test_schedules_of_groups_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rates = torch.optim.lr_scheduler
    for schedule, make in (
        (optim.StepDecay(0.05, 3, 0.5), lambda o: rates.StepLR(o, 3, 0.5)),
        (optim.CosineDecay(0.05, 20), lambda o: rates.CosineAnnealingLR(o, 20)),
        (lambda k: 0.05 / (k + 1), lambda o: rates.LambdaLR(o, lambda k: 1 / (k + 1))),
    ):
        ours, theirs = leaves(), [torch.tensor(p, requires_grad=True) for p in START]
        mine = optim.SGD([{"params": ours[:2]}, {"params": ours[2:], "lr": 0.01}], schedule, 0.9)
        other = torch.optim.SGD(
            [{"params": theirs[:2]}, {"params": theirs[2:], "lr": 0.01}], 0.05, 0.9
        )
        scheduler = make(other)
        for x in INPUTS[:15]:
            mine.zero_grad()
            other.zero_grad()
            loss(x, *ours).backward()
            loss(torch.tensor(x), *theirs).backward()
            mine.step()
            other.step()
            scheduler.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-9)


def test_a_state_goes_on_bit_for_bit_and_names_other_groups() -> None:
    def made(lr: float = 0.02, swapped: bool = False) -> optim.Optimiser:
        params = leaves()
        parts = [params[:3], params[3:]] if swapped else [params[:1], params[1:]]
        groups = [{"params": parts[0]}, {"params": parts[1], "lr": lr, "momentum": 0.9}]
        return optim.SGD(groups, 0.05)

    def go(optimiser: optim.Optimiser, start: int, stop: int) -> None:
        for x in INPUTS[start:stop]:
            optimiser.zero_grad()
            loss(x, *optimiser.params).backward()
            optimiser.step()

    one, other = made(), made()
    go(one, 0, 4)
    state = one.state_dict()
    assert [name for name in state if name[0].isdigit()] == [f"{i}.velocity" for i in (1, 2, 3)]
    rest = {k: v for k, v in state.items() if not isinstance(v, np.ndarray)}
    for p, q in zip(other.params, one.params, strict=True):
        p.data = q.numpy()
    other.load_state_dict({**state, **json.loads(json.dumps(rest))})
    twin = copy.deepcopy(one)
    for optimiser in (one, other, twin):
        go(optimiser, 4, 8)
    for p, q, r in zip(one.params, other.params, twin.params, strict=True):
        assert p.numpy().tobytes() == q.numpy().tobytes() == r.numpy().tobytes()
    for wrong in (made(lr=0.03), made(swapped=True), optim.SGD(leaves(), 0.05, 0.9)):
        with pytest.raises(ShapeError, match="does not fit this optimiser"):
            wrong.load_state_dict(state)


def test_what_is_no_group_is_refused() -> None:
    p, q = leaves()[:2]
    for groups, error, text in (
        ({"params": [p]}, TypeError, r"list of groups, \[\{'params'"),
        ([{"lr": 0.1}], TypeError, r"SGD: .* is no group of parameters; give a dict with"),
        ([{"params": [p]}, q], TypeError, "is no group of parameters"),
        ([{"params": 3}], TypeError, "a group has params=3; a Tensor or a list"),
        ([{"params": []}], ValueError, "params is empty"),
        ([{"params": p, "clip_norm": 1.0}], ValueError, "'clip_norm'.*settings are lr, momentum"),
        ([{"params": p, "LR": 1.0}], ValueError, "'LR'"),
        ([{"params": p, "lr": -1.0}], ValueError, r"SGD\(lr=-1\.0\)"),
        ([{"params": p, "momentum": 2.0}], ValueError, r"SGD\(momentum=2\.0\)"),
        ([{"params": p, "nesterov": True}], ValueError, "needs a momentum"),
        ([{"params": p}, {"params": [q, p]}], ValueError, "to the optimiser twice"),
        ([{"params": p}, {"params": [q * 2]}], ValueError, r"entry 1, of shape \(3,\), is not one"),
    ):
        with pytest.raises(error, match=text):
            optim.SGD(groups, 0.1)
    optimiser = optim.SGD([p], 0.1)
    with pytest.raises(ValueError, match="twice"):
        optimiser.add_param_group({"params": [p, q]})
    assert len(optimiser.param_groups) == 1 and list(optimiser.params) == [p]
    optimiser.add_param_group({"params": q})
    assert "; 15 parameters in 2 groups, 0 steps done)" in repr(optimiser)
