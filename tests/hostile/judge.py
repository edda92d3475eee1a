"""What must hold when a file is read that nobody vouches for."""

import os
import signal
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.hostile import corpus, readers
from tinygrad_np.data.files import load_csv, load_idx
from tinygrad_np.errors import DataError
from tinygrad_np.nn.functional import cross_entropy
from tinygrad_np.training import History, Run, load
from tinygrad_np.training.resume import Keeper

SECONDS = 2.0  # of the processor, for one file
MOST_MESSAGE = 1000  # characters after the path, beside names in the file

# What reading may take beyond twice what is declared: pieces of 1 MiB, and Python objects for a
# line of a CSV or a directory of at most 1 MiB.
PIECES = 4 << 20
OBJECTS = 24
LONGEST = 1 << 20


HARMLESS = {"object.__getattr__", "object.__setattr__", "builtins.id", "os.listdir", "os.scandir"}


class Failure(AssertionError):
    """A file was not read as it should be."""


class Format(NamedTuple):
    """How files of a format are read here and there."""

    ending: str
    load: Callable[[Path], dict[str, Any]]
    read: Callable[[bytes], readers.Arrays]
    declares: Callable[[bytes], int]
    is_exact: bool = False  # the second reader refuses just what the first one refuses


def _csv(path: Path) -> dict[str, Any]:
    images, labels = load_csv(path)
    return {"images": images, "labels": labels}


def _checkpoint(path: Path) -> dict[str, Any]:
    """The weights of a training after it was put to where a checkpoint left it."""
    model, batches, optimiser = corpus.training()
    run = Run(model, batches, optimiser, 1, cross_entropy, None, History("train_loss"))
    Keeper(path, run, None, resume=True).resume(keep_best=False)
    return model.state_dict()


def _weights(content: bytes) -> readers.Arrays:
    arrays = readers.npz(content)
    return {n.removeprefix("model/"): a for n, a in arrays.items() if n.startswith("model/")}


FORMATS = {
    "idx": Format(".idx", lambda p: {"": load_idx(p)}, readers.idx, readers.idx_declares, True),
    "csv": Format(".csv", _csv, readers.csv, readers.csv_declares, True),
    "npz": Format(".npz", load, readers.npz, readers.npz_declares),
    "safetensors": Format(".safetensors", load, readers.safetensors, readers.safetensors_declares),
    "checkpoint": Format(".npz", _checkpoint, _weights, readers.npz_declares),
}


class Watch:
    """Notes what the interpreter is asked to do, beyond opening one file to read it."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.path is None or event in HARMLESS:
            return
        if event == "open":
            place, _, flags = arguments
            writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
            if str(place) == self.path and not flags & writing:
                return
        self.seen.append(f"{event}{arguments}"[:200])

    def start(self, path: Path) -> None:
        self.seen.clear()
        self.path = str(path)

    def stop(self) -> None:
        self.path = None


class Judge:
    """Reads files of one format and raises Failure for what may not be."""

    def __init__(self, format: str, folder: Path, kills: bool = False) -> None:
        """In a process of its own (``kills``) a file that takes too long ends the process."""
        self.format = FORMATS[format]
        self.path = folder / f"hostile{self.format.ending}"
        self.kills = kills
        self.watch = Watch()
        self.found = {"data": 0, "refusal": 0}
        self.closeness = 0.0  # the greatest share of the memory allowed
        for file in corpus.files(format)[:3]:  # whatever is imported at the first use
            self.path.write_bytes(file.content)
            self._read()

    def judge(self, content: bytes) -> str | None:
        """The message of the refusal, or None where the content was read."""
        self.path.write_bytes(content)
        tracemalloc.start()
        try:
            outcome, noise = self._read()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        if noise:
            raise Failure(f"warnings: {noise}")
        if self.watch.seen:
            raise Failure(f"the interpreter was asked to do: {self.watch.seen}")
        self._check_memory(content, peak)
        if isinstance(outcome, dict):
            self._check_data(content, outcome)
            self.found["data"] += 1
            return None
        self.found["refusal"] += 1
        return self._check_refusal(content, outcome)

    def _read(self) -> tuple[dict[str, Any] | BaseException, list[str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if self.kills:
                signal.setitimer(signal.ITIMER_PROF, SECONDS)
            self.watch.start(self.path)
            try:
                outcome: dict[str, Any] | BaseException = self.format.load(self.path)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a panic of Rust is no Exception
                outcome = error.with_traceback(None)
            finally:
                self.watch.stop()
                if self.kills:
                    signal.setitimer(signal.ITIMER_PROF, 0)
        return outcome, [str(warning.message) for warning in caught]

    def _check_memory(self, content: bytes, peak: int) -> None:
        declared = max(self.format.declares(content), len(content))
        allowed = 2 * declared + PIECES + OBJECTS * min(declared, LONGEST)
        self.closeness = max(self.closeness, peak / allowed)
        if peak > allowed:
            raise Failure(f"{peak} bytes taken where {declared} are declared")

    def _check_refusal(self, content: bytes, error: BaseException) -> str:
        if type(error) is not DataError:
            raise Failure(f"{type(error).__name__}: {str(error)[:500]!r}")
        text = str(error)
        rest = text.removeprefix(str(self.path))
        if rest == text or not rest.isprintable() or len(rest) > MOST_MESSAGE + len(content):
            raise Failure(f"not a line that names the file: {text[:2000]!r}")
        if self.format.is_exact and self._second(content) is not None:
            raise Failure(f"refused although it is whole: {rest}")
        return rest

    def _check_data(self, content: bytes, arrays: dict[str, Any]) -> None:
        try:
            expected = self.format.read(content)
        except readers.Undecided:
            return
        except readers.Refused:
            raise Failure(f"read although it is damaged: {list(arrays)[:5]}") from None
        found = {
            name: (array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())
            for name, array in arrays.items()
        }
        if found != expected:
            raise Failure(f"read as {str(found)[:500]}, holds {str(expected)[:500]}")

    def _second(self, content: bytes) -> readers.Arrays | None:
        if content[:2] == b"\x1f\x8b" or len(content) >= LONGEST:
            return None  # limits on what is packed and on lines
        try:
            return self.format.read(content)
        except readers.Refused:
            return None
