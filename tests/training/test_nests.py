"""Models of several inputs, targets and outputs: fit does with them what it does with one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import DataError, ReplayError, ShapeError, data, nn, optim, training
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
A, B = (RNG.standard_normal((26, k)).astype(np.float32) for k in (3, 2))
Y, V = (A[:, 0] > 0).astype(np.int64), B @ np.float32([[1], [2]])


@dataclass(frozen=True)
class Found:
    logits: Any
    value: Any
    note: str = ""


class Heads(nn.Module):
    """Two inputs, two outputs in a nest of some ``kind``."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.label, self.value = nn.Linear(5, 2, seed=0), nn.Linear(5, 1, seed=1)

    def forward(self, a: Any, b: Any, *, scale: float = 1.0) -> Any:
        x = np.concatenate([a, b], axis=1) * scale
        logits, value = self.label(x), self.value(x)
        if self.kind == "dict":
            return {"logits": logits, "value": value}
        return Found(logits, value, "as is") if self.kind == "dataclass" else (logits, value)


def apart(outputs: Any, targets: Any) -> tuple[Any, Any, Any, Any]:
    """Logits, value, labels, values, whatever nests they are in."""
    if isinstance(outputs, Found):
        assert outputs.note == "as is"
        outputs = (outputs.logits, outputs.value)
    found, wanted = (
        tuple(nest.values()) if isinstance(nest, dict) else tuple(nest)
        for nest in (outputs, targets)
    )
    return (*found, *wanted)


def loss(outputs: Any, targets: Any) -> Any:
    logits, value, y, v = apart(outputs, targets)
    return F.cross_entropy(logits, y) + F.mse_loss(value, v)


def right(outputs: Any, targets: Any) -> float:
    logits, _, y, _ = apart(outputs, targets)
    assert isinstance(logits, np.ndarray)
    return float(np.mean(logits.argmax(axis=1) == y))


NESTS: dict[str, tuple[Any, Any]] = {
    "tuple": ((A, B), (Y, V)),
    "list": ([A, B], [Y, V]),
    "dict": ({"a": A, "b": B}, {"y": Y, "v": V}),
}


@pytest.mark.parametrize("kind", ["tuple", "dict", "dataclass"])
def test_nests_train_as_written_out(kind: str, tmp_path: Path) -> None:
    """Replayed, eager and in a loop, and resumed from a checkpoint: the same bits."""
    expected: Any = None
    for given in ("loop", *NESTS) if kind == "tuple" else ("loop", "dict"):
        for replay in (True, False)[: 1 if given == "loop" else 2]:
            model = Heads(kind)
            sgd = optim.SGD(model.parameters(), 0.02, weight_decay=0.1)
            x, y = NESTS.get(given, NESTS["tuple"])
            batches = data.batches(x, y, 8, seed=0)
            values = []
            if given == "loop":
                for _ in range(3):
                    for (a, b), targets in batches:
                        sgd.zero_grad()
                        value = loss(model(tg.Tensor(a), tg.Tensor(b)), targets)
                        value.backward()
                        sgd.step()
                        values.append(value.item())
            else:
                history = training.fit(
                    model, batches, sgd, epochs=3, loss=loss, validation=(x, y), metrics=[right],
                    keep_best=True, replay=replay, checkpoint=tmp_path / f"{given}{replay}.npz",
                )  # fmt: skip
                values = [value for epoch in history for value in epoch.step_losses]
                assert history[2].validation_metrics["right"] > 0.4
                assert history.monitor == "validation_loss" and np.isnan(history[2].train_accuracy)
                last = training.evaluate(model, x, y, loss, [right])
                assert last[0] == history.best.validation_loss
                assert last[2] == history.best.validation_metrics
            weights = b"".join(p.numpy().tobytes() for p in model.parameters())
            expected = expected or (weights, values)
            assert (weights, values) == expected


def test_predict_gives_the_nest_of_the_model_also_in_pieces() -> None:
    n = 3 * 2048 + 7
    a, b = (RNG.standard_normal((n, k)).astype(np.float32) for k in (3, 2))
    for kind in ("tuple", "dict", "dataclass"):
        model = Heads(kind)
        found = training.predict(model, (a, b))
        direct = model(tg.Tensor(a), tg.Tensor(b))
        assert type(found) is type(direct)
        for ours, theirs in zip(apart(found, ())[:2], apart(direct, ())[:2], strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-6)


class Lstm(nn.Module):
    """Its states have no row for each example."""

    def __init__(self) -> None:
        self.inner = nn.LSTM(2, 3, batch_first=True, seed=0)

    def forward(self, x: Any) -> Any:
        return self.inner(x)


def test_outputs_without_a_row_for_each_example_are_those_of_all_at_once() -> None:
    x = RNG.standard_normal((2050, 1, 2)).astype(np.float32)
    outputs, (h, c) = training.predict(Lstm(), x)
    assert (outputs.shape, h.shape, c.shape) == ((2050, 1, 3), (1, 2050, 3), (1, 2050, 3))


def test_layers_with_several_outputs_are_looked_at() -> None:
    model, x = Lstm(), RNG.standard_normal((6, 4, 2)).astype(np.float32)
    outputs, (h, _) = training.features(model, (x,), "inner")
    np.testing.assert_array_equal(outputs[:, -1], h[0])

    class First(nn.Module):
        def forward(self, pair: Any) -> Any:
            return pair[0] + pair[1]

    for layer in ("", "0"):  # the whole model is called as its own forward takes it
        both = First() if not layer else nn.Sequential(First())
        np.testing.assert_array_equal(training.features(both, (A, A), layer), 2 * A)

    def size(outputs: Any, _: Any) -> Any:
        return np.mean(outputs[0] ** 2)

    kept = training.Histograms(model, (x,), Y[:6], loss=size)
    sgd = optim.SGD(model.parameters(), 0.1)
    training.fit(model, [((x,), Y[:6])], sgd, epochs=1, loss=size, callbacks=[kept])
    assert [found.size for found in kept.activations["inner"]] == [6 * 4 * 3 + 2 * 6 * 3] * 2


