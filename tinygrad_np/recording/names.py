"""What modules and their Tensors are called in a recording: by their place in the model."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..autodiff.nests import held, parts
from ..autodiff.tensor import Tensor
from .equations import Call, Equation, Variable


def placed(nest: Any, name: str) -> list[tuple[str, Any]]:
    """The arrays of a nest that is called ``name``, each with how it is written in Python."""
    if (found := parts(nest)) is None:
        return [] if nest is None else [(name, nest)]
    fields = getattr(type(nest), "_fields", found if held(nest) is not None else ())
    ways = [f".{field}" for field in fields] or [f"[{key!r}]" for key in found]
    pairs = zip(ways, found.values(), strict=True)
    return [pair for way, part in pairs for pair in placed(part, name + way)]


def calls_of(equations: Iterable[Equation]) -> list[Call]:
    """The calls of modules that equations belong to, each behind the one around it."""
    found: dict[Call, None] = {}
    for equation in equations:
        chain = []
        call = equation.call
        while call is not None and call not in found:
            chain.append(call)
            call = call.around
        found |= dict.fromkeys(reversed(chain))
    return list(found)


def give_names(
    equations: Iterable[Equation], variables: Iterable[Variable], around: Sequence[Any] = ()
) -> dict[Any, str]:
    """Give variables from outside, and the calls of modules, their names; those of all Tensors.

    ``around`` are modules that may hold those that were called.
    """
    tensors = named(calls_of(equations), around=around)
    for variable in variables:
        if isinstance(variable.source, Tensor):
            variable.name = tensors.get(variable.source) or variable.source.name
            if variable.kind == "entry":
                variable.name = f"{variable.name or 'tensor'}.grad"
    return tensors


def named(calls: Sequence[Call], whole: Any = None, around: Sequence[Any] = ()) -> dict[Any, str]:
    """The paths of all Tensors in the modules that were called; the calls get theirs, too.

    Paths are those in ``whole``, or in the outermost modules, which may be among those ``around``:
    where there are several with parameters, class and number tell them apart.
    """
    calls = [call for call in calls if whole is None or call.module() is not whole]
    modules: dict[Any, str] = {}
    tensors: dict[Any, str] = {}
    roots = [call.module() for call in calls if call.around is None] if whole is None else [whole]
    outer = {part: module for module in around for name, part in module.named_modules() if name}
    for i, root in enumerate(roots):
        while root in outer:
            root = roots[i] = outer[root]
    for root, own in _told_apart([root for root in roots if root is not None]).items():
        for path, module in root.named_modules():
            is_told = module is root and own == type(root).__name__
            modules.setdefault(module, "" if is_told else f"{own}.{path}".strip("."))
        for path, tensor in (*root.named_parameters(), *root.named_tensors()):
            tensors.setdefault(tensor, f"{own}.{path}".strip("."))
    times, seen = Counter(call.module() for call in calls), Counter[Any]()
    for call in calls:
        module = call.module()
        call.path = modules.get(module, "")
        seen[module] += 1
        if module is not None and times[module] > 1:
            call.path = f"{call.path} call {seen[module]}".strip()
    return tensors


def _told_apart(roots: list[Any]) -> dict[Any, str]:
    """What tells the parameters of several modules apart: class and number; nothing for one.

    A module inside of another comes behind it, without a name.
    """
    distinct = list(dict.fromkeys(roots))
    inner = {part for root in distinct for name, part in root.named_modules() if name}
    apart = [module for module in distinct if module not in inner and module.parameters()]
    kinds = [type(module).__name__ for module in apart] if len(apart) > 1 else []
    named = dict.fromkeys([*apart, *distinct], "")
    for i, kind in enumerate(kinds):
        number = f" {kinds[: i + 1].count(kind)}" if kinds.count(kind) > 1 else ""
        named[apart[i]] = kind + number
    return named
