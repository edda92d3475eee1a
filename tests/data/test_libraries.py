"""What scikit-learn and torchvision hand out: the same arrays, and errors that say what to do."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_np.data import from_sklearn, from_torchvision, load_dataset, mnist
from tinygrad_np.errors import DataError


class Frame:
    """A table as NumPy sees it: something that turns into an array."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.values, dtype, copy=copy)


def pixels(n: int = 15, side: int = 4) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, side * side), np.uint8)


LABELS = np.arange(15) % 10


@pytest.mark.parametrize("y", [LABELS, LABELS.astype(np.uint8), LABELS.astype(float)])
@pytest.mark.parametrize("kind", [str, object, None])
def test_pixels_and_labels_of_any_kind(y: Any, kind: Any) -> None:
    given = y.astype(int).astype(str).astype(kind) if kind else y
    x = pixels()
    for values in (x, x.astype(float), x.astype(np.int64), Frame(x)):
        (x_train, y_train), (x_test, y_test) = from_sklearn(values, Frame(given))
        np.testing.assert_array_equal(x_train, x.reshape(15, 4, 4)[:13], strict=True)
        np.testing.assert_array_equal(x_test, x.reshape(15, 4, 4)[13:], strict=True)
        np.testing.assert_array_equal(y_train, LABELS[:13].astype(np.int64), strict=True)
        np.testing.assert_array_equal(y_test, LABELS[13:].astype(np.int64), strict=True)
        x_train[...] = 0
    assert x.any()


def test_openml_gives_mnist() -> None:
    """Its 70,000 rows are MNIST's training images, then its test images."""
    (x_train, y_train), (x_test, y_test) = mnist()
    x_train, x_test = x_train[:, 12:16, 12:16], x_test[:, 12:16, 12:16]
    whole = (x_train, y_train), (x_test, y_test)
    x = np.concatenate([x_train, x_test]).reshape(70_000, 16)
    y = np.concatenate([y_train, y_test]).astype(str).astype(object)
    found = from_sklearn(SimpleNamespace(data=x, target=y))
    for part, expected in zip(found, whole, strict=True):
        for array, wanted in zip(part, expected, strict=True):
            np.testing.assert_array_equal(array, wanted, strict=True)