class Takes(nn.Module):
    """Says how it was called."""

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return inputs, options


class One(Takes):
    def forward(self, x: Any) -> Any:  # type: ignore[override]
        return (x,), {}


class Named(Takes):
    def forward(self, x: Any, mask: Any = None, *, scale: Any = 1) -> Any:  # type: ignore[override]
        return (x, mask), {"scale": scale}


class Needs(Takes):
    def forward(self, x: Any, *, scale: Any) -> Any:  # type: ignore[override]
        return (x,), {"scale": scale}


def test_how_a_model_is_called() -> None:
    from tinygrad_np.training.inputs import outputs_of

    for model, x, expected in (
        (One(), A, ((A,), {})),
        (One(), (A, B), (((A, B),), {})),
        (One(), (A,), ((A,), {})),
        (One(), {"a": A}, (({"a": A},), {})),
        (One(), {"x": A}, ((A,), {})),
        (Named(), [A, B], ((A, B), {"scale": 1})),
        (Named(), {"x": A, "scale": 2.0}, ((A, None), {"scale": 2.0})),
        (Named(), {"mask": A}, (({"mask": A}, None), {"scale": 1})),
        (Needs(), {"x": A, "scale": 2.0}, ((A,), {"scale": 2.0})),
        (Takes(), (A, B, A), ((A, B, A), {})),
        (Takes(), {"any": A}, ((), {"any": A})),
    ):
        assert repr(outputs_of(model, x)) == repr(expected), (type(model), expected)


def test_settings_beside_arrays_are_keyword_arguments() -> None:
    losses = []
    for scale in (1.0, 2.0):
        x = {"a": A, "b": B, "scale": scale}
        model = Heads("tuple")
        sgd = optim.SGD(model.parameters(), 0.1)
        found = training.fit(model, [(x, (Y, V))], sgd, epochs=3, loss=loss, validation=(x, (Y, V)))
        losses.append(found[0].train_loss)
        direct = loss(Heads("tuple")(A, B, scale=scale), (Y, V))
        assert losses[-1] == direct.item()
    assert losses[0] != losses[1]


def test_what_does_not_fit_is_refused() -> None:
    model = Heads("tuple")
    sgd = optim.SGD(model.parameters(), 0.1)
    batches = data.batches((A, B), (Y, V), 8, seed=0)
    for validation, error, text in (
        (((A, B[:5]), (Y, V)), ShapeError, r"x of shapes \(26, 3\), \(5, 2\) and y"),
        (((A, B), (Y, V[:, [0, 0]])), DataError, r"outputs of shapes \(26, 2\), \(26, 1\)"),
        (((B, A[:, :1]), (Y, V)), DataError, "the model does not take x of shapes"),
        (((A, np.array(["a"] * 26)), (Y, V)), TypeError, r"x\[1\] of shape \(26,\) has dtype"),
        (({"a": A, "b": object()}, (Y, V)), TypeError, r"x\['b'\] of shape \(\) has dtype object"),
    ):
        with pytest.raises(error, match=text):
            training.fit(model, batches, sgd, epochs=1, loss=loss, validation=validation)
    for kind, first in (("tuple", r"outputs\[0\]"), ("dict", r"outputs\['logits'\]")):
        several = Heads(kind)
        with pytest.raises(TypeError, match=rf"logits is a {kind} of .*lambda outputs: {first}"):
            training.fit(several, batches, optim.SGD(several.parameters(), 0.1), epochs=1)
    for x, y, text in (
        ((A, B[:5]), Y, r"found arrays of shapes x\[0\] \(26, 3\), x\[1\] \(5, 2\), y \(26,\)"),
        ({"a": A}, {"y": Y[:3]}, "the same length along all first axes"),
        (A, (A[0, 0], None), r"found x of shape .* and y of shape \(2,\)"),
    ):
        with pytest.raises(DataError, match=text):
            data.batches(x, y, 8, seed=0)


def test_batches_and_parts_of_nests() -> None:
    for (x, y), count in ((NESTS["dict"], 4), (NESTS["tuple"], 4), (NESTS["list"], 4)):
        batches = data.batches(x, y, 8, shuffle=False)
        assert len(batches) == count
        assert repr(batches) == f"Batches(4 batches of 8 from {len(A)} examples, in order)"
        found = [list(leaves(pair)) for pair in batches]
        for i, whole in enumerate((A, B, Y, V)):
            np.testing.assert_array_equal(np.concatenate([f[i] for f in found]), whole)
        first, second = data.split(x, y, 6, seed=0)
        assert type(first[0]) is type(x) and len(leaves(second)[3]) == 6
    rows = [A[0], A[1], A[2]]  # a list of rows stays one
    assert next(iter(data.batches(rows, Y[:3], 2, shuffle=False)))[0].shape == (2, 3)


def test_replay_makes_dataclasses_anew_and_refuses_what_it_cannot() -> None:
    @tg.replay
    def step(x: Any) -> Found:
        return Found(x * 2, {"inner": x + 1})

    for k in range(5):
        found = step(np.float32([k]))
        assert (found.logits.item(), found.value["inner"].item()) == (2 * k, k + 1)

    class Held:
        def __init__(self, x: Any) -> None:
            self.x = x

    with pytest.raises(ReplayError, match=r"of class Held that holds Tensors.*dataclass"):
        tg.replay(lambda x: Held(x * 2))(A)
