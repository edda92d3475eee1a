"""The arrows between the rooms, and the smallness of the engine."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.each import for_each

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinygrad_np"

# Reading order is import order: a module may import only what stands before it.
ORDER = [
    "errors", "habits", "files", "foreign", "markup", "threads",
    "autodiff.shapes", "autodiff.nests",
    "autodiff.primitives.bodies",
    "autodiff.primitives.numbers",
    "autodiff.primitives.dispatch",
    "autodiff.primitives.reductions", "autodiff.primitives.matrices",
    "autodiff.primitives.elementwise", "autodiff.primitives.indexing",
    "autodiff.primitives.shaping", "autodiff.primitives.building",
    "autodiff.primitives.samples", "autodiff.primitives.neural",
    "autodiff.primitives.convolving", "autodiff.primitives.convolution",
    "autodiff.primitives.pooling",
    "autodiff.primitives.drawing", "autodiff.primitives",
    "autodiff.rules.signatures", "autodiff.rules.lending", "autodiff.rules.table",
    "autodiff.rules.calls", "autodiff.rules.ways", "autodiff.rules.elementwise",
    "autodiff.rules.reductions", "autodiff.rules.shaping", "autodiff.rules.padding",
    "autodiff.rules.indexing",
    "autodiff.rules.linear_algebra", "autodiff.rules.inverses", "autodiff.rules.ties",
    "autodiff.rules.decompositions", "autodiff.rules.norms", "autodiff.rules.fourier",
    "autodiff.rules.statistics",
    "autodiff.rules.signals", "autodiff.rules.polynomials", "autodiff.rules.histograms",
    "autodiff.rules.nans", "autodiff.rules.building", "autodiff.rules.choosing",
    "autodiff.rules.windows", "autodiff.rules.products", "autodiff.rules.neural",
    "autodiff.rules.convolution", "autodiff.rules.constants", "autodiff.rules.several",
    "autodiff.rules.steady", "autodiff.rules.gammas", "autodiff.rules.bessel",
    "autodiff.rules.log_sums", "autodiff.rules.special", "autodiff.rules.distributions",
    "autodiff.rules.methods",
    "autodiff.rules", "autodiff.tape", "autodiff.guards", "autodiff.hooks", "autodiff.funnel",
    "autodiff.writes",
    "autodiff.operators", "autodiff.sweep", "autodiff.tensor", "autodiff.making",
    "autodiff.transforms", "autodiff.checkpoint", "autodiff.gradcheck",
    "recording.lines", "recording.equations",
    "recording.text", "recording.tables", "recording.names", "recording.recording",
    "recording.recorder", "recording.tape", "recording.trace", "recording.reached",
    "recording.formulas", "recording.checking", "recording.receipt",
    "recording.autopsy", "recording.locks", "recording.anomaly",
    "watch.mentions", "watch.objects", "watch.kept", "watch.unseen", "watch.reads", "watch.walk",
    "replay.memory", "replay.capture",
    "replay.guards", "replay.kernels", "replay.rows", "replay.plan",
    "replay.bind", "replay.show", "replay.severed", "replay.native", "replay.fuse",
    "replay.program", "replay.verify",
    "replay.given", "replay.step",
]  # fmt: skip
ROOMS = [
    "version", "ctrl_c", "errors", "habits", "files", "foreign", "markup", "arguments", "threads",
    "autodiff",
    "batching", "recording", "watch", "replay", "random", "special", "polynomial", "nn",
    "optim", "parallel",
    "data", "export", "training", "draw", "sklearn", "run", "compat",
]  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def last_name(node: ast.AST | None) -> str:
    """The name, or that of the attribute: ``ast.unparse`` takes long."""
    return str(getattr(node, "id", getattr(node, "attr", "")))


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and last_name(node.test) == "TYPE_CHECKING"


def statements(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes, without what is imported for type checkers only."""
    for statement in body:
        if for_types_only(statement):
            continue
        yield statement
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from statements([child])


@functools.cache
def imported(name: str) -> set[str]:
    """The modules of the package that ``name`` imports, at the top or inside functions."""
    path = MODULES[name]
    inside = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    if name == "":
        inside = []
    found = set()
    for node in statements(tree_of(path).body):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names if alias.name.startswith("tinygrad_np")]
            found |= {n.removeprefix("tinygrad_np").lstrip(".") for n in named}
        if isinstance(node, ast.ImportFrom) and (
            node.level or (node.module or "").startswith("tinygrad_np")
        ):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            module = (node.module or "").removeprefix("tinygrad_np").lstrip(".")
            start = ".".join([*base, module] if module else base)
            for alias in node.names:
                inner = f"{start}.{alias.name}".lstrip(".")
                found.add(inner if inner in MODULES else start)
    return found - {name}


FIRST_ROOMS = ("errors", "autodiff", "recording", "watch", "replay")


@for_each(n for n in MODULES if n)
def test_nothing_imports_the_package_root(name: str) -> None:
    assert "" not in imported(name)


@for_each(n for n in MODULES if n.startswith(FIRST_ROOMS))
def test_arrows_in_the_engine_and_in_replay_point_up(name: str) -> None:
    if name in FIRST_ROOMS and name != "errors":
        return
    assert name in ORDER, f"{name} has no place in the reading order"
    later = imported(name) - set(ORDER[: ORDER.index(name)])
    if name == "autodiff.rules.table":
        later -= {"autodiff.rules"}
    assert later == set()


