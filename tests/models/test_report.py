"""What a run leaves behind: the page has the figures, the pictures and where they came from."""

import functools
import hashlib
import math
import re
import shutil
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_np import draw
from tinygrad_np.data.datasets import Dataset
from tinygrad_np.run import environment, report
from tinygrad_np.run.networks import CNN
from tinygrad_np.run.progress import Drawing
from tinygrad_np.run.recipes import RECIPES, Parts, Recipe
from tinygrad_np.run.run import FASHION, Result, run, weights_sha256

SMALL = replace(RECIPES["ref-4"], sizes=(784, 12, 10), summary="small & quick", epochs=2)


def bars(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright bar whose place is the class, on noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n)
    images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3] += 150
    return images, labels


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return bars(300, 0), bars(80, 1)


@pytest.fixture(scope="module")
def parts(dataset: Dataset) -> Parts:
    return SMALL.parts(dataset)


@pytest.fixture(scope="module")
def results(dataset: Dataset, parts: Parts) -> list[Result]:
    return [run(SMALL, "mnist", dataset, parts, seed=seed, probe=50) for seed in (0, 1)]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the pictures are made of, instead of the pictures."""
    figure = pytest.importorskip("matplotlib.figure").Figure
    asked: dict[str, Any] = {}

    def stand_in(name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            asked[name] = (given, named)
            return figure((1, 1))

        return call

    for name in ("curves", "predictions", "hardest", "confusion", "reliability", "weights",
                 "saliency", "histograms", "embedding"):  # fmt: skip
        monkeypatch.setattr(draw, name, stand_in(name))
    return asked


def text(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_a_page_with_everything(
    results: list[Result], dataset: Dataset, parts: Parts, plain: Any, tmp_path: Path
) -> None:
    result, drawing = results[1], Drawing()
    folder = report.write_run(result, tmp_path, "python x.py --a '<b>'", print, drawing)
    assert folder == tmp_path / "ref-4-mnist-seed1"
    written = text(folder)
    assert re.findall(r"<h2 id=.*?>(.*)</h2>", written) == [
        "Result", "Curves", "Predictions", "Hardest images", "Confusion", "Calibration",
        "Weights of the first layer", "Saliency", "Activations and gradients over time",
        "Features of the last hidden layer (layers.1)", "Precision and recall", "Network",
        "Configuration", "Environment", "Data", "Weights", "Repeat",
    ]  # fmt: skip
    assert written.count("data:image/png;base64,") == 9
    assert len(list(folder.glob("*.png"))) == 9 == drawing.parts - 1 == drawing.done - 1
    assert "<pre>python x.py --a &#x27;&lt;b&gt;&#x27;</pre>" in written
    assert "<p>small &amp; quick</p>" in written
    assert weights_sha256(result.model.state_dict()) in written
    images = dataset[0][0]
    assert hashlib.sha256(images.tobytes()).hexdigest() in written
    assert "uint8 (300, 28, 28)" in written
    for field in fields(Recipe):  # but for those that are not set
        is_set = (
            getattr(result.recipe, field.name) not in (None, "", ())
            and field.name not in report.ELSEWHERE
        )
        assert (f"<tr><th>{field.name}</th>" in written) == is_set
    for name in ("NumPy", "Python", "BLAS", "processor", "system", "tinygrad_np"):
        assert f"<tr><th>{name}</th>" in written
    assert "(0): Linear(784, 12)" in written
    assert "<svg" in written or "digraph" in written
    assert " at 0x" not in written
    assert not re.search(r'(src|href)="(?!data:|#)', written)
    places = re.findall(r'<h2 id="(.*?)">', written)
    assert re.findall(r'<a href="#(.*?)">', written) == places
    assert len(set(places)) == len(places) == 17
    read = re.findall("<figcaption>(.*?)</figcaption>", written)
    of_images = {"filters", "feature_maps", "grad_cam", "graph"}
    assert read[:9] == [report.READ[k] for k in report.READ if k not in of_images]
    assert plain["curves"][0][0] is result.history
    assert plain["histograms"][0][0].epochs == [0, 1, 2]
    features, labels, method = plain["embedding"][0]
    assert (features.shape, labels.shape, method) == ((80, 12), (80,), "tsne")
    for name in ("predictions", "hardest"):
        np.testing.assert_array_equal(plain[name][0][2], result.test_logits)
    (model, seen), named = plain["saliency"]
    assert (model, named["shape"]) == (result.model, (28, 28))
    firsts = [np.flatnonzero(parts.test[1] == label)[0] for label in range(10)]
    np.testing.assert_array_equal(seen, parts.test[0][firsts])


@pytest.mark.slow
def test_a_convolutional_network_has_every_picture(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of its inside; the others are made of logits, as every network has them."""
    figure = pytest.importorskip("matplotlib.figure").Figure
    for name in ("curves", "predictions", "hardest", "confusion", "reliability", "embedding"):
        monkeypatch.setattr(draw, name, lambda *_, **__: figure((1, 1)))
    recipe = replace(
        RECIPES["cnn"], network=functools.partial(CNN, (2, 3), 4), validation=50, epochs=1
    )
    result = run(recipe, "mnist", dataset, recipe.parts(dataset), probe=20)
    folder = report.write_run(result, tmp_path, "", lambda _: None, Drawing())
    assert "There is no picture" not in text(folder)
    pictures = [path.stem for path in folder.glob("*.png")]
    assert sorted(pictures) == sorted(report.READ.keys() - {"weights", "graph"})


