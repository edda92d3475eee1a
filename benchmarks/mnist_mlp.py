"""The main job: train a recipe on MNIST, and print its accuracy beside the reported one.

python benchmarks/mnist_mlp.py                    the default recipe on the embedded MNIST
python benchmarks/mnist_mlp.py --recipe all       the five reference projects
python benchmarks/mnist_mlp.py --seed 3           one run with another seed; --seeds 5: five runs
python benchmarks/mnist_mlp.py --resume           go on with a run that was interrupted
python benchmarks/mnist_mlp.py --doctor           why a network would not learn, before training
"""

import argparse
import os
import shlex
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too
if __name__ == "__main__":
    # Two threads on two free cores save a quarter of the time, but wait for each other where
    # another process has one of the cores: 80 ms a step instead of 0.9. One thread also gives the
    # same weights on machines with other numbers of cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from models.command_line import Arguments, guarded, make_folder
from models.doctor import examine
from models.outputs import run_name, write_json
from models.progress import Bar
from models.recipes import DEFAULT, RECIPES, REFERENCES, Recipe
from models.report import spread, write_group, write_run
from models.run import Result, run
from tinygrad_np import DataError, data
from tinygrad_np.data.datasets import Dataset

PROBE = 500  # training images for the histograms of activations and gradients


def notes() -> Callable[[object], None]:
    """What prints a remark on stderr, each one once."""
    said: set[str] = set()

    def note(remark: object) -> None:
        if (text := str(remark)) not in said:
            said.add(text)
            print(text, file=sys.stderr)

    return note


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--recipe", default=DEFAULT, help=f"one of {', '.join(RECIPES)}, or all (the references)"
    )
    parser.add_argument(
        "--dataset", help="mnist, fashion, a folder of four IDX files, or a Kaggle CSV file"
    )
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--seed", type=int, default=0, help="train with this seed (default 0)")
    parser.add_argument("--seeds", type=int, default=1, help="train with N seeds, from --seed on")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where results go")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument(
        "--resume", action="store_true", help="go on with what was interrupted under --out"
    )
    parser.add_argument("--by-hand", action="store_true", help="pencil-and-paper gradients")
    parser.add_argument("--eager", action="store_true", help="run every step as Python, no replay")
    parser.add_argument("--doctor", action="store_true", help="diagnose instead of training")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    given = parser.parse_args(arguments)
    if given.recipe != "all" and given.recipe not in RECIPES:
        raise DataError(f"there is no recipe {given.recipe!r}; known: {', '.join(RECIPES)}, all.")
    for name in ("epochs", "seeds"):
        if (value := getattr(given, name)) is not None and value < 1:
            raise DataError(f"--{name} {value}: at least 1 is needed.")
    if given.seed < 0:
        raise DataError(f"--seed {given.seed}: seeds start at 0.")
    if given.doctor and (given.json is not None or given.by_hand):
        raise DataError("--doctor trains nothing; leave out --json and --by-hand.")
    if given.resume and (given.doctor or given.by_hand):
        raise DataError("--resume needs checkpoints; leave out --doctor and --by-hand.")
    if given.json is not None and given.json.is_dir():
        raise DataError(f"--json {given.json}: that is a folder; name a file.")
    return given


def jobs(
    given: argparse.Namespace, note: Callable[[object], None]
) -> list[tuple[Recipe, str, Dataset]]:
    """The recipes to train and the data set for each."""
    names = REFERENCES if given.recipe == "all" else (given.recipe,)
    place = RECIPES[names[0]].dataset if given.dataset is None else given.dataset
    dataset = data.mnist() if place == "mnist" else data.load_dataset(place)
    if not all(len(labels) for _, labels in dataset):
        raise DataError(f"{place}: a part without images; give some to both parts.")
    wanted = [(RECIPES[name], place, dataset) for name in names]
    if given.dataset is not None:
        return wanted
    if given.recipe == "all":
        try:
            fashion = data.fashion_mnist()
        except DataError as missing:
            note(f"ref-2 on Fashion-MNIST is left out: {missing}")
        else:
            behind = [recipe.name for recipe, _, _ in wanted].index("ref-2") + 1
            wanted.insert(behind, (RECIPES["ref-2"], "fashion", fashion))
    return wanted


