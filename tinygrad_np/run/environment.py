"""What a run depends on besides its arguments: versions, machine, data."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import numpy as np

from ..threads import blas_threads, thread_count
from ..version import __version__

ROOT = Path(__file__).resolve().parents[2]
OPTIONAL = ("matplotlib", "scikit-learn", "scipy", "threadpoolctl")


def environment() -> dict[str, str]:
    """Names and values for a table; nothing that names the user or the machine."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    threads = blas_threads() or thread_count()
    found = {
        "tinygrad_np": __version__ + (f", commit {commit}" if (commit := _commit()) else ""),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "NumPy": np.__version__,
        "BLAS": f"{blas['name']} {blas['version']}, {threads} thread{'s' * (threads != 1)}",
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "system": platform.platform(),
    }
    found |= {name: _version(name) for name in OPTIONAL}
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """The model's name where Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def _commit() -> str:
    """The commit of a checkout; "" where there is none, or no Git to ask."""
    command = ["git", "-C", str(ROOT), "--git-dir=.git", "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
