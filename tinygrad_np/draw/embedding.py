"""Features of many dimensions in a plane: PCA, t-SNE and UMAP."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import one_of, whole
from ..errors import ShapeError
from .figures import empty_figure, headed, naming, plain, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("tsne", "pca", "umap")
_NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}


def embedding(
    features: Any,
    labels: Any,
    method: str = "tsne",
    seed: int = 0,
    names: Sequence[str] | None = None,
    title: str = "",
) -> "Figure":
    """Features in a plane, one colour for each class, whose name stands at its middle.

    ``features`` (n, ...) as ``training.features`` gives them, ``labels`` (n,) integers, ``names``
    one for each class from 0 on. ``method`` and the errors raised are those of ``project``;
    ShapeError for labels that do not fit.

    >>> features = np.random.default_rng(0).standard_normal((30, 8))
    >>> figure = tg.draw.embedding(features, np.arange(30) % 3, method="pca")
    >>> figure.savefig("embedding.png")
    """
    values, labels = plain("embedding", "features", features), plain("embedding", "labels", labels)
    if names is not None:
        words("embedding", names, int(labels.max(initial=-1)) + 1)
    name = naming("embedding", names, 0)
    if labels.shape != values.shape[:1]:
        raise ShapeError(
            f"embedding: features of shape {values.shape} and labels of shape {labels.shape}; "
            "expected (n, ...) and (n,)."
        )
    figure = empty_figure(7, 6)
    from matplotlib import colormaps, patheffects

    places = project(values, method, seed)
    axes = figure.subplots()
    palette = colormaps["tab10" if len(np.unique(labels)) <= 10 else "tab20"]
    texts: list[Any] = []
    for i, label in enumerate(np.unique(labels)):
        own = places[labels == label]
        axes.scatter(own[:, 0], own[:, 1], s=10, color=palette(i % palette.N), linewidths=0)
        text = axes.annotate(
            name(label), np.median(own, axis=0), xytext=(0, 0), textcoords="offset points",
            ha="center", va="center", fontsize=12, weight="bold",
        )  # fmt: skip
        text.set_in_layout(False)
        text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])
        texts.append(text)
    axes.set(xticks=[], yticks=[], aspect="equal")
    summary = f"{len(values):,} examples, {values[0].size} features, {_NAMES[method]}"
    axes.set_title(headed(title, summary), wrap=True)
    _apart(figure, texts)
    return figure


def _apart(figure: "Figure", texts: Sequence[Any]) -> None:
    """Move labels into the frame, and up, from the lowest on, off those below them.

    Those that would then be above the frame go down again, and push others down.
    """
    figure.draw_without_rendering()  # which finds the places
    frame = figure.axes[0].get_window_extent()
    found = [text.get_window_extent() for text in texts]
    boxes = [
        box.translated(
            max(frame.x0 - box.x0, 0) + min(frame.x1 - box.x1, 0), max(frame.y0 - box.y0, 0)
        )
        for box in found
    ]
    for way in (1, -1):
        settled: list[Any] = []
        for i in sorted(range(len(texts)), key=lambda i: (way * boxes[i].y0, i)):
            box = boxes[i] if way > 0 else boxes[i].translated(0, min(frame.y1 - boxes[i].y1, 0))
            for other in sorted(settled, key=lambda box: way * box.y0):
                if box.overlaps(other):
                    box = box.translated(0, other.y1 - box.y0 if way > 0 else other.y0 - box.y1)
            boxes[i] = box
            settled.append(box)
    for text, box, old in zip(texts, boxes, found, strict=True):
        points = 72 / figure.dpi
        text.set_position(((box.x0 - old.x0) * points, (box.y0 - old.y0) * points))


def project(features: Any, method: str = "tsne", seed: int = 0) -> np.ndarray:
    """Features (n, ...) in the plane: (n, 2) float64.

    ``method`` is "pca" (NumPy alone), "tsne" (van der Maaten & Hinton 2008; scikit-learn) or "umap"
    (McInnes et al. 2018; umap-learn); ``seed`` is what the latter two draw from. Raises ImportError
    where the library is absent, ValueError for other methods and for features that are not finite,
    ShapeError for fewer than 3 examples.
    """
    one_of("project", "method", method, METHODS)
    whole("project", "seed", seed, least=0)
    values = plain("project", "features", features).astype(np.float64)
    if values.ndim < 2 or len(values) < 3:
        raise ShapeError(f"features of shape {values.shape}; at least 3 rows (n, ...) are needed.")
    if not np.isfinite(values).all():
        raise ValueError("the features are not all finite; train to a finite loss first.")
    values = values.reshape(len(values), -1)
    if not np.ptp(values, axis=0).any():  # as of a layer that is dead
        return np.zeros((len(values), 2))
    if method == "pca":
        return _pca(values)
    return _tsne(values, seed) if method == "tsne" else _umap(values, seed)


def _pca(values: np.ndarray) -> np.ndarray:
    """The two directions of greatest variance, each with its largest entry positive."""
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    two = np.zeros((2, values.shape[1]))
    two[: len(directions)] = directions[:2]
    largest = np.abs(two).argmax(axis=1)
    return np.asarray(centred @ (two * np.where(two[[0, 1], largest] < 0, -1, 1)[:, None]).T)


def _tsne(values: np.ndarray, seed: int) -> np.ndarray:
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise ImportError(
            "t-SNE needs scikit-learn: pip install scikit-learn, or use method='pca'."
        ) from None
    perplexity = min(30.0, (len(values) - 1) / 3)
    # half of the default 1000 iterations: 1.5 s instead of 3 for 1,000 points, and looks the same
    method = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=seed)
    with threadpool_limits(1):  # on a busy machine several would wait for each other: 23 s
        return np.asarray(method.fit_transform(values), np.float64)


def _umap(values: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError:
        raise ImportError(
            "UMAP needs umap-learn: pip install umap-learn, or use method='pca'."
        ) from None
    neighbours = min(15, len(values) - 1)
    found = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(values)
    return np.asarray(found, np.float64)
