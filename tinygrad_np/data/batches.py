"""From arrays of a data set to what a network is fed: parts of it, and batches."""

import copy
import textwrap
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import arguments
from ..autodiff.nests import leaves
from ..errors import DataError, PrecisionWarning
from ..habits import hinted
from .samples import (
    SETTINGS,
    Pair,
    as_array,
    check_numbers,
    length,
    named_arrays,
    paired,
    rows_of,
)

# a string, because NumPy imports its random module only when it is asked for: 12 ms
Seed: TypeAlias = "int | np.random.Generator"
Nest: TypeAlias = "dict[str, Any] | tuple[Any, ...] | list[Any]"
Transform: TypeAlias = "Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]"


@hinted("split")
def split(
    x: "ArrayLike | Nest",
    y: "ArrayLike | Nest",
    fraction_or_count: float,
    seed: Seed,
    stratify: "ArrayLike | None" = None,
) -> tuple[Pair, Pair]:
    """Shuffle n samples and deal them into two parts, ((x_a, y_a), (x_b, y_b)).

    The second part gets `fraction_or_count` samples: that many if it is an int, the nearest number
    to that fraction of n if it is a float. With `stratify`, (n,), mostly `y` itself, it gets of
    each value its share, to the nearest whole sample. `x` and `y` have any shape and dtype but n
    entries each, or are nests as for `batches`; the parts are copies. Raises DataError if the
    lengths differ, if a part would be empty, or without an int or np.random.Generator as `seed`.

    >>> x, y = np.arange(6), np.array([0, 0, 0, 0, 1, 1])
    >>> first, second = tg.data.split(x, y, 3, 0, y)
    >>> sorted(second[1].tolist())
    [0, 0, 1]
    """
    xs, ys = paired("split", x, y)
    n = length(xs)
    count = _part_size(n, fraction_or_count)
    order = generator_from("split", seed).permutation(n)
    if stratify is not None:
        order = _stratified(order, as_array("split", "stratify", stratify), count)
    first, second = order[: n - count], order[n - count :]
    return rows_of(xs, ys, first), rows_of(xs, ys, second)


def _stratified(order: NDArray[np.intp], by: NDArray[Any], count: int) -> NDArray[np.intp]:
    """The same samples in an order whose last `count` have each value of `by` in its share.

    Whole shares first; what is left over goes to the values with the largest remainders.
    """
    if by.shape != order.shape:
        raise DataError(
            f"split: found stratify of shape {by.shape}, expected ({len(order)},), a class for "
            "each sample; give stratify=y for labels (n,)"
        )
    values, places = np.unique(by, return_inverse=True)
    if 2 * len(values) > len(by):
        raise DataError(
            f"split: found {len(values)} values of stratify in {len(by)} samples, expected classes "
            "of several samples each; leave stratify out, or give classes made of the values"
        )
    shares = np.bincount(places) * (count / len(order))
    taken = np.floor(shares + 1e-9).astype(np.intp)
    taken[np.argsort(taken - shares, kind="stable")[: count - taken.sum()]] += 1
    sorted_by = order[np.argsort(places[order], kind="stable")]
    starts = np.cumsum(np.bincount(places)) - np.bincount(places)
    rank = np.empty(len(order), np.intp)  # of each sample within its value, in the drawn order
    rank[sorted_by] = np.arange(len(order)) - starts[places[sorted_by]]
    is_second = rank < taken[places]
    return np.concatenate([order[~is_second[order]], order[is_second[order]]])


