"""What scikit-learn and torchvision hand out: the same arrays, and errors that say what to do."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.each import for_each
from tinygrad_np.data import from_sklearn, from_torchvision, mnist
from tinygrad_np.errors import DataError, DataWarning


class Frame:
    """A table as NumPy sees it: something that turns into an array."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.values, dtype, copy=copy)


def pixels(n: int = 15, side: int = 8) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, side * side), np.uint8)


LABELS = np.arange(15) % 10


@for_each([LABELS, LABELS.astype(np.uint8), LABELS.astype(float)], [str, object, None])
def test_pixels_and_labels_of_any_kind(y: Any, kind: Any) -> None:
    given = y.astype(int).astype(str).astype(kind) if kind else y
    x = pixels()
    for values in (x, x.astype(float), x.astype(np.int64), Frame(x)):
        (x_train, y_train), (x_test, y_test) = from_sklearn(values, Frame(given))
        np.testing.assert_array_equal(x_train, x.reshape(15, 8, 8)[:13], strict=True)
        np.testing.assert_array_equal(x_test, x.reshape(15, 8, 8)[13:], strict=True)
        np.testing.assert_array_equal(y_train, LABELS[:13].astype(np.int64), strict=True)
        np.testing.assert_array_equal(y_test, LABELS[13:].astype(np.int64), strict=True)
        x_train[...] = 0
    assert x.any()


def test_openml_gives_mnist() -> None:
    """Its 70,000 rows are MNIST's training images, then its test images."""
    (x_train, y_train), (x_test, y_test) = mnist()
    x_train, x_test = x_train[:, 10:18, 10:18], x_test[:, 10:18, 10:18]
    whole = (x_train, y_train), (x_test, y_test)
    x = np.concatenate([x_train, x_test]).reshape(70_000, 64)
    y = np.concatenate([y_train, y_test]).astype(str).astype(object)
    found = from_sklearn(SimpleNamespace(data=x, target=y))
    for part, expected in zip(found, whole, strict=True):
        for array, wanted in zip(part, expected, strict=True):
            np.testing.assert_array_equal(array, wanted, strict=True)