def test_a_page_for_several_seeds(results: list[Result], plain: Any, tmp_path: Path) -> None:
    folder = report.write_group(results, tmp_path / "all", "python x.py", print, Drawing())
    assert folder == tmp_path / "all"
    written = text(folder)
    for result in results:
        place = f"../ref-4-mnist-seed{result.seed}/report.html"
        assert f'<a href="{place}">seed {result.seed}</a>' in written
        assert weights_sha256(result.model.state_dict()) in written
    tests = [result.test_accuracy for result in results]
    assert "<th>mean ± sd</th>" in written
    assert report.spread(tests) in written
    assert plain["curves"][0][0] == [result.history for result in results]
    assert plain["confusion"][0][0].sum() == 160
    assert sorted(path.name for path in folder.iterdir()) == [
        "confusion.png", "curves.png", "report.html",
    ]  # fmt: skip


def test_the_headline(results: list[Result]) -> None:
    result = replace(results[0], test_accuracy=0.75)
    rows = dict(report.headline(result))
    error = 100 * math.sqrt(0.75 * 0.25 / 80)
    assert rows["test accuracy"] == (
        f"75.00 % (20 of 80 wrong), standard error {error:.2f} points, "
        "95 % interval 64.52 … 83.19 %"
    )
    assert rows["reported by the reference project"] == "97.53 % on the test part"
    assert rows["epochs"] == "2 of 2, finished"
    assert rows["parameters"] == "9,550"


def test_precision_and_recall_have_a_row_for_each_class(results: list[Result]) -> None:
    logits = np.eye(10)[[0, 0, 1, 2]]
    test = np.zeros((4, 1)), np.array([0, 1, 1, 2])
    result = replace(results[0], test_logits=logits, data=(test, test))
    rows = report.per_class(result)
    assert rows[0] == ("0", "50.00", "100.00", "66.67", "1")
    assert rows[1] == ("1", "100.00", "50.00", "66.67", "2")
    assert rows[-1] == ("mean", "83.33", "83.33", "77.78", "4")
    fashion = report.per_class(replace(result, dataset="fashion"))
    assert [row[0] for row in fashion] == [
        *(f"{i} {name}" for i, name in enumerate(FASHION)), "mean",
    ]  # fmt: skip
    own = report.per_class(
        replace(result, dataset="pets", data=Dataset((test, test), tuple("abcdefghij")))
    )
    assert own[9] == ("9 j", "–", "–", "–", "0")


def test_names_of_classes_are_in_every_picture_that_shows_classes(
    results: list[Result], plain: Any
) -> None:
    names = tuple(f"class {i}" for i in range(10))
    result = replace(results[0], data=Dataset(results[0].data, names), dataset="pets")
    for _, _, make in report._pictures(result, ""):
        make()
    asked = {"predictions", "hardest", "saliency", "embedding"}
    assert {name for name, (_, named) in plain.items() if named.get("names") == names} == asked
    assert plain["confusion"][0][1] == names


