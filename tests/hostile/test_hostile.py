"""Files that nobody vouches for: all by hand, and some mutants of each (`run` makes 100,000)."""

import warnings
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.hostile.corpus import files
from tests.hostile.judge import FORMATS, Failure, Judge
from tests.hostile.mutate import mutant


@pytest.fixture(scope="module", autouse=True)
def judges(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judge]:
    pytest.importorskip("safetensors")
    return {format: Judge(format, tmp_path_factory.mktemp(format)) for format in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
def test_by_hand(judges: dict[str, Judge], format: str) -> None:
    wrong: dict[str, Any] = {}
    for file in files(format):
        try:
            message = judges[format].judge(file.content)
        except Failure as error:
            wrong[file.name] = error
            continue
        is_right = message is None if file.refusal is None else file.refusal in (message or ())
        if not is_right:
            wrong[file.name] = message
    assert not wrong


@pytest.mark.parametrize("format", FORMATS)
def test_mutants(judges: dict[str, Judge], format: str) -> None:
    """The same in every run: half of them are of whole files, so that some are read."""
    small = [file for file in files(format) if len(file.content) < 5000]
    whole = [file for file in small if file.refusal is None]
    before, random = dict(judges[format].found), Random(0)
    for _ in range(100):
        start = random.choice(random.choice((small, whole))).content
        judges[format].judge(mutant(format, start, Random(random.getrandbits(64))))
    assert judges[format].found["data"] > before["data"]
    assert judges[format].found["refusal"] > before["refusal"] + 25


def test_the_judge_notices(judges: dict[str, Judge], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing that may not be, in a reader that does it."""
    judge = judges["idx"]
    content = files("idx")[0].content

    def reading(load: object) -> None:
        monkeypatch.setattr(judge, "format", judge.format._replace(load=load))

    def warns(path: Path) -> None:
        warnings.warn(f"careful with {path.name}", stacklevel=1)

    def takes(path: Path) -> dict[str, object]:
        bytearray(1 << 26)
        return right(path)

    right = judge.format.load
    for load, message in [
        (lambda path: 1 / len(path.suffix[5:]), "ZeroDivisionError"),
        (warns, "careful"),
        (takes, "bytes taken where 64 are declared"),
        (lambda path: eval("1") or right(path), "compile"),
        (lambda path: path.with_suffix(".new").write_bytes(b"") or right(path), "open"),
        (lambda path: {"": right(path)[""] + 1}, "read as"),
        (lambda path: {"": right(path)[""].T}, "read as"),
    ]:
        reading(load)
        with pytest.raises(Failure, match=message):
            judge.judge(content)
    reading(right)
    assert judge.judge(content) is None
