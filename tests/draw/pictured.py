"""Figures as files, for the tests of what is drawn."""

import io
from typing import Any


def drawn(figure: Any) -> bytes:
    """The picture; warnings are errors, so nothing did not fit."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    return file.getvalue()
