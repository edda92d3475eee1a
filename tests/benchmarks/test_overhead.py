"""What an operation costs: the chains compute the same, and the tables say what was measured."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_np as tg
from benchmarks import overhead
from benchmarks.overhead import Figure
from tests.each import for_each


def test_a_chain_has_the_gradients_of_the_chain_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tg.Tensor] = []

    def kept(*args: object, **options: object) -> tg.Tensor:
        made.append(tensor(*args, **options))
        return made[-1]

    tensor = tg.Tensor
    monkeypatch.setattr(tg, "Tensor", kept)
    for make in (overhead.eager, overhead.replayed):
        made.clear()
        make(3)()
        a, b = overhead.START[1:]
        wanted = [a**3, 3 * a**2 + b * (1 + 2 * a), 1 + a + a**2]
        found = [leaf.grad.item() for leaf in made[:3] if leaf.grad is not None]
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


@for_each(overhead.OPERATIONS)
def test_an_operation_gives_the_same_in_each_way(name: str) -> None:
    ways = overhead.operation_ways(name, 3)
    assert tuple(ways) == overhead.WAYS
    np.testing.assert_array_equal(ways["eager"]().numpy(), ways["NumPy"]())
    for way in ways.values():
        way()


def test_who_cannot_take_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_: int) -> overhead.Way:
        raise RecursionError

    def slow(n: int) -> overhead.Way:
        monkeypatch.setattr(overhead, "PATIENCE", -1.0 if n > 10 else 5.0)
        return int

    monkeypatch.setitem(sys.modules, "mygrad", None)
    contenders = {
        overhead.CONTROL: overhead.by_hand,
        "endless": endless,
        "mygrad": overhead.in_mygrad,
        "slow": slow,
    }
    monkeypatch.setattr(overhead, "CONTENDERS", contenders)
    figures = overhead.chains([5, 20], 0.0, 2)
    found = {(figure.name, figure.size): (figure.remark, len(figure.turns)) for figure in figures}
    assert found == {
        (overhead.CONTROL, 5): ("", 2),
        (overhead.CONTROL, 20): ("", 2),
        ("endless", 5): ("recursion limit", 0),
        ("endless", 20): ("recursion limit", 0),
        ("mygrad", 5): ("mygrad is not installed", 0),
        ("mygrad", 20): ("mygrad is not installed", 0),
        ("slow", 5): ("", 2),
        ("slow", 20): ("over -1 s a run", 0),
    }


def test_tables() -> None:
    figures = [
        Figure(overhead.CONTROL, 100, turns=[2.0, 1.0, 9.0]),
        Figure("MyGrad", 100, remark="recursion limit"),
        Figure("eager", 100, turns=[5.0]),
    ]
    assert overhead.chain_table(figures).splitlines() == [
        "| µs a multiply-add | N = 100 |",
        "|---|---:|",
        f"| {overhead.CONTROL} | 2.00 |",
        "| MyGrad | recursion limit |",
        "| eager | 5.00 (2.50) |",
    ]
    single = [Figure("add", 64, way, turns=[float(i)]) for i, way in enumerate(overhead.WAYS)]
    [last] = overhead.operation_table(single).splitlines()[2:]
    assert last == "| add 64×64 | 0.00 | 1.00 | 2.00 | 3.00 |"


def test_what_it_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {name: overhead.CONTENDERS[name] for name in list(overhead.CONTENDERS)[:3]}
    monkeypatch.setattr(overhead, "CONTENDERS", ours)
    monkeypatch.setattr(overhead, "LENGTHS", (3, 5))
    monkeypatch.setattr(overhead, "SIDES", (2,))
    target = tmp_path / "r.json"
    assert overhead.main(["--quick", "--json", str(target)]) == 0
    printed = capsys.readouterr()
    assert "| µs a multiply-add | N = 3 | N = 5 |" in printed.out
    assert "| matmul 2×2 |" in printed.out
    written = json.loads(target.read_text())
    assert written["machine"]["threads"] == 1
    assert len(written["chains"]) == 2 * len(ours)
    assert len(written["operations"]) == len(overhead.OPERATIONS) * len(overhead.WAYS)
    assert all(len(f["turns"]) == written["rounds"] == 3 for f in written["chains"])
