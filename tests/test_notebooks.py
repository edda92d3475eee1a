"""The notebooks run from a clean kernel, with fewer epochs, and reach the accuracies of that."""

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb"))}
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
SECONDS = 300  # for a cell, on a machine that does other things too

# What the last cell prints at least, in percent, with the parameters for a quick run.
FLOORS = {
    "ref-0": {"train": 75, "validation": 75, "test": 75},
    "ref-1": {"train": 70, "validation": 70},
    "ref-2": {"MNIST test": 95},
    "ref-3": {"validation": 85, "test": 85},
    "ref-4": {"validation": 95, "test": 95},
}


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))["cells"]  # type: ignore[no-any-return]


def test_there_is_one_for_each_reference_project() -> None:
    assert set(NOTEBOOKS) == set(FLOORS)


@every_notebook
def test_no_outputs_are_stored_and_every_cell_has_its_name(name: str) -> None:
    found = cells(name)
    assert [cell["id"] for cell in found] == [f"cell-{n:02d}" for n in range(1, len(found) + 1)]
    code = [cell for cell in found if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@every_notebook
def test_quick_parameters_are_those_that_the_notebook_has(name: str) -> None:
    [cell] = [cell for cell in cells(name) if "quick" in cell["metadata"]]
    assert cell["metadata"]["tags"] == ["parameters"]
    assigned = re.findall(r"^(\w+) = ", "".join(cell["source"]), re.MULTILINE)
    assert set(cell["metadata"]["quick"]) <= set(assigned)


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


def execute(name: str, folder: Path, quick: bool = True) -> Any:
    """The notebook after a run in ``folder``, by a kernel of its own."""
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    for cell in notebook.cells:
        for parameter, value in cell.metadata.get("quick", {}).items() if quick else ():
            pattern = rf"^{parameter} = .*$"
            cell.source = re.sub(pattern, f"{parameter} = {value!r}", cell.source, flags=re.M)
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}
    )
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    client.execute(env={**os.environ, **threads})
    return notebook


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.mark.slow
@every_notebook
@pytest.mark.filterwarnings("ignore")  # of the kernel's client: not this project's
def test_runs_from_a_clean_kernel(name: str, tmp_path: Path) -> None:
    for needed in ("nbclient", "nbformat", "ipykernel", "matplotlib"):
        pytest.importorskip(needed)
    notebook = execute(name, tmp_path)
    *others, last = [cell for cell in notebook.cells if cell.cell_type == "code"]
    pictures = [o for cell in others for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 4  # samples, curves, predictions, confusion
    for cell in others:
        complaints = [o.text for o in cell.outputs if o.get("name") == "stderr"]
        assert not complaints
    reached = {
        label: float(x) for label, x in re.findall(r"^(.+?) ([\d.]+) %", printed(last), re.M)
    }
    for label, floor in FLOORS[name].items():
        assert reached[label] >= floor, printed(last)
