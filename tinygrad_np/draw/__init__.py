"""Pictures: computation graphs, and figures of training."""

from .figures import confusion, curves, predictions
from .graph import graph
from .render import RenderError, RenderWarning, save

__all__ = [
    "RenderError",
    "RenderWarning",
    "confusion",
    "curves",
    "graph",
    "predictions",
    "save",
]
