"""Histograms while a network learns: what they count, and that they change nothing."""

from typing import Any

import numpy as np
import pytest

from tinygrad_np import Tensor, data, nn, optim, training
from tinygrad_np.nn.functional import cross_entropy
from tinygrad_np.training.record import histogram


def clusters(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return (rng.standard_normal((n, 6)) + np.eye(6)[y]).astype(np.float32), y


def network() -> nn.Sequential:
    rng = np.random.default_rng(3)
    return nn.Sequential(
        nn.Linear(6, 8, seed=rng), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3, seed=5),
        nn.Linear(8, 3, seed=rng),
    )  # fmt: skip


def trained(*callbacks: Any, model: nn.Module | None = None, epochs: int = 4, **more: Any) -> Any:
    model = model or network()
    optimiser = optim.Adam(model.parameters(), 0.01)
    batches = data.batches(*clusters(), batch_size=16, seed=1)
    given = {"epochs": epochs, "callbacks": callbacks, "validation": clusters(20), **more}
    return model, training.fit(model, batches, optimiser, **given)


def test_training_is_the_same_bit_for_bit() -> None:
    model = network()
    record = training.Histograms(model, *clusters(20))
    _, history = trained(record, model=model)
    plain, expected = trained()
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], value)
    assert [e.step_losses for e in history] == [e.step_losses for e in expected]
    assert record.epochs == [0, 1, 2, 3, 4]


def test_what_is_counted() -> None:
    """The activations and gradients of a training step on the examples, nothing else."""
    model = nn.Sequential(nn.Linear(6, 8, seed=0), nn.ReLU(), nn.Linear(8, 3, seed=1))
    x, y = clusters(20)
    record = training.Histograms(model, x, y, bins=7)
    trained(record, model=model, epochs=1, replay=False)
    model.zero_grad()
    hidden = model[0](Tensor(x))
    positive = np.maximum(hidden, 0)
    cross_entropy(model[2](positive), y).backward()
    for name, values in (("0", hidden), ("1", positive)):
        found, expected = record.activations[name][-1], values.numpy()
        counts, edges = np.histogram(expected[expected != 0], 7)
        np.testing.assert_array_equal(found.counts, counts)
        np.testing.assert_allclose(found.edges, edges, rtol=1e-5)
        assert (found.zeros, found.lost, found.size) == ((expected == 0).sum(), 0, 160)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        sizes = np.abs(parameter.grad.numpy())
        found = record.gradients[name][-1]
        assert found.edges[-1] == pytest.approx(np.log10(sizes.max()), abs=1e-5)
        assert found.edges[0] == pytest.approx(np.log10(sizes[sizes > 0].min()), abs=1e-3)
        assert found.size == sizes.size
        assert found.zeros == (sizes == 0).sum()
    assert record.kinds == {"0": "Linear", "1": "ReLU", "2": "Linear"}


def test_dropout_and_statistics_are_those_of_a_training_step() -> None:
    model = network().eval()
    record = training.Histograms(model, *clusters(60))
    record.record(0)
    dropped, kept = record.activations["3"][0].zeros, record.activations["2"][0].zeros
    assert dropped > kept
    assert not any(module.training for _, module in model.named_modules())
    np.testing.assert_array_equal(model[1].running_mean.numpy(), 0)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_every_so_many_epochs_and_going_on() -> None:
    model = network()
    record = training.Histograms(model, *clusters(20), every_epochs=3)
    trained(record, model=model, epochs=7, replay=False)
    assert record.epochs == [0, 3, 6]
    assert {len(kept) for kept in (*record.activations.values(), *record.gradients.values())} == {3}
    run = training.Run(model, [], optim.SGD(model.parameters(), 1), 9, cross_entropy, None,
                       training.History(epochs=[training.Epoch(1, 0, 0, 0, 0)] * 7))  # fmt: skip
    record.on_start(run)
    assert record.epochs[-1] == 7


def test_layers_that_are_not_called_and_values_that_are_not_finite() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            self.used = nn.Linear(6, 3, seed=0)
            self.unused = nn.Linear(2, 2, seed=0)

        def forward(self, x: Any) -> Any:
            return self.used(x)

    model = Odd()
    model.used.weight.data[0, 0] = np.nan
    record = training.Histograms(model, *clusters(20), bins=5)
    record.record(0)
    assert record.activations["used"][0].lost == 20
    unused = record.activations["unused"][0]
    assert (unused.size, unused.counts.tolist(), unused.edges.tolist()) == (0, [0] * 5, [0.0] * 6)
    assert record.gradients["unused.weight"][0].size == 0


def test_histogram() -> None:
    values = np.array([[0, 1, 1, 10], [np.nan, np.inf, -100, 0]], np.float32)
    found = histogram(values, 2, magnitudes=True)
    np.testing.assert_array_equal(found.counts, [2, 2])
    np.testing.assert_allclose(found.edges, [0, 1, 2])
    assert (found.zeros, found.lost, found.size) == (2, 2, 8)
    plain = histogram(values, 3)
    np.testing.assert_array_equal(plain.counts, [1, 0, 3])
    np.testing.assert_allclose(plain.edges[[0, -1]], [-100, 10])


@pytest.mark.parametrize("options", [{"every_epochs": 0}, {"bins": 0}])
def test_settings_out_of_range(options: Any) -> None:
    with pytest.raises(ValueError, match="an int from 1 up"):
        training.Histograms(network(), *clusters(4), **options)
