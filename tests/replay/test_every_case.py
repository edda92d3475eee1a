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
FIRST = {cases[0] for cases in BY_FUNCTION.values()}
TURNS = {
    case: (i + k) % len(FORMS)
    for i, cases in enumerate(BY_FUNCTION.values())
    for k, case in enumerate(cases)
}


def chosen(turn: int, first: bool) -> list[Case]:
    """The first cases of functions, or the others, whose turn it is.

    A replay that checks itself captures twice: those of the others in the first form do.
    """
    form = FORMS[turn][0]
    cases = [case for case, at in TURNS.items() if at == turn and (form, case.id) not in REFUSED]
    return [case for case in cases if (case in FIRST) is first]


@pytest.mark.parametrize("turn", range(len(FORMS)), ids=[form for form, *_ in FORMS])
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("first", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_replay_is_eager_bit_for_bit(first: bool, part: int, turn: int) -> None:
    form, dtype, layout = FORMS[turn]
    cases, verify = chosen(turn, first)[part::4], not first and turn == 0
    for start in range(0, len(cases), TOGETHER):
        together = cases[start : start + TOGETHER]
        if found := difference(form, together, dtype, layout, verify):
            alone = {case.id: difference(form, [case], dtype, layout, verify) for case in together}
            pytest.fail(str({name: what for name, what in alone.items() if what} or found))


@pytest.mark.parametrize(("form", "name"), REFUSED)
def test_what_decides_shapes_is_refused(form: str, name: str) -> None:
    [(dtype, layout)] = [(dtype, layout) for there, dtype, layout in FORMS if there == form]
    [case] = [case for case in CASES if case.id == name]
    refusal = f"the step takes a value out of a Tensor: {REFUSED[form, name]}"
    assert refusal in difference(form, [case], dtype, layout)
