"""What is made while the site is built: the API reference, ranks in the search, picture links.

The reference has one page for each public module.
"""

import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

# Each page: the module, and its title; the page's name is the module's last word.
MODULES = {
    "tinygrad_np": "tg: Tensors, gradients, replay, files",
    "tinygrad_np.nn": "tg.nn: layers",
    "tinygrad_np.nn.functional": "tg.nn.functional: functions and losses",
    "tinygrad_np.nn.init": "tg.nn.init: initial weights",
    "tinygrad_np.optim": "tg.optim: optimisers",
    "tinygrad_np.parallel": "tg.parallel: several processes",
    "tinygrad_np.data": "tg.data: data sets and batches",
    "tinygrad_np.data.augment": "tg.data.augment: distortions",
    "tinygrad_np.training": "tg.training: fit, predict, measure",
    "tinygrad_np.draw": "tg.draw: pictures",
    "tinygrad_np.random": "tg.random: noise",
    "tinygrad_np.polynomial": "tg.polynomial: polynomials",
    "tinygrad_np.special": "tinygrad_np.special: SciPy's special functions",
    "tinygrad_np.sklearn": "tinygrad_np.sklearn: estimators",
    "tinygrad_np.compat.autograd": "tinygrad_np.compat.autograd: HIPS/autograd's names",
}

# How much a page counts in the search, beside 1: of two that have the words, what a newcomer needs
# comes first. A page of figures or one line for each function is the last.
BOOSTS = {
    "start.md": 4.0, "own_model.md": 4.0, "own_data.md": 4.0, "training.md": 4.0, "doctor.md": 3.0,
    "optimisers.md": 2.0, "data.md": 2.0, "from_pytorch.md": 2.0, "from_keras.md": 2.0,
    "cookbook.md": 2.0, "cookbook_networks.md": 2.0, "cookbook_parts.md": 2.0,
    "onnx.md": 0.3, "performance.md": 0.3, "comparison.md": 0.3, "coverage.md": 0.1,
}  # fmt: skip


def public(name: str) -> dict[str, Any]:
    """The functions and classes that a module offers, by name."""
    module = importlib.import_module(name)
    found = {each: getattr(module, each) for each in module.__all__}
    return {
        each: value
        for each, value in found.items()
        if callable(value) and not inspect.ismodule(value) and value.__module__ != "builtins"
    }


def modules() -> dict[str, str]:
    """Those of ``MODULES`` that the package has."""
    return {name: title for name, title in MODULES.items() if importlib.util.find_spec(name)}


def entry(module: str, name: str, value: Any) -> str:
    """One name: by mkdocstrings, which reads the source; what that cannot see is written here."""
    # a module of the same name is what mkdocstrings would take
    is_module_too = f"{module}.{name}" in sys.modules or value.__module__.endswith(f".{name}")
    is_assigned = re.search(rf"^{name} = ", inspect.getsource(sys.modules[module]), re.M)
    own = (inspect.isfunction(value) or inspect.isclass(value)) and value.__name__ == name
    if own and not is_module_too and not is_assigned:
        inherited = "    options: {inherited_members: true}\n" if name == "Tensor" else ""
        return f"::: {module}.{name}\n{inherited}\n" + (of_numpy(value) if inherited else "")
    head = "## " + name.replace("_", r"\_") + f" {{ #{module}.{name} }}\n"
    if isinstance(value, np.ufunc):
        return f"{head}\n`np.{value.__name__}` itself: it takes Tensors, too.\n"
    given = inspect.signature(value)
    bare = [each.replace(annotation=each.empty) for each in given.parameters.values()]
    shown = f"```python\n{name}{inspect.Signature(bare)}\n```\n"
    return f"{head}\n{shown}\n{fenced(inspect.getdoc(value) or '')}\n"


