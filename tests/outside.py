"""Programs beside the package: files as modules, and processes that get Ctrl-C."""

import importlib.util
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


def loaded(path: str) -> ModuleType:
    """The module in a file, which is named from the project's root."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interrupted(command: Sequence[str], line: str) -> tuple[int, str, str]:
    """Run a program, and press Ctrl-C when it prints a line: its exit code, rest, errors."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for found in process.stdout:
        if found == line + "\n":
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate()
    return process.returncode, rest, errors
