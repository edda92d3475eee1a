"""A batch whose loss or gradient is not finite changes nothing, and says where that began."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import data, nn, optim, training

F = nn.functional
X = np.random.default_rng(0).standard_normal((80, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def holed(value: float) -> np.ndarray:
    """Inputs with one such value, in the third batch of 16."""
    x = X.copy()
    x[37, 1] = value
    return x


def network(dtype: Any = np.float32) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(3, 8, seed=0, dtype=dtype), nn.BatchNorm1d(8, dtype=dtype), nn.ReLU(),
        nn.Dropout(0.5, seed=5), nn.Linear(8, 2, seed=1, dtype=dtype),
    )  # fmt: skip


def plain(dtype: Any = np.float32) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(3, 8, seed=0, dtype=dtype), nn.ReLU(), nn.Linear(8, 2, seed=1, dtype=dtype)
    )


def log_of_zero(z: Any, t: Any) -> Any:
    return F.cross_entropy(z, t) - np.mean(np.log(np.maximum(z[:, 0] - 100, 0)))


def steep(z: Any, t: Any) -> Any:
    """A finite loss whose gradient, -1 / 1e-39 times 0, is not."""
    return F.cross_entropy(z, t) + np.sum(1e-39 / (z * 0 + 1e-39))


def squares(z: Any, t: Any) -> Any:
    del t
    return np.sum(z * z) * 1000


class Own:
    """An optimiser of the user's own, which the training only asks for steps."""

    def __init__(self, params: Any) -> None:
        self.parameters = list(params)

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        with tg.no_grad():
            for parameter in self.parameters:
                parameter[...] = parameter - 0.1 * parameter.grad


OPTIMISERS: dict[str, Any] = {
    "sgd": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p, 0.01),
    "clipped": lambda p: optim.RMSprop(p, 0.01, clip_norm=1),
    "clipped by value": lambda p: optim.SGD(p, 0.01, clip_value=1),
    "own": Own,
}
CASES: dict[str, tuple[Any, Any, Any, str]] = {
    "nan": (holed(np.nan), F.cross_entropy, network, r"x of the batch is nan at index \(5, 1\)"),
    "inf": (holed(np.inf), F.cross_entropy, network, r"x of the batch is inf at index \(5, 1\)"),
    "log": (
        X, log_of_zero, network,
        r"log gives -inf at index \(0,\), of 0 \(test_divergence\.py:\d+\)\.",
    ),
    "gradient": (X, steep, plain, "in the backward pass of .*, gives -?(inf|nan)"),
    "overflow": (X * 1e19, F.cross_entropy, plain, "linear gives -?inf at index"),
    "float16": (X.astype(np.float16), squares, lambda: plain(np.float16), "gives -?inf"),
}  # fmt: skip


@pytest.mark.parametrize(  # each case and each optimiser in both ways, by turns
    ("case", "optimiser", "replay"),
    [
        (case, optimiser, (i + j) % 2 == 0)
        for i, case in enumerate(CASES)
        for j, optimiser in enumerate(OPTIMISERS)
    ],
)
def test_the_last_good_state_stays(case: str, optimiser: str, replay: bool) -> None:
    x, loss, make, began = CASES[case]
    if case == "float16" and optimiser != "sgd":
        pytest.skip("smaller steps do not diverge")
    if case == "overflow" and optimiser not in ("sgd", "own"):
        pytest.skip("bounded steps do not diverge")
    model = make()
    made = OPTIMISERS[optimiser](model.parameters())
    generators = [m.generator for _, m in model.named_modules() if isinstance(m, nn.Dropout)]

    def everything() -> Any:
        state = {n: a.tobytes() for n, a in model.state_dict().items()}
        return state, [g.bit_generator.state for g in generators], getattr(made, "steps", None)

    seen = [everything()]

    class Watch:
        def on_step(self, _: training.Progress) -> None:
            seen.append(everything())

    batches = data.batches(x, Y, 16, shuffle=False)
    with (
        np.errstate(all="ignore"),
        pytest.warns(RuntimeWarning, match="was not made") as w,
    ):
        found = training.fit(
            model, batches, made, epochs=9, loss=loss, callbacks=[Watch()], replay=replay
        )
    step = sum(len(epoch.step_losses) for epoch in found)
    assert (found.stopped, len(seen)) == ("diverged", step + 1)
    assert seen[-1] == seen[-2]
    assert step == 1 or seen[-2] != seen[-3]
    assert all(np.isfinite(value).all() for value in model.state_dict().values())
    assert np.isfinite(found[-1].step_losses[-1]) == (case == "gradient")
    place = f"in batch {len(found[-1].step_losses)} of epoch {len(found)};"
    [text] = [str(warning.message) for warning in w]
    assert text == found.cause
    assert place in text
    assert ("a gradient is not finite" in text) == (case == "gradient")
    assert re.search(began, text), text
    if case in ("nan", "inf"):
        assert step == 3


