"""Look for hyper-parameters with Optuna: learning rate, batch size, width, initial weights.

    python benchmarks/search.py --trials 50              until there are 50 trials in the storage
    python benchmarks/search.py --trials 50 --jobs 2     two at a time

Each trial trains 784-w-w/2-10 by Adam with one cycle of the learning rate, from the same seed. It
is judged by its accuracy on the validation images of the recipes; test images are not looked at. A
trial whose accuracy after an epoch is below the median of the earlier ones at that epoch is pruned.
The first trial has settings that many would begin with.

Trials are kept as they come: after an end of any kind the same command goes on, and only trials
that were running are lost. With one job the trials depend on the seed alone, however often the
search was interrupted between two of them. One search at a time writes to a storage.

Writes under --out (default runs/search): search.journal, best.json and Optuna's plots.
"""

import argparse
import math
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

import numpy as np

from benchmarks.contenders.processes import Process, RefusedError
from benchmarks.trial import GAINS
from tinygrad_np import DataError, data
from tinygrad_np.files import replacing
from tinygrad_np.markup import counted
from tinygrad_np.run.command_line import Arguments, at_least, guarded, new_file, new_folder
from tinygrad_np.run.outputs import write_json

WORKER = "benchmarks.trial"
STUDY = "search"
HELD = 5000  # as in the recipes
FIRST = {
    "learning_rate": 8e-3,
    "batch_size": 128,
    "width": 128,
    "initial": "he_uniform",
    "scale": 1.0,
}
PRUNED_AFTER = 5  # trials without which no median is formed
SHOWN = 10
OF_FEW_TRIALS = ("Attempting to set identical low and high", "The number of trials is too small")
ACCURACY = "validation accuracy"
ERROR = "log10 of the validation error"  # else the worst trial is all one sees
PLOTS: tuple[tuple[str, str, tuple[float, float], dict[str, Any]], ...] = (
    ("optimization_history", ACCURACY, (9, 5), {}),
    ("param_importances", ACCURACY, (9, 4), {}),
    ("parallel_coordinate", ERROR, (11, 5), {}),
    ("slice", ERROR, (16, 4), {}),
    ("contour", ERROR, (11, 10), {"params": ["learning_rate", "batch_size", "width"]}),
)


def optuna() -> Any:
    """The library, which says nothing but warnings."""
    try:
        import optuna as library
    except ImportError:
        raise DataError("the search needs Optuna: pip install optuna.") from None
    library.logging.set_verbosity(library.logging.WARNING)
    return library


