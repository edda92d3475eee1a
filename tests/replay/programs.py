"""Random step programs, replayed beside eager mode: equal, refused, or a fault.

(tests/replay/programs.py; what programs are made of is in program_parts.py.)

A program is Python source drawn from a seed: a step, what it reads, and events between its calls
that change this. It lives in two worlds, in one as it is written and in the other through
``tg.replay``; after each event everything that can be seen is compared to the last bit.

``python -m tests.replay.programs --count N --seed S [--verbose]`` runs N of them;
``--shrink SEED`` prints the smallest program that has the same fault, ``--attribute`` shrinks all.
"""

import argparse
import builtins
import contextlib
import copy
import functools
import linecache
import os
import random
import re
import sys
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

import tests.replay.program_parts as pieces
import tinygrad_np as tg
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import TABLE

FRAMES = [
    "module",
    "module",
    "closure",
    "closure",
    "closure",
    "object",
    "decorated",
    "callable",
    "argued",
]


@dataclass
class Event:
    """A call of the step (``rows`` of a batch), or statements between calls."""

    kind: str
    code: str = ""
    rows: int = 0
    dtype: str = "f4"
    seed: int = 0
    layout: str = "C"
    wrong: bool = False  # labels out of range
    other: bool = False  # of the second step
    thread: bool = False  # in another thread
    part: int = -1  # whose state the statements change

    def __str__(self) -> str:
        if not self.rows:
            return f"# {self.kind}\n{self.code}"
        step = "other" if self.other else "step"
        wrong = ", labels out of range" if self.wrong else ""
        wrong += ", in another thread" if self.thread else ""
        return f"{step}(*batch({self.rows}, {self.dtype!r}, {self.seed}))  # {self.layout}{wrong}"


@dataclass
class Recipe:
    """All that a program is made of."""

    frame: str = "module"
    model: str = "tanh"
    optimiser: str = ""
    zeroing: str = ""
    loss: str = "np.mean(np.square(h)) * 0.5"
    result: str = "loss"
    inside: bool = True  # whether the optimiser steps in the step
    second: str = ""  # a second step on the same model: evaluate, train, or the same again
    looks: str = "always"  # when gradients are looked at
    order: list[int] = field(default_factory=list)
    parts: list[pieces.Part] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def drawn(seed: int) -> Recipe:
    """The program of a seed."""
    r = Random(seed)
    recipe = Recipe(
        frame=r.choice(FRAMES),
        model=r.choice([*pieces.MODELS, "tanh", "net", "net", "bare"]),
        optimiser=r.choice(pieces.OPTIMISERS),
        zeroing=r.choice(pieces.ZEROING),
        loss=r.choice(pieces.LOSSES),
        result=r.choice(pieces.RESULTS),
        inside=r.random() < 0.7,
        second=r.choice(["", "", "", "", "evaluate", "train", "again"]),
        looks=r.choice(["always", "rarely"]),
    )
    if not recipe.optimiser:
        recipe.zeroing = recipe.zeroing.replace("$optimiser", "$model")
    kind = r.choice(
        ["quiet", "still", "state", "state", "state", "tensors", "tensors", "moving", "both"]
    )
    makers = [pieces.state]
    if kind == "quiet":
        makers = pieces.QUIET
    elif kind == "tensors":
        makers = [pieces.computed, pieces.late, pieces.buffer]
    elif kind == "moving":
        makers = pieces.MOVING
    number = r.choice([0, 1, 2]) if kind == "tensors" else r.choice([1, 1, 2])
    recipe.parts = [r.choice(makers)(r, i) for i in range(number)]
    for _ in range(r.choice([0, 0, 1])):
        recipe.parts.append(r.choice(pieces.BESIDE)(r, len(recipe.parts)))
    recipe.order = list(range(len(recipe.parts)))
    r.shuffle(recipe.order)
    changes = [
        Event(name, code, part=k)
        for k, part in enumerate(recipe.parts)
        for name, code in part.changes
    ]
    if kind == "still":
        changes = []
    if kind in ("tensors", "both"):
        changes += [_model_change(r, recipe) for _ in range(r.choice([1, 2, 3, 4]))]
    recipe.events = _schedule(r, recipe, changes)
    return recipe


