"""Pictures: computation graphs, and figures of training."""

from .doctor import diagnosis
from .embedding import embedding
from .figures import confusion, curves, predictions, reliability
from .graph import graph
from .inside import histograms, weights
from .render import RenderError, RenderWarning, save

__all__ = [
    "RenderError",
    "RenderWarning",
    "confusion",
    "curves",
    "diagnosis",
    "embedding",
    "graph",
    "histograms",
    "predictions",
    "reliability",
    "save",
    "weights",
]
