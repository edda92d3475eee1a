"""How many images a second are distorted on one core.

    python benchmarks/augment.py                  half a minute
    python benchmarks/augment.py --quick --json FILE

28×28 float32 images, by ``tg.data.augment`` in batches of several sizes, and where SciPy is
installed image by image with its ``gaussian_filter`` and ``map_coordinates``. The ways take turns;
what is counted is CPU time, and figures are medians.
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

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from benchmarks.contenders.report import markdown
from benchmarks.overhead import take_turns
from benchmarks.step_time import machine
from tinygrad_np.data.augment import Distort
from tinygrad_np.run.command_line import Arguments, guarded, new_file
from tinygrad_np.run.outputs import write_json

WAYS = {
    "shift": Distort(shift=2),
    "shift, rotation, scale, shear": Distort(shift=2, rotation=10, scale=0.1, shear=0.1),
    "elastic": Distort(alpha=34, sigma=4),
    "all in one": Distort(shift=2, rotation=10, scale=0.1, shear=0.1, alpha=34, sigma=4),
}
SCIPY = "elastic, with SciPy"
BATCHES = (64, 128, 512, 4096)

Figures = dict[tuple[str, int], list[float]]


def measure(batches: Sequence[int], seconds: float, rounds: int) -> Figures:
    """Images a second of each turn, for each way and size of batch."""
    generator = np.random.default_rng(0)
    images = {n: generator.random((n, 28, 28), np.float32) for n in batches}
    ways = {
        (name, n): partial(distort, images[n], generator)
        for name, distort in WAYS.items()
        for n in batches
    }
    by_scipy = with_scipy()
    if by_scipy is not None:
        ways[SCIPY, batches[0]] = partial(by_scipy, images[batches[0]], generator)
    turns = take_turns(ways, seconds, rounds)
    return {key: [key[1] / time * 1e6 for time in times] for key, times in turns.items()}


def with_scipy() -> Callable[[Any, np.random.Generator], Any] | None:
    """The usual way to distort elastically; None without SciPy."""
    try:
        from scipy.ndimage import gaussian_filter, map_coordinates
    except ImportError:
        return None
    places = np.mgrid[:28, :28].astype(np.float32)

    def distort(images: Any, generator: np.random.Generator) -> Any:
        out = np.empty_like(images)
        for image, changed in zip(images, out, strict=True):
            noise = 2 * generator.random((2, 28, 28), np.float32) - 1
            field = 34 * gaussian_filter(noise, (0, 4, 4), mode="constant")
            map_coordinates(image, places + field, changed, order=1)
        return out

    return distort


def table(figures: Figures) -> str:
    """Thousands of images a second, medians, as Markdown."""
    sizes = sorted({n for _, n in figures})
    lines = []
    for name in dict.fromkeys(name for name, _ in figures):
        cells = [figures.get((name, n)) for n in sizes]
        shown = [f"{statistics.median(cell) / 1000:.0f}" if cell else "—" for cell in cells]
        lines.append([name, *shown])
    return markdown(["thousands a second, in batches of", *map(str, sizes)], lines)


def compare(given: argparse.Namespace) -> int:
    """Measure, print, write."""
    batches, seconds, rounds = (BATCHES[:2], 0.005, 3) if given.quick else (BATCHES, 0.1, 11)
    figures = measure(batches, seconds, rounds)
    print(table(figures))
    if given.json is not None:
        lines = [
            {
                "way": name,
                "batch": n,
                "images_per_second": found,
                "median": statistics.median(found),
            }
            for (name, n), found in figures.items()
        ]
        content = {"machine": {**machine(), "threads": 1}, "rounds": rounds, "figures": lines}
        write_json(given.json, content)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sizes and short turns")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("augment.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
