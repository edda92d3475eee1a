"""A worker as the program sees it that started it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

THREADS = 2
WORKER = "benchmarks.contenders.worker"
ROOT = Path(__file__).resolve().parents[2]


class RefusedError(Exception):
    """Raised for a request that a worker could not do; ``reason`` is the key of its answer.

    "missing": a library is not installed; "cannot": the library has no means for the task;
    "failed": an error, or the end of the process.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def environment(blas_threads: int, threads: int = THREADS) -> dict[str, str]:
    """The same number of threads for all libraries, and the CPU for those that know others.

    ``threads`` is for XLA, which asks how many processors there are.

    How long a thread spins before it sleeps is left as each library has it; turns are so far apart
    that all sleep (``step_time.PAUSE``).
    """
    limits = dict.fromkeys(
        ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(blas_threads)
    )
    cpu = {"NPROC": str(threads), "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    return {**os.environ, **limits, **cpu, "KERAS_BACKEND": "jax"}


class Process:
    """A fresh interpreter that waits for requests; to be used in a ``with`` statement."""

    def __init__(
        self, blas_threads: int = THREADS, module: str = WORKER, threads: int = THREADS
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, __exit__ closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment(blas_threads, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the program, which then ends its workers
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """End it now; nothing happens if it has ended."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._errors.close()

    def ask(self, do: str, **request: Any) -> Any:
        """The answer to a request. Raises RefusedError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer = json.loads(line)
        for reason in ("missing", "cannot", "failed"):
            if reason in answer:
                raise RefusedError(reason, answer[reason])
        return answer

    def _ended(self) -> RefusedError:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "no message")
        return RefusedError("failed", f"the process ended with code {code}: {last}")
