"""The main job: train a recipe on MNIST, and print its accuracy beside the reported one."""

import argparse
import functools
import math
import re
import shlex
import statistics
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..data.datasets import Dataset
from ..errors import DataError, DataWarning
from ..parallel import Group
from ..recording.text import aligned
from .command_line import Arguments, at_least, guarded, new_file, new_folder, not_an_input
from .doctor import examine
from .outputs import run_name, write_json
from .progress import Drawing, progress
from .recipes import DEFAULT, RECIPES, REFERENCES, Recipe, with_rate
from .report import accuracies, spread, write_group, write_run
from .run import FINISHED, Result, Trainer, keep, kept, run, vacant

PROBE = 500  # training images for the histograms of activations and gradients
PROGRAM = "python -m tinygrad_np train"
DESCRIPTION = """Train a recipe on MNIST, and print its accuracy beside the reported one.

{program}                    the default recipe on the embedded MNIST
{program} --data PATH        on data of your own, see --help
{program} --recipe all       one after the other, from {first} to {last}
{program} --seed 3           one run with another seed; --seeds 5: five runs
{program} --resume           continue a run that was interrupted
{program} --doctor           why a network would not learn, before training
"""


def notes() -> Callable[[object], None]:
    """What prints a remark on stderr, each one once."""
    said: set[str] = set()

    def note(remark: object) -> None:
        if (text := str(remark)) not in said:
            said.add(text)
            print(text, file=sys.stderr)

    return note


def parse(
    arguments: Sequence[str] | None,
    program: str = PROGRAM,
    by_hand: Trainer | None = None,
    together: Sequence[str] = REFERENCES,
    default: str = DEFAULT,
) -> argparse.Namespace:
    """``by_hand`` trains so, if there is that option; "all" stands for the recipes ``together``."""
    usual = RECIPES[default]
    ends = {"first": together[0], "last": together[-1]}
    parser = Arguments(program, description=DESCRIPTION.format(program=program, **ends))
    parser.set_defaults(program=program, by_hand=None, together=together)
    parser.add_argument(
        "--recipe", default=default,
        help=f"one of {', '.join(RECIPES)}, or all: {', '.join(together)} (default {default})",
    )  # fmt: skip
    parser.add_argument(
        "--data", "--dataset", dest="dataset", metavar="DATA",
        help="mnist, fashion, or a path: IDX, CSV, npz, mat, Parquet, or a folder of "
        "those or of pictures for each class (default: the recipe's, mostly mnist)",
    )  # fmt: skip
    parser.add_argument("--label", help="the column of labels in a table: its name or its place")
    parser.add_argument("--classes", type=int, help="how many (default: as the labels say)")
    parser.add_argument("--side", type=int, help="pixels to make pictures of a folder square with")
    parser.add_argument(
        "--sizes", type=_sizes, metavar="N,…",
        help="widths of the hidden layers (default: the recipe's)",
    )  # fmt: skip
    parser.add_argument(
        "--lr", type=float, help="learning rate, the largest of the cycle (default: the recipe's)"
    )
    parser.add_argument(
        "--batch", type=int,
        help=f"pictures in a batch (default: the recipe's; of {default} {usual.batch_size})",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=int, help=f"default: the recipe's; of {default} {usual.epochs}"
    )
    parser.add_argument("--seed", type=int, default=0, help="train with this seed (default 0)")
    parser.add_argument("--seeds", type=int, default=1, help="train with N seeds (default 1)")
    parser.add_argument(
        "--out",
        type=new_folder,
        default="runs",
        help="where results go (default runs): each run in a folder of its name, with a number "
        "after it where a run of other data or settings has finished",
    )
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    parser.add_argument(
        "--resume", action="store_true", help="continue what was interrupted under --out"
    )
    if by_hand is not None:
        parser.add_argument(
            "--by-hand", action="store_const", const=by_hand, help="pencil-and-paper gradients"
        )
    parser.add_argument(
        "--mpi", action="store_true", help="share each batch with the processes mpirun started"
    )
    parser.add_argument("--eager", action="store_true", help="run every step as Python, no replay")
    parser.add_argument("--doctor", action="store_true", help="diagnose instead of training")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    given = parser.parse_args(arguments)
    if given.recipe != "all" and given.recipe not in RECIPES:
        raise DataError(f"there is no recipe {given.recipe!r}; known: {', '.join(RECIPES)}, all.")
    at_least(given, epochs=1, seeds=1, seed=0, classes=2, side=1, batch=1)
    if given.lr is not None and not 0 < given.lr < math.inf:
        raise DataError(f"--lr {given.lr}: a number above 0 is needed.")
    every = given.recipe == "all"
    for is_given, reason, others in (
        (every, "--recipe all trains recipes as they are", ("sizes", "lr", "batch")),
        (given.doctor, "--doctor trains nothing", ("by-hand", "json")),
        (given.resume, "--resume needs checkpoints", ("by-hand", "doctor")),
        (given.mpi, "--mpi shares the steps of a training", ("by-hand", "doctor")),
    ):
        if is_given and (wrong := _given(given, *others)):
            raise DataError(f"{reason}; leave out {wrong}.")
    not_an_input("--json", given.json, [Path(given.dataset or "")])
    if given.json in (given.out, *given.out.parents):
        raise DataError(f"--json {given.json}: --out makes that a folder; name another file.")
    return given