@hinted("batches")
def batches(
    x: "ArrayLike | Nest",
    y: "ArrayLike | Nest",
    batch_size: int,
    seed: "Seed | None" = None,
    shuffle: bool = True,
    transform: "Transform | None" = None,
    ahead: int = 0,
    drop_last: bool = False,
) -> "Batches":
    """Cut n samples into batches of `batch_size`; the last one may be shorter.

    With `drop_last` a last one that would be shorter is left out: in each epoch those samples that
    come last in its order.

    `x` and `y` are numbers of any shape and dtype, n entries each; lists of Python's own numbers
    are float64, which a PrecisionWarning says. Either may be a tuple, list, dict or dataclass of
    such arrays, for models of several inputs or targets: batches are then alike, and what in it is
    a number, a truth value, a word or None is an argument that each batch has as it is. Every
    iteration over the result is an epoch; with `shuffle` each epoch draws a new order from `seed`,
    an int or np.random.Generator that the caller must give where anything is drawn.
    `transform(x_batch, generator)` gives the batch to be used in place of `x_batch`, which it may
    change, and draws from a generator that is this batch's own (see `augment.Distort`). Up to
    `ahead` batches are prepared by a thread while the caller works; they are the same as without.
    Raises DataError if the lengths differ, for objects and words, a batch size below 1, a negative
    `ahead`, and for a missing or wrong seed.

    >>> x, y = np.arange(5.0).reshape(5, 1), np.arange(5)
    >>> for images, labels in tg.data.batches(x, y, batch_size=2, seed=0):
    ...     print(images.shape, labels.shape)
    ...
    (2, 1) (2,)
    (2, 1) (2,)
    (1, 1) (1,)
    """
    xs, ys = paired("batches", x, y)
    for name, given, found in (("x", x, xs), ("y", y, ys)):
        for part, array in named_arrays(name, found):
            check_numbers("batches", part, array)
        if isinstance(given, (list, tuple)) and isinstance(_first(given), float):
            warnings.warn(
                f"batches: {name} is a list of Python numbers, which NumPy makes float64, so that "
                f"a network of float32 computes in float64; give np.array({name}, np.float32).",
                PrecisionWarning,
                stacklevel=3,
            )
    batch_size = arguments.whole("batches", "batch_size", batch_size, error=DataError)
    ahead = arguments.whole("batches", "ahead", ahead, least=0, error=DataError)
    shuffle = arguments.flag("batches", "shuffle", shuffle, DataError)
    drop_last = arguments.flag("batches", "drop_last", drop_last, DataError)
    if drop_last and batch_size > length(xs):
        raise DataError(
            f"batches: found {length(xs)} samples and batch_size={batch_size} with "
            "drop_last=True, which leaves no batch; give a smaller batch size"
        )
    if transform is not None:
        _check_transform(transform)
    draws = shuffle or transform is not None
    generator = generator_from("batches", seed) if draws or seed is not None else None
    generator = generator if draws else None
    return Batches(xs, ys, batch_size, generator, shuffle, transform, ahead, drop_last)


def _first(nest: Any) -> Any:
    """The first entry of a nest of lists, if it has one."""
    while isinstance(nest, (list, tuple)) and len(nest):
        nest = nest[0]
    return None if isinstance(nest, np.generic) else nest


def _check_transform(transform: Any) -> None:
    """Raise DataError for anything but a function of a batch and a generator."""
    wanted = (
        "(x_batch, generator) that returns the batch, such as augment.Distort(rotation=10) or "
        "lambda x, generator: …,"
    )
    arguments.function("batches", "transform", transform, wanted, DataError, count=2)
    if isinstance(transform, np.ufunc):  # whose second argument is the result
        needed = f"a function of {wanted}"
        raise arguments.refusal("batches", "transform", transform, needed, DataError)


@dataclass
class _Position:
    """How many batches an epoch gave, and the generator's state before the epoch."""

    generator: dict[str, Any] | None
    given: int


