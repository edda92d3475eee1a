"""The doctor: every disease is planted and named, nothing else is, and the patient is untouched."""

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.training.short import short
from tinygrad_np import ShapeError, Tensor, nn, optim, training
from tinygrad_np.nn import functional as F
from tinygrad_np.run.networks import MLP
from tinygrad_np.training.decision import GREATEST
from tinygrad_np.training.doctor import trials
from tinygrad_np.training.doctor.causes import findings
from tinygrad_np.training.doctor.facts import counts_of
from tinygrad_np.training.doctor.layers import look
from tinygrad_np.training.doctor.report import figure
from tinygrad_np.training.doctor.trials import read_range, transfer

CLASSES = 5


def images(n: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """8×8 pixels in 0 … 1: a bright bar whose place is the class, on noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    x = rng.integers(0, 80, (n, 8, 8))
    x[np.arange(n), y + 1] += 150
    return (x.reshape(n, 64) / 255).astype(np.float32), y


def network(*sizes: int, activation: str = "relu", **options: Any) -> MLP:
    return MLP(sizes or (64, 32, 16, CLASSES), activation, seed=0, **options)


@dataclass
class Patient:
    model: Any = field(default_factory=network)
    x: np.ndarray = field(default_factory=lambda: images()[0])
    y: np.ndarray = field(default_factory=lambda: images()[1])
    optimiser: Any = 0.1
    loss: Any = F.cross_entropy

    def diagnosed(self, **options: Any) -> training.Diagnosis:
        return training.diagnose(
            self.model, self.x, self.y, self.optimiser, loss=self.loss, batch_size=64, **options
        )

    def in_short(self, **options: Any) -> training.Diagnosis:
        with short():
            return self.diagnosed(**options)


@functools.cache
def healthy() -> training.Diagnosis:
    return Patient().in_short()


def test_a_healthy_network() -> None:
    found = Patient().diagnosed()
    assert found.ok
    assert [f.name for f in found.findings if f.level != "ok"] == []
    assert [f.name for f in found.findings] == [
        "inputs", "labels", "loss at start", "ReLUs", "gradients by depth", "one batch by heart",
        "learning rate", "updates",
    ]  # fmt: skip


def test_healthy_networks_of_other_kinds() -> None:
    for model in (
        network(64, 32, 32, CLASSES, activation="tanh", initial=nn.init.xavier_uniform),
        network(64, 32, 32, CLASSES, activation="leaky_relu"),
        network(64, CLASSES, initial=nn.init.xavier_uniform),
        nn.Sequential(
            nn.Linear(64, 32, seed=0), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5, seed=1),
            nn.Linear(32, 16, seed=2), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, CLASSES, seed=3),
        ),
    ):  # fmt: skip
        found = Patient(model, optimiser=lambda p: optim.Adam(p, 3e-3)).in_short()
        assert found.warnings == [], str(found)


class Broken(nn.Module):
    """A network with something of the user's own before or after it."""

    def __init__(self, before: Any = None, after: Any = None) -> None:
        self.body = network()
        self.before, self.after = before, after

    def forward(self, x: Any) -> Any:
        out = self.body(x if self.before is None else self.before(x))
        return out if self.after is None else self.after(out)


class Functional(nn.Module):
    """Activations as functions, which no hook of a layer sees."""

    def __init__(self, activation: Any, bias: float = 0.0, gain: float = 1.0) -> None:
        self.first = nn.Linear(64, 32, seed=0, initial=scaled(nn.init.xavier_normal, gain))
        self.second = nn.Linear(32, CLASSES, seed=1, initial=nn.init.xavier_normal)
        self.first.bias = Tensor(np.full(32, bias, np.float32), requires_grad=True)
        self.activation = activation

    def forward(self, x: Any) -> Any:
        return self.second(self.activation(self.first(x)))


class Aside(nn.Module):
    """A branch that counts for nothing."""

    def __init__(self) -> None:
        self.body, self.spare = network(), nn.Linear(64, CLASSES, seed=4)

    def forward(self, x: Any) -> Any:
        return self.body(x) + 0 * self.spare(x)


class Roots(nn.Module):
    """An activation that makes NaN of negative values."""

    def forward(self, x: Any) -> Any:
        return np.sqrt(x)


def scaled(initial: Any, factor: float) -> Callable[..., np.ndarray]:
    return lambda *args, **options: initial(*args, **options) * np.float32(factor)


def with_bias(value: float, units: slice) -> MLP:
    model = network()
    bias = model.layers[0].bias.numpy()  # type: ignore[union-attr]
    bias[units] = value
    model.layers[0].bias = Tensor(bias, requires_grad=True)
    return model


def with_unused() -> MLP:
    model = network()
    model.spare = nn.Linear(3, 3, seed=0)
    return model


def with_weight(value: float) -> MLP:
    model = network()
    state = model.state_dict()
    state["layers.2.weight"][3, 4] = value
    model.load_state_dict(state)
    return model


def with_uneven_layers() -> nn.Module:
    """A layer of weights 300 times the usual, and one after it that makes up for that."""
    return nn.Sequential(
        nn.Linear(64, 32, seed=0, initial=scaled(nn.init.he_uniform, 300)), nn.LayerNorm(32),
        nn.ReLU(), nn.Linear(32, CLASSES, seed=1, initial=nn.init.xavier_uniform),
    )  # fmt: skip


def patched(value: float) -> np.ndarray:
    x = images()[0]
    x[7, 5] = value
    return x


def centre_over_examples(out: Any) -> Any:
    return out - np.mean(out, axis=0, keepdims=True)


def rare(n: int = 800) -> tuple[np.ndarray, np.ndarray]:
    x, y = images(5 * n)
    kept = np.flatnonzero((y == 2) | (np.arange(5 * n) % 30 == 0))
    return x[kept], y[kept]


x, y = images()
deep_sigmoid = network(64, *[32] * 12, CLASSES, activation="sigmoid",
                       initial=nn.init.xavier_uniform)  # fmt: skip
deep_large = network(64, *[32] * 12, CLASSES, initial=scaled(nn.init.he_uniform, 2.2))
loud = scaled(nn.init.xavier_normal, 60.0)

# name: (patient, the warnings; what follows from them is no warning)
DISEASES: dict[str, tuple[Callable[[], Patient], set[str]]] = {
    "pixels not scaled": (lambda: Patient(x=np.round(x * 255)), {"pixels not scaled"}),
    "pixels as bytes": (
        lambda: Patient(x=np.round(x * 255).astype(np.uint8)), {"pixels not scaled"}
    ),
    "pixels scaled twice": (lambda: Patient(x=x / 255), {"pixels scaled twice"}),
    "inputs not scaled": (
        lambda: Patient(x=(x - x.mean()) * np.float32(1000)), {"inputs not scaled"}
    ),
    "inputs not centred": (lambda: Patient(x=x + 20), {"inputs not centred"}),
    "features on different scales": (
        lambda: Patient(x=x * np.where(np.arange(64) == 3, 300, 1).astype(np.float32) / 10),
        {"features on different scales"},
    ),
    "constant inputs": (lambda: Patient(x=np.ones_like(x)), {"constant inputs"}),
    "inputs not finite": (lambda: Patient(x=patched(math.nan)), {"inputs not finite"}),
    "inputs infinite": (lambda: Patient(x=patched(-math.inf)), {"inputs not finite"}),
    "labels shuffled": (
        lambda: Patient(y=np.random.default_rng(3).permutation(y)), {"labels unrelated to inputs"}
    ),
    "labels from 1": (lambda: Patient(y=y + 1), {"labels out of range"}),
    "a label out of range": (
        lambda: Patient(y=np.where(np.arange(800) == 799, 7, y)), {"labels out of range"}
    ),
    "labels below 0": (lambda: Patient(y=y - 1), {"labels out of range"}),
    "labels one-hot": (lambda: Patient(y=np.eye(CLASSES, dtype=int)[y]), {"labels one-hot"}),
    "labels in a column": (lambda: Patient(y=y[:, None]), {"labels in a column"}),
    "labels not integers": (lambda: Patient(y=y.astype(float)), {"labels not integers"}),
    "one class": (lambda: Patient(y=np.zeros_like(y)), {"one class"}),
    "class imbalance": (lambda: Patient(x=rare()[0], y=rare()[1]), {"class imbalance"}),
    "images not flat": (lambda: Patient(x=x.reshape(-1, 8, 8)), {"no first loss"}),
    "large initial weights": (
        lambda: Patient(network(initial=scaled(nn.init.he_uniform, 4))), {"loss high at start"}
    ),
    "dead ReLUs": (lambda: Patient(with_bias(-100, slice(0, 20))), {"dead ReLUs"}),
    "a dead layer": (lambda: Patient(with_bias(-100, slice(None))), {"dead ReLUs"}),
    "dead functions": (lambda: Patient(Functional(F.relu, bias=-100)), {"dead ReLUs"}),
    "saturated tanh": (lambda: Patient(Functional(F.tanh, gain=30)), {"saturated activations"}),
    "saturated sigmoid": (
        lambda: Patient(Functional(nn.Sigmoid(), bias=30)), {"saturated activations"}
    ),
    "saturated function": (
        lambda: Patient(Functional(F.sigmoid, gain=60)), {"saturated activations"}
    ),
    "vanishing gradients": (lambda: Patient(deep_sigmoid), {"vanishing gradients"}),
    "exploding gradients": (lambda: Patient(deep_large), {"exploding gradients"}),
    "softmax twice": (
        lambda: Patient(nn.Sequential(network(), nn.Softmax())), {"softmax before the loss"}
    ),
    "softmax function": (lambda: Patient(Broken(after=F.softmax)), {"softmax before the loss"}),
    "ReLU at the end": (
        lambda: Patient(nn.Sequential(network(), nn.ReLU())), {"activation on the outputs"}
    ),
    "sigmoid at the end": (
        lambda: Patient(nn.Sequential(network(), nn.Sigmoid())), {"activation on the outputs"}
    ),
    "mixed examples": (lambda: Patient(Broken(after=centre_over_examples)), {"examples mixed"}),
    "inputs times 0": (lambda: Patient(Broken(before=lambda x: x * 0)), {"inputs lost"}),
    "loss of other rows": (
        lambda: Patient(loss=lambda z, y: F.cross_entropy(z[::-1], y)), {"one batch not learned"}
    ),
    "zero weights": (lambda: Patient(network(initial=nn.init.zeros)), {"symmetric weights"}),
    "equal weights": (
        lambda: Patient(network(initial=lambda s, *_, dtype: np.full(s, 0.05, dtype))),
        {"symmetric weights"},
    ),
    "gradient of 0": (lambda: Patient(Aside()), {"gradients of 0"}),
    "random labels of words": (
        lambda: Patient(
            nn.Sequential(nn.Embedding(50, 8, seed=0), nn.Flatten(), nn.Linear(32, 5, seed=1)),
            np.random.default_rng(0).integers(0, 50, (20_000, 4)),
            np.random.default_rng(1).integers(0, 5, 20_000),
        ),
        {"no rate learns"},
    ),
    "tiny weights": (
        lambda: Patient(
            network(64, 32, CLASSES, initial=scaled(nn.init.xavier_normal, 0.01)),
            optimiser=lambda p: optim.Adam(p, 0.02),
        ),
        {"updates too large"},
    ),
    "unused layer": (lambda: Patient(with_unused()), {"unused parameters"}),
    "cut graph": (
        lambda: Patient(Broken(after=lambda out: out.detach())), {"loss apart from the parameters"}
    ),
    "weight not finite": (lambda: Patient(with_weight(math.nan)), {"weights not finite"}),
    "activation not finite": (
        lambda: Patient(nn.Sequential(nn.Linear(64, 9, seed=0), Roots(), nn.Linear(9, 5, seed=1))),
        {"activations not finite"},
    ),
    "loss not finite": (
        lambda: Patient(loss=lambda z, y: F.cross_entropy(z, y) * np.float32(math.inf)),
        {"loss not finite"},
    ),
    "gradient not finite": (
        lambda: Patient(loss=lambda z, y: F.cross_entropy(z, y) + np.log(np.sum(z * 0) + 1e-44)),
        {"gradients not finite"},
    ),
    "rate 0": (lambda: Patient(optimiser=0.0), {"learning rate 0"}),
    "rate too high": (lambda: Patient(optimiser=30.0), {"learning rate too high"}),
    "rate too low": (lambda: Patient(optimiser=1e-5), {"learning rate too low"}),
    "schedule too low": (
        lambda: Patient(optimiser=lambda p: optim.Adam(p, optim.CosineDecay(1e-8, 50))),
        {"learning rate too low"},
    ),
    "uneven layers": (lambda: Patient(with_uneven_layers()), {"uneven updates"}),
    "another optimiser": (
        lambda: Patient(optimiser=optim.SGD(network().parameters(), 0.1)),
        {"optimiser of another model"},
    ),
}  # fmt: skip


@functools.cache
def ill(name: str) -> training.Diagnosis:
    return DISEASES[name][0]().in_short()


@pytest.mark.parametrize("name", DISEASES)
def test_the_disease_is_named(name: str) -> None:
    found, expected = ill(name), DISEASES[name][1]
    assert {finding.name for finding in found.warnings} == expected, str(found)
    assert not found.ok
    for finding in found.warnings:
        assert finding.remedy
        assert finding.cause.endswith((".", ".)")) or "Error" in finding.cause


def weights(model: nn.Module) -> dict[str, np.ndarray]:
    return model.state_dict()


def test_the_patient_is_untouched() -> None:
    """Weights, buffers, modes, gradients, optimiser and generators are what they were."""
    generator = np.random.default_rng(5)
    model = nn.Sequential(
        nn.Linear(64, 16, seed=0), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3, seed=generator),
        nn.Linear(16, CLASSES, seed=1),
    ).eval()  # fmt: skip
    optimiser = optim.Adam(model.parameters(), 1e-2)
    F.cross_entropy(model(Tensor(x[:9])), y[:9]).backward()
    optimiser.step()
    state = model.state_dict(), optimiser.state_dict(), generator.bit_generator.state
    before = copy.deepcopy(state)
    gradients = [p.grad.numpy() for p in model.parameters()]
    given = x.copy(), y.copy()
    with short():
        training.diagnose(model, x, y, optimiser)
    np.testing.assert_equal(model.state_dict(), before[0])
    np.testing.assert_equal(optimiser.state_dict(), before[1])
    assert generator.bit_generator.state == before[2]
    assert not any(module.training for _, module in model.named_modules())
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), gradient)
    np.testing.assert_array_equal(x, given[0])
    np.testing.assert_array_equal(y, given[1])
    assert all("forward" not in vars(module) for _, module in model.named_modules())


