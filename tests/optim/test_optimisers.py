"""The optimisers against PyTorch, against their papers' equations, and what they refuse."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import optim

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.9)}),
    ("Adam", {"lr": 0.01, "eps": 0.1}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 0.1, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.0}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 0.1}),
    ("RMSprop", {"lr": 0.01, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.01, "centered": True}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.05}),
    (
        "Adagrad",
        {
            "lr": 0.05,
            "lr_decay": 0.1,
            "weight_decay": 0.1,
            "initial_accumulator_value": 0.2,
            "eps": 0.1,
        },
    ),
    ("Adadelta", {"lr": 1.0}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1}),
]
every = pytest.mark.parametrize(
    ("name", "settings"), SETTINGS, ids=[f"{n} {list(s.items())}" for n, s in SETTINGS]
)
RNG = np.random.default_rng(0)
START = [RNG.standard_normal((4, 3)), RNG.standard_normal(3), np.array(0.7)]
INPUTS = RNG.standard_normal((100, 5, 4))


def loss(i: int, x: Any, w: Any, b: Any, c: Any) -> Any:
    """Not quadratic, and the scalar takes part in every third step only."""
    y = (x @ w + b) ** 2
    y = y / (1 + y)
    return y.mean() + (y.mean() * c if i % 3 == 0 else 0.0)


@every
def test_thirty_steps_with_pytorch(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours = [tg.Tensor(p, requires_grad=True) for p in START]
    theirs = [torch.tensor(p, requires_grad=True) for p in START]
    optimiser = getattr(optim, name)(ours, **settings)
    other = getattr(torch.optim, name)(theirs, **settings)
    inputs = torch.tensor(INPUTS)
    for i in range(30):
        optimiser.zero_grad()
        other.zero_grad()
        loss(i, INPUTS[i], *ours).backward()
        loss(i, inputs[i], *theirs).backward()
        optimiser.step()
        other.step()
    for mine, twin, start in zip(ours, theirs, START, strict=True):
        np.testing.assert_allclose(mine.numpy(), twin.detach().numpy(), rtol=1e-10)
        assert np.all(mine.numpy() != start)


@every
def test_complex_parameters_with_pytorch(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    x = rng.standard_normal((25, 5, 4)) + 1j * rng.standard_normal((25, 5, 4))
    start = [START[0] + 1j * START[0][::-1], np.array(0.7 - 0.2j)]
    ours = [tg.Tensor(p, requires_grad=True) for p in start]
    theirs = [torch.tensor(p, requires_grad=True) for p in start]
    optimiser = getattr(optim, name)(ours, **settings)
    other = getattr(torch.optim, name)(theirs, **settings)
    first = np.sum(np.abs(x @ start[0] + start[1]) ** 2)
    for i in range(25):
        optimiser.zero_grad()
        other.zero_grad()
        (np.abs(x[i] @ ours[0] + ours[1]) ** 2).mean().backward()
        (torch.abs(torch.tensor(x[i]) @ theirs[0] + theirs[1]) ** 2).mean().backward()
        optimiser.step()
        other.step()
    assert np.sum(np.abs(x @ ours[0].numpy() + ours[1].numpy()) ** 2) < first
    for mine, twin in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), twin.detach().numpy(), rtol=1e-9, atol=1e-10)


def sgd(g: Any, p: Any, state: dict[str, Any], lr: float, **given: Any) -> Any:
    """Sutskever et al. (2013), equations 1 to 4, with lr outside of the velocity."""
    mu, decay = given.get("momentum", 0.0), given.get("weight_decay", 0.0)
    g = g + decay * p
    v = state["v"] = mu * state.get("v", 0.0) + g
    return p - lr * (g + mu * v if given.get("nesterov") else v)


def adam(g: Any, p: Any, state: dict[str, Any], lr: float, **given: Any) -> Any:
    """Kingma & Ba (2015), algorithm 1."""
    b1, b2 = given.get("betas", (0.9, 0.999))
    t = state["t"] = state.get("t", 0) + 1
    g = g + given.get("weight_decay", 0.0) * p
    m = state["m"] = b1 * state.get("m", 0.0) + (1 - b1) * g
    s = state["s"] = b2 * state.get("s", 0.0) + (1 - b2) * g**2
    return p - lr * (m / (1 - b1**t)) / (np.sqrt(s / (1 - b2**t)) + given.get("eps", 1e-8))


def adamw(g: Any, p: Any, state: dict[str, Any], lr: float, **given: Any) -> Any:
    """Loshchilov & Hutter (2019), algorithm 2: the decay is subtracted beside Adam's step."""
    decay = lr * given.pop("weight_decay", 0.01) * p
    return adam(g, p, state, lr, **given) - decay


