"""The receipt of a gradient: each rule as a formula, and its number beside two other ways to it."""

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import replacing
from ..markup import Html, counted, escape, facts, folded, joined, page, section, table
from .checking import Check, Checking, Whole, wide_leaves
from .formulas import explained
from .text import Row, aligned, short
from .trace import traced

HEAD = ("by", "rule", "autodiff", "difference", "complex step", "error", "verdict")
SUFFIXES = (".html", ".md", ".txt")


class Receipt:
    """What ``tg.receipt`` found; ``print``, notebooks and ``save`` show it.

    ``equations`` are pairs of a ``Row`` and a list with a ``Check`` for each operand. ``ends`` are
    the checks of the whole function, one for each argument and parameter. ``gradients`` are the
    gradients of arguments and parameters by name (if the result is not one number, of its elements
    times random weights).

    >>> found = tg.receipt(np.sum, np.array([1.0, 2.0]))
    >>> found.agrees, found.ends[0].verdict
    (True, 'agrees')
    """

    def __init__(
        self, title: str, equations: list[tuple[Row, list[Check]]], ends: list[Check],
        gradients: dict[str, np.ndarray],
    ) -> None:  # fmt: skip
        self.title = title
        self.equations = equations
        self.ends = ends
        self.gradients = gradients

    @property
    def checks(self) -> list[Check]:
        """All of them, those of equations first."""
        return [check for _, checks in self.equations for check in checks] + self.ends

    @property
    def agrees(self) -> bool:
        """Whether no number differs."""
        return not any(check.is_bad for check in self.checks)

    @property
    def legend(self) -> dict[str, str]:
        """What the functions and constants in equations and rules mean, except NumPy's."""
        found = {row.equation.name: explained(row.equation.fn) for row, _ in self.equations}
        found |= {name: text for check in self.checks for name, text in check.rule.legend.items()}
        return {name: text for name, text in found.items() if text}

    def summary(self) -> list[str]:
        """How many equations, rules and gradients there are, and which differ."""
        count = sum(len(checks) for _, checks in self.equations)
        number = len({row.number for row, _ in self.equations})
        counts = {"equation": number, "rule": count, "gradient": len(self.ends)}
        found = [", ".join(counted(n, noun) for noun, n in counts.items())]
        for row, checks in self.equations:
            found += [f"equation {row.number} by {c.by} DIFFERS" for c in checks if c.is_bad]
        found += [f"the gradient by {c.by} DIFFERS" for c in self.ends if c.is_bad]
        for verdict in ("kink", "unknown"):
            if some := sum(check.verdict == verdict for check in self.checks):
                found.append(f"{some} {verdict}")
        return found + ["all agree"] * (len(found) == 1)

    def __str__(self) -> str:
        cells = [HEAD, *(check.cells() for check in self.checks)]
        lines = iter([f"      {line}" for line in aligned(cells, "<<>>>><")])
        text = [f"{self.title}: {', '.join(self.summary())}", next(lines)]
        for row, checks in self.equations:
            told = "  ".join(part for part in (row.left, row.place, short(row.line)) if part)
            text += [f"{row.number:4d}  {told}", *islice(lines, len(checks))]
        text += ["end to end"] * bool(self.ends) + [*lines]
        text += [""] * bool(self.legend) + [f"{n}: {t}" for n, t in sorted(self.legend.items())]
        return "\n".join(text)

    def __repr__(self) -> str:
        return f"{self.title}({', '.join(self.summary())})"

    def parts(self) -> dict[str, Html]:
        """The tables of the page, by their titles."""
        found = {}
        if self.ends:
            ends = [(c[0], *c[2:]) for c in map(_marked, self.ends)]
            found["Gradients of the whole function"] = table(ends, (HEAD[0], *HEAD[2:]))
        if self.equations:
            lines: list[Sequence[str]] = []
            for row, checks in self.equations:
                told = escape("  ".join(part for part in (row.place, short(row.line)) if part))
                left = f"{row.number}&ensp;{_code(row.left)}"
                lines.append([Html(f"{left}&ensp;<small>{told}</small>")])
                lines += map(_marked, checks)
            found["Equations, and the rule of each operand"] = table(lines, HEAD)
        if self.legend:
            found["Functions"] = table(sorted(self.legend.items()))
        return found

    def _repr_html_(self) -> Html:
        parts = [part for pair in self.parts().items() for part in pair]
        return joined(
            [facts(self.title, map(_coloured, self.summary())), folded("the receipt", *parts)]
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as a page (``.html``), as Markdown (``.md``) or as text (``.txt``).

        Returns the path. Raises DataError for any other ending, and if the file cannot be written.

        >>> print(tg.receipt(np.sin, np.ones(2)).save("receipt.html"))
        receipt.html
        """
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(f"{path}: a receipt is written as {', '.join(SUFFIXES)}; name one.")
        content = str(self) + "\n"
        if path.suffix.lower() == ".md":
            content = f"# {self.title}\n\n```text\n{content}```\n"
        if path.suffix.lower() == ".html":
            said = [_coloured(", ".join(self.summary()) + "."), READING]
            parts = [section(name, part) for name, part in self.parts().items()]
            content = page(self.title, *said, *parts)
        with replacing(path) as file:
            file.write(content.encode())
        return path


def _marked(check: Check) -> tuple[str, ...]:
    """A check's cells with the rule as code, and a verdict that is seen."""
    by, rule, *numbers, verdict = check.cells()
    return _code(by), _code(rule), *numbers, _coloured(verdict)


def _code(text: str) -> Html:
    return Html(f"<code>{escape(text)}</code>")


def _coloured(text: str) -> Html:
    """Text in which ``DIFFERS`` is seen, also in a notebook."""
    return Html(escape(text).replace("DIFFERS", BAD))


BAD = '<b class="bad" style="background: #b3134f; color: #fff">DIFFERS</b>'
READING = (
    "Each rule gives the cotangent of one operand from the cotangent g of the result. Its number "
    "is the derivative along a random direction, with random weights for the results, in float64: "
    "by autodiff, by finite differences, and by the complex step Im f(x + ih) / h with h = 1e-30 "
    "where the function is holomorphic. A kink is a point where the slopes on both sides differ."
)


def receipt(fn: Callable[..., Any], *inputs: Any, seed: int = 0) -> Receipt:
    """Check every derivative in ``fn(*inputs)`` by two other methods; the result is a ``Receipt``.

    ``fn`` is a function or a module, and is called once; ``inputs`` are arrays or nests of them,
    taken in float64 (integers as they are). For each equation that ``tg.trace`` shows, and for each
    of its operands, the receipt has the rule as a formula (read from the source of the rule), and
    three numbers: autodiff, finite differences (Ridders 1982), and the complex step (Squire & Trapp
    1998) where the operation is holomorphic. Each equation is checked alone, then the whole
    function by each argument and parameter (not where ``fn`` computes gradients itself). Random
    draws are the same in all computations, and what ``fn`` detaches stays a constant. ``seed``
    draws the directions and weights.

    Raises what ``fn`` and ``tg.trace`` raise.

    >>> found = tg.receipt(lambda x: np.sum(np.sin(x)), np.array([0.5, 1.0]))
    >>> found
    Receipt of <lambda>(2 equations, 2 rules, 1 gradient, all agree)
    >>> [check.rule.text for _, checks in found.equations for check in checks]
    ['g · cos(x)', 'spread(g, v1, None, True)']
    """
    recorder = Whole()
    recording = traced(recorder, fn, wide_leaves(inputs), backward=True)
    title = recording.title.replace("Recording", "Receipt", 1)
    return Receipt(title, *Checking(recording, recorder.wholes, seed).found())