def test_the_same_seed_finds_the_same() -> None:
    again, other = (str(Patient().in_short(seed=seed)) for seed in (0, 1))
    assert str(healthy()) == again
    assert other != again


def noted(found: training.Diagnosis, name: str) -> training.Finding:
    [finding] = [f for f in found.findings if f.name == name]
    assert finding.level == "note"
    return finding


def test_what_follows_is_only_noted() -> None:
    found = ill("a dead layer")
    for name in ("vanishing gradients", "gradients of 0", "one batch not learned"):
        assert noted(found, name).cause.endswith("It may well follow from: dead ReLUs.")
        assert not noted(found, name).remedy
    levels = [finding.level for finding in found.findings]
    assert levels == sorted(levels, key=["warning", "note", "ok"].index)


def test_notes() -> None:
    model = network()
    rest = optim.SGD([p for n, p in model.named_parameters() if "layers.0" not in n], 0.1)
    assert "layers.0.weight, layers.0.bias" in noted(
        Patient(model, optimiser=rest).in_short(), "parameters left out"
    ).cause  # fmt: skip
    wide = noted(Patient(network(64, 32, 9)).in_short(), "outputs without examples")
    assert "9 outputs and the labels 5 classes" in wide.cause
    modes = nn.Sequential(network(64, 16), nn.Dropout(0.1, seed=0), nn.Linear(16, 5, seed=0))
    told = noted(Patient(modes.eval()).in_short(), "evaluation mode").cause
    assert "evaluation mode is on in 1: " in told


