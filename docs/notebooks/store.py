"""Run notebooks and store what they show: ``python docs/notebooks/store.py [NAME ...]``.

Needs the extra ``notebooks``. Each runs in a kernel of its own, in an empty folder, with one thread
for matrix products, on which the last digits depend.
"""

import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from PIL import Image

from tinygrad_np.run.environment import environment

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = 900  # for a cell, on a machine that does other things too


def run(path: Path, folder: Path) -> Any:
    """The notebook after a run in ``folder``."""
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    client.execute(env={**os.environ, **threads})
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("metadata", {}).clear()
            if "image/svg+xml" in output.get("data", {}):
                output["data"].pop("text/html", None)  # the same once more, for the pointer
            if png := output.get("data", {}).get("image/png"):
                output["data"]["image/png"] = smaller(png)
    return notebook


def smaller(png: str) -> str:
    """A picture in base64 with 64 colours, which plots and digits look the same in."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(64)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def numerics() -> dict[str, str]:
    """What the last digits depend on."""
    found = environment()
    return {
        "NumPy": found["NumPy"],
        "BLAS": found["BLAS"].partition(",")[0],
        "processor": found["processor"].partition(",")[0],
    }


def store(path: Path) -> None:
    """Run a notebook and write it with what its cells gave."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = run(path, Path(folder))
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["stored_with"] = numerics()
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb")):
        store(HERE / f"{name}.ipynb")
        print(f"{name}: {(HERE / name).with_suffix('.ipynb').stat().st_size / 1000:.0f} kB")
