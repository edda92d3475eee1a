"""Which of NumPy's functions have a derivative, here and in other libraries: docs/coverage.md.

    python benchmarks/coverage.py                  the counts, and what is not classified
    python benchmarks/coverage.py --write          writes docs/coverage.md
    pip install '.[peers]'                         the libraries that are compared

The classes come from the table of rules. What is measured are the calls of probes.py, the same for
all libraries: one counts if its value is NumPy's and its gradient that of central differences.
Figures of a library that cannot be imported stay as they are on the page.
"""

import argparse
import importlib
import importlib.metadata
import operator
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

import tinygrad_np as tg
from benchmarks import special_functions
from benchmarks.probes import PROBES, Probe
from tinygrad_np import polynomial
from tinygrad_np.autodiff.rules import COMPOSITES, METADATA, TABLE, WRITERS
from tinygrad_np.autodiff.rules.calls import METHODS
from tinygrad_np.autodiff.rules.ways import WAYS
from tinygrad_np.run.command_line import Arguments, guarded

HAS_SCIPY = bool(special_functions.release())
PAGE = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"
DIFFERENTIABLE, CONSTANT, FACT = "differentiable", "constant", "information"
REFUSED, NOT_APPLICABLE = "refused", "not applicable"
POLYNOMIALS = {"polynomial": "poly", "chebyshev": "cheb", "legendre": "leg", "laguerre": "lag",
               "hermite": "herm", "hermite_e": "herme"}  # fmt: skip
FORMS = ("val", "val2d", "val3d", "grid2d", "grid3d")
UFUNC_METHODS = ("reduce", "accumulate", "reduceat", "outer", "at")

# Functions that NumPy cannot dispatch, or for which a derivative makes no sense, by the reason.
REASONS: dict[str, str] = {
    "takes numbers, shapes or text, and makes an array": (
        "arange array asarray asanyarray asarray_chkfinite ascontiguousarray asfortranarray eye "
        "empty full identity indices ones zeros tri diag_indices mask_indices tril_indices "
        "triu_indices bartlett blackman hamming hanning kaiser fft.fftfreq fft.rfftfreq"
    ),
    "reads or writes files, memory or text": (
        "from_dlpack frombuffer fromfile fromregex fromstring genfromtxt load loadtxt "
        "base_repr binary_repr format_float_positional format_float_scientific"
    ),
    "is about dtypes, shapes or NumPy itself": (
        "broadcast_shapes get_include get_printoptions getbufsize geterr geterrcall info isdtype "
        "isfortran isscalar issubdtype iterable mintypecode printoptions promote_types "
        "set_printoptions setbufsize seterr seterrcall show_config show_runtime test typename "
        "datetime_data linalg.test fft.test linalg.LinAlgError"
    ),
    "is about dates": (
        "busday_count busday_offset is_busday isnat datetime_as_string busdaycalendar"
    ),
    "is a class of iterators, arrays or settings": (
        "broadcast dtype errstate finfo flatiter iinfo memmap ndarray ndenumerate ndindex "
        "recarray record ufunc matrix poly1d"
    ),
}  # fmt: skip
FIRST = """\
A few calls raise NumPy's own error. `np.frombuffer(t)`, `np.fromstring(t)` and `memoryview(t)` want
bytes. `np.fromiter(t, float)`, `array[0] = t` and `p[0] = t` of a `np.poly1d` raise "setting an
array element with a sequence"; the sentence above that in the traceback says what to do.
`np.bmat(t)` of one Tensor is None. `np.nditer` and `np.nested_iters` say what to do if the program
calls them by these names."""
THROUGH_OTHERS = {  # NumPy's own code calls functions of the table
    "fromfunction": "calls your function with arrays of indices; the operations in it are recorded",
    "row_stack": "calls np.vstack",
}
REFUSALS = {
    **{name: way for name, way in WAYS.items() if hasattr(np, name) and name != "poly1d"},
    "lib.stride_tricks.as_strided": WAYS["as_strided"],
    "frompyfunc": "give the function a derivative with tg.defvjp",
}
CONSTANTS = {"lexsort", "ravel_multi_index"}  # composites whose results are
WAITING: set[str] = set()  # of which nobody has written the derivative yet


@dataclass(frozen=True)
class Library:
    """Another library behind the same calls."""

    name: str
    package: str
    load: Callable[[], tuple[Any, Callable[..., Any]]]

    @property
    def title(self) -> str | None:
        """Name and version, if it is installed."""
        try:
            return f"{self.name} {importlib.metadata.version(self.package)}"
        except importlib.metadata.PackageNotFoundError:
            return None