def space() -> dict[str, Any]:
    """What is looked through."""
    of = optuna().distributions
    return {
        "learning_rate": of.FloatDistribution(1e-4, 1e-1, log=True),
        "batch_size": of.CategoricalDistribution([32, 64, 128, 256, 512]),
        "width": of.IntDistribution(16, 512, log=True),
        "initial": of.CategoricalDistribution(list(GAINS)),
        "scale": of.FloatDistribution(0.1, 4.0, log=True),
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--trials", type=int, default=50, help="how many there are to be in all")
    parser.add_argument("--jobs", type=int, default=1, help="how many run at a time")
    parser.add_argument("--epochs", type=int, default=3, help="of each trial")
    parser.add_argument("--train", type=int, default=20000, help="training images of each trial")
    parser.add_argument(
        "--data",
        "--dataset",
        dest="dataset",
        help="mnist, fashion, a folder of four IDX files, or a Kaggle CSV file",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the search and of each training")
    parser.add_argument("--out", type=new_folder, default="runs/search", help="where results go")
    parser.add_argument("--storage", type=new_file, help="default: search.journal in --out")
    parser.add_argument("--quiet", action="store_true", help="no line for each trial")
    given = parser.parse_args(arguments)
    at_least(given, trials=1, jobs=1, epochs=1, train=1, seed=0)
    return given


def held_out(given: argparse.Namespace) -> int:
    """How many images validate. Raises DataError where the data cannot be used."""
    (_, labels), _ = data.mnist() if given.dataset is None else data.load_dataset(given.dataset)
    held = min(HELD, len(labels) // 6)
    if not held:
        raise DataError(f"--dataset: {len(labels)} training images; at least 6 are needed.")
    if given.train > len(labels) - held:
        left = len(labels) - held
        raise DataError(f"--train {given.train}: {left} images are left beside those held out.")
    return held


def journal_path(given: argparse.Namespace) -> Path:
    """Where the trials are kept."""
    return given.storage or given.out / "search.journal"  # type: ignore[no-any-return]


def read_journal(path: Path) -> Any:
    """Optuna's storage of lines of JSON; a line that was not written to its end is cut off.

    Raises DataError for a file of another kind.
    """
    storages = optuna().storages
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        file.seek(0)
        content = file.read()
        if content and not content.startswith(b'{"'):
            raise DataError(f"--storage {path}: not a journal of Optuna; name another file.")
        file.truncate(content.rfind(b"\n") + 1)
    try:
        # its own lock is a file, which a process that is killed leaves to the next one
        backend = storages.journal.JournalFileBackend(str(path), lock_obj=threading.Lock())
        return storages.JournalStorage(backend)
    except (ValueError, KeyError) as error:
        raise DataError(f"--storage {path}: a damaged journal ({error}).") from error


def open_study(given: argparse.Namespace) -> Any:
    """The study in the storage, made if it is not there; trials that were running have failed.

    Raises DataError for a storage that cannot be read, or has trials of another kind.
    """
    library = optuna()
    study = library.create_study(
        storage=read_journal(journal_path(given)), study_name=STUDY, direction="maximize",
        load_if_exists=True, pruner=library.pruners.MedianPruner(n_startup_trials=PRUNED_AFTER),
    )  # fmt: skip
    kind = {name: getattr(given, name) for name in ("dataset", "epochs", "train", "seed")}
    found = study.user_attrs.get("kind", kind)
    if found != kind:
        made = " ".join(f"--{name} {value}" for name, value in found.items() if value is not None)
        raise DataError(
            f"the trials in {journal_path(given)} are of {made}; give the same, or another --out."
        )
    study.set_user_attr("kind", kind)
    state = library.trial.TrialState
    for trial in study.get_trials(deepcopy=False, states=(state.RUNNING,)):
        study.tell(trial.number, state=state.FAIL)
    if not study.get_trials(deepcopy=False, states=(state.WAITING,)) and not finished(study):
        study.enqueue_trial(FIRST)
    return study


def finished(study: Any) -> list[Any]:
    """The trials that count, by number."""
    state = optuna().trial.TrialState
    found: list[Any] = study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED))
    return found


@dataclass
class Search:
    """A search on its way; each job is a thread that has a process to train in."""

    given: argparse.Namespace
    study: Any
    held: int
    left: Iterator[int]
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: bool = False

    def run(self) -> None:
        """All trials that are left. Raises DataError where a process ended before its time."""
        with ThreadPoolExecutor(self.given.jobs) as pool:
            jobs = [pool.submit(self.work) for _ in range(self.given.jobs)]
            try:
                for job in jobs:
                    job.result()
            finally:
                self.stopping = True  # Ctrl-C: after the epochs that are running

    def work(self) -> None:
        """Trials, one after another."""
        with Process(blas_threads=1, module=WORKER, threads=1) as process:
            given = self.given
            try:
                process.ask("read", dataset=given.dataset, train=given.train, held=self.held)
                while (trial := self.ask()) is not None:
                    self.train(process, trial)
            except RefusedError as error:
                self.stopping = True
                raise DataError(f"a trial could not be trained: {error}") from error

    def ask(self) -> Any:
        """The next trial, with its settings, or None.

        The sampler is seeded by the number of the trial, so that a search that goes on does not
        draw again what it drew at its start.
        """
        with self.lock:
            if self.stopping or next(self.left, None) is None:
                return None
            number = len(self.study.get_trials(deepcopy=False))
            seed = np.random.SeedSequence([self.given.seed, number]).generate_state(1)
            self.study.sampler = optuna().samplers.TPESampler(seed=int(seed[0]))
            return self.study.ask(space())

    def train(self, process: Process, trial: Any) -> None:
        """Train for the epochs, or fewer if the trial is pruned or the search is to end."""
        process.ask("start", settings=trial.params, epochs=self.given.epochs, seed=self.given.seed)
        accuracy, seconds = 0.0, 0.0
        for epoch in range(1, self.given.epochs + 1):
            answer = process.ask("epoch")
            accuracy, seconds = answer["accuracy"], seconds + answer["seconds"]
            if self.stopping:
                return
            with self.lock:
                trial.report(accuracy, epoch)
                if epoch < self.given.epochs and trial.should_prune():
                    break
        with self.lock:
            trial.set_user_attr("seconds", seconds)
            if epoch < self.given.epochs:
                self.study.tell(trial, state=optuna().trial.TrialState.PRUNED)
            else:
                self.study.tell(trial, accuracy)
            if not self.given.quiet:
                print(line(self.study.trials[trial.number]), flush=True)


HEAD = f"{'trial':>6}{'validation %':>14}{'rate':>10}{'batch':>7}{'width':>7}  {'initial':<21}"
HEAD += f"{'seconds':>8}"


def line(trial: Any) -> str:
    """A finished trial in print."""
    has = trial.params
    initial = f"{has['initial']} × {has['scale']:.2f}"
    pruned = "" if trial.state.name == "COMPLETE" else f"  pruned after epoch {trial.last_step}"
    return (
        f"{trial.number:>6}{100 * trial.value:>14.2f}{has['learning_rate']:>10.5f}"
        f"{has['batch_size']:>7}{has['width']:>7}  {initial:<21}"
        f"{trial.user_attrs['seconds']:>8.2f}{pruned}"
    )


def write_outputs(given: argparse.Namespace, study: Any) -> None:
    """The table of the best trials in print, the best one as JSON, and the plots."""
    trials = finished(study)
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if not complete:
        return
    ranked = sorted(complete, key=lambda trial: (-trial.value, trial.number))
    pruned, failed = len(trials) - len(complete), len(study.trials) - len(trials)
    print(f"{HEAD}\n{'-' * len(HEAD)}")
    print("\n".join(line(trial) for trial in ranked[:SHOWN]))
    done = counted(len(complete), "trial")
    print(f"{done} complete, {pruned} pruned, {failed} lost; plots: {given.out}/")
    best = {
        "validation_accuracy": ranked[0].value,
        "settings": ranked[0].params,
        "trial": ranked[0].number,
        "seconds": ranked[0].user_attrs["seconds"],
        "complete": len(complete),
        "pruned": pruned,
        "lost": failed,
        **study.user_attrs["kind"],
    }
    write_json(given.out / "best.json", best)
    if len(complete) > 1:
        plot(given.out, study)


def log_error(trial: Any) -> float:
    """log10 of the share of validation images that a trial takes for others, 0.0001 at least."""
    return math.log10(max(1 - trial.value, 1e-4))


def plot(folder: Path, study: Any) -> None:
    """Optuna's own plots of two trials or more, as PNG files."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker
    from optuna.exceptions import ExperimentalWarning
    from optuna.visualization import matplotlib as plots

    for name, target, size, options in PLOTS:
        if target == ERROR:
            options = {"target": log_error, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # all of these plots are
            for remark in OF_FEW_TRIALS:
                warnings.filterwarnings("ignore", remark)
            made = getattr(plots, f"plot_{name}")(study, target_name=target, **options)
        figure = np.ravel(made)[0].figure
        figure.set_size_inches(size)
        figure.suptitle(figure.get_suptitle(), y=0.96)
        for axes in figure.axes if name in ("slice", "contour") else ():
            axes.tick_params("x", which="both", rotation=90)
            for axis in (axes.xaxis, axes.yaxis):
                if axis.get_scale() == "log":
                    axis.set_major_formatter(ticker.LogFormatter())
                    axis.set_minor_formatter(ticker.LogFormatter())
        with replacing(folder / f"{name}.png") as file:
            figure.savefig(file, format="png", dpi=100, bbox_inches="tight")
        pyplot.close(figure)


def search(given: argparse.Namespace) -> int:
    """Look until there are as many trials as the command line asks for, and write the files."""
    optuna()
    held = held_out(given)
    study = open_study(given)
    left = given.trials - len(finished(study))
    try:
        if left > 0:
            if not given.quiet:
                print(HEAD)
            Search(given, study, held, iter(range(left))).run()
    finally:
        write_outputs(given, study)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("search.py", lambda: search(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
