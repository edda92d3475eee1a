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
    """Loss and accuracy by epoch, training and validation, the loss of every step behind them.

    ``history`` holds ``training.Epoch`` entries. Raises ValueError for an empty one.
    """
    if not history:
        raise ValueError("curves() of an empty history; train for at least one epoch.")
    figure = _figure(10, 4)
    left, right = figure.subplots(1, 2)
    epochs = [epoch.epoch for epoch in history]
    for epoch in history:
        steps = len(epoch.step_losses)
        if steps > 1:
            places = epoch.epoch - 1 + np.arange(1, steps + 1) / steps
            left.plot(places, epoch.step_losses, color=TRAIN, alpha=0.25, linewidth=0.5)
    marker = "o" if len(history) <= 50 else None
    left.plot(epochs, [e.train_loss for e in history], marker=marker, color=TRAIN, label="training")
    right.plot(
        epochs,
        [100 * e.train_accuracy for e in history],
        marker=marker,
        color=TRAIN,
        label="training (while it runs)",
    )
    if all(e.validation_loss is not None for e in history):
        left.plot(
            epochs,
            [e.validation_loss for e in history],
            marker=marker,
            color=VALIDATION,
            label="validation",
        )
        right.plot(
            epochs,
            [100 * e.validation_accuracy for e in history],
            marker=marker,
            color=VALIDATION,
            label="validation",
        )
    highest = max([e.train_loss for e in history] + [e.validation_loss or 0 for e in history])
    left.set_ylim(0, 1.25 * highest)
    for axes, name in ((left, "loss (cross-entropy, nats)"), (right, "accuracy (%)")):
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    return figure


def predictions(
    images: Any, labels: Any, logits: Any, count: int = 25, title: str = ""
) -> "Figure":
    """A grid of images with label and prediction: most confident mistakes first, then others.

    ``images`` (n, h, w), ``labels`` (n,), ``logits`` (n, classes). Wrong ones have a
    coloured frame.
    """
    images, labels, logits = np.asarray(images), np.asarray(labels), np.asarray(logits, np.float64)
    guesses = logits.argmax(axis=1)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = shifted.max(axis=1) / shifted.sum(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    right = np.flatnonzero(guesses == labels)
    mistakes = wrong[np.argsort(-confidence[wrong], kind="stable")][: max(count * 3 // 5, 1)]
    chosen = np.concatenate([mistakes, right[: count - len(mistakes)]])[:count]
    side = max(int(np.ceil(np.sqrt(len(chosen)))), 1)
    figure = _figure(1.5 * side, 1.8 * side)
    for axes in figure.subplots(side, side, squeeze=False).flat:
        axes.set_axis_off()
    for axes, i in zip(figure.axes, chosen, strict=False):
        good = guesses[i] == labels[i]
        axes.set_axis_on()
        axes.imshow(images[i], cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        for edge in axes.spines.values():
            edge.set(color=RIGHT if good else WRONG, linewidth=1 if good else 3)
        text = f"{labels[i]}" if good else f"{labels[i]} taken for {guesses[i]}"
        axes.set_title(f"{text}\n{100 * confidence[i]:.0f} % sure", fontsize=8,
                       color=RIGHT if good else WRONG)  # fmt: skip
    figure.suptitle(title or f"{len(wrong)} of {len(labels)} wrong; most confident mistakes first")
    return figure


def confusion(counts: Any, names: Sequence[str] | None = None, title: str = "") -> "Figure":
    """A confusion matrix: rows are labels, columns predictions, (classes, classes) counts."""
    counts = np.asarray(counts)
    names = [str(i) for i in range(len(counts))] if names is None else list(names)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(0.6 * len(counts) + 1.5, 0.6 * len(counts) + 1)
    axes = figure.subplots()
    axes.imshow(share**0.4, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(counts):
        for j, value in enumerate(row):
            if value:
                colour = "white" if share[i, j] > 0.3 else "black"
                axes.text(j, i, str(value), ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="prediction", ylabel="label", title=title)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    return figure
