"""Data sets as other libraries hand them out, none of which is imported here."""

from typing import Any

from .. import arguments
from ..errors import DataError
from .assemble import assembled
from .datasets import Dataset
from .samples import as_array
from .sources import Source, as_images, as_labels


def from_sklearn(
    x: Any, y: Any = None, largest: float | None = None, classes: int | None = 10
) -> Dataset:
    """Return the data set in what scikit-learn's `fetch_openml("mnist_784")` gives.

    That is a Bunch, or its `data` (n, k·k) and `target` (n,) as arrays, DataFrame and Series;
    labels may be text ("5"). The test part is the last n // 7: the 10,000 of MNIST, in the order
    of OpenML. `largest` is the value that a white pixel has in `x`: it becomes 255 and others in
    proportion, rounded. Without it that is seen in the pixels (0 to 255, to 16 as in `load_digits`,
    to 1 or -1 to 1), and a DataWarning says what was changed. Images are (n, k, k) uint8, labels
    (n,) int64 from 0 to classes - 1, or with None to the largest, the caller's own. Raises
    DataError for other pixels and shapes and for other labels.

    >>> from sklearn.datasets import load_digits
    >>> (x, y), (x_test, y_test) = tg.data.from_sklearn(load_digits(), largest=16)
    >>> x.shape, x_test.shape
    ((1541, 8, 8), (256, 8, 8))
    """
    if y is None:
        if not (hasattr(x, "data") and hasattr(x, "target")):
            raise DataError(
                f"from_sklearn: found {type(x).__name__} alone, expected a Bunch with data and "
                "target; give from_sklearn(x, y)"
            )
        x, y = x.data, x.target
    if largest is not None:
        needed = "a number above 0, the value of a white pixel such as 255,"
        arguments.real("from_sklearn", "largest", largest, needed, ends="()", error=DataError)
    source = _source("from_sklearn", x, y, "", largest)
    return assembled("from_sklearn", [source], classes=classes)


def from_torchvision(train: Any, test: Any, classes: int | None = 10) -> Dataset:
    """Return the data set in two of torchvision's, `MNIST(root)` and `MNIST(root, train=False)`.

    Each has `data`, (n, h, w) uint8, and `targets`, (n,) from 0 to classes - 1, as tensors, arrays
    or lists; their transforms are not applied, and colours are made grey, which a DataWarning says.
    The arrays returned are the caller's own. Raises DataError for anything else.

    >>> from types import SimpleNamespace
    >>> train = SimpleNamespace(data=np.full((8, 28, 28), 255, np.uint8), targets=[1] * 8)
    >>> test = SimpleNamespace(data=np.zeros((2, 28, 28), np.uint8), targets=[3, 1])
    >>> (x, y), (x_test, y_test) = tg.data.from_torchvision(train, test)
    >>> x.shape, y_test.tolist()
    ((8, 28, 28), [3, 1])
    """
    sources = []
    for name, part, given in (("training", "train", train), ("test", "test", test)):
        place = f"from_torchvision, {name} part"
        if not (hasattr(given, "data") and hasattr(given, "targets")):
            raise DataError(
                f"{place}: found {type(given).__name__} without data and targets, expected "
                "torchvision's MNIST or the like; give the data set itself, no loader or subset"
            )
        sources.append(_source(place, given.data, given.targets, part))
    return assembled("from_torchvision", sources, classes=classes)


def _source(place: str, x: Any, y: Any, part: str, white: float | None = None) -> Source:
    said: list[str] = []
    labels = as_labels(place, as_array(place, "labels", y))
    images = as_images(place, as_array(place, "x", x).copy(), len(labels), said, white)
    return Source(images, labels, part, said, place)
