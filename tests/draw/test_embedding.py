"""Features in the plane: what is near stays near, and the libraries are asked the right thing."""

import io
import sys
import types
from typing import Any

import numpy as np
import pytest

from tinygrad_np import ShapeError, draw
from tinygrad_np.draw.embedding import project


def clusters(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return rng.standard_normal((n, 8)) * 0.1 + 5 * np.eye(8)[labels], labels


def test_pca_keeps_the_directions_of_greatest_variance() -> None:
    rng = np.random.default_rng(0)
    plane = rng.standard_normal((50, 2)) * [7, 2]
    axes, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    values = plane @ axes[:2] + 3
    found = project(values, "pca")
    apart = lambda p: np.linalg.norm(p[:, None] - p, axis=-1)
    np.testing.assert_allclose(apart(found), apart(plane), atol=1e-10)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    assert found[:, 0].var() > found[:, 1].var()
    assert abs(np.corrcoef(found.T)[0, 1]) < 1e-10


def test_pca_has_one_sign() -> None:
    values, _ = clusters()
    np.testing.assert_allclose(
        project(values[::-1], "pca")[::-1], project(values, "pca"), atol=1e-9
    )
    assert project(np.arange(5.0)[:, None], "pca").tolist() == [
        [-2, 0], [-1, 0], [0, 0], [1, 0], [2, 0],
    ]  # fmt: skip


def test_tsne_keeps_clusters_together_and_repeats_itself() -> None:
    pytest.importorskip("sklearn")
    values, labels = clusters(30)
    found = project(values, "tsne", seed=3)
    np.testing.assert_array_equal(found, project(values, "tsne", seed=3))
    distances = np.linalg.norm(found[:, None] - found, axis=-1) + 1e9 * np.eye(30)
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_umap_is_asked_for_a_repeatable_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    class UMAP:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

        def fit_transform(self, values: np.ndarray) -> np.ndarray:
            return values[:, :2].astype(np.float32)

    library = types.ModuleType("umap")
    library.UMAP = UMAP  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "umap", library)
    values, _ = clusters(9)
    found = project(values, "umap", seed=5)
    assert asked == {"n_neighbors": 8, "random_state": 5, "n_jobs": 1}
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, values[:, :2], rtol=1e-6)


def test_features_of_any_shape_and_all_alike() -> None:
    values, _ = clusters()
    np.testing.assert_array_equal(project(values.reshape(60, 2, 4), "pca"), project(values, "pca"))
    for method in ("pca", "tsne", "umap"):
        assert project(np.ones((5, 3)), method).tolist() == [[0, 0]] * 5


@pytest.mark.parametrize(("method", "module"), [("tsne", "scikit-learn"), ("umap", "umap-learn")])
def test_without_the_library(method: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sklearn", "sklearn.manifold", "umap"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"needs {module}: pip install .* or use method='pca'"):
        project(clusters()[0], method)


@pytest.mark.parametrize(
    ("values", "method", "error", "message"),
    [
        (np.eye(4), "isomap", ValueError, "method='isomap'.: one of 'tsne', 'pca', 'umap' is"),
        (np.eye(2), "pca", ShapeError, r"features of shape \(2, 2\); at least 3 rows"),
        (np.arange(9), "pca", ShapeError, r"features of shape \(9,\)"),
        (np.full((4, 2), np.nan), "pca", ValueError, "not all finite"),
    ],
)
def test_what_is_refused(values: Any, method: str, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        project(values, method)


def test_labels_of_another_length() -> None:
    with pytest.raises(ShapeError, match=r"features of shape \(4, 4\) and labels of shape \(3,\)"):
        draw.embedding(np.eye(4), [0, 1, 2], "pca")


def test_the_picture() -> None:
    pytest.importorskip("matplotlib")
    values, labels = clusters()
    figure = draw.embedding(values, labels, "pca", names=["ant", "bee", "cow"], title="zoo")
    [axes] = figure.axes
    assert axes.get_title() == "zoo\n60 examples, 8 features, PCA"
    places = project(values, "pca")
    assert [text.get_text() for text in axes.texts] == ["ant", "bee", "cow"]
    colours = set()
    for label, (dots, text) in enumerate(zip(axes.collections, axes.texts, strict=True)):
        own = places[labels == label]
        np.testing.assert_array_equal(dots.get_offsets(), own)
        np.testing.assert_allclose(text.xy, np.median(own, axis=0))
        colours.add(tuple(dots.get_facecolors()[0]))
    assert len(colours) == 3
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    assert file.getvalue().startswith(b"\x89PNG")
    [axes] = draw.embedding(values, labels, "pca").axes
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]


def test_labels_at_one_place_stand_apart() -> None:
    pytest.importorskip("matplotlib")
    values = np.zeros((6, 2))
    values[0] = 1
    figure = draw.embedding(values, np.arange(6) % 3, "pca", names=["ant", "bee", "cow"])
    _, bee, cow = (text.get_window_extent() for text in figure.axes[0].texts)
    assert bee.y1 == pytest.approx(cow.y0)


def test_labels_stand_inside_of_the_frame() -> None:
    pytest.importorskip("matplotlib")
    values = np.zeros((10, 2))
    values[:5] = [[-9, -9], [9, -9], [-9, 9], [9, 9], [9, 9]]
    names = [f"a long name {i}" for i in range(10)]
    figure = draw.embedding(values, np.arange(10), "pca", names=names)
    [axes] = figure.axes
    figure.draw_without_rendering()
    frame, boxes = axes.get_window_extent(), [t.get_window_extent() for t in axes.texts]
    for i, box in enumerate(boxes):
        assert frame.padded(0.1).containsx(box.x0) and frame.padded(0.1).containsx(box.x1)
        assert frame.padded(0.1).containsy(box.y0) and frame.padded(0.1).containsy(box.y1)
        assert not any(box.padded(-0.1).overlaps(other.padded(-0.1)) for other in boxes[:i])
