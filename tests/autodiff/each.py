"""Checks of single cases as tests of functions: one test runs through all cases of a function.

A test has a price of its own, some milliseconds in each of its processes.
"""

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.autodiff.cases import BY_FUNCTION, Case, full_name
from tests.each import named

every_function = pytest.mark.parametrize(
    "cases", BY_FUNCTION.values(), ids=map(full_name, BY_FUNCTION)
)


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


class Family(list[Callable[[list[Case]], None]]):
    """Checks of a function's cases."""

    def __call__(self, check: Callable[[list[Case]], None]) -> Callable[[list[Case]], None]:
        self.append(check)
        return check
