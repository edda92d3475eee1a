"""The notebooks are stored with what they show, which is what a run from a clean kernel gives."""

import ast
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

import tinygrad_np as tg
from tests.outside import ROOT, loaded

NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb"))}
LARGEST = 300_000  # bytes
NUMBER = re.compile(r"-?(?:\d[\d,]*)(?:\.\d+)?(?:e[+-]?\d+)?")


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))["cells"]  # type: ignore[no-any-return]


def code_cells(name: str) -> list[dict[str, Any]]:
    return [cell for cell in cells(name) if cell["cell_type"] == "code"]


def test_there_is_one_for_each_reference_project() -> None:
    assert set(NOTEBOOKS) == {f"ref-{n}" for n in range(5)}


def test_outputs_are_stored_and_every_cell_has_its_name() -> None:
    for name, path in NOTEBOOKS.items():
        found = cells(name)
        assert [cell["id"] for cell in found] == [f"cell-{n:02d}" for n in range(1, len(found) + 1)]
        code = code_cells(name)
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
        *_, last = code
        assert re.search(r"\d\d\.\d\d %", texts(last))
        shown = [kind for cell in code for output in cell["outputs"] for kind in kinds(output)]
        assert shown.count("image/png") >= 4, name  # samples, curves, predictions, confusion
        assert not {"error", "stderr"} & set(shown), name
        stored = path.read_text(encoding="utf-8")
        assert not re.search(r" at 0x|/tmp/|/home/|/root/", stored), name
        assert path.stat().st_size < LARGEST, name


def kinds(output: dict[str, Any]) -> list[str]:
    """What an output is: the name of a stream, ``error``, the kinds of its data."""
    return [output.get("name", output["output_type"]), *sorted(output.get("data", {}))]


def order(outputs: list[dict[str, Any]]) -> list[list[str]]:
    """The kinds of outputs one after the other; a stream may come in pieces."""
    return [kind for kind, _ in itertools.groupby(map(kinds, outputs))]


def texts(cell: dict[str, Any]) -> str:
    """All that a cell says in words, without times."""
    said = []
    for output in cell["outputs"]:
        text = output.get("text") or output.get("data", {}).get("text/plain") or ""
        said.append(text if isinstance(text, str) else "".join(text))
    return re.sub(r"[\d,.]+ (s|ms|µs|images/s)\b", r"… \1", "".join(said))


def test_two_layer_nn_in_fifteen_lines() -> None:
    sources = ["".join(cell["source"]) for cell in cells("ref-1")]
    [source] = [source for source in sources if source.startswith("class TwoLayerNN")]
    [kind] = ast.parse(source).body
    assert isinstance(kind, ast.ClassDef)
    assert kind.name == "TwoLayerNN"
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    signatures = {f.name: ast.unparse(f.args) for f in kind.body if isinstance(f, ast.FunctionDef)}
    assert signatures["__init__"].startswith("self, input_size=784, hidden_size=10, output_size=10")
    assert signatures["train"].startswith("self, X, Y, epochs=500, learning_rate=0.1")
    assert signatures["evaluate"] == "self, X, Y"


def has_fashion() -> bool:
    try:
        return tg.data.fashion_mnist() is not None
    except tg.DataError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(  # 13 s of a processor, the others 43 to 155
    "name", [pytest.param(n, marks=() if n == "ref-2" else pytest.mark.long) for n in NOTEBOOKS]
)
@pytest.mark.filterwarnings("ignore")  # of the kernel's client: not this project's
def test_what_is_stored_is_what_a_run_gives(name: str, tmp_path: Path) -> None:
    for needed in ("nbclient", "nbformat", "ipykernel", "matplotlib", "PIL"):
        pytest.importorskip(needed)
    store = loaded("docs/notebooks/store.py")
    notebook = store.run(NOTEBOOKS[name], tmp_path)
    found = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # another BLAS rounds elsewhere, and after some epochs that is no small difference any more
    tolerance = 1e-6 if notebook.metadata["stored_with"] == store.numerics() else 0.3
    for stored, cell in zip(code_cells(name), found, strict=True):
        if "fashion" in "".join(stored["source"]) and has_fashion():
            continue  # the stored run had no files of Fashion-MNIST
        place = f"{name}, {stored['id']}"
        assert order(cell.outputs) == order(stored["outputs"]), place
        given, expected = texts(cell), texts(stored)
        assert NUMBER.sub("#", given) == NUMBER.sub("#", expected), place
        for one, other in zip(NUMBER.findall(given), NUMBER.findall(expected), strict=True):
            a, b = (float(number.replace(",", "")) for number in (one, other))
            # differences of two gradients are noise
            close = math.isclose(a, b, rel_tol=tolerance) or max(abs(a), abs(b)) < 1e-9
            assert close, f"{place}: {one} for {other} in {given!r}"
