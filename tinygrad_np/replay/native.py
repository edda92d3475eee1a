"""Elementwise operations as machine code: one loop for several, compiled by LLVM (llvmlite).

A loop is written as LLVM's text, with vectors spelled out. LLVM neither joins a multiplication and
an addition nor orders operations anew unless it is told that it may, and it is not told: each
operation rounds as NumPy's does.
"""

import contextlib
import ctypes
import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from ..files import cache, replacing

OLDEST = (20, 0, 0)  # of LLVM, that of llvmlite 0.45; before, functions of its own were declared
VECTOR = 128  # bytes
SHORT = 64  # columns
SUM = hashlib.sha256().digest_size
Lines = tuple[str, ...]
TYPES = {"f": "float", "d": "double", "?": "i8", np.dtype(np.int64).char: "i64"}


class Step(NamedTuple):
    """An operation of a loop, with the places of its operands and of its result.

    The lines are those that the operation's row has, none to copy or to make numbers of truth
    values. Of the ``form`` "folds" they join what they gave before with each next element of a row,
    of "picks" they take one of a row.
    """

    lines: Lines
    operands: tuple[int, ...]
    result: int
    form: str = ""


class Loop:
    """A loop over rows and columns, written operation by operation.

    ``kinds`` has for each array its type's letter and how it is read: "each" element, one for a
    "row", or a "single" one. ``kept`` are the places that are written in the end. ``short`` is how
    many columns there are, if a row is to be one vector, and 0 elsewhere.
    """

    def __init__(
        self,
        kinds: Sequence[tuple[str, str]],
        steps: Sequence[Step],
        kept: Sequence[int],
        short: int = 0,
    ) -> None:
        self.kinds, self.steps, self.kept, self.short = kinds, steps, kept, short
        self.width = short or VECTOR // max(np.dtype(letter).itemsize for letter, _ in kinds)
        self.lines: list[str] = []

    def text(self) -> str:
        """The loop as LLVM reads it; its argument is a table: rows, columns, (address, step) …"""
        self._put("%rows = load i64, ptr %table")
        self._put("%cols.at = getelementptr i64, ptr %table, i64 1")
        self._put("%cols = load i64, ptr %cols.at")
        self._put(f"%whole = and i64 %cols, -{self.width}")
        for k, (_, reading) in enumerate(self.kinds):
            self._put(f"%base{k}.at = getelementptr i64, ptr %table, i64 {2 + 2 * k}")
            self._put(f"%base{k} = load ptr, ptr %base{k}.at")
            self._put(f"%step{k}.at = getelementptr i64, ptr %table, i64 {3 + 2 * k}")
            self._put(f"%step{k} = load i64, ptr %step{k}.at")
            if reading == "single":
                self._spread(k, f"%base{k}")
        self._put("br label %row", "row:")
        self._put("%r = phi i64 [0, %entry], [%r.next, %row.end]")
        for k, (_, reading) in enumerate(self.kinds):
            self._put(f"%offset{k} = mul i64 %r, %step{k}")
            self._put(f"%row{k} = getelementptr i8, ptr %base{k}, i64 %offset{k}")
            if reading == "row":
                self._spread(k, f"%row{k}")
        if self.short:
            self._put("br label %short", "short:")
            self._columns("short", "0", self.width)
            self._put("br label %row.end")
        else:
            self._put("br label %wide", "wide:")
            self._pass("wide", "row", "0", "%whole", self.width, "narrow")
            self._put("narrow:")
            self._pass("narrow", "wide", "%wide.i", "%cols", 1, "row.end")
        self._put("row.end:", "%r.next = add i64 %r, 1", "%more = icmp ult i64 %r.next, %rows")
        self._put("br i1 %more, label %row, label %end", "end:", "ret void", "}")
        head = ["define void @run(ptr noundef %table) {", "entry:"]
        return "\n".join([*head, *self.lines, ""])

    def _put(self, *lines: str) -> None:
        self.lines += lines

    def _type(self, letter: str, width: int) -> str:
        return TYPES[letter] if width == 1 else f"<{width} x {TYPES[letter]}>"

    def _spread(self, k: int, place: str) -> None:
        """Read one number, for single elements and for whole vectors."""
        letter, _ = self.kinds[k]
        self._put(f"%one{k} = load {TYPES[letter]}, ptr {place}")
        self._repeat(letter, f"%k{k}", f"%one{k}")

    def _repeat(self, letter: str, name: str, one: str) -> str:
        """Make a vector of one number."""
        kind = TYPES[letter]
        many = f"<{self.width} x {kind}>"
        self._put(f"{name}.first = insertelement {many} poison, {kind} {one}, i64 0")
        zeros = f"<{self.width} x i32> zeroinitializer"
        self._put(f"{name}.many = shufflevector {many} {name}.first, {many} poison, {zeros}")
        return f"{name}.many"

    def _pass(self, name: str, before: str, start: str, end: str, width: int, then: str) -> None:
        """A loop over columns that takes ``width`` at once."""
        self._put(f"%{name}.i = phi i64 [{start}, %{before}], [%{name}.next, %{name}.do]")
        self._put(f"%{name}.more = icmp ult i64 %{name}.i, {end}")
        self._put(f"br i1 %{name}.more, label %{name}.do, label %{then}", f"{name}.do:")
        self._columns(name, f"%{name}.i", width)
        self._put(f"%{name}.next = add i64 %{name}.i, {width}", f"br label %{name}")

    def _columns(self, name: str, start: str, width: int) -> None:
        """All operations on ``width`` columns from ``start`` on."""
        values: dict[int, str] = {}
        ones: dict[int, str] = {}  # of each row
        for number, (lines, operands, result, form) in enumerate(self.steps):
            found = [self._read(k, name, start, width, values) for k in operands]
            letters = self.kinds[operands[0]][0], self.kinds[result][0]
            label = f"%{name}.v{number}"
            if form in ("folds", "picks"):
                if form == "folds":
                    one = self._fold(lines, found[0], letters, label)
                else:
                    found[1] = f"%one{operands[1]}"
                    one = self._compute(lines, found, letters, label, width)
                ones[result] = f"{label}.one"
                self._put(f"{ones[result]} = freeze {TYPES[letters[1]]} {one}")
                values[result] = self._repeat(letters[1], label, ones[result])
            else:
                values[result] = self._compute(lines, found, letters, label, width)
        for k in self.kept:
            letter, reading = self.kinds[k]
            size = np.dtype(letter).itemsize
            if reading == "row":
                self._put(f"store {TYPES[letter]} {ones[k]}, ptr %row{k}, align {size}")
                continue
            kind, place = self._type(letter, width), self._place(k, name, start)
            self._put(f"store {kind} {values[k]}, ptr {place}, align {size}")

    def _fold(self, lines: Lines, row: str, letters: tuple[str, str], name: str) -> str:
        """Join the elements of a row, from left to right."""
        whole = self._type(letters[0], self.width)
        for i in range(self.width):
            self._put(f"{name}.e{i} = extractelement {whole} {row}, i64 {i}")
        found = f"{name}.e0"
        for i in range(1, self.width):
            found = self._compute(lines, [found, f"{name}.e{i}"], letters, f"{name}.to{i}", 1)
        return found

    def _place(self, k: int, name: str, start: str) -> str:
        kind, place = TYPES[self.kinds[k][0]], f"%{name}.at{k}"
        line = f"{place} = getelementptr {kind}, ptr %row{k}, i64 {start}"
        if line not in self.lines:
            self._put(line)
        return place

    def _read(self, k: int, name: str, start: str, width: int, values: dict[int, str]) -> str:
        if k not in values:
            letter, reading = self.kinds[k]
            if reading != "each":
                return f"%one{k}" if width == 1 else f"%k{k}.many"
            place, size = self._place(k, name, start), np.dtype(letter).itemsize
            kind = self._type(letter, width)
            values[k] = f"%{name}.in{k}"
            self._put(f"{values[k]} = load {kind}, ptr {place}, align {size}")
        return values[k]

    def _compute(
        self, lines: Lines, operands: list[str], letters: tuple[str, str], name: str, width: int
    ) -> str:
        """Write one operation; the name of its result."""
        kind, result = (self._type(letter, width) for letter in letters)
        if not lines and kind != result:
            self._put(f"{name} = uitofp {kind} {operands[0]} to {result}")
            return name
        truth = kind.replace(TYPES[letters[0]], "i1")
        names = {**dict(zip("ab", operands, strict=False)), "t": kind, "m": truth}
        names |= {"i": f"<{width} x i64>", "j": f"<{', '.join(f'i64 {j}' for j in range(width))}>"}
        made: list[str] = []
        for i, pattern in enumerate(lines):
            made.append(f"{name}.{i}")
            self._put(f"{made[-1]} = {pattern.format(*made, **names)}")
        if letters[1] == "?":
            self._put(f"{name} = zext {truth} {made[-1]} to {result}")
            return name
        return made[-1] if made else operands[0]


