"""Pictures of training: curves, predictions, confusion. They need matplotlib (extra ``plots``)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008: colours that stay apart for every kind of colour vision.
TRAIN, VALIDATION, WRONG, RIGHT = "#0072B2", "#D55E00", "#D55E00", "#333333"


def _figure(width: float, height: float) -> "Figure":
    """An empty figure that belongs to no window and no global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "pictures of training need matplotlib: pip install 'tinygrad_np[plots]'."
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def curves(history: Sequence[Any], title: str = "") -> "Figure":
    """Loss and accuracy against epochs, training and validation, with the loss of every step.

    ``history`` holds ``training.Epoch`` entries. A mean over an epoch stands in its middle, what
    was measured after it at its end. Raises ValueError for an empty history.
    """
    if not history:
        raise ValueError("curves() of an empty history; train for at least one epoch.")
    figure = _figure(10, 4)
    left, right = figure.subplots(1, 2)
    ends = np.array([epoch.epoch for epoch in history])
    losses = [epoch.step_losses for epoch in history]
    if max(map(len, losses)) > 1:
        places = [
            end - 1 + np.arange(1, len(s) + 1) / len(s) for end, s in zip(ends, losses, strict=True)
        ]
        left.plot(
            np.concatenate(places), np.concatenate(losses),
            color=TRAIN, alpha=0.3, linewidth=0.5, label="training, every step",
        )  # fmt: skip
    marker = "o" if len(history) <= 50 else None
    train = [e.train_loss for e in history]
    shares = [100 * e.train_accuracy for e in history]
    for axes, values in ((left, train), (right, shares)):
        label = "training, mean of the epoch"
        axes.plot(ends - 0.5, values, marker=marker, color=TRAIN, label=label)
    held = [e.validation_loss for e in history]
    if None not in held:
        shares = [100 * e.validation_accuracy for e in history]
        for axes, values in ((left, held), (right, shares)):
            axes.plot(ends, values, marker=marker, color=VALIDATION, label="validation")
    finite = [v for v in (*train, *held) if v is not None and np.isfinite(v)]
    left.set_ylim(0, 1.25 * max(finite, default=1) or 1)
    for axes, name in ((left, "loss (cross-entropy, nats)"), (right, "accuracy (%)")):
        axes.set(xlabel="epoch", ylabel=name, xlim=(0, ends[-1] * 1.02))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    return figure


def predictions(
    images: Any, labels: Any, logits: Any, count: int = 25, title: str = ""
) -> "Figure":
    """A grid of images with label and prediction: the most confident mistakes, then right ones.

    ``images`` (n, h, w), ``labels`` (n,), ``logits`` (n, classes), ``count`` images at most. Wrong
    ones have a coloured frame.
    """
    images, labels, logits = np.asarray(images), np.asarray(labels), np.asarray(logits, np.float64)
    guesses = logits.argmax(axis=1)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = shifted.max(axis=1) / shifted.sum(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    right = np.flatnonzero(guesses == labels)
    mistakes = wrong[np.argsort(-confidence[wrong], kind="stable")]
    mistakes = mistakes[: max(count * 3 // 5, count - len(right), 1)]
    chosen = np.concatenate([mistakes, right])[:count]
    columns = max(int(np.ceil(np.sqrt(len(chosen)))), 1)
    rows = max(-(-len(chosen) // columns), 1)
    figure = _figure(max(1.6 * columns, 6), 1.95 * rows + 0.7)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, i in zip(figure.axes, chosen, strict=False):
        good = guesses[i] == labels[i]
        colour = RIGHT if good else WRONG
        axes.set_axis_on()
        axes.imshow(images[i], cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        for edge in axes.spines.values():
            edge.set(color=colour, linewidth=1 if good else 3)
        text = f"{labels[i]}" if good else f"{labels[i]} taken for {guesses[i]}"
        sure = f"{100 * confidence[i]:.0f} % sure"
        axes.set_title(f"{text}\n{sure}", fontsize=10, color=colour)
    summary = f"{len(wrong):,} of {len(labels):,} wrong: most confident mistakes, then right ones"
    figure.suptitle(f"{title}\n{summary}" if title else summary)
    return figure


def confusion(counts: Any, names: Sequence[str] | None = None, title: str = "") -> "Figure":
    """A confusion matrix: rows are labels, columns predictions, (classes, classes) counts."""
    counts = np.asarray(counts)
    names = [str(i) for i in range(len(counts))] if names is None else list(names)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(0.6 * len(counts) + 1.2, 4)
    figure = _figure(side, side + 0.3)
    axes = figure.subplots()
    axes.imshow(share**0.4, cmap="Blues", vmin=0, vmax=1)  # so that one in a hundred still shows
    for i, row in enumerate(counts):
        for j, value in enumerate(row):
            if value:
                colour = "white" if share[i, j] > 0.3 else "black"
                axes.text(j, i, str(value), ha="center", va="center", color=colour, fontsize=10)
    right = f"{np.trace(counts):,} of {counts.sum():,} right"
    axes.set(xlabel="prediction", ylabel="label", title=f"{title}\n{right}" if title else right)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    return figure
