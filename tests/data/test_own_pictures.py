"""How many pictures of one's own are guessed right: the table of ``docs/own_data.md``.

The pictures are drawn here: digits as strokes of random shape, and those of matplotlib's fonts.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import __main__ as door
from tinygrad_np.data.pictures import grey
from tinygrad_np.run import description
from tinygrad_np.run.predict import scaled

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
Points = list[tuple[float, float]]


def arc(x: float, y: float, a: float, b: float, start: float, end: float) -> Points:
    """Part of an ellipse, by angles in degrees; 0 is to the right, 90 is down."""
    angles = np.radians(np.linspace(start, end, 24))
    return [(x + a * float(np.cos(t)), y + b * float(np.sin(t))) for t in angles]


# strokes in a box of width 1 (0 to 1) and height 1.5, y down
STROKES: dict[int, list[list[Points]]] = {
    0: [[arc(0.5, 0.75, 0.42, 0.72, -90, 270)]],
    1: [[[(0.5, 0.0), (0.5, 1.5)]], [[(0.2, 0.35), (0.52, 0.0), (0.52, 1.5)]]],
    2: [[[*arc(0.5, 0.42, 0.42, 0.42, 190, 385), (0.05, 1.48), (0.95, 1.46)]]],
    3: [[[*arc(0.45, 0.38, 0.4, 0.38, 200, 450), *arc(0.45, 1.12, 0.45, 0.38, 270, 520)]]],
    4: [[[(0.5, 0.0), (0.05, 0.95), (0.98, 0.95)], [(0.72, 0.45), (0.7, 1.5)]],
        [[(0.15, 0.0), (0.12, 0.75), (0.9, 0.75)], [(0.85, 0.0), (0.8, 1.5)]]],
    5: [[[(0.9, 0.02), (0.2, 0.0), (0.15, 0.65), *arc(0.45, 1.05, 0.45, 0.45, 240, 500)]]],
    6: [[[(0.75, 0.0), (0.35, 0.45), *arc(0.5, 1.05, 0.42, 0.44, 190, 550)]]],
    7: [[[(0.05, 0.05), (0.95, 0.02), (0.4, 1.5)]]],
    8: [[arc(0.5, 0.37, 0.34, 0.37, 90, 450), arc(0.5, 1.12, 0.42, 0.38, -90, 270)]],
    9: [[[*arc(0.48, 0.42, 0.38, 0.42, 0, 360), (0.86, 0.42), (0.78, 1.5)]]],
}  # fmt: skip


def painted(lines: list[np.ndarray], size: tuple[int, int], width: float) -> np.ndarray:
    """Ink of 0 to 255 on 0: what lies at most half of ``width`` from a line."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    far = np.full(size, np.inf, np.float32)
    for line in lines:
        for (x0, y0), (x1, y1) in itertools.pairwise(line):
            dx, dy = x1 - x0, y1 - y0
            t = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
            far = np.minimum(far, np.hypot(x - x0 - t * dx, y - y0 - t * dy))
    return np.asarray(255 * np.clip(width / 2 + 0.5 - far, 0, 1))


def drawn(
    digit: int, rng: np.random.Generator, size: int = 140, part: float = 0.6,
    width: tuple[float, float] = (5, 10), turn: float = 0,
) -> np.ndarray:  # fmt: skip
    """A digit of a random shape, slant, width of stroke and place."""
    forms = STROKES[digit]
    height, bend = size * part * rng.uniform(0.85, 1.1), rng.normal(0, 0.04, 6)
    slant, narrow, angle = rng.uniform(-0.1, 0.3), rng.uniform(0.75, 1.1), np.radians(turn)
    place = size * (0.5 + rng.uniform(-0.1, 0.1, 2) * (1 - part))
    lines = []
    for line in forms[rng.integers(len(forms))]:
        x, y = np.array(line).T
        x, y = x - 0.5, (y - 0.75) / 1.5
        x = x / 1.5 * narrow - slant * y
        x = x + bend[0] * np.sin(3 * y + 9 * bend[1]) + rng.normal(0, 0.003, x.shape)
        y = y + bend[2] * np.sin(4 * x + 9 * bend[3]) + rng.normal(0, 0.003, y.shape)
        c, s = np.cos(angle), np.sin(angle)
        lines.append(np.stack([c * x - s * y, s * x + c * y], -1) * height + place)
    return painted(lines, (size, size), float(rng.uniform(*width)))


def photo(ink: np.ndarray, rng: np.random.Generator, shadow: float, noise: float) -> np.ndarray:
    """Dark ink on paper with a slope of light, a hard shadow and noise."""
    y, x = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]] / max(ink.shape)
    way, edge, tilt = rng.uniform(-0.3, 0.3, 2), rng.uniform(0.3, 0.7), rng.uniform(-0.3, 0.3)
    light = (0.85 + way[0] * x + way[1] * y) * np.where(x > edge + tilt * y, shadow, 1.0)
    page = (235 - 0.75 * ink) * light + rng.normal(0, noise, ink.shape)
    return np.clip(page, 0, 255).astype(np.uint8)


def by_font(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, int]]:
    """Eight fonts, each digit black on white in three sizes."""
    figure = pytest.importorskip("matplotlib.figure")
    agg = pytest.importorskip("matplotlib.backends.backend_agg")
    fonts = [(family, style, weight) for family in ("DejaVu Sans", "DejaVu Serif")
             for style in ("normal", "italic") for weight in ("normal", "bold")]  # fmt: skip
    for (family, style, weight), digit in ((f, d) for f in fonts for d in range(10)):
        for size in (40, 60, 80):
            page = figure.Figure((1.4, 1.4), dpi=100)
            canvas = agg.FigureCanvasAgg(page)
            place = 0.5 + rng.uniform(-0.08, 0.08, 2)
            page.text(*place, str(digit), family=family, style=style, weight=weight,
                      size=size, ha="center", va="center")  # fmt: skip
            canvas.draw()
            yield np.asarray(canvas.buffer_rgba())[..., 0].copy(), digit


