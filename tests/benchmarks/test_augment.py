"""Images a second: both ways do the same work, and the table shows what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import augment
from tinygrad_np.data.augment import elastic


def test_scipys_way_is_ours() -> None:
    pytest.importorskip("scipy")
    images = np.random.default_rng(0).random((5, 28, 28), np.float32)
    by_scipy = augment.with_scipy()
    assert by_scipy is not None
    generator = np.random.default_rng(1)
    generator.uniform(size=(5, 6))
    theirs = by_scipy(images, generator)
    inner = (slice(None), slice(6, 22), slice(6, 22))  # the edges differ in what lies outside
    np.testing.assert_allclose(elastic(images, 1)[inner], theirs[inner], rtol=0, atol=0.01)


def test_the_table_has_medians_in_thousands() -> None:
    figures = {("shift", 64): [1000.0, 3000.0, 70000.0], ("elastic", 8): [4400.0]}
    assert augment.table(figures).splitlines() == [
        "| thousands a second, in batches of | 8 | 64 |",
        "|---|---:|---:|",
        "| shift | — | 3 |",
        "| elastic | 4 | — |",
    ]


def test_every_way_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert augment.main(["--quick", "--json", str(tmp_path / "a.json")]) == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "a.json").read_text())
    ours = [line for line in found["figures"] if line["way"] != augment.SCIPY]
    assert [(line["way"], line["batch"]) for line in ours] == [
        (name, n) for name in augment.WAYS for n in (64, 128)
    ]
    for line in ours:
        assert len(line["images_per_second"]) == found["rounds"] == 3
        assert f"| {line['way']} | " in printed
        assert line["median"] == sorted(line["images_per_second"])[1] > 0


def test_bad_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert augment.main(["--fast"]) == 2
    assert capsys.readouterr().err == (
        "augment.py: unrecognized arguments: --fast; --help shows the options\n"
    )
