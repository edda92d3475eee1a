"""Many cases in few tests: a test has a price of its own, some milliseconds in each process."""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def named(*what: Any) -> Iterator[None]:
    """Tells what of several things failed."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"at {', '.join(map(str, what))}")
        raise


def title(case: Any) -> str:
    """What one of several cases is called."""
    if not hasattr(case, "__name__"):
        return str(getattr(case, "id", case))
    room = getattr(case, "__module__", None)
    return f"{room}.{case.__name__}" if room else str(case.__name__)


def run_all(check: Callable[..., None], cases: Iterable[tuple[Any, ...]]) -> None:
    """Runs a check of each case, and tells which failed: a case that fails hides no other."""
    failures: list[BaseException] = []
    cases = list(cases)
    assert cases, "there is no case"
    for case in cases:
        try:
            with named(*map(title, case)):
                check(*case)
        except (Exception, pytest.fail.Exception) as failure:
            failures.append(failure)
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} checks", failures)


def for_each(*choices: Iterable[Any], parts: int = 1) -> Callable[[Callable[..., None]], Any]:
    """A check of one case, or of a choice of each of these, as a test of all, or so many tests."""
    cases = list(itertools.product(*choices))

    def of_all(check: Callable[..., None]) -> Any:
        def test(part: int, **fixtures: Any) -> None:
            run_all(functools.partial(check, **fixtures), cases[part::parts])

        one, *others = inspect.signature(check).parameters.values()
        fixtures = [one.replace(name="part"), *others[len(choices) - 1 :]]
        test.__signature__ = inspect.Signature(fixtures)  # type: ignore[attr-defined]
        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return pytest.mark.parametrize("part", range(parts))(test)

    return of_all
