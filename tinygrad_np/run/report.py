"""What a run leaves behind: weights, pictures, the graph, and one page with all of it."""

import dataclasses
import functools
import hashlib
import math
import re
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import draw, markup, training
from ..data.datasets import Dataset
from ..draw import page
from ..draw.attribution import convolutions
from ..errors import ShapeError
from ..training import weights
from ..training.features import leaf_layers
from ..training.metrics import wilson
from .description import describe
from .environment import environment
from .outputs import run_name, write
from .progress import Drawing
from .run import Result, weights_sha256

Note = Callable[[object], None]
Picture = tuple[str, str, Callable[[], Any]]  # the file's name, the heading, what makes the figure
EMBEDDED = 1000  # test images in the picture of the features
NONE = "–"  # a share of nothing, as the precision of a class that is never predicted
# of a recipe: a name in models.by_hand, what the rows of images say, and what the headline says
ELSEWHERE = ("by_hand", "validation", "train", "judged_on", "reported")
LEFT_OUT = "There is no picture: Ctrl-C came while the report was drawn."
# how to read each picture
READ = {
    "curves": "Both losses should fall and then level off; a validation loss that rises while the "
    "training loss still falls means that the network learns the examples by heart.",
    "predictions": "Frames mark mistakes, the most confident first: look for labels that are "
    "wrong and for digits that a person would misread too.",
    "hardest": "The test images that cost the most, with the label, the guess and how sure it is: "
    "look for labels that are wrong, and for a kind of image that the network has not learned.",
    "confusion": "A row is a label, a column a prediction: all counts should lie on the diagonal, "
    "and a large one beside it names two classes that are taken for each other.",
    "reliability": "Points on the dashed line are predictions that are as often right as they "
    "are sure; below it the network is too sure of itself.",
    "weights": "Each square is what one unit looks for: red pixels raise its output, blue ones "
    "lower it; strokes and edges are a good sign, noise is what was not learned.",
    "filters": "Each square is what one filter looks for at every place of the image: red pixels "
    "raise its output, blue ones lower it; edges and strokes are a good sign, noise is not.",
    "feature_maps": "Each square is what one filter finds in the image on top, red where its "
    "pattern is, blue where its opposite is: maps that differ from each other are a good sign.",
    "saliency": "The first test image of each class, and beside it how much each pixel moves the "
    "score of the guess: bright pixels should lie on the object and its edges, not on a corner.",
    "grad_cam": "The same images, with what speaks for the guess in orange: it should lie on the "
    "strokes, or on the gaps between them, that tell the class from others.",
    "histograms": "A column is the spread of values after an epoch, with the quartiles as lines: "
    "layers whose activations shrink to one line or are mostly zero pass nothing on.",
    "embedding": "A point is a test image, near others with similar features: classes in clumps "
    "of their own are easy to tell apart, and points in a foreign clump are likely mistakes.",
    "graph": "Data flow from top to bottom; rest the pointer on a node for its value and the rule "
    "by which gradients pass it.",
}


def write_run(result: Result, out: Path, command: str, note: Note, progress: Drawing) -> Path:
    """Write the folder of one run, and return it.

    It gets ``weights.npz``, a PNG for each picture, ``graph.svg`` (or ``.dot``) and
    ``report.html``, which holds everything; ``command`` repeats the run. Without matplotlib the
    pictures are missing and ``note`` is told, and the page says, what to install. After Ctrl-C the
    pictures that are not drawn yet are left out, and ``progress`` says so; a second one raises
    KeyboardInterrupt.
    """
    started = time.perf_counter()
    folder = out / _name(result)
    state = result.model.state_dict()
    described = describe(result.recipe, result.data, result.parts)
    weights.save(folder / "weights.npz", state, described)
    title = f"{result.recipe.name} on {Path(result.dataset).name}, seed {result.seed}"
    pictures = _pictures(result, title)
    progress.begin(len(pictures) + 1)
    shown = [_pictured(folder, *each, note, progress) for each in pictures]
    graph = progress.part("graph", lambda: _graph(result, folder, note)) or LEFT_OUT
    write(folder / "report.html", markup.page(
        title,
        result.recipe.summary,
        markup.section("Result", markup.table(headline(result))),
        *shown,
        markup.section("Precision and recall", markup.table(per_class(result), head=(
            "class", "precision %", "recall %", "F1 %", "test images",
        ))),
        markup.section("Network", graph, markup.code(repr(result.model))),
        *_circumstances(result),
        markup.section(
            "Weights", markup.table([("SHA-256 of names, dtypes, shapes and bytes",
                                    weights_sha256(state))])),
        markup.section("Repeat", markup.code(command)),
        f"Written in {time.perf_counter() - started:.1f} s.",
    ).encode())  # fmt: skip
    return folder


