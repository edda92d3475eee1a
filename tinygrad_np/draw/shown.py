"""Figures that show themselves in a notebook, without pyplot or a magic command."""

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from ..markup import Html, escape, joined
from . import page

if TYPE_CHECKING:
    Base = dict[str, Figure]
else:
    Base = dict


class Shown(Figure):
    """A matplotlib figure that belongs to no window; a notebook shows it as a PNG picture."""

    def _repr_png_(self) -> bytes:
        return page.png(self)

    def suptitle(self, t: str, **options: Any) -> Any:
        """The figure's title, in several lines where it is wider than the figure."""
        return super().suptitle(t, **{"wrap": True, **options})

    def __repr__(self) -> str:
        inches = "{:.3g} by {:.3g} inches".format(*self.get_size_inches())
        return f"Figure({inches}, {len(self.axes)} axes)"


class Figures(Base):
    """Figures by name; a notebook shows them one below the other."""

    def _repr_html_(self) -> str:
        titles = [Html(f"<b>{escape(name)}</b>") for name in self]
        pictures = [page.picture(page.png(figure), name) for name, figure in self.items()]
        return joined([part for pair in zip(titles, pictures, strict=True) for part in pair])