def rmsprop(g: Any, p: Any, state: dict[str, Any], lr: float, **given: Any) -> Any:
    """Hinton (2012), lecture 6e, slide 29; Graves (2013), equations 38 to 41."""
    alpha = given.get("alpha", 0.99)
    g = g + given.get("weight_decay", 0.0) * p
    s = state["s"] = alpha * state.get("s", 0.0) + (1 - alpha) * g**2
    if given.get("centered"):
        m = state["m"] = alpha * state.get("m", 0.0) + (1 - alpha) * g
        s = s - m**2
    d = g / (np.sqrt(s) + given.get("eps", 1e-8))
    v = state["v"] = given.get("momentum", 0.0) * state.get("v", 0.0) + d
    return p - lr * v


def adagrad(g: Any, p: Any, state: dict[str, Any], lr: float, **given: Any) -> Any:
    """Duchi et al. (2011), figure 1, with a rate that falls with the steps."""
    t = state["t"] = state.get("t", 0) + 1
    g = g + given.get("weight_decay", 0.0) * p
    s = state["s"] = state.get("s", given.get("initial_accumulator_value", 0.0)) + g**2
    return p - lr / (1 + (t - 1) * given.get("lr_decay", 0)) * g / (
        np.sqrt(s) + given.get("eps", 1e-10)
    )


def adadelta(g: Any, p: Any, state: dict[str, Any], lr: float, **given: Any) -> Any:
    """Zeiler (2012), algorithm 1."""
    rho, eps = given.get("rho", 0.9), given.get("eps", 1e-6)
    g = g + given.get("weight_decay", 0.0) * p
    s = state["s"] = rho * state.get("s", 0.0) + (1 - rho) * g**2
    d = np.sqrt(state.get("u", 0.0) + eps) / np.sqrt(s + eps) * g
    state["u"] = rho * state.get("u", 0.0) + (1 - rho) * d**2
    return p - lr * d


EQUATIONS = {
    "Adagrad": adagrad,
    "Adadelta": adadelta,
    "SGD": sgd,
    "Adam": adam,
    "AdamW": adamw,
    "RMSprop": rmsprop,
}


@pytest.mark.parametrize("scheduled", [False, True])
@every
def test_sixty_steps_by_the_equations(name: str, settings: dict[str, Any], scheduled: bool) -> None:
    """With gradients missing here and there: t counts what a parameter had."""
    given = dict(settings)
    base = given.pop("lr")
    rate = optim.CosineDecay(base, 45, base / 10) if scheduled else base
    ours = [tg.Tensor(p, requires_grad=True) for p in START]
    optimiser = getattr(optim, name)(ours, rate, **given)
    expected, states = [p.copy() for p in START], [{} for _ in START]  # type: ignore[var-annotated]
    rng = np.random.default_rng(1)
    for step in range(60):
        lr = (
            base / 10 + 0.45 * base * (1 + np.cos(np.pi * min(step / 45, 1))) if scheduled else base
        )
        for k, parameter in enumerate(ours):
            g = rng.standard_normal(START[k].shape)
            if scheduled and (step + k) % 7 == 0:
                parameter.grad = None
                continue
            parameter.grad = tg.Tensor(g)
            expected[k] = EQUATIONS[name](g, expected[k], states[k], lr, **given)
        optimiser.step()
    for parameter, value in zip(ours, expected, strict=True):
        np.testing.assert_allclose(parameter.numpy(), value, rtol=1e-11, atol=1e-12)
    assert optimiser.steps == 60


@every
def test_parameters_without_gradient_are_left_alone(name: str, settings: dict[str, Any]) -> None:
    """And what one does then depends on its own gradients alone."""
    late, alone, never = (tg.Tensor(START[0], requires_grad=True) for _ in range(3))
    settings = {**settings, "lr": 0.1}
    both = getattr(optim, name)([late, never], **settings)
    single = getattr(optim, name)([alone], **settings)
    for i in range(8):
        g = np.full((4, 3), i - 3.5)
        late.grad = tg.Tensor(g) if i >= 3 else None
        both.step()
        if i >= 3:
            alone.grad = tg.Tensor(g)
            single.step()
    np.testing.assert_array_equal(never.numpy(), START[0])
    np.testing.assert_array_equal(late.numpy(), alone.numpy())
    assert np.all(late.numpy() != START[0])


@every
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_dtype_and_place_are_kept_and_gradients_untouched(
    name: str, settings: dict[str, Any], dtype: str
) -> None:
    wide = {k: np.float64(v) if isinstance(v, float) else v for k, v in settings.items()}
    p = tg.Tensor(START[0].astype(dtype), requires_grad=True)
    memory = p.data
    g = np.ones((4, 3), dtype)
    p.grad = tg.Tensor(g)
    p.grad.data.flags.writeable = False
    optimiser = getattr(optim, name)([p], **wide)
    for _ in range(2):
        optimiser.step()
    assert p.dtype == np.dtype(dtype)
    assert np.shares_memory(p.data, memory)
    np.testing.assert_array_equal(p.grad.numpy(), g)