class Batches:
    """What `batches` returns: iterate once per epoch; `len` is the number of batches."""

    def __init__(
        self,
        x: Any,
        y: Any,
        batch_size: int,
        generator: "np.random.Generator | None",
        shuffle: bool,
        transform: "Transform | None",
        ahead: int,
        drop_last: bool = False,
    ) -> None:
        self._x = x
        self._y = y
        self._batch_size = batch_size
        self._generator = generator
        self._shuffle = shuffle
        self._transform = transform
        self._ahead = ahead
        self._samples = n = length(x)
        self._count = n // batch_size if drop_last else -(-n // batch_size)
        self._skip = 0
        self._position: _Position | None = None  # in the epoch begun last, None between epochs
        self._rank, self._size = 0, 1
        self._whole: Batches | None = None  # what this is a share of

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        told = f"{self._count:,} batches of {self._batch_size:,} from {self._samples:,} examples"
        order = "shuffled" if self._shuffle and self._generator is not None else "in order"
        changed = "" if self._transform is None else f", {arguments.called(self._transform)}"
        return f"Batches({told}, {order}{changed})"

    def __iter__(self) -> Iterator[Pair]:
        """Yield (x, y) batches, C-contiguous arrays that nobody else holds."""
        position = self._position = _Position(self._generator_state(), self._skip)
        self._skip = 0
        order = np.arange(self._samples)
        entropy = 0
        # Drawn here, not when the first batch is asked for.
        if self._generator is not None and self._shuffle:
            self._generator.shuffle(order)
        if self._generator is not None and self._transform is not None:
            entropy = int(self._generator.integers(1 << 63))
        return self._epoch(position, lambda number: self._batch(order, entropy, number))

    def share(self, rank: int, size: int) -> "Batches":
        """The part of each batch that is process ``rank``'s, one of ``size``: a ``Share``.

        It draws from the same generator, which must be in the same state in all processes, and its
        state is that of the whole. A transform draws from a generator that is the process's own.
        """
        made = copy.copy(self)
        made._rank, made._size, made._whole = rank, size, self
        return made

    @property
    def whole(self) -> "Batches":
        """What this is a share of, or itself."""
        return self._whole or self

    def state(self) -> dict[str, Any]:
        """Where iteration is: plain numbers, names and lists, as JSON takes them.

        That is the generator's state before the epoch begun last, and how many of its batches were
        given out; batches that a thread has prepared ahead do not count.
        """
        position = self._position or _Position(self._generator_state(), self._skip)
        return {
            "samples": self._samples,
            "batch_size": self._batch_size,
            "given": position.given,
            "generator": position.generator,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`: the next iteration gives what was left of its epoch.

        That may be nothing, where it was taken behind the last batch; the iterations after it are
        the epochs that follow. Nothing given out before is computed again. Raises DataError, and
        changes nothing, for a state of other data, another batch size or another kind of generator.
        """
        if not isinstance(state, Mapping) or state.keys() != self.state().keys():
            raise DataError(
                f"Batches.restore: found {_shortened(state)}, expected the entries "
                f"{', '.join(self.state())}; give what state() returned"
            )
        for name in ("samples", "batch_size"):
            if not arguments.is_whole(state[name]) or state[name] != self.state()[name]:
                raise DataError(
                    f"Batches.restore: found a state of {name}={_shortened(state[name])}, "
                    f"expected {self.state()[name]}; make the batches as they were"
                )
        given = state["given"]
        if not arguments.is_whole(given) or not 0 <= given <= len(self):
            raise DataError(
                f"Batches.restore: found {_shortened(given)} batches given, expected 0 to "
                f"{len(self)}; give what state() returned"
            )
        self._restore_generator(state["generator"])
        self._skip = int(given)
        self._position = None

    def _epoch(self, position: _Position, make: Callable[[int], Pair]) -> Iterator[Pair]:
        numbers = range(position.given, len(self))
        for batch in _made_ahead(make, numbers, self._ahead) if self._ahead else map(make, numbers):
            position.given += 1
            yield batch
        if self._position is position:
            self._position = None

    def _batch(self, order: NDArray[np.intp], entropy: int, number: int) -> Pair:
        start = number * self._batch_size
        chosen = order[start : start + self._batch_size]
        joined = len(chosen)
        if self._size > 1:
            chosen = chosen[share_of(joined, self._rank, self._size)]
        x, y = rows_of(self._x, self._y, chosen)
        if self._transform is not None:
            x = self._transformed(x, [entropy, number, *([self._rank] if self._size > 1 else [])])
        return (x, y) if self._size == 1 else Share.of(x, y, joined, self._size)

    def _transformed(self, x: Any, seed: list[int]) -> Any:
        # A generator of its own, so that a batch is the same whether those before it were made.
        count = length(x)
        changed = self._transform(x, np.random.default_rng(seed))  # type: ignore[misc]
        if isinstance(x, np.ndarray):
            changed = np.asarray(changed)
        for array in leaves(changed):
            if not isinstance(array, SETTINGS) and np.shape(array)[:1] != (count,):
                raise DataError(
                    f"batches: found x of shape {np.shape(array)} after the transform, expected "
                    f"{count} entries as before; keep the number of samples"
                )
        return changed

    def _generator_state(self) -> dict[str, Any] | None:
        return None if self._generator is None else _plain(self._generator.bit_generator.state)

    def _restore_generator(self, state: Any) -> None:
        if self._generator is None or state is None:
            if self._generator is None and state is None:
                return
            found, expected = ("no", "one") if state is None else ("a", "none, as nothing is drawn")
            raise DataError(
                f"Batches.restore: found {found} generator's state, expected {expected}; "
                "make the batches as they were"
            )
        bits = self._generator.bit_generator
        before = bits.state
        try:
            bits.state = state
            if _plain(bits.state) == state and _within(state):
                return
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
            pass  # whatever damage makes NumPy raise
        bits.state = before
        raise DataError(
            f"Batches.restore: found {_shortened(state)}, expected the state of a generator of "
            f"kind {type(bits).__name__}; make the batches as they were"
        )


class Share(tuple[Any, Any]):
    """One process's (x, y) of a batch that has ``joined`` rows in all processes.

    ``copies`` is how many processes have each row.
    """

    joined: int
    copies: int

    @classmethod
    def of(cls, x: Any, y: Any, joined: int, size: int) -> "Share":
        """The share whose rows these are."""
        made = cls((x, y))
        made.joined = joined
        made.copies = 1 if joined >= size else size
        return made


def share_of(count: int, rank: int, size: int) -> slice:
    """Which of ``count`` rows are those of one process: no row is in two, and none is left out.

    Where there are fewer rows than processes, each process has all of them.
    """
    if count < size:
        return slice(0, count)
    return slice(count * rank // size, count * (rank + 1) // size)


def _made_ahead(make: Callable[[int], Pair], numbers: range, ahead: int) -> Iterator[Pair]:
    """What `make` gives for each number, in order, made by a thread that ends with this."""
    pool = ThreadPoolExecutor(1, "batches")
    try:
        coming = deque(pool.submit(make, number) for number in numbers[:ahead])
        for number in [*numbers[ahead:], *[None] * len(coming)]:
            batch = coming.popleft().result()
            if number is not None:
                coming.append(pool.submit(make, number))
            yield batch
    finally:
        pool.shutdown(cancel_futures=True)


def _plain(state: Any) -> Any:
    """A generator's state without arrays."""
    if isinstance(state, Mapping):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state


def _within(state: Any) -> bool:
    """NumPy does not check the places in the tables of MT19937 (624 numbers) and Philox (4)."""
    place, buffered = state["state"].get("pos", 0), state.get("buffer_pos", 0)
    return bool(0 <= place <= 624 and 0 <= buffered <= 4)


def _shortened(value: object) -> str:
    return textwrap.shorten(repr(value), 80)


def generator_from(caller: str, seed: "Seed | None") -> "np.random.Generator":
    if isinstance(seed, np.random.Generator):
        return seed
    if arguments.is_whole(seed) and seed >= 0:  # type: ignore[operator]
        return np.random.default_rng(seed)
    raise DataError(
        f"{caller}: found seed={arguments.shown(seed)}, expected an int from 0 up or a "
        "np.random.Generator, as nothing is drawn without one; give seed=0"
    )


def _part_size(length: int, wanted: float) -> int:
    """The integer `wanted`, or that fraction of `length`, if it leaves no part empty."""
    if arguments.is_whole(wanted):
        count = int(wanted)
    elif isinstance(wanted, float | np.floating) and 0 < wanted < 1:
        count = round(length * float(wanted))
    else:
        count = 0
    if 0 < count < length:
        return count
    raise DataError(
        f"split: found fraction_or_count={arguments.shown(wanted)} for {length} samples, expected "
        f"a count from 1 to {length - 1} or a fraction between 0 and 1; leave samples for "
        "both parts"
    )
