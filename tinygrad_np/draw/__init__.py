"""Pictures: computation graphs, figures of training, and what a network sees."""

from .attribution import grad_cam, saliency
from .convolutions import feature_maps, filters
from .doctor import diagnosis
from .embedding import embedding
from .explore import explore
from .figures import confusion, curves, hardest, predictions, reliability
from .graph import graph
from .inside import histograms, weights
from .ranking import ranking
from .render import RenderError, RenderWarning, save

__all__ = [
    "RenderError",
    "RenderWarning",
    "confusion",
    "curves",
    "diagnosis",
    "embedding",
    "explore",
    "feature_maps",
    "filters",
    "grad_cam",
    "graph",
    "hardest",
    "histograms",
    "predictions",
    "ranking",
    "reliability",
    "saliency",
    "save",
    "weights",
]