class Code(NamedTuple):
    """Where a function is, and what keeps it there."""

    address: int
    engine: Any


@functools.cache
def compiled(text: str) -> Code:
    """The function that LLVM's text defines.

    The machine code is kept in the user's cache, by the text, LLVM and the processor.
    """
    machine = _machine()
    llvm = machine.llvm
    key = "\n".join([text, str(llvm.llvm_version_info), *machine.described])
    code = _kept(key)
    if code is None:
        module = llvm.parse_assembly(text)
        module.verify()
        code = machine.target.emit_object(module)
        _keep(key, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine.made())
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine.get_function_address("run"), engine)


def holding_the_lock(code: Code) -> Callable[[int], None]:
    """The function, which takes its table's address; other threads of Python wait."""
    return _function(ctypes.PYFUNCTYPE, code)


def without_the_lock(code: Code) -> Callable[[int], None]:
    """The same, beside other threads of Python: that takes longer to call."""
    return _function(ctypes.CFUNCTYPE, code)


def _function(kind: Any, code: Code) -> Callable[[int], None]:
    made: Any = kind(None, ctypes.c_void_p)(code.address)
    made.code = code  # is there as long as it
    return made  # type: ignore[no-any-return]


def check() -> None:
    """Raise ImportError, with the way, where the compiler is missing or does not start."""
    use = "tg.replay(fuse=True) compiles with llvmlite"
    try:
        version = _machine().llvm.llvm_version_info
    except ModuleNotFoundError as error:
        raise ImportError(f"{use}: pip install llvmlite.") from error
    except Exception as error:  # as OSError where its library is
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        remedy = "reinstall it, pip install --force-reinstall llvmlite, or go without fuse=True"
        raise ImportError(f"{use}, which does not start here ({why}); {remedy}.") from error
    if version < OLDEST:
        raise ImportError(f"{use}, and this one is too old: pip install 'llvmlite>=0.45'.")


