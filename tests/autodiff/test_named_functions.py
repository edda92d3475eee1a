"""Errors of derivatives name the function that the user called, also one made of others."""

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, Case
from tests.each import for_each
from tests.foreign import strict
from tests.foreign.cases import of_kind
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import COMPOSITES
from tinygrad_np.autodiff.rules.signatures import name_of
from tinygrad_np.autodiff.tape import Record

MADE = [cases[-1] for fn in COMPOSITES if (cases := BY_FUNCTION.get(fn)) and cases[-1].variables]
STRICT = [case for case in MADE if name_of(case.fn) not in (
    "nanmedian", "nanquantile", "nanpercentile",  # hold arrays of NumPy's
    "copy", "corrcoef",  # of which only the sum of cotangents or their dtype is refused
)]  # fmt: skip


def result(case: Case, kind: Any) -> tuple[list[tg.Tensor], tg.Tensor, Any]:
    """The case's Tensors, its first result that is recorded, and a cotangent."""
    given = [tg.Tensor(kind(v), requires_grad=True) for v in case.variables]
    made = leaves(of_kind(case, kind).call(*given))
    out = next((out for out in made if out.requires_grad), given[0])
    return given, out, kind(np.ones(out.shape, out.dtype))


@for_each(MADE)
def test_a_function_made_of_others_is_named(case: Case) -> None:
    name = re.escape(name_of(case.fn))
    _, out, seed = result(case, np.array)
    if isinstance(out._node, Record):  # the others give a leaf as it is
        assert re.search(rf"made by {name}\b", repr(out))
        out.backward(seed)
        with pytest.raises(tg.TapeError, match=rf"part of the graph \({name}\) was released"):
            out.backward(seed)


@for_each(MADE)
def test_so_it_is_where_an_operand_was_overwritten(case: Case) -> None:
    given, out, seed = result(case, np.array)
    with tg.no_grad():
        for t in given:
            t[...] = t * 1.5
    try:
        out.backward(seed)
    except tg.StaleValueError as error:
        name = re.escape(name_of(case.fn))
        assert re.match(rf"operand \d of .*\) inside {name} was overwritten", str(error))


@for_each(STRICT)
def test_so_it_is_where_another_library_lacks_a_function(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(result: Any) -> Any:
        if isinstance(result, (np.ndarray, np.generic)):
            raise TypeError("unknown")
        return result

    _, out, seed = result(case, strict.Strict)
    if not isinstance(out._node, Record):
        return
    with monkeypatch.context() as patch:
        patch.setattr(strict, "wrapped", lacking)
        name = re.escape(name_of(case.fn))
        with pytest.raises(TypeError, match=f"^{name} or its derivative, of a tests"):
            out.backward(seed)
