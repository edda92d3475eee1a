"""``replay``: a step that runs as written once, is checked once, and is replayed from then on."""

import contextlib
import functools
import threading
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autodiff.guards import EXCLUSIVE
from ..autodiff.nests import floating, leaves, rebuild
from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from ..autodiff.transforms import differentiated_by
from ..errors import ReplayError
from ..markup import facts
from ..recording.anomaly import Inspector
from ..recording.lines import users_line
from ..recording.recorder import argument
from ..watch.reads import Read
from ..watch.walk import Walk
from .capture import Capture, refusal
from .given import Given, is_array
from .guards import Guards, spec
from .native import check as check_compiler
from .program import Program, Untouched
from .severed import leads_on, severed
from .show import Profile, as_html
from .verify import (
    State,
    compare_runs,
    compare_state,
    described,
    difference,
    outcome,
    refuse_difference,
)

KEPT_SIGNATURES = 64
NEVER = float("inf")
UNSHARED = contextlib.nullcontext()
PLAIN = frozenset([np.ndarray])
MOST_SEEN = 10_000  # signatures that are counted
MOST_CAPTURES = 16  # one after the other, without a replay


class Local(threading.local):
    """The programs of one thread: by signature, and the one that ran last."""

    def __init__(self) -> None:
        self.programs: dict[Any, list[Program]] = {}
        self.last: Program | None = None
        self.doubted = False  # whether the next call is to be compared
        self.has_warned = False
        self.unseen: set[Any] = set()  # signatures whose last capture saw what no guard can
        self.why: Read | None = None  # why the step runs as Python from now on
        self.in_vain = 0  # captures since the last replay
        self.seen: dict[Any, int] = {}  # by signature: its runs before there was a program


