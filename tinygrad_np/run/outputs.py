"""The files that programs leave: each is written beside its place and renamed."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..draw.page import png
from ..files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def stem(recipe: str, dataset: str) -> str:
    """What the folders of a recipe's runs on a data set (a name or a path) start with."""
    return f"{recipe}-{Path(dataset).stem}"


def run_name(recipe: str, dataset: str, seed: int, last: int | None = None) -> str:
    """What the folder of one run is called, or that of the seeds up to the last."""
    seeds = f"seed{seed}" if last is None else f"seeds{seed}-{last}"
    return f"{stem(recipe, dataset)}-{seeds}"


def write(path: Path, content: bytes) -> None:
    """Write a file, in folders that are made where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, content: Any) -> None:
    """Figures as JSON, which has no NaN and no infinity: they become null."""
    write(path, json.dumps(_finite(content), indent=1, allow_nan=False).encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_picture(path: Path, figure: "Figure") -> None:
    write(path, png(figure, dpi=120))
