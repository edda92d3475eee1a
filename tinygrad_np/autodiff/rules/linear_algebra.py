"""Products and the algebra of matrices."""

import functools
import itertools
import math
import operator
import string
from typing import Any

import numpy as np

from ..primitives import akin, cast, contract
from ..shapes import axes_of
from .shaping import laid
from .table import Traits, composite, defvjp, terms


def matmul_left(g: Any, x: Any, y: Any) -> Any:
    """out = x y by x: g yᵀ."""
    if np.ndim(y) == 1:
        return (g if np.ndim(x) == 1 else np.expand_dims(g, -1)) * y
    if np.ndim(x) == 1:
        return np.matmul(y, np.expand_dims(g, -1))[..., 0]
    return np.matmul(g, np.swapaxes(y, -1, -2))


def matmul_right(g: Any, x: Any, y: Any) -> Any:
    """out = x y by y: xᵀ g."""
    if np.ndim(x) == 1:
        return np.expand_dims(x, -1) * np.expand_dims(g, -2) if np.ndim(y) > 1 else g * x
    if np.ndim(y) == 1:
        return np.matmul(np.expand_dims(g, -2), x)[..., 0, :]
    if np.ndim(y) == 2 < np.ndim(x):  # one product over all batches instead of a sum of many
        return np.matmul(
            np.transpose(np.reshape(x, (lines := math.prod(np.shape(x)[:-1]), np.shape(x)[-1]))),
            np.reshape(g, (lines, np.shape(g)[-1])),
        )
    return np.matmul(np.swapaxes(x, -1, -2), g)


defvjp(
    np.matmul,
    lambda g, _out, _x, y: matmul_left(g, _x, y),
    lambda g, _out, x, _y: matmul_right(g, x, _y),
    broadcasts=True,
    reach=terms,
    traits=Traits(cost=lambda out, x, _y: math.prod(out.shape) * x.shape[-1]),
)


@composite(np.dot)
def dot(a: Any, b: Any) -> Any:
    """Products of scalars, of matrices, or over the last and the second-last axis."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return laid(np.multiply(a, b))
    if np.ndim(b) <= 2:
        return laid(np.matmul(a, b))
    return np.tensordot(a, b, axes=((np.ndim(a) - 1,), (np.ndim(b) - 2,)))


@composite(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Sums of products over the last axes."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b if np.ndim(b) == 1 else np.transpose(b))
    return np.tensordot(a, b, axes=((np.ndim(a) - 1,), (np.ndim(b) - 1,)))


@composite(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """The inner product of all elements, the first conjugated."""
    lined = np.reshape(a, (-1,))
    return np.matmul(np.conjugate(lined) if np.iscomplexobj(a) else lined, np.reshape(b, (-1,)))


@composite(np.linalg.outer)
def outer_of_vectors(x1: Any, x2: Any, /) -> Any:
    """``np.outer`` of vectors alone."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(
            f"np.linalg.outer of shapes {np.shape(x1)} and {np.shape(x2)}; give vectors, or use "
            "np.outer."
        )
    return np.outer(x1, x2)


def row(x: Any) -> Any:
    """All elements in one row."""
    return x if np.ndim(x) == 1 else np.reshape(x, (-1,))


defvjp(
    np.outer,
    lambda g, _out, _a, b: np.reshape(np.matmul(g, row(b)), np.shape(_a)),
    lambda g, _out, a, _b: np.reshape(np.matmul(row(a), g), np.shape(_b)),
    reach=terms,
    traits=Traits(body=np.outer),
)


