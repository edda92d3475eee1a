"""What a wheel installs works outside the clone, beside a user's own ``models``."""

import os
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
OWN = """
import numpy as np
import tinygrad_np as tg


class Net(tg.nn.Module):
    input_shape = (3,)

    def forward(self, x):
        return np.tanh(x)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what the build reads, so that the clone stays as it is."""
    for tool in ("pip", "setuptools"):
        if find_spec(tool) is None:
            pytest.skip(f"{tool} is not installed here")
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "tinygrad_np", "models", "benchmarks"):
        (source / name).symlink_to(ROOT / name)
    out = tmp_path_factory.mktemp("wheel")
    run("-m", "pip", "wheel", str(source), "--no-deps", "--no-build-isolation", "--no-index",
        "--quiet", "--wheel-dir", str(out))  # fmt: skip
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is unpacked, as an installer does."""
    found = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a package ``models`` of theirs."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").write_text(OWN)
    return tmp_path


def run(*arguments: str, cwd: Path | None = None, path: Path | None = None) -> str:
    """What a program says that finds ``path``, and nothing of the clone."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV_"))}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_one_top_level_name(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"tinygrad_np"}
    assets = (ROOT / "tinygrad_np").glob("*/assets/*.*")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {path.relative_to(ROOT).as_posix() for path in assets} < inside
    [info] = names - {"tinygrad_np"}
    scripts = zipfile.ZipFile(wheel).read(f"{info}/entry_points.txt").decode()
    assert scripts.split("\n")[1] == "tinygrad-np = tinygrad_np.__main__:program"
    version = re.search(r'"(.+)"', (ROOT / "tinygrad_np" / "version.py").read_text().split("\n")[2])
    assert version is not None
    assert info == f"tinygrad_np-{version[1]}.dist-info"


def test_the_commands_beside_own_models(place: Path, folder: Path) -> None:
    said = run("-m", "tinygrad_np", "--version", cwd=folder, path=place)
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", said)
    for module, model in (("tinygrad_np.draw", "default"), ("tinygrad_np draw", "models.net:Net")):
        run("-m", *module.split(), model, "--out", "net.dot", cwd=folder, path=place)
        assert (folder / "net.dot").read_text().startswith("digraph")
    code = "import tinygrad_np, models.net; print(tinygrad_np.__file__); print(models.net.__file__)"
    package, own = run("-c", code, cwd=folder, path=place).splitlines()
    assert Path(package) == place / "tinygrad_np" / "__init__.py"
    assert Path(own) == folder / "models" / "net.py"


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_block_prints_what_its_comments_say(block: str, place: Path, folder: Path) -> None:
    (folder / "block.py").write_text(block)
    lines = run("-W", "error", "block.py", cwd=folder, path=place).splitlines()
    expected = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert expected, "the example prints nothing that could be checked"
    for line, said in zip(lines, expected, strict=True):
        assert numbers(line) == pytest.approx(numbers(said), rel=1e-12)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)]