@every
def test_a_step_between_forward_and_backward_is_noticed(name: str, settings: Any) -> None:
    w = tg.Tensor(START[0], requires_grad=True)
    optimiser = getattr(optim, name)([w], **settings)
    w.grad = tg.Tensor(np.ones((4, 3)))
    result = (tg.Tensor(INPUTS[0], requires_grad=True) @ w).sum()
    optimiser.step()
    with pytest.raises(tg.StaleValueError, match="was overwritten after the operation ran"):
        result.backward()


def test_a_network_notices_it_too() -> None:
    model = tg.nn.Sequential(tg.nn.Linear(3, 4, seed=0), tg.nn.ReLU(), tg.nn.Linear(4, 2, seed=1))
    optimiser = optim.Adam(model.parameters(), 0.1)
    x = tg.Tensor(np.ones((5, 3), np.float32))
    y = [0, 1, 0, 1, 0]
    tg.nn.functional.cross_entropy(model(x), y).backward()
    late = tg.nn.functional.cross_entropy(model(x), y)
    optimiser.step()
    with pytest.raises(tg.StaleValueError):
        late.backward()
    optimiser.zero_grad()
    tg.nn.functional.cross_entropy(model(x), y).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_rate_may_be_a_function_of_the_step() -> None:
    p = tg.Tensor(np.zeros(1), requires_grad=True)
    optimiser = optim.SGD([p], lambda step: 10.0**-step)
    rates = []
    for _ in range(3):
        rates.append(optimiser.rate())
        p.grad = tg.Tensor(np.ones(1))
        optimiser.step()
    assert rates == [1.0, 0.1, 0.01]
    assert p.item() == pytest.approx(-1.11, rel=1e-14)


def test_a_constant_gradient_leaves_no_root_of_less_than_nothing() -> None:
    """Centered, the mean square less the squared mean tends to 0; rounding must not go below."""
    p = tg.Tensor(np.zeros(1000, np.float32), requires_grad=True)
    g = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    optimiser = optim.RMSprop([p], 1e-3, alpha=0.5, eps=1e-3, centered=True)
    p.grad = tg.Tensor(g)
    for _ in range(100):
        optimiser.step()
    assert np.isfinite(p.numpy()).all() and (np.sign(p.numpy()) == -np.sign(g)).all()


@pytest.mark.parametrize(
    ("name", "settings", "dtype"),
    [(name, settings, np.float32) for name, settings in SETTINGS[::2]]
    + [("Adam", {"lr": 0.01}, dtype) for dtype in (np.float16, np.float64, np.complex64)],
)
def test_a_state_has_no_numbers_below_the_normal_ones(
    name: str, settings: dict[str, Any], dtype: Any, monkeypatch: Any
) -> None:
    """With them each step is slow, and 0.9 of the least is the least. No parameter moves by it."""
    least = np.finfo(np.float32 if dtype == np.float16 else dtype).smallest_normal

    def trained(replayed: bool) -> tuple[Any, Any]:
        p = tg.Tensor(np.array([0.5, 2, -3], dtype), requires_grad=True)
        optimiser = getattr(optim, name)([p], **settings)

        def step(x: Any) -> Any:
            optimiser.zero_grad()
            loss = np.sum(np.real(p) * x)
            loss.backward()
            optimiser.step()
            return loss

        run = tg.replay(step) if replayed else step
        for i in range(64):
            if i == 60:
                for state in optimiser._packs[0].state:
                    state[1] = least / 2
            run(np.array([1, 0, 0.5], np.float32))
        return optimiser._packs[0].state, p.numpy()

    state, numbers = trained(True)
    parts = np.abs([[part.real, part.imag] for part in state])
    assert not np.any((parts > 0) & (parts < least))
    np.testing.assert_array_equal(trained(False)[1], numbers)
    monkeypatch.setattr(optim.optimisers, "FLUSHED", 65)
    np.testing.assert_array_equal(trained(True)[1], numbers)