def of_numpy(tensor: type) -> str:
    """The table of a Tensor's methods that are NumPy's functions."""
    rows = ["\n### Methods that are NumPy's functions\n", "| method | as |", "|---|---|"]
    for name in sorted(dir(tensor)):
        method = inspect.unwrap(inspect.getattr_static(tensor, name))
        if name[0] != "_" and inspect.isfunction(method) and method.__closure__:
            fn = inspect.getclosurevars(method).nonlocals["fn"]
            own = fn.__name__ if not hasattr(np, fn.__name__) else f"np.{fn.__name__}"
            words = list(inspect.signature(fn).parameters)[1:]
            rows.append(f"| `t.{name}({', '.join(words)})` | `{own}` |")
    return "\n".join(rows) + "\n"


def fenced(doc: str) -> str:
    """A docstring as Markdown: its examples in fences."""
    return re.sub(r"(^>>>.*(?:\n.+)*)", r"```pycon\n\1\n```", doc, flags=re.M)


def text(name: str, title: str) -> str:
    """A page: what the module's docstring says, then every name with its own."""
    lines = ["# " + title.replace(".", ".<wbr>"), ""]  # where a phone may break it
    if name != "tinygrad_np":
        lines += [f"::: {name}", "    options: {members: false, show_root_heading: false}", ""]
    names = public(name)
    lines += [entry(name, each, names[each]) for each in sorted(names, key=str.lower)]
    return "\n".join(lines)


def modules_and_names() -> str:
    """Two tables: what each module has, and where each public name is, from A to Z."""
    lines = ["## Modules\n", "| module | what it has |", "|---|---|"]
    places: dict[str, list[str]] = {}
    for name, title in modules().items():
        lines.append(f"| [{name}]({name}.md) | {title.partition(': ')[2]} |")
        for each in public(name):
            places.setdefault(each, []).append(f"[{name}]({name}.md#{name}.{each})")
    lines += ["", "## All names, A to Z\n", "| name | where |", "|---|---|"]
    for each in sorted(places, key=lambda name: (name.lower(), name)):
        lines.append(f"| `{each}` | {', '.join(places[each])} |")
    return "\n".join(lines) + "\n"


def on_page_markdown(markdown: str, page: "Page", **_: object) -> str:
    """Rank the page in the search, and complete the reference's first; mkdocs calls this."""
    here = page.file.src_uri
    if here in BOOSTS:
        page.meta["search"] = {"boost": BOOSTS[here]}
    return f"{markdown}\n{modules_and_names()}" if here == "reference/index.md" else markdown


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages to those of the folder; mkdocs calls this."""
    from mkdocs.structure.files import File  # here, for those who only ask for the names

    for name, title in modules().items():
        page = f"reference/{name}.md"
        files.append(File.generated(config, page, content=text(name, title)))
    return files


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Complete the navigation: the pages a pattern stands for, and the reference."""
    for section in config.nav or []:
        for title, entries in section.items():
            if not isinstance(entries, list):
                continue
            entries[:] = [page for entry in entries for page in found(entry, config.docs_dir)]
            if title == "API reference":
                entries += [{t: f"reference/{name}.md"} for name, t in modules().items()]
    return config


def on_page_content(html: str, **_: object) -> str:
    """Link each picture to its file, so that a phone can show it larger; mkdocs calls this.

    One that is a link already leads to the whole that it is a part of.
    """
    return re.sub(
        r'(<a [^>]*>)?(<img [^>]*src="([^"]+)"[^>]*>)',
        lambda found: found[0] if found[1] else f'<a href="{found[3]}">{found[2]}</a>',
        html,
    )


def found(entry: str | dict[str, str], folder: str) -> list[str | dict[str, str]]:
    """The entry itself if its page is there, those of a pattern, else nothing."""
    if isinstance(entry, str) and "*" in entry:
        return [path.name for path in sorted(Path(folder).glob(entry))]
    page = entry if isinstance(entry, str) else next(iter(entry.values()))
    return [entry] if (Path(folder) / page).exists() else []
