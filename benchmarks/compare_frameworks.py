"""The comparison with frameworks, measured: gradients first, then accuracy and time per epoch.

    python benchmarks/compare_frameworks.py                       784-128-64-10, Adam, 3 epochs
    python benchmarks/compare_frameworks.py --quick               a tenth of the images, 2 epochs
    python benchmarks/compare_frameworks.py --only replay,torch,jax --threads 1 --json FILE
    pip install '.[peers]'                                         the libraries

One of the reference projects prints such a comparison (Keras MLP 98 / 97 %, PyTorch CNN 99 / 98 %)
and does not say where it is from. Here all have the same network, initial weights, batches in the
same order, optimiser and number of threads, and each is a process of its own. First the gradient of
the first batch, as the library's own update applies it, is held against the hand-written one in
float64. Then the contenders take turns of one epoch each, in an order drawn for each epoch, while
the others sleep; a turn's time is that of its steps: the batch copied in, forward, backward,
update, and the loss read; "CPU s" are those of all threads together. Accuracy is looked at between
turns, by the same code for all.
A library that is not installed is named as such. Exit code 1 if a gradient disagrees.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from benchmarks.contenders import match
from benchmarks.contenders.match import Match, write_parts
from benchmarks.contenders.processes import THREADS, Process, RefusedError
from benchmarks.contenders.report import COLOURS, markdown
from benchmarks.contenders.roster import EAGER, REPLAY, ROSTER
from benchmarks.step_time import PAUSE, machine, names
from tinygrad_np import DataError, data
from tinygrad_np.draw.figures import empty_figure
from tinygrad_np.run.command_line import Arguments, at_least, guarded, new_file, new_folder
from tinygrad_np.run.outputs import write, write_json, write_picture
from tinygrad_np.run.recipes import DEFAULT, RECIPES, Parts

CONTENDERS = (
    REPLAY,
    EAGER,
    "plain",
    "torch",
    "torch-compile",
    "keras",
    "jax",
    "sklearn",
    "autograd",
    "mygrad",
)
TITLES = {"plain": "NumPy by hand"}
RATES = {"adam": 1e-3, "sgd": 0.1}
GRADIENT_TOLERANCE = 1e-4
QUICK_IMAGES = 6000
PALETTE = (*COLOURS, "#999999", "#7F3B08")


@dataclass
class Line:
    """One contender: what it gave, or why there is nothing.

    ``gradient_error`` is the largest over the parameters; ``epochs`` are as ``MatchWorker.epoch``
    answers, accuracies in 0 … 1; ``ready_seconds`` is from import to the end of the first step.
    """

    name: str
    remark: str = ""
    gradient_error: float | None = None
    ready_seconds: float | None = None
    epochs: list[dict[str, float]] = field(default_factory=list)
    test_accuracy: float | None = None

    @property
    def title(self) -> str:
        """As it stands in a table."""
        return TITLES.get(self.name, ROSTER[self.name].title)

    @property
    def seconds(self) -> float | None:
        """Seconds an epoch, the median."""
        turns = [epoch["seconds"] for epoch in self.epochs]
        return statistics.median(turns) if turns else None

    @property
    def version(self) -> str:
        """Of the library that computes the gradients."""
        entry = ROSTER[self.name]
        ours = "numpy" if self.name == "plain" else "tinygrad_np"
        try:
            return metadata.version(entry.distributions[0] if entry.peer else ours)
        except metadata.PackageNotFoundError:
            return "not installed"

    @property
    def disagrees(self) -> bool:
        """Whether its gradient is another one; NaN is."""
        return self.gradient_error is not None and not self.gradient_error <= GRADIENT_TOLERANCE


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    known = ", ".join(CONTENDERS)
    parser.add_argument("--sizes", default="784-128-64-10", help="widths of the network's layers")
    parser.add_argument("--optimiser", default="adam", help="adam or sgd")
    parser.add_argument("--rate", type=float, help="learning rate (adam: 0.001, sgd: 0.1)")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, help="3; with --quick 2")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order of the batches")
    parser.add_argument("--threads", type=int, default=THREADS, help="for each contender")
    parser.add_argument("--data", "--dataset", dest="dataset", default="mnist", metavar="DATA",
                        help="mnist, fashion, a folder or CSV file")  # fmt: skip
    parser.add_argument("--only", default=",".join(CONTENDERS), metavar="NAMES", help=f"of {known}")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_IMAGES:,} training images")
    parser.add_argument("--out", type=new_folder, help="write comparison.md and .png here")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    given = parser.parse_args(arguments)
    given.only = names("only", given.only, CONTENDERS)
    [given.optimiser] = names("optimiser", given.optimiser, tuple(RATES))[:1]
    given.rate = RATES[given.optimiser] if given.rate is None else given.rate
    if not 0 < given.rate < float("inf"):
        raise DataError(f"--rate {given.rate}: a number above 0 is needed.")
    given.epochs = given.epochs if given.epochs is not None else 2 if given.quick else 3
    at_least(given, batch=1, epochs=1, threads=1, seed=0)
    widths = given.sizes.split("-")
    if len(widths) < 3 or not all(w.isascii() and w.isdigit() and int(w) for w in widths):
        raise DataError(f"--sizes {given.sizes}: expected widths such as 784-128-64-10.")
    given.sizes = tuple(map(int, widths))
    if given.sizes[-1] != 10:
        raise DataError(f"--sizes: the last width is {given.sizes[-1]}; there are 10 classes.")
    return given


def load_parts(given: argparse.Namespace) -> Parts:
    """The default recipe's: a validation part held out of the training images, test untouched."""
    recipe = replace(RECIPES[DEFAULT], sizes=given.sizes)
    if given.quick:
        recipe = replace(recipe, train=QUICK_IMAGES, validation=QUICK_IMAGES // 6)
    parts = recipe.parts(data.load_dataset(given.dataset))
    if len(parts.train[0]) < given.batch:
        raise DataError(f"--batch {given.batch}: there are {len(parts.train[0])} training images.")
    return parts


def measure(given: argparse.Namespace, folder: str) -> list[Line]:
    """Prepare all, show their gradients, and let them take turns."""
    told = Match(given.sizes, given.batch, given.optimiser, given.rate, given.seed, folder)
    lines = [Line(name) for name in given.only]
    with ExitStack() as stack:
        ready: list[tuple[Line, Process]] = []
        for line in lines:
            process = Process(given.threads, match.__name__, given.threads)
            stack.enter_context(process)
            if prepare(line, process, told):
                ready.append((line, process))
            else:
                process.end()
            state = line.remark or f"ready after {line.ready_seconds:.1f} s"
            print(f"{line.title}: {state}", file=sys.stderr, flush=True)
        print(f"{gradient_table(lines)}\n", flush=True)
        order = random.Random(given.seed)
        for number in range(1, given.epochs + 1):
            for line, process in order.sample(ready, len(ready)):
                if not line.remark:
                    turn(line, process, number)
        for line, process in ready:
            if not line.remark:
                line.test_accuracy = process.ask("test")["accuracy"]
    return lines


def prepare(line: Line, process: Process, told: Match) -> bool:
    """Whether the contender is ready for its first turn."""
    try:
        answer = process.ask("prepare", contender=line.name, match=asdict(told))
    except RefusedError as refused:
        line.remark = remark(line, refused)
        return False
    line.ready_seconds = answer["ready_seconds"]
    line.gradient_error = max(answer["errors"], key=lambda error: (error != error, error))
    if line.disagrees:
        line.remark = f"its gradient disagrees (error {line.gradient_error:.1e}), so it is left out"
    return not line.remark


def remark(line: Line, refused: RefusedError) -> str:
    """Why there are no figures."""
    if refused.reason != "missing":
        return f"{refused.reason}: {refused}"
    return f"not installed: pip install {' '.join(ROSTER[line.name].distributions)}"


def turn(line: Line, process: Process, number: int) -> None:
    """One epoch of one contender, after a pause in which the others' threads go to sleep."""
    time.sleep(PAUSE)
    try:
        done = process.ask("epoch", number=number)
    except RefusedError as refused:
        line.remark, line.epochs = remark(line, refused), []
        return
    line.epochs.append(done)
    print(
        f"epoch {number}  {line.title:<20} {done['seconds']:7.2f} s  loss {done['loss']:.4f}  "
        f"validation {100 * done['validation']:.2f} %",
        file=sys.stderr,
        flush=True,
    )


def gradient_table(lines: Sequence[Line]) -> str:
    """The gradient of the first batch against the hand-written one, as Markdown."""
    rows = []
    for line in lines:
        error, verdict = "—", line.remark
        if line.gradient_error is not None:
            error = f"{line.gradient_error:.1e}"
            verdict = "DISAGREES" if line.disagrees else "agrees"
        rows.append([line.title, line.version, error, verdict])
    return markdown(["contender", "version", "largest relative error", "gradient"], rows)


def table(lines: Sequence[Line]) -> str:
    """Accuracy and time of all contenders as Markdown; those without figures come last."""
    base = next((line.seconds for line in lines if line.name == REPLAY), None)
    rows = []
    for line in sorted(lines, key=lambda line: line.seconds or float("inf")):
        if line.seconds is None or line.test_accuracy is None or line.ready_seconds is None:
            rows.append([line.title, line.version, *["—"] * 8])
            continue
        last = line.epochs[-1]
        rows.append(
            [
                line.title,
                line.version,
                f"{last['loss']:.4f}",
                f"{100 * last['validation']:.2f}",
                f"{100 * line.test_accuracy:.2f}",
                f"{line.seconds:.2f}",
                f"{min(epoch['seconds'] for epoch in line.epochs):.2f}",
                f"{statistics.median(epoch['cpu_seconds'] for epoch in line.epochs):.2f}",
                f"{line.seconds / base:.2f}" if base else "—",
                f"{line.ready_seconds:.1f}",
            ]
        )
    count = max((len(line.epochs) for line in lines), default=0)
    head = ["contender", "version", f"loss, epoch {count}", "validation %", "test %"]
    head += ["s an epoch", "fastest", "CPU s", f"/ {ROSTER[REPLAY].title}", "first step after, s"]
    remarks = [f"{line.title}: {line.remark}" for line in lines if line.remark]
    return "\n".join([markdown(head, rows), *([""] if remarks else []), *remarks])


def conditions(given: argparse.Namespace) -> str:
    """What was measured on what, in one line."""
    return (
        f"{'-'.join(map(str, given.sizes))}, ReLU, {given.optimiser} {given.rate:g}, batches of "
        f"{given.batch}, {given.epochs} epochs of {given.images:,} images ({given.dataset}), "
        f"threads: {given.threads}; {machine()['processor']}, {machine()['cpus']} cores"
    )


def draw(lines: Sequence[Line], title: str) -> Any:
    """Validation accuracy against seconds of training, and seconds an epoch, as a figure."""
    figure = empty_figure(11, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(5, 4))
    shown = sorted((line for line in lines if line.seconds), key=lambda line: line.seconds or 0)
    for place, line in enumerate(shown):
        assert line.seconds is not None
        colour = PALETTE[CONTENDERS.index(line.name)]
        turns = [epoch["seconds"] for epoch in line.epochs]
        reached = [100 * epoch["validation"] for epoch in line.epochs]
        spent = [sum(turns[: count + 1]) for count in range(len(turns))]
        left.plot(spent, reached, marker="o", color=colour, label=line.title, markersize=5)
        right.barh(place, line.seconds, color=colour)
        right.plot(turns, [place] * len(turns), "|", color="#666666", markersize=9)
        right.annotate(
            f"{line.seconds:.2f}", (max(turns), place), (5, 0), textcoords="offset points",
            va="center",
        )  # fmt: skip
    left.set(xlabel="seconds of training", ylabel="validation accuracy (%)", xscale="log")
    left.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
    left.xaxis.set_major_formatter("{x:g}")
    left.grid(alpha=0.3)
    right.set_yticks(range(len(shown)), [line.title for line in shown])
    right.invert_yaxis()
    right.margins(x=0.15)
    right.set_xlabel("seconds an epoch: median, and each epoch as a mark")
    figure.suptitle(title, fontsize=9)
    return figure


def report(given: argparse.Namespace, lines: Sequence[Line]) -> None:
    """The files that the command line asks for."""
    title = conditions(given)
    if given.out is not None:
        text = f"{title}\n\n{gradient_table(lines)}\n\n{table(lines)}\n"
        write(given.out / "comparison.md", text.encode())
        try:
            figure = draw(lines, title)
        except ImportError as missing:
            print(missing, file=sys.stderr)
        else:
            write_picture(given.out / "comparison.png", figure)
    if given.json is not None:
        told = ("sizes", "optimiser", "rate", "batch", "epochs", "images", "seed", "dataset")
        figures = {
            "machine": {**machine(), "threads": given.threads},
            **{name: getattr(given, name) for name in told},
            "results": [{**asdict(line), "version": line.version} for line in lines],
        }
        write_json(given.json, figures)


def compare(given: argparse.Namespace) -> int:
    """Measure, print the tables, write the files."""
    parts = load_parts(given)
    given.images = len(parts.train[0]) // given.batch * given.batch
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder), parts)
        lines = measure(given, folder)
    print(f"{conditions(given)}\n\n{table(lines)}")
    report(given, lines)
    return int(any(line.disagrees for line in lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 if a gradient disagrees, or 2 with one line on stderr for bad input."""
    return guarded("compare_frameworks.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
