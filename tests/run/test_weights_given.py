"""Weights, wherever they are asked for: the file of a run, its folder, and what is neither."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each, named
from tinygrad_np import __main__ as door
from tinygrad_np.run import description, playground
from tinygrad_np.run.description import Description
from tinygrad_np.training import weights

PLAIN = Description("mlp", (784, 12, 10), "tanh", None, (28, 28), None, None, None, True)
COMMANDS = {"predict": ["x.npy"], "playground": []}  # and what follows WEIGHTS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run, the same weights as safetensors, and others that are none."""
    pytest.importorskip("safetensors")
    words = {description.KEY: '{"network": "mlp", "sizes": [784, 12, 10], "activation": "tanh", '
             '"norm": null, "shape": [28, 28], "mean": null, "std": null, "names": null, '
             '"cut": true}'}  # fmt: skip
    state = PLAIN.build().state_dict()
    monkeypatch.chdir(tmp_path)
    for name in ("runs/one/weights.npz", "w.safetensors"):
        weights.save(tmp_path / name, state, words)
    weights.save(tmp_path / "bare.npz", state)
    (tmp_path / "empty").mkdir()
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "w.pt").write_bytes(b"\x80\x02}")
    tg.data.save_idx(tmp_path / "x.npy", tg.data.mnist()[1][0][:2])
    return tmp_path


# what is given, and the sentence; "" where it works
GIVEN = {
    "runs/one/weights.npz": "",
    "runs/one": "",
    "w.safetensors": "",
    "runs": "runs: is no run but a folder of runs; name one of them: runs/one",
    "empty": "empty/weights.npz: cannot be read (No such file or directory); check the path.",
    "nowhere": "nowhere: cannot be read (No such file or directory); check the path.",
    "bare.npz": "bare.npz: found weights without a description of their network",
    "photo.png": "photo.png: these are no weights; WEIGHTS, the weights.npz of a run or its",
    "w.pt": "w.pt: these are no weights; WEIGHTS, the weights.npz of a run or its folder, ",
}


def test_every_command_that_takes_weights(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del place
    monkeypatch.setattr(playground.Server, "serve_forever", lambda _: None)
    for name in door.COMMANDS:
        with contextlib.suppress(SystemExit):
            door.main([name, "--help"])
        usage = capsys.readouterr().out.partition("\n\n")[0]
        assert ("WEIGHTS" in usage) == (name in COMMANDS)
    for name, rest in COMMANDS.items():
        for given, sentence in GIVEN.items():
            with named(name, given):
                code = door.main([name, given, *rest])
                said = capsys.readouterr().err
                assert (code, said.count("\n")) == ((2, 1) if sentence else (0, 0))
                assert said.startswith(f"{name}: {sentence}" if sentence else "")


X = np.ones((4, 2), np.float32)


def fitted(path: str) -> Any:
    model = tg.nn.Linear(2, 2, seed=0)
    batches = tg.data.batches(X, np.zeros(4, int), 2, seed=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    return tg.training.fit(model, batches, optimiser, epochs=1, checkpoint=path)


DOORS: dict[str, tuple[Callable[[str], Any], dict[str, str]]] = {
    "load": (tg.load, {
        "runs/one/weights.npz": "", "w.safetensors": "",
        "runs/one": "runs/one: is no file but a folder; give one of its files, such as weights.npz",
        "runs": "runs: is no file but a folder; it has no weights.",
        "nowhere": "nowhere: there is no such file; in",
        "photo.png": "photo.png: weights are loaded from .npz or .safetensors; ",
        "w.pt": "w.pt: weights are loaded from .npz or .safetensors; this may be a pickle",
    }),
    "load_state_dict": (tg.nn.Linear(2, 2, seed=0).load_state_dict, dict.fromkeys(
        ("runs/one/weights.npz", "runs/one"),
        "load_state_dict: the state is of type str; give tg.load(path).")),
    "functional_call": (lambda path: tg.nn.functional_call(
        tg.nn.Linear(2, 2, seed=0), path, X),  # type: ignore[arg-type] # which it is to refuse
        {"runs/one": "functional_call(params='runs/one'): a dict of names and Tensors, such as "
         "module.state_dict(), is needed."}),
    "checkpoint": (fitted, {
        "new.npz": "",
        "runs/one": "runs/one: a checkpoint is an .npz or .safetensors file; give such a path,"
        " as in runs/one/checkpoint.npz.",
        "new": "new: a checkpoint is an .npz or .safetensors file; give such a path, as in "
        "new.npz.",
    }),
}  # fmt: skip


@for_each(DOORS)
def test_every_function_that_takes_weights(name: str, place: Path) -> None:
    del place
    call, table = DOORS[name]
    for given, sentence in table.items():
        with named(given):
            if not sentence:
                call(given)
                continue
            with pytest.raises((tg.DataError, TypeError), match=f"^{re.escape(sentence)}"):
                call(given)
