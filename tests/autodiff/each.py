"""Checks of single cases as tests of functions: one test runs through all cases of a function.

A test has a price of its own, some milliseconds in each of its processes.
"""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.autodiff.cases import CASES, Case, full_name


def every(cases: Iterable[Case]) -> Any:
    """One test for each function of these cases."""
    groups: dict[Any, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.fn, []).append(case)
    return pytest.mark.parametrize("cases", groups.values(), ids=map(full_name, groups))


every_function = every(CASES)


@contextmanager
def named(*what: Any) -> Iterator[None]:
    """Tells what of several things failed."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"at {', '.join(map(str, what))}")
        raise


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


def title(case: Any) -> str:
    """What one of several cases is called."""
    name = full_name(case) if hasattr(case, "__name__") else getattr(case, "id", case)
    return str(name)


def run_all(check: Callable[..., None], cases: Iterable[tuple[Any, ...]]) -> None:
    """Runs a check of each case, and tells which failed: a case that fails hides no other."""
    failures: list[BaseException] = []
    cases = list(cases)
    assert cases
    for case in cases:
        try:
            with named(*map(title, case)):
                check(*case)
        except (Exception, pytest.fail.Exception) as failure:
            failures.append(failure)
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} checks", failures)


def for_each(*choices: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A check of one case, or of a choice of each of these, as one test of all."""

    tables = [list(cases) for cases in choices]

    def of_all(check: Callable[..., None]) -> Callable[..., None]:
        def test(**fixtures: Any) -> None:
            run_all(functools.partial(check, **fixtures), itertools.product(*tables))

        _, *fixtures = inspect.signature(check).parameters.values()
        test.__signature__ = inspect.Signature(fixtures[len(tables) - 1 :])  # type: ignore[attr-defined]
        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

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