@composite(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """A matrix product between transposes and reshapes."""
    na, nb = np.ndim(a), np.ndim(b)
    if not isinstance(axes, (tuple, list)) and np.ndim(axes) == 0:
        count = operator.index(axes)
        axes = (tuple(range(na - count, na)), tuple(range(count)))
    over_a, over_b = (axes_of(tuple(x) if np.ndim(x) else operator.index(x), n)
                      for x, n in zip(axes, (na, nb), strict=True))  # fmt: skip
    if any(np.size(x) > n for x, n in zip(axes, (na, nb), strict=True)):
        raise ValueError(f"np.tensordot over {axes}: the operands have {na} and {nb} axes.")
    sizes = [np.shape(a)[i] for i in over_a], [np.shape(b)[i] for i in over_b]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"np.tensordot: axes {over_a} of shape {np.shape(a)} do not fit axes {over_b} of "
            f"shape {np.shape(b)}."
        )
    free_a = [i for i in range(na) if i not in over_a]
    free_b = [i for i in range(nb) if i not in over_b]
    shape_a, shape_b = [np.shape(a)[i] for i in free_a], [np.shape(b)[i] for i in free_b]
    n = math.prod(sizes[0])
    left = arranged(a, (*free_a, *over_a), (math.prod(shape_a), n))
    right = arranged(b, (*over_b, *free_b), (n, math.prod(shape_b)))
    out = np.matmul(left, right)
    return out if out.shape == (*shape_a, *shape_b) else np.reshape(out, (*shape_a, *shape_b))