def table(results: Iterable[list[Result]]) -> str:
    """One line for each recipe and data set: mean (± standard deviation) over the seeds."""
    results = list(results)
    wide = max(9, *(len(group[0].recipe.name) + 2 for group in results))
    head = (
        f"{'recipe':<{wide}}{'data':<9}{'network':<22}{'epochs':>6}{'seconds':>9}"
        f"{'train %':>15}{'validation %':>15}{'test %':>15}{'reported %':>26}"
    )
    lines = [head, "-" * len(head)]
    for group in results:
        first = group[0]
        network = "-".join(map(str, first.recipe.sizes))
        reported = "none"
        if first.reported is not None:
            verdict = "reached" if min(r.judged for r in group) >= first.reported else "MISSED"
            reported = f"{100 * first.reported:.2f} {first.recipe.judged_on} {verdict}"
        lines.append(
            f"{first.recipe.name:<{wide}}{Path(first.dataset).name:<9.8}{network:<22}{first.epochs:>6}"
            f"{statistics.mean(r.train_seconds for r in group):>9.2f}"
            f"{spread([r.train_accuracy for r in group]):>15}"
            f"{spread([r.validation_accuracy for r in group]):>15}"
            f"{spread([r.test_accuracy for r in group]):>15}{reported:>26}"
        )
    return "\n".join(lines)


def command(given: argparse.Namespace, recipe: Recipe, name: str, seed: int, seeds: int = 1) -> str:
    """What repeats one run, or the runs of several seeds."""
    epochs = given.epochs or recipe.epochs
    words: list[object] = ["python", "benchmarks/mnist_mlp.py", "--recipe", recipe.name]
    words += ["--dataset", name, "--epochs", epochs, "--seed", seed]
    words += ["--seeds", seeds] if seeds > 1 else []
    words += [
        f"--{word}" for word in ("by-hand", "eager") if getattr(given, word.replace("-", "_"))
    ]
    return shlex.join(map(str, words))


def train(given: argparse.Namespace) -> int:
    """Train what the command line asks for, write the files, print the table.

    Ctrl-C leaves the files and the table of what was reached, and checkpoints from which
    ``--resume`` goes on; the exit code is then 130.
    """
    note = notes()
    if given.doctor:
        return examine(jobs(given, note), given.out, given.epochs, note)
    groups: list[list[Result]] = []
    checkpoints: list[Path] = []
    for recipe, name, dataset in jobs(given, note):
        parts = recipe.parts(dataset)  # refuses images of a wrong size before folders are made
        make_folder("--out", given.out)
        if given.json is not None:
            make_folder("--json", given.json.parent)
        epochs = given.epochs or recipe.epochs
        groups.append([])
        for seed in range(given.seed, given.seed + given.seeds):
            title = f"{recipe.name} on {Path(name).name}, seed {seed}"
            if not given.by_hand:
                folder = given.out / run_name(recipe.name, name, seed)
                checkpoints.append(folder / "checkpoint.npz")
            bar = Bar(title, len(parts.train[0]), epochs, given.quiet, note)
            try:
                result = run(
                    recipe, name, dataset, parts, seed=seed, epochs=epochs, hand=given.by_hand,
                    replay=not given.eager, callbacks=[bar], probe=PROBE,
                    checkpoint=None if given.by_hand else checkpoints[-1], resume=given.resume,
                )  # fmt: skip
            finally:
                bar.close()
            again = command(given, recipe, name, seed)
            write_run(result, dataset, parts, given.out, again, note)
            groups[-1].append(result)
            if result.history.stopped == "interrupted":
                break
        if len(groups[-1]) > 1:
            again = command(given, recipe, name, given.seed, given.seeds)
            write_group(groups[-1], dataset, parts, given.out, again, note)
        if result.history.stopped == "interrupted":
            further = "" if given.by_hand else "; --resume goes on from there"
            note(f"interrupted in epoch {len(result.history)} of {epochs}{further}.")
            report(groups, given)
            return 130
    report(groups, given)
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)
    return 0


def report(groups: list[list[Result]], given: argparse.Namespace) -> None:
    """Print the table and write the figures."""
    print(table(groups))
    print(f"weights, pictures and reports: {given.out}/")
    if given.json is not None:
        objects = [result.as_json() for group in groups for result in group]
        write_json(given.json, objects)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("mnist_mlp.py", lambda: train(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
