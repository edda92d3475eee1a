"""Rules broken on purpose, each by 0.1 %: how many does gradcheck notice?"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.autodiff.cases import BY_FUNCTION, CASES, Case, full_name
from tinygrad_np import GradientError, gradcheck
from tinygrad_np.autodiff.rules import TABLE
from tinygrad_np.autodiff.rules.table import Each, Rule


def seeds() -> list[tuple[Any, int]]:
    """Every derivative in the table of cases: a function and the operand that it is taken by."""
    found = []
    for fn in BY_FUNCTION:
        rule = TABLE.get(fn)
        if rule is None:
            continue
        count = 1 if rule.each is not None else len(rule.vjps)
        found += [(fn, k) for k in range(count) if rule.vjps[k] is not None]
    return found


def off(vjp: Any) -> Any:
    """A rule whose result is 0.1 % too large, and not 0 where it always is."""

    def wrong(*args: Any, **options: Any) -> Any:
        right = vjp(*args, **options)
        return right * 1.001 + (0.001 if not np.any(right) else 0.0)

    return wrong


@contextmanager
def broken(fn: Any, k: int) -> Iterator[None]:
    """The table with the derivative of ``fn`` by operand ``k`` replaced by a wrong one."""
    right = TABLE[fn]
    wrong: Rule = copy.copy(right)
    if right.each is not None:
        wrong.vjps = Each(off(right.each))
    else:
        wrong.vjps = (*right.vjps[:k], off(right.vjps[k]), *right.vjps[k + 1 :])
    TABLE[fn] = wrong
    try:
        yield
    finally:
        TABLE[fn] = right


def catches(case: Case) -> bool:
    try:
        gradcheck(case.call, *case.variables)
    except GradientError:
        return True
    return False


def caught(fn: Any, k: int) -> bool:
    """Whether some case of ``fn`` shows that its derivative by operand ``k`` is wrong."""
    with broken(fn, k):
        return any(map(catches, sorted(BY_FUNCTION[fn], key=Case.size)))


def broken_rules() -> tuple[int, list[str]]:
    """How many rules were broken, and which of them nobody noticed."""
    missed = [f"{full_name(fn)}[{k}]" for fn, k in seeds() if not caught(fn, k)]
    return len(seeds()), missed


if __name__ == "__main__":
    seeded, missed = broken_rules()
    print(f"{len(CASES)} cases; caught {seeded - len(missed)} / seeded {seeded} {missed}")
