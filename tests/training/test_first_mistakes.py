"""What learners type first, after public reports: each is refused with the remedy that fits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import data, nn, optim, training

X = np.random.default_rng(0).standard_normal((24, 5)).astype(np.float32)
Y = X[:, :3].argmax(axis=1)


def net(outputs: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8, seed=0), nn.ReLU(), nn.Linear(8, outputs, seed=1))


def fit(x: Any, y: Any, outputs: int = 3, **options: Any) -> training.History:
    model = net(outputs)
    batches = data.batches(x, y, 24, seed=0)
    optimiser = optim.SGD(model.parameters(), 0.1)
    return training.fit(model, batches, optimiser, epochs=1, **options)


def sgd() -> optim.SGD:
    return optim.SGD(net().parameters(), 0.1)


class Inside(nn.Module):
    def __init__(self) -> None:
        self.net = net()


def cut(*indices: float) -> np.ndarray:
    y = Y.astype(np.float32)
    y[0] = indices[0]
    return y


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "labels from 1": (lambda: fit(X, Y + 1), r"count from 1, give labels - 1; else .* 4 outputs"),
    "more labels": (lambda: fit(X, Y * 2), r"0 … 2\. Then the last layer needs 5 outputs"),
    "labels -1 and 1": (lambda: fit(X, np.sign(Y - 0.5).astype(int), 2), r"\(labels \+ 1\) // 2"),
    "one output": (lambda: fit(X, Y > 0, 1), r"labels.astype\(np.int64\)"),
    "one output, integers": (lambda: fit(X, Y, 1), "give it two, or use .*binary_cross_entropy"),
    "labels with NaN": (lambda: fit(X, cut(np.nan)), "such as nan; they must be integers. Leave"),
    "labels with halves": (lambda: fit(X, cut(0.5)), "such as 0.5; .* no classes use mse_loss"),
    "whole floats": (lambda: fit(X, cut(1.0)), r"labels.astype\(np.int64\)"),
    "rows too wide": (lambda: net()(X[:, :4]), "make in_features 4, or give rows of 5 numbers"),
    "early stopping as a callback": (
        lambda: fit(X, Y, callbacks=[training.EarlyStopping(patience=2)]),
        "give it as early_stopping=",
    ),
    "PyTorch's schedules": (lambda: optim.StepLR, r"is the lr itself, .*lr=StepDecay"),
    "a history as Keras has it": (
        lambda: fit(X, Y)["loss"],  # type: ignore[call-overload]
        r"use history\[-1\].train_loss for the last one",
    ),
    "a state from within": (
        lambda: Inside().load_state_dict(net().state_dict()),
        r"rename=lambda name: 'net.' \+ name",
    ),
    "a state from around": (
        lambda: net().load_state_dict(Inside().state_dict()),
        r"rename=lambda name: name.removeprefix\('net.'\)",
    ),
    "a batch size of fit": (lambda: fit(X, Y, batch_size=3), "an argument of the batches"),
    "arrays in fit": (lambda: training.fit(net(), X, Y, sgd()), "the call is tg.training.fit"),  # type: ignore
    "Keras' validation": (lambda: fit(X, Y, validation_data=(X, Y)), r"use validation=\(x, y\)"),
    "model.fit": (lambda: net().fit, r"the call is tg.training.fit\(model"),  # type: ignore
    "model.predict": (lambda: net().predict, r"use tg.training.predict\(model, x\)"),  # type: ignore
    "model.compile": (lambda: net().compile, "fit takes the optimiser and loss="),  # type: ignore
    "model.cuda": (lambda: net().cuda, "runs on the CPU"),  # type: ignore
    "model.to": (lambda: net().to("cuda"), "runs on the CPU"),  # type: ignore
    "learning_rate": (lambda: optim.Adam(net().parameters(), learning_rate=1), "use lr="),  # type: ignore
    "beta1": (lambda: optim.Adam(net().parameters(), beta1=0.9), "use betas="),  # type: ignore
    "no rate": (lambda: optim.SGD(net().parameters()), r"as in SGD\(params, lr=0.1\)"),  # type: ignore
    "set_to_none": (lambda: sgd().zero_grad(set_to_none=True), r"write zero_grad\(\)"),
    "units": (lambda: nn.Linear(units=3), r"Linear\(in_features, out_features\)"),  # type: ignore
    "Dense": (lambda: nn.Dense, r"use nn.Linear\(in_features"),
    "rate": (lambda: nn.Dropout(rate=0.5), "use p="),  # type: ignore
    "tensor": (lambda: tg.tensor, r"use tg.Tensor\("),
    "cat": (lambda: tg.cat, "use np.concatenate"),
    "optimizers": (lambda: tg.optimizers, "use tg.optim"),
    "DataLoader": (lambda: data.DataLoader, r"use tg.data.batches\("),
    "mean by dim": (lambda: tg.Tensor(X).mean(dim=1), "use axis="),  # type: ignore
    "softmax by dim": (lambda: nn.functional.softmax(X, dim=1), "use axis="),  # type: ignore
    "workers": (lambda: data.batches(X, Y, 4, num_workers=2), "use ahead=2"),  # type: ignore
    "no batch size": (lambda: data.batches(X, Y), "batch_size=64, seed=0"),  # type: ignore
    "test_size": (lambda: data.split(X, Y, test_size=0.2), r"split\(x, y, 0.2, seed=0\)"),  # type: ignore
    "no seed": (lambda: data.split(X, Y, 0.2), r"split\(x, y, 0.2, seed=0\)"),  # type: ignore
    "truth of many": (lambda: bool(tg.Tensor(X) > 0), r"use \(t > 0\).all\(\)"),
    "item of many": (lambda: tg.Tensor(X).item(), r"use t.tolist\(\)"),
    "ragged": (lambda: tg.Tensor([[1, 2], [3]]), "give rows of one length"),
    "history.history": (lambda: fit(X, Y).history, "epoch.train_loss for epoch in"),  # type: ignore
    "an array for a parameter": (
        lambda: setattr(net()[0], "weight", np.ones((8, 5))),  # type: ignore[index]
        r"module.weight.data = array",
    ),
    "a row without label": (lambda: training.evaluate(net(), X, Y[:-1]), "one label for each row"),
    "another size": (
        lambda: net().load_state_dict(net(4).state_dict()),
        "make the model with the sizes that the state was saved with",
    ),
    "no such weights": (lambda: tg.load("nothing.npz"), "there is no such file; in /"),
    "another ending": (lambda: tg.save("m.pt", net().state_dict()), "as in m.npz"),
    "a word too many": (lambda: nn.Embedding(5, 2, seed=0)(np.array([5])), r"Embedding\(6, …\)"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_the_remedy_is_said(what: str) -> None:
    mistake, message = MISTAKES[what]
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        mistake()


def test_hidden_layers_of_an_estimator() -> None:
    estimators = pytest.importorskip("tinygrad_np.sklearn")
    with pytest.raises(TypeError, match="use hidden_layer_sizes="):
        estimators.MLPClassifier(hidden_layers=(8,))


@pytest.mark.parametrize("replay", [True, False])
@pytest.mark.parametrize("loss", [
    lambda o, y: float(((o.numpy()[:, 0] - y) ** 2).mean()),
    lambda o, y: float(np.mean((o[:, 0] - y) ** 2)),
], ids=["numpy", "float"])  # fmt: skip
def test_a_loss_that_leaves_the_tape(loss: Any, replay: bool) -> None:
    with pytest.raises((tg.ReplayError, TypeError), match=r"leave out float\(\), \.item\(\)"):
        fit(X, Y, loss=loss, replay=replay)


F = nn.functional
SUSPECT: dict[str, tuple[Any, Any, Any, str]] = {
    "softmax twice": (X, nn.Softmax(), F.cross_entropy, "leave out its softmax"),
    "nll of probabilities": (X, nn.Softmax(), F.nll_loss, "log_softmax in it"),
    "nll of logits": (X, nn.Identity(), F.nll_loss, "use loss=cross_entropy"),
    "bytes": (np.uint8(X > 0) * 9, nn.Identity(), F.cross_entropy, r"astype\(np.float32\) / 255"),
}


@pytest.mark.parametrize("replay", [True, False])
@pytest.mark.parametrize("what", SUSPECT)
def test_what_is_certainly_meant_otherwise_is_said_once(what: str, replay: bool) -> None:
    x, last, loss, message = SUSPECT[what]
    model = nn.Sequential(nn.Linear(5, 3, seed=0), last)
    optimiser = optim.SGD(model.parameters(), 0.001)
    batches = data.batches(x, Y, 24, seed=0)
    with pytest.warns(RuntimeWarning, match=message) as said:
        training.fit(model, batches, optimiser, epochs=1, loss=loss, replay=replay)
    assert len(said) == 1


def test_a_checkpoint_is_no_state(tmp_path: Path) -> None:
    fit(X, Y, checkpoint=tmp_path / "c.npz")
    with pytest.raises(tg.ShapeError, match=r"give tg.training.Checkpoint.load\(path\).weights"):
        net().load_state_dict(tg.load(tmp_path / "c.npz"))
    net().load_state_dict(training.Checkpoint.load(tmp_path / "c.npz").weights)