class Replay:
    """A step and the programs it was captured as; made by ``replay``."""

    def __init__(
        self, fn: Callable[..., Any], verify: bool | int = True, patience: int = 0,
        fuse: bool = False,
    ) -> None:  # fmt: skip
        if not callable(fn):
            raise TypeError(f"tg.replay takes a function, not {type(fn).__name__}.")
        if isinstance(fn, type):
            raise TypeError(f"tg.replay takes a function, not the class {fn.__name__}.")
        if not isinstance(verify, int) or verify < 0:
            raise TypeError(
                f"tg.replay(verify={verify!r}): True, False or an int from 1 up is needed."
            )
        functools.update_wrapper(self, fn)
        self.__qualname__ = getattr(fn, "__qualname__", type(fn).__name__)
        self.fn = fn
        self.verify = verify
        if not isinstance(fuse, bool):
            raise TypeError(f"tg.replay(fuse={fuse!r}): True or False is needed.")
        if fuse:
            check_compiler()
        self.fuse = fuse
        self.patience = patience  # runs before another signature than the first is captured
        self.is_transform = differentiated_by(fn, 0) is not None
        self._local = Local()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the function returns for these arguments, as Tensors that require no grad.

        A transform's function returns plain arrays for plain arguments, as ever.
        """
        if self.is_transform:
            return self._transformed(args, named)
        return self._called(args, named)

    def _transformed(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The same of a transform: numbers that it differentiates by are arrays of their own."""
        if not PLAIN.issuperset(map(type, (*args, *named.values()))):
            given = [part for part in leaves([args, named]) if isinstance(part, Tensor)]
            if any(part.requires_grad for part in given):
                return self.fn(*args, **named)  # which records
            places = differentiated_by(self.fn, len(args)) or ()
            args = tuple([_numbers(a) if n in places else a for n, a in enumerate(args)])
            named = {n: _numbers(a) if n in places else a for n, a in named.items()}
            if given:
                return self._called(args, named)
        if mode.capture is not None or mode.watch is not None:
            return self._called(args, named)
        result = self._called(args, named, plain=True)
        return _made(result, lambda v: v.numpy() if isinstance(v, Tensor) else v)

    def _called(self, args: tuple[Any, ...], named: dict[str, Any], plain: bool = False) -> Any:
        local = self._local
        program = None if local.doubted else local.last
        if program is None or not mode.ordinary or program.runs >= program.due:
            return self._run(args, named, plain)
        given = (*args, *named.values()) if named else args
        with EXCLUSIVE if program.guards.gradients else UNSHARED:  # others who add to them wait
            if program.named != [*named] or not program.guards.are_met(given):
                return self._run(args, named, plain)
            try:
                return program.run(given, plain)
            except Untouched:
                pass
            return self._as_written(Given(args, named), [])  # which may catch what a call raised

    def __repr__(self) -> str:
        found = [program for each in self._local.programs.values() for program in each]
        captured = f"{len(found)} programs" if len(found) != 1 else "1 program"
        if (why := self._local.why) is not None:
            return f"Replay({self.__qualname__}, runs as Python: it {why.name} at {why.place})"
        return f"Replay({self.__qualname__}, {captured} recorded in this thread)"

    def _repr_html_(self) -> str:
        if self._local.last is None:
            return facts("Replay", [self.__qualname__, "nothing recorded yet: call it twice"])
        return as_html(self._local.last, repr(self))

    def recheck(self) -> None:
        """Let the next call be compared with the step as it is written."""
        self._local.doubted = True

    def __reduce__(self) -> tuple[Any, ...]:
        return Replay, (self.fn, self.verify, self.patience, self.fuse)  # captures for itself

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    @property
    def program(self) -> Program:
        """The program that ran last; its ``print`` shows the plan."""
        program = self._local.last
        if program is None:
            raise ReplayError(
                f"{users_line()}: nothing is recorded yet; call the step twice first."
            )
        return program

    def profile(self, rounds: int = 50) -> Profile:
        """Time the equations of the program that ran last, on its last arguments.

        Parameters, gradients, optimisers and generators are afterwards what they were.
        """
        before = State(self.program)
        try:
            with np.errstate(all="ignore"):
                return self.program.profile(rounds)
        finally:
            before.restore()

    def _run(self, args: tuple[Any, ...], named: dict[str, Any], plain: bool = False) -> Any:
        """The long way: find the program, or capture one."""
        if isinstance(mode.capture, Inspector):  # which has to see what is computed of arrays
            given = Given(args, named)
            arrays = [part for part in given.parts if is_array(part)]
            tensors = [part if isinstance(part, Tensor) else argument(part) for part in arrays]
            return given.passed_to(self.fn, tensors)
        if mode.capture is not None or mode.watch is not None:
            return self.fn(*args, **named)
        given = Given(args, named)
        programs = self._local.programs.get(given.key, [])
        shared = any(program.guards.gradients for program in programs)
        with EXCLUSIVE if shared else UNSHARED:
            return self._found(programs, given, plain)

    def _found(self, programs: list[Program], given: Given, plain: bool) -> Any:
        """Run the program that may run now; where there is none, capture one."""
        if self._local.why is not None or any(program.guards.is_lent() for program in programs):
            return self._as_written(given, [])
        program = next((p for p in programs if p.guards.hold()), None)
        if program is None:
            if self._local.in_vain >= MOST_CAPTURES:
                return self._as_written(given, programs)
            if self._waits(given.key):
                return self._as_written(given, [])
            self._local.in_vain += 1
            # it may not run for gradients that are there, or not: so its guards tell
            told = [program for program in programs[-1:] if program.guards.changed() is None]
            program, result = self._captured(given)
            for last in told:
                compare_state(last)
            if program is not None:
                self._keep(given.key, program)
            return result
        if not program.guards.is_bound():
            program.link()
        # now: a gradient that is an argument may have moved on, out of the way of a new one
        given.inputs = given.arrays()
        if program.runs >= program.due or self._local.doubted:
            self._local.doubted = False
            result = self._verified(program, given)
            self._local.last = program
            return result
        self._local.in_vain, self._local.last = 0, program
        with contextlib.suppress(Untouched):
            return program.run(given.inputs, plain)
        return self._as_written(given, [])

    def _waits(self, key: Any) -> bool:
        """Whether a signature has come too seldom for a capture to be worth its time."""
        local = self._local
        if not self.patience or not local.programs or key in local.programs:
            return False
        if len(local.seen) > MOST_SEEN:
            local.seen.clear()
        runs = local.seen[key] = local.seen.get(key, 0) + 1
        return runs <= self.patience

    def _as_written(self, given: Given, programs: list[Program]) -> Any:
        """Run a step that would be captured in every call, without a capture."""
        changed = programs[-1].guards.changed() if programs else None
        reason = f"reads {changed[0].name}, which changes in every call" if changed else ""
        if (why := self._local.why) is not None:
            reason = f"{why.name}{f' ({why.place})' * bool(why.place)}, which a replay cannot watch"
        if reason and not self._local.has_warned:
            self._local.has_warned = True
            warnings.warn(
                f"tg.replay: the step {reason}, so it runs as Python from now on; to replay it, "
                "get the value outside and pass it as an argument (np.float32(value)).",
                stacklevel=4,
            )
        return detached(given.passed_to(self.fn, map(argument, given.inputs)))

    def _keep(self, key: Any, program: Program) -> None:
        """Keep a program, unless there is one for the state that its run has left behind."""
        self._local.unseen.discard(key)
        everything = self._local.programs
        programs = everything.setdefault(key, [])
        known = any(other.due and other.guards.hold() for other in programs)
        if known and program.guards.hold():
            program.forget()
            return
        program.link()
        programs.append(program)
        del programs[:-4]  # the same shapes with other numbers outside, or gradients at entry
        while len(everything) > KEPT_SIGNATURES:
            del everything[next(k for k in everything if k != key)]

    def _captured(self, given: Given) -> tuple[Program | None, Any]:
        """Run the function and take it down; the program if there may be one, and the result."""
        capture = Capture()
        with capture.reads.noted():
            result = self._recorded(capture, given)
        walk = Walk(capture.reads, [self.fn, *given.others()])
        capture.settle(walk.seen)
        filled = detached(result, capture)  # the values now: a plan may merge two variables
        if (unseen := walk.reads.unseen) is not None:
            local = self._local  # the first time may be for something lasting, as an import
            local.why = unseen if given.key in local.unseen else None
            local.unseen.add(given.key)
            capture.close()
            return None, filled
        args, named = given.nest
        is_plain = PLAIN.issuperset(map(type, (*args, *named.values())))
        guards = Guards(walk, capture, [*map(spec, given.inputs)] if is_plain else None)
        program = Program(capture, guards, result, self.fuse)
        program.trace, program.held = described(capture, result), given.others()
        program.due, program.named = self._due(0), [*named]
        return program, filled

    def _recorded(self, capture: Capture, given: Given) -> Any:
        """Run the function with all operations written down; what it returned."""
        tensors = [capture.argument(k, array) for k, array in enumerate(given.inputs)]
        mode.capture = capture
        try:
            result = given.passed_to(self.fn, tensors)
            if capture.refused is not None:  # and the step has caught it
                raise capture.refused
            for part in leaves(result):
                if _holds_tensors(part):
                    raise refusal(
                        f"returns an object of class {type(part).__name__} that holds Tensors",
                        "return a tuple, a dict or a dataclass of them",
                    )
                if isinstance(part, Tensor):
                    capture.variable(part)  # refuses what cannot be returned
                    if self.is_transform and part._is_recorded:
                        raise refusal(
                            "is a transform of a function that closes over a Tensor that requires "
                            "grad, so that its result would require grad, too",
                            "pass it as an argument, or close over its .detach()",
                        )
        finally:
            mode.capture = None
        return result

    def _due(self, runs: int) -> float:
        """The run before which a program is to be verified next: calls 2, 4, 8, 16 …"""
        return 2 * runs if self.verify is True else runs + (self.verify or NEVER) if runs else 0

    def _verified(self, program: Program, given: Given) -> Any:
        """Replay the step, take it back, run it as it is written, and compare.

        A program counts from here on: the step did the same twice, and left all that it reads as it
        was. Its first run may differ from all others, as when it fills a cache; then the second's
        program takes the place. Between the runs that are due, as at the start of an epoch, the
        step is taken down only if its outcome is another one: that takes five times as long as to
        run it.
        """
        is_known, quick = program.due > 0, program.runs < program.due
        programs, before = self._local.programs[given.key], State(program)
        ours: Any = None
        try:
            ours = [*outcome(program, program.run(given.inputs), copied=True)]
        except ReplayError:
            raise
        except Exception as raised:
            ours = raised
        finally:
            before.restore()
        if isinstance(ours, Untouched):
            return self._as_written(given, [])
        if quick:
            result = given.passed_to(self.fn, map(argument, given.inputs))
            wrong = difference(program, ours, outcome(program, result, copied=False))
            if not wrong and program.guards.changed() is None:
                return detached(result)
            before.restore()
        del before  # with its copies
        second: Program | None = None
        if is_known:  # and what it reads is watched
            capture = Capture()
            result = self._recorded(capture, given)
            trace, result = described(capture, result), detached(result, capture)
            capture.close()  # its arrays need not wait for the garbage collector
        else:
            second, result = self._captured(given)
            if second is None:
                programs.remove(program)
                return result
            trace = second.trace
        compare_state(program)
        try:
            compare_runs(program, trace)
        except ReplayError:
            if second is None or program.is_second:
                raise
            second.is_second = True
            programs.remove(program)
            self._keep(given.key, second)
            return result
        if second is not None:
            second.forget()
            program.settle(result)
        if not quick:
            wrong = difference(program, ours, outcome(program, result, copied=False))
        refuse_difference(wrong, ours)
        program.due = self._due(program.runs)
        return result


