"""A group of processes: gradients are added up, states made equal, and checked to be so."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..arguments import shown
from ..autodiff.primitives import neural, primitive
from ..autodiff.rules import defvjp
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..errors import DataError, ShapeError
from ..nn.module import Module
from ..nn.normalisation import BatchNorm1d
from ..optim.pack import Pack, working
from .same import as_bytes, as_text, checksum, flat

INSTALL = (
    "several processes need mpi4py and an MPI library: pip install mpi4py, and Open "
    "MPI or MPICH from your system (apt install openmpi-bin)."
)
WAIT = 2.0  # seconds for an exception that all processes have, as for bad input


class Group:
    """The processes of a communicator, which train one model, each on its part of every batch.

    ``comm`` is one of mpi4py's (None: all processes that ``mpirun`` started). ``rank`` is the
    number of this process, from 0 on, and ``size`` how many there are. Give the group to
    ``tg.training.fit``. As a context manager it ends all processes with one sentence when this one
    ends with an exception and others do not, so that none waits for it. Raises ImportError without
    mpi4py.

    >>> class Alone:
    ...     def Get_rank(self):
    ...         return 0
    ...     def Get_size(self):
    ...         return 1
    ...
    >>> tg.parallel.Group(Alone())
    Group(rank 0 of 1)
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm = _world() if comm is None else comm
        if not hasattr(self.comm, "Get_rank"):
            raise TypeError(
                f"Group(comm={shown(comm)}): a communicator of mpi4py is needed, as "
                "MPI.COMM_WORLD; leave it out for all processes that mpirun started."
            )
        self.rank, self.size = int(self.comm.Get_rank()), int(self.comm.Get_size())
        self.sent = 0  # bytes that were handed to MPI in steps
        self._memory: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}
        self._sums: list[tuple[np.ndarray, np.ndarray]] = []  # of this step: own, all
        self._place = 0  # of the next sum in the step
        self._keeps = False  # whether the step may run again
        self._is_open = False  # whether a step is on its way
        self._copies = 1  # of each row, in this step
        self._ends: Any = self.comm.Dup() if self.size > 1 else None  # beside the sums of a step

    def __repr__(self) -> str:
        return f"Group(rank {self.rank} of {self.size})"

    def __deepcopy__(self, memo: Any) -> "Group":
        return self  # a copy of a model is in the same group

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        is_end = isinstance(error, SystemExit) and not error.code
        if error is None or is_end or self.size == 1 or self._all_have_ended():
            return
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(
            f"rank {self.rank} of {self.size} ended all processes: {text}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        self.comm.Abort(1)

    def _all_have_ended(self) -> bool:
        """Whether the others come here too, each with an exception."""
        ended, start = self._ends.Ibarrier(), time.monotonic()
        while not ended.Test():
            if time.monotonic() > start + WAIT:
                return False
            time.sleep(0.01)
        return True

    def sum(self, *values: float) -> list[float]:
        """Each number added up over all processes."""
        own = np.array(values, np.float64)
        joined = np.empty_like(own)
        self.comm.Allreduce(own, joined)
        found: list[float] = joined.tolist()
        return found

    @contextmanager
    def step(
        self, generators: "Mapping[str, np.random.Generator]", copies: int = 1
    ) -> Iterator[None]:
        """A step on its way, in which this process draws numbers of its own.

        ``copies`` is how many processes have each row of the batch.
        """
        self._sums.clear()
        self._place, self._keeps, self._is_open = 0, False, True
        self._copies = copies
        try:
            with self.draws(generators):
                yield
        finally:
            self._is_open, self._copies = False, 1

    @contextmanager
    def draws(self, generators: "Mapping[str, np.random.Generator]") -> Iterator[None]:
        """This process draws numbers of its own while it lasts.

        Before and after it the generators are in the same state everywhere; it takes a number from
        each of them, and draws from a generator that is made of that number and the rank.
        """
        own = list({id(g): g for g in generators.values()}.values())
        states = []
        for generator in own:
            entropy = int(generator.integers(1 << 63))
            bits: Any = generator.bit_generator
            states.append(bits.state)
            bits.state = type(bits)(np.random.SeedSequence([entropy, self.rank])).state
        try:
            yield
        finally:
            for generator, state in zip(own, states, strict=True):
                generator.bit_generator.state = state

    def keep(self) -> None:
        """The step may run more than once, as where a replay is compared with it.

        Then only the first run talks to the other processes, which may not run it again.
        """
        self._keeps = True

    def total(self, own: np.ndarray, joined: np.ndarray | None = None) -> np.ndarray:
        """An array added up over all processes, in a step; else the array itself.

        The result may be ``joined``, memory for it.
        """
        if not self._is_open:
            return own
        place, self._place = self._place, self._place + 1
        if place < len(self._sums):
            before, total = self._sums[place]
            return total if np.array_equal(before, own, equal_nan=True) else total + own - before
        own = np.ascontiguousarray(own)
        joined = np.empty_like(own) if joined is None else joined
        self.comm.Allreduce(own, joined)
        self.sent += own.nbytes
        if self._keeps:
            self._sums.append((own.copy(), joined.copy()))
        return joined

    def rows_total(self, own: np.ndarray) -> np.ndarray:
        """A sum over rows, (n, a) to (a,), added up so that each row counts once."""
        joined = self.total(own)
        return joined if self._copies == 1 else joined / self._copies

    def reduce(self, packs: Sequence[Pack], numbers: Sequence[float]) -> list[float]:
        """Add up the gradients, to which each process gives its share, and ``numbers``.

        One call of MPI for each dtype: it takes the packed buffers, for each parameter whether it
        has a gradient (where only others have one, it counts as 0), and the numbers.
        """
        found: list[float] = []
        try:
            for dtype in dict.fromkeys(pack.values.dtype for pack in packs):
                alike = [pack for pack in packs if pack.values.dtype == dtype]
                joined = self._reduce(alike, numbers, working(dtype))
                found = found or joined
        finally:
            self._place = 0
        return found

    def _reduce(self, packs: Sequence[Pack], numbers: Sequence[float], dtype: Any) -> list[float]:
        sizes, counts = [p.values.size for p in packs], [len(p.params) for p in packs]
        own, joined = self._buffers(sum(sizes) + sum(counts) + len(numbers), dtype)
        own[len(own) - len(numbers) :] = numbers
        whole = [pack.is_whole() for pack in packs]
        start, flag = 0, sum(sizes)
        places = []
        for pack, size, count, is_whole in zip(packs, sizes, counts, whole, strict=True):
            places.append((slice(start, start + size), slice(flag, flag + count)))
            start, flag = start + size, flag + count
            segment, has = (own[place] for place in places[-1])
            if is_whole:
                segment[...] = pack.grads.ravel(order="K")
                has[...] = 1
                continue
            grads = [parameter.grad for parameter in pack.params]
            has[...] = [grad is not None for grad in grads]
            for part, grad in zip(pack.parts(segment), grads, strict=True):
                part[...] = 0 if grad is None else grad._array.reshape(part.shape)
        joined = self.total(own, joined)
        for pack, is_whole, (where, flags) in zip(packs, whole, places, strict=True):
            has = joined[flags].real
            if is_whole and (has == self.size).all():
                pack.grads.ravel(order="K")[...] = joined[where]
                for parameter, slot in zip(pack.params, pack.slots, strict=True):
                    parameter._grad = slot
                continue
            parts = zip(pack.params, pack.parts(joined[where]), has, strict=True)
            for parameter, part, count in parts:
                made = part.astype(parameter.dtype).reshape(parameter.shape)
                parameter._grad = Tensor(made) if count else None
        result: list[float] = joined[len(joined) - len(numbers) :].real.tolist()
        return result

    def _buffers(self, size: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
        """Memory for what is sent and what comes back, the same in every step."""
        found = self._memory.get((size, dtype.str))
        if found is None:
            found = self._memory[size, dtype.str] = np.empty(size, dtype), np.empty(size, dtype)
        return found

    @contextmanager
    def joined(self, model: Module) -> Iterator[None]:
        """Batch normalisation by all processes' rows while it lasts."""
        layers = [m for _, m in model.named_modules() if isinstance(m, BatchNorm1d)]
        for layer in layers:
            layer.group = self
        try:
            yield
        finally:
            for layer in layers:
                del layer.group

    def moments(self, x: Any, too_few: str) -> tuple[Any, Any, Any]:
        """Mean and variance of the rows (n, a) of all processes, and how many there are.

        Raises ShapeError, with the words ``too_few``, in all processes where that is one row.
        """
        count = np.full(1, len(x), x.dtype)
        sums = everywhere(np.concatenate([neural.row_sum(x), count]), self, too_few)
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = x - mean
        return mean, everywhere(neural.row_sum(centred * centred), self) / count, count

    def align(self, model: Module, states: Any) -> Any:
        """Give all processes the weights and statistics of rank 0, and its ``states``, a nest.

        Raises DataError, naming rank and parameter, where the models are not alike.
        """
        own = model.state_dict()
        self.check({name: (value.dtype.str, value.shape) for name, value in own.items()})
        for name, value in own.items():
            own[name] = self._broadcast(as_bytes(value)).view(value.dtype).reshape(value.shape)
        with no_grad():
            model.load_state_dict(own)
        text = np.frombuffer(as_text(states), np.uint8)
        length = self._broadcast(as_bytes(np.array([len(text)]))).view(np.int64)[0]
        text = text if self.rank == 0 else np.empty(length, np.uint8)
        return json.loads(self._broadcast(text).tobytes())

    def _broadcast(self, own: np.ndarray) -> np.ndarray:
        """The array of rank 0."""
        made = own.copy()
        self.comm.Bcast(made, 0)
        return made

    def check(self, nest: Mapping[str, Any]) -> None:
        """Raise DataError in all processes, naming rank and entry, where one has another value."""
        named = flat("", nest)
        names = [name.strip() for name in named]
        counts = self._gathered([checksum(names), len(names)])
        if (counts != counts[0]).any():
            rank = int(np.flatnonzero((counts != counts[0]).any(axis=1))[0])
            raise DataError(
                f"rank {rank} of {self.size} has other arrays than rank 0: {counts[rank, 1]} "
                f"entries instead of {counts[0, 1]}; build the same model, optimiser and data in "
                "all processes."
            )
        sums = self._gathered([checksum(value) for value in named.values()])
        if (wrong := np.argwhere(sums != sums[0])).size:
            rank, place = wrong[0].tolist()
            raise DataError(
                f"rank {rank} of {self.size} differs from rank 0 in {names[place]}; build the same "
                "model, optimiser and data in all processes, and change nothing in one alone."
            )

    def _gathered(self, own: list[int]) -> np.ndarray:
        """The numbers of all processes, one row each."""
        table = np.zeros((self.size, len(own)), np.int64)
        table[self.rank] = own
        joined = np.empty_like(table)
        self.comm.Allreduce(table, joined)
        return joined


def _world() -> Any:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):  # the latter where no MPI library is found
        raise ImportError(INSTALL) from None
    return MPI.COMM_WORLD


@primitive
def everywhere(x: Any, group: Group, too_few: str = "") -> Any:
    """``x``, a sum over rows, added up over all processes of a group.

    With ``too_few`` the last number is how many rows there are; fewer than two are refused with
    these words, also where a replay finds them.
    """
    joined = group.rows_total(x)
    if too_few and joined[-1] < 2:
        raise ShapeError(too_few)
    return joined


# each process has the sum, and a loss of its own: the cotangents of all of them add up
defvjp(everywhere, lambda g, _out, _x, group, _too_few="": everywhere(g, group))
