"""Every operation with a derivative, at every row of the table of cases: replayed bit for bit."""

from typing import Any

import pytest

from tests.autodiff.cases import BY_FUNCTION, CASES, Case, full_name
from tests.replay.every_case import REFUSED, backwards, dense, difference, strided

every_function = pytest.mark.parametrize(
    "cases", list(BY_FUNCTION.values()), ids=[full_name(fn) for fn in BY_FUNCTION]
)


FORMS: list[tuple[str, str, Any]] = [
    ("leaves", "f8", dense), ("leaves inside", "f4", strided), ("arguments", "f4", backwards),
]  # fmt: skip


@pytest.mark.parametrize("turn", range(len(FORMS)), ids=[form for form, *_ in FORMS])
@every_function
def test_replay_is_eager_bit_for_bit(cases: list[Case], turn: int) -> None:
    """Every function in every form; of many cases each in one (all: tests.replay.every_case)."""
    form, dtype, layout = FORMS[turn]
    for case in cases if len(cases) <= len(FORMS) else cases[turn :: len(FORMS)]:
        found = difference(form, case, dtype, layout)
        refusal = REFUSED.get((form, case.id))
        if refusal is None:
            assert found == "", case.id
        else:
            assert f"the step takes a value off the tape: {refusal}" in found


def test_refusals_name_cases_that_are_there() -> None:
    assert {name for _, name in REFUSED} <= {case.id for case in CASES}