def arranged(x: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The axes in another order and then another shape, as far as they are not so already."""
    x = x if order == tuple(range(np.ndim(x))) else np.transpose(x, order)
    return x if np.shape(x) == shape else np.reshape(x, shape)


@composite(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Each element of ``a`` times the whole of ``b``."""
    ndim = max(np.ndim(a), np.ndim(b))
    sa = (1,) * (ndim - np.ndim(a)) + np.shape(a)
    sb = (1,) * (ndim - np.ndim(b)) + np.shape(b)
    wide_a = np.reshape(a, [n for m in sa for n in (m, 1)])
    wide_b = np.reshape(b, [n for m in sb for n in (1, m)])
    return np.reshape(wide_a * wide_b, [m * n for m, n in zip(sa, sb, strict=True)])


@composite(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The vector product; vectors of two elements lie in the plane of three.

    Of two such the third element alone is the result.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    sizes = np.shape(a)[-1], np.shape(b)[-1]
    if not {2, 3}.issuperset(sizes):
        raise ValueError(
            f"np.cross takes vectors of 3 elements (or 2), not {sizes[0]} and {sizes[1]}: the "
            f"shapes with the vectors last are {np.shape(a)} and {np.shape(b)}."
        )
    third = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if sizes == (2, 2):
        return laid(third)
    forth, back = [1, 2, 0], [2, 0, 1]
    if sizes == (3, 3):
        both = laid(a[..., forth] * b[..., back] - a[..., back] * b[..., forth])
        return np.moveaxis(both, -1, axisc)
    if sizes == (2, 3):
        first, second = a[..., 1] * b[..., 2], -a[..., 0] * b[..., 2]
    else:
        first, second = -a[..., 2] * b[..., 1], a[..., 2] * b[..., 0]
    return np.moveaxis(laid(np.stack([first, second, third], -1)), -1, axisc)


@composite(np.linalg.cross)
def cross_of_three(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """``np.cross`` of vectors of three elements alone."""
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ValueError(
            f"np.linalg.cross needs 3 elements on axis {axis}, not shapes {np.shape(x1)} and "
            f"{np.shape(x2)}."
        )
    return np.cross(x1, x2, axis=axis)


@composite(np.linalg.matmul)
def product(x1: Any, x2: Any, /) -> Any:
    """``np.matmul``."""
    return np.matmul(x1, x2)


@composite(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sums of products along one axis, the first conjugated."""
    first, second = np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1)
    first = np.conjugate(first) if np.iscomplexobj(first) else first
    return np.matmul(np.expand_dims(first, -2), np.expand_dims(second, -1))[..., 0, 0]


def contract_back(i: int, g: Any, values: tuple[Any, ...], subscripts: str) -> Any:
    """Contract ``g`` with the other operands back to the labels of operand ``i``.

    A label that only operand ``i`` has, or that the others have with length 1, was summed over:
    there the cotangent is repeated.
    """
    if g.dtype == np.float16:  # which counts ones to 2,048 only
        wide = [cast(v, np.float32) for v in values]
        return cast(contract_back(i, cast(g, np.float32), tuple(wide), subscripts), np.float16)
    shape = np.shape(values[i])
    own, kept, reverse = _reversed(i, subscripts)
    back = contract(g, *values[:i], *values[i + 1 :], subscripts=reverse)
    if np.shape(back) == shape:
        return back
    sizes = dict(zip(kept, np.shape(back), strict=True))
    one = [sizes.get(c, 1) for c in own]
    wide = [n if m == 1 else m for m, n in zip(one, shape, strict=True)]
    return np.broadcast_to(np.reshape(back, one), wide)


@functools.lru_cache(256)
def _reversed(i: int, subscripts: str) -> tuple[str, str, str]:
    """The labels of operand ``i``, those of them that others have, and the contraction to these."""
    inputs, output = subscripts.split("->")
    rest = inputs.split(",")
    own = rest.pop(i)
    kept = "".join(c for c in own if c in output or any(c in row for row in rest))
    return own, kept, ",".join([output, *rest]) + "->" + kept


def products(_out: Any, *values: Any, subscripts: str) -> int:
    """How many there are, without intermediate results: the lengths of all labels."""
    labels = subscripts.partition("->")[0].split(",")
    sizes = {
        c: n
        for row, v in zip(labels, values, strict=True)
        for c, n in zip(row, v.shape, strict=True)
    }
    return math.prod(sizes.values())


defvjp(
    contract,
    each=lambda i, g, _out, *values, subscripts: contract_back(i, g, values, subscripts),
    broadcasts=True,
    reach=terms,
    traits=Traits(cost=products),
)


@composite(np.einsum)
def einsum(*operands: Any, optimize: Any = False, **options: Any) -> Any:
    """Einstein summation: ellipses spelled out, repeated labels as diagonals, then ``contract``."""
    del optimize
    unset = {"out": None, "dtype": None, "order": "K", "casting": "safe"}
    options = {k: v for k, v in options.items() if k not in unset or v != unset[k]}
    if options:
        raise NotImplementedError(
            f"np.einsum on Tensors takes no {', '.join(options)}: give subscripts and operands, or "
            "operands each with a list of its axes, and no options but optimize."
        )
    if not isinstance(operands[0], str):
        operands = _lettered(operands)
    arrays = list(operands[1:])
    subscripts = _explicit(operands[0].replace(" ", ""), tuple(np.ndim(a) for a in arrays))
    inputs, output = subscripts.split("->")
    labels = inputs.split(",")
    for i, row in enumerate(labels):
        for label in sorted(set(row)) if len(set(row)) < len(row) else ():
            while labels[i].count(label) > 1:
                arrays[i], labels[i] = _merge(arrays[i], labels[i], label)
    return contract(*arrays, subscripts=",".join(labels) + "->" + output)


AXES = string.ascii_uppercase + string.ascii_lowercase  # in the order in which NumPy sorts them


def _lettered(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Subscripts and operands, of operands that each have a list of their axes behind them."""
    if not all(isinstance(axes, (list, tuple)) for axes in (*operands[1::2], operands[-1])):
        raise TypeError("np.einsum takes subscripts, or a list of axes after each operand.")
    rows = ["".join("..." if k is Ellipsis else AXES[k] for k in axes) for axes in operands[1::2]]
    given = operands[: len(rows) * 2 : 2]
    if len(operands) % 2:
        result = "".join("..." if k is Ellipsis else AXES[k] for k in operands[-1])
        return f"{','.join(rows)}->{result}", *given
    return ",".join(rows), *given


def _merge(x: Any, labels: str, label: str) -> tuple[Any, str]:
    """The diagonal over the first two axes that share ``label``."""
    first = labels.index(label)
    second = labels.index(label, first + 1)
    if np.shape(x)[first] != np.shape(x)[second]:
        raise ValueError(
            f"np.einsum: the axes {label!r} of an operand of shape {np.shape(x)} differ in length."
        )
    rest = "".join(c for k, c in enumerate(labels) if k not in (first, second))
    return np.diagonal(x, axis1=first, axis2=second), rest + label


@functools.lru_cache(256)
def _explicit(subscripts: str, ndims: tuple[int, ...]) -> str:
    """The subscripts with an output and with letters for every ellipsis."""
    inputs, arrow, output = subscripts.partition("->")
    labels = inputs.split(",")
    if len(labels) != len(ndims):
        raise ValueError(
            f"np.einsum({subscripts!r}) names {len(labels)} operands, not {len(ndims)}."
        )
    unused = [c for c in string.ascii_letters if c not in subscripts]
    depth = [n - len(row.replace("...", "")) if "..." in row else 0
             for row, n in zip(labels, ndims, strict=True)]  # fmt: skip
    if min(depth) < 0 or (arrow and max(depth) > 0 and "..." not in output):
        raise ValueError(
            f"np.einsum({subscripts!r}) of operands with {list(ndims)} axes: the ellipsis stands "
            "for axes that are not there, or not in the result."
        )
    spare = "".join(unused[: max(depth)])
    spelled = [spare[len(spare) - d :] for d in depth]
    labels = [row.replace("...", s) for row, s in zip(labels, spelled, strict=True)]
    if not arrow:
        letters = inputs.replace(",", "").replace("...", "")
        output = "..." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return ",".join(labels) + "->" + output.replace("...", spare)


@composite(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    """A chain of products, in the order that takes the fewest multiplications."""
    if len(arrays) < 2:
        raise ValueError(f"np.linalg.multi_dot of {len(arrays)} arrays: give at least two.")
    if len(arrays) == 2:
        return np.dot(*arrays)
    row, column = np.ndim(arrays[0]) == 1, np.ndim(arrays[-1]) == 1
    first = np.expand_dims(arrays[0], 0) if row else arrays[0]
    last = np.expand_dims(arrays[-1], 1) if column else arrays[-1]
    chain = [first, *arrays[1:-1], last]
    if any(np.ndim(a) != 2 for a in chain):
        raise np.linalg.LinAlgError(
            f"np.linalg.multi_dot of shapes {[np.shape(a) for a in arrays]}: give matrices; the "
            "first and the last may be vectors."
        )
    cuts = best_cuts([np.shape(chain[0])[0], *(np.shape(a)[1] for a in chain)])
    out = multiplied(chain, cuts, 0, len(chain) - 1)
    if row and column:
        return out[0, 0]
    return np.reshape(out, (-1,)) if row or column else out


def best_cuts(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut the product of matrices i … j, of ``sizes[i]`` rows, for the least work.

    Source: Cormen, Leiserson, Rivest, Stein, "Introduction to Algorithms", matrix chains.
    """
    count = len(sizes) - 1
    work = {(i, i): 0 for i in range(count)}
    cuts = {}
    for i, j in sorted(itertools.combinations(range(count), 2), key=lambda pair: pair[1] - pair[0]):
        work[i, j], cuts[i, j] = min(
            (work[i, k] + work[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
            for k in range(i, j)
        )
    return cuts


def multiplied(chain: list[Any], cuts: dict[tuple[int, int], int], i: int, j: int) -> Any:
    """The product of matrices i … j."""
    if i == j:
        return chain[i]
    cut = cuts[i, j]
    return np.matmul(multiplied(chain, cuts, i, cut), multiplied(chain, cuts, cut + 1, j))


def trace_back(g: Any, shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    """``g`` on the diagonal of two axes, 0 elsewhere."""
    first, second = axes_of((axis1, axis2), len(shape))
    eye = np.eye(shape[first], shape[second], offset, dtype=bool)
    places = akin(eye if first < second else eye.T, g)
    if len(shape) > 2:
        places = np.reshape(places, [n if a in (first, second) else 1 for a, n in enumerate(shape)])
        g = np.expand_dims(g, (first, second))
    return np.where(places, g, 0)


defvjp(
    np.trace,
    lambda g, _out, _a, offset=0, axis1=0, axis2=1, dtype=None: trace_back(
        g, np.shape(_a), offset, axis1, axis2
    ),
)


@composite(np.linalg.trace)
def last_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of a stack of matrices."""
    return np.trace(x, offset, -2, -1, dtype)
