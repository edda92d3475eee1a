"""What mkdocstrings reads with: examples of docstrings, which Markdown takes for quotations."""

import re
from typing import Any

import griffe


class Fences(griffe.Extension):
    """Puts the examples of every docstring in fences."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """griffe calls this for everything that it has read."""
        if obj.docstring:
            text = obj.docstring.value
            text = re.sub(r"(^>>>.*(?:\n.+)*)", r"```pycon\n\1\n```", text, flags=re.M)
            obj.docstring.value = text