def test_a_network_that_was_trained() -> None:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1)
    for _ in range(60):
        optimiser.zero_grad()
        F.cross_entropy(model(Tensor(x)), y).backward()
        optimiser.step()
    found = Patient(model).in_short()
    assert f"ln(5) = {math.log(CLASSES):.2f}" in noted(found, "loss low at start").cause
    assert found.ok


def test_the_report() -> None:
    found = ill("pixels not scaled")
    lines = str(found).splitlines()
    assert lines[0].startswith("Diagnosis: 1 warning and ")
    assert lines[1].startswith("✗ pixels not scaled: the inputs go from 0 to 229, as pixels do")
    assert "  → scale with tg.data.normalise(images), or divide by 255." in lines
    assert max(map(len, lines)) <= 100
    assert str(healthy()).startswith("Diagnosis: no warnings and no notes.\n✓ inputs:")


def test_measurements() -> None:
    """What can be computed by other means, is."""
    model = network()
    m = Patient(model).in_short(seed=4).measurements
    assert m.start is not None and m.overfit is not None and m.updates is not None
    assert (m.data.shape, m.data.low, m.data.high) == ((800, 64), x.min(), x.max())
    np.testing.assert_array_equal(counts_of(m.targets), np.bincount(y))
    layers = {layer.name: layer for layer in m.start.layers}
    assert list(layers) == [f"layers.{i}" for i in range(5)]
    assert [layer.weighted for layer in layers.values()] == [True, False, True, False, True]
    assert [p.name for p in m.start.parameters] == [n for n, _ in model.named_parameters()]
    for p in m.start.parameters:
        assert p.norm == pytest.approx(float(np.linalg.norm(model.state_dict()[p.name])))
    # the gradient of a bias is that of its layer's output, summed over the examples
    assert m.start.depth_profile[-1][1] > 0
    few = m.overfit.examples
    assert (few, m.overfit.accuracy, m.overfit.learned) == (32, 1.0, True)
    # plain gradient descent: what changes a weight is the rate times its gradient
    w = m.updates.ratios["layers.4.weight"]
    assert w.shape == (20,)
    assert m.updates.rate == 0.1


