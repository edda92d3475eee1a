"""Few examples are no reason to call labels unrelated; arguments of other kinds are refused."""

from typing import Any

import numpy as np
import pytest

from tests.each import for_each
from tests.training.short import short
from tinygrad_np import nn, optim, training
from tinygrad_np.training.doctor import trials

UNRELATED = "labels unrelated to inputs"


def noisy(n: int, seed: int, is_shuffled: bool) -> training.Diagnosis:
    """Of a network for three classes that depend on the inputs, with much noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 20)).astype(np.float32)
    y = (x @ rng.standard_normal((20, 3)) + 1.5 * rng.standard_normal((n, 3))).argmax(axis=1)
    model = nn.Sequential(nn.Linear(20, 32, seed=seed), nn.ReLU(), nn.Linear(32, 3, seed=seed + 1))
    labels = rng.permutation(y) if is_shuffled else y
    with short(by_heart=trials.OVERFIT_STEPS):  # whether labels are related depends on all of them
        return training.diagnose(model, x, labels, optim.Adam(model.parameters(), 1e-3))


@pytest.mark.parametrize(("n", "seed"), [(n, s) for n in (100, 200, 300) for s in range(2)])
def test_few_examples_with_labels_of_their_own_are_not_accused(n: int, seed: int) -> None:
    assert UNRELATED not in [finding.name for finding in noisy(n, seed, False).warnings]


@pytest.mark.parametrize("n", [200, 400])
def test_shuffled_labels_are_named(n: int) -> None:
    assert UNRELATED in [finding.name for finding in noisy(n, 0, True).warnings]


def test_of_too_few_it_is_a_note() -> None:
    [finding] = [f for f in noisy(100, 1, True).findings if f.name == UNRELATED]
    assert finding.level == "note" and "too few to be sure" in finding.cause


class Two(nn.Module):
    """Of an image and the number of a word two outputs, in a dict."""

    def __init__(self, scale: float = 1) -> None:
        self.word = nn.Embedding(5, 3, seed=0)
        self.body = nn.Linear(12, 16, seed=1)
        self.size = nn.Linear(16, 1, seed=2)
        self.kind = nn.Linear(16, 3, seed=3)
        self.scale = scale

    def forward(self, image: Any, *, word: Any) -> Any:
        flat = image.reshape(len(image), -1)
        h = np.tanh(self.body(np.concatenate([flat, self.word(word)], axis=1)))
        return {"size": self.size(h), "kind": self.kind(h) * self.scale}


def both(outputs: Any, y: Any) -> Any:
    kind = nn.functional.cross_entropy(outputs["kind"], y["kind"])
    return kind + nn.functional.mse_loss(outputs["size"], y["size"])


def several(outputs: Any, _: Any) -> Any:
    return outputs


@short()
def test_nests_are_looked_at_array_by_array() -> None:
    rng = np.random.default_rng(0)
    image, word = rng.standard_normal((200, 3, 3)).astype("f4"), rng.integers(0, 5, 200)
    y = {"size": image.sum(axis=(1, 2))[:, None], "kind": (image[:, 0, 0] > 0) + (word > 2) * 1}
    found = training.diagnose(Two(), {"image": image, "word": word}, y, 0.1, loss=both)
    names = [finding.name for finding in found.findings if finding.level == "ok"]
    assert found.ok and {"inputs", "learning rate", "one batch by heart"} <= set(names)
    assert "inputs x['image'] go from" in str(found) and "x['word']" not in str(found)
    for part, text in (
        (image * 100 + 1e3, "mean of the inputs x['image'] is"),
        (np.where(image > 2, np.nan, image), "NaN or infinite, the first at x['image']["),
    ):
        ill = training.diagnose(Two(), {"image": part, "word": word}, y, loss=both)
        assert text in ill.findings[0].cause
    lost = training.diagnose(Two(0.0), {"image": image, "word": word}, y, loss=both)
    assert "gradients of 0" in [finding.name for finding in lost.warnings]
    refused = training.diagnose(Two(), {"image": image, "word": word}, y, loss=several)
    assert "the loss returns ['size', 'kind'], expected one number" in refused.findings[0].cause


class Sum(nn.Module):
    def __init__(self) -> None:
        self.parts = nn.ModuleList([nn.Linear(2, 16, seed=i) for i in range(2)])
        self.last = nn.Linear(16, 2, seed=2)

    def forward(self, a: Any, b: Any) -> Any:
        return 0.3 * self.last(np.tanh(self.parts[0](a) + self.parts[1](b)))


@short()
def test_two_inputs_of_a_classifier() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 400, 2)).astype("f4")
    model, y = Sum(), (a[:, 0] > b[:, 1]).astype(int)
    optimiser = optim.SGD(model.parameters(), 0.5)
    assert training.diagnose(model, (a, b), y, optimiser).ok
    shuffled = training.diagnose(model, (a, b), rng.permutation(y), optimiser)
    assert {f.name for f in shuffled.warnings} & {UNRELATED, "no rate learns"}


def nothing(parameters: Any) -> list[Any]:
    return list(parameters)


@for_each(
    [
        ({"optimiser": "adam"}, r"diagnose\(optimiser='adam'\): an optimiser, a function"),
        ({"optimiser": nothing}, r"optimiser=the function nothing\): a function from parameters"),
        ({"loss": "mse"}, r"diagnose\(loss='mse'\): a function of \(outputs, targets\)"),
        ({"model": nn.ReLU}, r"model=the class ReLU\): .*write ReLU"),
        ({"y": np.array(["a", "b"] * 10)}, "y of shape .20,. has dtype <U1"),
        ({"y": np.array([0, 1] * 10, object)}, "y of shape .20,. has dtype object"),
        ({"x": np.full((20, 3), None)}, "x of shape .20, 3. has dtype object"),
        ({"x": [[1.0], [2.0, 3.0]] * 10}, "x is a list whose entries have different lengths"),
    ]
)
def test_words_and_objects_are_refused_in_a_sentence(case: tuple[Any, str]) -> None:
    changed, message = case
    given = {"model": nn.Linear(3, 2, seed=0), "x": np.ones((20, 3)), "y": np.arange(20) % 2}
    with pytest.raises(TypeError, match=message):
        training.diagnose(**{**given, **changed})


@short()
def test_the_class_of_an_optimiser_makes_one() -> None:
    x, y = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32), np.arange(40) % 2
    assert training.diagnose(nn.Linear(3, 2, seed=0), x, y, optim.Adam).findings
