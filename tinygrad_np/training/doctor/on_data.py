"""What is seen on the data: inputs that no network learns from, labels that do not fit them."""

import math
from collections.abc import Iterator

import numpy as np

from .facts import DataFacts, counts_of
from .report import UNRELATED, Finding, Measurements, figure, fine, note, warning

FEW = 50  # examples of a class
TELLING = 200  # examples; of 100 one in ten sets that are hard to learn was accused


def inputs(m: Measurements) -> Iterator[Finding]:
    kinds = [layer.kind for layer in m.start.layers] if m.start is not None else []
    for facts in m.inputs:
        if "Embedding" not in kinds or "int" not in facts.dtype:  # numbers of words have no scale
            yield from _of_array(facts, f" {facts.name}" if len(m.inputs) > 1 else "")


def _of_array(d: DataFacts, name: str) -> Iterator[Finding]:
    ranged = f"the inputs{name} go from {figure(d.low)} to {figure(d.high)}"
    if d.bad:
        assert d.first_bad is not None
        yield warning(
            "inputs not finite",
            f"{d.bad:,} entries of the inputs are NaN or infinite, the first at "
            f"{d.name}{[*d.first_bad]}; one of them makes the loss and all weights NaN.",
            "remove these examples, or fill in the mean of the feature.",
        )
    elif d.std == 0:
        yield warning(
            "constant inputs",
            f"all inputs{name} are {figure(d.low)}, so that no example differs from another.",
            "check how the data are loaded.",
        )
    elif d.whole and d.low >= 0 and 64 < d.high <= 255:
        yield warning(
            "pixels not scaled",
            f"{ranged}, as pixels do that were not divided by 255; the first layer's outputs and "
            "gradients are about a hundred times larger than its initial weights are meant for.",
            "scale with tg.data.normalise(images), or divide by 255.",
        )
    elif d.low >= 0 and d.high <= 1 / 64:
        yield warning(
            "pixels scaled twice",
            f"{ranged}, as pixels do that were divided by 255 twice; they are so close to 0 "
            "that the first layer learns very slowly.",
            "scale the pixels only once.",
        )
    elif abs(d.mean) > 3 * d.std:
        yield warning(
            "inputs not centred",
            f"the mean of the inputs{name} is {figure(d.mean)} and their standard deviation "
            f"{figure(d.std)}; the gradients of a unit's weights then have the same sign.",
            "subtract the mean of the training inputs (LeCun et al. 1998, section 4.3).",
        )
    elif d.std > 10:
        yield warning(
            "inputs not scaled",
            f"{ranged}, with a standard deviation of {figure(d.std)}; initial weights are "
            "meant for about 1.",
            "divide by the standard deviation of the training inputs.",
        )
    elif d.spread > 100:
        yield warning(
            "features on different scales",
            f"the standard deviation of one feature is {figure(d.spread)} times that of a typical "
            "feature, so that it outweighs the others.",
            "standardise each feature by its own mean and standard deviation.",
        )
    else:
        yield fine(
            "inputs",
            f"{ranged}, mean {figure(d.mean)}, standard deviation {figure(d.std)}.",
        )


def labels(m: Measurements) -> Iterator[Finding]:
    counts = counts_of(m.targets)
    classes = m.start.classes if m.start is not None else None
    if m.failure is not None:
        yield from _refused(m)
    if m.one_hot:
        yield note(
            "labels one-hot",
            f"the labels have shape {m.targets.shape} and are one-hot; the loss takes them as "
            "probabilities of the classes, and no accuracy is computed.",
            "give class numbers: y.argmax(axis=1).",
        )
    if counts is None or (classes is None and m.failure is None):
        return
    present = int(np.count_nonzero(counts))
    share = float(counts.max() / counts.sum())
    if present == 1:
        yield warning(
            "one class",
            f"all {counts.sum():,} labels are {counts.argmax()}, so there is nothing to learn.",
            "check how the labels are loaded, and that they are shuffled before a split.",
        )
    elif share > 0.5 and share > 3 / present:
        yield warning(
            "class imbalance",
            f"{100 * share:.0f} % of the examples have label {counts.argmax()}; a network that "
            "always gives this label reaches the same accuracy.",
            "judge it by training.precision_recall, and draw rare classes more often.",
        )
    elif m.failure is None:
        counts = counts[counts > 0]
        yield fine(
            "labels",
            f"{present} classes of {counts.min():,} to {counts.max():,} examples.",
        )
    if classes is not None and 1 < present < classes:
        yield note(
            "outputs without examples",
            f"the network has {classes} outputs and the labels {present} classes.",
            "remove the outputs that no label uses.",
        )


def few(m: Measurements) -> Iterator[Finding]:
    """Fewer examples than a network of this size needs to generalise."""
    start, n = m.start, m.data.shape[0]
    if start is None:
        return
    size = sum(math.prod(p.shape) for p in start.parameters)
    classes = start.classes or 1
    if n >= FEW * classes or size <= n * classes:
        return
    each = "" if start.classes is None else f", {n / classes:.3g} of a class,"
    yield warning(
        "few examples",
        f"{n:,} examples{each} for {size:,} parameters: the network can memorise them, and its "
        "accuracy on them says little about new examples.",
        "more examples, augmented ones (tg.data.augment), a smaller network, or pretrained "
        "weights; measure the accuracy on held-out examples.",
    )


def _refused(m: Measurements) -> Iterator[Finding]:
    """Why there is no first loss."""
    y, outputs = m.targets, m.failure or ""
    low, high = (float(y.min()), float(y.max())) if y.size else (0.0, 0.0)
    if y.ndim == 2 and y.shape[1] > 1 and low >= 0 and high == 1:
        name, text = "labels one-hot", f"the labels have shape {y.shape} and are one-hot."
        remedy = "give class numbers: y.argmax(axis=1)."
    elif y.ndim == 2 and y.shape[1] == 1:
        name, text = "labels in a column", f"the labels have shape {y.shape}."
        remedy = "give them as (n,): y.ravel(), as integers."
    elif y.ndim == 1 and y.dtype.kind in "fb":
        name, text = "labels not integers", f"the labels have dtype {y.dtype}."
        remedy = "give class numbers: y.astype(np.int64)."
    elif "out of range" in outputs or "label" in outputs:
        name = "labels out of range"
        text = f"the labels go from {figure(low)} to {figure(high)}."
        remedy = "count classes from 0, and give the network as many outputs as there are classes."
    else:
        name, text = "no first loss", "the model or the loss cannot be computed."
        remedy = "make this call work first: loss(model(x[:2]), y[:2])."
    yield warning(name, f"{text} The error: {outputs}", remedy)


def related(m: Measurements) -> Iterator[Finding]:
    if m.transfer is None or m.neighbours is None:
        return
    share, _ = m.neighbours
    right, by_chance = m.transfer
    few = m.data.shape[0] < TELLING
    doubt = ", of which there are too few to be sure" if few else ""
    if right < by_chance:
        yield Finding(
            "note" if few else "warning",
            UNRELATED,
            "one batch can be learned by heart, but a short training leaves "
            f"{100 * right:.0f} % right of held-out examples, and the most similar example has the "
            f"same label in {100 * share:.0f} % of cases, no better than chance{doubt}. Inputs and "
            "labels may be in different orders.",
            "shuffle both with one permutation, rng.permutation(n), and check a few by eye.",
        )