class Siblings:
    """NumPy, with this package's functions in place of the polynomials that make arrays."""

    polynomial = SimpleNamespace(**{
        family: SimpleNamespace(**{
            short + form: getattr(polynomial, short + form) for form in FORMS
        })
        for family, short in POLYNOMIALS.items()
    })  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def ours() -> tuple[Any, Callable[..., Any]]:
    def slopes(f: Any, arrays: Any) -> Any:
        return tg.value_and_grad(f, argnums=tuple(range(len(arrays))))(*arrays)

    return Siblings(), slopes


def hips() -> tuple[Any, Callable[..., Any]]:
    autograd = importlib.import_module("autograd")

    def slopes(f: Any, arrays: Any) -> Any:
        found = [autograd.value_and_grad(f, k)(*arrays) for k in range(len(arrays))]
        return found[0][0], [gradient for _, gradient in found]

    return importlib.import_module("autograd.numpy"), slopes


def mygrad() -> tuple[Any, Callable[..., Any]]:
    package = importlib.import_module("mygrad")

    class Namespace:
        """MyGrad's functions, and NumPy's on its tensors where it has none of its own."""

        def __getattr__(self, name: str) -> Any:
            return getattr(package, name, None) or getattr(np, name)

    def slopes(f: Any, arrays: Any) -> Any:
        tensors = [package.tensor(array) for array in arrays]
        out = f(*tensors)
        out.backward()
        return out.item(), [0.0 if t.grad is None else t.grad for t in tensors]

    return Namespace(), slopes


def jax() -> tuple[Any, Callable[..., Any]]:
    package = importlib.import_module("jax")
    package.config.update("jax_enable_x64", True)

    def slopes(f: Any, arrays: Any) -> Any:
        return package.value_and_grad(f, argnums=tuple(range(len(arrays))))(*arrays)

    return importlib.import_module("jax.numpy"), slopes


OURS = Library("tinygrad_np", "tinygrad_np", ours)
PEERS = [Library("HIPS/autograd", "autograd", hips), Library("MyGrad", "mygrad", mygrad),
         Library("JAX", "jax", jax)]  # fmt: skip


def parts(out: Any) -> list[Any]:
    """The results of a call that are no integers."""
    if isinstance(out, (tuple, list)):
        return [part for one in out for part in parts(one)]
    dtype = getattr(out, "dtype", type(out) if isinstance(out, (float, complex)) else None)
    return [out] if dtype is not None and np.dtype(dtype).kind in "fc" else []


def weighed(numpy: Any, out: Any) -> Any:
    """One number of all results, in which every element has a weight of its own."""
    total = 0.0
    for part in parts(out):
        shape = getattr(part, "shape", ())
        weight = np.cos(1.0 + np.arange(np.prod(shape))).reshape(shape)
        if np.dtype(getattr(part, "dtype", type(part))).kind == "c":
            part = numpy.real(part) + 0.5 * numpy.imag(part)
        total = total + numpy.sum(part * weight)
    return total


