"""The programs of the cookbook: each step and transform in them as a script, run on its own."""

import contextlib
import functools
import io
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.export.test_to_numpy import RUNNER, training
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.tape import mode
from tinygrad_np.export.numpy_source import Notes, Script, refuse_left
from tinygrad_np.recording.equations import Variable
from tinygrad_np.recording.trace import traced

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("cookbook", "cookbook_networks", "cookbook_parts")
TRANSFORMS = ("replay", "grad", "value_and_grad", "jacobian", "hessian")
OPTIONAL = ("scipy", "torch")


def blocks(page: str) -> dict[str, str]:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    return dict(re.findall(r"^## ([^\n]+)\n.*?```python\n(.*?)```", text, re.DOTALL | re.M))


class Exports:
    """Writes scripts into a folder, and knows what each is to give."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wanted: dict[str, dict[str, Any]] = {}
        self.is_busy = False

    def add(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run the step once as a recording, and keep what there was before and after."""
        self.is_busy = True
        try:
            recording = traced(notes := Notes(), fn, args, backward=True)
        finally:
            self.is_busy = False
        refuse_left("to_numpy", recording)
        script = Script(recording, notes)
        text, wanted = script.text(), {}
        given = {
            script.keys[script._owner(v)]: v.array
            for v in reversed(recording.variables)  # of a Tensor that changes the first
            if v.kind in ("input", "memory", "state", "entry") and script._owner(v) in script.keys
        }
        for equation in recording.equations:
            if equation.kind == "deliver" and equation.operands:
                name = script.keys[equation.options["tensor"]]
                wanted[f"{name}.grad"] = np.array(equation.operands[0].array)
        several = len(recording.returned) > 1
        for i, value in enumerate(recording.returned, 1):
            array = value.array if isinstance(value, Variable) else value
            wanted[f"result {i}" if several else "result"] = np.array(array)
        for tensor, name in script.keys.items():
            if isinstance(tensor, tg.Tensor) and name in script.returned:
                wanted[name] = tensor.numpy()
        number = str(len(self.wanted))
        np.savez(self.folder / f"{number}.npz", **given)
        (self.folder / f"{number}.py").write_text(text, encoding="utf-8")
        self.wanted[number] = wanted

    def watching(self, make: Callable[..., Any], is_step: bool) -> Callable[..., Any]:
        """A transform whose results are exported at their first call from outside."""

        @functools.wraps(make)
        def outer(f: Any, *args: Any, **options: Any) -> Any:
            made, left = make(f, *args, **options), [1]

            @functools.wraps(f)
            def called(*inputs: Any, **words: Any) -> Any:
                is_inside = mode.capture is not None or mode.watch is not None or self.is_busy
                given = [x for x in leaves(list(inputs)) if isinstance(x, tg.Tensor)]
                if left and not is_inside and not any(x.requires_grad for x in given):
                    left.clear()
                    self.add(f if is_step else made, inputs)
                return made(*inputs, **words)

            return called

        return outer

    def fit(self, model: Any, batches: Any, optimiser: Any, *_: Any, **options: Any) -> Any:
        """The step of a training, and one epoch of it."""
        loss = options.get("loss", tg.nn.functional.cross_entropy)
        self.add(training(model, optimiser, loss), next(iter(batches)))
        return FIT(model, batches, optimiser, **{**options, "epochs": 1})


FIT = tg.training.fit


@contextlib.contextmanager
def watched(exports: Exports) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        for name in TRANSFORMS:
            patch.setattr(tg, name, exports.watching(getattr(tg, name), name == "replay"))
        patch.setattr(tg.training, "fit", exports.fit)
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("page", PAGES)
def test_every_step_of_the_cookbook_is_a_script(page: str, tmp_path: Path) -> None:
    exports = Exports(tmp_path)
    for title, text in blocks(page).items():
        for module in OPTIONAL:
            if f"import {module}" in text:
                pytest.importorskip(module)
        (tmp_path / "block.txt").write_text(text, encoding="utf-8")
        before = len(exports.wanted)
        # what follows one epoch is not what the page says, and may fail
        ends = (AssertionError, AttributeError, IndexError, tg.ReplayError)
        with contextlib.chdir(tmp_path), watched(exports), contextlib.suppress(*ends):
            runpy.run_path(str(tmp_path / "block.txt"))
        assert len(exports.wanted) > before, title
    subprocess.run([sys.executable, "-I", "-c", RUNNER, *exports.wanted], cwd=tmp_path, check=True)
    wrong = []
    for number, wanted in exports.wanted.items():
        with np.load(tmp_path / f"{number}-made.npz") as found:
            wrong += [
                (number, name)
                for name, array in wanted.items()
                if found[name].dtype != array.dtype or found[name].tobytes() != array.tobytes()
            ]
    assert wrong == []
