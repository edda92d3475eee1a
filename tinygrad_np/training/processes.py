"""What a training does besides when several processes share it."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import refusal
from ..data.batches import Batches, Share, share_of
from ..data.samples import arrays
from ..errors import DataError
from ..nn.module import Module
from ..optim.several import is_ours
from ..parallel import Group
from ..parallel.same import checksum
from .callbacks import Run
from .guard import generators
from .inputs import are_paired, part, rows
from .resume import data_state, first_checksum, is_stateless, set_data_state
from .scoring import Judge, evaluated


def given_group(group: Any, optimiser: Any) -> Group | None:
    """The group, None where it is one process; raises TypeError for what cannot train in one."""
    if group is None:
        return None
    if not isinstance(group, Group):
        raise refusal("fit", "group", group, "a tg.parallel.Group() or None")
    if not is_ours(optimiser):
        raise TypeError(
            f"fit(group=...): the optimiser {type(optimiser).__name__} has a step() of its own, "
            "before which gradients of other processes cannot be added; override update() instead, "
            "or use one such as tg.optim.Adam."
        )
    return group if group.size > 1 else None


def shares(batches: Iterable[Any], group: Group) -> Iterable[Any]:
    """Batches that are cut where they are made, so that rows of others are not touched."""
    return batches.share(group.rank, group.size) if isinstance(batches, Batches) else batches


def share(pair: tuple[Any, Any], batch: Any, group: Group) -> Any:
    """This process's rows of a batch, or the batch itself if it is that already."""
    if isinstance(batch, Share):
        return batch
    if not are_paired(*pair):
        lengths = ", ".join(str(len(array)) for nest in pair for array in arrays(nest))
        raise DataError(
            f"fit(group=...): the arrays of a batch have {lengths} rows, and each process takes "
            "its rows of all of them; give arrays with one row for each example."
        )
    count = rows(*pair)
    which = share_of(count, group.rank, group.size)
    x, y = (part(nest, which) for nest in pair)
    return Share.of(x, y, count, group.size)


def joined_rows(batch: Any) -> int:
    """How many rows the batch has in all processes."""
    return batch.joined if isinstance(batch, Share) else rows(batch[1], batch[0])


def weights(batches: list[Any]) -> list[float]:
    """What the mean of each batch counts in that over all rows of all processes."""
    count = sum(map(joined_rows, batches))
    return [rows(b[1], b[0]) / (count * copies([b])) if count else 1.0 for b in batches]


def copies(batches: list[Any]) -> int:
    """How many processes have each row; raises DataError where that is not one number."""
    found = {batch.copies if isinstance(batch, Share) else 1 for batch in batches}
    if len(found) > 1:
        sizes = ", ".join(str(joined_rows(batch)) for batch in batches)
        raise DataError(
            f"fit(group=..., accumulate={len(batches)}): batches of {sizes} rows make one update, "
            f"and the last one has fewer than the {max(found)} processes; give batches(..., "
            "drop_last=True)."
        )
    return found.pop()


def whole_state(run: Run) -> dict[str, Any]:
    """What must be the same in all processes between two epochs."""
    return {
        **run.model.state_dict(),
        "generator": {n: g.bit_generator.state for n, g in generators(run.model).items()},
        "optimiser": run.optimiser.state_dict(),
        "the batches": data_state(run.batches) if _has_state(run.batches) else None,
    }


def _has_state(batches: Any) -> bool:
    return is_stateless(batches) or isinstance(batches, Batches)


def align(run: Run) -> None:
    """Give all processes the weights, statistics and seeds of rank 0.

    Raises DataError in all of them, naming the rank and what differs, where they are not alike:
    the model's shapes, the data, the optimiser, the epochs, the checkpoint.
    """
    group = run.group
    assert group is not None
    own, batches = generators(run.model), run.batches
    states: dict[str, Any] = {"own": {n: g.bit_generator.state for n, g in own.items()}}
    if is_seeded := isinstance(batches, Batches):
        states["data"] = batches.state()
    sizes = {name: size for name, size in states.get("data", {}).items() if name != "generator"}
    kinds = {name: state["bit_generator"] for name, state in states["own"].items()}
    group.check({"the batches": sizes, "generator": kinds})
    states = group.align(run.model, states)
    for name, generator in own.items():
        generator.bit_generator.state = states["own"][name]
    if is_seeded:
        set_data_state(batches, states["data"])
    first = first_checksum(batches, data_state(batches)) if _has_state(batches) else 0
    group.check(
        {
            "the first batch": first,
            "the number of batches": run.steps_per_epoch(),
            "the number of epochs": run.epochs,
            "the number of epochs before": len(run.history),
            "the number of steps before": run.done,
            "the validation data": 0 if run.validation is None else _checksum(run.validation),
            **whole_state(run),
        }
    )


def _checksum(nest: Any) -> int:
    return checksum([checksum(np.asarray(array)) for array in arrays(list(nest))])


def validated(run: Run, judge: Judge) -> tuple[float, float, dict[str, float]]:
    """What ``evaluated`` gives for the validation data, of which each process takes its rows.

    All rows where metrics or several losses look at them all at once.
    """
    assert run.validation is not None
    if run.group is None or run.reported():
        return evaluated(run.model, *run.validation, run.metrics, judge)
    return *evaluated_by(run.group, run.model, *run.validation, judge), {}


def evaluated_by(
    group: Group | None, model: Module, x: Any, y: Any, judge: Judge
) -> tuple[float, float]:
    """(mean loss, accuracy) of data of which each process takes its rows, if there are several."""
    count = rows(x, y)
    if group is None or count < group.size or not are_paired(x, y):
        return evaluated(model, x, y, {}, judge)[:2]
    which = share_of(count, group.rank, group.size)
    x, y = part(x, which), part(y, which)
    own = rows(x, y)
    with group.draws(generators(model)):  # of a model that draws in evaluation mode, too
        value, right, _ = evaluated(model, x, y, {}, judge)
    value, right = group.sum(value * own, right * own)
    return value / count, right / count