def test_gradients_at_the_outputs_of_layers() -> None:
    """softmax minus one hot over n, and what the weights make of it."""
    model = network(64, 16, CLASSES, activation="tanh")
    few = Patient(model, x[:40], y[:40]).in_short().measurements
    assert few.start is not None
    first, second = (model.layers[i].weight.numpy() for i in (0, 2))  # type: ignore[union-attr]
    hidden = np.tanh(x[:40] @ first.T)
    p = np.exp(hidden @ second.T)
    by_logits = (p / p.sum(axis=1, keepdims=True) - np.eye(CLASSES)[y[:40]]) / 40
    by_hidden = by_logits @ second
    by_first = by_hidden * (1 - hidden**2)
    norms = [np.linalg.norm(g) for g in (by_first, by_hidden, by_logits)]
    assert [layer.gradient for layer in few.start.layers] == pytest.approx(norms, rel=1e-4)
    assert few.start.depth_profile == [
        (layer.name, layer.gradient) for layer in few.start.layers if layer.weighted
    ]
    flat = np.mean(np.abs(hidden) > math.sqrt(0.95))
    assert few.start.layers[1].saturated == pytest.approx(flat, abs=1e-6)


def test_layers_without_values_of_their_own_have_no_dead_units() -> None:
    """Zeros that they put in or pass on are not theirs."""
    plain = [
        nn.ZeroPad2d(1), nn.Dropout2d(0.9, seed=0), nn.MaxPool2d(2), nn.Upsample(scale_factor=2),
        nn.AvgPool2d(2), nn.Identity(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(seed=0),
    ]  # fmt: skip
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, seed=0), nn.ReLU(), *plain, nn.Linear(16, CLASSES, seed=1)
    )
    model[3].eval()
    start = look(model, x[:40].reshape(-1, 1, 8, 8), y[:40], F.cross_entropy)
    found = {layer.kind: (layer.dead, layer.saturated) for layer in start.layers}
    assert found.pop("ReLU")[0] is not None
    assert found.keys() >= {type(layer).__name__ for layer in plain}
    assert set(found.values()) == {(None, None)}
    assert start.evaluating == ["3"]


