"""What README and the pages of docs/ show: programs run, commands parse, names and links exist.

README's programs run in ``test_wheel.py``, those of other pages in ``test_mathematics.py``,
``test_cookbook.py``, ``test_pages.py``, ``training/test_page.py`` and
``estimators/test_estimators.py``.
"""

import argparse
import functools
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tinygrad_np as tg
from tinygrad_np import DataError
from tinygrad_np import __main__ as door
from tinygrad_np.run import command_line

ROOT = Path(__file__).resolve().parent.parent
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
}
every_page = pytest.mark.parametrize("page", TEXTS)
ELSEWHERE = {
    "README.md", "docs/cookbook.md", "docs/mathematics.md", "docs/training.md", "docs/search.md",
    "docs/cookbook_networks.md", "docs/cookbook_parts.md", "docs/start.md", "docs/own_model.md",
    "docs/from_pytorch.md", "docs/from_keras.md", "docs/how_it_works.md",
    "docs/scaling.md",
}  # fmt: skip
FRAGMENTS = {"CONTRIBUTING.md"}
OTHER_PROGRAMS = {"--strict", "--check", "--kills"}  # of mypy, ruff and tests/training/kills.py


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", TEXTS[page], re.DOTALL | re.MULTILINE)


def printed(page: str, folder: Path) -> list[str]:
    """What the blocks of a page print, run one after the other."""
    program = "\n".join(blocks(page, "python"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in TEXTS if blocks(p, "python") and p not in ELSEWHERE | FRAGMENTS]
)
def test_the_programs_of_a_page_run(page: str, tmp_path: Path) -> None:
    if page in ("docs/doctor.md", "docs/pictures.md"):
        pytest.importorskip("matplotlib")
    if page == "docs/onnx.md":
        pytest.importorskip("onnx")
    lines = printed(page, tmp_path)
    expected = re.findall(r"^print\(.*\)  # (.*)$", "\n".join(blocks(page, "python")), re.M)
    assert [said for said in expected if said not in (*lines, "the text below")] == []
    if page == "docs/doctor.md":
        findings = [[marked(line) for line in text if marked(line)] for text in (
            lines, blocks(page, "text")[0].splitlines())]  # fmt: skip
        assert findings[0] == findings[1] != []
        assert lines[0] == blocks(page, "text")[0].splitlines()[0]


def marked(line: str) -> str:
    """The name of a finding of the doctor, with its mark."""
    return line.partition(":")[0] if line[:1] in "✗•✓" else ""


def test_a_fragment_stands_in_the_package() -> None:
    for page in FRAGMENTS:
        for block in blocks(page, "python"):
            folder = ROOT / "tinygrad_np" / "autodiff" / "rules"
            assert any(block.strip() in file.read_text() for file in folder.glob("*.py")), block


def test_the_example_of_the_readme_has_twelve_lines() -> None:
    assert (
        len([line for line in blocks("README.md", "python")[0].splitlines() if line.strip()]) == 12
    )


def commands(page: str) -> list[list[str]]:
    """The words of each command of the project that a page names."""
    shown = [line for block in blocks(page, "sh") for line in re.split(r"\n|&&", block)]
    shown += re.findall(r"`([^`\n]+)`", TEXTS[page])
    found = [shlex.split(line, comments=True) for line in shown if re.search(r"\bpython3? ", line)]
    return [words for words in found if words[0].endswith("python") and program(words)]


def program(words: list[str]) -> tuple[Callable[..., int], list[str]] | None:
    """What ``python`` runs, and with which arguments."""
    if words[1:3] == ["-m", "tinygrad_np"]:
        return door.main, words[3:]
    if len(words) > 1 and words[1].startswith("benchmarks/"):
        module = importlib.import_module(words[1].removesuffix(".py").replace("/", "."))
        return module.main, words[2:]
    return None


@pytest.mark.parametrize("page", [page for page in TEXTS if commands(page)])
def test_commands_are_such(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = command_line.Arguments.parse_args
    parsed: list[argparse.Namespace] = []

    def parse_and_stop(self: argparse.ArgumentParser, given: list[str]) -> None:
        parsed.append(whole(self, given))
        raise DataError("this far, and no further")

    monkeypatch.setattr(command_line.Arguments, "parse_args", parse_and_stop)
    monkeypatch.chdir(tmp_path)
    for number, words in enumerate(commands(page), 1):
        found = program(words)
        assert found is not None
        main, arguments = found
        if arguments == ["--version"]:
            parsed.append(argparse.Namespace())
            continue
        assert main(arguments) == 2
        assert len(parsed) == number, words


@functools.cache
def known_options() -> set[str]:
    """All options of all programs."""
    found: set[str] = set()
    for folder in ("tinygrad_np", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r'"(--[a-z-]+)"', file.read_text(encoding="utf-8")))
    return found | {"--scenarios", "--optimisers", "--contenders"}  # step_time makes these


@every_page
def test_options_files_links_and_names_exist(page: str) -> None:
    text = TEXTS[page]
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    options = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", prose))
    assert options - known_options() - OTHER_PROGRAMS == set()
    for name in re.findall(r"`((?:docs|benchmarks|models|tests|tinygrad_np)/[\w./]+)`", text):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", prose)):
        name, _, anchor = target.partition("#")
        place = (ROOT / page).parent / name if name else ROOT / page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place.read_text(encoding="utf-8")), target
    for name in set(re.findall(r"\btg((?:\.[A-Za-z]\w*)+)", prose)):
        functools.reduce(getattr, name[1:].split("."), tg)


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
