"""Products and the algebra of matrices."""

import math
import operator
import string
from typing import Any

import numpy as np

from ..primitives import cast, primitive
from ..shapes import Axis, axes_of, keep
from .elementwise import in_single
from .reductions import unit
from .table import along, composite, defvjp, terms


def matmul_left(g: Any, x: Any, y: Any) -> Any:
    """out = x y by x: g yᵀ."""
    if np.ndim(y) == 1:
        return np.expand_dims(g, -1) * y
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
)


@composite(np.dot)
def dot(a: Any, b: Any) -> Any:
    """Products of scalars, of matrices, or over the last and the second-last axis."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=((np.ndim(a) - 1,), (np.ndim(b) - 2,)))


@composite(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Sums of products over the last axes."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
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
    return outer(x1, x2)


@composite(np.outer)
def outer(a: Any, b: Any) -> Any:
    """Each element of one times each of the other."""
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


@composite(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """A matrix product between transposes and reshapes."""
    na, nb = np.ndim(a), np.ndim(b)
    if isinstance(axes, (int, np.integer)):
        axes = (tuple(range(na - int(axes), na)), tuple(range(int(axes))))
    over_a, over_b = (axes_of(x if isinstance(x, int) else tuple(x), n)
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
    left = np.reshape(np.transpose(a, (*free_a, *over_a)), (math.prod(shape_a), n))
    right = np.reshape(np.transpose(b, (*over_b, *free_b)), (n, math.prod(shape_b)))
    return np.reshape(np.matmul(left, right), shape_a + shape_b)


@composite(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Each element of ``a`` times the whole of ``b``."""
    ndim = max(np.ndim(a), np.ndim(b))
    sa = (1,) * (ndim - np.ndim(a)) + np.shape(a)
    sb = (1,) * (ndim - np.ndim(b)) + np.shape(b)
    wide_a = np.reshape(a, [n for m in sa for n in (m, 1)])
    wide_b = np.reshape(b, [n for m in sb for n in (1, m)])
    return np.reshape(wide_a * wide_b, [m * n for m, n in zip(sa, sb, strict=True)])


@primitive
def contract(*values: Any, subscripts: str) -> Any:
    """``np.einsum`` with explicit subscripts in which no operand repeats a label."""
    return np.einsum(subscripts, *values, optimize=len(values) > 2)


def contract_back(i: int, g: Any, values: tuple[Any, ...], subscripts: str) -> Any:
    """Contract ``g`` with the other operands back to the labels of operand ``i``.

    A label that only operand ``i`` has, or that the others have with length 1, was summed over:
    there the cotangent is repeated.
    """
    if g.dtype == np.float16:  # which counts ones to 2,048 only
        wide = [cast(v, np.float32) for v in values]
        return cast(contract_back(i, cast(g, np.float32), tuple(wide), subscripts), np.float16)
    inputs, output = subscripts.split("->")
    labels = inputs.split(",")
    shape = np.shape(values[i])
    others = [v for k, v in enumerate(values) if k != i]
    rest = [s for k, s in enumerate(labels) if k != i]
    known = set("".join(rest)) | set(output)
    kept = "".join(c for c in labels[i] if c in known)
    back = contract(g, *others, subscripts=",".join([output, *rest]) + "->" + kept)
    sizes = dict(zip(kept, np.shape(back), strict=True))
    one = [sizes.get(c, 1) for c in labels[i]]
    wide = [n if m == 1 else m for m, n in zip(one, shape, strict=True)]
    return np.broadcast_to(np.reshape(back, one), wide)


defvjp(
    contract,
    each=lambda i, g, _out, *values, subscripts: contract_back(i, g, values, subscripts),
    broadcasts=True,
    reach=terms,
)


@composite(np.einsum)
def einsum(*operands: Any, optimize: Any = False, **options: Any) -> Any:
    """Einstein summation: ellipses spelled out, repeated labels as diagonals, then ``contract``."""
    del optimize
    if options or not isinstance(operands[0], str):
        raise NotImplementedError(
            "np.einsum on Tensors takes 'subscripts', then operands, and no options but optimize."
        )
    arrays = list(operands[1:])
    subscripts = _explicit(operands[0].replace(" ", ""), [np.ndim(a) for a in arrays])
    inputs, output = subscripts.split("->")
    labels = inputs.split(",")
    for i, row in enumerate(labels):
        for label in sorted(set(row)):
            while labels[i].count(label) > 1:
                arrays[i], labels[i] = _merge(arrays[i], labels[i], label)
    return contract(*arrays, subscripts=",".join(labels) + "->" + output)


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


def _explicit(subscripts: str, ndims: list[int]) -> str:
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
            f"np.einsum({subscripts!r}) of operands with {ndims} axes: the ellipsis stands for "
            "axes that are not there, or not in the result."
        )
    spare = "".join(unused[: max(depth)])
    spelled = [spare[len(spare) - d :] for d in depth]
    labels = [row.replace("...", s) for row, s in zip(labels, spelled, strict=True)]
    if not arrow:
        letters = inputs.replace(",", "").replace("...", "")
        output = "..." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return ",".join(labels) + "->" + output.replace("...", spare)


def transposed(x: Any) -> Any:
    """The last two axes swapped."""
    return np.swapaxes(x, -1, -2)


