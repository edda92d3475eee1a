"""What all optimisers have in common: parameters, steps, limits, state."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..arguments import called, is_real, real, share, shown
from ..autodiff.tape import mode, next_number
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from ..habits import hinted
from ..threads import Crew
from .groups import (
    NO_PARAMETERS,
    Group,
    check_parameters,
    given_groups,
    greatest_rate,
    group_of,
    rate,
)
from .limits import bound_rows, clipping, cut, squares
from .pack import Pack, gathered, working
from .state import Stateful

LearningRate = float | Callable[[int], float]
Check = Callable[[str, str, Any], Any]  # of a class's setting by name and value, as in `arguments`
below_one = functools.partial(share, ends="[)")

FLUSHED = 64  # steps from one look at tiny numbers to the next


class Optimiser(Stateful):
    """Base of the optimisers: keeps the parameters, counts the steps, asks for the rate.

    ``params`` are leaf Tensors that require grad, or a list of groups of such, dicts with
    ``params`` and the settings that are other ones for them: ``[{"params": [w], "lr": 0.01},
    {"params": [b]}]``. ``lr`` is a number or a function of the number of steps done (see
    ``schedules``). Parameters without a gradient are left alone. Every optimiser takes the keywords

    - ``clip_norm``: gradients are multiplied by min(1, clip_norm / (norm + 1e-6)), where norm is
      the L2 norm of the gradients of all parameters together (Pascanu et al. 2013);
    - ``clip_value``: every element of a gradient is brought into [−clip_value, clip_value];
    - ``max_norm``: after the step, each row of a parameter of two or more axes (the weights that
      come into one unit) has at most this L2 norm (Srivastava et al. 2014); vectors such as biases
      are left alone.

    Gradients are clipped on the way into the step; ``.grad`` stays what backward found. A complex
    number counts as two real ones, but for norms.

    ``param_groups`` lists the groups, dicts with ``params``, ``lr`` and the settings, which may be
    changed between steps; ``optimiser.lr`` is that of the first, and sets that of all.

    A subclass overrides ``update()``, which says what one parameter becomes. It names its settings
    (``settings``) and the arrays that it keeps for each parameter (``states``), and hands the
    settings to ``__init__``: it then has groups, schedules, clipping, checkpoints and replay. Or it
    overrides ``step()``, which changes each of ``self.params`` by its ``.grad``, at
    ``self.rate()``; it may override ``rate()`` and ``zero_grad()`` too. A ``step()`` that writes to
    ``.data`` trains with ``fit(replay=False)``; one that is to be replayed writes ``p[...] = v``
    inside ``tg.no_grad()``, and changes nothing but Tensors.

    Raises TypeError for what is no list of Tensors,
    ValueError for an empty list, a Tensor that is not a leaf, one that is there twice, and settings
    out of range.

    >>> issubclass(tg.optim.Adam, tg.optim.Optimiser)
    True
    """

    settings: tuple[str, ...] = ()  # what, besides ``lr``, a group may have of its own
    checks: ClassVar[dict[str, Check]] = {}  # the settings of one of the package's own
    states: tuple[str, ...] = ()  # what the arrays are called that are kept for each parameter
    decoupled = False  # whether the step itself sees to ``weight_decay``
    weight_decay = 0.0  # of one that has no such setting
    lr: Any

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "checks" in vars(cls):
            cls.settings = tuple(cls.checks)
        for name in ("settings", "states"):
            if isinstance(word := getattr(cls, name), str):
                raise TypeError(
                    f"{cls.__name__}: {name}={word!r} is one word; write a tuple, "
                    f"{name} = ({word!r},)."
                )
        if "__init__" in vars(cls):
            cls.__init__ = hinted("optimiser")(cls.__init__)  # type: ignore[method-assign]
        for name in cls.settings:
            setattr(cls, name, _setting(name))

    def __init__(
        self,
        params: Iterable[Any],
        lr: LearningRate,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
        **settings: Any,
    ) -> None:
        place = type(self).__name__
        groups = given_groups(params)
        self._defaults = {"lr": rate(place, lr), **settings}
        self.params: tuple[Tensor, ...] = ()
        self.param_groups: list[Group] = []
        self._packs: list[Pack] = []
        self.steps = 0
        if clip_norm is not None and clip_value is not None:
            raise ValueError("gradients are clipped by clip_norm or by clip_value; give one.")
        self.clip_norm = _limit(place, "clip_norm", clip_norm)
        self.clip_value = _limit(place, "clip_value", clip_value)
        self.max_norm = _limit(place, "max_norm", max_norm)
        self._factor = 1.0  # what clip_norm multiplies the gradients of this step with
        self._crew = Crew()
        self._is_own = type(self).update is not Optimiser.update  # which gets each in its shape
        self.made = next_number()  # younger parameters have a higher number
        for group in groups:
            self.add_param_group(group)

    def __repr__(self) -> str:
        limits = [
            n for n in ("clip_norm", "clip_value", "max_norm") if getattr(self, n) is not None
        ]
        given = {name: getattr(self, name) for name in ("lr", *self.settings, *limits)}
        told = ", ".join(f"{name}={called(value)}" for name, value in given.items())
        count = f"{sum(parameter.size for parameter in self.params):,} parameters"
        if len(self.param_groups) > 1:
            count += f" in {len(self.param_groups)} groups"
        return f"{type(self).__name__}({told}; {count}, {self.steps:,} steps done)"

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Let one more group take part: a dict with ``params``, and settings if they are others.

        Raises what ``__init__`` raises.
        """
        made = group_of(type(self).__name__, group, self._defaults, self._checked)
        params = made["params"]
        if not params:
            raise ValueError(NO_PARAMETERS)
        check_parameters(params, len(self.params))
        if len({*self.params, *params}) < len(self.params) + len(params):
            raise ValueError("a parameter was given to the optimiser twice; give each once.")
        self._packs = [*self._packs, *gathered(made, self._states(made))]
        self.params = (*self.params, *params)
        self.param_groups = [*self.param_groups, made]
        self._greatest_rate = greatest_rate(self.params)
        self._several = len(self.param_groups) > 1 and type(self).rate is Optimiser.rate

    def _checked(self, name: str, value: Any) -> Any:
        """A setting of a group; raises TypeError or ValueError for what it cannot be."""
        check = self.checks.get(name, real if is_real(value) else None)
        return value if check is None else check(type(self).__name__, name, value)

    def _states(self, group: Group) -> tuple[str, ...]:
        """What the arrays are called that are kept for each parameter of a group."""
        del group
        return self.states

    def rate(self, group: Group | None = None) -> float:
        """The learning rate of the next step, of the first group or another.

        Raises TypeError for a schedule that gives no number, ValueError for one below 0 or beyond
        the parameters' dtype.
        """
        lr = (self.param_groups[0] if group is None else group)["lr"]
        found = lr(self.steps) if callable(lr) else lr
        kind: Any = ValueError
        try:
            number = float(found)
        except (TypeError, ValueError):
            number, kind = math.nan, TypeError
        if not 0 <= number <= self._greatest_rate:
            said = found if kind is ValueError else shown(found)
            raise kind(
                f"{type(self).__name__}: the learning rate of step {self.steps + 1} is {said}; a "
                f"number from 0 up is needed, below {self._greatest_rate:.3g}: check the schedule."
            )
        return number

    def zero_grad(self, **others: Any) -> None:
        """Forget the gradients: they are then None. Raises TypeError for any argument."""
        if others:
            raise TypeError(
                f"zero_grad({next(iter(others))}=…): write zero_grad(), which sets gradients to "
                "None."
            )
        if mode.capture is None:
            for parameter in self.params:
                parameter._grad = None
            return
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Change every parameter by its gradient; those without one are left alone."""
        if mode.capture is None or not self.params:  # a look, so that replays watch them
            self.perform()
        else:
            mode.capture.effect(self)

    def perform(self, cautious: bool = False, updates: Any = None) -> bool:
        """``step``, whether or not one is captured: what a replay does at this place.

        A ``cautious`` step is not made where a gradient has NaN or infinite elements. The result
        is whether it was made. ``updates`` are the loops of a fused replay.
        """
        packs = self._packs
        whole = [False] * len(packs) if self._is_own else [*map(Pack.is_whole, packs)]
        if cautious and not all(map(_is_finite, packs, whole)):
            return False
        if self._several:
            rates = [self.rate(pack.group) for pack in packs]
        else:
            rates = [self.rate()] * len(packs)
        self.steps += 1
        most = self.clip_norm
        self._factor = 1.0 if most is None else clipping(most, self._squares(whole))
        for pack, at_once, now in zip(packs, whole, rates, strict=True):
            if (names := self._states(pack.group)) != pack.names:
                pack.rename(names)
            if self._factor != 1:
                pack.factor.fill(self._factor)
            if at_once:
                self._all_at_once(pack, now, updates)
            else:
                self._one_by_one(pack, now)
        if self.steps % FLUSHED == 0 and self.is_noted():
            for pack in packs:
                pack.flush()
        return True

    def is_finite(self) -> bool:
        """Whether no gradient has NaN or infinite elements."""
        return all(_is_finite(pack, pack.is_whole()) for pack in self._packs)

    def _squares(self, whole: Iterable[bool]) -> float:
        """The sum of the squares of all gradients, in one order however these lie."""
        total = 0.0
        for pack, at_once in zip(self._packs, whole, strict=True):
            if at_once:
                total += sum(map(squares, pack.cuts))
                continue
            for i, parameter in enumerate(pack.params):
                if parameter.grad is not None:
                    g = np.empty_like(pack.views[i])
                    g[...] = parameter.grad._array
                    total += sum(map(squares, cut(g)))
        return total

    def _all_at_once(self, pack: Pack, rate: float, updates: Any) -> None:
        age = pack.ages[0] + 1
        pack.ages = [age] * len(pack.ages)
        pack.set_numbers(self._numbers_of(pack.group, rate, age))
        pack.written()
        if updates is None or not updates.make(self, pack):
            self._crew.run(functools.partial(self.change_pieces, pack), pack.pieces)
        if self.max_norm is not None:
            for view in pack.views:
                bound_rows(view, self.max_norm)

    def is_noted(self) -> bool:
        """Whether a change is calls of NumPy on its arrays, and its settings alone say which."""
        change = type(self)._change
        return change is not Optimiser._change and change.__module__.startswith(__package__)

    def settings_of(self, group: Group, names: Iterable[str]) -> list[Any]:
        """What says which calls a change is, of the group what has these names."""
        return [self.clip_value, self._factor == 1, *map(group.get, names)]

    def change_pieces(self, pack: Any, pieces: Iterable[tuple[Any, ...]]) -> None:
        """Change (values, gradients, two of scratch, *state), one after the other."""
        for values, g, scratch, spare, *state in pieces:
            kind = values.dtype.char
            if kind == "e":  # float16, which ends at 65,504, and eps is 0 in it
                whole, used = values.astype(np.float32), g.astype(np.float32)
                self.change_pieces(pack, [(whole, used, scratch, spare, *state)])
                values[...] = whole
                continue
            if kind in "FDG":
                # two real numbers; g is ∂/∂re − i ∂/∂im, and the way down against its conjugate
                arrays = (values, np.conjugate(g, spare), scratch, spare, *state)
                parts = [tuple(a.real for a in arrays), tuple(a.imag for a in arrays)]
                self.change_pieces(pack, parts)
                continue
            used = self._used(pack, values, g, scratch, spare)
            self._change(pack.group, pack.numbers, values, used, scratch, *state)

    def _one_by_one(self, pack: Pack, rate: float) -> None:
        """Parameters whose gradients lie here and there, or are not there at all."""
        states = list(zip(*(pack.parts(flat) for flat in pack.state), strict=True))
        for i, parameter in enumerate(pack.params):
            grad = parameter.grad
            if grad is None:
                continue
            pack.ages[i] += 1
            pack.set_numbers(self._numbers_of(pack.group, rate, pack.ages[i]))
            values, state = parameter._write(), states[i] if states else ()
            scratch, spare = (np.empty_like(values, working(values.dtype)) for _ in range(2))
            self.change_pieces(pack, [(values, grad._array, scratch, spare, *state)])
            if self.max_norm is not None:
                bound_rows(values, self.max_norm)
        pack.uneven = len(set(pack.ages)) > 1

    def _used(self, pack: Any, values: Any, g: Any, scratch: Any, spare: Any) -> Any:
        """The gradient that the step goes by, clipped and with decay: ``g`` itself or ``spare``."""
        if self.clip_value is not None:
            # 14 instead of 84 µs for 109,386 elements by np.minimum and np.maximum
            g = np.clip(g, -self.clip_value, self.clip_value, out=spare)
        elif self._factor != 1:
            g = np.multiply(g, pack.factor, spare)
        decay = 0.0 if self.decoupled else pack.group.get("weight_decay")
        if decay:
            np.multiply(values, decay, scratch)
            g = np.add(scratch, g, spare)
        return g

    def _numbers_of(self, group: Group, rate: float, age: int) -> tuple[float, ...]:
        """The numbers of a change; ``age`` counts the parameter's gradients, this one too."""
        self._now = {**group, "lr": rate, "step": age}
        return ()

    def _change(
        self, group: Group, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any
    ) -> None:
        """Change ``values`` and ``state`` by the gradient ``g``, which is read; shapes are one."""
        del numbers, scratch
        kept = dict(zip(self._states(group), state, strict=True))
        new = self.update(values, g, kept, self._now)
        if np.shape(new) != values.shape:
            raise ShapeError(
                f"{type(self).__name__}.update() returned {shown(new)} for a parameter of shape "
                f"{values.shape}; return what the parameter becomes."
            )
        if unknown := [name for name in kept if name not in self._states(group)]:
            raise ValueError(
                f"{type(self).__name__}.update() keeps {', '.join(map(repr, unknown))} in its "
                "state, which would be lost after this step; name all that is kept in the class, "
                f"states = {(*self._states(group), *unknown)}; such arrays are zeros at first."
            )
        values[...] = new
        for array, name in zip(state, self._states(group), strict=True):
            if kept[name] is not array:
                array[...] = kept[name]

    def update(
        self, p: np.ndarray, g: np.ndarray, state: dict[str, np.ndarray], group: Group
    ) -> np.ndarray:
        """What a parameter becomes: for a subclass to write, in NumPy.

        ``p`` is its array and ``g`` its gradient, clipped and with ``weight_decay``; ``state`` has
        the arrays called ``states``, zeros at first, which may be written to or replaced; ``group``
        has the settings, with ``lr`` the rate of this step and ``step`` how many gradients the
        parameter has had. Arrays of float16 come as float32, of complex ones two real parts.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no step() of its own; override update(p, g, state, group), "
            "which returns what the parameter becomes, or step(), which changes each of "
            "self.params by its .grad; or derive it from one such as tg.optim.SGD."
        )


def _setting(name: str) -> property:
    """An attribute that is a setting: that of the first group, and it sets those of all."""

    def groups(self: Optimiser) -> list[Group]:
        try:
            found = self.param_groups  # not by vars(): a replay would watch all that is there
        except AttributeError:
            found = []
        if not found or name not in {**self._defaults, **found[0]}:
            given = "" if name == "lr" else f", {name}={name}"
            raise AttributeError(
                f"{type(self).__name__} has no setting {name} yet; hand it to "
                f"super().__init__(params, lr{given})."
            )
        return found

    def get(self: Optimiser) -> Any:
        return groups(self)[0][name]

    def put(self: Optimiser, value: Any) -> None:
        for group in groups(self):
            group[name] = value

    return property(get, put)


Optimiser.lr = _setting("lr")


def _is_finite(pack: Pack, whole: bool) -> bool:
    """Whether no gradient has NaN or infinite elements.

    A product with itself that is finite says so in half of the time; another says nothing.
    """
    if not whole:
        grads = [parameter.grad for parameter in pack.params]
        return all(bool(np.isfinite(g._array).all()) for g in grads if g is not None)
    flat = pack.grads.ravel()
    product = np.vdot(flat, flat)  # which, unlike dot, warns of no overflow
    return math.isfinite(abs(product)) or bool(np.isfinite(flat).all())


def _limit(place: str, name: str, value: float | None) -> float | None:
    if value is None:
        return None
    return real(place, name, value, "a number above 0, or None,", ends="()")
