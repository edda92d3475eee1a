"""Curves as SVG text, for where there is no matplotlib."""

import math
from collections.abc import Mapping, Sequence

from .elements import Html, escape

WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 44, 34  # margins
MARKED = 50  # points of a line that get a mark and a tooltip each
# Okabe & Ito 2008; the second one is dashed too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
DASHES = ("", "6 3", "2 2", "8 2 2 2")

Line = tuple[Sequence[float], Sequence[float]]  # places and values


def chart(lines: Mapping[str, Line], title: str, below: str) -> Html:
    """Lines of (x, y) by name in one frame; points that are not finite are gaps.

    ``title`` says what y is, ``below`` what x is. Equal input gives equal text.
    """
    points = [
        (float(x), float(y))
        for xs, ys in lines.values()
        for x, y in zip(xs, ys, strict=True)
        if _is_shown(y)
    ]
    across, up = _range([x for x, _ in points]), _range([y for _, y in points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" style="max-width:100%;height:auto;background:#fff" role="img" '
        f'font-family="sans-serif" font-size="11" fill="#1a1a1a"><title>{escape(title)}</title>',
        _text(LEFT, 15, title, weight="bold"),
    ]
    for value in _ticks(*across):
        x = _at(value, across, LEFT, WIDTH - RIGHT)
        parts.append(_grid(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text(x, HEIGHT - BOTTOM + 14, f"{value:.6g}", "middle"))
    for value in _ticks(*up):
        y = _at(value, up, HEIGHT - BOTTOM, TOP)
        parts.append(_grid(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 5, y + 4, f"{value:.6g}", "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, below, "middle"))
    for i, (name, (xs, ys)) in enumerate(lines.items()):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        style = f'fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"'
        at = LEFT + i * (WIDTH - LEFT) / max(len(lines), 1)
        parts.append(f'<path d="M{at:.0f} 31h22" {style}/>')
        parts.append(_text(at + 27, 35, name))
        placed = [
            (_at(x, across, LEFT, WIDTH - RIGHT), _at(y, up, HEIGHT - BOTTOM, TOP))
            if _is_shown(y)
            else None
            for x, y in zip(xs, ys, strict=True)
        ]
        parts.append(f'<path d="{_path(placed)}" {style}/>')
        if len(placed) <= MARKED:
            for place, x, y in zip(placed, xs, ys, strict=True):
                if place is not None:
                    said = escape(f"{name}: {y:.4g} at {x:g}")
                    parts.append(
                        f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="3" fill="{colour}">'
                        f"<title>{said}</title></circle>"
                    )
    return Html("".join([*parts, "</svg>"]))


def _is_shown(value: float) -> bool:
    """Whether it is finite, and so is its distance to others."""
    return abs(value) < 1e300


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest, with something between them."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        spread = abs(low) / 2 or 0.5
        return low - spread, high + spread
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    """Four or so round numbers between two."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def _at(value: float, within: tuple[float, float], start: float, end: float) -> float:
    return start + (value - within[0]) / (within[1] - within[0]) * (end - start)


def _path(placed: Sequence[tuple[float, float] | None]) -> str:
    """Lines between neighbours, with gaps where there is no point."""
    words, pen = [], "M"
    for place in placed:
        if place is not None:
            words.append(f"{pen}{place[0]:.1f} {place[1]:.1f}")
        pen = "M" if place is None else "L"
    return "".join(words)


def _grid(x: float, y: float, x2: float, y2: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{x2:.1f} {y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