def _model_change(r: Random, recipe: Recipe) -> Event:
    kind, code = r.choice(pieces.changes_of(recipe.model, recipe.optimiser))
    return Event(kind, code.replace("{p}", pieces.PARAMETER.replace("{k}", str(r.randrange(2)))))


def _schedule(r: Random, recipe: Recipe, changes: list[Event]) -> list[Event]:
    """Calls of several signatures, and the changes among them."""
    sizes = r.choice([[4], [4], [4], [5, 3], [6, 6, 2], [4, 1]])
    dtypes = r.choice([["f4"], ["f4"], ["f4"], ["f4", "f8"]])

    threaded = r.random() < 0.05

    def call() -> Event:
        return Event(
            "call",
            rows=r.choice(sizes),
            dtype=r.choice(dtypes),
            seed=r.randrange(5),
            layout=r.choice(["C", "C", "C", "C", "F", "Tensor", "buffer"]),
            wrong=r.random() < 0.02,
            other=bool(recipe.second) and r.random() < 0.3,
            thread=threaded and r.random() < 0.3,
        )

    events = [call() for _ in range(r.choice([1, 2, 3, 3, 4]))]
    if not recipe.inside and recipe.optimiser:
        step = [Event("the optimiser steps", "$optimiser.step()")]
    else:
        step = []
    if not recipe.zeroing and r.random() < 0.6:
        step.append(Event("gradients are cleared", "$model.zero_grad()"))
    events = [e for event in events for e in (event, *step)]
    r.shuffle(changes)
    for change in changes:
        events.append(change)
        for _ in range(r.choice([0, 1, 1, 2, 3])):
            events += [call(), *step]
    for _ in range(r.choice([1, 2, 3])):
        events += [call(), *step]
    return events


ROUTINE = ("call", "the optimiser steps", "gradients are cleared")


def is_unmoved(recipe: Recipe) -> bool:
    """Whether nothing but Tensors changes in a program, in the usual way: it needs no refusal."""
    if any(part.moves or part.leaves for part in recipe.parts):
        return False
    return all(event.kind in ROUTINE and not event.wrong for event in recipe.events)


# Source.


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line if line.strip() else "" for line in text.split("\n"))


def source(recipe: Recipe, whole: bool = True) -> str:
    """The module of a program, without the prelude; if not whole, without what only we call."""
    layers = pieces.MODELS.get(recipe.model)
    if layers:
        made = f"nn.Sequential({layers})"
    else:
        made = "Net(seed)" if recipe.model == "net" else "Bare(seed)"
    lines = [f"def MODEL(seed=0):\n    return {made}\n"]
    builds = [("model", "MODEL()")]
    if recipe.optimiser:
        lines.append(f"def OPTIMISER(params):\n    return {recipe.optimiser}\n")
        builds.append(("optimiser", "OPTIMISER($model.parameters())"))
    ordered = [recipe.parts[k] for k in recipe.order]
    for part in recipe.parts:
        builds += part.builds
        if part.declares.strip():
            lines.append(part.declares.strip() + "\n")
    extras = [part.extra for part in recipe.parts if part.extra]
    given = [part.argument for part in recipe.parts if part.argument]
    if recipe.frame == "argued":
        held = [name for name, _ in builds[: 2 if recipe.optimiser else 1]]
        extras, given = [*held, *extras], [*held, *given]
    step = _step(recipe, ordered, extras)
    names = [name for name, _ in builds]
    lines.append(FRAME[recipe.frame](builds, names, step))
    if not whole:
        return "\n\n".join(lines)
    passed = ", ".join(["*batch", *given])
    lines.append(f"\ndef call(*batch):\n    return step({passed})\n")
    lines.append(f"\ndef call_other(*batch):\n    return other({passed})\n")
    watched = [code for part in recipe.parts for code in part.watches]
    body = ", ".join(_outside(recipe, code, names) for code in watched)
    lines.append(f"\ndef watched():\n    return [{body}]\n")
    now = _outside(recipe, "$model", names)
    optimiser = _outside(recipe, "$optimiser", names) if recipe.optimiser else "None"
    lines.append(f"\ndef current():\n    return {now}, {optimiser}\n")
    return "\n\n".join(lines)