def test_other_tasks() -> None:
    """Regression: no classes, no ln(classes); the rest is looked at."""
    model = network(64, 16, 2)
    target = np.stack([x[:, 3] - x[:, 9], x.sum(axis=1) / 64], axis=1)
    found = Patient(model, x, target, 0.05, F.mse_loss).in_short()
    assert found.ok, str(found)
    names = [finding.name for finding in found.findings]
    assert "one batch by heart" in names and "learning rate" in names
    assert "loss at start" not in names and "labels" not in names
    model.layers.append(lambda z: z - z.mean(axis=0))  # type: ignore[operator]
    found = Patient(model, x, target, 0.05, F.mse_loss).in_short()
    assert "examples mixed" in [finding.name for finding in found.warnings]


def test_dropout_of_every_layer_is_off_while_one_batch_is_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trials, "OVERFIT_STEPS", 1)
    start = healthy().measurements.start
    assert start is not None
    drop = {"dropout": 0.5, "seed": 0}
    for layer in (
        nn.Dropout(0.5, seed=0), nn.Dropout2d(0.5, seed=0), nn.MultiheadAttention(4, 1, **drop),
        *(kind(4, 4, num_layers=2, **drop) for kind in (nn.RNN, nn.LSTM, nn.GRU)),
    ):  # fmt: skip
        model = network(norm="batch")
        model.beside = layer  # type: ignore[assignment]
        trials._overfit(model, F.cross_entropy, x[:8], y[:8], start, 1e-3)
        assert not layer.training and model.layers[1].training, layer


