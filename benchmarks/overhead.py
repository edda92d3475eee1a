"""What an operation costs: a one-element multiply-add, forward and backward, in a long chain.

    python benchmarks/overhead.py

Each line is one way to do ``y = y * a + b`` N times and to get the gradients of ``a`` and ``b``.
The first touches no Tensor and is the control. The contenders take turns; medians of CPU times.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from tinygrad_np import Tensor

CHAIN = 10_000
ROUNDS = 15


def by_hand(n: int) -> None:
    """NumPy alone, with the chain rule written out."""
    y, a, b = (np.full(1, value) for value in (1.0, 0.999, 0.001))
    ys = []
    for _ in range(n):
        ys.append(y)
        y = y * a + b
    g, ga, gb = np.ones(1), np.zeros(1), np.zeros(1)
    for y in reversed(ys):
        gb = gb + g
        ga = ga + g * y
        g = g * a


def eager(n: int) -> None:
    """This project."""
    y, a, b = (Tensor(np.full(1, value), requires_grad=True) for value in (1.0, 0.999, 0.001))
    for _ in range(n):
        y = y * a + b
    y.backward()


def pytorch(n: int) -> None:
    """PyTorch's eager mode on one thread."""
    import torch

    torch.set_num_threads(1)
    y, a, b = (
        torch.full((1,), value, dtype=torch.float64, requires_grad=True)
        for value in (1.0, 0.999, 0.001)
    )
    for _ in range(n):
        y = y * a + b
    y.backward()  # type: ignore[no-untyped-call]


def contenders() -> dict[str, Callable[[int], None]]:
    """Those that can run here."""
    ways: dict[str, Callable[[int], None]] = {"NumPy by hand": by_hand, "tinygrad_np": eager}
    try:
        import torch  # noqa: F401
    except ImportError:
        print("PyTorch is not installed, and left out.")
        return ways
    return {**ways, "PyTorch": pytorch}


def main() -> None:
    """Print microseconds per multiply-add and the ratio to the control."""
    times: dict[str, list[float]] = {name: [] for name in contenders()}
    ways = contenders()
    for way in ways.values():
        way(CHAIN)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.process_time()
            way(CHAIN)
            times[name].append((time.process_time() - start) / CHAIN * 1e6)
    control = statistics.median(times["NumPy by hand"])
    print(f"one multiply-add, forward and backward, in a chain of {CHAIN:,}:")
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"  {name:<16}{middle:7.2f} µs   {middle / control:5.2f} × by hand")
    for n in (1_000, 10_000, 100_000):
        start = time.process_time()
        eager(n)
        print(f"  chain of {n:>7,}: {(time.process_time() - start) / n * 1e6:6.2f} µs each")


if __name__ == "__main__":
    main()