def by_hand(make: Callable[[int, np.random.Generator], np.ndarray]) -> Any:
    """20 of each digit."""
    return lambda rng: ((make(d, rng), d) for d in range(10) for _ in range(20))


def paper(ink: np.ndarray) -> np.ndarray:
    return (255 - ink).astype(np.uint8)


def far_off(d: int, rng: np.random.Generator) -> np.ndarray:
    """A small digit anywhere in a large picture."""
    page = np.zeros((420, 560))
    top, left = rng.integers(0, 280), rng.integers(0, 420)
    page[top : top + 140, left : left + 140] = drawn(d, rng)
    return paper(page)


def several(
    rng: np.random.Generator, change: Callable[[np.ndarray], np.ndarray] = paper
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Pages of two lines of five digits."""
    for _ in range(20):
        digits = rng.integers(0, 10, 10).tolist()
        rows = [np.concatenate([drawn(d, rng) for d in row], 1)
                for row in (digits[:5], digits[5:])]  # fmt: skip
        yield change(np.concatenate(rows)), digits


def ruled(page: np.ndarray) -> np.ndarray:
    """Lines of 2 pixels, through digits too."""
    page = page.copy()
    page[20::56] = page[21::56] = 150
    return paper(page)


def framed(page: np.ndarray) -> np.ndarray:
    page = page.copy()
    page[4:7] = page[-7:-4] = page[:, 4:7] = page[:, -7:-4] = 255
    return paper(page)


def turned(d: int, rng: np.random.Generator) -> np.ndarray:
    return drawn(d, rng, turn=rng.uniform(-10, 10))


SETS: dict[str, Any] = {
    "drawn, black on white": by_hand(lambda d, rng: paper(drawn(d, rng))),
    "drawn, white on black": by_hand(lambda d, rng: drawn(d, rng).astype(np.uint8)),
    "drawn in a large picture, off its centre": by_hand(far_off),
    "lines of 2 pixels in pictures of 300": by_hand(
        lambda d, rng: paper(drawn(d, rng, 300, width=(2, 2)))
    ),
    "thick": by_hand(lambda d, rng: paper(drawn(d, rng, width=(14, 18)))),
    "fonts": by_font,
    "photo-like": by_hand(lambda d, rng: photo(turned(d, rng), rng, 0.8, 6)),
    "photo-like, chalk": by_hand(lambda d, rng: 255 - photo(turned(d, rng), rng, 0.8, 6)),
    "photo-like, dark shadows, much noise": by_hand(
        lambda d, rng: photo(turned(d, rng), rng, 0.55, 14)
    ),
}
PAGES: dict[str, Any] = {
    "pages": several,
    "pages, a frame around": functools.partial(several, change=framed),
    "pages of ruled paper": functools.partial(several, change=ruled),
}


@pytest.fixture(scope="module")
def guess(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], np.ndarray]:
    """What the default network, trained as ``train`` does, takes pictures for."""
    out = tmp_path_factory.mktemp("runs")
    assert door.main(["train", "--quiet", "--out", str(out)]) == 0
    model, described = description.rebuilt(out / "default-mnist-seed0" / "weights.npz")
    return lambda images: tg.training.predict(model, scaled(np.asarray(images), described)).argmax(
        axis=1
    )


def shown() -> dict[str, list[float]]:
    """The numbers of the page, by row."""
    page = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|((?: *[\d.]* *\|){3})$", page, re.MULTILINE)
    return {name: [float(n) for n in re.findall(r"[\d.]+", cells)] for name, cells in rows}


def test_the_table_of_the_page(guess: Callable[[Any], np.ndarray]) -> None:
    """Each number of ``digits_from`` is at most 3 points above what is measured."""
    found: dict[str, list[float]] = {}
    for name, make in SETS.items():
        pictures, labels = zip(*make(np.random.default_rng(0)), strict=True)
        small = np.stack([grey(picture, (28, 28)) for picture in pictures])
        right = [guess(small) == labels, guess(255 - small) == labels]
        cut = [tg.data.digits_from(picture) for picture in pictures]
        right.append(np.array([len(each) == 1 and guess(each)[0] == label
                               for each, label in zip(cut, labels, strict=True)]))  # fmt: skip
        found[name] = [round(100 * float(np.mean(each)), 1) for each in right]
    for name, make in PAGES.items():
        right = []
        for page, labels in make(np.random.default_rng(0)):
            each = tg.data.digits_from(page)
            right.append(np.mean(guess(each) == labels) if len(each) == len(labels) else 0.0)
        found[name] = [round(100 * float(np.mean(right)), 1)]
    _, (x, y) = tg.data.mnist()
    x, y = x[:1500], y[:1500]
    cut = [tg.data.digits_from(each) for each in x]
    right = [len(c) == 1 and guess(c)[0] == label for c, label in zip(cut, y, strict=True)]
    own = [float(np.mean(guess(x) == y)), float(np.mean(right))]
    found["MNIST's own test images (1,500), unchanged"] = [round(100 * n, 1) for n in own]
    for name, numbers in found.items():
        print(f"| {name} | {' | '.join(map(str, numbers))} |")
    page = shown()
    assert page.keys() == found.keys()
    low = {name: (page[name], n) for name, n in found.items() if n[-1] < page[name][-1] - 3}
    assert low == {}