def test_label_smoothing_is_a_cross_entropy() -> None:
    found = Patient(loss=lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1)).in_short()
    assert found.ok, str(found)
    [start] = [f for f in found.findings if f.name == "loss at start"]
    assert f"ln(5) = {math.log(CLASSES):.2f}" in start.cause


def test_log_probabilities_are_no_softmax_before_the_loss() -> None:
    found = Patient(Broken(after=F.log_softmax), loss=F.nll_loss).in_short()
    assert found.ok, str(found)


def test_a_model_of_parameters_alone() -> None:
    """No layers to watch: the gradients of its weights stand for the depth."""

    class Bare(nn.Module):
        def __init__(self) -> None:
            self.a = Tensor(nn.init.he_normal((64, 32), 0), requires_grad=True)
            self.b = Tensor(nn.init.he_normal((32, CLASSES), 1), requires_grad=True)

        def forward(self, x: Any) -> Any:
            return F.relu(x @ self.a) @ self.b

    found = Patient(Bare()).in_short()
    assert found.ok, str(found)
    assert found.measurements.start is not None
    assert [name for name, _ in found.measurements.start.depth_profile] == ["a", "b"]


def test_a_layer_used_twice_is_seen_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = nn.Linear(64, 16, seed=0), nn.Linear(16, 16, seed=1)
            self.out, self.relu = nn.Linear(16, CLASSES, seed=2), nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.out(self.relu(self.b(self.relu(self.a(x)))))

    m = Patient(Twice()).in_short().measurements
    assert m.start is not None
    assert [layer.name for layer in m.start.layers] == ["a", "relu", "b", "relu (2)", "out"]


