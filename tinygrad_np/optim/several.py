"""Several optimisers that work on one model, as one."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..arguments import shown
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from .optimisers import Optimiser
from .pack import Pack


class Several:
    """Optimisers side by side, each with parameters of its own.

    ``given`` is a list of optimisers that go down one loss, or a dict of such by the names of the
    losses that each goes down. Raises ValueError for a parameter that two have.
    """

    def __init__(self, given: Iterable[Any] | Mapping[str, Any]) -> None:
        named = isinstance(given, Mapping)
        self.names = tuple(given) if isinstance(given, Mapping) else ()
        self.parts: list[Any] = list(given.values() if isinstance(given, Mapping) else given)
        if named and not all(isinstance(n, str) and n.isidentifier() for n in self.names):
            raise ValueError(
                f"fit: the names of the optimisers are {shown(list(self.names))}; give names of "
                "the losses, such as {'generator': …, 'critic': …}."
            )
        if len(set(self.params)) < len(self.params):
            raise ValueError("fit: two optimisers have the same parameter; give it to one of them.")

    def __repr__(self) -> str:
        return f"Several({', '.join(f'{n}={part!r}' for n, part in self._named().items())})"

    @property
    def params(self) -> list[Tensor]:
        """The parameters of all of them."""
        return [parameter for part in self.parts for parameter in part.params]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        """Change every parameter by its gradient."""
        for part in self.parts:
            part.step()

    def rate(self) -> float:
        """The learning rate of the first one's next step."""
        return float(self.parts[0].rate())

    def perform(self, cautious: bool = False, updates: Any = None) -> bool:
        """All steps, or with ``cautious`` none where a gradient is not finite."""
        if cautious and not all(part.is_finite() for part in self.parts):
            return False
        for part in self.parts:
            part.perform(updates=updates)
        return True

    def is_ours(self) -> bool:
        """Whether all of them are steps of the package's own."""
        return all(is_ours(part) for part in self.parts)

    def state_dict(self) -> dict[str, Any]:
        """The states by name, or by place."""
        return {name: part.state_dict() for name, part in self._named().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as those whose state this is; raises ShapeError where they do not fit."""
        named = self._named()
        if not isinstance(state, Mapping) or list(state) != list(named):
            given = list(state) if isinstance(state, Mapping) else shown(state)
            raise ShapeError(
                f"the state does not fit these optimisers: found {given}, expected {list(named)}."
            )
        before = self.save()
        try:
            for name, part in named.items():
                part.load_state_dict(state[name])
        except ShapeError:
            self.restore(before)
            raise

    def _named(self) -> dict[str, Any]:
        return dict(zip(self.names or map(str, range(len(self.parts))), self.parts, strict=True))

    def save(self) -> list[Any]:
        """The states and the parameters' values, as they are now."""
        return [part.save() for part in self.parts]

    def restore(self, saved: list[Any]) -> None:
        """Make everything what ``save`` found."""
        for part, was in zip(self.parts, saved, strict=True):
            part.restore(was)


def packs(optimiser: Any) -> list[Pack]:
    """The buffers of an optimiser of the package's, or of several."""
    parts = optimiser.parts if isinstance(optimiser, Several) else [optimiser]
    return [pack for part in parts for pack in part._packs]


def is_ours(optimiser: Any) -> bool:
    """Whether an optimiser's step is the package's own; another is a part of the user's step."""
    if isinstance(optimiser, Several):
        return optimiser.is_ours()
    own = getattr(getattr(optimiser, "step", None), "__func__", None) is Optimiser.step
    return isinstance(optimiser, Optimiser) and own
