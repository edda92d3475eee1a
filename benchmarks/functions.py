"""Derivatives of functions, beside HIPS/autograd, JAX and PyTorch.

    python benchmarks/functions.py                        all tables: under ten minutes
    python benchmarks/functions.py --quick --json FILE    small sizes and few rounds: a look
    python benchmarks/functions.py --only rosenbrock      the rows whose name has this in it
    pip install '.[peers]'                                the libraries that are compared

Each function is written once, in what NumPy, HIPS/autograd, JAX and PyTorch have in common. All get
and give NumPy arrays of float64, as ``scipy.optimize`` wants them; JAX is compiled with ``jit``,
PyTorch uses ``torch.func``. Results are compared before anything is measured. Contenders take
turns on one thread; medians of CPU time of a call (of all threads of the process, so that other
work on the machine counts for little), and ratios to the replayed transform. Who took more than
``LIMIT`` seconds to begin with one task of a function, as by compiling, is left out of the next.
"""

import argparse
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

import tinygrad_np as tg
from benchmarks.contenders.report import markdown
from benchmarks.step_time import machine
from tinygrad_np.run.command_line import Arguments, guarded, new_file
from tinygrad_np.run.outputs import write_json

REPLAYED = "replayed"
TASKS = ("value", "gradient", "HVP", "Hessian", "Jacobian")
LARGEST_HESSIAN = 200
LIMIT = 20.0
Call = Callable[[Any], Any]


@dataclass(frozen=True)
class Problem:
    """A scalar function and one with several results, made for a library, and where they are.

    ``make(lib)`` returns both; ``lib`` has NumPy's functions and ``array``, which makes constants.
    """

    name: str
    make: Callable[[Any], tuple[Call, Call]]
    start: np.ndarray


def rosenbrock(n: int) -> Problem:
    """The sum of squares of 10 (x₂ - x₁²) and 1 - x₁ over neighbours."""

    def make(lib: Any) -> tuple[Call, Call]:
        def scalar(x: Any) -> Any:
            return lib.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

        return scalar, lambda x: 10.0 * (x[1:] - x[:-1] ** 2)

    return Problem(f"Rosenbrock {n:,}", make, np.linspace(-1.0, 1.0, n))


def logistic_regression(rows: int, columns: int) -> Problem:
    """The negative log likelihood with a ridge; the predictions."""
    rng = np.random.default_rng(0)
    data, signs = rng.standard_normal((rows, columns)), np.where(rng.random(rows) < 0.5, -1.0, 1.0)

    def make(lib: Any) -> tuple[Call, Call]:
        x, s = lib.array(data), lib.array(signs)

        def scalar(w: Any) -> Any:
            return lib.sum(lib.log1p(lib.exp(-s * (x @ w)))) + 0.5 * lib.sum(w * w)

        return scalar, lambda w: 1 / (1 + lib.exp(-(x @ w)))

    return Problem(f"logistic regression {rows} × {columns}", make, rng.standard_normal(columns))


def gaussian_process(points: int) -> Problem:
    """The negative log likelihood by length, amplitude and noise; the weights of the mean."""
    rng = np.random.default_rng(1)
    places = np.sort(rng.uniform(0, 4, points))
    data = np.sin(places) + 0.2 * rng.standard_normal(points)

    def make(lib: Any) -> tuple[Call, Call]:
        apart, y = lib.array((places[:, None] - places) ** 2), lib.array(data)
        unit = lib.array(np.eye(points))

        def covariance(p: Any) -> Any:
            return lib.exp(p[1] - apart * lib.exp(-p[0])) + unit * lib.exp(p[2])

        def scalar(p: Any) -> Any:
            k = covariance(p)
            return 0.5 * lib.sum(y * lib.solve(k, y)) + 0.5 * lib.slogdet(k)[1]

        return scalar, lambda p: lib.solve(covariance(p), y)

    return Problem(f"Gaussian process {points}", make, np.array([0.1, 0.2, -0.5]))


def kalman_filter(steps: int) -> Problem:
    """The negative log likelihood of positions seen, by two noises; what was not foreseen."""
    rng = np.random.default_rng(2)
    seen = np.cumsum(rng.standard_normal(steps) * 0.3)
    move, noise = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.25, 0.5], [0.5, 1.0]])

    def make(lib: Any) -> tuple[Call, Call]:
        f, shape, start = lib.array(move), lib.array(noise), lib.array(np.eye(2))

        def surprises(p: Any) -> tuple[list[Any], list[Any]]:
            mean, spread = lib.array(np.zeros(2)), start
            drift, blur = shape * lib.exp(p[0]), lib.exp(p[1])
            away, variances = [], []
            for y in seen:
                mean, spread = f @ mean, f @ spread @ f.T + drift
                away.append(float(y) - mean[0])
                variances.append(spread[0, 0] + blur)
                gain = spread[:, 0] / variances[-1]
                mean = mean + gain * away[-1]
                spread = spread - gain[:, None] * spread[0]
            return away, variances

        def scalar(p: Any) -> Any:
            away, variances = (lib.stack(part) for part in surprises(p))
            return 0.5 * lib.sum(away * away / variances + lib.log(variances))

        return scalar, lambda p: lib.stack(surprises(p)[0])

    return Problem(f"Kalman filter {steps}", make, np.array([-1.0, 0.5]))