def test_the_configuration_is_readable(results: list[Result]) -> None:
    of = functools.partial(replace, results[0], dataset="pets")
    recipe = replace(RECIPES["default"], epochs=2)
    rows = dict(report.configuration(of(recipe=recipe)))
    assert rows["dataset"] == "pets"
    assert not {"validation", "train", "reported", "judged_on"} & rows.keys()
    assert rows["schedule"].startswith("OneCycle(peak=0.008, steps=4, warm_up=0.2")
    assert rows["initial"] == "tinygrad_np.nn.init.he_uniform"
    assert rows["sizes"] == "(784, 128, 64, 10)"
    small = report.configuration(of(recipe=SMALL))
    assert dict(small)["schedule"] == "0.3"
    used = [value for name, value in small if name == "images used"]
    assert used == ["250 training", "50 validation", "80 test"]


def test_a_run_that_diverged_has_a_page_too(
    results: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure
    for name in ("curves", "confusion"):
        monkeypatch.setattr(draw, name, lambda *_, **__: figure((1, 1)))
    logits = np.full_like(results[0].test_logits, np.nan)
    model = SMALL.build(0)
    for parameter in model.parameters():
        parameter.data[...] = np.nan
    result = replace(results[0], test_logits=logits, model=model, test_loss=math.nan)
    result = replace(result, histograms=None)
    with np.errstate(all="ignore"):
        folder = report.write_run(result, tmp_path, "python x.py", print, Drawing())
    written = text(folder)
    assert "There is no picture: calibration: values from nan" in written
    assert "There is no picture: nothing was recorded." in written
    assert "There is no picture: the features are not all finite" in written
    assert "curves.png" in {path.name for path in folder.iterdir()}


def test_without_scikit_learn_the_features_are_drawn_by_pca(
    results: list[Result], plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = draw.embedding

    def without(values: Any, labels: Any, method: str, **named: Any) -> Any:
        if method == "tsne":
            raise ImportError("t-SNE needs scikit-learn.")
        return usual(values, labels, method, **named)

    monkeypatch.setattr(draw, "embedding", without)
    notes: list[object] = []
    report.write_run(results[0], tmp_path, "python x.py", notes.append, Drawing())
    assert plain["embedding"][0][2] == "pca"
    assert "t-SNE needs scikit-learn." not in map(str, notes)


def test_the_last_hidden_layer(results: list[Result]) -> None:
    assert report.hidden_layer(results[0]) == "layers.1"
    single = replace(results[0], model=replace(SMALL, sizes=(784, 10)).build(0))
    assert report.hidden_layer(single) == "layers.0"


def test_the_environment() -> None:
    found = environment.environment()
    assert found["NumPy"] == np.__version__
    assert re.fullmatch(r".+ .+, \d+ threads?", found["BLAS"])


def test_the_commit_is_that_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also in a second worktree; a folder inside another checkout has none."""
    if shutil.which("git") is None:
        pytest.skip("no Git")
    whole, other = tmp_path / "whole", tmp_path / "other"

    def git(*words: object) -> str:
        own = ("-c", "user.name=a", "-c", "user.email=a@b")
        given = map(str, ("git", "-C", whole, *own, *words))
        return subprocess.run(given, capture_output=True, text=True, check=True).stdout.strip()

    (whole / "inside").mkdir(parents=True)
    git("init")
    git("commit", "--allow-empty", "-m", "first")
    git("worktree", "add", "--detach", other)
    for place, commit in (
        (whole, git("rev-parse", "HEAD")), (other, git("rev-parse", "HEAD")),
        (whole / "inside", ""), (tmp_path, ""),
    ):  # fmt: skip
        monkeypatch.setattr(environment, "ROOT", place)
        assert environment._commit() == commit
    monkeypatch.setenv("PATH", "")
    assert environment._commit() == ""


def test_names_from_outside_are_escaped(results: list[Result], plain: Any, tmp_path: Path) -> None:
    del plain
    result = replace(results[0], dataset="a<b>&.csv")
    written = text(report.write_run(result, tmp_path, "", print, Drawing()))
    assert "<title>ref-4 on a&lt;b&gt;&amp;.csv, seed 0</title>" in written
    assert "<b>" not in written.replace("<body>", "").partition("<svg")[0]


def test_probing_changes_no_weights(results: list[Result], dataset: Dataset, parts: Parts) -> None:
    plain_run = run(SMALL, "mnist", dataset, parts, seed=0)
    assert plain_run.histograms is None
    expected = weights_sha256(plain_run.model.state_dict())
    assert weights_sha256(results[0].model.state_dict()) == expected
