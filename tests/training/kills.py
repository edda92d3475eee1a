"""Kill a training with SIGKILL at random moments, go on from its checkpoint, and lose nothing.

python tests/training/kills.py --kills 50

Each process trains a small network, saves after every third step, and is killed after a random
time; the next one goes on. Writing is slowed, so that many kills meet a save. After each kill the
checkpoint must load and be no older than the last save that was reported; in the end weights,
optimiser, generators and history must have the bits of a training that nobody disturbed.
"""

import argparse
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a bare clone too
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tinygrad_np import data, files, nn, optim, save, training
from tinygrad_np.training import Checkpoint, weights

EPOCHS, BATCH, EXAMPLES = 4, 16, 300
EVERY = 3
LONGEST = 0.3  # seconds from the start of a process to a kill at any time
IN_A_SAVE = 0.01  # seconds from the begin of a save to a kill that is meant to meet it
PHASES = ("setting up", "in a step", "in a save", "between save and rename")
ENDED = len(PHASES)


class Shared:
    """What a killed process leaves behind: its phase, and the steps in its last finished save."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 8)  # belongs to the children of a fork too

    def set(self, phase: int, saved: int | None = None) -> None:
        """Say what is being done now."""
        if phase == 2:
            self.memory[2] += 1
        self.memory[0] = phase
        if saved is not None:
            self.memory[1] = saved

    def start(self) -> None:
        """Another process begins."""
        self.memory[0] = self.memory[2] = 0

    def wait_for_saves(self, number: int) -> None:
        """Until the process began so many saves, or ended."""
        while self.memory[2] < number and self.memory[0] != ENDED:
            time.sleep(2e-4)

    def get(self) -> tuple[int, int]:
        """(phase, saved)"""
        return self.memory[0], self.memory[1]


class Slowly:
    """A file that takes its time, and is on its way to the disk meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.calls = 0

    def write(self, content: Any) -> int:
        """All of it, and a rest now and then."""
        written = self.file.write(content)
        self.calls += 1
        if self.calls % 16 == 0:
            self.file.flush()
            time.sleep(1e-4)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def train(folder: Path, seed: int, callbacks: Any = ()) -> None:
    """The training that is killed; the weights that it ends with are in ``weights.npz``."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, EXAMPLES)
    x = (rng.standard_normal((EXAMPLES, 6)) + np.eye(3, 6)[y]).astype(np.float32)
    model = nn.Sequential(
        nn.Linear(6, 16, seed=rng), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2, seed=rng),
        nn.Linear(16, 3, seed=rng),
    )  # fmt: skip

    def noisy(rows: Any, own: np.random.Generator) -> Any:
        return rows + own.standard_normal(rows.shape, dtype=np.float32)

    batches = data.batches(x[60:], y[60:], BATCH, seed=seed, transform=noisy)
    schedule = optim.OneCycle(0.02, EPOCHS * len(batches))
    with np.errstate(under="ignore"):
        training.fit(
            model, batches, optim.Adam(model.parameters(), schedule), epochs=EPOCHS,
            validation=(x[:60], y[:60]), keep_best=True, replay=seed % 2 == 0, callbacks=callbacks,
            checkpoint=folder / "training.npz", checkpoint_every=EVERY, resume=True,
        )  # fmt: skip
    files.remove_leftovers(folder / "weights.npz")  # fit does so for its checkpoint
    save(folder / "weights.npz", model.state_dict())


def steps(history: training.History, tally: Any) -> int:
    """How many steps were done."""
    return sum(len(e.step_losses) for e in history) + (len(tally.losses) if tally else 0)


def child(folder: Path, seed: int, shared: Shared) -> None:
    """Train with slow writes, and tell what is being done."""
    replace, replacing = os.replace, files.replacing

    @contextmanager
    def slow_replacing(path: Path) -> Iterator[Any]:
        shared.set(2)
        with replacing(path) as file:
            yield Slowly(file)
        saved = None
        if path.name == "training.npz":
            found = Checkpoint.load(path)
            saved = steps(found.history, found.tally)
        shared.set(1, saved)

    def slow_replace(source: Any, target: Any) -> None:
        shared.set(3)
        time.sleep(1e-3)
        replace(source, target)
        time.sleep(1e-3)

    class Step:
        def on_step(self, _: training.Progress) -> None:
            shared.set(1)

    setattr(weights, "replacing", slow_replacing)  # noqa: B010 - for type checkers
    os.replace = slow_replace
    train(folder, seed, [Step()])


def run_child(folder: Path, seed: int, shared: Shared, chance: random.Random | None) -> bool:
    """Start a process and kill it at a random moment; whether it was killed."""
    shared.start()
    process = os.fork()
    if not process:
        try:
            child(folder, seed, shared)
        except BaseException as error:
            print(f"a child failed: {type(error).__name__}: {error}", flush=True)
            shared.set(ENDED)
            os._exit(1)
        shared.set(ENDED)
        os._exit(0)
    if chance is not None:
        if chance.random() < 0.5:  # a little after the begin of one of the first saves
            shared.wait_for_saves(chance.randint(1, 4))
            time.sleep(chance.uniform(0, IN_A_SAVE))
        else:  # at any time
            time.sleep(chance.uniform(0, LONGEST))
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert status == 0, f"a child ended with status {status}"
    return False


def check_after_kill(folder: Path, saved: int) -> None:
    """The checkpoint loads and has what the process had saved, or more."""
    path = folder / "training.npz"
    if not path.exists():
        assert saved == 0, f"the checkpoint of step {saved} is gone"
        return
    found = Checkpoint.load(path)
    there = steps(found.history, found.tally)
    assert there >= saved, f"the checkpoint has step {there}, and step {saved} was saved"


def check_finished(folder: Path, expected: Path) -> None:
    """The same bits as those of the training that was not disturbed."""
    for name in ("training.npz", "weights.npz"):
        ours, theirs = weights.load(folder / name), weights.load(expected / name)
        if name == "training.npz":
            for arrays in (ours, theirs):
                arrays["history"][:, 0] = 0  # seconds
        assert list(ours) == list(theirs)
        for entry, values in ours.items():
            assert values.tobytes() == theirs[entry].tobytes(), f"{name}: {entry} differs"
    assert sorted(p.name for p in folder.iterdir()) == ["training.npz", "weights.npz"]


def main(arguments: list[str] | None = None) -> int:
    """Kill as often as asked; each training that finishes before makes place for another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    chance, shared = random.Random(given.seed), Shared()
    met: Counter[int] = Counter()
    trainings = 0
    with tempfile.TemporaryDirectory() as place:
        while sum(met.values()) < given.kills:
            folder, expected = Path(place) / f"{trainings}", Path(place) / f"{trainings}-whole"
            expected.mkdir()
            folder.mkdir()
            train(expected, trainings)
            shared.set(0, saved=0)
            for _ in range(given.kills - sum(met.values())):
                if not run_child(folder, trainings, shared, chance):
                    break
                phase, saved = shared.get()
                met[phase] += 1
                check_after_kill(folder, saved)
            else:
                run_child(folder, trainings, shared, None)
            check_finished(folder, expected)
            trainings += 1
    where = ", ".join(f"{met[phase]} {name}" for phase, name in enumerate(PHASES))
    print(f"kills survived / tried: {sum(met.values())} / {given.kills} ({where})")
    print(f"trainings finished bit for bit: {trainings} / {trainings}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