@pytest.mark.parametrize("replay", [True, False])
def test_great_gradients_are_no_divergence(replay: bool) -> None:
    """Their squares overflow, they do not."""
    model = nn.Linear(3, 2, seed=0, bias=False)
    before = model.weight.numpy()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = training.fit(
            model, [(X, Y)] * 3, optim.SGD(model.parameters(), 1e-26), epochs=1, replay=replay,
            loss=lambda z, t: F.cross_entropy(z, t) + 1e24 * np.sum(z),
        )  # fmt: skip
    assert found.stopped == "finished"
    assert not np.array_equal(before, model.weight.numpy())


def test_the_best_weights_and_the_next_training_go_on() -> None:
    model = plain()
    optimiser = optim.Adam(model.parameters(), 0.01)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="batch 3 of epoch 1"):
        training.fit(
            model, data.batches(holed(np.nan), Y, 16, shuffle=False), optimiser, epochs=2,
            validation=(X, Y), keep_best=True,
        )  # fmt: skip
    found = training.fit(model, data.batches(X, Y, 16, seed=0), optimiser, epochs=20)
    assert found[-1].train_accuracy > 0.9


@pytest.mark.parametrize(
    ("lr", "text"),
    [
        (lambda step: 0.1 - 0.1 * step, "the learning rate of step 3 is -0.1"),
        (lambda step: np.nan if step else 0.1, "the learning rate of step 2 is nan"),
        (lambda step: np.inf if step else 0.1, "the learning rate of step 2 is inf"),
        (lambda step: 1e39 if step else 0.1, r"step 2 is 1e\+39; .* below 3.4e\+38"),
    ],
)
def test_a_schedule_that_gives_no_rate_is_refused(lr: Any, text: str) -> None:
    model = plain()
    with pytest.raises(ValueError, match=text):
        training.fit(
            model, data.batches(X, Y, 16, seed=0), optim.SGD(model.parameters(), lr), epochs=2
        )
    assert all(np.isfinite(p.numpy()).all() for p in model.parameters())


def test_a_batch_whose_labels_are_all_ignored_is_named() -> None:
    x = np.ones((4, 3), np.float32)
    for replay in (True, False):
        model = nn.Linear(3, 2, seed=0)
        before = model.state_dict()
        with pytest.warns(RuntimeWarning, match="All labels of batch 1 are -100: where the loss"):
            training.fit(
                model, [(x, np.full(4, -100))], optim.SGD(model.parameters(), 0.1), epochs=1,
                loss=lambda z, y: nn.functional.cross_entropy(z, y, ignore_index=-100),
                replay=replay,
            )  # fmt: skip
        assert (model.state_dict()["weight"] == before["weight"]).all()


def far(z: Any, t: Any) -> Any:
    """A finite loss with finite gradients, whose product with a rate of 1e36 is not finite."""
    return F.cross_entropy(z, t) * 1e3


