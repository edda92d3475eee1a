"""Checks of single cases as tests of functions: one test runs through all cases of a function.

A test has a price of its own, some milliseconds in each of its processes.
"""

import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from tests.autodiff.cases import CASES, Case, full_name
from tests.each import named, run_all


def every(cases: Iterable[Case]) -> Any:
    """One test for each function of these cases."""
    groups: dict[Any, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.fn, []).append(case)
    return pytest.mark.parametrize("cases", groups.values(), ids=map(full_name, groups))


every_function = every(CASES)


def through_all(**choices: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A check of one case, with each of these options, as a check of several cases."""

    def of_all(check: Callable[..., None]) -> Callable[..., None]:
        def run(cases: list[Case]) -> None:
            for case, *chosen in itertools.product(cases, *choices.values()):
                with named(case.id, *chosen):
                    check(case, *chosen)

        assert list(inspect.signature(check).parameters) == ["case", *choices]
        run.__name__, run.__doc__ = check.__name__, check.__doc__
        return run

    return of_all


class Family:
    """Checks that one test of a function runs: a check that fails hides no other."""

    def __init__(self) -> None:
        self.checks: list[Callable[[list[Case]], None]] = []

    def __call__(self, check: Callable[[list[Case]], None]) -> Callable[[list[Case]], None]:
        self.checks.append(check)
        return check

    def run(self, cases: list[Case]) -> None:
        run_all(lambda check: check(cases), [(check,) for check in self.checks])
