"""Updates of several batches, and of several optimisers: replayed, eager, and written out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import data, nn, optim, training
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((26, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5, seed=0), nn.Tanh(), nn.Linear(5, 2, seed=1))


def weights(model: nn.Module) -> bytes:
    return b"".join(value.tobytes() for value in model.state_dict().values())


def test_accumulated_gradients_are_those_of_the_larger_batch() -> None:
    """26 rows in batches of 4 and 2: three and four of them make an update, two the last one."""
    large = [(X[:12], Y[:12]), (X[12:24], Y[12:24]), (X[24:], Y[24:])]
    small = [(X[i : i + 4], Y[i : i + 4]) for i in range(0, 26, 4)]
    found: dict[str, Any] = {}
    for name, batches, options in (
        ("large", large, {}),
        ("replayed", small, {"accumulate": 3}),
        ("eager", small, {"accumulate": 3, "replay": False}),
    ):
        model = network()
        sgd = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        history = training.fit(model, batches, sgd, epochs=4, metrics=[accuracy], **options)
        assert sgd.steps == 12 and [len(epoch.step_losses) for epoch in history] == [3] * 4
        found[name] = (weights(model), history[3], model)
    assert found["replayed"][0] == found["eager"][0]
    wide, narrow = (found[name][1] for name in ("large", "eager"))
    np.testing.assert_allclose(narrow.step_losses, wide.step_losses, rtol=1e-5)
    assert narrow.train_loss == pytest.approx(wide.train_loss, rel=1e-5)
    assert narrow.train_accuracy == pytest.approx(wide.train_accuracy)
    assert narrow.metrics["accuracy"] == pytest.approx(wide.metrics["accuracy"])
    for p, q in zip(*(found[name][2].parameters() for name in ("large", "eager")), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=2e-4, atol=1e-6)


def accuracy(outputs: Any, y: Any) -> float:
    return float(np.mean(outputs.argmax(axis=1) == y))


class Watch:
    """Ends a training after some steps, and keeps how many rows each had."""

    def __init__(self, last: int) -> None:
        self.last, self.rows = last, list[int]()

    def on_step(self, now: Any) -> bool:
        self.rows.append(now.images)
        return len(self.rows) == self.last


def test_an_accumulating_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    plain = [(X[i : i + 4], Y[i : i + 4]) for i in range(0, 26, 4)]  # which keep no place

    def train(path: Path, kept: bool = True, **options: Any) -> tuple[bytes, list[float], Any]:
        model = network()
        adam = optim.Adam(model.parameters(), 0.01)
        history = training.fit(
            model, data.batches(X, Y, 4, seed=3) if kept else plain, adam, epochs=2, accumulate=2,
            checkpoint=path, **options,
        )  # fmt: skip
        return weights(model), [v for epoch in history for v in epoch.step_losses], model

    whole = train(tmp_path / "whole.npz")
    for last in (2, 4):
        watch, path = Watch(last), tmp_path / f"{last}.npz"
        train(path, callbacks=[watch])
        assert watch.rows == [8, 8, 8, 2][:last]
        assert train(path, resume=True)[:2] == whole[:2]
    path = tmp_path / "plain.npz"
    whole = train(path, kept=False)
    path.unlink()
    train(path, kept=False, callbacks=[Watch(2)])
    assert train(path, kept=False, resume=True)[:2] == whole[:2]
    with pytest.raises(tg.DataError, match="batches"):
        _with_another_accumulate(tmp_path / "2.npz")


def _with_another_accumulate(path: Path) -> None:
    model = network()
    adam = optim.Adam(model.parameters(), 0.01)
    training.fit(
        model, data.batches(X, Y, 4, seed=3), adam, epochs=3, accumulate=3, checkpoint=path,
        resume=True,
    )  # fmt: skip


def test_a_list_of_optimisers_goes_down_one_loss() -> None:
    """Each its parameters, and the same bits as one of all, where their rules are the same."""
    found = []
    for kind in ("one", "list", "eager"):
        model = network()
        parts = [model[0].parameters(), model[2].parameters()]
        given: Any = [optim.Adam(part, 0.02) for part in parts]
        if kind == "one":
            given = optim.Adam(model.parameters(), 0.02)
        history = training.fit(
            model, data.batches(X, Y, 8, seed=0), given, epochs=3, replay=kind != "eager"
        )
        found.append((weights(model), history[2].train_loss))
    assert found[0] == found[1] == found[2]


class Gan(nn.Module):
    """A generator of points in the plane and a critic, in one module."""

    def __init__(self) -> None:
        self.generator = nn.Sequential(
            nn.Linear(2, 16, seed=0), nn.Tanh(), nn.Linear(16, 2, seed=1)
        )
        self.critic = nn.Sequential(
            nn.Linear(2, 16, seed=2), nn.LeakyReLU(0.2), nn.Linear(16, 1, seed=3)
        )

    def forward(self, noise: Any, real: Any) -> Any:
        made = self.generator(noise)
        return {
            "fooled": self.critic(made),
            "real": self.critic(real),
            "made": self.critic(made.detach()),
        }


def gan_losses(outputs: Any, _: Any) -> Any:
    bce, one = F.binary_cross_entropy_with_logits, np.ones_like
    made, real = outputs["made"], outputs["real"]
    return {
        "generator": bce(outputs["fooled"], one(outputs["fooled"])),
        "critic": bce(real, one(real)) + bce(made, np.zeros_like(made)),
    }


def train_gan(replay: bool | None, epochs: int, **options: Any) -> tuple[Gan, Any]:
    rng = np.random.default_rng(0)
    real = (rng.standard_normal((256, 2)) * 0.2 + [2, -1]).astype(np.float32)
    noise = rng.standard_normal((256, 2)).astype(np.float32)
    model = Gan()
    optimisers = {
        "generator": optim.Adam(model.generator.parameters(), 0.01, betas=(0.5, 0.9)),
        "critic": optim.Adam(model.critic.parameters(), 0.01, betas=(0.5, 0.9)),
    }
    batches = data.batches((noise, real), np.zeros(256), 64, seed=0)
    if replay is not None:
        return model, training.fit(
            model, batches, optimisers, epochs=epochs, loss=gan_losses, replay=replay, **options
        )
    for _ in range(epochs):
        for (z, x), _ in batches:
            grads = []
            for name in optimisers:
                model.zero_grad()
                gan_losses(model(tg.Tensor(z), tg.Tensor(x)), None)[name].backward()
                grads += [(p, p.grad) for p in optimisers[name].params]
            for p, g in grads:
                p.grad = g
            for optimiser in optimisers.values():
                optimiser.step()
    return model, None


def test_a_gan_trains_with_two_losses_from_the_same_weights(tmp_path: Path) -> None:
    path = tmp_path / "gan.npz"
    first = weights(train_gan(True, 2, checkpoint=path)[0])
    assert first == weights(train_gan(False, 2)[0]) == weights(train_gan(None, 2)[0])
    fourth = weights(train_gan(True, 4, checkpoint=path, resume=True)[0])
    model, history = train_gan(True, 4)
    assert fourth == weights(model) != first
    last = history[-1]
    assert set(last.metrics) == {"generator", "critic"}
    assert last.train_loss == pytest.approx(sum(last.metrics.values()), rel=1e-5)


def test_losses_by_name_are_monitored_and_validated() -> None:
    rng = np.random.default_rng(2)
    held = tuple(rng.standard_normal((9, 2)).astype(np.float32) for _ in range(2)), np.zeros(9)
    stopping = training.EarlyStopping(50, monitor="validation_critic", mode="min")
    _, history = train_gan(
        True, 2, validation=held, early_stopping=stopping, keep_best=True,
        metrics={"one": lambda *_: 1.0},
    )  # fmt: skip
    assert set(history[1].validation_metrics) == {"generator", "critic", "one"}
    assert history[1].metrics["one"] == pytest.approx(1.0)
    assert history.best.validation_metrics["critic"] == min(
        epoch.validation_metrics["critic"] for epoch in history
    )


def test_accumulated_losses_by_name() -> None:
    one, other = (train_gan(replay, 2, accumulate=2) for replay in (True, False))
    assert weights(one[0]) == weights(other[0]) and len(one[1][0].step_losses) == 2


class Bare:
    """An optimiser that tells nobody what it works on."""

    def zero_grad(self) -> None: ...

    def step(self) -> None: ...


def test_what_does_not_fit_is_refused() -> None:
    model = Gan()
    adam = optim.Adam(model.parameters(), 0.01)
    part = optim.Adam(model.critic.parameters(), 0.01)
    rest = optim.Adam(model.generator.parameters(), 0.01)
    batches = [((X[:, :2], X[:, 2:]), Y)]
    for optimiser, options, error, text in (
        ([adam, part], {}, ValueError, "two optimisers have the same parameter"),
        ([], {}, TypeError, "fit needs an optimiser"),
        ([part, "adam"], {}, TypeError, "not 'adam'"),
        ([part, Bare()], {}, TypeError, "type Bare has no list of its parameters"),
        ({"a b": part}, {}, ValueError, "names of the optimisers"),
        ({"critic": part}, {}, TypeError, r"returned \['generator', 'critic'\] for the optimisers"),
        ({"critic": part, "generator": rest}, {"metrics": {"critic": len}}, ValueError, "another"),
        (adam, {"accumulate": 0}, ValueError, r"fit\(accumulate=0\)"),
    ):
        with pytest.raises(error, match=text):
            training.fit(model, batches, optimiser, epochs=1, loss=gan_losses, **options)  # type: ignore[arg-type]


def test_a_layer_thawed_after_the_optimiser_was_made_is_named() -> None:
    model = network()
    model[0].requires_grad_(False)
    sgd = optim.SGD(model.parameters(), 0.1)
    model[0].requires_grad_(True)
    with pytest.warns(RuntimeWarning, match=r"fit: 0\.weight, 0\.bias did not require grad when"):
        training.fit(model, [(X, Y)], sgd, epochs=2)
    sgd.add_param_group({"params": model[0].parameters()})
    before = model[0].weight.numpy()
    training.fit(model, [(X, Y)], sgd, epochs=2)
    assert (model[0].weight.numpy() != before).all()
    # who leaves parameters out on purpose hears nothing
    other = network()
    other[0].weight.register_hook(lambda g: g)
    training.fit(other, [(X, Y)], optim.SGD(other[2].parameters(), 0.1), epochs=1)


class Reader(nn.Module):
    def __init__(self) -> None:
        self.inner, self.out = nn.GRU(2, 3, batch_first=True, seed=0), nn.Linear(3, 2, seed=1)

    def forward(self, x: Any) -> Any:
        return self.out(self.inner(x)[0][:, -1])


def test_shapes_that_come_seldom_are_not_captured(monkeypatch: Any) -> None:
    """The first one is, the others once they have come often; the bits are the same."""
    from tinygrad_np.replay.step import Replay
    from tinygrad_np.training.loop import PATIENCE

    captured: list[int] = []
    capture = Replay._captured

    def counted(self: Any, given: Any) -> Any:
        captured.append(given.inputs[0].shape[1])
        return capture(self, given)

    monkeypatch.setattr(Replay, "_captured", counted)
    drawn = [(RNG.standard_normal((4, k, 2)).astype(np.float32), Y[:4]) for k in (3, 2, 1, 3, 2)]
    found = []
    for replay in (True, False):
        model = Reader()
        epochs = PATIENCE // 2 + 2
        training.fit(model, drawn, optim.SGD(model.parameters(), 0.1), epochs=epochs, replay=replay)
        found.append(weights(model))
    assert found[0] == found[1]
    assert captured == [3, 3, 2, 2]