class Halves(optim.Optimiser):
    """An update of the user's own, which divides by 0 in its fifth step."""

    def update(self, p: Any, g: Any, state: Any, group: Any) -> Any:
        del state
        return p - 0.1 * g if group["step"] != 5 else p / np.float32(0)


class Fifth(Own):
    """The same in a step of the user's own."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.scale = tg.Tensor(np.float32(1))

    def step(self) -> None:
        super().step()
        with tg.no_grad():
            self.scale[...] = self.scale * 8192 * 2
            for parameter in self.parameters:
                parameter[...] = parameter * (self.scale / self.scale)


LOST: dict[str, tuple[Any, Any, int]] = {
    "rate": (lambda p: optim.SGD(p, 1e36), far, 1),
    "in float16": (lambda p: optim.SGD(p, 3e4), far, 1),
    "own update": (lambda p: Halves(p, 0.1), F.cross_entropy, 5),
    "several": (lambda p: [optim.SGD(p[:2], 0.1), Halves(p[2:], 0.1)], F.cross_entropy, 5),
    "own step": (Fifth, F.cross_entropy, 10),
}


@pytest.mark.parametrize("found_by", ["a save", "the next loss", "the end"])
@pytest.mark.parametrize("replay", [True, False], ids=["replayed", "eager"])
@pytest.mark.parametrize("case", LOST)
def test_weights_that_an_update_made_infinite_are_given_up(
    case: str, replay: bool, found_by: str, tmp_path: Path
) -> None:
    make, loss, lost = LOST[case]
    dtype: Any = np.float16 if case == "in float16" else np.float32
    model = plain(dtype)
    optimiser, first = make(model.parameters()), model.state_dict()
    batches = [(X[:16].astype(dtype), Y[:16])] * (lost if found_by == "the end" else 20)
    saves = found_by == "a save" and case != "own step"  # which has no state to save
    options: Any = {"checkpoint": tmp_path / "c.npz", "checkpoint_every": 1} if saves else {}
    said = r"an update made \d\.weight.* not finite.*the weights from \d+ updates? before"
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=said):
        found = training.fit(
            model, batches, optimiser, epochs=9, loss=loss, replay=replay, **options
        )
    assert (found.stopped, len(found)) == ("diverged", 1)
    state = model.state_dict()
    assert all((state[n] == first[n]).all() for n in first)
    assert getattr(optimiser, "steps", 0) == 0
    if saves and lost > 1:
        kept = tg.load(tmp_path / "c.npz")
        assert all(np.isfinite(a).all() for n, a in kept.items() if n.startswith("model"))


def test_weights_are_copied_again() -> None:
    model = plain()
    seen = []

    class Late(optim.Optimiser):
        def update(self, p: Any, g: Any, state: Any, group: Any) -> Any:
            del state
            return p - 0.1 * g if group["step"] < 70 else p / np.float32(0)

    class Watch:
        def on_step(self, _: training.Progress) -> None:
            seen.append(model.state_dict())

    optimiser = Late(model.parameters(), 0.1)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="from 6 updates before"):
        training.fit(model, [(X, Y)] * 10, optimiser, epochs=9, callbacks=[Watch()])
    state = model.state_dict()
    assert all((state[n] == seen[63][n]).all() for n in state)
    assert optimiser.steps == 64


def test_weights_that_are_infinite_from_the_start_are_the_users() -> None:
    model = nn.Sequential(plain(), nn.ModuleList())
    model[1].mask = tg.Tensor(np.full(2, -np.inf), requires_grad=True, dtype=np.float32)
    optimiser = optim.SGD(model[0].parameters(), 0.1)
    optimiser.add_param_group({"params": [model[1].mask]})
    found = training.fit(model[0], [(X, Y)], optimiser, epochs=2)
    assert found.stopped == "finished"