def _step(
    recipe: Recipe, ordered: list[pieces.Part], extras: list[str]
) -> list[tuple[str, str, str]]:
    """Names, with parameters, and bodies of the step and of the second one; what is replayed."""
    plain = [extra for extra in extras if not extra.startswith("*")]
    named = [extra.removeprefix("*, ") for extra in extras if extra.startswith("*")]
    given = ", ".join(["x", "y", *plain, *(["*", *named] if named else [])])
    pre, post = ["h = x", *(p.pre for p in ordered)], [p.post for p in ordered]
    forward = [*pre, "h = $model(h)", *post, f"loss = {recipe.loss}", *(p.tail for p in ordered)]
    after = ["loss.backward()", *(p.late for p in ordered)]
    if recipe.optimiser and recipe.inside:
        after.append("$optimiser.step()")
    steps = [(f"step({given})", [recipe.zeroing, *forward, *after, f"return {recipe.result}"])]
    if recipe.second == "evaluate":
        steps.append((f"other({given})", ["with tg.no_grad():\n    return np.mean($model(x))"]))
    elif recipe.second == "train":
        body = ["$model.zero_grad()", "loss = np.mean($model(x) ** 2)", "loss.backward()"]
        steps.append((f"other({given})", [*body, "return loss"]))
    elif recipe.second == "again":
        steps.append((f"other({given})", steps[0][1]))
    dressed = "{f}"
    for part in recipe.parts:
        if part.dress:
            dressed = part.dress.format(f=dressed)
    dresses = [dressed, dressed]
    return [
        (head, "\n".join(line for line in body if line), dress)
        for (head, body), dress in zip(steps, dresses, strict=False)
    ]


def _scoped(body: str, scope: str, prefix: str = "") -> str:
    """A body in which the frame's variables are named as they are there."""
    body = re.sub(r"\$nonlocal (\w+)", f"{scope} \\1" if scope else "pass", body)
    return body.replace("$", prefix)


def _in_module(builds: Any, _names: Any, steps: Any) -> str:
    lines = [f"{name} = {made.replace('$', '')}" for name, made in builds]
    for head, body, dress in steps:
        name = head.split("(")[0]
        lines.append(f"\n\ndef {head}:\n{_indented(_scoped(body, 'global'), 4)}\n")
        lines.append(f"\n{name} = decorate({dress.format(f=name)})")
    lines.append("\n\ndef rebind(name, value):\n    globals()[name] = value\n")
    return "\n".join(lines)


def _in_closure(builds: Any, names: Any, steps: Any) -> str:
    lines = [f"{name} = {made.replace('$', '')}" for name, made in builds]
    for head, body, _ in steps:
        lines.append(f"\ndef {head}:\n{_indented(_scoped(body, 'nonlocal'), 4)}")
    lines.append("\ndef peek(name):\n    return {")
    lines += [f"        {name!r}: lambda: {name}," for name in names]
    lines.append("    }[name]()")
    lines.append(f"\ndef rebind(name, value):\n    nonlocal {', '.join(names)}")
    lines += [f"    if name == {name!r}:\n        {name} = value" for name in names]
    returned = [
        "peek",
        "rebind",
        *(f"decorate({dress.format(f=head.split('(')[0])})" for head, _, dress in steps),
    ]
    lines.append(f"\nreturn {', '.join(returned)}")
    made = ", ".join(["peek", "rebind", *(head.split("(")[0] for head, _, _ in steps)])
    return f"def make():\n{_indented(chr(10).join(lines), 4)}\n\n\n{made} = make()"


def _in_object(builds: Any, _names: Any, steps: Any, how: str = "object") -> str:
    lines = [f"self.{name} = {made.replace('$', 'self.')}" for name, made in builds]
    text = f"class Trainer:\n    def __init__(self):\n{_indented(chr(10).join(lines), 8)}\n"
    after = ["trainer = Trainer()"]
    for head, body, dress in steps:
        name, given = head.split("(")
        plain = how == "decorated" and dress == "{f}"
        method = "__call__" if how == "callable" and name == "step" else name
        decorator = "    @decorate\n" if plain else ""
        body = _indented(_scoped(body, "", "self."), 8)
        text += f"\n{decorator}    def {method}(self, {given}:\n{body}\n"
        value = "trainer" if method == "__call__" else f"trainer.{name}"
        after.append(f"{name} = {value if plain else f'decorate({dress.format(f=value)})'}")
    after.append("\n\ndef rebind(name, value):\n    setattr(trainer, name, value)\n")
    return text + "\n\n" + "\n".join(after)


