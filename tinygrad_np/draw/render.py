"""Programs that draw DOT text, and files that are written whole or not at all."""

import os
import shutil
import subprocess
import sys
import sysconfig
import warnings
from pathlib import Path
from typing import Any

from .. import arguments
from ..errors import DataError
from ..files import replacing
from .widths import steadied

FORMATS = ("svg", "png", "pdf", "dot")
INSTALL = "install graphviz-pure (pip install graphviz-pure) or Graphviz's dot"
SECONDS = 120


class RenderError(RuntimeError):
    """No installed program can draw a graph in the format asked for.

    >>> issubclass(tg.draw.RenderError, RuntimeError)
    True
    """


class RenderWarning(UserWarning):
    """A graph was saved as DOT text, because no installed program can draw it.

    >>> issubclass(tg.draw.RenderWarning, UserWarning)
    True
    """


def programs() -> list[str]:
    """The programs that can draw, best first: the system's dot, then graphviz-pure.

    The latter is looked for beside this Python, where a virtual environment that was not activated
    has it, where pip puts programs, and on the path.
    """
    of_user = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    folders = [os.path.dirname(sys.executable), sysconfig.get_path("scripts"), of_user, None]
    pure = [shutil.which("graphviz-pure", path=folder) for folder in folders]
    return [program for program in (shutil.which("dot"), next(filter(None, pure), None)) if program]


def picture(source: str, format: str) -> bytes:
    """DOT text drawn as ``format`` (svg, png, pdf, …; dot and gv are the text itself).

    Raises RenderError if no program is installed, or none that is installed knows the format.
    """
    if format in ("dot", "gv"):
        return source.encode()
    found = programs()
    if not found:
        raise RenderError(f"no program to draw the graph is installed: {INSTALL}.")
    complaints = []
    for program in found:
        try:
            done = subprocess.run(
                [program, f"-T{format}"],
                input=source.encode(),
                capture_output=True,
                timeout=SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            complaints.append(f"{program}: {error}")
            continue
        if done.returncode == 0 and done.stdout:
            return steadied(done.stdout) if format == "svg" else done.stdout
        complaints.append(f"{program}: {' '.join(done.stderr.decode(errors='replace').split())}")
    if format == "pdf" and len(found) == 1 and "graphviz-pure" in found[0]:
        raise RenderError(
            "graphviz-pure does not write pdf: choose .svg or .png, or install Graphviz's dot "
            "(for example apt install graphviz)."
        )
    raise RenderError(f"the graph could not be drawn as {format} ({'; '.join(complaints)}).")


def is_picture(path: Any) -> bool:
    """Whether a file name ends like one of the formats."""
    return Path(path).suffix.lower()[1:] in FORMATS


def picture_for(path: Path, source: str, format: str | None = None) -> bytes:
    """What a file is to hold: the drawing as ``format``, or as the file's ending says.

    Raises RenderError as ``picture`` does, DataError for an unknown ending.
    """
    if format is None:
        check_ending(path)
    return picture(source, format or path.suffix.lower()[1:])


def write(source: str, path: Path) -> None:
    """Draw DOT text into a file, which is written beside and renamed.

    Raises what ``picture_for`` raises, DataError for a place that cannot be written; then there is
    no file.
    """
    drawn = picture_for(path, source)
    with replacing(path) as file:
        file.write(drawn)


def check_ending(path: Path) -> None:
    """Raise DataError for a file name that names no format."""
    if not is_picture(path) and path.suffix != ".gv":  # Graphviz's own, of the text
        endings = ", ".join(f".{known}" for known in FORMATS)
        raise DataError(f"{path} does not say what to write: use one of the endings {endings}.")


def save(graph: Any, path: str | os.PathLike[str]) -> Path:
    """Save a graph as its file name says (.svg, .png, .pdf or .dot) and return the path written.

    Where no installed program can draw it the DOT text is saved beside, with the ending .dot, and a
    RenderWarning says what to install. Raises DataError for another ending, and for a place that
    cannot be written.

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> print(tg.draw.save(tg.draw.graph(np.sum(w**2)), "graph.dot"))
    graph.dot
    """
    path = arguments.path("save", "path", path)
    if not isinstance(getattr(graph, "source", None), str):
        raise arguments.refusal("save", "graph", graph, "what tg.draw.graph returns")
    try:
        write(graph.source, path)
    except RenderError as error:
        instead = path.with_suffix(".dot")
        write(graph.source, instead)
        complaint = f"wrote {instead} instead of {path.name}: {error}"
        warnings.warn(complaint, RenderWarning, stacklevel=2)
        return instead
    return path
