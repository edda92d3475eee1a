"""Pictures in files and notebooks: which program draws them, and what happens without one."""

import functools
import random
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import graphviz
import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.draw import RenderError, RenderWarning, graph, render, save
from tinygrad_np.run.draw import main as drawn_by_command

INSTALLED = render.programs()
drawing = pytest.mark.skipif(not INSTALLED, reason="needs dot or graphviz-pure")
PROGRAMS = [pytest.param(p, id=Path(p).name) for p in INSTALLED]

SCRIPT = """#!/bin/sh
/bin/cat > /dev/null
if [ "$1" = "-Tsvg" ]; then echo "<svg>{name}</svg>"; else echo "format  not
recognized" >&2; exit 1; fi
"""


def small(name="w"):
    return graph(tg.Tensor(3.0, requires_grad=True, name=name) * 2.0)


def shown(svg):
    """All text of an SVG picture."""
    root = ElementTree.fromstring(svg)
    return "\n".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))


@pytest.fixture
def only(monkeypatch, tmp_path):
    """Make the given programs of a fake machine the only ones there are."""

    def install(*names, folder=None):
        home = folder or tmp_path / "bin"
        home.mkdir(exist_ok=True)
        for name in names:
            program = home / name
            program.write_text(SCRIPT.format(name=name))
            program.chmod(0o755)
        monkeypatch.setattr(render.sys, "executable", str(tmp_path / "python" / "python"))
        monkeypatch.setattr(render.sysconfig, "get_path", lambda *_: str(tmp_path / "scripts"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    return install


@drawing
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_installed_program_draws_the_names(program, monkeypatch):
    monkeypatch.setattr(render, "programs", lambda: [program])
    network = tg.nn.Sequential(tg.nn.Linear(4, 3, seed=0), tg.nn.Tanh(), tg.nn.Linear(3, 2, seed=1))
    text = shown(graph(network, np.zeros((5, 4), np.float32)).pipe("svg"))
    for name in ("0.weight", "0: Linear(4, 3)", "15 parameters", "(5, 2) float32", "output"):
        assert name in text
    assert graph(network, np.zeros((5, 4), np.float32)).pipe("png").startswith(b"\x89PNG")


HARD = ['"', "\\", "\\N", "<b>", "</b>", "&amp;", "a\nb", "]", "->", "<i>x</i>", "ñ日本", "\x00"]


def names():
    """Of hard parts, and of any characters."""
    draw = random.Random(0)
    yield from ("", "x" * 41, "\ud800", "".join(HARD))
    for most in (0x80, 0x100, 0x800, 0x10000, 0x110000):
        yield "".join(chr(draw.randrange(most)) for _ in range(12))
        yield "".join(draw.choices(HARD, k=5))


@drawing
@for_each(names())
def test_every_name_is_shown_as_it_is(name):
    expected = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    expected = expected if len(expected) <= 40 else expected[:39] + "…"
    text = shown(render.picture(small(name).source, "svg"))
    assert (expected.strip() if name else "variable") in text


@drawing
@for_each([1, 2, 5, 9, 14, 20, 30, 40])
def test_every_shape_of_graph_is_accepted(count):
    draw = random.Random(count)
    pairs = [(draw.randrange(100), draw.randrange(100)) for _ in range(count)]

    class Wild(tg.nn.Module):
        def __init__(self):
            self.parts = [tg.nn.Linear(2, 2, seed=0), tg.nn.Sequential(tg.nn.Linear(2, 2, seed=0))]

        def forward(self, x):
            known = [x]
            for a, b in pairs:
                found = known[a % len(known)] - known[b % len(known)]
                known.append(self.parts[a % 2](found) if b % 3 else found)
            return known[-1]

    drawn = graph(Wild(), np.zeros((1, 2), np.float32), max_nodes=30)
    assert "output" in shown(drawn.pipe("svg"))


def test_the_systems_dot_goes_first_then_the_program_beside_python(only, tmp_path):
    only("dot", "graphviz-pure")
    assert [Path(p).name for p in render.programs()] == ["dot", "graphviz-pure"]
    only("graphviz-pure", folder=tmp_path / "scripts")
    only("graphviz-pure", folder=tmp_path / "python")
    assert render.programs()[1] == str(tmp_path / "python" / "graphviz-pure")
    (tmp_path / "python" / "graphviz-pure").unlink()
    assert render.programs()[1] == str(tmp_path / "scripts" / "graphviz-pure")


def test_the_next_program_is_tried_where_the_first_fails(only):
    only("dot", "graphviz-pure")
    dot = render.programs()[0]
    Path(dot).write_text("#!/bin/sh\nexit 3\n")
    assert render.picture("digraph{}", "svg") == b"<svg>graphviz-pure</svg>\n"
    Path(dot).write_text("not a program")
    assert render.picture("digraph{}", "svg") == b"<svg>graphviz-pure</svg>\n"
    with pytest.raises(RenderError, match=r"could not be drawn as png .*dot: .*: format not rec"):
        render.picture("digraph{}", "png")


def test_a_program_that_never_ends_is_an_error(only, monkeypatch):
    only("dot")

    def forever(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(render.subprocess, "run", forever)
    with pytest.raises(RenderError, match="timed out after 120 seconds"):
        render.picture("digraph{}", "svg")


def test_pdf_needs_the_systems_dot(only):
    only("graphviz-pure")
    with pytest.raises(RenderError, match=r"does not write pdf: choose \.svg or \.png"):
        render.picture("digraph{}", "pdf")


def pages(path):
    """Width and height of each page of a PDF file, in points."""
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    return re.findall(rb"/MediaBox ?\[ ?0 0 (\d+)\S* (\d+)", content)


@drawing
def test_a_pdf_is_written_or_the_sentence_says_what_to_install(tmp_path, capsys):
    """By ``save``, ``render`` and the command, with Graphviz's dot where it is installed."""
    command = ["784-16-10", "--out", str(tmp_path / "net.pdf")]
    if not any(Path(program).name == "dot" for program in INSTALLED):
        with pytest.warns(RenderWarning, match=r"wrote .*w\.dot instead of w\.pdf: graphviz"):
            assert small().save("w.pdf", tmp_path) == str(tmp_path / "w.dot")
        with pytest.raises(RenderError, match=r"or install Graphviz's dot \(for example apt"):
            small().render("w", tmp_path / "new", format="pdf")
        assert drawn_by_command(command) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"draw: {tmp_path / 'net.pdf'} was not written: graphviz-pure does")
        assert [path.name for path in tmp_path.iterdir()] == ["w.dot"]
        return
    assert small().save("w.pdf", tmp_path) == str(tmp_path / "w.pdf")
    assert small("ñ <b>&").render("v", tmp_path, format="pdf") == str(tmp_path / "v.pdf")
    assert drawn_by_command(command) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'net.pdf'}\n"
    [[width, height]], [_], [[wider, higher]] = (
        pages(tmp_path / f"{n}.pdf") for n in ("w", "v", "net")
    )
    assert 0 < int(width) < int(wider)
    assert 0 < int(height) < int(higher)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.pdf", "v", "v.pdf", "w.pdf"]


def test_without_a_program_the_dot_text_is_saved(only, tmp_path):
    only()
    (tmp_path / "net.svg").write_text("the old picture")
    with pytest.warns(RenderWarning, match=r"wrote .*net\.dot instead of net\.svg: no .*pip"):
        assert save(small(), tmp_path / "net.svg") == tmp_path / "net.dot"
    with pytest.warns(RenderWarning, match=r"wrote .*net\.dot instead of net\.svg: no .*pip"):
        assert small().save("net.svg", tmp_path) == str(tmp_path / "net.dot")
    assert (tmp_path / "net.dot").read_text() == small().source
    assert (tmp_path / "net.svg").read_text() == "the old picture"


@drawing
@pytest.mark.parametrize("ending", [".svg", ".PNG", ".dot"])
def test_save_writes_what_the_ending_says_and_nothing_else(tmp_path, ending):
    begins = {".svg": b"<?xml", ".PNG": b"\x89PNG", ".dot": b"digraph"}
    assert save(small(), str(tmp_path / f"a{ending}")) == tmp_path / f"a{ending}"
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]
    assert (tmp_path / f"a{ending}").read_bytes().startswith(begins[ending])