def _given(given: argparse.Namespace, *options: str) -> str:
    """Which of the options the command line has."""
    has = (o for o in options if getattr(given, o.replace("-", "_")) not in (None, False))
    return " and ".join(f"--{option}" for option in has)


def jobs(
    given: argparse.Namespace, note: Callable[[object], None]
) -> list[tuple[Recipe, str, Dataset]]:
    """The recipes to train and the data set for each."""
    every = given.recipe == "all"
    recipes = [RECIPES[name] for name in (given.together if every else (given.recipe,))]
    pairs = [(recipe, place) for recipe in recipes for place in _places(given, recipe)]
    loaded: dict[str, Dataset] = {}
    for place in dict.fromkeys(place for _, place in pairs):
        try:
            loaded[place] = _loaded(given, place, note)
        except DataError as missing:
            if not every or given.dataset is not None or place != "fashion":
                raise
            names = ", ".join(recipe.name for recipe, other in pairs if other == place)
            note(f"{names} on Fashion-MNIST is left out: {missing}")
    return [
        (_changed(given, recipe, loaded[place]), place, loaded[place])
        for recipe, place in pairs if place in loaded
    ]  # fmt: skip


def _places(given: argparse.Namespace, recipe: Recipe) -> tuple[str, ...]:
    """What to train a recipe on: in a row of all, also on what else the project reports."""
    if given.dataset is not None:
        return (given.dataset,)
    others = dict(recipe.reported) if given.recipe == "all" else ()
    return tuple(dict.fromkeys((recipe.dataset, *others)))


def _loaded(given: argparse.Namespace, place: str, note: Callable[[object], None]) -> Dataset:
    """The data set at a place, with labels and images; what was changed in it is noted."""
    if place in ("mnist", "fashion") and (wrong := _given(given, "label", "classes", "side")):
        raise DataError(f"{wrong}: only for your own data; give --data PATH, or leave it out.")
    dataset = data.mnist() if place == "mnist" else _read(given, place, note)
    if any(labels is None for _, labels in dataset):
        raise DataError(
            f"{place}: found no labels, expected one for each picture; name the column of labels "
            "with --label, or use `predict` for pictures without."
        )
    if not all(len(labels) for _, labels in dataset):
        raise DataError(f"{place}: a part without images; give some to both parts.")
    return dataset


def _read(given: argparse.Namespace, place: str, note: Callable[[object], None]) -> Dataset:
    label = given.label
    if label is not None and label.lstrip("-").isdigit():
        label = int(label)
    size = None if given.side is None else (given.side, given.side)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DataWarning)
        try:
            dataset = data.load(place, label=label, classes=given.classes, size=size)
        except DataError as error:
            raise DataError(_with_options(str(error), place)) from error
    for warning in said:
        note(_with_options(str(warning.message), place))
    return dataset