FRAME: dict[str, Any] = {
    "module": _in_module,
    "argued": _in_module,  # model and optimiser are arguments of the step
    "closure": _in_closure,
    "object": _in_object,
    "decorated": lambda *args: _in_object(*args, how="decorated"),
    "callable": lambda *args: _in_object(*args, how="callable"),
}


def _outside(recipe: Recipe, code: str, names: list[str]) -> str:
    """Statements of an event, with the variables as they are named outside of the frame."""
    form = {"module": "{0}", "argued": "{0}", "closure": "peek('{0}')"}.get(
        recipe.frame, "trainer.{0}"
    )
    for name in sorted(names, key=len, reverse=True):
        code = code.replace(f"${name}", form.format(name))
    return code


def names_of(recipe: Recipe) -> list[str]:
    """The variables of the frame."""
    own = [name for part in recipe.parts for name, _ in part.builds]
    return ["model", "optimiser", *own]


# Worlds.


def undressed(step: Any) -> Any:
    """What a replay replays: a method, a partial, a function."""
    return getattr(step, "fn", step)


def original(step: Any) -> Any:
    """The function that a step is in the end."""
    step = undressed(step)
    while not isinstance(step, types.FunctionType) or hasattr(step, "__wrapped__"):
        if isinstance(step, types.MethodType):
            step = undressed(step.__func__)
        elif isinstance(step, functools.partial):
            step = step.func
        else:
            step = getattr(step, "__wrapped__", None) or type(step).__call__
    return step


@functools.cache
def prelude() -> types.CodeType:
    """What all programs have, compiled."""
    file = "<program_prelude>"
    linecache.cache[file] = (1, None, pieces.PRELUDE.splitlines(True), file)
    return compile(pieces.PRELUDE, file, "exec")


@dataclass
class Outcome:
    """What became of a program."""

    verdict: str  # equal, refused, different, or crashed
    event: int = -1
    what: str = ""
    error: str = ""

    def __str__(self) -> str:
        return f"{self.verdict} at event {self.event}: {self.what}"


