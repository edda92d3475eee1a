"""What is seen on the network at the start: values, gradients, layers that do nothing."""

import math
from collections.abc import Iterator

import numpy as np

from ..decision import GREATEST
from ..reached import WHERE
from .layers import Layer, Start
from .report import TRAINED, Finding, Measurements, figure, fine, note, warning

CHAINS = ("Dropout", "Flatten", "Identity", "BatchNorm1d")  # what leaves linear what was linear


def finite(start: Start) -> Iterator[Finding]:
    weights = [p.name for p in start.parameters if not math.isfinite(p.norm)]
    layers = [layer for layer in start.layers if not layer.finite]
    gradients = [
        p.name for p in start.parameters if p.gradient is not None and not math.isfinite(p.gradient)
    ]
    if weights:
        yield warning(
            "weights not finite",
            f"{weights[0]} has NaN or infinite values before any step, and so has all that comes "
            "after it.",
            "build the model anew; a run that diverged leaves such weights.",
        )
    elif layers:
        yield warning(
            "activations not finite",
            f"the first NaN or infinite values come out of {_named(layers[0])}, from finite ones.",
            "look there for log of 0, division by 0, exp of large numbers.",
        )
    elif not math.isfinite(start.loss):
        yield warning(
            "loss not finite",
            f"the loss is {start.loss} although the outputs are finite.",
            "take a loss of logits, such as F.cross_entropy, instead of log(softmax(x)).",
        )
    elif gradients:
        yield warning(
            "gradients not finite",
            f"the gradient of {gradients[-1]} is NaN or infinite although the loss is finite.",
            "look for square roots and norms of 0 on the way to it.",
        )


def connected(start: Start) -> Iterator[Finding]:
    without = [p.name for p in start.parameters if p.gradient is None]
    if not start.is_connected:
        yield warning(
            "loss apart from the parameters",
            "the loss does not depend on any of the model's parameters, so no step can change it.",
            "look for .detach(), .numpy(), no_grad() or np.argmax in forward, and for parameters "
            "without requires_grad=True.",
        )
    elif without:
        yield warning(
            "unused parameters",
            f"no gradient reaches {_list(without)}: the outputs do not depend on it.",
            "call the layer in forward, or remove it.",
        )
    if start.unknown:
        yield warning(
            "parts unknown to the model",
            f"the loss goes through {_list(start.unknown)}, which the model does not know, so that "
            "it is neither trained nor switched by eval().",
            f"{WHERE}.",
        )
    none = [p.name for p in start.parameters if p.gradient == 0 and len(p.shape) > 1]
    if none:
        yield warning(
            "gradients of 0",
            f"the gradient of {_list(none)} is exactly 0, so that no step changes it.",
            "find the first layer whose outputs do not depend on these parameters.",
        )
    if start.evaluating:
        yield note(
            "evaluation mode",
            f"evaluation mode is on in {_list(start.evaluating)}: no dropout, no statistics of the "
            "batch. fit() switches it off; a loop of your own must.",
            "call model.train() before training.",
        )


def optimised(m: Measurements) -> Iterator[Finding]:
    if m.foreign:
        yield warning(
            "optimiser of another model",
            "the optimiser has none of this model's parameters, so that its steps change nothing "
            "here.",
            "make the optimiser from model.parameters() after building the model.",
        )
    elif m.left_out:
        yield note(
            "parameters left out",
            f"the optimiser does not have {_list(m.left_out)}.",
            "if they are not frozen on purpose: give model.parameters().",
        )


def symmetry(start: Start) -> Iterator[Finding]:
    weights = [p for p in start.parameters if len(p.shape) > 1]
    same = [p.name for p in weights[:-1] if p.same_rows]
    if same:
        yield warning(
            "symmetric weights",
            f"all units of {_list(same)} start with the same weights, get the same gradients and "
            "stay equal: each layer can do no more than one unit.",
            "draw initial weights at random, from nn.init.he_uniform for ReLU.",
        )


def chained(start: Start) -> Iterator[Finding]:
    """Linear layers without an activation between them: together they are one linear layer."""
    layers = start.layers
    for layer in layers:
        source = layer.source
        while source is not None and layers[source].kind in CHAINS:
            source = layers[source].source
        if layer.kind == "Linear" and source is not None and layers[source].kind == "Linear":
            yield warning(
                "no activation between layers",
                f"{_named(layer)} takes what {_named(layers[source])} gives, with no activation in "
                "between: together they can compute no more than one linear layer.",
                f"put nn.ReLU() between {layers[source].name} and {layer.name}.",
            )
            return


def lost(start: Start) -> Iterator[Finding]:
    weighted = [layer for layer in start.layers if layer.weighted]
    first = next((layer for layer in start.layers if not layer.varies), None)
    if first is None or first in weighted[-1:] or 1 in (first.dead, first.saturated):
        return
    yield warning(
        "inputs lost",
        f"{_named(first)} is the same for all examples, so that nothing after it depends on the "
        "inputs.",
        "check that forward passes x on, and that no factor on its way is 0.",
    )


