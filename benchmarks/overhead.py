"""What an operation costs beyond its arithmetic.

    python benchmarks/overhead.py                        both tables: four minutes
    python benchmarks/overhead.py --quick --json FILE    short chains and few rounds: a look
    pip install '.[peers]'                               the libraries that are compared

The first table is ``y = y * a + b`` on one element, N times, and the gradients of all three: by
hand in NumPy, which touches no Tensor and is the control, with this project as the tape records
it and replayed, and with other libraries. What is missing is named; a library that recurses over
the graph meets Python's recursion limit in longer chains, and the table says so. The second table
holds single operations against the bare NumPy call. Contenders take turns; medians of CPU time on
one thread.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

import tinygrad_np as tg
from benchmarks.contenders.report import markdown
from benchmarks.step_time import machine
from tinygrad_np.run.command_line import Arguments, guarded, new_file
from tinygrad_np.run.outputs import write_json

LENGTHS = (100, 1_000, 10_000, 100_000)
START = (1.0, 0.999, 0.001)  # y, a and b
PATIENCE = 5.0  # seconds for a chain; who takes longer is not tried on longer ones
CONTROL = "NumPy by hand"

Way = Callable[[], Any]


def by_hand(n: int) -> Way:
    """NumPy alone, with the chain rule written out."""
    first, a, b = (np.full(1, value) for value in START)

    def run() -> None:
        y, ys = first, []
        for _ in range(n):
            ys.append(y)
            y = y * a + b
        g, ga, gb = np.ones(1), np.zeros(1), np.zeros(1)
        for y in reversed(ys):
            gb = gb + g
            ga = ga + g * y
            g = g * a

    return run


def eager(n: int) -> Way:
    """This project."""
    return chain([tg.Tensor(np.full(1, value), requires_grad=True) for value in START], n)


def chain(leaves: list[Any], n: int) -> Way:
    """Multiply-adds and backward, on what keeps gradients as PyTorch does."""

    def run() -> None:
        for leaf in leaves:
            leaf.grad = None
        y, a, b = leaves
        for _ in range(n):
            y = y * a + b
        y.backward()

    return run


def replayed(n: int) -> Way:
    """This project; the step is captured, and checked, before it is timed."""
    step: Way = tg.replay(eager(n))
    step()
    step()
    return step


def pytorch(n: int) -> Way:
    """PyTorch's eager mode on one thread."""
    import torch

    torch.set_num_threads(1)
    make = partial(torch.full, (1,), dtype=torch.float64, requires_grad=True)
    return chain([make(fill_value=value) for value in START], n)


def in_mygrad(n: int) -> Way:
    """MyGrad."""
    import mygrad

    def run() -> None:
        y, a, b = (mygrad.tensor(np.full(1, value)) for value in START)
        for _ in range(n):
            y = y * a + b
        y.backward()

    return run


def in_autograd(n: int) -> Way:
    """HIPS/autograd."""
    import autograd

    def last(y: Any, a: Any, b: Any) -> Any:
        for _ in range(n):
            y = y * a + b
        return y[0]

    return partial(autograd.grad(last, (0, 1, 2)), *(np.full(1, value) for value in START))


CONTENDERS: dict[str, Callable[[int], Way]] = {
    CONTROL: by_hand,
    "tinygrad_np eager": eager,
    "tinygrad_np replayed": replayed,
    "PyTorch eager": pytorch,
    "MyGrad": in_mygrad,
    "HIPS/autograd": in_autograd,
}

# One operand or two, of the same square shape.
OPERATIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "add": (np.add, 2),
    "multiply": (np.multiply, 2),
    "divide": (np.divide, 2),
    "exp": (np.exp, 1),
    "tanh": (np.tanh, 1),
    "relu": (lambda x: np.maximum(x, 0), 1),
    "sum": (np.sum, 1),
    "mean of axis 0": (lambda x: np.mean(x, axis=0), 1),
    "transpose": (np.transpose, 1),
    "matmul": (np.matmul, 2),
}
SIDES = (1, 64)
WAYS = ("NumPy", "eager", "eager and backward", "replayed and backward")


