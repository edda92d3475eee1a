"""Elementwise operations as machine code: one loop for several, compiled by LLVM (llvmlite).

A loop is written as LLVM's text, with vectors spelled out. LLVM neither joins a multiplication and
an addition nor orders operations anew unless it is told that it may, and it is not told: each
operation rounds as NumPy's does.
"""

import ctypes
import functools
import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

VECTOR = 128  # bytes
SUM = hashlib.sha256().digest_size
TYPES = {"f": "float", "d": "double", "?": "i8"}

# {t} is the type, {s} its suffix for intrinsics, {m} that of truth values; the last line's result
# is that of all
ARITHMETIC = {
    np.add: ["fadd {t} {a}, {b}"],
    np.subtract: ["fsub {t} {a}, {b}"],
    np.multiply: ["fmul {t} {a}, {b}"],
    np.divide: ["fdiv {t} {a}, {b}"],
    np.negative: ["fneg {t} {a}"],
    np.square: ["fmul {t} {a}, {a}"],
    np.sqrt: ["call {t} @llvm.sqrt.{s}({t} {a})"],
    np.absolute: ["call {t} @llvm.fabs.{s}({t} {a})"],
    # as NumPy: b where both are zero, and the NaN where there is one
    np.maximum: [
        "fcmp ogt {t} {a}, {b}",
        "select {m} {0}, {t} {a}, {t} {b}",
        "fcmp uno {t} {a}, {a}",
        "select {m} {2}, {t} {a}, {t} {1}",
    ],
    np.minimum: [
        "fcmp olt {t} {a}, {b}",
        "select {m} {0}, {t} {a}, {t} {b}",
        "fcmp uno {t} {a}, {a}",
        "select {m} {2}, {t} {a}, {t} {1}",
    ],
}
ARITHMETIC[np.fabs] = ARITHMETIC[np.absolute]
COMPARISONS = {
    np.greater: "ogt", np.greater_equal: "oge", np.less: "olt", np.less_equal: "ole",
    np.equal: "oeq", np.not_equal: "une",
}  # fmt: skip


class Loop:
    """A loop over rows and columns, written operation by operation.

    ``kinds`` has for each array its type's letter and how it is read: "each" element, one for a
    "row", or one for "all". ``steps`` are (function, places of operands, place of the result);
    ``kept`` are the places that are written in the end.
    """

    def __init__(
        self,
        kinds: Sequence[tuple[str, str]],
        steps: Sequence[tuple[Any, tuple[int, ...], int]],
        kept: Sequence[int],
    ) -> None:
        self.kinds, self.steps, self.kept = kinds, steps, kept
        self.width = VECTOR // max(np.dtype(letter).itemsize for letter, _ in kinds)
        self.lines: list[str] = []
        self.intrinsics: set[str] = set()

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
            if reading == "all":
                self._spread(k, f"%base{k}")
        self._put("br label %row", "row:")
        self._put("%r = phi i64 [0, %entry], [%r.next, %row.end]")
        for k, (_, reading) in enumerate(self.kinds):
            self._put(f"%offset{k} = mul i64 %r, %step{k}")
            self._put(f"%row{k} = getelementptr i8, ptr %base{k}, i64 %offset{k}")
            if reading == "row":
                self._spread(k, f"%row{k}")
        self._put("br label %wide", "wide:")
        self._pass("wide", "row", "0", "%whole", self.width, "narrow")
        self._put("narrow:")
        self._pass("narrow", "wide", "%wide.i", "%cols", 1, "row.end")
        self._put("row.end:", "%r.next = add i64 %r, 1", "%more = icmp ult i64 %r.next, %rows")
        self._put("br i1 %more, label %row, label %end", "end:", "ret void", "}")
        head = ["define void @run(ptr noundef %table) {", "entry:"]
        return "\n".join([*sorted(self.intrinsics), *head, *self.lines, ""])

    def _put(self, *lines: str) -> None:
        self.lines += lines

    def _type(self, letter: str, width: int) -> str:
        return TYPES[letter] if width == 1 else f"<{width} x {TYPES[letter]}>"

    def _spread(self, k: int, place: str) -> None:
        """Read one number, for single elements and for whole vectors."""
        one = TYPES[self.kinds[k][0]]
        many = f"<{self.width} x {one}>"
        self._put(f"%one{k} = load {one}, ptr {place}")
        self._put(f"%first{k} = insertelement {many} poison, {one} %one{k}, i64 0")
        zeros = f"<{self.width} x i32> zeroinitializer"
        self._put(f"%many{k} = shufflevector {many} %first{k}, {many} poison, {zeros}")

    def _pass(self, name: str, before: str, start: str, end: str, width: int, then: str) -> None:
        """A loop over columns that takes ``width`` at once."""
        self._put(f"%{name}.i = phi i64 [{start}, %{before}], [%{name}.next, %{name}.do]")
        self._put(f"%{name}.more = icmp ult i64 %{name}.i, {end}")
        self._put(f"br i1 %{name}.more, label %{name}.do, label %{then}", f"{name}.do:")
        values: dict[int, str] = {}
        for number, (fn, operands, result) in enumerate(self.steps):
            found = [self._read(k, name, width, values) for k in operands]
            values[result] = self._compute(fn, operands, found, f"{name}.v{number}", width)
        for k in self.kept:
            kind = self._type(self.kinds[k][0], width)
            place = self._place(k, name)
            size = np.dtype(self.kinds[k][0]).itemsize
            self._put(f"store {kind} {values[k]}, ptr {place}, align {size}")
        self._put(f"%{name}.next = add i64 %{name}.i, {width}", f"br label %{name}")

    def _place(self, k: int, name: str) -> str:
        kind, place = TYPES[self.kinds[k][0]], f"%{name}.at{k}"
        line = f"{place} = getelementptr {kind}, ptr %row{k}, i64 %{name}.i"
        if line not in self.lines:
            self._put(line)
        return place

    def _read(self, k: int, name: str, width: int, values: dict[int, str]) -> str:
        if k not in values:
            letter, reading = self.kinds[k]
            if reading != "each":
                return f"%one{k}" if width == 1 else f"%many{k}"
            place, size = self._place(k, name), np.dtype(letter).itemsize
            kind = self._type(letter, width)
            values[k] = f"%{name}.in{k}"
            self._put(f"{values[k]} = load {kind}, ptr {place}, align {size}")
        return values[k]

    def _compute(
        self, fn: Any, places: Sequence[int], operands: list[str], name: str, width: int
    ) -> str:
        """The lines of one operation; the name of its result."""
        letter = self.kinds[places[0]][0]
        kind = self._type(letter, width)
        if fn in COMPARISONS:
            self._put(f"%{name}.is = fcmp {COMPARISONS[fn]} {kind} {', '.join(operands)}")
            return self._as_bytes(f"%{name}", width)
        if fn == "f" or fn == "d":  # a number of each truth value
            if letter == fn:
                return operands[0]
            self._put(f"%{name} = uitofp {kind} {operands[0]} to {self._type(fn, width)}")
            return f"%{name}"
        suffix = {"f": "f32", "d": "f64"}[letter]
        names: dict[str, str] = {
            "t": kind, "s": suffix if width == 1 else f"v{width}{suffix}",
            "m": "i1" if width == 1 else f"<{width} x i1>",
            **dict(zip("ab", operands, strict=False)),
        }  # fmt: skip
        made: list[str] = []
        for i, pattern in enumerate(ARITHMETIC[fn]):
            line = pattern.format(*made, **names)
            if "@llvm" in line:
                called = line.split("@")[1].split("(")[0]
                self.intrinsics.add(f"declare {kind} @{called}({kind})")
            made.append(f"%{name}.{i}")
            self._put(f"{made[-1]} = {line}")
        return made[-1]

    def _as_bytes(self, name: str, width: int) -> str:
        bit, byte = ("i1", "i8") if width == 1 else (f"<{width} x i1>", f"<{width} x i8>")
        self._put(f"{name} = zext {bit} {name}.is to {byte}")
        return name