def test_words_as_inputs() -> None:
    """Numbers of words are whole, and have no distances."""
    words = np.random.default_rng(0).integers(0, 50, (600, 4))
    model = nn.Sequential(nn.Embedding(50, 8, seed=0), nn.Flatten(), nn.Linear(32, 5, seed=1))
    found = Patient(model, words, words[:, 2] % 5, lambda p: optim.Adam(p, 0.03)).in_short()
    assert found.measurements.neighbours is None
    assert found.ok, str(found)


@pytest.mark.parametrize(("n", "m"), [((0, 4), (0,)), ((5, 4), (4,)), ((), ())])
def test_shapes_are_refused(n: Any, m: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        training.diagnose(network(), np.zeros(n), np.zeros(m, int))
    assert f"diagnose: x of shape {n} and y of shape {m}; expected" in str(caught.value)


def curve(losses: Any) -> Any:
    steps = np.asarray(losses, float)
    return read_range(10 ** (np.arange(len(steps)) / 20 - 6), steps)


def test_reading_a_range_test() -> None:
    """Flat to 1e-4, falling fastest at 1e-3, flat, lost at 1."""
    rate = np.arange(140) / 20 - 6
    fall = 2 - 1.9 / (1 + np.exp(-8 * (rate + 3)))
    found = curve(np.where(rate < 0, fall, 5.0))
    assert found.suggested == pytest.approx(1e-3, rel=0.13)
    assert found.diverges == pytest.approx(1.0, rel=0.8)
    assert curve(np.full(140, 2.3)).suggested is None
    noise = 2.3 + np.random.default_rng(0).normal(0, 0.1, 140)
    assert (curve(noise).suggested, curve(noise).diverges) == (None, None)
    assert curve(fall).diverges is None
    assert curve([*fall[:100], math.nan]).suggested == pytest.approx(1e-3, rel=0.13)


def test_figures_in_sentences() -> None:
    assert [figure(v) for v in (0, 1, 2.3026, 0.00123, 1234.5, 1.5e-7, 2.5e12, math.inf)] == [
        "0", "1", "2.3", "0.00123", "1,234", "1.5e-7", "2.5e12", "inf",
    ]  # fmt: skip


def test_neighbours_that_know_nothing_are_no_proof() -> None:
    """Shuffled labels need both: no help from neighbours, and none from a short training."""
    measured = copy.copy(ill("labels shuffled").measurements)
    assert measured.neighbours is not None and measured.transfer is not None
    assert measured.neighbours[0] < measured.neighbours[1] < 0.32
    assert measured.transfer[0] < measured.transfer[1] < 0.35
    measured.transfer = (0.9, 0.33)
    assert "labels unrelated to inputs" not in [f.name for f in findings(measured)]
    with short():
        right, chance = transfer(network(), F.cross_entropy, x, y, 3e-3, 0, GREATEST)
    assert right > 0.9 > 0.4 > chance


def test_updates_too_small() -> None:
    """At a rate that is none too low: weights far larger than their gradients."""
    measured = copy.deepcopy(healthy().measurements)
    assert measured.updates is not None
    measured.updates.ratios = {"w": np.full(20, 3e-7), "v": np.full(20, 4e-7)}
    [finding] = [f for f in findings(measured) if f.level == "warning"]
    assert finding.name == "updates too small"
    assert "a step changes w by 3.0e-7 of its size and v by 4.0e-7" in finding.cause
