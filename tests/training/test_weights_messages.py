"""Saving and loading what is no state, or under no such name: the message says what to give."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim

MODEL = nn.Linear(2, 2, seed=0)
ARRAY = np.ones(2)
UNSAVED: dict[str, tuple[Any, str]] = {
    "model": (MODEL, "the state is of type Linear; give save(path, model.state_dict())."),
    "optimiser": (
        optim.SGD(MODEL.parameters(), 0.1),
        "the state is of type SGD; save the model's state_dict(); fit(…, checkpoint=path) keeps",
    ),
    "array": (ARRAY, "the state is of type ndarray; give arrays by name: {'name': array}."),
    "tensor": (tg.Tensor(ARRAY), "the state is of type Tensor; give arrays by name"),
    "list": ([ARRAY], "the state is of type list; give names, too: {str(i): array for i, array in"),
    "parameters": (MODEL.parameters(), "the state is of type list; give names, too"),
    "nothing": (None, "the state is of type NoneType; give arrays by name"),
    "numbered": ({0: ARRAY}, "the name 0 is no string; give names as strings."),
    "nested": (
        {"model": {"w": ARRAY}},
        "entry 'model' is a dict; save it by itself, or join the names: {f'model.{key}': array "
        "for key, array in state['model'].items()}.",
    ),
    "words": ({"class": "SGD"}, "entry 'class' has dtype <U3; only numbers are saved, so convert"),
}


@pytest.mark.parametrize(("state", "message"), UNSAVED.values(), ids=UNSAVED)
def test_what_is_no_state_is_not_saved(state: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises((TypeError, tg.DataError), match=re.escape(message)):
        tg.save(tmp_path / "w.npz", state)
    assert list(tmp_path.iterdir()) == []


def test_the_remedies_work(tmp_path: Path) -> None:
    arrays, state = [ARRAY, ARRAY * 2], {"model": {"w": ARRAY}}
    joined = {f"model.{key}": array for key, array in state["model"].items()}
    for given in (MODEL.state_dict(), {str(i): a for i, a in enumerate(arrays)}, joined):
        path = tg.save(tmp_path / "w.npz", given)
        assert list(tg.load(path)) == list(given)


def test_exchanged_arguments() -> None:
    with pytest.raises(TypeError, match=r"save: the path is of type dict; call save\(path, state"):
        tg.save(MODEL.state_dict(), "w.npz")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"load: the path is of type Linear; call load\(path\) wit"):
        tg.load(MODEL)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("w.npy", "np.load(path) reads one array"),
        ("w.csv", "np.loadtxt(path, delimiter=',') reads a table"),
        ("w.h5", "read it with h5py and save arrays by name"),
        ("w.pt", "may be a pickle, which can run code and is not read"),
        ("w.pkl", "may be a pickle, which can run code and is not read"),
        ("w", "save them there with one of these endings"),
        ("w.npz.bak", "save them there with one of these endings"),
    ],
)
def test_other_endings(name: str, remedy: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(tg.DataError, match=rf"\.npz or \.safetensors; .*{re.escape(remedy)}"):
        tg.load(tmp_path / name)
    with pytest.raises(tg.DataError, match=r"\.npz or \.safetensors; give the name one of these"):
        tg.save(tmp_path / name, {"w": ARRAY})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("w.npz", r"is of type str; give tg.load\(path\)\."),
        (Path("w.npz"), r"is of type \w+; give tg.load\(path\)\."),
        (MODEL, r"is of type Linear; give a state_dict\(\)\."),
        ([ARRAY], r"is of type list; give a state_dict\(\)\."),
    ],
)
def test_load_state_dict_of_what_is_none(given: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"load_state_dict: the state {message}"):
        nn.Linear(2, 2, seed=1).load_state_dict(given)


def test_an_optimisers_state_is_kept_by_checkpoints(tmp_path: Path) -> None:
    adam = optim.Adam([tg.Tensor(np.ones(3), requires_grad=True)])
    said = r"the state of an optimiser, .*fit\(…, checkpoint=path\)"
    with pytest.raises(TypeError, match=said):
        tg.save(tmp_path / "o.npz", adam.state_dict())
    state = {n: a for n, a in adam.state_dict().items() if isinstance(a, np.ndarray)}
    assert tg.load(tg.save(tmp_path / "o.npz", state)).keys() == state.keys()
