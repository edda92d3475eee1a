"""The doctor at the command line: what is wrong with a recipe's network before it is trained."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from .. import draw, training
from ..data.datasets import Dataset
from .outputs import stem, write, write_picture
from .recipes import Parts, Recipe


def examined(recipe: Recipe, parts: Parts, seed: int = 0) -> training.Diagnosis:
    """The diagnosis of the network that ``run.run`` would train from this seed."""
    weights_seed, _ = np.random.default_rng(seed).spawn(2)
    model = recipe.build(weights_seed)
    return training.diagnose(
        model,
        *parts.train,
        recipe.build_optimiser(model, parts.train),
        loss=recipe.loss,
        batch_size=recipe.batch_size or len(parts.train[0]),
        seed=seed,
    )


def examine(
    jobs: Iterable[tuple[Recipe, str, Dataset]], out: Path, note: Callable[[object], None]
) -> int:
    """Diagnose each recipe on its data, print the findings, write text and pictures.

    The exit code is 0, whatever is found: the findings are the result. Raises what the recipe and
    the files raise.
    """
    for recipe, name, dataset in jobs:
        parts = recipe.parts(dataset)  # refuses images of a wrong size before folders are made
        folder = out / f"{stem(recipe.name, name)}-doctor"
        report = examined(recipe, parts)
        title = f"{recipe.name} on {Path(name).name}"
        print(f"{title}\n{report}", flush=True)
        write(folder / "diagnosis.txt", f"{title}\n{report}\n".encode())
        try:
            figures = draw.diagnosis(report, title)
        except ImportError as missing:
            note(missing)
        else:
            for what, figure in figures.items():
                write_picture(folder / f"{what}.png", figure)
        print(f"this text and pictures: {folder}/")
    return 0
