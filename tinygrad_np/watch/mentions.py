"""What a function's code says that it reads."""

import dis
import functools
import types
from typing import NamedTuple

LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_GLOBAL", "LOAD_NAME")
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "STORE_ATTR", "DELETE_ATTR")
PASSED = ("CACHE", "COPY", "EXTENDED_ARG", "NOP", "PRECALL", "PUSH_NULL", "RESUME")
# what reads attributes by names that the code need not mention: methods, functions of Python's own,
REFLECTING = frozenset([
    "__dict__", "__getattribute__", "__import__", "delattr", "dir", "eval", "exec", "format",
    "format_map", "getattr", "globals", "hasattr", "locals", "setattr", "vars",
])  # fmt: skip


class Chain(NamedTuple):
    """``root.attribute.attribute``: ``kind`` is where the root lies (local, cell or global)."""

    kind: str
    root: str
    attributes: tuple[str, ...]
    line: int


class Mentions(NamedTuple):
    """What a code object mentions: chains as they are used, and attributes of unknown objects.

    With ``reflects`` it may read any attribute of the objects it has; ``words`` are names for that.
    """

    chains: tuple[Chain, ...]
    floating: frozenset[str]
    imports: frozenset[str]
    reflects: bool
    words: frozenset[str]


@functools.lru_cache(maxsize=4096)
def mentions(code: types.CodeType) -> Mentions:
    """What a function's code mentions, in the order of its instructions."""
    chains: dict[tuple[str, str, tuple[str, ...]], int] = {}
    floating: set[str] = set()
    stored: set[str] = set()
    imports: set[str] = set()
    writes = [i.argval for i in dis.get_instructions(code) if i.opname.startswith("STORE_FAST")]
    assigned = {name for w in writes for name in (w if isinstance(w, tuple) else (w,))}
    top: tuple[str, str, tuple[str, ...]] | None = None
    line, stores = code.co_firstlineno, False
    reflects = not REFLECTING.isdisjoint(code.co_names)
    for instruction in dis.get_instructions(code):
        op, name = instruction.opname, instruction.argval
        if op in PASSED:
            continue
        extends = op in ATTRIBUTES and op != "LOAD_SUPER_ATTR" and top is not None
        if top is not None and not extends:
            if stores:
                chains[top] = line
            chains.setdefault(top, line)
            top = None
        stores = op.startswith(("STORE", "DELETE"))
        if instruction.positions is not None and instruction.positions.lineno is not None:
            line = instruction.positions.lineno
        if op.startswith(LOADS) or op in ("STORE_GLOBAL", "STORE_DEREF"):
            if isinstance(name, tuple):  # two at once
                chains.setdefault(("local", name[0], ()), line)
                name = name[-1]
            kind = "global" if op.endswith(("GLOBAL", "NAME")) else "local"
            kind = "cell" if name in code.co_freevars else kind
            top = None if kind == "local" and name in assigned else (kind, name, ())
        elif extends:
            top = (top[0], top[1], (*top[2], name))  # type: ignore[index]
        elif op == "MATCH_CLASS":  # its names are among the words
            reflects = True
        elif op == "IMPORT_NAME":
            imports.add(name)
        elif op == "IMPORT_FROM" or (op in ATTRIBUTES and op.startswith("LOAD")):
            floating.add(name)
        elif op in ATTRIBUTES:
            stored.add(name)
            chains |= {chain: line for chain in chains if chain[2][-1:] == (name,)}  # x.n += 1
    known = {name for _, _, attributes in chains for name in attributes}
    held = [part for c in code.co_consts for part in (c if isinstance(c, tuple) else (c,))]
    words = {c for c in held if isinstance(c, str) and c.replace(".", "").isidentifier()}
    found = tuple(Chain(*chain, line) for chain, line in chains.items())
    floating |= stored - known
    return Mentions(found, frozenset(floating), frozenset(imports), reflects, frozenset(words))