class _Machine:
    """LLVM's picture of this processor."""

    def __init__(self) -> None:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.llvm: Any = llvm
        features = llvm.get_host_cpu_features().flatten()
        self.described = (llvm.get_process_triple(), llvm.get_host_cpu_name(), features)
        self.target = self.made()

    def made(self) -> Any:
        """A compiler of its own, as each engine takes one over."""
        triple, cpu, features = self.described
        target = self.llvm.Target.from_triple(triple)
        return target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


@functools.cache
def _machine() -> _Machine:
    return _Machine()


def _file(key: str) -> Path | None:
    """Where the machine code of a key is kept, if it is."""
    folder = cache("fused")
    return None if folder is None else folder / f"{hashlib.sha256(key.encode()).hexdigest()}.o"


def _sum(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _kept(key: str) -> bytes | None:
    """The machine code in a file, if it is all there, and this key's: their sum is before it."""
    path = _file(key)
    try:
        content = b"" if path is None else path.read_bytes()
    except OSError:
        return None
    code = content[SUM:]
    return code if content[:SUM] == _sum(key, code) else None


def _keep(key: str, code: bytes) -> None:
    """Keep machine code and its sum. Where that is not allowed, or the disk is full, nothing."""
    path = _file(key)
    if path is None:
        return
    with contextlib.suppress(OSError, DataError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path, synced=False) as file:  # its sum tells a torn one
            file.write(_sum(key, code) + code)


@functools.cache
def agrees(fn: np.ufunc, lines: Lines, letter: str) -> bool:
    """Whether NumPy's bits are those of the loop on this processor, at numbers that tell.

    Which of two zeros is the larger one NumPy leaves to the processor.
    """
    tiny = float(np.finfo(letter).smallest_subnormal)
    large = float(np.finfo(letter).max)
    special: list[float] = [0.0, 1.0, math.pi, large, tiny, math.inf, math.nan]
    values = np.array([*special, *(-v for v in special)], letter)
    operands = [np.ravel(v) for v in np.meshgrid(*[values] * fn.nin)]
    operands = [np.resize(v, v.size + 13) for v in operands]  # more than whole vectors
    result = fn.resolve_dtypes((np.dtype(letter),) * fn.nin + (None,))[-1]
    ours, theirs = (np.empty(operands[0].size, result) for _ in range(2))
    arrays = [*operands, ours]
    kinds = [(array.dtype.char, "each") for array in arrays]
    loop = Loop(kinds, [Step(lines, tuple(range(fn.nin)), fn.nin)], [fn.nin])
    table = np.array([1, ours.size, *[n for a in arrays for n in (a.ctypes.data, 0)]], np.int64)
    holding_the_lock(compiled(loop.text()))(table.ctypes.data)
    with np.errstate(all="ignore"):
        fn(*operands, out=theirs)
    return with_one_nan(ours).tobytes() == with_one_nan(theirs).tobytes()


def with_one_nan(array: np.ndarray) -> np.ndarray:
    """The array with one kind of NaN.

    Which of two NaN a sum keeps, and so the sign of a NaN, is not the same for all of NumPy's
    loops over the same numbers: it depends on how the arrays lie.
    """
    if array.dtype.kind not in "fc":
        return array
    return np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
