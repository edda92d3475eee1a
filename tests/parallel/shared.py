"""What ``mpirun`` starts in the tests: trainings of several processes, and what went wrong."""

import json
import os
import signal
import sys
from typing import Any

import numpy as np

import tinygrad_np as tg
from tinygrad_np import data
from tinygrad_np.run.recipes import RECIPES
from tinygrad_np.run.run import weights_sha256


def train(
    recipe_name: str, group: Any, dtype: Any, epochs: int = 1, dropout: float = 0.0, **options: Any
) -> Any:
    """The weights after some steps of a recipe on random pictures; the last batch has 7 rows."""
    recipe = RECIPES[recipe_name]
    rng = np.random.default_rng(0)
    x, y = rng.random((47, 784)).astype(dtype), rng.integers(0, 10, 47)
    model = recipe.build(0, dtype)
    for _, module in model.named_modules():
        if isinstance(module, tg.nn.Dropout):
            module.p = dropout
    batches = data.batches(x, y, batch_size=20, seed=1)
    optimiser = tg.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    tg.training.fit(model, batches, optimiser, epochs=epochs, group=group, **options)
    return model.state_dict()


def equality(out: str) -> None:
    """Recipes of all kinds, in both dtypes, beside one process; what was trained in ``out``.

    "dropout" draws other numbers in each process, but the same in every run.
    """
    group, found = tg.parallel.Group(), {}
    for name in ("default", "cnn", "quick"):
        for dtype in (np.float32, np.float64):
            ours, alone = train(name, group, dtype), train(name, None, dtype)
            far = max(float(np.abs(ours[n].astype(float) - alone[n]).max()) for n in ours)
            far = group.sum(far)[0] / group.size
            found[f"{name} {np.dtype(dtype).name}"] = far, weights_sha256(ours)
    drawn = train("dropout", group, np.float32, dropout=0.5)
    found["dropout"] = 0.0, weights_sha256(drawn)
    group.check(found)
    if group.rank == 0:
        with open(out, "w", encoding="utf-8") as file:
            json.dump(found, file)


def raises() -> None:
    """Rank 1 raises in the middle of a training."""

    class Fails:
        def on_step(self, now: Any) -> None:
            if group.rank == 1 and now.step == 2:
                raise ValueError("no more")

    with tg.parallel.Group() as group:
        train("default", group, np.float32, callbacks=[Fails()])


def spoils() -> None:
    """Rank 1 changes a weight in the middle of a training."""

    class Spoils:
        def on_start(self, run: Any) -> None:
            self.model = run.model

        def on_step(self, now: Any) -> None:
            if group.rank == 1 and now.step == 2:
                with tg.no_grad():
                    self.model.parameters()[2][0] = 7.0

    with tg.parallel.Group() as group:
        train("default", group, np.float32, callbacks=[Spoils()])


def killed(checkpoint: str, number: str) -> None:
    """Trains with a checkpoint; the last rank gets the signal in the fourth epoch, "0" for none.

    The signal "parent" is one that ``mpirun`` gets, as from Ctrl-C. Without a signal, what went on
    from the checkpoint is compared with a training in one piece: bit for bit where as many
    processes began it.
    """

    class Dies:
        def on_step(self, now: Any) -> None:
            if number != "0" and group.rank == group.size - 1 and now.epoch == 4 and now.step == 2:
                is_parents = number == "parent"
                target = os.getppid() if is_parents else os.getpid()
                os.kill(target, signal.SIGINT if is_parents else int(number))

    with tg.parallel.Group() as group:
        options = {"checkpoint": checkpoint, "checkpoint_every": 2, "resume": True}
        weights = train("default", group, np.float32, 6, callbacks=[Dies()], **options)
        if number == "0":
            whole = train("default", group, np.float32, 6)
            far = max(float(np.abs(weights[n] - whole[n]).max()) for n in whole)
            print(f"rank {group.rank}: {far}")


if __name__ == "__main__":
    tasks = {"equality": equality, "raises": raises, "spoils": spoils, "killed": killed}
    tasks[sys.argv[1]](*sys.argv[2:])
