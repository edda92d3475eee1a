"""What is seen in the first steps: one batch learned, or not, and how far they go."""

from collections.abc import Iterator

from .report import Finding, Measurements, figure, fine, warning


def one_batch(m: Measurements) -> Iterator[Finding]:
    test = m.overfit
    if test is None:
        return
    first, last = float(test.losses[0]), float(test.losses[-1])
    text = f"the loss of {test.examples} examples goes from {figure(first)} to {figure(last)}"
    if test.accuracy is not None:
        text += f" and {100 * test.accuracy:.0f} % of them are right"
    text += f" after {len(test.losses)} steps"
    if test.learned:
        yield fine("one batch by heart", f"{text}.")
    else:
        yield warning(
            "one batch not learned",
            f"{text}. If a network cannot memorise a few examples, the cause is the model, the "
            "loss or the labels, not the optimiser.",
            "check that forward uses x, that the loss compares what it should, and that equal "
            "inputs have equal labels.",
        )


def rates(m: Measurements) -> Iterator[Finding]:
    test = m.range_test
    if test is None:
        return
    if test.given == 0:
        yield warning(
            "learning rate 0",
            "the optimiser's learning rate is 0 in every step, so that no weight moves and the "
            "loss stays the same.",
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
            "first make the network learn one batch; then check that labels fit their inputs.",
        )
        return
    text = f"the loss falls fastest at a rate of about {figure(test.suggested)}"
    if test.diverges is not None:
        text += f" and diverges at {figure(test.diverges)}"
    if test.given is None:
        yield fine("learning rate", f"{text}.")
        return
    text += f"; the optimiser's largest rate is {figure(test.given)}"
    grow = m.updates is not None and m.updates.grow
    if m.updates is not None and grow:
        first, last = float(m.updates.losses[0]), float(m.updates.losses[-1])
        text += f", which takes the loss from {figure(first)} to {figure(last)} in its first steps"
    if grow or (test.diverges is not None and test.given > test.diverges):
        yield warning("learning rate too high", f"{text}.", f"start with {figure(test.suggested)}.")
    elif test.given < test.suggested / 30:
        yield warning(
            "learning rate too low",
            f"{text}: training takes many times longer than necessary.",
            f"start with {figure(test.suggested)}.",
        )
    else:
        yield fine("learning rate", f"{text}.")


def updates(m: Measurements) -> Iterator[Finding]:
    own = m.range_test is not None and m.range_test.given is not None
    if m.updates is None or not m.updates.ratios or not own:
        return  # at a rate of the doctor's own there is nobody to be told
    medians = {name: ratio for name, ratio in m.updates.medians.items() if ratio}
    if not medians:
        return
    (least, low), (most, high) = (f(medians.items(), key=lambda item: item[1]) for f in (min, max))
    text = f"a step changes {least} by {figure(low)} of its size"
    if most != least:
        text += f" and {most} by {figure(high)}"
    text += ", where about 0.001 is usual"
    slower = f"the rate of these steps is {figure(m.updates.rate)}"
    if high > 0.1:
        yield warning(
            "updates too large",
            f"{text}: what was learned is overwritten.",
            f"a smaller learning rate; {slower}.",
        )
    elif high < 1e-5:
        yield warning(
            "updates too small",
            f"{text}: the weights hardly move.",
            f"a greater learning rate; {slower}.",
        )
    elif low < high / 1000:
        yield warning(
            "uneven updates",
            f"{text}: {least} hardly changes, compared with the others.",
            "the same initialisation for all layers, or Adam.",
        )
    else:
        yield fine("updates", f"{text}.")
