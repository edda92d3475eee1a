"""``python -m tinygrad_np.draw``: what it writes, says and returns."""

import runpy
import sys
from types import ModuleType

import numpy as np
import pytest

from tinygrad_np import nn
from tinygrad_np.run import draw as command


class Own(nn.Module):
    """A user's module without weights."""

    def forward(self, x):
        return np.tanh(x)


class Two(nn.Module):
    """A module of two inputs that says nothing of their shapes."""

    def forward(self, x, y):
        return x @ y


class Words(nn.Module):
    """A mean of embeddings, weighted by a second input; called in a way of its own."""

    def __init__(self):
        self.first, self.last = nn.Embedding(7, 4, seed=0), nn.Linear(4, 2, seed=1)

    def __call__(self, weights, words, **_):
        return self.last(np.mean(self.first(words) * weights, axis=1))


class Said(Own):
    """A module that says what one example looks like."""

    input_shape = (4, 5)


@pytest.fixture
def run(capsys, tmp_path):
    """The exit code, what was said, and the text of the file that was asked for, if it is there."""

    def run(*arguments, out="net.dot"):
        path = tmp_path / out
        code = command.main([*arguments, "--out", str(path)])
        told = capsys.readouterr()
        return code, told.out + told.err, path.read_text() if path.exists() else None

    return run


@pytest.fixture(autouse=True)
def own_module(monkeypatch):
    module = ModuleType("own")
    module.net, module.Own, module.text = Own(), Own, lambda: "text"
    module.Two, module.Said, module.Words = Two, Said, Words
    module.embedded = lambda: nn.Sequential(nn.Embedding(9, 5, seed=0), nn.Linear(5, 3, seed=1))
    module.fails = lambda: 1 / 0
    monkeypatch.setitem(sys.modules, "own", module)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["5-4-2"], ["0: Linear(5, 4)", "1: ReLU", "(1, 2) float32", "34 parameters"]),
        (
            ["5-4-2", "--loss"],
            ["model.layers.0: Linear(5, 4)", "cross_entropy", "labels", "<b>loss</b>"],
        ),
        (["5-4", "--shape", "7,5"], ["(7, 5) float32"]),
        (["ref-0"], ["(1, 784) float32"]),
        (["cnn"], ["(1, 784) float32", "layers.2: MaxPool2d(2)", "80,202 parameters"]),
        (["own:net", "--input", "2,3"], ["tanh", "(2, 3) float32"]),
        (["own:Own", "--input", "3"], ["tanh", "(3,) float32"]),
        (["own:Said"], ["tanh", "(1, 4, 5) float32"]),
        (["own:embedded"], ["(1, 1) int64", "0: Embedding(9, 5)", "(1, 1, 3) float32"]),
        (["own:embedded", "--shape", "2,7"], ["(2, 7) int64", "(2, 7, 3) float32"]),
        (
            ["own:Words", "--shape", "2,7,1", "--shape", "2,7"],
            ["<b>weights</b>", "(2, 7, 1) float32", "<b>words</b>", "(2, 7) int64"],
        ),
        (["own:Two", "--shape", "2,3", "--shape", "3,7"], ["matmul", "(2, 7) float32"]),
    ],
)
def test_models_are_drawn(run, tmp_path, arguments, shown):
    code, said, text = run(*arguments)
    assert (code, said) == (0, f"wrote {tmp_path / 'net.dot'}\n")
    for words in shown:
        assert words in text


@pytest.mark.parametrize(
    ("arguments", "out", "message"),
    [
        (["nope"], "a.svg", "draw: 'nope' is not a recipe (default, ref-0, "),
        (["3-0"], "a.svg", "draw: sizes 3-0: each must be at least 1"),
        (["99999-99999"], "a.svg", "at most 100,000,000 weights"),
        (["3-2"], "a.bmp", "a.bmp does not say what to write: use one of the endings .svg, .png"),
        (["3-2"], "nowhere/a.svg", "there is no folder"),
        (["3-2", "--input", "3,x"], "a.svg", "draw: --shape 3,x: give sizes above 0 with commas"),
        (["3-2", "--input", "1,4"], "a.svg", "3-2 could not run on an example of shape (1, 4)"),
        (["own:net"], "a.svg", "cannot be told from its layers; give --shape"),
        (["own:text"], "a.svg", "own:text gives str, not a Module."),
        (["own:fails"], "a.svg", "own:fails could not be made: ZeroDivisionError: division"),
        (["own:missing"], "a.svg", "draw: own:missing: module 'own' has no attribute 'missing'"),
        (["no.such.module:x"], "a.svg", "No module named 'no'; give my.module:name."),
        ([":x"], "a.svg", "draw: :x: Empty module name; give my.module:name."),
        ([], "a.svg", "the following arguments are required: MODEL_OR_RECIPE; --help shows"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, tmp_path, arguments, out, message):
    code, said, text = run(*arguments, out=out)
    assert (code, text) == (2, None)
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_as_a_program(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["draw", "3-2", "--out", str(tmp_path / "a.dot")])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("tinygrad_np.draw", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a.dot'}\n"
