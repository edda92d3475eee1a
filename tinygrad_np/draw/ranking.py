"""Which lines cost most, as bars."""

from typing import TYPE_CHECKING

from ..arguments import instance, whole
from ..recording.tables import Table
from .figures import TRAIN, empty_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def ranking(table: Table, count: int = 20) -> "Figure":
    """The costliest places of ``recording.ledger()`` or ``recording.costs()`` as bars.

    At most ``count`` of them are shown; the title says what there is in all. Raises ValueError for
    a table without rows.

    >>> w = tg.Tensor(np.ones(9), requires_grad=True)
    >>> found = tg.trace(lambda x: np.sum(np.exp(w * x)), np.ones(9))
    >>> tg.draw.ranking(found.ledger()).savefig("ledger.png")
    """
    instance("ranking", "table", table, Table, "recording.ledger() or recording.costs()")
    count = whole("ranking", "count", count, least=1)
    if not table.rows:
        raise ValueError("ranking() of an empty table: nothing was recorded, or nothing is kept.")
    rows = table.rows[:count][::-1]
    figure = empty_figure(9, 0.9 + 0.35 * len(rows))
    axes = figure.subplots()
    axes.barh([str(i) for i in range(len(rows))], [row[table.drawn] for row in rows], color=TRAIN)
    axes.set_yticks(range(len(rows)), [f"{row[0]}"[:70].replace("$", r"\$") for row in rows])
    axes.set_xlabel(table.head[table.drawn])
    axes.set_title(table.title, fontsize=10)
    return figure