@drawing
def test_a_graph_saves_itself_as_its_name_says(tmp_path):
    begins = {"a.svg": b"<?xml", "b.png": b"\x89PNG", "c.dot": b"digraph", "d.gv": b"digraph"}
    for name, start in begins.items():
        assert small().save(name, tmp_path / "new") == str(tmp_path / "new" / name)
        assert (tmp_path / "new" / name).read_bytes().startswith(start)
    (tmp_path / "a.svg").write_text("old")
    assert small().save(tmp_path / "a.svg", skip_existing=True) == str(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == "old"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(begins)
    assert repr(small()) == "Graph(1 parameter, 1 operation)"


def test_save_refuses_other_endings(tmp_path):
    with pytest.raises(ValueError, match=r"net\.bmp does not say .* \.svg, \.png, \.pdf, \.dot"):
        save(small(), tmp_path / "net.bmp")
    with pytest.raises(tg.DataError, match=r"nowhere/net\.dot: cannot be written \(No such file"):
        save(small(), tmp_path / "nowhere" / "net.dot")
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text("old")

    def fail(*_):
        raise OSError(28, "disk full")

    monkeypatch.setattr(render.os, "replace", fail)
    with pytest.raises(tg.DataError, match=r"net\.dot: cannot be written \(disk full\)"):
        save(small(), target)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@drawing
def test_render_as_graphviz_does(tmp_path):
    drawn = small()
    assert isinstance(drawn, graphviz.Digraph)
    assert drawn.render("net", tmp_path) == str(tmp_path / "net.svg")
    assert (tmp_path / "net").read_text() == drawn.source
    assert drawn.render("one", tmp_path, cleanup=True, format="png") == str(tmp_path / "one.png")
    assert drawn.render(outfile=tmp_path / "two.svg") == str(tmp_path / "two.svg")
    assert drawn.render(tmp_path / "three.png") == str(tmp_path / "three.png")
    names = ["net", "net.svg", "one.png", "three.dot", "three.png", "two.dot", "two.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_render_without_a_program_leaves_nothing(only, tmp_path):
    only()
    with pytest.raises(RenderError, match="no program to draw the graph is installed: install"):
        small().render("net", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_render_shows_the_picture_if_asked(only, tmp_path, monkeypatch):
    only("dot")
    opened = []
    monkeypatch.setattr(graphviz, "view", lambda path, quiet: opened.append((path, quiet)))
    small().render("net", tmp_path, view=True)
    small().view("net", directory=tmp_path, quiet_view=True)
    assert opened == [(str(tmp_path / "net.svg"), False), (str(tmp_path / "net.svg"), True)]


def test_a_notebook_shows_the_picture(only):
    only("graphviz-pure")
    shows = small()._repr_mimebundle_()
    svg = "<svg>graphviz-pure</svg>"
    assert shows == {"image/svg+xml": f"{svg}\n", "text/html": f"<figure>{svg}</figure>"}


def test_a_notebook_without_a_program_shows_the_text(only):
    only()
    text = small()._repr_mimebundle_()["text/plain"]
    assert text.startswith("no program to draw the graph is installed")
    assert text.endswith(small().source)


@pytest.mark.parametrize("name", ["net.jpg", "net.jpeg", "net.gif", "net.svgz", "net.txt", "net"])
def test_no_text_is_saved_under_the_name_of_something_else(tmp_path, name):
    for write in (small().save, functools.partial(save, small())):
        with pytest.raises(
            ValueError, match=r"use one of the endings \.svg, \.png, \.pdf, \.dot\."
        ):
            write(tmp_path / "new" / name)
    assert not any(tmp_path.iterdir())