def test_load_digits() -> None:
    sets = pytest.importorskip("sklearn.datasets")
    digits = sets.load_digits()
    with pytest.raises(
        DataError, match=r"found no pixel above 16, .* largest=16\) for load_digits"
    ):
        from_sklearn(digits)
    (x_train, y_train), (x_test, _) = from_sklearn(digits, largest=16)
    assert (x_train.shape, x_test.shape) == ((1541, 8, 8), (256, 8, 8))
    np.testing.assert_array_equal(x_train, np.rint(digits.images[:1541] * 255 / 16))
    np.testing.assert_array_equal(y_train, digits.target[:1541])
    found = from_sklearn(*sets.load_digits(return_X_y=True), largest=16)
    np.testing.assert_array_equal(found[1][0], x_test, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaled_pixels_come_back(dtype: Any) -> None:
    (x_train, _), _ = from_sklearn(pixels().astype(dtype) / dtype(255), LABELS, largest=1)
    np.testing.assert_array_equal(x_train, pixels().reshape(15, 4, 4)[:13], strict=True)


def changed(place: Any, value: Any) -> Any:
    x = pixels().astype(float)
    x[place] = value
    return x


def labelled(place: int, value: Any) -> Any:
    y = LABELS.astype(object)
    y[place] = value
    return y


BAD_SKLEARN: dict[str, tuple[tuple[Any, ...], str]] = {
    "alone": ((pixels(),), ": found ndarray alone, expected a Bunch with data and target; give"),
    "images": ((pixels().reshape(15, 4, 4), LABELS), ": found x of shape (15, 4, 4), expected (n,"),
    "oblong": ((pixels()[:, :12], LABELS), ": found x of shape (15, 12), expected (n, k·k), one"),
    "no pixels": ((pixels()[:, :0], LABELS), ": found x of shape (15, 0), expected (n, k·k), one"),
    "number": ((3, LABELS), ": found x of shape (), expected (n, k·k), one row for each"),
    "text": ((pixels().astype(str), LABELS), ": found x of dtype <U3, expected numbers; convert"),
    "nan": ((changed((2, 3), np.nan), LABELS), ", row 2, column 3: found pixel nan, expected 0 to"),
    "high": ((changed((2, 3), 256), LABELS), ", row 2, column 3: found pixel 256, expected 0 to"),
    "low": (
        (changed((0, 15), -1), LABELS),
        ", row 0, column 15: found pixel -1, expected 0 to 255",
    ),
    "half": (
        (changed((1, 0), 0.5), LABELS),
        ", row 1, column 0: found pixel 0.5, expected a whole",
    ),
    "scaled": (
        (pixels() / 255, LABELS),
        ", row 0, column 0: found pixel 0.372549, expected a whole",
    ),
    "dark": ((pixels() // 255, LABELS), ": found no pixel above 1, expected 0 to 255; give the"),
    "largest": ((pixels(), LABELS, 0), ": found largest=0, expected a number above 0, the value"),
    "above": (
        (pixels(), LABELS, 16),
        ", row 0, column 0: found pixel 95, expected 0 to 16; check",
    ),
    "count": (
        (pixels(), LABELS[1:]),
        ": found labels of shape (14,), expected (15,), one for each",
    ),
    "one-hot": ((pixels(), np.eye(15)), ": found labels of shape (15, 15), expected (15,), one"),
    "name": ((pixels(), labelled(3, "cat")), ", label number 4: found 'cat', expected a whole"),
    "fraction": (
        (pixels(), LABELS + 0.5),
        ", label number 1: found '0.5', expected a whole number",
    ),
    "missing": ((pixels(), labelled(7, np.nan)), ", label number 8: found 'nan', expected a whole"),
    "bool": ((pixels(), LABELS > 3), ", label number 1: found 'False', expected a whole number"),
    "ten": (
        (pixels(), labelled(7, "10")),
        ", label number 8: found 10, expected 0 to 9; use a data",
    ),
    "minus": (
        (pixels(), labelled(7, -1)),
        ", label number 8: found -1, expected 0 to 9; use a data",
    ),
    "few": ((pixels(6), LABELS[:6]), ": found 6 rows, expected at least 7, as a seventh becomes"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_SKLEARN.values(), ids=BAD_SKLEARN)
def test_bad_sklearn(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^from_sklearn{re.escape(message)}"):
        from_sklearn(*arguments)


def part(n: int, data: Any = None, targets: Any = None) -> Any:
    images = pixels(n).reshape(n, 4, 4) if data is None else data
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
    train = part(15, torch.tensor(pixels().reshape(15, 4, 4)), torch.tensor(LABELS))
    (x_train, y_train), _ = from_torchvision(train, part(4))
    np.testing.assert_array_equal(x_train, pixels().reshape(15, 4, 4), strict=True)
    np.testing.assert_array_equal(y_train, LABELS.astype(np.int64), strict=True)
    x_train[...] = 0
    assert train.data.any()


COLOURED = np.zeros((4, 32, 32, 3), np.uint8)
BAD_TORCHVISION: dict[str, tuple[tuple[Any, Any], str]] = {
    "loader": (([], part(4)), ", training part: found list without data and targets, expected"),
    "colour": ((part(15), part(4, COLOURED)), ", test part: found uint8 images of shape (4, 32,"),
    "float": ((part(4, np.zeros((4, 2, 2))), part(4)), ", training part: found float64 images of"),
    "count": ((part(15, None, [1]), part(4)), ", training part: found labels of shape (1,), exp"),
    "label": ((part(4, None, [1, 2, 47, 0]), part(4)), ", training part, label number 3: found 47"),
    "sizes": ((part(4, COLOURED[..., 0]), part(4)), ": found training images of shape (4, 32, 32)"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_TORCHVISION.values(), ids=BAD_TORCHVISION)
def test_bad_torchvision(arguments: tuple[Any, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^from_torchvision{re.escape(message)}"):
        from_torchvision(*arguments)


def test_kaggles_train_csv(tmp_path: Any) -> None:
    """42,000 rows of the competition become 36,000 and 6,000; here a hundredth of them."""
    (images, labels), _ = mnist()
    rows = np.column_stack([labels[:420], images[:420].reshape(420, 784)])
    names = ",".join(["label", *(f"pixel{i}" for i in range(784))])
    np.savetxt(tmp_path / "train.csv", rows, "%d", ",", header=names, comments="")
    (x_train, y_train), (x_test, y_test) = load_dataset(str(tmp_path / "train.csv"))
    np.testing.assert_array_equal(x_train, images[:360], strict=True)
    np.testing.assert_array_equal(x_test, images[360:420], strict=True)
    np.testing.assert_array_equal(np.concatenate([y_train, y_test]), labels[:420], strict=True)