def test_load_digits() -> None:
    sets = pytest.importorskip("sklearn.datasets")
    digits = sets.load_digits()
    (x_train, y_train), (x_test, _) = from_sklearn(digits, largest=16)
    with pytest.warns(DataWarning, match="^from_sklearn: pixels from 0 to 16 became 0 to 255.$"):
        np.testing.assert_array_equal(from_sklearn(digits)[0][0], x_train, strict=True)
    assert (x_train.shape, x_test.shape) == ((1541, 8, 8), (256, 8, 8))
    np.testing.assert_array_equal(x_train, np.rint(digits.images[:1541] * 255 / 16))
    np.testing.assert_array_equal(y_train, digits.target[:1541])
    found = from_sklearn(*sets.load_digits(return_X_y=True), largest=16)
    np.testing.assert_array_equal(found[1][0], x_test, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaled_pixels_come_back(dtype: Any) -> None:
    (x_train, _), _ = from_sklearn(pixels().astype(dtype) / dtype(255), LABELS, largest=1)
    np.testing.assert_array_equal(x_train, pixels().reshape(15, 8, 8)[:13], strict=True)
    with pytest.warns(DataWarning, match="pixels from 0 to 1 became 0 to 255"):
        x_train = from_sklearn(pixels().astype(dtype) / dtype(255), LABELS)[0][0]
    np.testing.assert_array_equal(x_train, pixels().reshape(15, 8, 8)[:13], strict=True)


def changed(place: Any, value: Any) -> Any:
    x = pixels().astype(float)
    x[place] = value
    return x


def labelled(place: int, value: Any) -> Any:
    y = LABELS.astype(object)
    y[place] = value
    return y


SHAPES = ", expected pictures for 15 labels, as (n, h, w) or square ones in rows (n, k·k)"
BAD_SKLEARN: dict[str, tuple[tuple[Any, ...], str]] = {
    "alone": ((pixels(),), ": found ndarray alone, expected a Bunch with data and target; give"),
    "oblong": ((pixels()[:, :11], LABELS), f": found an array of shape (15, 11){SHAPES}"),
    "no pixels": ((pixels()[:, :0], LABELS), f": found an array of shape (15, 0){SHAPES}"),
    "number": ((3, LABELS), f": found an array of shape (){SHAPES}"),
    "text": ((pixels().astype(str), LABELS), ": found pixels of dtype <U3, expected numbers; conv"),
    "nan": ((changed((2, 3), np.nan), LABELS), ", picture 3: found nan, expected numbers"),
    "high": ((changed((2, 3), 256), LABELS), ": found numbers from 0 to 256, expected pixels from"),
    "low": ((changed((0, 15), -1), LABELS), ": found numbers from -1 to 255, expected pixels from"),
    "half": ((changed((1, 0), -0.5), LABELS), ": found numbers from -0.5 to 255 with fractions"),
    "largest": ((pixels(), LABELS, 0), ": found largest=0, expected a number above 0, the value"),
    "above": ((pixels(), LABELS, 16), ": found numbers from 0 to 255, expected 0 to 16; check the"),
    "count": ((pixels(), LABELS[1:]), ": found an array of shape (15, 64), expected pictures"),
    "columns": ((pixels(), np.ones((15, 3))), ": found labels of shape (15, 3), expected (n,)"),
    "name": ((pixels(), labelled(3, "cat")), ", label number 4: found 10, expected 0 to 9; use"),
    "fraction": ((pixels(), LABELS + 0.5), ", label number 1: found 0.5, expected whole"),
    "missing": ((pixels(), labelled(7, np.nan)), ", label number 8: found 'nan', expected a label"),
    "ten": ((pixels(), labelled(7, "10")), ", label number 8: found 10, expected 0 to 9; use a"),
    "minus": ((pixels(), labelled(7, -1)), ", label number 8: found -1, expected 0 to 9; use a"),
    "few": ((pixels(6), LABELS[:6]), ": found 6 rows, expected at least 7, as a seventh becomes"),
}  # fmt: skip


def test_what_else_is_taken() -> None:
    """Pictures as they are, labels with a 1 at the class, truth values, words."""
    x, expected = pixels(), pixels().reshape(15, 8, 8)[:13]
    for images, labels in ((x.reshape(15, 8, 8), LABELS), (x, np.eye(10)[LABELS])):
        found = from_sklearn(images, labels)
        np.testing.assert_array_equal(found[0][0], expected, strict=True)
        np.testing.assert_array_equal(found[0][1], LABELS[:13])
    assert from_sklearn(x, LABELS > 3)[0][1].tolist() == (LABELS > 3)[:13].tolist()
    names = np.array(["cat", "dog"])
    found = from_sklearn(x, names[LABELS % 2])
    assert found.names == ("cat", "dog") and found[0][1].tolist() == (LABELS % 2)[:13].tolist()


@pytest.mark.parametrize(("arguments", "message"), BAD_SKLEARN.values(), ids=BAD_SKLEARN)
def test_bad_sklearn(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^from_sklearn{re.escape(message)}"):
        from_sklearn(*arguments)


def part(n: int, data: Any = None, targets: Any = None) -> Any:
    images = pixels(n).reshape(n, 8, 8) if data is None else data
    return SimpleNamespace(data=images, targets=LABELS[:n] if targets is None else targets)


@pytest.mark.parametrize("as_list", [False, True])
def test_torchvision_without_torch(as_list: bool) -> None:
    train = part(15, targets=LABELS.tolist() if as_list else None)
    (x_train, y_train), (x_test, y_test) = from_torchvision(train, part(4))
    np.testing.assert_array_equal(x_train, train.data, strict=True)
    np.testing.assert_array_equal(y_train, LABELS.astype(np.int64), strict=True)
    np.testing.assert_array_equal(x_test, part(4).data, strict=True)
    assert (y_test.dtype, y_test.tolist()) == (np.dtype(np.int64), [0, 1, 2, 3])
    assert not np.shares_memory(x_train, train.data)
    assert not np.shares_memory(y_test, LABELS)


def test_torchvision_with_torch() -> None:
    torch = pytest.importorskip("torch")
    train = part(15, torch.tensor(pixels().reshape(15, 8, 8)), torch.tensor(LABELS))
    (x_train, y_train), _ = from_torchvision(train, part(4))
    np.testing.assert_array_equal(x_train, pixels().reshape(15, 8, 8), strict=True)
    np.testing.assert_array_equal(y_train, LABELS.astype(np.int64), strict=True)
    x_train[...] = 0
    assert train.data.any()


COLOURED = np.zeros((4, 32, 32, 3), np.uint8)
BAD_TORCHVISION: dict[str, tuple[tuple[Any, Any], str]] = {
    "loader": (([], part(4)), ", training part: found list without data and targets, expected"),
    "channels": (
        (part(15), part(4, COLOURED[..., :2])),
        ", test part: found pictures of shape (32",
    ),
    "float": (
        (part(4, np.full((4, 2, 2), 1.5)), part(4)),
        ", training part: found numbers from 1.5",
    ),
    "count": (
        (part(15, None, [1]), part(4)),
        ", training part: found an array of shape (15, 8, 8), ",
    ),
    "label": ((part(4, None, [1, 2, 47, 0]), part(4)), ", training part, label number 3: found 47"),
    "sizes": ((part(4, COLOURED[..., 0]), part(4)), ": found training images of shape (4, 32, 32)"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_TORCHVISION.values(), ids=BAD_TORCHVISION)
def test_bad_torchvision(arguments: tuple[Any, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^from_torchvision{re.escape(message)}"):
        from_torchvision(*arguments)
