"""From measurements to named causes: one function for each thing that is looked at."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..decision import GREATEST
from .layers import Layer
from .report import Finding, Level, Measurements, figure

# What follows from what: a finding on the left is only noted where one on the right explains it.
NOT_SCALED = ("pixels not scaled", "inputs not scaled", "inputs not centred",
              "features on different scales")  # fmt: skip
LOST = ("constant inputs", "inputs lost")
BLOCKED = (
    "symmetric weights", "inputs lost", "dead ReLUs", "saturated activations",
    "activation on the outputs", "softmax before the loss", "loss apart from the parameters",
)  # fmt: skip
BY_DEPTH = ("vanishing gradients", "exploding gradients")
UNRELATED = "labels unrelated to inputs"
BARREN = (UNRELATED, "one class", "pixels scaled twice", "constant inputs")
TRAINED = "loss low at start"
RATES = ("learning rate 0", "learning rate too high", "learning rate too low")
FOLLOWS: dict[str, tuple[str, ...]] = {
    "loss high at start": (*NOT_SCALED, "exploding gradients"),
    "inputs lost": ("symmetric weights", "constant inputs"),
    "dead ReLUs": ("symmetric weights", *LOST, *NOT_SCALED),
    "saturated activations": (*LOST, *NOT_SCALED),
    "vanishing gradients": (*BLOCKED, *NOT_SCALED),
    "exploding gradients": NOT_SCALED,
    "gradients of 0": (*BLOCKED, *BY_DEPTH),
    "one batch not learned": (*NOT_SCALED, *BLOCKED, *BY_DEPTH, *BARREN, "examples mixed"),
    "learning rate too high": (*NOT_SCALED, *BY_DEPTH, "loss high at start", UNRELATED),
    "learning rate too low": ("learning rate 0", *BLOCKED, *BY_DEPTH, *BARREN),
    "updates too large": (*NOT_SCALED, *BY_DEPTH, "learning rate too high"),
    "updates too small": (*BLOCKED, *BY_DEPTH, *RATES),
    "uneven updates": (*BLOCKED, *BY_DEPTH, *NOT_SCALED),
    "no rate learns": (
        *NOT_SCALED, *BLOCKED, *BY_DEPTH, *BARREN, "one batch not learned", "loss high at start",
    ),
}  # fmt: skip

# what is no fault of a network that has learned already
DONE = (
    "gradients of 0", "vanishing gradients", "saturated activations", "one batch not learned",
    "learning rate too high", "learning rate too low", "updates too small", "uneven updates",
    "no rate learns", UNRELATED,
)  # fmt: skip
CHAINS = ("Dropout", "Flatten", "Identity", "BatchNorm1d")  # what leaves linear what was linear
FEW = 50  # examples of a class
TELLING = 200  # examples; of 100 one in ten sets that are hard to learn was accused


def findings(m: Measurements) -> list[Finding]:
    """Everything that was looked at, worst first."""
    found = [finding for look in LOOKS for finding in look(m)]
    warned = {finding.name for finding in found if finding.level == "warning"}
    if m.start is not None and m.start.is_trained:
        warned.add(TRAINED)
    found = [_explained(finding, warned) for finding in found]
    order: tuple[Level, ...] = ("warning", "note", "ok")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _explained(finding: Finding, warned: set[str]) -> Finding:
    known = (*FOLLOWS.get(finding.name, ()), *((TRAINED,) if finding.name in DONE else ()))
    roots = [name for name in known if name in warned]
    if finding.level != "warning" or not roots:
        return finding
    follows = f"{finding.cause} It may well follow from: {roots[0]}."
    return replace(finding, level="note", cause=follows, remedy="")


def _inputs(m: Measurements) -> Iterator[Finding]:
    d = m.data
    layers = m.start.layers if m.start is not None else []
    if layers and layers[0].kind == "Embedding":
        return  # numbers of words have no scale
    numbers = {"low": d.low, "high": d.high, "mean": d.mean, "std": d.std}
    ranged = f"the inputs go from {figure(d.low)} to {figure(d.high)}"
    if d.bad:
        assert d.first_bad is not None
        yield Finding(
            "warning",
            "inputs not finite",
            f"{d.bad:,} entries of the inputs are NaN or infinite, the first at x{[*d.first_bad]}; "
            "one of them makes the loss and all weights NaN.",
            "remove these examples, or fill in the mean of the feature.",
            {"bad": d.bad},
        )
    elif d.std == 0:
        yield Finding(
            "warning",
            "constant inputs",
            f"all inputs are {figure(d.low)}, so that no example differs from another.",
            "check how the data are loaded.",
            numbers,
        )
    elif d.whole and d.low >= 0 and 64 < d.high <= 255:
        yield Finding(
            "warning",
            "pixels not scaled",
            f"{ranged}, as pixels do that were not divided by 255; the first layer's outputs and "
            "gradients are some hundred times what its initial weights are made for.",
            "scale with tg.data.normalise(images), or divide by 255.",
            numbers,
        )
    elif d.low >= 0 and d.high <= 1 / 64:
        yield Finding(
            "warning",
            "pixels scaled twice",
            f"{ranged}, as pixels do that were divided by 255 twice; the first layer hardly sees "
            "them.",
            "scale once.",
            numbers,
        )
    elif abs(d.mean) > 3 * d.std:
        yield Finding(
            "warning",
            "inputs not centred",
            f"their mean is {figure(d.mean)} and their standard deviation {figure(d.std)}; all "
            "weights of a unit are then pushed the same way at once.",
            "subtract the mean of the training inputs (LeCun et al. 1998, section 4.3).",
            numbers,
        )
    elif d.std > 10:
        yield Finding(
            "warning",
            "inputs not scaled",
            f"{ranged}, with a standard deviation of {figure(d.std)}; initial weights are made for "
            "about 1.",
            "divide by the standard deviation of the training inputs.",
            numbers,
        )
    elif d.spread > 100:
        yield Finding(
            "warning",
            "features on different scales",
            f"the standard deviation of one feature is {figure(d.spread)} times the usual one, and "
            "the others are hardly seen beside it.",
            "standardise each feature by its own mean and standard deviation.",
            {"spread": d.spread},
        )
    else:
        yield Finding(
            "ok",
            "inputs",
            f"{ranged}, mean {figure(d.mean)}, standard deviation {figure(d.std)}.",
            numbers=numbers,
        )


def _labels(m: Measurements) -> Iterator[Finding]:
    d = m.data
    classes = m.start.classes if m.start is not None else None
    if m.failure is not None:
        yield from _refused(m)
    if m.one_hot:
        yield Finding(
            "note",
            "labels one-hot",
            f"the labels have shape {d.label_shape} and are one-hot; the loss takes them as shares "
            "of the classes, and accuracies are not counted.",
            "give class numbers: y.argmax(axis=1).",
        )
    if d.counts is None or (classes is None and m.failure is None):
        return
    present = int(np.count_nonzero(d.counts))
    share = float(d.counts.max() / d.counts.sum())
    numbers = {"classes": present, "greatest_share": share}
    if present == 1:
        yield Finding(
            "warning",
            "one class",
            f"all {d.shape[0]:,} labels are {d.counts.argmax()}, "
            "and there is nothing to tell apart.",
            "check how the labels are loaded, and that they are shuffled before a split.",
            numbers,
        )
    elif share > 0.5 and share > 3 / present:
        yield Finding(
            "warning",
            "class imbalance",
            f"{100 * share:.0f} % of the examples have label {d.counts.argmax()}; a network that "
            "always says so is right as often.",
            "judge it by training.precision_recall, and draw rare classes more often.",
            numbers,
        )
    elif m.failure is None:
        counts = d.counts[d.counts > 0]
        yield Finding(
            "ok",
            "labels",
            f"{present} classes of {counts.min():,} to {counts.max():,} examples.",
            numbers=numbers,
        )
    if classes is not None and 1 < present < classes:
        yield Finding(
            "note",
            "outputs without examples",
            f"the network has {classes} outputs and the labels {present} classes.",
            "leave out outputs that no label asks for.",
            numbers,
        )


def _few(m: Measurements) -> Iterator[Finding]:
    """Fewer examples than a network of this size needs to know others by."""
    start, n = m.start, m.data.shape[0]
    if start is None:
        return
    size = sum(math.prod(p.shape) for p in start.parameters)
    classes = start.classes or 1
    if n >= FEW * classes or size <= n * classes:
        return
    each = "" if start.classes is None else f", {n / classes:.3g} of a class,"
    yield Finding(
        "warning",
        "few examples",
        f"{n:,} examples{each} for {size:,} parameters: the network can learn them by heart, and "
        "that says little about others.",
        "more examples, augmented ones (tg.data.augment), a smaller network, or weights of one "
        "that was trained on much; judge it by examples held out.",
        {"examples": n, "parameters": size},
    )


def _chained(m: Measurements) -> Iterator[Finding]:
    """Linear layers that are worth one, because nothing bends between them."""
    layers = m.start.layers if m.start is not None else []
    for layer in layers:
        source = layer.source
        while source is not None and layers[source].kind in CHAINS:
            source = layers[source].source
        if layer.kind == "Linear" and source is not None and layers[source].kind == "Linear":
            yield Finding(
                "warning",
                "no activation between layers",
                f"{_named(layer)} takes what {_named(layers[source])} gives, with no activation in "
                "between: both together are one linear layer, and can learn no more than it.",
                f"put nn.ReLU() between {layers[source].name} and {layer.name}.",
            )
            return


def _refused(m: Measurements) -> Iterator[Finding]:
    """Why there is no first loss."""
    d = m.data
    outputs = m.failure or ""
    if len(d.label_shape) == 2 and d.label_shape[1] > 1 and d.label_low >= 0 and d.label_high == 1:
        name, text = "labels one-hot", f"the labels have shape {d.label_shape} and are one-hot."
        remedy = "give class numbers: y.argmax(axis=1)."
    elif len(d.label_shape) == 2 and d.label_shape[1] == 1:
        name, text = "labels in a column", f"the labels have shape {d.label_shape}."
        remedy = "give them as (n,): y.ravel(), as integers."
    elif len(d.label_shape) == 1 and d.label_dtype.startswith(("float", "bool")):
        name, text = "labels not integers", f"the labels have dtype {d.label_dtype}."
        remedy = "give class numbers: y.astype(np.int64)."
    elif "out of range" in outputs or "label" in outputs:
        name = "labels out of range"
        text = f"the labels go from {figure(d.label_low)} to {figure(d.label_high)}."
        remedy = "count classes from 0, and give the network as many outputs as there are classes."
    else:
        name, text = "no first loss", "the model or the loss cannot be computed."
        remedy = "make this call work first: loss(model(x[:2]), y[:2])."
    yield Finding("warning", name, f"{text} The error: {outputs}", remedy)


def _finite(m: Measurements) -> Iterator[Finding]:
    start = m.start
    if start is None or m.data.bad:
        return
    weights = [p.name for p in start.parameters if not math.isfinite(p.norm)]
    layers = [layer for layer in start.layers if not layer.finite]
    gradients = [
        p.name for p in start.parameters if p.gradient is not None and not math.isfinite(p.gradient)
    ]
    if weights:
        yield Finding(
            "warning",
            "weights not finite",
            f"{weights[0]} has NaN or infinite values "
            "before any step, and so has all that comes after it.",
            "build the model anew; a run that diverged leaves such weights.",
        )
    elif layers:
        first = layers[0]
        yield Finding(
            "warning",
            "activations not finite",
            f"the first values that are NaN or "
            f"infinite come out of {_named(first)}, from finite ones.",
            "look there for log of 0, division by 0, exp of large numbers.",
        )
    elif not math.isfinite(start.loss):
        yield Finding(
            "warning",
            "loss not finite",
            f"the loss is {start.loss} although the outputs are finite.",
            "take a loss of logits, such as F.cross_entropy, instead of log(softmax(x)).",
        )
    elif gradients:
        yield Finding(
            "warning",
            "gradients not finite",
            f"the gradient of {gradients[-1]} is NaN or infinite although the loss is finite.",
            "look for square roots and norms of 0 on the way to it.",
        )


def _connected(m: Measurements) -> Iterator[Finding]:
    start = m.start
    if start is None:
        return
    without = [p.name for p in start.parameters if p.gradient is None]
    if not start.is_connected:
        yield Finding(
            "warning",
            "loss apart from the parameters",
            "the loss is computed from none of the model's parameters, so that no step changes it.",
            "look for .detach(), .numpy(), no_grad() or np.argmax in forward, and for parameters "
            "without requires_grad=True.",
        )
    elif without:
        yield Finding(
            "warning",
            "unused parameters",
            f"{_list(without)} {_are(without)} without a gradient: the outputs do not depend on "
            f"{_it(without)}.",
            "call the layer in forward, or remove it.",
            {"count": len(without)},
        )
    none = [p.name for p in start.parameters if p.gradient == 0 and len(p.shape) > 1]
    if none:
        yield Finding(
            "warning",
            "gradients of 0",
            f"{_list(none)} {_have(none)} a gradient of exactly 0 and will not move.",
            "find the layer behind which nothing depends on it.",
        )
    if m.foreign:
        yield Finding(
            "warning",
            "optimiser of another model",
            "the optimiser has none of this "
            "model's parameters, so that its steps change nothing here.",
            "make the optimiser from model.parameters() after building the model.",
        )
    elif m.left_out:
        yield Finding(
            "note",
            "parameters left out",
            f"the optimiser does not have {_list(m.left_out)}.",
            "if they are not frozen on purpose: give model.parameters().",
        )
    if start.evaluating:
        yield Finding(
            "note",
            "evaluation mode",
            f"{_list(start.evaluating)} {_are(start.evaluating)} in evaluation mode: no dropout, "
            "no statistics of the batch. fit() switches them on; a loop of your own must.",
            "call model.train() before training.",
        )


def _outputs(m: Measurements) -> Iterator[Finding]:
    start = m.start
    if start is None or start.classes is None or not np.isfinite(start.outputs).all():
        return
    outputs = start.outputs
    last = start.layers[-1].kind if start.layers else ""
    low, high = float(outputs.min()), float(outputs.max())
    numbers = {"low": low, "high": high}
    sums = outputs.sum(axis=1, dtype=np.float64)
    ranged = f"the outputs lie between {figure(low)} and {figure(high)}"
    if start.takes_logits and low >= 0 and np.abs(sums - 1).max() < 1e-3:
        floor = -math.log(math.e / (math.e + start.classes - 1))
        yield Finding(
            "warning",
            "softmax before the loss",
            "every row of outputs sums to 1, and the loss takes the softmax once more: it cannot "
            f"fall below {floor:.2f}, and its gradients are small.",
            "return logits from forward, and use softmax for predictions only.",
            {"floor": floor},
        )
    elif (start.takes_logits or start.decision != GREATEST) and (
        low < high
        and ((low == 0 and np.mean(outputs == 0) > 0.1) or last in ("ReLU", "Sigmoid", "Tanh"))
    ):
        yield Finding(
            "warning",
            "activation on the outputs",
            f"{ranged}, as after an activation; a logit must be free to take any value.",
            "leave out the activation after the last layer.",
            numbers,
        )
    if m.mixed > 1e-2:
        yield Finding(
            "warning",
            "examples mixed",
            "in evaluation mode the output of an example changes with the other examples of the "
            f"batch, by {100 * m.mixed:.0f} % of the greatest output.",
            "look for a reshape, mean or softmax along the wrong axis; axis 0 counts examples.",
            {"change": m.mixed},
        )


def _start(m: Measurements) -> Iterator[Finding]:
    start = m.start
    if start is None:
        return
    if start.classes is None and start.constant is not None and start.is_trained:
        yield Finding(
            "note",
            TRAINED,
            f"it is {figure(start.loss)}, and that of outputs which are the targets' means is "
            f"{figure(start.constant)}: the network knows something already.",
            "if it is new, look for the target among the inputs.",
            {"loss": start.loss, "constant": start.constant},
        )
    if start.chance is None or start.chance < 0.1 or start.classes is None:
        return
    loss, chance = start.loss, start.chance
    numbers = {"loss": loss, "chance": chance}
    equal = f"equal outputs is ln({start.classes})"
    if start.decision != GREATEST:
        equal = "outputs of 0 is ln(2)" if abs(chance - math.log(2)) < 1e-4 else "outputs of 0"
    text = f"it is {loss:.2f}, and that of {equal} {'=' if 'ln' in equal else 'is'} {chance:.2f}"
    if loss > 2 * chance:
        yield Finding(
            "warning",
            "loss high at start",
            f"{text}: the initial outputs are too large, and the first steps only shrink them.",
            "use he_uniform or he_normal for ReLU, xavier for tanh, and divide the last layer's "
            "initial weights by 10.",
            numbers,
        )
    elif loss > 1.3 * chance:
        yield Finding(
            "note",
            "loss high at start",
            f"{text}: the initial outputs are somewhat large.",
            "smaller initial weights in the last layer.",
            numbers,
        )
    elif start.is_trained:
        yield Finding(
            "note",
            TRAINED,
            f"{text}: the network knows something already. It was trained before, or the labels "
            "reach its inputs.",
            "if it is new, look for the label among the inputs.",
            numbers,
        )
    else:
        yield Finding("ok", "loss at start", f"{text}.", numbers=numbers)


def _activations(m: Measurements) -> Iterator[Finding]:
    start = m.start
    if start is None:
        return
    dead = [layer for layer in start.layers if layer.dead is not None]
    flat = [layer for layer in start.layers if layer.saturated is not None]
    if dead:
        worst = max(dead, key=lambda layer: layer.dead or 0)
        share = worst.dead or 0.0
        numbers = {"share": share}
        text = f"in {_named(worst)} {100 * share:.0f} % of the units are 0 for every example"
        if share > 0.5:
            yield Finding(
                "warning",
                "dead ReLUs",
                f"{text}; they get no gradient and do not come back.",
                "smaller learning rate, He initialisation, biases at 0, or LeakyReLU.",
                numbers,
            )
        elif share > 0.25:
            yield Finding(
                "note", "dead ReLUs", f"{text}.", "watch whether they become more.", numbers
            )
        else:
            text = f"{text}, and in no layer more" if share else "no unit is 0 for every example"
            yield Finding("ok", "ReLUs", f"{text}.", numbers=numbers)
    if flat:
        worst = max(flat, key=lambda layer: layer.saturated or 0)
        share = worst.saturated or 0.0
        numbers = {"share": share}
        text = (
            f"in {_named(worst)} {100 * share:.0f} % of the values lie where the slope is below "
            "5 % of its greatest"
        )
        if share > 0.5:
            yield Finding(
                "warning",
                "saturated activations",
                f"{text}; hardly any gradient gets through.",
                "smaller initial weights (xavier), standardised inputs, or "
                "a normalisation layer before it.",
                numbers,
            )
        elif share > 0.25:
            yield Finding(
                "note", "saturated activations", f"{text}.", "smaller initial weights.", numbers
            )
        else:
            text = f"{text}, and in no layer more" if share else "no value lies where it is flat"
            yield Finding("ok", "saturation", f"{text}.", numbers=numbers)


def _lost(m: Measurements) -> Iterator[Finding]:
    layers = m.start.layers if m.start is not None else []
    weighted = [layer for layer in layers if layer.weighted]
    first = next((layer for layer in layers if not layer.varies), None)
    if first is None or first in weighted[-1:] or 1 in (first.dead, first.saturated):
        return
    yield Finding(
        "warning",
        "inputs lost",
        f"{_named(first)} is the same for all examples, so that nothing after it depends on the "
        "inputs.",
        "check that forward passes x on, and that no factor on its way is 0.",
    )


def _symmetry(m: Measurements) -> Iterator[Finding]:
    if m.start is None:
        return
    weights = [p for p in m.start.parameters if len(p.shape) > 1]
    same = [p.name for p in weights[:-1] if p.same_rows]
    if same:
        yield Finding(
            "warning",
            "symmetric weights",
            f"all units of {_list(same)} start with the same weights, get the same gradients and "
            "stay equal: each layer is worth one unit.",
            "draw initial weights at random, from nn.init.he_uniform for ReLU.",
            {"count": len(same)},
        )


def _depth(m: Measurements) -> Iterator[Finding]:
    profile = m.start.depth_profile if m.start is not None else []
    if len(profile) < 2 or not all(math.isfinite(norm) for _, norm in profile):
        return
    (first, low), (last, high) = profile[0], profile[-1]
    if high == 0:
        return
    ratio = low / high
    step = ratio ** (1 / (len(profile) - 1))
    numbers = {"ratio": ratio, "per_layer": step}
    text = (
        f"the gradient at {first} is {figure(ratio)} times that at {last}, the last of "
        f"{len(profile)} layers: a factor of {figure(step)} from one to the next"
    )
    if ratio < 1e-3:
        yield Finding(
            "warning",
            "vanishing gradients",
            f"{text}. The first layers hardly learn.",
            "He initialisation with ReLU, xavier with tanh, BatchNorm1d or LayerNorm before the "
            "activations, or fewer layers.",
            numbers,
        )
    elif ratio > 1e3:
        yield Finding(
            "warning",
            "exploding gradients",
            f"{text}. One rate cannot suit all layers.",
            "smaller initial weights (he_uniform for ReLU, xavier for tanh), a normalisation "
            "layer, or clip_norm in the optimiser.",
            numbers,
        )
    else:
        yield Finding("ok", "gradients by depth", f"{text}.", numbers=numbers)


def _rates(m: Measurements) -> Iterator[Finding]:
    test = m.range_test
    if test is None:
        return
    if test.given == 0:
        yield Finding(
            "warning",
            "learning rate 0",
            "the optimiser's learning rate is 0 in every "
            "step, so that no weight moves and the loss stays the same.",
            "give a rate above 0, and check the schedule's arguments.",
        )
        return
    chance = m.start.chance if m.start is not None else None
    better = chance is None or chance <= 0 or float(test.smooth.min()) < 0.95 * chance
    if test.suggested is None and m.start is not None and m.start.is_trained:
        return  # there is little left to be gained, and the loss at the start says so
    if test.suggested is None or not better:
        than = "" if chance is None else f" below that of equal outputs, {chance:.2f}"
        # plain gradient descent of the doctor's own may be too weak for what Adam has learned
        own = test.given is None and m.overfit is not None and m.overfit.learned
        yield Finding(
            "note" if own else "warning",
            "no rate learns",
            f"at no learning rate from {figure(float(test.rates[0]))} to "
            f"{figure(float(test.rates[-1]))} does the loss of new batches fall{than}.",
            "first make one batch be learned; then check that labels belong to their inputs.",
        )
        return
    numbers = {"suggested": test.suggested}
    text = f"the loss falls fastest at a rate of about {figure(test.suggested)}"
    if test.diverges is not None:
        numbers["diverges"] = test.diverges
        text += f" and is lost at {figure(test.diverges)}"
    if test.given is None:
        yield Finding("ok", "learning rate", f"{text}.", numbers=numbers)
        return
    numbers["given"] = test.given
    text += f"; the optimiser's, at its greatest, is {figure(test.given)}"
    if m.updates is not None and m.updates.grow:
        first, last = float(m.updates.losses[0]), float(m.updates.losses[-1])
        text += f", which takes the loss from {figure(first)} to {figure(last)} in its first steps"
    if (test.diverges is not None and test.given > test.diverges) or (
        m.updates is not None and m.updates.grow
    ):
        yield Finding(
            "warning",
            "learning rate too high",
            f"{text}.",
            f"start with {figure(test.suggested)}.",
            numbers,
        )
    elif test.given < test.suggested / 30:
        yield Finding(
            "warning",
            "learning rate too low",
            f"{text}: training takes many times as long as it need.",
            f"start with {figure(test.suggested)}.",
            numbers,
        )
    else:
        yield Finding("ok", "learning rate", f"{text}.", numbers=numbers)


def _updates(m: Measurements) -> Iterator[Finding]:
    own = m.range_test is not None and m.range_test.given is not None
    if m.updates is None or not m.updates.ratios or not own:
        return  # at a rate of the doctor's own there is nobody to be told
    medians = {name: ratio for name, ratio in m.updates.medians.items() if ratio}
    if not medians:
        return
    (least, low), (most, high) = (f(medians.items(), key=lambda item: item[1]) for f in (min, max))
    numbers = {"least": low, "most": high}
    text = f"a step changes {least} by {figure(low)} of its size"
    if most != least:
        text += f" and {most} by {figure(high)}"
    text += ", where about 0.001 is usual"
    slower = f"the rate of these steps is {figure(m.updates.rate)}"
    if high > 0.1:
        yield Finding(
            "warning",
            "updates too large",
            f"{text}: what was learned is overwritten.",
            f"a smaller learning rate; {slower}.",
            numbers,
        )
    elif high < 1e-5:
        yield Finding(
            "warning",
            "updates too small",
            f"{text}: the weights hardly move.",
            f"a greater learning rate; {slower}.",
            numbers,
        )
    elif low < high / 1000:
        yield Finding(
            "warning",
            "uneven updates",
            f"{text}: {least} stands still beside the others.",
            "the same initialisation for all layers, or Adam.",
            numbers,
        )
    else:
        yield Finding("ok", "updates", f"{text}.", numbers=numbers)


def _one_batch(m: Measurements) -> Iterator[Finding]:
    test = m.overfit
    if test is None:
        return
    first, last = float(test.losses[0]), float(test.losses[-1])
    numbers = {"first": first, "last": last}
    text = f"the loss of {test.examples} examples goes from {figure(first)} to {figure(last)}"
    if test.accuracy is not None:
        numbers["accuracy"] = test.accuracy
        text += f" and {100 * test.accuracy:.0f} % of them are right"
    text += f" after {len(test.losses)} steps"
    if test.learned:
        yield Finding("ok", "one batch by heart", f"{text}.", numbers=numbers)
    else:
        yield Finding(
            "warning",
            "one batch not learned",
            f"{text}. A network that cannot learn a few examples by heart has a fault in the "
            "model, the loss or the labels, whatever the optimiser.",
            "check that forward uses x, that the loss compares what it should, and that equal "
            "inputs have equal labels.",
            numbers,
        )


def _related(m: Measurements) -> Iterator[Finding]:
    if m.transfer is None or m.neighbours is None:
        return
    share, chance = m.neighbours
    right, by_chance = m.transfer
    few = m.data.shape[0] < TELLING
    doubt = ", of which there are too few to be sure" if few else ""
    if right < by_chance:
        yield Finding(
            "note" if few else "warning",
            UNRELATED,
            "one batch can be learned by heart, but a short training leaves "
            f"{100 * right:.0f} % right of held-out examples, and the most similar example has the "
            f"same label in {100 * share:.0f} % of cases, both as by chance{doubt}. The labels may "
            "be shuffled against the inputs.",
            "shuffle both with one permutation, rng.permutation(n), and check a few by eye.",
            {"neighbours": share, "chance": chance, "held_out": right},
        )


LOOKS: tuple[Callable[[Measurements], Iterator[Finding]], ...] = (
    _inputs, _labels, _few, _finite, _connected, _symmetry, _chained, _lost, _outputs, _start,
    _activations, _depth, _one_batch, _related, _rates, _updates,
)  # fmt: skip


def _named(layer: Layer) -> str:
    return f"{layer.name} ({layer.kind})" if layer.kind != "function" else f"the {layer.name}"


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _have(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _it(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"
