"""The gradients of small functions: all contenders compute the same, and the table says so."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

import tinygrad_np as tg
from benchmarks import small_functions
from benchmarks.small_functions import COMPAT, HIPS, OURS, REPLAYED, TABLE
from tinygrad_np import special


def test_each_function_has_the_gradient_of_finite_differences() -> None:
    for name, (make, at) in TABLE.items():
        fn = make(np, special)
        tg.gradcheck(fn, at)
        if name in ("sort", "outer", "norm of order 3"):
            tg.gradcheck(fn, at, order=2)


def test_contenders_agree_and_who_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "autograd", None)
    ways = small_functions.ways("power")
    assert list(ways) == [OURS, COMPAT, REPLAYED]
    first, *others = [way() for way in ways.values()]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-14)
    monkeypatch.setitem(TABLE, "power", (lambda np, _: lambda x: np.sum(x) * x, 1.0))
    monkeypatch.setattr(np, "allclose", lambda a, b: a is b)
    with pytest.raises(ValueError, match=r"power: compat gives 2\.0, tg\.grad 2\.0"):
        small_functions.ways("power")


def test_tables() -> None:
    found = {
        "exp": {HIPS: [10.0, 20.0], OURS: [5.0, 10.0], COMPAT: [20.0, 40.0], REPLAYED: [1.0, 2.0]},
        "svd": {OURS: [8.0], COMPAT: [9.0], REPLAYED: [3.0]},
    }
    lines = small_functions.tables(found).splitlines()
    assert lines[2:] == [
        "| exp | 15.0 | 7.5 | 30.0 | 1.5 | 0.50 | 2.00 | 0.10 |",
        "| svd | – | 8.0 | 9.0 | 3.0 | – | – | – |",
        f"{OURS}: median 0.50 × {HIPS}, 0 of 1 slower",
        f"{COMPAT}: median 2.00 × {HIPS}, 1 of 1 slower",
        f"{REPLAYED}: median 0.10 × {HIPS}, 0 of 1 slower",
    ]


def test_what_it_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "r.json"
    assert small_functions.main(["--quick", "--only", "tanh of", "--json", str(target)]) == 0
    assert "| tanh of a number |" in capsys.readouterr().out
    written = json.loads(target.read_text())
    assert list(written["turns_us"]) == ["tanh of a number"]
    assert len(written["turns_us"]["tanh of a number"][OURS]) == written["rounds"] == 3