def write_group(
    results: list[Result], folder: Path, command: str, note: Note, progress: Drawing
) -> Path:
    """Write the folder with the page of several seeds of one recipe, whose own are beside it.

    After Ctrl-C pictures are left out as ``write_run`` does.
    """
    first = results[0]
    seeds = f"{first.seed}-{results[-1].seed}"
    title = f"{first.recipe.name} on {Path(first.dataset).name}, seeds {seeds.replace('-', ' … ')}"
    histories = [result.history for result in results]
    counts = sum(_confusion(result) for result in results)
    pictures: list[Picture] = [
        ("curves", "Curves", lambda: draw.curves(histories, title)),
        ("confusion", "Confusion, all seeds", lambda: draw.confusion(counts, first.names, title)),
    ]
    progress.begin(len(pictures))
    shown = [_pictured(folder, *each, note, progress) for each in pictures]
    rows = [
        (
            page.link(f"../{_name(r)}/report.html", f"seed {r.seed}"),
            *(f"{100 * share:.2f}" for share in accuracies(r)),
            f"{r.train_seconds:.2f}",
            weights_sha256(r.model.state_dict()),
        )
        for r in results
    ]
    columns = list(zip(*map(accuracies, results), strict=True))
    rows.append(("mean ± sd", *map(spread, columns),
                 f"{statistics.mean(r.train_seconds for r in results):.2f}", ""))  # fmt: skip
    head = ("", "train %", "validation %", "test %", "seconds", "SHA-256 of the weights")
    write(folder / "report.html", markup.page(
        title,
        first.recipe.summary,
        markup.section("Results", markup.table(rows, head)),
        *shown,
        *_circumstances(first),
        markup.section("Repeat", markup.code(command)),
    ).encode())  # fmt: skip
    return folder


def headline(result: Result) -> list[tuple[str, str]]:
    """The figures of a run, with what the number of test images makes of the accuracy."""
    labels = result.test[1]
    n, share = len(labels), result.test_accuracy
    error = math.sqrt(share * (1 - share) / n)
    low, high = wilson(share, n)
    rows = [
        (
            "test accuracy",
            f"{100 * share:.2f} % ({round(n * (1 - share)):,} of {n:,} wrong), standard error "
            f"{100 * error:.2f} points, 95 % interval {100 * low:.2f} … {100 * high:.2f} %",
        ),
        ("validation accuracy", f"{100 * result.validation_accuracy:.2f} %"),
        ("training accuracy", f"{100 * result.train_accuracy:.2f} %"),
        ("test loss", f"{result.test_loss:.4f} nats"),
        ("parameters", f"{sum(p.size for p in result.model.parameters()):,}"),
        ("epochs", f"{result.passes()} of {result.recipe.epochs}, {result.history.stopped}"),
        ("training took", f"{result.train_seconds:.2f} s"),
    ]
    if result.reported is not None:
        reported = f"{100 * result.reported:.2f} % on the {result.recipe.judged_on} part"
        rows.insert(1, ("reported by the reference project", reported))
    return rows


def per_class(result: Result) -> list[tuple[str, ...]]:
    """A row for each class and their mean, in percent."""
    guesses, labels = result.test_logits.argmax(axis=1), result.test[1]
    classes = result.test_logits.shape[1]
    found = training.precision_recall(guesses, labels, classes)
    columns = [100 * found.precision, 100 * found.recall, 100 * found.f1]
    names = [f"{i} {name}" for i, name in enumerate(result.names or [""] * classes)]
    rows = [
        (name.strip(), *(_percent(column[i]) for column in columns), f"{found.support[i]:,}")
        for i, name in enumerate(names)
    ]
    known = [column[np.isfinite(column)] for column in columns]
    means = [_percent(column.mean()) if column.size else NONE for column in known]
    return [*rows, ("mean", *means, f"{len(labels):,}")]


