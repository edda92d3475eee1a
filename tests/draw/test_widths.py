"""The text of an SVG stays in its box, whatever font a viewer has."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.draw import render
from tinygrad_np.draw.widths import FAMILIES, steadied, width

SVG = "{http://www.w3.org/2000/svg}"


def pictures():
    x = tg.Tensor(np.ones((2, 3)), requires_grad=True, name="WWWWWWWWWWWW")
    yield tg.draw.graph(np.mean(np.clip(x, 0.25, 7.5) @ np.ones((3, 3))), values=True)
    layers = [tg.nn.Linear(784, 8, seed=0), tg.nn.BatchNorm1d(8), tg.nn.ReLU()]
    yield tg.draw.graph(tg.nn.Sequential(*layers), np.zeros((2, 784), np.float32))


@pytest.mark.skipif(not render.programs(), reason="no program that draws is installed")
@pytest.mark.parametrize("picture", list(pictures()), ids=["values", "layers"])
def test_each_line_is_in_its_box_and_as_long_as_it_says(picture):
    root = ET.fromstring(picture.pipe("svg"))
    seen = 0
    for group in root.iter(f"{SVG}g"):
        if group.get("class") not in ("node", "cluster"):
            continue
        corners = [
            float(number)
            for shape in group.iter()
            for number in re.findall(
                r"(-?[\d.]+),-?[\d.]+", shape.get("points") or shape.get("d", "")
            )
        ]
        ellipses = list(group.iter(f"{SVG}ellipse"))
        for ellipse in ellipses:
            middle, half = float(ellipse.get("cx")), float(ellipse.get("rx"))
            corners += [middle - half, middle + half]
        if not corners:  # the title of a box is a node without a frame
            continue
        for line in group.iter(f"{SVG}text"):
            half, middle = float(line.get("textLength")) / 2, float(line.get("x"))
            assert min(corners) <= middle - half, line.text
            assert middle + half <= max(corners), line.text
            assert line.get("text-anchor") == "middle"
            assert line.get("lengthAdjust") == "spacingAndGlyphs"
            assert line.get("font-family") in FAMILIES.values()
            seen += 1
    assert seen > 10


def test_widths_are_those_of_the_font():
    assert width("Wi-Fi: 42", 10) == pytest.approx(40.0)
    assert width("Wi-Fi: 42", 10, bold=True) == pytest.approx(41.67)
    assert width("abc", 10, family="Courier") == pytest.approx(18)
    assert width("× ·", 10) == pytest.approx(5.84 + 2.78 + 2.78)


def test_what_is_no_such_text_stays():
    for text in (
        b'<svg><text x="1" font-size="9" font-family="Times">a</text></svg>',
        b'<svg><text x="1" font-size="9" font-family="Helvetica"> </text></svg>',
        b"<svg><text>a</text><rect/></svg>",
    ):
        assert steadied(text) == text