@functools.cache
def compiled(text: str) -> int:
    """The address of the function that LLVM's text defines.

    The machine code is kept in the user's cache, by the text, LLVM and the processor.
    """
    machine = _machine()
    llvm = machine.llvm
    key = "\n".join([text, str(llvm.llvm_version_info), *machine.described])
    kept = _cache() / f"{hashlib.sha256(key.encode()).hexdigest()}.o"
    code = _kept(kept)
    if code is None:
        module = llvm.parse_assembly(text)
        module.verify()
        code = machine.target.emit_object(module)
        _keep(kept, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine.made())
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    machine.engines.append(engine)  # whose end is that of the code
    return int(engine.get_function_address("run"))


def holding_the_lock(address: int) -> Callable[[int], None]:
    """The function there, which takes its table's address; other threads of Python wait."""
    return ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(address)


def without_the_lock(address: int) -> Callable[[int], None]:
    """The same, beside other threads of Python: that takes longer to call."""
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


class _Machine:
    """LLVM's picture of this processor."""

    def __init__(self) -> None:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.llvm: Any = llvm
        self.engines: list[Any] = []
        self.described = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
        self.target = self.made()

    def made(self) -> Any:
        """A compiler of its own, as each engine takes one over."""
        triple = self.llvm.Target.from_triple(self.llvm.get_process_triple())
        cpu, features = self.described
        return triple.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


@functools.cache
def _machine() -> _Machine:
    return _Machine()


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "tinygrad_np" / "fused"


def _kept(path: Path) -> bytes | None:
    """The machine code in a file, if it is all there: its sum stands before it."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[SUM:]
    return code if content[:SUM] == hashlib.sha256(code).digest() else None


def _keep(path: Path, code: bytes) -> None:
    """Write beside and rename: nobody reads half of it. Where that is not allowed, nothing."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(file.name, path)
    except OSError:
        return


@functools.cache
def agrees(fn: Any, letter: str) -> bool:
    """Whether NumPy's bits are those of the loop on this processor, at numbers that tell.

    Which of two zeros is the larger one NumPy leaves to the processor.
    """
    tiny = float(np.finfo(letter).smallest_subnormal)
    large = float(np.finfo(letter).max)
    special: list[float] = [0.0, 1.0, math.pi, large, tiny, math.inf, math.nan]
    values = np.array([*special, *(-v for v in special)], letter)
    operands = [np.ravel(v) for v in np.meshgrid(*[values] * fn.nin)]
    operands = [np.resize(v, v.size + 13) for v in operands]  # more than whole vectors
    result = np.dtype("?" if fn in COMPARISONS else letter)
    ours, theirs = (np.empty(operands[0].size, result) for _ in range(2))
    arrays = [*operands, ours]
    kinds = [(array.dtype.char, "each") for array in arrays]
    loop = Loop(kinds, [(fn, tuple(range(fn.nin)), fn.nin)], [fn.nin])
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