def solve_right(g: Any, a: Any, b: Any) -> Any:
    """x = a⁻¹ b by b: a⁻ᵀ g."""
    if np.ndim(b) == 1:
        return np.linalg.solve(transposed(a), np.expand_dims(g, -1))[..., 0]
    return np.linalg.solve(transposed(a), g)


def solve_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    """x = a⁻¹ b by a: −(a⁻ᵀ g) xᵀ."""
    back = solve_right(g, a, b)
    if np.ndim(b) == 1:
        return -np.expand_dims(back, -1) * np.expand_dims(out, -2)
    return -np.matmul(back, transposed(out))


defvjp(
    np.linalg.solve,
    lambda g, out, a, b: solve_left(g, out, a, b),
    lambda g, _out, a, _b: solve_right(g, a, _b),
    broadcasts=True,
)
defvjp(
    np.linalg.inv,
    lambda g, out, _a: -np.matmul(np.matmul(transposed(out), g), transposed(out)),
)


def det_back(g: Any, a: Any) -> Any:
    """The cofactors: d det / d a_ij. Singular matrices have them too, hence the minors."""
    n = np.shape(a)[-1]
    if n < 2:
        return np.expand_dims(g, (-1, -2)) * np.ones_like(a)
    stay = np.array([[k for k in range(n) if k != i] for i in range(n)])
    minors = a[..., stay[:, None, :, None], stay[None, :, None, :]]
    signs = [[(-1.0) ** (i + j) for j in range(n)] for i in range(n)]
    signed = np.linalg.det(minors) * np.asarray(signs, dtype=np.result_type(a))
    return np.expand_dims(g, (-1, -2)) * signed


defvjp(np.linalg.det, lambda g, _out, a: det_back(g, a))


@primitive
def euclidean_norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm`` of vectors, or of matrices as if they were vectors."""
    return np.linalg.norm(x, None, axis, keepdims)


defvjp(
    euclidean_norm,
    lambda g, _out, x, axis=None, keepdims=False: (
        keep(g, np.shape(x), axis) * np.conj(unit(x, axis))
    ),
    reach=along(None),
)


@primitive
def power_norm(x: Any, ord: float, axis: Axis = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm`` of vectors: (sum |x|**ord) ** (1 / ord)."""
    return np.linalg.norm(x, ord, axis, keepdims)


def power_norm_back(g: Any, x: Any, ord: float, axis: Axis) -> Any:
    """sign(x) (|x| / norm)**(ord-1), 0 where x or the norm is 0.

    All is over the largest |x| (the least, if that decides): no power over- or underflows.
    """
    size = np.abs(x)
    scale = (np.min if ord < 0 else np.max)(size, axis=axis, keepdims=True)
    scale = np.where(scale > 0, scale, 1)
    size = np.where(np.isinf(scale), cast(np.isinf(size), size.dtype), size / scale)
    length = np.power(np.sum(np.power(size, ord), axis=axis, keepdims=True), 1.0 / ord)
    flat = np.logical_or(size == 0, length == 0)
    ratio = np.where(flat, 1, size) / np.where(length == 0, 1, length)
    return keep(g, np.shape(x), axis) * np.where(
        flat, 0, np.power(ratio, ord - 1) * np.conj(np.sign(x))
    )


defvjp(
    power_norm,
    lambda g, _out, x, ord, axis=None, keepdims=False: power_norm_back(g, x, ord, axis),
    reach=along(None),
)


@composite(np.linalg.norm)
@in_single
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector p-norms and the Frobenius norm, with gradient 0 where they are 0."""
    if np.result_type(x).kind in "biu":
        x = cast(x, np.float64)
    if axis is not None and np.ndim(x) == 0:
        raise ValueError(f"np.linalg.norm(axis={axis}) of shape (): there are no axes.")
    axes = len(axis) if isinstance(axis, tuple) else np.ndim(x) if axis is None else 1
    if ord is None or (ord in ("f", "fro") and axes == 2) or (ord == 2 and axes == 1):
        return euclidean_norm(x, axis, keepdims=keepdims)
    if (isinstance(ord, str) and axes == 1) or axes not in (1, 2):
        raise ValueError(
            f"np.linalg.norm(ord={ord!r}, axis={axis}) of shape {np.shape(x)}: the order fits "
            f"neither vectors nor matrices of {axes} axes; give one or two axes."
        )
    if axes == 2:
        raise NotImplementedError(
            f"np.linalg.norm(ord={ord!r}) of a matrix has no derivative here; use the Frobenius "
            "norm."
        )
    size = np.abs(x)
    if ord == np.inf:
        if np.size(x) == 0:  # where 0 is the largest
            return np.max(size, axis=axis, keepdims=keepdims, initial=0)
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.sign(size), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    return power_norm(x, ord, axis, keepdims=keepdims)


@composite(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    """A chain of products, from the left."""
    first, second, *rest = arrays
    first = np.dot(first, second)
    for other in rest:
        first = np.matmul(first, other)
    return first


@composite(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """Repeated products."""
    n = operator.index(n)
    if np.ndim(a) < 2 or len(set(np.shape(a)[-2:])) > 1:
        raise np.linalg.LinAlgError(f"np.linalg.matrix_power of shape {np.shape(a)}: not square.")
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return np.zeros_like(a) + np.eye(np.shape(a)[-1], dtype=np.result_type(a))
    out = a
    for _ in range(n - 1):
        out = np.matmul(out, a)
    return out