def detached(result: Any, capture: Capture | None = None) -> Any:
    """What the step returned, without its graph; of a ``capture`` in memory of its own."""

    def alone(part: Any) -> Any:
        if isinstance(part, Tensor) and capture is None:
            return severed(part._array) if leads_on(part) else part.detach()
        if isinstance(part, Tensor) and capture and capture.variable(part).kind != "memory":
            return severed(np.array(part._array)) if leads_on(part) else Tensor(part._array)
        return part

    return _made(result, alone)


def _made(result: Any, make: Callable[[Any], Any]) -> Any:
    """What the step returned, made anew: what stands in two places is one object in both."""
    parts = leaves(result)
    made = {key: make(part) for key, part in {id(part): part for part in parts}.items()}
    return rebuild(result, [made[id(part)] for part in parts])


def _numbers(nest: Any) -> Any:
    """A nest with arrays for its numbers, as transforms see them."""
    parts = [floating(part) for part in leaves(nest)]
    for i, part in enumerate(parts):
        if isinstance(part, (float, complex)) and not isinstance(part, np.generic):
            parts[i] = np.asarray(part)
    return rebuild(nest, parts)


def _holds_tensors(part: Any) -> bool:
    """Whether a result is an object with Tensors in it, which a replay would not make anew."""
    own = vars(part) if hasattr(part, "__dict__") and not callable(part) else {}
    return not isinstance(part, Tensor) and any(isinstance(v, Tensor) for v in own.values())


