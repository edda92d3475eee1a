"""From measurements to named causes, and which of them follows from which."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from . import on_data, on_network, on_steps
from .layers import Start
from .report import TRAINED, UNRELATED, Finding, Level, Measurements

# What follows from what: a finding on the left is only noted where one on the right explains it.
NOT_SCALED = ("pixels not scaled", "inputs not scaled", "inputs not centred",
              "features on different scales")  # fmt: skip
LOST = ("constant inputs", "inputs lost")
BLOCKED = (
    "symmetric weights", "inputs lost", "dead ReLUs", "saturated activations",
    "activation on the outputs", "softmax before the loss", "loss apart from the parameters",
)  # fmt: skip
BY_DEPTH = ("vanishing gradients", "exploding gradients")
BARREN = (UNRELATED, "one class", "pixels scaled twice", "constant inputs")
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
AT_START: tuple[Callable[[Start], Iterator[Finding]], ...] = (
    on_network.finite, on_network.connected, on_network.symmetry, on_network.chained,
    on_network.lost, on_network.outputs, on_network.first_loss, on_network.activations,
    on_network.depth,
)  # fmt: skip
BEHIND: tuple[Callable[[Measurements], Iterator[Finding]], ...] = (
    on_network.optimised, on_network.mixed, on_steps.one_batch, on_data.related, on_steps.rates,
    on_steps.updates,
)  # fmt: skip


def findings(m: Measurements) -> list[Finding]:
    """Everything that was looked at, worst first."""
    found = [*on_data.inputs(m), *on_data.labels(m), *on_data.few(m)]
    found += [finding for look in AT_START if m.start for finding in look(m.start)]
    found += [finding for look in BEHIND for finding in look(m)]
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