def _percent(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else NONE


def spread(shares: Any) -> str:
    """Mean and, for several seeds, sample standard deviation, in percent."""
    mean = f"{100 * statistics.mean(shares):.2f}"
    return mean if len(shares) == 1 else f"{mean} ± {100 * statistics.stdev(shares):.2f}"


def _pictures(result: Result, title: str) -> list[Picture]:
    """Those of a run, in the order of the page."""
    images, labels = result.test
    logits, names, record, model = (
        result.test_logits, result.names, result.histograms, result.model,
    )  # fmt: skip
    layer, shape, inputs = hidden_layer(result), images.shape[1:], result.parts.test[0]
    firsts = inputs[np.unique(labels, return_index=True)[1]]  # one of each class
    named: Any = {"title": title, "names": names}
    inside: list[Picture] = [
        ("weights", "Weights of the first layer", lambda: draw.weights(model, shape, title=title)),
    ]
    on_images: list[Picture] = []
    if convolutions(model):
        inside = [
            ("filters", "Filters", lambda: draw.filters(model, title=title)),
            (
                "feature_maps",
                "Feature maps",
                lambda: draw.feature_maps(model, inputs[0], title=title, shape=shape),
            ),
        ]
        on_images = [
            ("grad_cam", "Grad-CAM", lambda: draw.grad_cam(model, firsts, shape=shape, **named)),
        ]
    return [
        ("curves", "Curves", lambda: draw.curves(result.history, title)),
        ("predictions", "Predictions", lambda: draw.predictions(images, labels, logits, **named)),
        ("hardest", "Hardest images", lambda: draw.hardest(images, labels, logits, **named)),
        ("confusion", "Confusion", lambda: draw.confusion(_confusion(result), names, title)),
        ("reliability", "Calibration", lambda: draw.reliability(logits, labels, title=title)),
        *inside,
        ("saliency", "Saliency", lambda: draw.saliency(model, firsts, shape=shape, **named)),
        *on_images,
        (
            "histograms",
            "Activations and gradients over time",
            lambda: draw.histograms(record, title) if record is not None else None,
        ),
        (
            "embedding",
            f"Features of the last hidden layer ({layer})",
            lambda: _embedding(result, layer, title),
        ),
    ]


def hidden_layer(result: Result) -> str:
    """The name of the layer before the last one, whose outputs the logits are made of."""
    return leaf_layers(result.model)[-2:][0]


def _embedding(result: Result, layer: str, title: str) -> Any:
    """t-SNE where scikit-learn is installed, else PCA."""
    x, labels = (array[:EMBEDDED] for array in result.parts.test)
    values = training.features(result.model, x, layer)
    try:
        return draw.embedding(values, labels, "tsne", names=result.names, title=title)
    except ImportError:
        return draw.embedding(values, labels, "pca", names=result.names, title=title)


def _pictured(
    folder: Path, name: str, heading: str, make: Callable[[], Any], note: Note, progress: Drawing
) -> markup.Html:
    """A picture in a file and as a section of the page; or the sentence why there is none."""

    def drawn() -> str:
        try:
            figure = make()
        except ImportError as missing:
            note(missing)
            return str(missing)
        except (ValueError, ShapeError) as problem:  # as of logits that are not finite
            return f"There is no picture: {problem}"
        if figure is None:
            return "There is no picture: nothing was recorded."
        content = page.png(figure)
        write(folder / f"{name}.png", content)
        return page.picture(content, heading, READ[name])

    return markup.section(heading, progress.part(heading, drawn) or LEFT_OUT)


def _graph(result: Result, folder: Path, note: Note) -> markup.Html:
    """The graph in a file and as a drawing of the page, or as text where nothing can draw it."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        # two examples: batch normalisation in training takes no fewer
        made = draw.graph(result.model, np.repeat(result.parts.test[0][:1], 2, axis=0))
        written = draw.save(made, folder / "graph.svg")
    for warning in given:
        note(warning.message)
    if written.suffix == ".svg":
        return page.drawing(written.read_text(encoding="utf-8"), READ["graph"])
    return markup.code(made.source)


def _circumstances(result: Result) -> list[markup.Html]:
    return [
        markup.section("Configuration", markup.table(configuration(result))),
        markup.section("Environment", markup.table(environment().items())),
        markup.section("Data", markup.table(checksums(result.data), head=("", "array", "SHA-256"))),
    ]


def configuration(result: Result) -> list[tuple[str, str]]:
    """What the run was trained with; functions by name, the schedule as what it makes."""
    recipe, parts = result.recipe, result.parts
    fields = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    for name in ELSEWHERE:
        del fields[name]
    fields |= {"schedule": recipe.learning_rate(parts.train), "dataset": result.dataset}
    rows = [(name, _shown(value)) for name, value in fields.items() if value not in (None, "", ())]
    used = [("images used", f"{len(x):,} {name}") for name, (x, _) in (
        ("training", parts.train), ("validation", parts.validation), ("test", parts.test),
    )]  # fmt: skip
    return [*rows, *used]


def _shown(value: Any) -> str:
    """A value as one reads it: functions by name, no places in memory."""
    if isinstance(value, functools.partial):
        named = [f"{key}={_shown(part)}" for key, part in value.keywords.items()]
        return f"{_shown(value.func)}({', '.join([*map(_shown, value.args), *named])})"
    name = getattr(value, "__qualname__", None)
    text = f"{value.__module__}.{name}" if name else str(value)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def checksums(dataset: Dataset) -> list[tuple[str, str, str]]:
    """Name, shape and dtype, and SHA-256 of the bytes of each array of a data set."""
    names = ("training images", "training labels", "test images", "test labels")
    arrays = [array for part in dataset for array in part]
    return [
        (
            name,
            f"{array.dtype} {array.shape}",
            hashlib.sha256(np.ascontiguousarray(array).data).hexdigest(),
        )
        for name, array in zip(names, arrays, strict=True)
    ]


def _name(result: Result) -> str:
    return result.folder or run_name(result.recipe.name, result.dataset, result.seed)


def accuracies(result: Result) -> tuple[float, float, float]:
    return result.train_accuracy, result.validation_accuracy, result.test_accuracy


def _confusion(result: Result) -> np.ndarray:
    classes = result.test_logits.shape[1]
    return training.confusion(result.test_logits.argmax(axis=1), result.test[1], classes)
