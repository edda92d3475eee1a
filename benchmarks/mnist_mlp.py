"""The main job: train a recipe on MNIST, and print its accuracy beside the reported one.

python benchmarks/mnist_mlp.py                    the default recipe on the embedded MNIST
python benchmarks/mnist_mlp.py --recipe all       the five reference projects
"""

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too
if __name__ == "__main__":
    # Two threads on two free cores save a quarter of the time, but wait for each other where
    # another process has one of the cores: 80 ms a step instead of 0.9. One thread also gives the
    # same weights on machines with other numbers of cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from models.command_line import Arguments, guarded, make_folder
from models.recipes import DEFAULT, RECIPES, REFERENCES, Recipe
from models.run import Result, run
from tinygrad_np import DataError, data, draw, training
from tinygrad_np.data.datasets import Dataset
from tinygrad_np.data.files import replacing
from tinygrad_np.training.history import Epoch, Progress


def notes() -> Callable[[object], None]:
    """What prints a remark on stderr, each one once."""
    said: set[str] = set()

    def note(remark: object) -> None:
        if (text := str(remark)) not in said:
            said.add(text)
            print(text, file=sys.stderr)

    return note


class Bar:
    """Progress: a bar on a terminal where tqdm is installed, else lines; nothing if quiet."""

    def __init__(
        self, title: str, images: int, epochs: int, quiet: bool, note: Callable[[object], None]
    ) -> None:
        self.quiet = quiet
        self.seen = 0
        self.shown = 0.0
        self.epochs = epochs
        self.bar: Any = None
        if quiet:
            return
        try:
            from tqdm import tqdm
        except ImportError:
            note("for a progress bar: pip install tqdm (or 'tinygrad_np[progress]').")
        else:
            if sys.stderr.isatty():
                self.bar = tqdm(total=images * epochs, desc=title, unit=" images", unit_scale=True)
                return
        print(title)

    def on_step(self, now: Progress) -> None:
        """One batch is done."""
        self.seen += now.images
        if self.bar is None or time.perf_counter() - self.shown < 0.1:
            return
        self.shown = time.perf_counter()
        self.bar.update(self.seen - self.bar.n)
        accuracy = "" if now.accuracy != now.accuracy else f", accuracy {100 * now.accuracy:.1f} %"
        self.bar.set_postfix_str(f"epoch {now.epoch}, loss {now.loss:.3f}{accuracy}")

    def on_epoch(self, done: Epoch) -> None:
        """One epoch is done."""
        often = max(self.epochs // 20, 1)
        if self.quiet or self.bar is not None or done.epoch % often:
            return
        rate = self.seen / done.epoch / max(done.seconds, 1e-9)
        print(
            f"  epoch {done.epoch:3d}  loss {done.train_loss:.4f}  accuracy "
            f"{100 * done.train_accuracy:.2f} %  validation "
            f"{100 * (done.validation_accuracy or 0):.2f} %  {rate:,.0f} images/s",
            flush=True,
        )

    def close(self) -> None:
        """The run is over."""
        if self.bar is not None:
            self.bar.update(self.seen - self.bar.n)
            self.bar.close()


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
    parser.add_argument("--seeds", type=int, default=1, help="train with seeds 0 … N-1")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where results go")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--by-hand", action="store_true", help="pencil-and-paper gradients")
    parser.add_argument("--eager", action="store_true", help="run every step as Python, no replay")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    given = parser.parse_args(arguments)
    if given.recipe != "all" and given.recipe not in RECIPES:
        raise DataError(f"there is no recipe {given.recipe!r}; known: {', '.join(RECIPES)}, all.")
    for name in ("epochs", "seeds"):
        if (value := getattr(given, name)) is not None and value < 1:
            raise DataError(f"--{name} {value}: at least 1 is needed.")
    if given.json is not None and given.json.is_dir():
        raise DataError(f"--json {given.json}: that is a folder; name a file.")
    return given