def outputs(start: Start) -> Iterator[Finding]:
    outputs = start.outputs
    if start.classes is None or not np.isfinite(outputs).all():
        return
    last = start.layers[-1].kind if start.layers else ""
    low, high = float(outputs.min()), float(outputs.max())
    sums = outputs.sum(axis=1, dtype=np.float64)
    if start.takes_logits and low >= 0 and np.abs(sums - 1).max() < 1e-3:
        floor = -math.log(math.e / (math.e + start.classes - 1))
        yield warning(
            "softmax before the loss",
            "every row of outputs sums to 1, and the loss takes the softmax once more: it cannot "
            f"fall below {floor:.2f}, and its gradients are small.",
            "return logits from forward, and use softmax for predictions only.",
        )
    elif (start.takes_logits or start.decision != GREATEST) and (
        low < high
        and ((low == 0 and np.mean(outputs == 0) > 0.1) or last in ("ReLU", "Sigmoid", "Tanh"))
    ):
        yield warning(
            "activation on the outputs",
            f"the outputs lie between {figure(low)} and {figure(high)}, as after an activation; "
            "logits must be able to take any value.",
            "leave out the activation after the last layer.",
        )


def mixed(m: Measurements) -> Iterator[Finding]:
    if m.mixed > 1e-2:
        yield warning(
            "examples mixed",
            "in evaluation mode the output of an example changes with the other examples of the "
            f"batch, by {100 * m.mixed:.0f} % of the greatest output.",
            "look for a reshape, mean or softmax along the wrong axis; axis 0 counts examples.",
        )


def first_loss(start: Start) -> Iterator[Finding]:
    if start.classes is None and start.constant is not None and start.is_trained:
        yield note(
            TRAINED,
            f"it is {figure(start.loss)}; a constant output, the mean of the targets, has "
            f"{figure(start.constant)}: the network has learned something already.",
            "if it is new, look for the target among the inputs.",
        )
    if start.chance is None or start.chance < 0.1 or start.classes is None:
        return
    loss, chance = start.loss, start.chance
    equal = f"equal outputs is ln({start.classes})"
    if start.decision != GREATEST:
        equal = "outputs of 0 is ln(2)" if abs(chance - math.log(2)) < 1e-4 else "outputs of 0"
    text = f"it is {loss:.2f}, and that of {equal} {'=' if 'ln' in equal else 'is'} {chance:.2f}"
    if loss > 2 * chance:
        yield warning(
            "loss high at start",
            f"{text}: the initial outputs are too large, and the first steps only shrink them.",
            "use he_uniform or he_normal for ReLU, xavier for tanh, and divide the last layer's "
            "initial weights by 10.",
        )
    elif loss > 1.3 * chance:
        yield note(
            "loss high at start",
            f"{text}: the initial outputs are somewhat large.",
            "smaller initial weights in the last layer.",
        )
    elif start.is_trained:
        yield note(
            TRAINED,
            f"{text}: the network has learned something already. It was trained before, or its "
            "inputs contain the labels.",
            "if it is new, look for the label among the inputs.",
        )
    else:
        yield fine("loss at start", f"{text}.")


def activations(start: Start) -> Iterator[Finding]:
    dead = [layer for layer in start.layers if layer.dead is not None]
    flat = [layer for layer in start.layers if layer.saturated is not None]
    if dead:
        worst = max(dead, key=lambda layer: layer.dead or 0)
        share = worst.dead or 0.0
        text = f"in {_named(worst)} {100 * share:.0f} % of the units are 0 for every example"
        if share > 0.5:
            yield warning(
                "dead ReLUs",
                f"{text}; they get no gradient, so they stay at 0.",
                "smaller learning rate, He initialisation, biases at 0, or LeakyReLU.",
            )
        elif share > 0.25:
            yield note("dead ReLUs", f"{text}.", "watch whether their number grows.")
        else:
            text = f"{text}, and in no layer more" if share else "no unit is 0 for every example"
            yield fine("ReLUs", f"{text}.")
    if flat:
        worst = max(flat, key=lambda layer: layer.saturated or 0)
        share = worst.saturated or 0.0
        text = (
            f"in {_named(worst)} {100 * share:.0f} % of the values lie where the slope is below "
            "5 % of its greatest"
        )
        if share > 0.5:
            yield warning(
                "saturated activations",
                f"{text}; hardly any gradient gets through.",
                "smaller initial weights (xavier), standardised inputs, or "
                "a normalisation layer before it.",
            )
        elif share > 0.25:
            yield note("saturated activations", f"{text}.", "smaller initial weights.")
        else:
            text = f"{text}, and in no layer more" if share else "no value lies where one is flat"
            yield fine("saturation", f"{text}.")


def depth(start: Start) -> Iterator[Finding]:
    profile = start.depth_profile
    if len(profile) < 2 or not all(math.isfinite(norm) for _, norm in profile):
        return
    (first, low), (last, high) = profile[0], profile[-1]
    if high == 0:
        return
    ratio = low / high
    step = ratio ** (1 / (len(profile) - 1))
    text = (
        f"the gradient at {first} is {figure(ratio)} times that at {last}, the last of "
        f"{len(profile)} layers: a factor of {figure(step)} from one to the next"
    )
    if ratio < 1e-3:
        yield warning(
            "vanishing gradients",
            f"{text}. The first layers hardly learn.",
            "He initialisation with ReLU, xavier with tanh, BatchNorm1d or LayerNorm before the "
            "activations, or fewer layers.",
        )
    elif ratio > 1e3:
        yield warning(
            "exploding gradients",
            f"{text}. One rate cannot suit all layers.",
            "smaller initial weights (he_uniform for ReLU, xavier for tanh), a normalisation "
            "layer, or clip_norm in the optimiser.",
        )
    else:
        yield fine("gradients by depth", f"{text}.")


def _named(layer: Layer) -> str:
    return f"{layer.name} ({layer.kind})" if layer.kind != "function" else f"the {layer.name}"


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