def n_body(bodies: int, steps: int) -> Problem:
    """The energy after leapfrog steps, by where the bodies were in the plane; where they are."""
    rng = np.random.default_rng(3)

    def make(lib: Any) -> tuple[Call, Call]:
        apart = lib.array(np.eye(bodies)[:, :, None])

        def pull(x: Any) -> Any:
            between = x[None, :, :] - x[:, None, :]
            square = lib.sum(between**2, axis=2)[:, :, None] + 0.1 + apart
            return lib.sum(between / square**1.5, axis=1)

        def moved(x: Any) -> tuple[Any, Any]:
            x = x.reshape((bodies, 2))
            v = 0.05 * pull(x)
            for _ in range(steps):
                x = x + 0.1 * v
                v = v + 0.1 * pull(x)
            return x, v

        def scalar(x: Any) -> Any:
            place, speed = moved(x)
            return 0.5 * lib.sum(speed**2) + 0.5 * lib.sum(place**2)

        return scalar, lambda x: moved(x)[0].reshape((-1,))

    return Problem(f"n-body {bodies} × {steps} steps", make, rng.standard_normal(2 * bodies))


def network(inputs: int, hidden: int, rows: int) -> Problem:
    """The mean square error of two layers, by all weights in one row; the outputs."""
    rng = np.random.default_rng(4)
    data, wanted = rng.standard_normal((rows, inputs)), rng.standard_normal(rows)
    cut = inputs * hidden

    def make(lib: Any) -> tuple[Call, Call]:
        x, y = lib.array(data), lib.array(wanted)

        def outputs(p: Any) -> Any:
            inner = lib.tanh(x @ p[:cut].reshape((inputs, hidden)) + p[cut : cut + hidden])
            return inner @ p[cut + hidden :]

        return lambda p: lib.sum((outputs(p) - y) ** 2) / rows, outputs

    start = rng.standard_normal(cut + 2 * hidden) * 0.5
    return Problem(f"network {inputs}-{hidden}-1, {rows} rows", make, start)


def problems(quick: bool) -> list[Problem]:
    """The rows of the table, small ones for a look."""
    if quick:
        return [rosenbrock(2), rosenbrock(20), logistic_regression(20, 3), gaussian_process(5),
                kalman_filter(4), n_body(3, 2), network(3, 4, 8)]  # fmt: skip
    return [*map(rosenbrock, (2, 10, 100, 1_000, 10_000)), logistic_regression(500, 20),
            gaussian_process(40), kalman_filter(20), n_body(5, 10),
            network(10, 16, 64)]  # fmt: skip


def ours(problem: Problem, task: str, vector: np.ndarray) -> Call:
    """This project, eager."""
    scalar, several = problem.make(_namespace(np, np.linalg, np.array))
    if task == "HVP":
        return lambda x: tg.hvp(scalar, x, vector)
    return {"value": lambda x: scalar(x), "gradient": tg.grad(scalar),
            "Hessian": tg.hessian(scalar), "Jacobian": tg.jacobian(several)}[task]  # fmt: skip


def replayed(problem: Problem, task: str, vector: np.ndarray) -> Call:
    """The same, replayed."""
    scalar, several = problem.make(_namespace(np, np.linalg, np.array))
    if task == "HVP":
        product = tg.replay(partial(tg.hvp, scalar))
        return lambda x: product(x, vector)
    if task == "value":
        step = tg.replay(scalar)
        return lambda x: step(x).numpy()
    made = {"gradient": tg.grad(scalar), "Hessian": tg.hessian(scalar),
            "Jacobian": tg.jacobian(several)}  # fmt: skip
    return tg.replay(made[task])  # type: ignore[no-any-return]


def hips(problem: Problem, task: str, vector: np.ndarray) -> Call:
    """HIPS/autograd."""
    autograd = importlib.import_module("autograd")
    room = importlib.import_module("autograd.numpy")
    scalar, several = problem.make(_namespace(room, room.linalg, np.array, stack=room.array))
    if task == "HVP":
        product = autograd.hessian_vector_product(scalar)
        return lambda x: product(x, vector)
    made: dict[str, Call] = {
        "value": lambda x: scalar(x), "gradient": autograd.grad(scalar),
        "Hessian": autograd.hessian(scalar), "Jacobian": autograd.jacobian(several),
    }  # fmt: skip
    return made[task]


def jax(problem: Problem, task: str, vector: np.ndarray) -> Call:
    """JAX, compiled."""
    library = importlib.import_module("jax")
    library.config.update("jax_enable_x64", True)
    room = library.numpy
    scalar, several = problem.make(_namespace(room, room.linalg, room.asarray))
    made = {
        "value": scalar, "gradient": library.grad(scalar), "Hessian": library.hessian(scalar),
        "Jacobian": library.jacrev(several),
        "HVP": lambda x: library.jvp(library.grad(scalar), (x,), (vector,))[1],
    }  # fmt: skip
    compiled = library.jit(made[task])
    return lambda x: np.asarray(compiled(x))