def test_biases_without_decay_in_a_replayed_step() -> None:
    """Two optimisers, one after the other, as the documentation has it."""

    def trained(replayed: bool) -> list[np.ndarray]:
        model = tg.nn.Sequential(
            tg.nn.Linear(4, 3, seed=0), tg.nn.Tanh(), tg.nn.Linear(3, 2, seed=1)
        )
        weights = optim.AdamW([p for p in model.parameters() if p.ndim > 1], 0.1, weight_decay=0.5)
        biases = optim.AdamW([p for p in model.parameters() if p.ndim < 2], 0.1, weight_decay=0)

        def step(x: Any) -> Any:
            weights.zero_grad()
            biases.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            weights.step()
            biases.step()
            return loss

        run = tg.replay(step) if replayed else step
        for i in range(5):
            run(tg.Tensor(INPUTS[i].astype(np.float32)))
        return [p.numpy() for p in model.parameters()]

    for ours, expected in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_settings_may_be_changed_between_steps() -> None:
    p = tg.Tensor([1.0], requires_grad=True)
    optimiser = optim.SGD([p], 1.0, clip_norm=1.0)
    p.grad = tg.Tensor([4.0])
    optimiser.step()
    assert p.item() == pytest.approx(0.0, abs=1e-6)
    optimiser.clip_norm, optimiser.weight_decay, optimiser.lr = None, 0.5, 0.5
    p.grad, p.data = tg.Tensor([4.0]), np.array([1.0])
    optimiser.step()
    assert p.item() == 1 - 0.5 * (4 + 0.5)


def test_zero_grad() -> None:
    p = tg.Tensor(np.zeros(2), requires_grad=True)
    optimiser = optim.SGD([p], 0.1)
    p.sum().backward()
    optimiser.zero_grad()
    assert p.grad is None


def leaf() -> tg.Tensor:
    return tg.Tensor(np.ones(2), requires_grad=True)


REFUSED: list[tuple[Any, dict[str, Any], Any, str]] = [
    ([], {}, ValueError, "was given no parameters"),
    ([tg.Tensor(np.ones(2))], {}, ValueError, r"entry 0, of shape \(2,\), is not one"),
    ([leaf(), leaf() * 2], {}, ValueError, "entry 1"),
    ([LEAF := leaf(), LEAF], {}, ValueError, "given to the optimiser twice"),
    ([np.ones(2)], {}, TypeError, "entry 0 is ndarray of shape"),
    (leaf(), {}, TypeError, r"not Tensor of shape \(.*\); give model\.parameters\(\)"),
    (
        tg.nn.Linear(2, 2, seed=0),
        {},
        TypeError,
        r"not an object of type Linear; give model\.parameters\(\)",
    ),
    (
        tg.nn.Sequential(tg.nn.ReLU()),
        {},
        TypeError,
        r"entry 0 is an object of type ReLU; give model\.parameters\(\)",
    ),
    ([leaf()], {"lr": -0.1}, ValueError, r"lr=-0\.1\): a number from 0 up"),
    ([leaf()], {"lr": float("nan")}, ValueError, "lr=nan"),
    ([leaf()], {"lr": float("inf")}, ValueError, "lr=inf"),
    ([leaf()], {"weight_decay": -1.0}, ValueError, r"weight_decay=-1\.0"),
]


@pytest.mark.parametrize(("params", "settings", "error", "message"), REFUSED)
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop])
def test_refused(kind: Any, params: Any, settings: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        kind(params, **{"lr": 0.1, **settings})


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (optim.SGD, {"momentum": -0.1}, r"momentum=-0\.1"),
        (optim.SGD, {"momentum": 2}, r"momentum=2\): a number from 0 to 1"),
        (optim.SGD, {"nesterov": True}, "needs a momentum above 0"),
        (optim.Adam, {"eps": -1.0}, r"eps=-1\.0"),
        (optim.Adam, {"betas": (0.9, 1.0)}, r"betas=1\.0\): a number from 0 to below 1"),
        (optim.Adam, {"betas": (-0.1, 0.9)}, "betas"),
        (optim.AdamW, {"betas": (0.9, 1.0)}, r"betas=1\.0\): a number from 0 to below 1"),
        (optim.RMSprop, {"alpha": 1.0}, r"alpha=1\.0\): a number from 0 to below 1"),
        (optim.RMSprop, {"alpha": -0.1}, r"alpha=-0\.1"),
        (optim.RMSprop, {"momentum": float("nan")}, "momentum=nan"),
        (optim.RMSprop, {"eps": -1.0}, r"eps=-1\.0"),
        (optim.SGD, {"clip_norm": 0}, r"clip_norm=0\): a number above 0, or None, is needed"),
        (optim.Adam, {"clip_value": float("nan")}, "clip_value=nan"),
        (optim.AdamW, {"max_norm": -1.0}, r"max_norm=-1\.0"),
        (optim.RMSprop, {"max_norm": float("inf")}, "max_norm=inf"),
        (optim.RMSprop, {"clip_norm": 1.0, "clip_value": 1.0}, "clip_norm or by clip_value; give"),
    ],
)
def test_settings_out_of_range(kind: Any, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind([leaf()], 0.1, **settings)
