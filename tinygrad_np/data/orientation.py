"""Whether handwriting lies on its side: pictures of EMNIST and of MATLAB files are transposed."""

import numpy as np
from numpy.typing import NDArray

from .datasets import mnist_means
from .pictures import shrunk

_USED = 200  # pictures of each class
_LIKE = 0.4  # correlation with the mean pictures of MNIST from which on these are digits
_CLEARLY = 0.15  # by how much one of the two must be more like them
_LETTERS = {15: 0, 9: 1, 19: 5, 26: 2}  # O I S Z, and the digits that they look like
_DIGITS = {i: i for i in range(10)}


def is_transposed(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> bool | None:
    """True, False, or None where it cannot be told.

    The mean picture of each class, as it is and transposed, is correlated with that of MNIST.
    Letters are compared with the digits that look like them.
    """
    if images.shape[1] != images.shape[2] or not images.size:
        return None
    classes = int(labels.max()) + 1
    if classes in (26, 27):
        twins = {letter - (classes == 26): digit for letter, digit in _LETTERS.items()}
    elif classes in (10, 47, 62):  # those of EMNIST begin with the digits
        twins = _DIGITS
    else:
        return None
    known = mnist_means()
    likeness = np.zeros(2)
    for label, digit in twins.items():
        picked = images[np.flatnonzero(labels == label)[:_USED]]
        if not len(picked):
            continue
        mean = shrunk(picked.mean(axis=0), *known.shape[1:])
        for way, turned in enumerate((mean, mean.T)):
            likeness[way] += _correlation(turned, known[digit]) / len(twins)
    if likeness.max() < _LIKE or abs(likeness[1] - likeness[0]) < _CLEARLY:
        return None
    return bool(likeness[1] > likeness[0])


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0