def test_every_room_has_its_place() -> None:
    assert {name.split(".")[0] for name in MODULES if name} == {*ROOMS, "__main__"}


# a __main__ is a program, which may use everything
@for_each(n for n in MODULES if n and not n.endswith("__main__"))
def test_arrows_between_rooms_point_up(name: str) -> None:
    room = ROOMS.index(name.split(".")[0])
    below = {n for n in imported(name) if n and n.split(".")[0] in ROOMS[room + 1 :]}
    assert below == set()


def test_no_import_cycles() -> None:
    arrows = {name: imported(name) & set(MODULES) for name in MODULES}
    while True:
        free = [name for name, targets in arrows.items() if not targets & set(arrows)]
        if not free:
            break
        for name in free:
            del arrows[name]
    assert arrows == {}


ENGINE = sorted(path for path in (PACKAGE / "autodiff").glob("*.py"))
# rooms that several threads may be in at once
IN_THREADS = ("autodiff.", "batching.", "recording.", "watch.", "replay.", "optim.")
REGISTRIES = {"TABLE", "COMPOSITES", "FACTS", "METADATA", "RULES", "WRITERS"}


@for_each(n for n in MODULES if n.startswith(IN_THREADS))
def test_no_mutable_state_at_module_level(name: str) -> None:
    """Dicts, lists and sets at module level are only read; the table's registries are filled."""
    tree = tree_of(MODULES[name])
    held = set()
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            value = statement.value  # type: ignore[attr-defined]
            mutable = isinstance(value, (ast.Dict, ast.List, ast.Set, ast.ListComp, ast.DictComp))
            mutable = mutable or (
                isinstance(value, ast.Call) and ast.unparse(value.func) in {"dict", "list", "set"}
            )
            if isinstance(target, ast.Name) and mutable:
                held.add(target.id)
    written = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                written |= set(node.names)
            if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(
                node.value, ast.Name
            ):
                stores = isinstance(node.ctx, (ast.Store, ast.Del))
                mutates = isinstance(node, ast.Attribute) and node.attr in {
                    "append",
                    "add",
                    "update",
                    "clear",
                    "pop",
                    "setdefault",
                    "extend",
                    "remove",
                }
                if stores or mutates:
                    written.add(node.value.id)
    assert (written & held) - REGISTRIES == set()


def code_lines(path: Path) -> int:
    """Lines that are neither blank, nor comment, nor docstring."""
    text = path.read_text(encoding="utf-8")
    documented: set[int] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            documented.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in documented
        for number, line in enumerate(text.splitlines(), 1)
    )


def test_the_engine_stays_small() -> None:
    lines = sum(code_lines(path) for path in ENGINE)
    assert lines <= 2_257, f"autodiff without rules has {lines} lines of code"


@for_each(n for n in MODULES if n.startswith(IN_THREADS))
def test_functions_fit_on_a_screen(name: str) -> None:
    tree = tree_of(MODULES[name])
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []


WRITING = {"write_text", "write_bytes", "savefig", "tofile", "imsave", "savez",
           "savez_compressed", "savetxt"}  # fmt: skip


def opens_for_writing(call: ast.Call) -> bool:
    """Whether it opens a file that it may make, or writes one in a single call."""
    name = last_name(call.func)
    if name in {"open", "ZipFile", "GzipFile", "fdopen"}:
        words = [*call.args, *(k.value for k in call.keywords if k.arg == "mode")]
        modes = [w.value for w in words if isinstance(w, ast.Constant)]
        return any(isinstance(m, str) and len(m) < 4 and set(m) & set("wax+") for m in modes)
    library = {"np.save", "onnx.save", "os.replace", "super().save"}
    of_library = name in {"save", "replace"} and ast.unparse(call.func) in library
    return name in WRITING or of_library


def is_empty_file(value: ast.AST) -> bool:
    made = isinstance(value, ast.Call) and not value.args
    return made and last_name(value.func) == "BytesIO"  # type: ignore[attr-defined]


@for_each(n for n in MODULES if n != "files")
def test_files_are_written_beside_and_renamed(name: str) -> None:
    """What opens a file for writing writes into one of ``replacing``, into memory or an archive."""
    tree, whole = tree_of(MODULES[name]), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.withitem) and node.optional_vars is not None:
            source = ast.unparse(node.context_expr)
            if "replacing(" in source or "ZipFile(" in source:
                whole.add(ast.unparse(node.optional_vars))
        if isinstance(node, ast.arg) and last_name(node.annotation) == "BinaryIO":
            whole.add(node.arg)
        if isinstance(node, ast.Assign) and is_empty_file(node.value):
            whole.add(ast.unparse(node.targets[0]))
    direct = [
        f"{MODULES[name].name}:{call.lineno}: {ast.unparse(call)}"
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and opens_for_writing(call)
        and whole.isdisjoint(n.id for n in ast.walk(call) if isinstance(n, ast.Name))
    ]
    assert direct == []


def test_importing_the_package_loads_nothing_it_does_not_need() -> None:
    """Of NumPy's random numbers alone it is 12 ms."""
    code = "import sys, tinygrad_np; print(*sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy.random", "matplotlib", "sklearn", "scipy", "tqdm", "optuna", "torch"}
    assert heavy & set(found.stdout.split()) == set()