def jobs(
    given: argparse.Namespace, note: Callable[[object], None]
) -> list[tuple[Recipe, str, Dataset]]:
    """The recipes to train and the data set for each."""
    names = REFERENCES if given.recipe == "all" else (given.recipe,)
    if given.dataset is not None:
        dataset = data.load_dataset(given.dataset)
        if not all(len(labels) for _, labels in dataset):
            raise DataError(f"{given.dataset}: a part without images; give some to both parts.")
        return [(RECIPES[name], given.dataset, dataset) for name in names]
    mnist = data.mnist()
    wanted = [(RECIPES[name], "mnist", mnist) for name in names]
    if given.recipe == "all":
        try:
            fashion = data.fashion_mnist()
        except DataError as missing:
            note(f"ref-2 on Fashion-MNIST is left out: {missing}")
        else:
            place = [recipe.name for recipe, _, _ in wanted].index("ref-2") + 1
            wanted.insert(place, (RECIPES["ref-2"], "fashion", fashion))
    return wanted


def write_outputs(result: Result, out: Path, note: Callable[[object], None]) -> None:
    """Weights, pictures and the graph of one run."""
    folder = out / f"{result.recipe.name}-{Path(result.dataset).stem}-seed{result.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    training.save(folder / "weights.npz", result.model.state_dict())
    title = f"{result.recipe.name} on {Path(result.dataset).name}, seed {result.seed}"
    images, labels = result.test
    guesses = result.test_logits.argmax(axis=1)
    try:
        for name, figure in (
            ("curves", draw.curves(result.history, title)),
            ("predictions", draw.predictions(images, labels, result.test_logits, title=title)),
            ("confusion", draw.confusion(training.confusion(guesses, labels, 10), title=title)),
        ):
            with replacing(folder / f"{name}.png") as file:
                figure.savefig(file, format="png", dpi=120)
    except ImportError as missing:
        note(missing)
    example = data.normalise(images[:1]).reshape(1, -1)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        draw.save(draw.graph(result.model, example), folder / "graph.svg")
    for warning in given:
        note(warning.message)


def table(results: Iterable[list[Result]]) -> str:
    """One line for each recipe and data set: mean (± standard deviation) over the seeds."""
    head = (
        f"{'recipe':<9}{'data':<9}{'network':<22}{'epochs':>6}{'seconds':>9}"
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
            f"{first.recipe.name:<9}{Path(first.dataset).name:<9.8}{network:<22}{first.epochs:>6}"
            f"{statistics.mean(r.train_seconds for r in group):>9.2f}"
            f"{spread([r.train_accuracy for r in group]):>15}"
            f"{spread([r.validation_accuracy for r in group]):>15}"
            f"{spread([r.test_accuracy for r in group]):>15}{reported:>26}"
        )
    return "\n".join(lines)


def spread(shares: list[float]) -> str:
    """Mean and, for several seeds, sample standard deviation, in percent."""
    mean = f"{100 * statistics.mean(shares):.2f}"
    return mean if len(shares) == 1 else f"{mean} ± {100 * statistics.stdev(shares):.2f}"


def train(given: argparse.Namespace) -> int:
    """Train what the command line asks for, write the files, print the table.

    Ctrl-C leaves the files and the table of what was reached; the exit code is then 130.
    """
    note = notes()
    groups: list[list[Result]] = []
    for recipe, name, dataset in jobs(given, note):
        parts = recipe.parts(dataset)  # refuses images of a wrong size before folders are made
        make_folder("--out", given.out)
        if given.json is not None:
            make_folder("--json", given.json.parent)
        epochs = given.epochs or recipe.epochs
        groups.append([])
        for seed in range(given.seeds):
            title = f"{recipe.name} on {Path(name).name}, seed {seed}"
            bar = Bar(title, len(parts.train[0]), epochs, given.quiet, note)
            try:
                result = run(
                    recipe, name, dataset, parts, seed=seed, epochs=epochs, hand=given.by_hand,
                    replay=not given.eager, callbacks=[bar],
                )  # fmt: skip
            finally:
                bar.close()
            write_outputs(result, given.out, note)
            groups[-1].append(result)
            if result.history.stopped == "interrupted":
                note(f"interrupted in epoch {len(result.history)} of {epochs}.")
                report(groups, given)
                return 130
    report(groups, given)
    return 0


def report(groups: list[list[Result]], given: argparse.Namespace) -> None:
    """Print the table and write the figures."""
    print(table(groups))
    print(f"weights, pictures and graphs: {given.out}/")
    if given.json is not None:
        objects = [result.as_json() for group in groups for result in group]
        with replacing(given.json) as file:
            file.write(json.dumps(objects, indent=1, allow_nan=False).encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("mnist_mlp.py", lambda: train(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
