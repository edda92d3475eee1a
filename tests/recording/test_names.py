"""Parameters have one name, whoever tells of them: that in the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim

F = nn.functional
X, Y = np.ones((2, 1, 4, 4), np.float32), np.array([0, 1])


class Net(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(
            nn.Conv2d(1, 2, 3, seed=0), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(),
            nn.Linear(8, 2, seed=1),
        )  # fmt: skip
        self.scale = tg.Tensor(np.ones(2, np.float32), requires_grad=True, name="own")

    def forward(self, images: Any) -> Any:
        return self.body(images) * self.scale


OWN = [name for name, _ in Net().named_parameters()]


def step(model: Net) -> Any:
    def run(images: Any, labels: Any) -> Any:
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        return loss

    return run


def test_every_reader_says_the_same_names(tmp_path: Path) -> None:
    model = Net().eval()
    replayed = tg.replay(step(model))
    for _ in range(3):
        replayed(X, Y)
    recording = tg.trace(step(model), X, Y)
    page = tmp_path / "page.html"
    tg.draw.explore(recording, page)
    told = {
        "trace": recording,
        "tape": tg.tape_of(F.cross_entropy(model(X), Y)),
        "program": replayed.program,
        "script": tg.to_numpy(step(model), X, Y),
        "receipt": tg.receipt(lambda images: F.cross_entropy(model(images), Y), X),
        "explorer": page.read_text("utf-8"),
        "graph of a loss": tg.draw.graph(F.cross_entropy(model(X), Y), max_nodes=500).source,
        "graph of a module": tg.draw.graph(model, X, max_nodes=500).source,
        "graph of a recording": tg.draw.graph(recording, max_nodes=500).source,
        "graph of a program": tg.draw.graph(replayed, max_nodes=500).source,
    }
    assert len(OWN) == 7 and "body.4.weight" in OWN
    assert {k: [n for n in OWN if n not in str(text)] for k, text in told.items()} == {
        k: [] for k in told
    }


@pytest.mark.parametrize("name", OWN)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_bad_parameter_has_that_name(name: str) -> None:
    model = Net().eval()
    bad = dict(model.named_parameters())[name]
    with tg.no_grad():
        bad[...] = np.nan
    found = [str(tg.autopsy(made)) for made in (tg.trace(model, X), np.sum(model(X)))]
    with pytest.raises(FloatingPointError) as met, tg.anomaly():
        np.sum(model(X)).backward()
    assert {text.partition(" is nan")[0] for text in (*found, str(met.value))} == {name}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anomaly_names_what_is_written() -> None:
    model = Net().eval()
    sgd = optim.SGD([model.body[4].weight], 3e38)
    with pytest.raises(FloatingPointError, match=r"of body\.4\.weight = "), tg.anomaly():
        step(model)(X * np.float32(1e3), Y)
        sgd.step()
    other = Net().eval()
    with pytest.raises(tg.StaleValueError, match=r": body\.4\.weight is overwritten"), tg.anomaly():
        loss = np.sum(other(tg.Tensor(X, requires_grad=True)))
        other.body[4].load_state_dict(nn.Linear(8, 2, seed=2).state_dict())
        loss.backward()
