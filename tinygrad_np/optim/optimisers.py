"""What all optimisers have in common: parameters, steps, limits, state."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..arguments import real, shown
from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from ..threads import Crew
from .limits import bound_rows, clipping, cut, squares
from .pack import Pack, gathered, working
from .state import in_words, misfits

LearningRate = float | Callable[[int], float]
MADE_ANEW = ("_packs", "_crew")  # for each copy of an optimiser


class Optimiser:
    """Base of the optimisers: keeps the parameters, counts the steps, asks for the rate.

    ``params`` are leaf Tensors that require grad; ``lr`` is a number or a function of the number of
    steps done (see ``schedules``). Parameters without a gradient are left alone. Every optimiser
    takes the keywords

    - ``clip_norm``: gradients are multiplied by min(1, clip_norm / (norm + 1e-6)), where norm is
      the L2 norm of the gradients of all parameters together (Pascanu et al. 2013);
    - ``clip_value``: every element of a gradient is brought into [−clip_value, clip_value];
    - ``max_norm``: after the step, each row of a parameter of two or more axes (the weights that
      come into one unit) has at most this L2 norm (Srivastava et al. 2014); vectors such as biases
      are left alone.

    Gradients are clipped on the way into the step; ``.grad`` stays what backward found. A complex
    number counts as two real ones, but for norms.

    A subclass overrides ``step()``, which changes each of ``self.params`` by its ``.grad``, at
    ``self.rate()``; it may override ``rate()`` and ``zero_grad()`` too. A ``step()`` that writes to
    ``.data`` trains with ``fit(replay=False)``; one that is to be replayed writes ``p[...] = v``
    inside ``tg.no_grad()``, and changes nothing but Tensors.

    Raises TypeError for what is no list of Tensors,
    ValueError for an empty list, a Tensor that is not a leaf, one that is there twice, and settings
    out of range.

    >>> issubclass(tg.optim.Adam, tg.optim.Optimiser)
    True
    """

    settings: tuple[str, ...] = ()  # the attributes that, with the limits, say how it works
    states: tuple[str, ...] = ()  # what the arrays are called that are kept for each parameter
    numbers = 1  # how many numbers a change needs
    weight_decay = 0.0  # times the parameter is added to its gradient,
    decoupled = False  # unless the step itself sees to it

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: LearningRate,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
        **settings: float,
    ) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"an optimiser takes a list of Tensors for params, not {shown(params)}; give "
                "model.parameters()."
            )
        place = type(self).__name__
        self.params = list(params)
        self.lr = lr
        self.steps = 0
        if not self.params:
            raise ValueError("the optimiser was given no parameters: params is empty.")
        for i, parameter in enumerate(self.params):
            _check_parameter(i, parameter)
        self._greatest_rate = min(float(np.finfo(p.dtype).max) for p in self.params)
        if len(set(self.params)) < len(self.params):
            raise ValueError("a parameter was given to the optimiser twice; give each once.")
        if not callable(lr) or isinstance(lr, type):
            needed = "a number from 0 up or a function of the number of steps done"
            self.lr = real(place, "lr", lr, needed)
        for name, value in settings.items():
            setattr(self, name, real(place, name, value))
        if clip_norm is not None and clip_value is not None:
            raise ValueError("gradients are clipped by clip_norm or by clip_value; give one.")
        self.clip_norm = _limit(place, "clip_norm", clip_norm)
        self.clip_value = _limit(place, "clip_value", clip_value)
        self.max_norm = _limit(place, "max_norm", max_norm)
        self._factor = 1.0  # what clip_norm multiplies the gradients of this step with
        self._packs = gathered(self.params, len(self.states), self.numbers)
        self._crew = Crew()

    def rate(self) -> float:
        """The learning rate of the next step.

        Raises ValueError for a schedule that gives anything but a number from 0 up, or one beyond
        the parameters' dtype.
        """
        rate = float(self.lr(self.steps) if callable(self.lr) else self.lr)
        if not 0 <= rate <= self._greatest_rate:
            raise ValueError(
                f"{type(self).__name__}: the learning rate of step {self.steps + 1} is {rate}; a "
                f"number from 0 up is needed, below {self._greatest_rate:.3g}: check the schedule."
            )
        return rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        if mode.capture is None:
            for parameter in self.params:
                parameter._grad = None
            return
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Change every parameter by its gradient."""
        if mode.capture is None:
            self.perform()
        else:
            mode.capture.effect(self)

    def perform(self, cautious: bool = False) -> bool:
        """``step``, whether or not one is captured: what a replay does at this place.

        A ``cautious`` step is not made where a gradient has NaN or infinite elements. The result
        is whether it was made.
        """
        whole = [pack.is_whole() for pack in self._packs]
        if cautious and not all(map(_is_finite, self._packs, whole)):
            return False
        rate = self.rate()
        self.steps += 1
        most = self.clip_norm
        self._factor = 1.0 if most is None else clipping(most, self._squares(whole))
        for pack, at_once in zip(self._packs, whole, strict=True):
            if at_once:
                self._all_at_once(pack, rate)
            else:
                self._one_by_one(pack, rate)
        return True

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

    def _all_at_once(self, pack: Pack, rate: float) -> None:
        age = pack.ages[0] + 1
        pack.ages = [age] * len(pack.ages)
        self._set_numbers(pack.numbers, rate, age)
        pack.written()
        if len(pack.pieces) == 1:
            self._change_pieces(pack.numbers, pack.pieces[0])
        else:
            self._crew.run(functools.partial(self._change_pieces, pack.numbers), pack.pieces)
        if self.max_norm is not None:
            for view in pack.views:
                bound_rows(view, self.max_norm)

    def _change_pieces(self, numbers: list[Any], pieces: Iterable[tuple[Any, ...]]) -> None:
        for values, g, scratch, spare, *state in pieces:
            if values.dtype == np.float16:  # which ends at 65,504, and eps is 0 in it
                whole, used = values.astype(np.float32), g.astype(np.float32)
                self._change_pieces(numbers, [(whole, used, scratch, spare, *state)])
                values[...] = whole
                continue
            if values.dtype.kind == "c":
                # two real numbers; g is ∂/∂re − i ∂/∂im, and the way down against its conjugate
                arrays = (values, np.conjugate(g, spare), scratch, spare, *state)
                parts = [tuple(a.real for a in arrays), tuple(a.imag for a in arrays)]
                self._change_pieces(numbers, parts)
                continue
            used = self._used(values, g, scratch, spare)
            self._change(numbers, values, used, scratch, *state)

    def _one_by_one(self, pack: Pack, rate: float) -> None:
        """Parameters whose gradients lie here and there, or are not there at all."""
        states = list(zip(*(pack.parts(flat) for flat in pack.state), strict=True))
        for i, parameter in enumerate(pack.params):
            grad = parameter.grad
            if grad is None:
                continue
            pack.ages[i] += 1
            self._set_numbers(pack.numbers, rate, pack.ages[i])
            values, state = parameter._write(), states[i] if states else ()
            scratch, spare = (np.empty_like(values, working(values.dtype)) for _ in range(2))
            self._change_pieces(pack.numbers, [(values, grad._array, scratch, spare, *state)])
            if self.max_norm is not None:
                bound_rows(values, self.max_norm)
        pack.uneven = len(set(pack.ages)) > 1

    def _used(self, values: Any, g: Any, scratch: Any, spare: Any) -> Any:
        """The gradient that the step goes by, clipped and with decay: ``g`` itself or ``spare``."""
        if self.clip_value is not None:
            # 14 instead of 84 µs for 109,386 elements by np.minimum and np.maximum
            g = np.clip(g, -self.clip_value, self.clip_value, out=spare)
        elif self._factor != 1:
            g = np.multiply(g, self._factor, spare)
        if self.weight_decay and not self.decoupled:
            np.multiply(values, self.weight_decay, scratch)
            g = np.add(scratch, g, spare)
        return g

    def _set_numbers(self, numbers: list[Any], rate: float, age: int) -> None:
        """Fill in what a change needs; ``age`` counts the parameter's gradients, this one too."""
        raise NotImplementedError(
            f"{type(self).__name__} has no step() of its own; override step(), which changes each "
            "of self.params by its .grad, or derive it from one such as tg.optim.SGD."
        )

    def _change(self, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any) -> None:
        """Change ``values`` and ``state`` by the gradient ``g``, which is read; shapes are one."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """All that later steps depend on, besides parameters and gradients; arrays are copies.

        ``class`` (str), ``settings`` (names and values, fit for JSON; a schedule as it is written),
        ``steps`` (int), ``ages`` (how many gradients each parameter had, int64), and, for each
        parameter by its place, arrays of its shape and dtype (float32 for float16) such as
        ``0.first``.
        """
        found = self._described()
        return {k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in found.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the optimiser whose ``state_dict()`` this is; all is checked before any is set.

        Raises ShapeError that names every missing, unexpected and other entry: class and settings
        are to be the same, arrays to have the same shapes and dtypes. Of a schedule that is a plain
        function only that it is one is compared.
        """
        own = self._described()
        wrong = misfits(own, state)
        if wrong:
            raise ShapeError(f"the state does not fit this optimiser: {'; '.join(wrong)}.")
        self.steps = int(state["steps"])
        ages = dict(zip(self.params, state["ages"].tolist(), strict=True))
        for pack in self._packs:
            pack.set_ages([ages[parameter] for parameter in pack.params])
        for name in own.keys() - {"class", "settings", "steps", "ages"}:
            own[name][...] = state[name]

    def _described(self) -> dict[str, Any]:
        """What ``state_dict`` has, with views of the state itself."""
        names = ("lr", *self.settings, "clip_norm", "clip_value", "max_norm")
        each = {p: (age, parts) for p, age, parts in self._each()}
        return {
            "class": type(self).__name__,
            "settings": {name: in_words(getattr(self, name)) for name in names},
            "steps": self.steps,
            "ages": np.array([each[p][0] for p in self.params], np.int64),
            **{
                f"{i}.{name}": part
                for i, p in enumerate(self.params)
                for name, part in zip(self.states, each[p][1], strict=True)
            },
        }

    def _each(self) -> Iterator[tuple[Tensor, int, list[np.ndarray]]]:
        """Every parameter, how many gradients it had, and views of its state."""
        for pack in self._packs:
            states = [pack.parts(flat) for flat in pack.state]
            for i, parameter in enumerate(pack.params):
                yield parameter, pack.ages[i], [parts[i] for parts in states]

    def save(self) -> dict[str, Any]:
        """The state, and the parameters' values, as they are now."""
        return {
            "steps": self.steps,
            "ages": [list(pack.ages) for pack in self._packs],
            "state": [[np.array(flat) for flat in pack.state] for pack in self._packs],
            "values": [np.array(parameter._array) for parameter in self.params],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Make state and values what ``save`` found."""
        self.steps = saved["steps"]
        for pack, ages, state in zip(self._packs, saved["ages"], saved["state"], strict=True):
            pack.set_ages(ages)
            for flat, values in zip(pack.state, state, strict=True):
                flat[...] = values
        for parameter, values in zip(self.params, saved["values"], strict=True):
            parameter._write()[...] = values

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take: settings, and the state of each parameter."""
        kept = {name: value for name, value in vars(self).items() if name not in MADE_ANEW}
        found = [(p, age, [np.array(part) for part in parts]) for p, age, parts in self._each()]
        return {"kept": kept, "found": found}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state["kept"])
        self._packs = gathered(self.params, len(self.states), self.numbers)
        self._crew = Crew()
        found = {parameter: (age, arrays) for parameter, age, arrays in state["found"]}
        for pack in self._packs:
            pack.set_ages([found[parameter][0] for parameter in pack.params])
        for parameter, _, parts in self._each():
            for part, array in zip(parts, found[parameter][1], strict=True):
                part[...] = array


def _is_finite(pack: Pack, whole: bool) -> bool:
    """Whether no gradient has NaN or infinite elements.

    A product with itself that is finite says so in half of the time; another says nothing.
    """
    if not whole:
        grads = [parameter.grad for parameter in pack.params]
        return all(bool(np.isfinite(g.numpy()).all()) for g in grads if g is not None)
    flat = pack.grads.ravel()
    product = np.vdot(flat, flat)  # which, unlike dot, warns of no overflow
    return math.isfinite(abs(product)) or bool(np.isfinite(flat).all())


def _check_parameter(i: int, parameter: Any) -> None:
    if not isinstance(parameter, Tensor):
        raise TypeError(
            f"an optimiser takes a list of Tensors for params, whose entry {i} is "
            f"{shown(parameter)}; give model.parameters()."
        )
    if not parameter.requires_grad or parameter._is_result:
        raise ValueError(
            f"an optimiser works on leaves that require grad; entry {i}, of shape "
            f"{parameter.shape}, is none."
        )


def _limit(place: str, name: str, value: float | None) -> float | None:
    if value is None:
        return None
    return real(place, name, value, "a number above 0, or None,", ends="()")
