"""Every operation with a derivative, at every row of the table of cases: replayed bit for bit."""

from typing import Any

import pytest

from tests.autodiff.cases import BY_FUNCTION, CASES, Case
from tests.replay.every_case import REFUSED, backwards, dense, difference, strided

FORMS: list[tuple[str, str, Any]] = [
    ("leaves", "f8", dense), ("leaves inside", "f4", strided), ("arguments", "f4", backwards),
]  # fmt: skip
TOGETHER = 12  # cases in one step, since a capture has a price of its own


# Each case in one form, those of a function in different ones. All in all of them:
# python -m tests.replay.every_case
TURNS = {
    case: (i + k) % len(FORMS)
    for i, cases in enumerate(BY_FUNCTION.values())
    for k, case in enumerate(cases)
}


def chosen(turn: int) -> list[Case]:
    form = FORMS[turn][0]
    return [c for c, at in TURNS.items() if at == turn and (form, c.id) not in REFUSED]


@pytest.mark.parametrize("turn", range(len(FORMS)), ids=[form for form, *_ in FORMS])
@pytest.mark.parametrize("part", range(8))
def test_replay_is_eager_bit_for_bit(part: int, turn: int) -> None:
    form, dtype, layout = FORMS[turn]
    cases = chosen(turn)[part::8]
    for start in range(0, len(cases), TOGETHER):
        together = cases[start : start + TOGETHER]
        if found := difference(form, together, dtype, layout):
            alone = {case.id: difference(form, [case], dtype, layout) for case in together}
            pytest.fail(str({name: what for name, what in alone.items() if what} or found))


@pytest.mark.parametrize(("form", "name"), REFUSED)
def test_what_decides_shapes_is_refused(form: str, name: str) -> None:
    [(dtype, layout)] = [(dtype, layout) for there, dtype, layout in FORMS if there == form]
    [case] = [case for case in CASES if case.id == name]
    refusal = f"the step takes a value off the tape: {REFUSED[form, name]}"
    assert refusal in difference(form, [case], dtype, layout)