def torch(problem: Problem, task: str, vector: np.ndarray) -> Call:
    """PyTorch."""
    library = importlib.import_module("torch")
    library.set_num_threads(1)
    room = _namespace(library, library.linalg, library.as_tensor)
    room.sum = lambda x, axis=None: x.sum() if axis is None else x.sum(axis)
    scalar, several = problem.make(room)
    func, along = library.func, library.as_tensor(vector)
    made = {
        "value": scalar, "gradient": func.grad(scalar), "Hessian": func.hessian(scalar),
        "Jacobian": func.jacrev(several),
        "HVP": lambda x: func.jvp(func.grad(scalar), (x,), (along,))[1],
    }[task]  # fmt: skip
    return lambda x: made(library.as_tensor(x)).numpy()


def _namespace(room: Any, linear: Any, array: Any, stack: Any = None) -> SimpleNamespace:
    """The functions that the problems use."""
    return SimpleNamespace(
        array=array, sum=room.sum, exp=room.exp, log=room.log, log1p=room.log1p, tanh=room.tanh,
        stack=stack or room.stack, solve=linear.solve, slogdet=linear.slogdet,
    )  # fmt: skip


CONTENDERS = {
    REPLAYED: replayed, "eager": ours, "HIPS/autograd": hips, "JAX jit": jax, "PyTorch": torch,
}  # fmt: skip


@dataclass
class Figure:
    """One contender at one task: seconds a call in each turn, or a remark why there are none."""

    problem: str
    task: str
    contender: str
    remark: str = ""
    turns: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Microseconds a call."""
        return statistics.median(self.turns) * 1e6


def measured(
    problem: Problem, task: str, seconds: float, rounds: int, left_out: dict[str, str]
) -> list[Figure]:
    """All contenders at one task, in turns; who disagrees with the first is not measured.

    ``left_out`` says of those who take no part why, and is given those who were slow to begin.
    """
    vector = np.cos(np.arange(problem.start.size))
    figures, calls, expected = [], {}, None
    for name, make in CONTENDERS.items():
        figure = Figure(problem.name, task, name)
        figures.append(figure)
        if name in left_out:
            figure.remark = left_out[name]
            continue
        start = time.process_time()
        try:
            call = make(problem, task, vector)
            found = call(problem.start)  # compiled or recorded
        except ImportError:
            figure.remark = "not installed"
            continue
        if (spent := time.process_time() - start) > LIMIT:
            left_out[name] = f"left out ({task}: {spent:.0f} s to begin)"
        for _ in range(8 if name == REPLAYED else 1):  # which looks again at calls 2, 4 and 8
            found = call(problem.start)
        expected = np.asarray(found) if expected is None else expected
        if not np.allclose(found, expected, rtol=1e-6, atol=1e-8):
            figure.remark = "another result"
            continue
        start = time.process_time()
        call(problem.start)
        calls[name] = call, max(1, int(seconds / (time.process_time() - start + 1e-9)))
    for _ in range(rounds):
        for figure in figures:
            if figure.contender in calls:
                call, count = calls[figure.contender]
                start = time.process_time()
                for _ in range(count):
                    call(problem.start)
                figure.turns.append((time.process_time() - start) / count)
    return figures


def table(figures: Sequence[Figure]) -> str:
    """Microseconds of the replayed transform, and of the others the ratio to it."""
    rows: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in figures:
        rows.setdefault((figure.problem, figure.task), {})[figure.contender] = figure
    lines = []
    for (problem, task), found in rows.items():
        base = found[REPLAYED].median
        others = [
            f"{figure.median / base:.2f}" if figure.turns else figure.remark
            for name, figure in found.items()
            if name != REPLAYED
        ]
        lines.append([f"{problem}: {task}", f"{base:,.1f}", *others])
    heads = [f"{name} ÷ {REPLAYED}" for name in CONTENDERS if name != REPLAYED]
    return markdown(["", f"{REPLAYED}, µs", *heads], lines)


def compare(given: argparse.Namespace) -> int:
    """Measure, print, write."""
    seconds, rounds = (0.0005, 3) if given.quick else (0.02, 11)
    figures: list[Figure] = []
    for problem in problems(given.quick):
        if given.only.lower() not in problem.name.lower():
            continue
        found: list[Figure] = []
        left_out: dict[str, str] = {}
        for task in TASKS:
            if task in ("Hessian", "Jacobian") and problem.start.size > LARGEST_HESSIAN:
                continue
            found += measured(problem, task, seconds, rounds, left_out)
        print(table(found), flush=True)
        figures += found
    if given.json is not None:
        shown = [{**vars(figure), "median_us": figure.median if figure.turns else None}
                 for figure in figures]  # fmt: skip
        write_json(given.json, {"machine": {**machine(), "threads": 1}, "figures": shown})
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, few and short turns")
    parser.add_argument("--only", default="", help="only functions whose name has this in it")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("functions.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
