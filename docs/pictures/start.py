"""Make the pictures of docs/start.md and README: draw digits, train, and let the network see them.

    python docs/pictures/start.py

They are written beside this file; the run itself goes to a folder that is removed again. Those of
docs/pictures.md are from two epochs of the convolutional recipe, which take some minutes.
"""

import os
import re
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tinygrad_np.__main__ import main

HERE = Path(__file__).resolve().parent
# strokes on a square of 100, as a hand would draw them: 3, 1, 4, 7, 2
STROKES = [
    [[(22, 20), (40, 8), (62, 12), (66, 30), (40, 46), (68, 58), (72, 78), (48, 94), (20, 84)]],
    [[(42, 24), (56, 8), (50, 94)]],
    [[(40, 8), (22, 56), (76, 54)], [(64, 30), (58, 96)]],
    [[(20, 14), (76, 10), (56, 50), (44, 94)], [(34, 50), (70, 48)]],
    [[(24, 26), (44, 8), (66, 18), (60, 42), (22, 88), (46, 84), (78, 92)]],
]


def page() -> Image.Image:
    """Digits in dark ink on paper that is lit from the left."""
    picture = Image.new("L", (5 * 160 + 80, 220), 0)
    pen = ImageDraw.Draw(picture)
    for place, strokes in enumerate(STROKES):
        for stroke in strokes:
            moved = [(60 + 160 * place + x, 60 + y) for x, y in stroke]
            pen.line(moved, fill=255, width=9, joint="curve")
    ink = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5))) / 255
    light = np.linspace(235, 150, ink.shape[1]) + np.random.default_rng(0).normal(0, 2, ink.shape)
    return Image.fromarray(np.clip(light * (1 - 0.75 * ink), 0, 255).astype(np.uint8))


def for_a_phone(name: str, picture: Image.Image) -> Image.Image:
    """A part of a wide picture without its title, whose words a phone can show."""
    width, height = picture.size
    if name == "start_curves.png":  # its two panels, one below the other
        top, half = round(0.065 * height), width // 2
        made = Image.new("RGB", (width - half, 2 * (height - top)), "white")
        made.paste(picture.crop((0, top, half, height)), (0, 0))
        made.paste(picture.crop((half, top, width, height)), (0, height - top))
        return made
    if name == "start_predictions.png":  # three of its five columns
        return picture.crop((0, round(0.042 * height), round(0.6 * width), height))
    return picture


def small(source: Path, name: str, width: int, colours: int = 64) -> None:
    with Image.open(source) as whole:
        picture = for_a_phone(name, whole)
        height = round(picture.height * width / picture.width)
        smaller = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        smaller.quantize(colours, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


def run() -> None:
    page().save(HERE / "start_digits.png", optimize=True)
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            main(["draw", "default", "--out", "net.svg"])
            main(["train"])
            weights = "runs/default-mnist-seed0"
            main(["predict", weights, str(HERE / "start_digits.png"), "--show"])
            net = re.sub(
                r'width="\d+pt" height="\d+pt"', 'width="270"', Path("net.svg").read_text()
            )
            (HERE / "start_net.svg").write_text(net)
            for name in ("curves", "predictions", "confusion", "embedding"):
                width = 600 if name in ("curves", "predictions") else 800
                small(Path(weights, f"{name}.png"), f"start_{name}.png", width)
            main(["train", "--recipe", "cnn", "--epochs", "2"])
            for name in ("filters", "feature_maps", "saliency", "grad_cam", "hardest"):
                small(Path(f"runs/cnn-mnist-seed0/{name}.png"), f"cnn_{name}.png", 600, 256)
            [seen] = Path("runs/seen").glob("*.png")
            small(seen, "start_seen.png", 800)
        finally:
            os.chdir(before)


if __name__ == "__main__":
    run()