@dataclass
class Figure:
    """Microseconds of each turn; or a remark why there are none."""

    name: str
    size: int
    way: str = ""
    remark: str = ""
    turns: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Microseconds."""
        return statistics.median(self.turns)

    def as_json(self) -> dict[str, Any]:
        """The fields and the median."""
        return {**vars(self), "median_us": self.median if self.turns else None}


def take_turns(ways: Mapping[Any, Way], seconds: float, rounds: int) -> dict[Any, list[float]]:
    """Microseconds of CPU time a call, for each way and round; turns are ``seconds`` long."""
    counts = {}
    for key, way in ways.items():
        start = time.process_time()
        way()
        counts[key] = max(1, round(seconds / max(time.process_time() - start, 1e-6)))
    found: dict[Any, list[float]] = {key: [] for key in ways}
    for _ in range(rounds):
        for key, way in ways.items():
            start = time.process_time()
            for _ in range(counts[key]):
                way()
            found[key].append((time.process_time() - start) / counts[key] * 1e6)
    return found


def chains(lengths: Sequence[int], seconds: float, rounds: int) -> list[Figure]:
    """A multiply-add in chains of each length, for all contenders."""
    figures: list[Figure] = []
    remarks: dict[str, str] = {}
    for n in lengths:
        print(f"chains of {n:,} ...", file=sys.stderr, flush=True)
        here = {name: Figure(name, n) for name in CONTENDERS}
        ways = {name: ready(name, n, remarks) for name in CONTENDERS if name not in remarks}
        found = take_turns({k: way for k, way in ways.items() if way is not None}, seconds, rounds)
        for name, figure in here.items():
            figure.turns = [turn / n for turn in found.get(name, [])]
            figure.remark = remarks.get(name, "")
        figures += here.values()
    return figures


def ready(name: str, n: int, remarks: dict[str, str]) -> Way | None:
    """A contender's chain, run once; None, and a remark, where it cannot take part any more."""
    try:
        way = CONTENDERS[name](n)
        start = time.process_time()
        way()
    except ImportError as error:
        remarks[name] = f"{error.name} is not installed"
        return None
    except RecursionError:
        remarks[name] = "recursion limit"
        return None
    if time.process_time() - start > PATIENCE:
        remarks[name] = f"over {PATIENCE:g} s a run"
        return None
    return way


def operation_ways(name: str, side: int) -> dict[str, Way]:
    """An operation by itself, recorded, recorded and swept, replayed."""
    fn, count = OPERATIONS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.random((side, side), dtype=np.float32) + 1 for _ in range(count)]
    leaves = [tg.Tensor(array, requires_grad=True) for array in arrays]
    seed = tg.Tensor(np.ones_like(fn(*arrays)))

    def both() -> None:
        for leaf in leaves:
            leaf.grad = None
        fn(*leaves).backward(seed)

    step: Way = tg.replay(both)
    step()
    step()
    return dict(zip(WAYS, (partial(fn, *arrays), partial(fn, *leaves), both, step), strict=True))


def operations(sides: Sequence[int], seconds: float, rounds: int) -> list[Figure]:
    """All single operations."""
    print("single operations ...", file=sys.stderr, flush=True)
    figures = []
    for side in sides:
        for name in OPERATIONS:
            turns = take_turns(operation_ways(name, side), seconds, rounds)
            figures += [Figure(name, side, way, turns=found) for way, found in turns.items()]
    return figures


def chain_table(figures: Sequence[Figure]) -> str:
    """Microseconds an operation, and in brackets the ratio to the control."""
    found = {(figure.name, figure.size): figure for figure in figures}
    lengths = list(dict.fromkeys(figure.size for figure in figures))
    lines = []
    for name in dict.fromkeys(figure.name for figure in figures):
        cells = []
        for n in lengths:
            figure, control = found[name, n], found[CONTROL, n]
            ratio = "" if name == CONTROL or not figure.turns else figure.median / control.median
            shown = f"{figure.median:.2f}" if figure.turns else figure.remark
            cells.append(f"{shown} ({ratio:.2f})" if ratio else shown)
        lines.append([name, *cells])
    return markdown(["µs a multiply-add", *(f"N = {n:,}" for n in lengths)], lines)


def operation_table(figures: Sequence[Figure]) -> str:
    """Microseconds of each operation, in each way."""
    rows: dict[str, list[str]] = {}
    for figure in figures:
        rows.setdefault(f"{figure.name} {figure.size}×{figure.size}", []).append(
            f"{figure.median:.2f}"
        )
    return markdown(["µs", *WAYS], [[name, *cells] for name, cells in rows.items()])


def compare(given: argparse.Namespace) -> int:
    """Measure, print, write."""
    lengths, seconds, rounds = (LENGTHS[:2], 0.002, 3) if given.quick else (LENGTHS, 0.05, 11)
    long = chains(lengths, seconds, rounds)
    print("A multiply-add of one element, forward and backward, in a chain of N (× by hand):\n")
    print(chain_table(long), flush=True)
    single = operations(SIDES, seconds, rounds)
    print("\nSingle operations, float32; a replayed one includes the call of its step:\n")
    print(operation_table(single))
    if given.json is not None:
        figures = {
            "machine": {**machine(), "threads": 1},
            "rounds": rounds,
            "chains": [figure.as_json() for figure in long],
            "operations": [figure.as_json() for figure in single],
        }
        write_json(given.json, figures)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short chains, few and short turns")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("overhead.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
