"""Photos and drawings become what MNIST has: one test for each thing that people's pictures do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_np.data import batches, digits_from, mnist, split
from tinygrad_np.errors import DataError

_, (X, Y) = mnist()
X, Y = X[:40], Y[:40]
RNG = np.random.default_rng(0)


def large(digit: np.ndarray, times: int = 6, margin: int = 20) -> np.ndarray:
    return np.pad(np.kron(digit, np.ones((times, times), np.uint8)), margin)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Their correlation, where one may be moved by a pixel."""
    moved = [np.roll(a, (i, j), (0, 1)).ravel() for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return max(float(np.corrcoef(each, b.ravel())[0, 1]) for each in moved)


def photo(dark: np.ndarray) -> np.ndarray:
    """Ink on paper with a slope of light, a hard shadow and noise."""
    h, w = dark.shape
    rows, columns = np.mgrid[0:h, 0:w] / max(h, w)
    light = (0.9 - 0.3 * rows) * np.where(columns > 0.55 + 0.1 * rows, 0.65, 1.0)
    return np.clip((255 - 0.8 * dark) * light + RNG.normal(0, 5, dark.shape), 0, 255)


WAYS: dict[str, tuple[Any, float]] = {
    "as it is": (lambda d: d, 0.99),
    "dark on white": (lambda d: 255 - d, 0.99),
    "large": (large, 0.98),
    "large, dark": (lambda d: 255 - large(d), 0.98),
    "from 0 to 1": (lambda d: large(d) / 255, 0.98),
    "truth values": (lambda d: large(d) > 100, 0.95),
    "colours": (
        lambda d: np.stack([255 - large(d), 250 - large(d) // 2, large(d) * 0 + 240], -1), 0.98),
    "one channel": (lambda d: large(d)[..., None], 0.98),
    "black on clear": (lambda d: np.stack([large(d) * 0] * 3 + [large(d)], -1), 0.98),
    "white on clear": (lambda d: np.stack([large(d) * 0 + 255] * 3 + [large(d)], -1), 0.98),
    "in a corner": (
        lambda d: np.pad(255 - large(d), ((0, 200), (300, 0)), constant_values=255), 0.98),
    "photo": (lambda d: photo(large(d)).astype(np.uint8), 0.8),
    "photo of chalk": (lambda d: (255 - photo(large(d))).astype(np.uint8), 0.8),
    "huge": (lambda d: 255 - large(d, 60), 0.97),
}  # fmt: skip


@pytest.mark.slow
def test_one_digit_however_it_is_shown() -> None:
    for way, (change, least) in WAYS.items():
        alike = []
        for digit in X[[0, 3, 9]] if way == "huge" else X[:12]:
            found = digits_from(change(digit))
            assert found.shape == (1, 28, 28) and found.dtype == np.uint8, way
            alike.append(likeness(found[0], digit))
        # of photos one in twelve may be cut wrongly where a shadow crosses it
        assert sorted(alike)["photo" in way] > least, (way, alike)


def test_the_box_and_the_centre_are_those_of_mnist() -> None:
    for i in range(10):
        (found,) = digits_from(255 - large(X[i], 9))
        inside = np.argwhere(found)
        assert (np.ptp(inside, axis=0) + 1).max() == 20
        centre = (np.argwhere(np.ones((28, 28))) * found.reshape(-1, 1)).sum(axis=0) / found.sum()
        assert np.abs(centre - 14).max() <= 0.51 and found.max() == 255


def test_a_page_is_read_line_by_line() -> None:
    order = [1, 2, 3, 4, 7, 10]
    page = np.zeros((420, 700), np.uint8)
    for k, i in enumerate(order):
        top, left = 30 + 190 * (k // 3) + 8 * (k % 3), 40 + 210 * (k % 3)
        page[top : top + 168, left : left + 168] |= large(X[i], 6, 0)
    for picture in (page, 255 - page, photo(page)):
        found = digits_from(picture)
        assert len(found) == 6
        assert [int(np.argmax([likeness(each, X[i]) for i in order])) for each in found] == [
            *range(6)
        ]


def test_thin_strokes_become_visible_and_specks_are_none() -> None:
    page = np.full((300, 300), 255, np.uint8)
    page[60:240, 150] = 0
    page[60, 90:150] = 0
    page[10:13, 10:13] = 0  # a speck
    page[290, :] = 0  # a line on the paper
    (found,) = digits_from(page)
    assert found[14].max() > 200 and (found > 100).sum() > 40


def framed(page: np.ndarray) -> np.ndarray:
    page[8:12, 8:-8] = page[-12:-8, 8:-8] = page[8:-8, 8:12] = page[8:-8, -12:-8] = 255
    return page


def boxed(page: np.ndarray) -> np.ndarray:
    for left in (16, 192, 368):
        page[16:191, left : left + 175] |= np.pad(np.zeros((171, 171), np.uint8), 2,
                                                  constant_values=255)  # fmt: skip
    return page


def of_a_table(page: np.ndarray) -> np.ndarray:
    page[[14, 15, 192, 193]] = 255
    page[:, [14, 15, 190, 191, 366, 367, 542, 543]] = 255
    return page


def squared(page: np.ndarray) -> np.ndarray:
    page[::25] = np.maximum(page[::25], 180)
    page[:, ::25] = np.maximum(page[:, ::25], 180)
    return page


def at(*where: Any) -> Any:
    """Ink there."""

    def change(page: np.ndarray) -> np.ndarray:
        for place in where:
            page[place] = 255
        return page

    return change


def specked(page: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    for top, left in zip(rng.integers(0, 190, 30), rng.integers(0, 550, 30), strict=True):
        page[top : top + 5, left : left + 5] = 255
    return page


ALL = slice(None)
PAGES: dict[str, Any] = {
    "a frame": framed,
    "two frames": lambda page: framed(np.pad(framed(page), 14)),
    "a thick frame": lambda page: np.pad(np.pad(page, 14, constant_values=255), 9),
    "a frame that is open": lambda page: np.where(
        np.indices(page.shape)[1] > 14, framed(page), 0
    ).astype(np.uint8),
    "a box for each": boxed,
    "a table": of_a_table,
    "squared paper": squared,
    "a line below": at((slice(196, 199), slice(20, 540))),
    "a line through them": at(slice(100, 103)),
    "lines": at(slice(60, 62), slice(120, 122), slice(180, 182)),
    "a margin": at((ALL, slice(8, 11))),
    "a line beside": at((slice(4, 202), slice(8, 10))),
    "a dark edge": at((ALL, slice(0, 9))),
    "dark edges": at((ALL, slice(0, 9)), slice(0, 9), slice(-6, None), (ALL, slice(-4, None))),
    "specks": specked,
}


@pytest.mark.parametrize("what", PAGES)
def test_what_is_on_paper_besides_digits(what: str) -> None:
    order = [1, 2, 4]
    page = np.zeros((206, 560), np.uint8)
    for k, i in enumerate(order):
        page[19:187, 19 + 176 * k : 187 + 176 * k] = large(X[i], 6, 0)
    page = PAGES[what](page)
    for picture in (page, 255 - page):
        found = digits_from(picture)
        assert len(found) == 3
        for each, i in zip(found, order, strict=True):
            assert likeness(each, X[i]) > 0.8


def test_ones_and_noughts_are_no_lines_and_no_frames() -> None:
    one, nought = X[2], X[3]
    page = np.concatenate([large(one), large(nought), large(one)], axis=1)
    assert len(digits_from(page)) == 3
    page[80:86, 280:286] = 255  # a speck in the nought
    assert len(digits_from(page)) == 3
    thin = np.zeros((300, 200), np.uint8)
    thin[10:290, 100:102] = 255
    assert digits_from(thin).shape == (1, 28, 28)
    assert len(digits_from(np.concatenate([thin, thin], axis=1))) == 2


def test_pictures_of_pillow_are_as_their_files(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = 255 - large(X[0])
    turned = image.Exif()
    turned[0x112] = 6
    image.fromarray(np.rot90(picture)).save(tmp_path / "turned.jpg", exif=turned)
    image.fromarray(picture.astype(np.uint16) * 257).save(tmp_path / "wide.png")
    for name in ("turned.jpg", "wide.png"):
        with image.open(tmp_path / name) as opened:
            found = digits_from(opened)
        np.testing.assert_array_equal(found, digits_from(tmp_path / name))
        assert likeness(found[0], X[0]) > 0.9


def test_files_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = 255 - large(X[0])
    for name in ("a.png", "a.bmp", "a.jpg", "a"):
        image.fromarray(picture).save(tmp_path / name, "png" if name == "a" else None)
        assert likeness(digits_from(tmp_path / name)[0], X[0]) > 0.9
    assert likeness(digits_from(str(tmp_path / "a.png"))[0], X[0]) > 0.97
    np.testing.assert_array_equal(digits_from(image.fromarray(picture)), digits_from(picture))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"b.png: not a readable picture"):
        digits_from(tmp_path / "b.png")


def test_what_is_no_picture_is_refused() -> None:
    for blank in (np.zeros((20, 20)), np.full((20, 20), 255), np.ones((1, 1))):
        with pytest.raises(DataError, match=r"found no ink on .* pixels, expected strokes"):
            digits_from(blank)
    for wrong in (
        X[:2],
        np.zeros((2, 3, 5)),
        np.zeros(4),
        np.array([["a"]]),
        None,
        3,
        np.zeros((0, 3)),
    ):
        with pytest.raises(DataError, match="expected the path of a picture or an array"):
            digits_from(wrong)
    with pytest.raises(DataError, match="not finite"):
        digits_from(np.full((3, 3), np.nan))


def test_stratified_parts_have_each_class_in_its_share() -> None:
    y = np.repeat([0, 1, 2, 3], [50, 30, 15, 5])
    x = np.arange(100)
    for seed in range(5):
        (x_a, y_a), (x_b, y_b) = split(x, y, 0.2, seed, stratify=y)
        assert np.bincount(y_b).tolist() == [10, 6, 3, 1]
        assert (
            sorted([*x_a, *x_b]) == [*range(100)]
            and (y[x_b] == y_b).all()
            and (y[x_a] == y_a).all()
        )
    for count in range(1, 100):
        found = np.bincount(split(x, y, count, 0, stratify=y)[1][1], minlength=4)
        assert found.sum() == count and np.abs(found - np.bincount(y) * count / 100).max() < 1
    first, second = (split(x, y, 20, seed, y)[1][0] for seed in (0, 1))
    assert (first != second).any()
    words = split(x, y, 20, 0, stratify=np.array(["a", "b", "c", "d"])[y])
    np.testing.assert_array_equal(words[1][0], split(x, y, 20, 0, y)[1][0])
    with pytest.raises(DataError, match=r"found stratify of shape \(3,\), expected \(100,\)"):
        split(x, y, 20, 0, stratify=[1, 2, 3])


def test_the_short_batch_is_left_out_and_no_batch_is_copied() -> None:
    x = np.arange(10.0)
    for shuffle in (True, False):
        made = batches(x, x, 4, 0, shuffle, drop_last=True)
        assert len(made) == 2 and [len(a) for a, _ in made] == [4, 4]
    assert len(batches(x, x, 5, 0, drop_last=True)) == len(batches(x, x, 5, 0)) == 2
    seen: list[Any] = []
    made = batches(x, x, 4, 0, transform=lambda a, _: seen.append(a) or a)  # type: ignore[func-returns-value]
    for i, (a, _) in enumerate(made):
        assert a is seen[i] and a.base is None and a.flags.owndata and not np.shares_memory(a, x)
    with pytest.raises(DataError, match=r"found 10 samples and batch_size=11 with drop_last=True"):
        batches(x, x, 11, 0, drop_last=True)
    with pytest.raises(DataError, match="drop_last"):
        batches(x, x, 2, 0, drop_last="yes")  # type: ignore[arg-type]
