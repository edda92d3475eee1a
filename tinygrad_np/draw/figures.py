"""Pictures of what training gave: curves, predictions, confusion, reliability (extra ``plots``)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import refusal
from ..autodiff.tensor import Tensor
from ..data.augment import channels_last
from ..errors import ShapeError
from ..nn.functional import cross_entropy, softmax
from ..nn.operands import entered
from ..training.metrics import calibration, wilson
from .sheet import laid_out, pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008: colours that stay apart for every kind of colour vision.
TRAIN, VALIDATION, WRONG, RIGHT = "#0072B2", "#D55E00", "#D55E00", "#333333"
LONG = 16  # letters that a name has room for
LETTER = 0.085  # inches that one takes at most, of size 10
MANY = 40  # classes of which a matrix has neither names nor counts


def empty_figure(width: float, height: float) -> "Figure":
    """An empty figure that belongs to no window; a notebook shows it as it is."""
    try:
        import matplotlib.figure  # noqa: F401 - what may be missing

        from .shown import Shown
    except ImportError:
        raise ImportError("pictures of training need matplotlib: pip install matplotlib.") from None
    return Shown(figsize=(width, height), layout="constrained")


def headed(title: str, summary: str) -> str:
    """A title, if there is one, and below it what the picture shows."""
    return f"{title}\n{summary}" if title else summary


def curves(history: Sequence[Any], title: str = "") -> "Figure":
    """Loss and accuracy against epochs, training and validation, and of every training step.

    ``history`` holds ``training.Epoch`` entries, or several histories, one for each seed: then
    every line is a mean in a band of one sample standard deviation to each side, over the epochs
    that all reached, and the single runs are faint. A mean over an epoch stands in its middle, what
    was measured after it at its end. Raises ValueError for an empty history.

    >>> model = tg.nn.Linear(4, 2, seed=0)
    >>> batches = tg.data.batches(np.ones((8, 4), np.float32), np.zeros(8, int), 4, seed=0)
    >>> history = tg.training.fit(model, batches, tg.optim.SGD(model.parameters(), 0.1), epochs=2)
    >>> tg.draw.curves(history).savefig("curves.png")
    """
    try:
        runs = [history] if len(history) and hasattr(history[0], "train_loss") else list(history)
        known = all(hasattr(epoch, "step_losses") for run in runs for epoch in run)
    except (TypeError, LookupError):
        known = False
    if not known:
        needed = "what tg.training.fit returns, or a list of it,"
        raise refusal("curves", "history", history, needed)
    if not runs or not all(len(run) for run in runs):
        raise ValueError("curves() of an empty history; train for at least one epoch.")
    figure = empty_figure(10, 4)
    left, right = figure.subplots(1, 2)
    _steps(left, runs, "step_losses", 1)
    steps = _steps(right, runs, "step_accuracies", 100)
    marker = "o" if max(map(len, runs)) <= 50 else None
    shown: tuple[list[float], list[float]] = ([], [])  # losses and accuracies
    for part, colour, name in (
        ("train", TRAIN, "training, mean of the epoch"),
        ("validation", VALIDATION, "validation"),
    ):
        losses = [[getattr(epoch, f"{part}_loss") for epoch in run] for run in runs]
        if any(None in values for values in losses):
            continue
        shares = [[100 * getattr(epoch, f"{part}_accuracy") for epoch in run] for run in runs]
        late = 0.5 if part == "train" else 0.0
        places = [np.array([epoch.epoch - late for epoch in run]) for run in runs]
        for axes, lines, kept in ((left, losses, shown[0]), (right, shares, shown[1])):
            _band(axes, places, lines, color=colour, marker=marker, label=name)
            kept += [value for values in lines for value in values if np.isfinite(value)]
    left.set_ylim(0, 1.25 * max(shown[0], default=1) or 1)
    low, high = min(shown[1], default=0), max(shown[1], default=100)
    room = 0.1 * (high - low) or 1
    top = max([high + room, *(steps + 0.2 * room)])  # batches of 100 % are seen, poor ones leave
    right.set_ylim(low - room, top)
    end = max(run[-1].epoch for run in runs)
    for axes, name in ((left, "loss (cross-entropy, nats)"), (right, "accuracy (%)")):
        axes.set(xlabel="epoch", ylabel=name, xlim=(0, end * 1.02))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    # below, where no point is: those of a single epoch may be anywhere
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(title)
    return figure


def _steps(axes: Any, runs: Sequence[Any], kind: str, scale: float) -> np.ndarray:
    """Draw a value of every step, the mean over several runs; none where an epoch is one step.

    Returns those that are finite.
    """
    places, means = [], []
    for epochs in zip(*runs, strict=False):
        steps = min(len(getattr(epoch, kind)) for epoch in epochs)
        places.append(epochs[0].epoch - 1 + np.arange(1, steps + 1) / max(steps, 1))
        means.append(scale * np.mean([getattr(e, kind)[:steps] for e in epochs], axis=0))
    if max(map(len, means)) < 2:
        return np.empty(0)
    values = np.concatenate(means)
    axes.plot(
        np.concatenate(places), values,
        color=TRAIN, alpha=0.3, linewidth=0.5,
        label="training, every step" + (", mean" if len(runs) > 1 else ""),
    )  # fmt: skip
    finite: np.ndarray = values[np.isfinite(values)]
    return finite


def _band(axes: Any, places: list[Any], lines: list[Any], **style: Any) -> None:
    """One line; or the mean of several in a band of one standard deviation, and each one faint."""
    if len(lines) == 1:
        axes.plot(places[0], lines[0], **style)
        return
    for x, values in zip(places, lines, strict=True):
        axes.plot(x, values, color=style["color"], alpha=0.25, linewidth=0.8)
    common = min(map(len, lines))
    values = np.array([line[:common] for line in lines])
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    x = places[0][:common]
    axes.fill_between(x, mean - spread, mean + spread, color=style["color"], alpha=0.2, linewidth=0)
    style["label"] = f"{style['label'].split(',')[0]}, {len(lines)} runs: mean ± sd"
    axes.plot(x, mean, **style)


def plain(place: str, name: str, given: Any) -> np.ndarray:
    """Numbers as an array; raises TypeError and ShapeError for others, and for ragged lists."""
    found = entered(place, given, name=name)
    return np.asarray(found.numpy() if isinstance(found, Tensor) else found)


def words(place: str, names: Any, classes: int = 0) -> Any:
    """Names of at least so many classes."""
    if not isinstance(names, (list, tuple)) and getattr(names, "ndim", 0) != 1:
        raise refusal(place, "names", names, "a list of names")
    if len(names) < classes:
        raise refusal(place, "names", names, f"a list of names, of {classes} classes or more,")
    return names


def predictions(
    images: Any,
    labels: Any,
    logits: Any,
    count: int = 25,
    title: str = "",
    names: Sequence[str] | None = None,
) -> "Figure":
    """A grid of images with label and prediction: the most confident mistakes, then right ones.

    ``images`` (n, h, w), (n, channels, h, w) or (n, h, w, channels) with 1, 3 or 4 channels,
    ``labels`` (n,), ``logits`` (n, classes), ``count`` images at most. Wrong ones have a coloured
    frame. ``names`` has one for each class, else it is its number. Raises ShapeError for other
    shapes, DataError for images whose channels may be on two axes.

    >>> images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])
    >>> figure = tg.draw.predictions(images, labels, logits=np.eye(2)[labels], count=4)
    >>> figure.savefig("predictions.png")
    """
    images, labels, logits = _checked("predictions", images, labels, logits)
    guesses = logits.argmax(axis=1)
    confidence = softmax(logits).max(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    right = np.flatnonzero(guesses == labels)
    mistakes = wrong[np.argsort(-confidence[wrong], kind="stable")]
    mistakes = mistakes[: max(count * 3 // 5, count - len(right), 1)]
    chosen = np.concatenate([mistakes, right])[:count]
    sure = [f"{100 * confidence[i]:.0f} % sure" for i in chosen]
    summary = f"{len(wrong):,} of {len(labels):,} wrong: most confident mistakes, then right ones"
    own = (images[chosen], labels[chosen], guesses[chosen], sure)
    return _labelled("predictions", *own, headed(title, summary), names, logits.shape[1])


def hardest(
    images: Any,
    labels: Any,
    logits: Any,
    count: int = 16,
    title: str = "",
    names: Sequence[str] | None = None,
) -> "Figure":
    """The images of the largest loss, with label, guess, how sure it is, and the loss in nats.

    The loss is the cross-entropy, -log of the probability of the label. The arguments, the frames
    and the errors are those of ``predictions``, besides DataError for labels that are no classes
    and ValueError for logits that are not finite.

    >>> images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])
    >>> figure = tg.draw.hardest(images, labels, logits=np.eye(2)[[0, 1, 1, 1]], count=2)
    >>> figure.savefig("hardest.png")
    """
    images, labels, logits = _checked("hardest", images, labels, logits)
    if not np.isfinite(logits).all():
        raise ValueError("hardest: the logits are not all finite; train to a finite loss first.")
    losses = np.asarray(cross_entropy(logits, labels, reduction="none"))
    chosen = np.argsort(-losses, kind="stable")[:count]
    confidence, guesses = softmax(logits[chosen]).max(axis=1), logits[chosen].argmax(axis=1)
    said = [
        f"{100 * c:.0f} % sure, loss {losses[i]:{'.1f' if losses[i] >= 1 else '.2f'}}"
        for c, i in zip(confidence, chosen, strict=True)
    ]
    summary = f"largest loss: {len(chosen):,} of {len(labels):,} images"
    own = (images[chosen], labels[chosen], guesses, said)
    return _labelled("hardest", *own, headed(title, summary), names, logits.shape[1])


def _checked(place: str, images: Any, labels: Any, logits: Any) -> tuple[Any, Any, Any]:
    """The images as ``imshow`` takes them, labels, and logits in float64."""
    called = (("images", images), ("labels", labels), ("logits", logits))
    images, labels, logits = (plain(place, name, given) for name, given in called)
    logits = logits.astype(np.float64)
    n = len(images) if images.ndim in (3, 4) else None
    few = logits.ndim != 2 or logits.shape[1] < 2  # one column has no greatest
    if few or labels.shape != (n,) or len(logits) != n:
        raise ShapeError(
            f"{place}: images of shape {images.shape}, labels of shape {labels.shape} and "
            f"logits of shape {logits.shape}; expected (n, h, w), (n,) and (n, classes), 2 up; "
            "images.reshape(n, h, w) makes images of rows of pixels."
        )
    if images.ndim == 4:
        channels_last(place, images.shape)  # which refuses what may be meant in two ways
    return laid_out(place, images), labels, logits


def naming(place: str, names: Sequence[str] | None, classes: int) -> Callable[[int], str]:
    """What a class is called: its name or the beginning of a long one; without names its number.

    Where two beginnings are one, the number stands behind them.
    """
    if names is None:
        return str
    given = [str(name).replace("$", r"\$") for name in words(place, names)]  # which begins formulas
    if len(given) < classes:
        raise ShapeError(f"{place}: {len(given)} names for {classes} classes; give one for each.")
    short = [n if len(n) <= LONG else f"{n[: LONG - 1].strip()}…" for n in given]
    return [
        name if short.count(name) < 2 or name == given[i] else f"{name[: LONG - 6].strip()}… (#{i})"
        for i, name in enumerate(short)
    ].__getitem__


def _labelled(
    place: str, images: Any, labels: Any, guesses: Any, said: Sequence[str], title: str,
    names: Sequence[str] | None, classes: int,
) -> "Figure":  # fmt: skip
    """A grid of images with label and guess and what is said of each; wrong ones in a frame."""
    columns = max(int(np.ceil(np.sqrt(len(images)))), 1)
    rows = max(-(-len(images) // columns), 1)
    name, between = naming(place, names, classes), " " if names is None else "\n"
    widest = max(len(name(i)) for i in {0, *labels.tolist(), *guesses.tolist()})
    width = max(1.6, LETTER * (len("taken for ") + widest)) if names is not None else 1.6
    figure = empty_figure(max(width * columns, 6), (1.95 if names is None else 2.15) * rows + 0.7)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    each = zip(figure.axes, pictures(images), labels, guesses, said, strict=False)
    for axes, image, label, guess, words in each:
        good = guess == label
        colour = RIGHT if good else WRONG
        axes.set_axis_on()
        axes.imshow(image, cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        for edge in axes.spines.values():
            edge.set(color=colour, linewidth=1 if good else 3)
        text = name(label) if good else f"{name(label)}{between}taken for {name(guess)}"
        axes.set_title(f"{text}\n{words}", fontsize=10, color=colour)
    figure.suptitle(title)
    return figure


def confusion(counts: Any, names: Sequence[str] | None = None, title: str = "") -> "Figure":
    """A confusion matrix: rows are labels, columns predictions, (classes, classes) counts.

    ``names`` has one for each class, else it is its number; more than 40 classes are drawn without
    names and counts. Raises ShapeError for other shapes.

    >>> figure = tg.draw.confusion(np.array([[8, 2], [1, 9]]), names=["cat", "dog"])
    >>> figure.savefig("confusion.png")
    """
    counts = plain("confusion", "counts", counts)
    classes = counts.shape[0] if counts.ndim else 0
    named = classes if names is None else len(words("confusion", names))
    if counts.shape != 2 * (named,):
        raise ShapeError(
            f"confusion: counts of shape {counts.shape} for {named} classes; expected "
            "(classes, classes) as training.confusion returns them, and a name for each class."
        )
    called = list(map(naming("confusion", names, classes), range(classes)))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    is_large = classes > MANY
    side = 9 if is_large else max(0.6 * classes + 1.2, 4)
    figure = empty_figure(side, side + 0.3)
    axes = figure.subplots()
    axes.imshow(share**0.4, cmap="Blues", vmin=0, vmax=1)  # so that one in a hundred still shows
    for i, row in enumerate(counts):
        for j, value in enumerate(row):
            if value and not is_large:
                colour = "white" if share[i, j] > 0.3 else "black"
                axes.text(j, i, str(value), ha="center", va="center", color=colour, fontsize=10)
    right = f"{np.trace(counts):,} of {counts.sum():,} right"
    axes.set(xlabel="prediction", ylabel="label")
    if is_large:
        right += f", {classes} classes without names and counts"
    axes.set_title(headed(title, right), wrap=True)
    if is_large:
        return figure
    slant: dict[str, Any] = {"rotation": 45, "ha": "right"} if max(map(len, called)) > 3 else {}
    axes.set_xticks(range(classes), called, **slant)
    axes.set_yticks(range(classes), called)
    return figure


def reliability(predictions: Any, labels: Any, bins: int = 10, title: str = "") -> "Figure":
    """A reliability diagram: accuracy against confidence, and how often each confidence occurs.

    ``predictions`` (n, classes) are logits, or probabilities if every row is one; ``labels`` (n,).
    Whiskers are 95 % intervals (Wilson 1927). The title has the expected calibration error (Guo et
    al. 2017, eq. 3). Raises what ``training.calibration`` raises.

    >>> logits = np.random.default_rng(0).standard_normal((50, 3))
    >>> figure = tg.draw.reliability(logits, logits.argmax(axis=1))
    >>> figure.savefig("reliability.png")
    """
    found = calibration(_probabilities(predictions), labels, bins)
    figure = empty_figure(5.5, 6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    edges, filled = 100 * found.edges, found.counts > 0
    width, middles = edges[1], (edges[:-1] + edges[1:])[filled] / 2
    share, sure, count = found.accuracy[filled], found.confidence[filled], found.counts[filled]
    low, high = wilson(share, count)
    whiskers = np.maximum(100 * np.array([share - low, high - share]), 0)
    bars = {"width": width, "color": TRAIN, "alpha": 0.5, "edgecolor": "white"}
    above.bar(middles, 100 * share, **bars)
    above.plot(
        [0, 100], [0, 100], color=RIGHT, linestyle="--", linewidth=1, label="as sure as right"
    )
    above.errorbar(
        100 * sure, 100 * share, whiskers, color=VALIDATION,
        marker="o", linestyle="none", capsize=3, clip_on=False, label="mean of a bin",
    )  # fmt: skip
    above.set(xlim=(0, 100), ylim=(0, 104), ylabel="right (%)")
    below.bar(middles, count, **bars)
    below.set(
        yscale="log",
        ylim=(0.7, 2 * count.max()),
        xlabel="confidence: highest probability (%)",
        ylabel="examples",
    )
    for axes in (above, below):
        axes.grid(alpha=0.3)
    above.legend(loc="upper left")
    error = f"expected calibration error {100 * found.expected_error:.2f} points"
    above.set_title(headed(title, error), wrap=True)
    return figure


def _probabilities(predictions: Any) -> np.ndarray:
    """Rows that are all in 0 … 1 and sum to 1 as they are, others through softmax."""
    values = plain("reliability", "predictions", predictions).astype(np.float64)
    if values.size and values.min() >= 0 and np.allclose(values.sum(axis=-1), 1, atol=1e-3):
        return values
    return np.asarray(softmax(values)) if values.size else values
