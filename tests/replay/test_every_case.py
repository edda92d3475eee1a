"""Every operation with a derivative, at every row of the table of cases: replayed bit for bit."""

from typing import Any

import pytest

from tests.autodiff.cases import BY_FUNCTION, CASES, Case, full_name
from tests.replay.every_case import REFUSED, backwards, dense, difference, strided

every_function = pytest.mark.parametrize(
    "cases", list(BY_FUNCTION.values()), ids=[full_name(fn) for fn in BY_FUNCTION]
)


@pytest.mark.parametrize(
    ("form", "dtype", "layout"),
    [("leaves", "f8", dense), ("leaves inside", "f4", strided), ("arguments", "f4", backwards)],
)
@every_function
def test_replay_is_eager_bit_for_bit(cases: list[Case], form: str, dtype: str, layout: Any) -> None:
    for case in cases:
        found = difference(form, case, dtype, layout)
        refusal = REFUSED.get((form, case.id))
        if refusal is None:
            assert found == "", case.id
        else:
            assert f"the step takes a value off the tape: {refusal}" in found


def test_refusals_name_cases_that_are_there() -> None:
    assert {name for _, name in REFUSED} <= {case.id for case in CASES}
