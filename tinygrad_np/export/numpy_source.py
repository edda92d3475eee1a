"""``to_numpy``: a recorded step as a script of NumPy calls."""

import keyword
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autodiff.nests import rebuild
from ..autodiff.tensor import Tensor
from ..errors import ExportError
from ..optim.limits import bound_rows, clipping, cut, squares
from ..optim.optimisers import Optimiser
from ..recording import Recording
from ..recording.equations import Equation, Variable, is_generator
from ..recording.recorder import Recorder
from ..recording.text import short
from ..recording.trace import traced
from .sources import Code, Sources, layout, turned
from .updates import Draw, Name, Update, generators, updates

HEAD = '''"""{title}, written by tinygrad_np.to_numpy.

step(given) takes a dict of arrays by name, of
{given}.
It returns one, of
{results}.
As a program: python FILE GIVEN.npz MADE.npz
"""
'''
NUMBERS = (bool, int, float, complex, np.ndarray, np.generic)
FROM_BYTES = '''def from_bytes(text, dtype, shape):
    """An array from its bytes in base64."""
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape).copy()
'''
MAIN = """

if __name__ == "__main__":
    with np.load(sys.argv[1]) as file:
        np.savez(sys.argv[2], **step(dict(file)))
"""


def to_numpy(fn: Callable[..., Any], *example_inputs: Any) -> str:
    """The source text of a script of NumPy calls that computes what ``fn`` computes.

    The step is run once by ``tg.trace``, with the backward pass and the optimiser's update if it
    has them. Each call becomes a line with a named variable, its shape, and the line that it comes
    from. Functions that NumPy lacks are defined at the top. The script does not use this package.
    For arguments and parameters of these shapes it gives the same numbers to the last bit. Its
    ``step(given)`` takes a dict: the arguments by the names that ``fn`` has for them, parameters by
    their names in the model (as in ``model.state_dict()``), and the optimiser's arrays if they are
    not zeros. It returns a dict: results, gradients, and parameters after the update.

    Python numbers in the step (the learning rate, the number of rows) are those of this run, and so
    are results that are arrays or numbers. Raises ExportError, with the line, for a function whose
    source cannot stand in a script, for a value that leaves the tape (``t.item()``, ``if t``), and
    for results of other kinds.

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> text = tg.to_numpy(lambda x: np.sum(np.exp(w * x)), np.ones(2))
    >>> names = {}
    >>> exec(text, names)
    >>> made = names["step"]({"x": np.ones(2), "w": np.array([1.0, 2.0])})
    >>> sorted(made), made["w.grad"]
    (['result', 'w.grad'], array([2.71828183, 7.3890561 ]))
    """
    notes = Notes()
    recording = traced(notes, fn, example_inputs, backward=True)
    refuse_left("to_numpy", recording)
    return Script(recording, notes).text()


def refuse_left(who: str, recording: Recording) -> None:
    """Raise for a value that left the tape: what the step made of it would be a constant."""
    how, line = recording.left
    if how:
        raise ExportError(
            f"{who}: {short(line)}: the step takes a value out of a Tensor ({how}); what it makes "
            "of the value would be a number of the example in the file. Return the Tensor and look "
            "at it outside, choose with np.where, index with Tensors, use t.detach() for t.numpy() "
            "and t.data, and write t[...] = v inside tg.no_grad() for t.data = v."
        )