def _with_options(message: str, place: str) -> str:
    """A message of `load` with the options of the command line for its arguments."""
    parts = []
    for part in message.split(place) if place else [message]:
        part = re.sub(r"\bsize=\((\d+), \d+\)", r"--side \1", part)
        part = re.sub(r"\b(label|classes)=(?=[\w'-])", r"--\1 ", part)
        part = re.sub(r"\b(label|classes)=", r"--\1", part).replace("size=", "--side")
        parts.append(part.replace(" (not with transpose=False)", ""))
    return place.join(parts)


def _changed(given: argparse.Namespace, recipe: Recipe, dataset: Dataset) -> Recipe:
    """A recipe for the data, with what the command line has instead of its own."""
    if given.lr is not None:
        recipe = with_rate(recipe, given.lr)
    if given.batch is not None:
        recipe = replace(recipe, batch_size=given.batch)
    if given.epochs is not None:
        recipe = replace(recipe, epochs=given.epochs)
    return recipe.fitted(dataset, given.sizes)


def _sizes(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(
            f"{text!r}, expected the widths of hidden layers with commas, as in 256,128"
        )
    return tuple(int(size) for size in text.split(","))


def table(results: Iterable[list[Result]]) -> str:
    """One line for each recipe and data set: mean (± standard deviation) over the seeds.

    Of a training that ended early it is told how: "2/6 interrupted" has trained two whole epochs.
    """
    rows: list[tuple[str, ...]] = [
        ("recipe", "data", "network", "epochs", "seconds", "train %", "validation %", "test %",
         "reported %")
    ]  # fmt: skip
    for group in results:
        first, last = group[0], group[-1]
        epochs = str(first.recipe.epochs)
        if last.history.stopped != "finished":
            epochs = f"{last.passes()}/{epochs} {last.history.stopped}"
        reported = "none"
        if first.reported is not None:
            verdict = "reached" if min(r.judged for r in group) >= first.reported else "MISSED"
            reported = f"{100 * first.reported:.2f} {first.recipe.judged_on} {verdict}"
        seconds = f"{statistics.mean(r.train_seconds for r in group):.2f}"
        shares = map(spread, zip(*map(accuracies, group), strict=True))
        rows.append((first.recipe.name, Path(first.dataset).name, first.recipe.shown, epochs,
                     seconds, *shares, reported))  # fmt: skip
    head, *lines = aligned(rows, "<<<>>>>>>")
    return "\n".join([head, "-" * len(head), *lines])


def command(given: argparse.Namespace, recipe: Recipe, name: str, seed: int, seeds: int = 1) -> str:
    """What repeats one run, or the runs of several seeds."""
    words: list[object] = ["mpirun", "-n", given.processes] if given.mpi else []
    words += [*given.program.split(), "--recipe", recipe.name]
    words += ["--data", name, "--epochs", recipe.epochs, "--seed", seed]
    words += ["--seeds", seeds] if seeds > 1 else []
    for option in ("label", "classes", "side", "lr", "batch"):
        value = getattr(given, option)
        words += [f"--{option}", value] if value is not None else []
    words += ["--sizes", ",".join(map(str, given.sizes))] if given.sizes is not None else []
    words += [f"--{option}" for option in ("by-hand", "eager", "mpi") if _given(given, option)]
    return shlex.join(map(str, words))


def train(given: argparse.Namespace) -> int:
    """Train what the command line asks for, write the files, print the table.

    Ctrl-C leaves the files and the table of what was reached, also while a report is drawn, and
    checkpoints from which ``--resume`` goes on; the exit code is then 130. Of several processes
    the first alone writes and prints.
    """
    note = notes()
    if given.doctor:
        return examine(jobs(given, note), given.out, note)
    if not given.mpi:
        return _train(given, note, None)
    group = Group()
    given.processes = group.size
    if group.rank:
        given.quiet, note = True, lambda remark: None  # noqa: ARG005
    try:
        with group:
            return _train(given, note, group)
    except (Exception, KeyboardInterrupt):  # which all have
        if group.rank == 0:
            raise
        return 2


def _train(given: argparse.Namespace, note: Callable[[object], None], group: Group | None) -> int:
    is_first = group is None or group.rank == 0
    groups: list[list[Result]] = []
    checkpoints: list[Path] = []
    for recipe, name, dataset in jobs(given, note):
        parts = recipe.parts(dataset)  # refuses images of a wrong size before folders are made
        count = len(parts.train[0])
        if given.batch is not None and given.batch > count:
            note(f"--batch {given.batch}: there are {count:,} training images, one step an epoch.")
        groups.append([])
        drawn = True
        for seed in range(given.seed, given.seed + given.seeds):
            title = f"{recipe.name} on {Path(name).name}, seed {seed}"
            again = command(given, recipe, name, seed)
            options = again.removeprefix(given.program).strip()
            folder = vacant(given.out / run_name(recipe.name, name, seed), options, note)
            if given.by_hand is None:
                checkpoints.append(folder / "checkpoint.npz")
            if given.resume:
                earlier = kept(folder, options, recipe, name, dataset, parts, seed)
                if _everywhere(group, earlier is not None):
                    assert earlier is not None
                    note(f"{title}: has finished; without --resume it is trained again.")
                    groups[-1].append(earlier)
                    continue
                if not checkpoints[-1].exists():
                    note(f"{title}: nothing to resume under {given.out}; training from the start.")
            elif is_first:
                (folder / FINISHED).unlink(missing_ok=True)
            result = run(
                recipe, name, dataset, parts, seed=seed, trainer=given.by_hand,
                replay=not given.eager, probe=PROBE if is_first else 0,
                callbacks=[] if given.quiet else [progress(title, count, recipe.epochs, note)],
                resume=given.resume, group=group,
                checkpoint=checkpoints[-1] if given.by_hand is None else None,
            )  # fmt: skip
            result.folder = folder.name
            drawing = Drawing(given.quiet)
            groups[-1].append(result)
            labels = result.test[1]
            if result.test_accuracy <= np.bincount(labels).max() / len(labels):
                note(f"{title}: no better than one guess for all images; see --doctor.")
            write = functools.partial(write_run, result, given.out, again, note)
            drawn = _everywhere(group, not is_first or written(write, drawing))
            if result.history.stopped == "interrupted" or not drawn:
                break
            if is_first and result.history.stopped == "finished":
                keep(result, folder, options)
        if len(groups[-1]) > 1 and drawn:
            again = command(given, recipe, name, given.seed, given.seeds)
            drawing = Drawing(given.quiet)
            together = run_name(recipe.name, name, given.seed, groups[-1][-1].seed)
            options = again.removeprefix(given.program).strip()
            folder = vacant(given.out / together, options, note)
            write = functools.partial(write_group, groups[-1], folder, again, note)
            drawn = _everywhere(group, not is_first or written(write, drawing))
            if is_first and drawn:
                write_json(folder / FINISHED, {"command": options})
        result = groups[-1][-1]
        if result.history.stopped == "interrupted" or not drawn:
            where = f"in epoch {len(result.history)} of {recipe.epochs}"
            further = "" if given.by_hand else "; --resume continues from there"
            if not drawn:
                where = f"with {drawing.done} of {drawing.parts} parts of the report drawn"
            note(f"interrupted {where}{further}.")
            if is_first:
                report(groups, given)
            return 130
    if is_first:
        report(groups, given)
        for checkpoint in checkpoints:
            checkpoint.unlink(missing_ok=True)
    return 0


def _everywhere(group: Group | None, holds: bool) -> bool:
    """Whether it holds in all processes."""
    return holds if group is None else group.sum(holds)[0] == group.size


def written(write: Callable[..., Path], drawing: Drawing) -> bool:
    """Write a report; whether all of it is drawn, which it is not where Ctrl-C came."""
    with drawing:
        write(progress=drawing)
    return not drawing.asked


def report(groups: list[list[Result]], given: argparse.Namespace) -> None:
    print(table(groups))
    print(f"weights, pictures and reports: {given.out}/")
    if given.json is not None:
        objects = [result.as_json() for group in groups for result in group]
        write_json(given.json, objects)


def main(
    arguments: Sequence[str] | None = None, program: str = PROGRAM, *parsed: Any, **others: Any
) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input; ``parse`` has the arguments."""

    def work() -> int:
        try:
            given = parse(arguments, program, *parsed, **others)
        except DataError:
            if "--mpi" in (sys.argv if arguments is None else arguments) and Group().rank:
                return 2  # the first says so
            raise
        return train(given)

    return guarded(Path(program.split()[-1]).name, work)