def slopes_by_differences(f: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> list[Any]:
    found = []
    for k, array in enumerate(arrays):
        slope = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [a.copy() for a in arrays]
                moved[k][index] += step
                ends.append(f(*moved))
            slope[index] = (ends[0] - ends[1]) / 2e-6
        found.append(slope)
    return found


def passes(probe: Probe, numpy: Any, slopes: Callable[..., Any]) -> bool:
    """Whether a library gives the value and the gradient of a probe."""
    reference: Callable[..., Any] = lambda *xs: weighed(np, probe.call(np, *xs))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value, gradient = reference(*probe.arrays), slopes_by_differences(reference, probe.arrays)
        try:
            f = lambda *xs: weighed(numpy, probe.call(numpy, *xs))
            found, their = slopes(f, probe.arrays)
            same = np.allclose(float(found), value, rtol=1e-6, atol=1e-9)
            pairs = zip(their, gradient, strict=True)
            return same and all(np.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in pairs)
        except Exception:  # it has no such function, or refuses
            return False


def measured(library: Library) -> dict[str, bool]:
    """Which functions pass all their probes."""
    numpy, slopes = library.load()
    return {name: all(passes(p, numpy, slopes) for p in probes) for name, probes in PROBES.items()}


def names() -> dict[str, Any]:
    """Every public callable of NumPy's namespaces, by the name behind ``np.``."""
    found: dict[str, Any] = {}

    def add(room: str, chosen: Callable[[str], bool] = lambda _: True) -> None:
        module = operator.attrgetter(room)(np) if room else np
        for name in dir(module):
            value = getattr(module, name)
            if not name.startswith("_") and callable(value) and chosen(name):
                found[f"{room}.{name}".lstrip(".")] = value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that NumPy is about to drop
        for room in ("", "linalg", "fft", "lib.stride_tricks"):
            add(room)
        for family, short in POLYNOMIALS.items():
            importlib.import_module(f"numpy.polynomial.{family}")
            add(f"polynomial.{family}", {short + form for form in FORMS}.__contains__)
    return found


def classify(name: str, fn: Any) -> str | None:
    """The class of a function; None if nobody has said."""
    if fn in TABLE or name in CONSTANTS:
        return CONSTANT if name in CONSTANTS or TABLE[fn].constant else DIFFERENTIABLE
    if fn in COMPOSITES or name in THROUGH_OTHERS:
        return DIFFERENTIABLE
    if fn in METADATA:
        return FACT
    if name in REFUSALS or name in WAITING or fn in WRITERS:
        return REFUSED
    if isinstance(fn, type) and issubclass(fn, np.generic):
        return NOT_APPLICABLE
    if name.startswith("polynomial."):
        return REFUSED if hasattr(polynomial, name.rpartition(".")[2]) else None
    return NOT_APPLICABLE if any(name in said.split() for said in REASONS.values()) else None


def classify_method(ufunc: np.ufunc, method: str) -> str:
    """The class of a method of a ufunc."""
    fn = METHODS.get((method, ufunc), getattr(ufunc, method))
    if method == "at":
        return DIFFERENTIABLE if ufunc in (np.add, np.subtract) else REFUSED
    if method == "outer" and ufunc.nin == 2:
        fn = ufunc
    if fn in TABLE:
        return CONSTANT if TABLE[fn].constant else DIFFERENTIABLE
    return DIFFERENTIABLE if fn in COMPOSITES else NOT_APPLICABLE


def ufuncs() -> list[np.ufunc]:
    """NumPy's ufuncs, each once."""
    found = {fn.__name__: fn for fn in names().values() if isinstance(fn, np.ufunc)}
    return [found[name] for name in sorted(found)]


def unclassified() -> list[str]:
    """Names of NumPy that nobody has classified."""
    return [name for name, fn in names().items() if classify(name, fn) is None]


ROOMS = {
    "numpy": "", "numpy.linalg": "linalg.", "numpy.fft": "fft.", "numpy.polynomial": "polynomial.",
    "numpy.lib.stride_tricks": "lib.stride_tricks.",
}  # fmt: skip
CLASSES = (DIFFERENTIABLE, CONSTANT, FACT, REFUSED, NOT_APPLICABLE)
YES, NO = "✓", "–"
METHOD_NAMES = {f"{name}.{m}" for name in dir(np) for m in UFUNC_METHODS
                if isinstance(getattr(np, name, None), np.ufunc)}  # fmt: skip


def room_of(name: str) -> str:
    """The heading under which a name is counted."""
    if name in METHOD_NAMES:
        return "methods of ufuncs"
    return next(room for room, start in reversed(ROOMS.items()) if name.startswith(start))


def classes() -> dict[str, dict[str, list[str]]]:
    """The names of each class, by room."""
    found: dict[str, dict[str, list[str]]] = {room: {} for room in ROOMS}
    for name, fn in names().items():
        found[room_of(name)].setdefault(classify(name, fn) or REFUSED, []).append(name)
    methods: dict[str, list[str]] = {}
    for ufunc in ufuncs():
        for method in UFUNC_METHODS:
            kind = classify_method(ufunc, method)
            methods.setdefault(kind, []).append(f"{ufunc.__name__}.{method}")
    return {**found, "methods of ufuncs": methods}


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def listed(found: list[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(found))


ABOUT = """\
This page says which functions of NumPy {} have a derivative here. It has every public function of
NumPy's namespaces, the functions that evaluate polynomials, and the methods of ufuncs.
`python benchmarks/coverage.py --write` writes this page from NumPy and the table of rules. A test
fails if NumPy has a name that is in no class.

- *Differentiable*: the function is recorded and has derivatives of every order.
- *Constant*: the result is made of integers or booleans, or is a step function. Its gradient is 0.
- *Information*: the result is a shape, a dtype, a text or a file.
- *Refused*: the call is an error that says what to use instead. For the functions that evaluate
  polynomials this is the function of the same name in `tinygrad_np.polynomial`.
- *Not applicable*: the function takes no array of numbers."""
MEASURED = """\
Every library gets the same calls (`benchmarks/probes.py`). A function passes if each call gives
NumPy's value and the gradient of central differences. A function that a library does not have
counts as not passed. MyGrad's own functions are called; where it has none of the name, NumPy's
function is called with MyGrad's tensors. For polynomials the functions of
`tinygrad_np.polynomial` are called."""
Marks = Mapping[str, Mapping[str, bool]]  # of each library, of each function


def page(marks: Marks, old: str) -> str:
    """The text of docs/coverage.md; ``old`` is the page as it is."""
    found = classes()
    counts = [[room, *(len(kinds.get(kind, [])) for kind in CLASSES)]
              for room, kinds in found.items()]  # fmt: skip
    rooms = [*ROOMS, "methods of ufuncs"]
    probed = {room: [name for name in PROBES if room_of(name) == room] for room in rooms}
    passed: list[list[Any]] = [
        [room, len(inside), *(sum(library[name] for name in inside) for library in marks.values())]
        for room, inside in probed.items()
    ]
    total = ["all", *(sum(row[k] for row in passed) for k in range(1, len(marks) + 2))]
    constants = [(room, kinds.get(CONSTANT, []) + kinds.get(FACT, [])) for room, kinds in
                 found.items() if room in ROOMS]  # fmt: skip
    refusals = [[f"`{name}`", way] for name, way in sorted(REFUSALS.items())]
    waiting = sorted(WAITING)
    at_text = (
        "`np.add.at` and `np.subtract.at` write into a Tensor; other ufuncs refuse the method `at`"
    )
    return "\n\n".join([
        "# Coverage",
        ABOUT.format(release()),
        table(["namespace", *CLASSES], counts),
        "## Compared with other libraries",
        MEASURED,
        table(["namespace", "functions", *marks], [*passed, total]),
        "## Function by function",
        table(["function", *marks], [
            [f"`{name}`", *(YES if library[name] else NO for library in marks.values())]
            for name in sorted(PROBES)
        ]),
        "## Constants and information",
        "\n\n".join(f"{room}: {listed(inside)}" for room, inside in constants if inside),
        "## Refused, and what to use instead",
        table(["function", "instead"], refusals),
        f"{at_text}:\n`t[index] = np.multiply(t[index], v)`.",
        FIRST,
        *([f"No derivative yet: {listed(waiting)}."] if waiting else []),
        "## Not applicable",
        "\n\n".join(f"{reason}: {listed([n for n in said.split() if n in names()])}"
                    for reason, said in REASONS.items()),
        "the types of numbers: " + listed([
            name for name, fn in names().items() if isinstance(fn, type) and
            issubclass(fn, np.generic) and name not in REASONS]),
        "## Differentiable because NumPy calls other functions",
        table(["function", "why"], [[f"`{n}`", why] for n, why in THROUGH_OTHERS.items()]),
        special_functions.section(old),
    ]) + "\n"  # fmt: skip


def release() -> str:
    """NumPy's version as far as names depend on it."""
    return ".".join(np.__version__.split(".")[:2])


def on_the_page(text: str) -> dict[str, dict[str, bool]]:
    """What a page says about each library."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    header = next((row for row in rows if row[0] == "function" and len(row) > 2), ["function"])
    marked = [row for row in rows if len(row) == len(header) and row[-1] in (YES, NO)]
    return {
        title: {row[0].strip("`"): row[k] == YES for row in marked}
        for k, title in enumerate(header[1:], 1)
    }


def all_marks(text: str) -> Marks:
    """Measured where the library is installed, else as the page has it."""
    found: dict[str, Mapping[str, bool]] = {OURS.name: measured(OURS)}
    for library in PEERS:
        if library.title is not None:
            found[library.title] = measured(library)
            continue
        for title, marks in on_the_page(text).items():
            if title.rpartition(" ")[0] == library.name:
                found[title] = {name: marks.get(name, False) for name in PROBES}
    return found


def run(options: argparse.Namespace) -> int:
    """Measure, and write or print."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    text = page(all_marks(old), old)
    if options.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text[: text.index("## Function by function")])
    if missing := unclassified() + (special_functions.unclassified() if HAS_SCIPY else []):
        print(f"not classified: {' '.join(missing)}")
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = Arguments(prog="coverage.py", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/coverage.md")
    return guarded("coverage.py", lambda: run(parser.parse_args(argv)))


if __name__ == "__main__":
    raise SystemExit(main())