def replay(
    fn: Callable[..., Any] | None = None,
    *,
    verify: bool | int = True,
    fuse: bool = False,
) -> Any:
    """Record ``fn`` once, then replay the recording: the same results in less time.

    ``fn(*arrays, **arrays)`` computes a loss, calls ``loss.backward()`` and returns the loss (or
    any nest of Tensors); it gets new Tensors for arrays, so writes into these do not reach the
    caller. The first call with arguments of given shapes and dtypes runs and records it; the second
    runs it both ways and compares every bit; later ones run the program in memory allocated once.
    Other shapes are recorded anew. Gradients are in ``.grad`` of the leaves, as without replay. A
    gradient that goes into a result is an error, because a replay keeps no graph.

    ``fn`` may be a transform: ``tg.replay(tg.value_and_grad(f))``, of ``grad``, ``jacobian``,
    ``hessian``, ``vmap``, also ``tg.replay(tg.hvp)`` and ``tg.replay(tg.jvp)``. Then plain arrays
    and numbers give plain arrays, as without ``tg.replay``.

    ``fn`` may call optimisers, draw from generators passed to functions of this package, and write
    Tensors in place. Everything else that it reads (attributes, globals, numbers in lists and
    dicts, the environment) is watched; if a value has changed, the step is recorded anew. What it
    prints, or appends to a list that it does not read (no Tensors), happens only when it runs as
    Python: in calls 1, 2, 4, 8, 16 …, where the replay is compared with it again. ``verify=n``
    compares at every n-th call instead, ``verify=False`` in call 2 alone. Only these notice what
    other threads do, and settings that a library reads itself. A step that reads state outside of
    Python (a file, the clock, an iterator, a lock), or makes text of a Tensor, runs as Python in
    each call; a warning and ``repr(step)`` say so.

    ``fuse=True`` (extra ``fuse``) compiles elementwise operations that follow each other, also
    those of the optimiser, to one loop. The results are the same to the last bit. A fused operation
    does not warn of overflow; under ``np.errstate(all="raise")`` the step runs without fusing.

    NumPy arrays that the step makes are constants of the recording. NumPy arrays from outside are
    compared byte by byte before each replay; make a Tensor of a large one.

    Raises ReplayError, with the line and the remedy, for what cannot be replayed: a value that
    leaves the tape (``if t > 0``, ``t.item()``); a step that changes what it reads in each call,
    such as a counter (it may fill a cache in its first run); random numbers that no operation draws
    (use ``tg.random``).

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> @tg.replay
    ... def step(x):
    ...     w.grad = None
    ...     loss = np.sum(w * x)
    ...     loss.backward()
    ...     return loss
    ...
    >>> [step(np.array([1.0, k])).item() for k in range(3)]
    [1.0, 3.0, 5.0]
    """
    if fn is None:
        return functools.partial(replay, verify=verify, fuse=fuse)
    return Replay(fn, verify, fuse=fuse)