class World:
    """A program's module, and the generators of its process."""

    def __init__(self, recipe: Recipe, name: str, decorate: Any = None) -> None:
        self.recipe, self.replayed, self.name = recipe, decorate is not None, name
        self.text = source(recipe).replace("WORLD", name)
        self.module = types.ModuleType(name)
        self.space = self.module.__dict__
        self.seen: list[tg.Tensor] = []
        self.results: list[Any] = []
        self.buffers: dict[Any, tuple[np.ndarray, np.ndarray]] = {}
        self.space |= {
            "decorate": decorate or (lambda fn: fn),
            "seen": self.seen,
            "quiet": [],
            "results": self.results,
            "original": original,
            "undressed": undressed,
            "tensors": tensors_of,
        }
        self.states = (random.Random(1).getstate(), np.random.RandomState(1).get_state())
        file = f"<{name}>"
        linecache.cache[file] = (len(self.text), None, self.text.splitlines(True), file)
        sys.modules[name] = self.module
        with self.generators():
            exec(prelude(), self.space)
            exec(compile(self.text, file, "exec"), self.space)

    def close(self) -> None:
        """Forget the module, and the rule of its primitive."""
        TABLE.pop(self.space["own"], None)
        for name in [name for name in vars(builtins) if name.startswith(self.name)]:
            delattr(builtins, name)
        self.space.clear()
        sys.modules.pop(self.name, None)
        linecache.cache.pop(f"<{self.name}>", None)

    @contextlib.contextmanager
    def generators(self) -> Iterator[None]:
        """Python's and NumPy's own generators, as this world left them."""
        outer = random.getstate(), np.random.get_state()
        random.setstate(self.states[0])
        np.random.set_state(self.states[1])
        try:
            yield
        finally:
            self.states = random.getstate(), np.random.get_state()
            random.setstate(outer[0])
            np.random.set_state(outer[1])

    def do(self, event: Event) -> Any:
        """Let an event happen; what it returns, or the exception that it raised."""
        with self.generators(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                if not event.rows:
                    code = _outside(self.recipe, event.code, names_of(self.recipe))
                    code = code.replace("WORLD", self.name)
                    file = f"<{self.name}: {event.kind}>"
                    exec(compile(code, file, "exec"), self.space)
                    return None
                if event.thread:
                    with ThreadPoolExecutor(1) as pool:
                        return pool.submit(self.called, event).result()
                return self.called(event)
            except Exception as error:
                return error

    def called(self, event: Event) -> Any:
        """What the step returns for a batch."""
        x, y = batch(event)
        if event.layout == "buffer":  # the same arrays, written anew
            held = self.buffers.setdefault((x.shape, x.dtype), (x, y))
            held[0][...], held[1][...] = x, y
            x, y = held
        given = [x, y]
        if not self.replayed or event.layout == "Tensor":
            given = [tg.Tensor(x), tg.Tensor(y)]
        with tg.no_grad() if self.space["quiet"] else contextlib.nullcontext():
            return self.space["call_other" if event.other else "call"](*given)

    def look(self, gradients: bool) -> list[tuple[str, Any]]:
        """Everything that can be seen, with names."""
        model, optimiser = self.space["current"]()
        for tensor in tensors_of(model):
            if not any(tensor is t for t in self.seen):
                self.seen.append(tensor)
        found: list[tuple[str, Any]] = []
        for i, result in enumerate(self.results):
            found += [(f"result {i}", value(v)) for v in leaves(result)]
        for i, tensor in enumerate(self.seen):
            found.append((f"tensor {i}", value(tensor)))
            if gradients:
                found.append((f"gradient {i}", value(tensor.grad)))
        for i, kept in enumerate(leaves(self.space["kept"])):
            if isinstance(kept, (tg.Tensor, np.ndarray)):
                found.append((f"kept {i}", value(kept)))
        if optimiser is not None:
            found += [(f"optimiser {k}", value(v)) for k, v in optimiser.state_dict().items()]
            found.append(("optimiser.steps", optimiser.steps))
        try:
            watched = self.space["watched"]()
        except Exception as error:
            watched = [repr(error)]
        found += [(f"watched {i}", value(v)) for i, v in enumerate(watched)]
        for i, generator in enumerate(generators_of(model)):
            found.append((f"generator {i}", generator.bit_generator.state))
        python, numpy = self.states
        found.append(("random", hash(python)))
        found.append(("np.random", (numpy[1].tobytes(), numpy[2:])))
        return found


def batch(event: Event) -> tuple[np.ndarray, np.ndarray]:
    """The arrays of a call."""
    rng = np.random.default_rng(event.seed)
    x = rng.standard_normal((event.rows, 4)).astype(event.dtype)
    y = rng.integers(0, 3, event.rows) + (7 if event.wrong else 0)
    return np.asfortranarray(x) if event.layout == "F" else x, y


def tensors_of(model: Any) -> list[Any]:
    """Parameters and buffers."""
    if hasattr(model, "named_tensors"):
        return [tensor for _, tensor in model.named_tensors()]
    return list(model.parameters())


def generators_of(model: Any) -> list[np.random.Generator]:
    """Those of the layers."""
    if not hasattr(model, "named_modules"):
        return []
    found = [vars(module).get("generator") for _, module in model.named_modules()]
    return [g for g in found if isinstance(g, np.random.Generator)]


def value(thing: Any) -> Any:
    """What is compared: a copy of an array."""
    if isinstance(thing, tg.Tensor):
        return thing.numpy()
    return np.array(thing) if isinstance(thing, (np.ndarray, np.generic)) else copy.copy(thing)


def is_same(a: Any, b: Any) -> bool:
    """Whether two values are equal to the last bit, in dtype and shape."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a == b or repr(a) == repr(b))


def outcome(recipe: Recipe, replay: Any = tg.replay) -> Outcome:
    """Run a program in both worlds."""
    before = dict(os.environ)
    eager, other = World(recipe, "program_eager"), World(recipe, "program_replayed", replay)
    try:
        for i, event in enumerate(recipe.events):
            found = _compared(recipe, eager, other, i, event)
            if found is not None:
                return found
        return Outcome("equal")
    finally:
        eager.close()
        other.close()
        for name in set(os.environ) - set(before):
            del os.environ[name]


def _compared(recipe: Recipe, eager: World, other: World, i: int, event: Event) -> Outcome | None:
    """What is to be said after an event, if anything."""
    expected, found = eager.do(event), other.do(event)
    if isinstance(found, Exception):
        told = f"{type(found).__name__}: {found}"
        if isinstance(found, tg.ReplayError) and not isinstance(expected, tg.ReplayError):
            return Outcome("refused", i, told, told)
        if not isinstance(expected, Exception):
            return Outcome("crashed", i, f"replayed {told}, eager returns", told)
        if type(expected) is not type(found):
            told += f", eager {type(expected).__name__}: {expected}"
            return Outcome("crashed", i, told, told)
    elif isinstance(expected, Exception):
        told = f"eager {type(expected).__name__}: {expected}"
        return Outcome("different", i, f"{told}, replayed returns")
    elif event.rows:
        eager.results.append(expected)
        other.results.append(found)
    gradients = recipe.looks == "always" or i == len(recipe.events) - 1
    theirs, ours = eager.look(gradients), other.look(gradients)
    for (name, a), (again, b) in zip(theirs, ours, strict=False):
        if name != again or not is_same(a, b):
            return Outcome(
                "different", i, f"{name}: eager {_short(a)}, {again}: replayed {_short(b)}"
            )
    if len(theirs) != len(ours):
        return Outcome("different", i, f"{len(theirs)} values eager, {len(ours)} replayed")
    return None


def _short(thing: Any) -> str:
    text = " ".join(repr(thing).split())
    return text if len(text) < 100 else text[:97] + "..."


# Shrinking.


def smaller(recipe: Recipe) -> Iterator[Recipe]:
    """Programs with one thing less."""
    for k in reversed(range(len(recipe.events))):
        yield replace(recipe, events=recipe.events[:k] + recipe.events[k + 1 :])
    for k in range(len(recipe.parts)):
        events = [replace(e, part=e.part - (e.part > k)) for e in recipe.events if e.part != k]
        order = [j - (j > k) for j in recipe.order if j != k]
        kept = recipe.parts[:k] + recipe.parts[k + 1 :]
        yield replace(recipe, parts=kept, order=order, events=events)
        state = recipe.parts[k].state
        for plainer in state.simpler() if state else ():
            yield _with_state(recipe, k, plainer)
    plain = Recipe()
    for name in ("second", "frame", "model", "loss", "result", "looks", "zeroing", "optimiser"):
        if getattr(recipe, name) != getattr(plain, name):
            yield replace(recipe, **{name: getattr(plain, name)})
    if recipe.frame not in ("module", "closure"):
        yield replace(recipe, frame="closure")
    if recipe.model not in ("tanh", "bare"):
        yield replace(recipe, model="bare")
    for k, event in enumerate(recipe.events):
        for change in ({"dtype": "f4"}, {"layout": "C"}, {"wrong": False}, {"other": False},
            {"thread": False},
                       {"rows": 4}, {"seed": 0}):  # fmt: skip
            changed = replace(event, **change)  # type: ignore[arg-type]
            if event.rows and changed != event:
                yield replace(recipe, events=[*recipe.events[:k], changed, *recipe.events[k + 1 :]])


def _with_state(recipe: Recipe, k: int, state: pieces.State) -> Recipe:
    """The program with other state for a part, and its changes as they are then."""
    part = state.part()
    old = [code for _, code in recipe.parts[k].changes]
    events = [
        replace(e, kind=part.kind, code=part.changes[old.index(e.code)][1]) if e.part == k else e
        for e in recipe.events
    ]
    return replace(recipe, parts=[*recipe.parts[:k], part, *recipe.parts[k + 1 :]], events=events)


def shrunk(recipe: Recipe, verdict: str) -> Recipe:
    """The smallest program with the same verdict that dropping one thing at a time leads to."""
    going = True
    while going:
        going, k = False, 0
        candidates = list(smaller(recipe))
        while k < len(candidates):
            if _is_as(candidates[k], verdict):
                recipe, going = candidates[k], True
                candidates = list(smaller(recipe))  # what was tried need not be tried again
            else:
                k += 1
    return recipe


def _is_as(recipe: Recipe, verdict: str) -> bool:
    try:
        found = outcome(recipe)
    except Exception:
        return False  # no program: it names what was dropped
    return found.verdict == verdict and not _is_broken(found)


def _is_broken(found: Outcome) -> bool:
    return "NameError" in found.what or "no attribute 'optimiser'" in found.what


def kinds(recipe: Recipe) -> str:
    """What a program consists of, in a line."""
    found = [part.kind for part in recipe.parts]
    found += [e.kind for e in recipe.events if e.part < 0 and e.kind not in ROUTINE]
    if recipe.second:
        found.append(f"second step ({recipe.second})")
    if any(e.wrong for e in recipe.events):
        found.append("labels out of range")
    return " + ".join(dict.fromkeys(found)) or "calls only"


def shown(recipe: Recipe) -> str:
    """A program as text."""
    names = names_of(recipe)
    events = [str(replace(e, code=_outside(recipe, e.code, names))) for e in recipe.events]
    text = source(recipe, whole=False).split("\n\n\ndef rebind")[0]
    return "\n".join([text.strip(), "", "# events:", *events])


# Each kind by itself.


def alone() -> Iterator[tuple[str, Recipe]]:
    """For each kind of state and change the plainest program: calls, the change, more calls."""
    states: list[Any] = [("number", (c,), "frame", pieces.ROUTES[0]) for c in pieces.CONTAINERS]
    listed = (pieces.CONTAINERS[0],)
    states += [(domain, listed, "frame", pieces.ROUTES[0]) for domain in pieces.DOMAINS]
    states += [(domain, (), "frame", pieces.ROUTES[0]) for domain in pieces.DOMAINS]
    homes = dict.fromkeys(pieces.HOMES)
    states += [("number", listed, home, pieces.ROUTES[0]) for home in homes]
    states += [("number", (), home, pieces.ROUTES[0]) for home in [*homes, "environ"]]
    states += [("number", listed, "frame", route) for route in pieces.ROUTES]
    for domain, containers, home, route in dict.fromkeys(states):
        values, (use, *_) = pieces.DOMAINS[domain]
        for depth in range(len(containers) + 1):
            ways = range(max(1, len(containers[depth].sets))) if depth < len(containers) else [0]
            for way in ways:
                changes = ((depth, way, values[1]),)
                part = pieces.State(
                    0, domain, tuple(values), use, False, False, containers, home, route, changes
                ).part()
                yield f"{part.kind}: {part.changes[0][1]}", _plain(part, part.changes)
    makers = [pieces.counter, pieces.draw, pieces.noise, pieces.stash, pieces.buffer]
    makers += [pieces.raising, pieces.primitive, pieces.array_made, pieces.computed, pieces.penalty]
    makers += [pieces.late]
    for make in makers:
        found = {}
        for seed in range(400):
            part = make(Random(seed), 0)
            found.setdefault(repr((part.kind, part.changes[:1])), part)
        for part in found.values():
            name = part.kind + "".join(f": {code}" for _, code in part.changes[:1])
            yield name, _plain(part, part.changes[:1])
    for frame in ("closure", "object"):
        for model in [*pieces.MODELS, "net", "bare"]:
            for kind, code in dict.fromkeys(pieces.changes_of(model, "optimiser")):
                code = code.replace("{p}", pieces.PARAMETER.format(k=1))
                if model in ("tanh", "net") or (kind, code) in pieces.LAYER_CHANGES.get(model, []):
                    recipe = replace(_plain(None, [(kind, code)]), model=model, frame=frame)
                    yield f"{kind} ({model}, {frame}): {code}", recipe


def _plain(part: pieces.Part | None, changes: list[tuple[str, str]]) -> Recipe:
    before = [Event("call", rows=4, seed=k) for k in range(4)]  # the fourth is a check,
    after = [Event("call", rows=4, seed=k) for k in range(3)]  # none of these is
    number = 0 if part else -1
    state = part is not None and part.state is not None  # no code of layers beside it
    return Recipe(
        frame="closure",
        model="bare" if state else "tanh",
        optimiser="" if state else "optim.SGD(params, 0.1)",
        zeroing="$model.w.grad = None" if state else "$optimiser.zero_grad()",
        loss="np.mean(np.square(h)) * 0.5",
        parts=[part] if part else [],
        order=[0] if part else [],
        events=[*before, *(Event(k, code, part=number) for k, code in changes), *after],
    )


# Command line.


def names_line(error: str) -> bool:
    """Whether a refusal says where the step does what cannot be replayed."""
    return re.search(r"<program.*>:\d+|line \d+", error) is not None


@dataclass
class Tally:
    """Counts of many programs."""

    verdicts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    unmoved: list[int] = field(default_factory=list)
    nowhere: list[int] = field(default_factory=list)
    faulty: list[tuple[int, Outcome]] = field(default_factory=list)

    def add(self, seed: int, recipe: Recipe, found: Outcome) -> None:
        self.verdicts[found.verdict] += 1
        if found.verdict == "refused":
            self.refusals[_sentence(found.error)] += 1
            if is_unmoved(recipe):
                self.unmoved.append(seed)
            if not names_line(found.error):
                self.nowhere.append(seed)
        elif found.verdict != "equal":
            self.faulty.append((seed, found))

    def __str__(self) -> str:
        v = self.verdicts
        return (
            f"{sum(v.values())} programs, {v['equal']} equal, {v['refused']} refused, "
            f"{v['different']} different, {v['crashed']} crashed"
        )


def _sentence(error: str) -> str:
    """A refusal without what is particular to it."""
    text = re.sub(r"^ReplayError: (\S*?<.*?>:\d+|[^:]*:\d+|[^:]* line \d+)?:? ?", "", error)
    return re.sub(r"[-+]?\d[\d.e+-]*", "n", text)[:90]


def _run_alone(verbose: bool) -> int:
    verdicts: Counter[str] = Counter()
    for name, recipe in alone():
        found = outcome(recipe)
        verdicts[found.verdict] += 1
        print(f"{found.verdict:9} {' '.join(name.split())}")
        if verbose and found.verdict != "equal":
            print(f"          {found}")
    print(dict(verdicts))
    return 1 if verdicts["different"] + verdicts["crashed"] else 0


def main(given: list[str] | None = None) -> int:
    """Run programs and print what became of them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--verbose", action="store_true", help="print each program")
    parser.add_argument("--shrink", type=int, help="print the smallest program with its fault")
    parser.add_argument("--attribute", action="store_true", help="shrink all, count the kinds")
    parser.add_argument("--alone", action="store_true", help="run each kind by itself")
    options = parser.parse_args(given)
    if options.alone:
        return _run_alone(options.verbose)
    if options.shrink is not None:
        recipe = drawn(options.shrink)
        found = outcome(recipe)
        recipe = shrunk(recipe, found.verdict)
        print(shown(recipe), outcome(recipe), kinds(recipe), sep="\n\n")
        return 0
    tally = Tally()
    for seed in range(options.seed, options.seed + options.count):
        recipe = drawn(seed)
        found = outcome(recipe)
        tally.add(seed, recipe, found)
        if options.verbose and found.verdict != "equal":
            print(f"seed {seed}: {kinds(recipe)}\n    {found}")
        if found.verdict in ("different", "crashed") and options.attribute:
            tally.faults[f"{found.verdict}: {kinds(shrunk(recipe, found.verdict))}"] += 1
        elif found.verdict in ("different", "crashed") and options.verbose:
            print(shown(recipe))
    for title, counts in (("refusals", tally.refusals), ("faults", tally.faults)):
        for text, count in counts.most_common():
            print(f"{title}: {count:5} {text}")
    print(f"refused although nothing was changed: {len(tally.unmoved)}, seeds {tally.unmoved[:20]}")
    print(f"refused without a line: {len(tally.nowhere)}, seeds {tally.nowhere[:20]}")
    print(f"faulty seeds: {[seed for seed, _ in tally.faulty]}")
    print(tally)
    return 1 if tally.faulty else 0


if __name__ == "__main__":
    sys.exit(main())
