"""What ``mpirun`` starts in the tests: trainings of several processes, and what went wrong."""

import json
import os
import sys
from typing import Any

import numpy as np

import tinygrad_np as tg
from tinygrad_np import data
from tinygrad_np.run.recipes import RECIPES


def train(recipe_name: str, group: Any, dtype: Any, epochs: int = 1, **options: Any) -> Any:
    """The weights after some steps of a recipe on random pictures, without dropout."""
    recipe = RECIPES[recipe_name]
    rng = np.random.default_rng(0)
    x, y = rng.random((47, 784)).astype(dtype), rng.integers(0, 10, 47)
    model = recipe.build(0, dtype)
    for _, module in model.named_modules():
        if isinstance(module, tg.nn.Dropout):
            module.p = 0.0
    batches = data.batches(x, y, batch_size=20, seed=1)
    optimiser = tg.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    tg.training.fit(model, batches, optimiser, epochs=epochs, group=group, **options)
    return model.state_dict()


def equality(out: str) -> None:
    """Recipes of all kinds, in both dtypes, beside one process, and a second time."""
    group, found = tg.parallel.Group(), {}
    for name in ("default", "cnn", "quick"):
        for dtype in (np.float32, np.float64):
            ours, alone = train(name, group, dtype), train(name, None, dtype)
            far = max(float(np.abs(ours[n].astype(float) - alone[n]).max()) for n in ours)
            found[f"{name} {np.dtype(dtype).name}"] = group.sum(far)[0] / group.size
            again = train(name, group, dtype)
            assert all(np.array_equal(again[n], ours[n]) for n in ours)
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


def killed(checkpoint: str, die: str) -> None:
    """Trains with a checkpoint; with ``die`` rank 1 is killed in the fourth epoch.

    Without, what went on from there is compared with a training in one piece.
    """

    class Dies:
        def on_step(self, now: Any) -> None:
            if die == "yes" and group.rank == 1 and now.epoch == 4 and now.step == 2:
                os.kill(os.getpid(), 9)

    with tg.parallel.Group() as group:
        options = {"checkpoint": checkpoint, "checkpoint_every": 2, "resume": True}
        weights = train("default", group, np.float32, 6, callbacks=[Dies()], **options)
        if die == "no":
            whole = train("default", group, np.float32, 6)
            assert all(np.array_equal(weights[n], whole[n]) for n in whole)


if __name__ == "__main__":
    {"equality": equality, "raises": raises, "killed": killed}[sys.argv[1]](*sys.argv[2:])
