"""The gradient of small NumPy functions: what the transform itself costs, beside HIPS/autograd.

    python benchmarks/small_functions.py                        the table: two minutes
    python benchmarks/small_functions.py --quick --json FILE    few and short turns: a look
    python benchmarks/small_functions.py --only sort            the rows with this in their names
    pip install '.[peers]'                                      HIPS/autograd

Each function is of five numbers or a 5×5 matrix, so that next to nothing is arithmetic. It is
written once, with the namespaces ``np`` and ``sp`` of whom it is measured with. Contenders take
turns in one process and on one thread; medians of CPU time of a call, and of the ratio in each
round. Gradients are compared before anything is measured. Functions that HIPS/autograd has no
derivative of have no ratio.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

import tinygrad_np as tg
from benchmarks.contenders.report import markdown
from benchmarks.overhead import Way, take_turns
from benchmarks.step_time import machine
from tinygrad_np.run.command_line import Arguments, guarded, new_file
from tinygrad_np.run.outputs import write_json

HIPS, OURS, COMPAT, REPLAYED = "HIPS/autograd", "tg.grad", "compat", "replayed"

_rng = numpy.random.default_rng(0)
A, B = _rng.normal(size=(2, 5, 5))
V = _rng.normal(size=5)
P = numpy.abs(V) + 0.5
S = A @ A.T + 5 * numpy.eye(5)

# Functions of one operand and of two that act on each element, and those of a whole array.
ONE = (
    "exp", "sin", "cos", "tanh", "sinh", "cosh", "arctan", "arcsinh", "absolute", "square",
    "negative", "log", "sqrt", "log1p", "expm1", "log2", "reciprocal",
)  # fmt: skip
TWO = (
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "logaddexp", "arctan2",
)  # fmt: skip
WHOLE = ("sum", "mean", "var", "std", "prod", "max", "min")

Make = Callable[[Any, Any], Callable[[Any], Any]]
Turns = dict[str, list[float]]


def _by_name() -> dict[str, tuple[Make, Any]]:
    """The functions that are the same but for a name."""

    def of_one(name: str, np: Any, _: Any) -> Callable[[Any], Any]:
        fn = getattr(np, name)
        return lambda x: np.sum(fn(x))

    def of_two(name: str, np: Any, _: Any) -> Callable[[Any], Any]:
        fn = getattr(np, name)
        return lambda x: np.sum(fn(x, 2 * P))

    def of_all(name: str, np: Any, _: Any) -> Callable[[Any], Any]:
        return getattr(np, name)  # type: ignore[no-any-return]

    return {
        **{name: (partial(of_one, name), P) for name in ONE},
        **{name: (partial(of_two, name), P) for name in TWO},
        **{name: (partial(of_all, name), V) for name in WHOLE},
    }


# For each name what makes the function of ``np`` and ``sp``, and where its gradient is taken.
TABLE: dict[str, tuple[Make, Any]] = {
    **_by_name(),
    "tanh of a number": (lambda np, _: np.tanh, 1.0),
    "cumsum": (lambda np, _: lambda x: np.sum(np.cumsum(x) * V), V),
    "sort": (lambda np, _: lambda x: np.sum(np.sort(x) * V), V),
    "dot": (lambda np, _: lambda x: np.dot(x, V), V),
    "matmul": (lambda np, _: lambda x: np.sum(x @ B), A),
    "outer": (lambda np, _: lambda x: np.sum(np.outer(x, V)), V),
    "einsum": (lambda np, _: lambda x: np.sum(np.einsum("ij,jk->ik", x, B)), A),
    "tensordot": (lambda np, _: lambda x: np.sum(np.tensordot(x, B, 1)), A),
    "inner": (lambda np, _: lambda x: np.sum(np.inner(x, B)), A),
    "kron": (lambda np, _: lambda x: np.sum(np.kron(x, B)), A),
    "reshape": (lambda np, _: lambda x: np.sum(np.reshape(x, 25)), A),
    "transpose": (lambda np, _: lambda x: np.sum(x.T * B), A),
    "concatenate": (lambda np, _: lambda x: np.sum(np.concatenate([x, x])), V),
    "stack": (lambda np, _: lambda x: np.sum(np.stack([x, x])), V),
    "index": (lambda np, _: lambda x: np.sum(x[1:]), V),
    "where": (lambda np, _: lambda x: np.sum(np.where(V > 0, x, 0.0)), V),
    "clip": (lambda np, _: lambda x: np.sum(np.clip(x, -1, 1)), V),
    "trace": (lambda np, _: np.trace, A),
    "diag": (lambda np, _: lambda x: np.sum(np.diag(x)), A),
    "norm": (lambda np, _: np.linalg.norm, V),
    "norm of order 3": (lambda np, _: lambda x: np.linalg.norm(x, 3), V),
    "det": (lambda np, _: np.linalg.det, A),
    "slogdet": (lambda np, _: lambda x: np.linalg.slogdet(x)[1], A),
    "inv": (lambda np, _: lambda x: np.sum(np.linalg.inv(x)), S),
    "solve": (lambda np, _: lambda x: np.sum(np.linalg.solve(x, V)), S),
    "cholesky": (lambda np, _: lambda x: np.sum(np.linalg.cholesky(x)), S),
    "eigh": (lambda np, _: lambda x: np.sum(np.linalg.eigh(x)[0] * V), S),
    "svd": (lambda np, _: lambda x: np.sum(np.linalg.svd(x)[1] * V), A),
    "logsumexp": (lambda _, sp: sp.logsumexp, V),
    "logistic loss": (lambda np, _: lambda w: np.sum(np.log1p(np.exp(-(B @ w)))), V),
    "Rosenbrock": (
        lambda np, _: lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
        V,
    ),
}  # fmt: skip


def contenders() -> dict[str, tuple[Any, Any, Any]]:
    """The transform of each, and its ``np`` and ``sp``; HIPS/autograd if that is installed."""
    from tinygrad_np.compat.autograd import grad
    from tinygrad_np.compat.autograd import numpy as compat_numpy
    from tinygrad_np.compat.autograd.scipy import special as compat_special

    found: dict[str, tuple[Any, Any, Any]] = {
        OURS: (tg.grad, numpy, tg.special),
        COMPAT: (grad, compat_numpy, compat_special),
        REPLAYED: (lambda f: tg.replay(tg.grad(f)), numpy, tg.special),
    }
    try:
        import autograd
        import autograd.numpy
        import autograd.scipy.special
    except ImportError:
        return found
    return {HIPS: (autograd.grad, autograd.numpy, autograd.scipy.special), **found}


def ways(name: str) -> dict[str, Way]:
    """A call of the gradient for each contender that has it; raises ValueError where they differ.

    The replayed one is captured, and checked, before that.
    """
    make, at = TABLE[name]
    found: dict[str, Way] = {}
    results: dict[str, Any] = {}
    for who, (transform, np, sp) in contenders().items():
        way = partial(transform(make(np, sp)), at)
        try:
            for _ in range(5):  # calls 2 and 4 of a replay take 100 times as long: it looks again
                results[who] = way()
        except (NotImplementedError, ValueError, TypeError):
            if who != HIPS:
                raise
            continue
        found[who] = way
        if not numpy.allclose(results[who], results[OURS] if OURS in results else results[who]):
            raise ValueError(f"{name}: {who} gives {results[who]}, {OURS} {results[OURS]}.")
    return found


def measured(names: Sequence[str], seconds: float, rounds: int) -> dict[str, Turns]:
    """Microseconds of each turn, by function and contender."""
    found = {}
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found[name] = take_turns(ways(name), seconds, rounds)
    return found


def ratio(turns: Turns, who: str) -> float | None:
    """The median over the rounds of the time beside that of HIPS/autograd."""
    if HIPS not in turns:
        return None
    return statistics.median(a / b for a, b in zip(turns[who], turns[HIPS], strict=True))


def tables(found: dict[str, Turns]) -> str:
    """The functions, slowest beside HIPS/autograd first, and a summary."""
    order = sorted(found, key=lambda name: -(ratio(found[name], OURS) or 0.0))
    lines = []
    for name in order:
        cells = [f"{statistics.median(turns):.1f}" if turns else "–" for turns in
                 (found[name].get(who, []) for who in (HIPS, OURS, COMPAT, REPLAYED))]  # fmt: skip
        ratios = [ratio(found[name], who) for who in (OURS, COMPAT, REPLAYED)]
        lines.append([name, *cells, *("–" if r is None else f"{r:.2f}" for r in ratios)])
    titles = ["µs", HIPS, OURS, COMPAT, REPLAYED]
    shown = markdown([*titles, *(f"{who} ×" for who in titles[2:])], lines)
    for who in (OURS, COMPAT, REPLAYED):
        known = [r for name in found if (r := ratio(found[name], who)) is not None]
        if known:
            slower = sum(r > 1 for r in known)
            shown += f"\n{who}: median {statistics.median(known):.2f} × {HIPS}, "
            shown += f"{slower} of {len(known)} slower"
    return shown


def compare(given: argparse.Namespace) -> int:
    """Measure, print, write."""
    seconds, rounds = (0.001, 3) if given.quick else (0.01, 15)
    names = [name for name in TABLE if given.only in name]
    found = measured(names, seconds, rounds)
    print(tables(found))
    if given.json is not None:
        shown = {"machine": {**machine(), "threads": 1}, "rounds": rounds, "turns_us": found}
        write_json(given.json, shown)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few and short turns")
    parser.add_argument("--only", default="", help="functions with this in their names")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("small_functions.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
