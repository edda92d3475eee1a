"""The pages beside PyTorch: both columns of a table, and the file of weights."""

import re
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from tests.test_pages import DOCS, RECIPES, results_of, run, table_rows

torch = pytest.importorskip("torch")


def test_both_columns_from_pytorch_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "from_pytorch.md").read_text("utf-8")
    [here] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [there] = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    lefts, rights = zip(*table_rows("from_pytorch.md"), strict=True)
    ours = results_of(here, list(rights), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, about itself
        theirs = results_of(there, list(lefts), tmp_path)
    compared = 0
    for left, right, a, b in zip(lefts, rights, theirs, ours, strict=True):
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6, err_msg=f"{left}  {right}")
            compared += 1
        elif isinstance(a, list) and isinstance(b, list):
            assert a == b, (left, right)
            compared += 1
    assert compared > 40


def test_pytorch_reads_the_file_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a network with those names it gives the same outputs."""
    files = pytest.importorskip("safetensors.torch")
    names = run(RECIPES["Weights from PyTorch"], tmp_path, monkeypatch)
    layers = [torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 32), torch.nn.ReLU()]
    parts = dict(zip(("fc1", "relu1", "fc2", "relu2"), layers, strict=True))
    net = torch.nn.Sequential(OrderedDict(parts | {"head": torch.nn.Linear(32, 10)}))
    net.load_state_dict(files.load_file("net.safetensors"))
    x = names["x_test"][:50]
    with torch.no_grad():
        theirs = net(torch.from_numpy(x)).numpy()
    ours = names["tg"].training.predict(names["other"], x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
