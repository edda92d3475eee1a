"""A module that is changed for the time of a call, and the threads that have it meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Module

_changing = threading.Condition()
_holders: dict[int, int] = {}  # the thread that has changed a module, by the module's id
_evaluated: dict[int, tuple[Any, list[None]]] = {}  # the mode before, and one None for each call


@contextmanager
def at_rest(module: "Module") -> Iterator[list["Module"]]:
    """This module and those below it, which no other thread has changed or changes meanwhile.

    This is for what is soon done.
    """
    me, parts = threading.get_ident(), [part for _, part in module.named_modules()]
    with _changing:
        _changing.wait_for(
            lambda: not _holders or all(_holders.get(id(part), me) == me for part in parts)
        )
        yield parts


@contextmanager
def alone(module: "Module") -> Iterator[bool]:
    """No other thread changes this module or one below it while it lasts.

    Yields whether this thread has had it before: calls may be nested.
    """
    with at_rest(module) as parts:
        taken = [id(part) for part in parts if id(part) not in _holders]
        _holders.update(dict.fromkeys(taken, threading.get_ident()))
    try:
        yield id(module) not in taken
    finally:
        with _changing:
            for part in taken:
                del _holders[part]
            _changing.notify_all()


@contextmanager
def evaluating(module: "Module") -> Iterator[None]:
    """Evaluation mode while it lasts; every module is afterwards in the mode it was in.

    Of several threads the last one gives the modes back.
    """
    parts = [vars(part) for _, part in module.named_modules()]
    with _changing:
        for part in parts:
            _evaluated.setdefault(id(part), (part.get("training"), []))[1].append(None)
    try:
        module.eval()
        yield
    finally:
        with _changing:
            for part in parts:
                training, calls = _evaluated[id(part)]
                calls.pop()
                if not calls:
                    del _evaluated[id(part)]
                    part.pop("training", None)
                    part.update({} if training is None else {"training": training})
