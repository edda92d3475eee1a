"""The files that programs leave: each is written beside its place and renamed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def stem(recipe: str, dataset: str) -> str:
    """What the folders of a recipe's runs on a data set (a name or a path) start with."""
    return f"{recipe}-{Path(dataset).stem}"


def run_name(recipe: str, dataset: str, seed: int) -> str:
    """What the folder of one run is called."""
    return f"{stem(recipe, dataset)}-seed{seed}"


def write_json(path: Path, content: Any) -> None:
    """Figures as JSON; raises ValueError for numbers that are not finite, which JSON lacks."""
    text = json.dumps(content, indent=1, allow_nan=False)
    with replacing(path) as file:
        file.write(text.encode())


def write_picture(path: Path, figure: "Figure") -> None:
    """A figure as a PNG file."""
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)