class Notes(Recorder):
    """A recorder that also notes what optimisers do, and where generators stood."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: dict[Any, list[list[Update]]] = {}
        self.made: dict[Tensor, Variable] = {}  # parameters that the step itself made
        self.stood: dict[Any, dict[str, Any]] = {}

    def _perform(self, worker: Any) -> None:
        optimiser = getattr(worker, "optimiser", worker)
        if isinstance(optimiser, Optimiser):
            for generator in generators(optimiser).values():
                self.stood.setdefault(generator, dict(generator.bit_generator.state))
            self.updates.setdefault(worker, []).append(updates(optimiser))
            for parameter in optimiser.params:
                known = self._known.get(id(parameter._array))
                if known is not None and known.kind == "result":
                    self.made.setdefault(parameter, known)
        super()._perform(worker)

    def _new_generator(self, generator: Any) -> None:
        super()._new_generator(generator)
        self.stood[generator] = generator.bit_generator.state


class Script:
    """The lines of a recording."""

    def __init__(self, recording: Recording, notes: Notes) -> None:
        self.recording = recording
        self.notes = notes
        self.sources = Sources(["base64", "from_bytes", "given", "made", "step", "sys"])
        self.names: dict[Variable, str] = {}
        self.lines: list[str] = []
        self.generators: dict[Any, str] = {}
        self.returned: dict[str, str] = {}
        self.memory: dict[Any, str] = {}  # the arrays of Tensors and arguments, as they are by now
        self.keys: dict[Any, str] = {}  # what they are called in what is given

    def text(self) -> str:
        """The whole script."""
        read = {*self.recording.results, *(v for e in self.recording.equations for v in e.reads)}
        for variable in self.recording.variables:
            if variable in read:
                self._source(variable)
        section, times = "", dict.fromkeys(("forward", "backward", "update"), 0)
        ends = {e.operands[0].made for e in self.recording.equations
                if e.kind == "deliver" and e.operands}  # fmt: skip
        for equation in self.recording.equations:
            is_backward = equation.is_backward or equation in ends
            now = "backward" if is_backward else "forward"
            now = "update" if equation.kind == "effect" else now
            if now != section and equation.kind not in ("check", "deliver"):
                section = now
                times[now] += 1
                self.lines += ["", f"# {now}" + f", {times[now]}" * (times[now] > 1)]
            try:
                self._equation(equation)
            except ExportError as error:
                raise ExportError(
                    f"{short(equation.line)}: {equation.name} cannot be written as a script: "
                    f"{error}; use functions of NumPy or of this package."
                ) from None
        many = len(self.recording.returned) > 1
        for i, value in enumerate(self.recording.returned, 1):
            name = f"result {i}" if many else "result"
            if not isinstance(value, (Variable, *NUMBERS)):
                raise ExportError(
                    f"to_numpy: {name} is of type {type(value).__name__}; return Tensors, arrays "
                    "and numbers."
                )
            self.returned[name] = self._read(value)
        returned = "".join(f"        {k!r}: {v},\n" for k, v in self.returned.items())
        body = "\n".join(f"    {line}".rstrip() for line in self.lines)
        head = HEAD.format(
            title=self.recording.title,
            given=textwrap.fill(", ".join(self.keys.values()) or "none", 96),
            results=textwrap.fill(", ".join(self.returned), 96),
        )
        has_bytes = any("from_bytes(" in text for text in (body, *self.sources.texts.values()))
        modules = {"sys": "sys", **self.sources.modules}
        modules |= {"base64": "base64"} if has_bytes else {}
        imports = [
            f"import {module}" if name == module else f"import {module} as {name}"
            for name, module in modules.items()
        ]
        parts = [head + "\n" + "\n".join(sorted(imports))]
        parts += [FROM_BYTES.rstrip()] if has_bytes else []
        parts += self.sources.texts.values()
        parts.append(
            f'def step(given):\n    """{self.recording.title}, call by call."""\n{body}\n\n'
            f"    made = {{\n{returned}    }}\n"
            "    return {name: np.array(array) for name, array in made.items()}"
        )
        return "\n\n\n".join(parts) + "\n" + MAIN

    def _free(self, name: str) -> str:
        name = re.sub(r"\W", "_", name)
        name = f"p{name}" if name[:1].isdigit() else name
        return self.sources._free(name + "_" * keyword.iskeyword(name))

    def _source(self, variable: Variable) -> None:
        """What comes from outside: a line that takes it from what is given."""
        if variable.kind == "result" or (variable.kind == "constant" and variable.shape == ()):
            return
        if variable.kind == "constant":
            name = self.names[variable] = self._free(repr(variable))
            self.lines.append(f"{name} = {self.sources.written(variable.array)}")
            return
        owner = self._owner(variable)
        if owner in self.memory or owner in self.notes.made:  # read again, after an update
            return
        entry = isinstance(variable.source, Tensor) and variable.kind == "entry"
        name = f"{self._called(variable.source)}.grad" if entry else repr(variable)
        key = self._key(owner, name)
        self.memory[owner] = self._free(key)
        shape = f"{variable.dtype}{list(variable.shape)}"
        axes, back = layout(variable.array)
        order = f"{turned(axes)}.copy(){turned(back)}" if turned(axes) else ""
        self.lines.append(f"{self.memory[owner]} = given[{key!r}]{order}  # {shape}")

    def _owner(self, variable: Variable) -> Any:
        """Whose array it is: a Tensor's from outside, or its own, as earlier gradients are."""
        is_tensors = isinstance(variable.source, Tensor) and variable.kind != "entry"
        return variable.source if is_tensors else variable

    def _read(self, value: Any) -> str:
        if isinstance(value, Variable):
            if value not in self.names and value.kind == "constant":
                return self.sources.written(value.array)
            if value.kind in ("result", "constant"):
                return self.names[value]
            return self.memory[self._owner(value)]
        if is_generator(value):
            return self._generator(value)
        return self.sources.written(value)

    def _generator(self, generator: Any) -> str:
        """A generator that stands where it stood when the step began."""
        if generator not in self.generators:
            name = self.generators[generator] = self._free("generator")
            state, kind = self.notes.stood[generator], type(generator.bit_generator).__name__
            self.lines += [
                f"{name} = np.random.Generator(np.random.{kind}(0))",
                f"{name}.bit_generator.state = {self.sources.written(state)}",
            ]
        return self.generators[generator]

    def _equation(self, equation: Equation) -> None:
        if equation.kind == "check":
            return  # it raises, or changes nothing
        if equation.kind == "effect":
            self._update(equation)
            return
        if equation.kind == "deliver":
            tensor = equation.options["tensor"]
            if equation.operands:
                self.returned[f"{self._called(tensor)}.grad"] = self._read(equation.operands[0])
            return
        if equation.kind in ("write", "become"):
            self._write(equation)
            return
        operands = [self._read(value) for value in equation.operands]
        fn = equation.rule.forward if equation.rule is not None else equation.fn
        options = {name: Code(self._read(value)) for name, value in equation.options.items()}
        nest = getattr(fn, "nest", None)
        if equation.rule is not None and nest is not None:  # a function without a rule
            given, options = rebuild(nest, list(map(Code, operands)))
            fn, operands = equation.rule.fn, list(map(self.sources.written, given))
        operands += [f"{k}={self.sources.written(v)}" for k, v in options.items()]
        call = f"{self.sources.written(fn)}({', '.join(operands)})"
        names = [self._name(variable) for variable in equation.results]
        if equation.count:
            places = [int(i) for i in self._places(equation)]
            if len(places) == 1:
                call += f"[{places[0]}]"
            elif len(places) < equation.count:
                call = f"[{call}[i] for i in {places}]"
        left = ", ".join(names)
        shapes = ", ".join(f"{v.dtype}{list(v.shape)}" for v in equation.results)
        told = self._told(equation)
        self.lines.append(f"{left + ' = ' if left else ''}{call}  # {shapes}{told}")

    def _places(self, equation: Equation) -> Sequence[int]:
        found = getattr(equation.fn, "places", None)
        return range(equation.count) if found is None else found

    def _told(self, equation: Equation) -> str:
        of = equation.of
        if of is not None:
            return f", derivative of {of.part_of or of.name}"
        parts = [equation.module, short(equation.line)]
        return "".join(f", {part}" for part in parts if part)

    def _name(self, variable: Variable) -> str:
        self.names[variable] = self._free(repr(variable))
        return self.names[variable]

    def _write(self, equation: Equation) -> None:
        """A Tensor from outside gets another value."""
        if equation.kind == "become":
            tensor, name = equation.options["tensor"], self._read(equation.operands[0])
        else:
            tensor = equation.operands[0].source
            operands = ", ".join(map(self._read, equation.operands))
            name = self._free(f"new_{self._called(tensor)}")
            self.lines.append(f"{name} = {self.sources.written(equation.fn)}({operands})")
        self.memory[tensor] = self.returned[self._called(tensor)] = name

    def _update(self, equation: Equation) -> None:
        """The optimiser's calls, parameter by parameter."""
        if equation.fn not in self.notes.updates:
            raise ExportError(f"{type(equation.fn).__name__} is no optimiser of this package")
        found = self.notes.updates[equation.fn].pop(0)  # of as many as there are steps
        for parameter in (update.parameter for update in found):
            if parameter not in self.memory:
                self.memory[parameter] = self._read(self.notes.made[parameter])
        arrays = [self._own_gradient(update) for update in found]
        factor = self._factor(found, arrays)
        for update, g in zip(found, arrays, strict=True):
            self._one_update(update, g, factor)

    def _own_gradient(self, update: Update) -> str:
        """The gradient in memory as the parameter lies."""
        called = self._called(update.parameter)
        name = self._free(f"g_{called}")
        self.lines.append(f"{name} = np.empty_like({self.memory[update.parameter]})")
        if (gradient := self.returned.get(f"{called}.grad")) is None:  # of before the step
            entries = self.recording.of_kind("entry")
            entry = next(v for v in entries if v.source is update.parameter)
            self._source(entry)
            gradient = self._read(entry)
        self.lines.append(f"{name}[...] = {gradient}")
        return name

    def _called(self, tensor: Tensor) -> str:
        return self._key(tensor, self.recording.names.get(tensor) or tensor.name or "tensor")

    def _key(self, owner: Any, name: str) -> str:
        """What a Tensor or an argument is called in what is given and made, itself alone."""
        if owner not in self.keys:
            while name in self.keys.values():
                name += "_"
            self.keys[owner] = name
        return self.keys[owner]

    def _factor(self, found: list[Update], arrays: list[str]) -> str:
        """What ``clip_norm`` multiplies all gradients by."""
        most = found[0].clip_norm if found else None
        if most is None:
            return ""
        name, cuts = self._free("factor"), self.sources.written(cut)
        pieces = ", ".join(f"*{cuts}({g})" for g in arrays)
        total = f"0.0 + sum(map({self.sources.written(squares)}, [{pieces}]))"
        self.lines.append(f"{name} = {self.sources.written(clipping)}({most!r}, {total})")
        return name

    def _one_update(self, update: Update, g: str, factor: str) -> None:
        called = self._called(update.parameter)
        values = self._free(f"new_{called}")
        self.lines.append(f"# its step {update.age}: the numbers below are those of this step")
        self.lines.append(f"{values} = {self.memory[update.parameter]}.copy(order='K')")
        names = {"values": values, "g": g}
        used = [x for call in update.calls for x in (*call[1], *call[2].values())]
        for word in ("scratch", "spare"):
            if any(type(x) is Name and x == word for x in used) or (word == "spare" and factor):
                names[word] = self._free(word)
                self.lines.append(f"{names[word]} = np.empty_like({values})")
        for word in update.state:
            key = f"{called}.{word}"
            names[word] = self._free(key)
            before = self.returned.get(key, f"given.get({key!r}, 0)")
            self.lines.append(f"{names[word]} = np.zeros_like({values})")
            self.lines.append(f"{names[word]}[...] = {before}")
            self.returned[key] = names[word]
        if factor:
            self.lines.append(f"np.multiply({g}, {factor}, {names['spare']})")
            names["g"] = names["spare"]
        for fn, operands, options, result in update.calls:
            if result not in names:
                names[result] = self._free(result)
            shown = [self._operand(value, names) for value in operands]
            shown += [f"{k}={self._operand(v, names)}" for k, v in options.items()]
            left = "" if "out" in options or fn is np.copyto else f"{names[result]} = "
            if isinstance(fn, Draw):
                function = f"{self._generator(fn.generator)}.{fn.method}"
            else:
                function = self.sources.written(fn)
            self.lines.append(f"{left}{function}({', '.join(shown)})")
        if update.max_norm is not None:
            bound = self.sources.written(bound_rows)
            self.lines.append(f"{bound}({values}, {update.max_norm!r})")
        self.memory[update.parameter] = self.returned[called] = values

    def _operand(self, value: Any, names: dict[str, str]) -> str:
        return names[value] if isinstance(value, Name) else self.sources.written(value)
