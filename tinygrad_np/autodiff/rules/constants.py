"""Functions without a derivative: their results are constants, or facts about an array."""

import numpy as np

from ..primitives import bodies
from ..primitives.building import distinct
from ..primitives.drawing import (
    bernoulli,
    kept_share,
    permutation,
    standard_normal,
    standard_uniform,
)
from ..primitives.elementwise import added_to, if_finite, where_finite_or
from ..primitives.indexing import flat_index, last_writes, lexical_order, updated
from ..primitives.neural import in_range, one_hot, signs
from .table import FACTS, METADATA, Traits, constant

for comparison, condition in (
    (np.equal, "oeq"), (np.not_equal, "une"), (np.less, "olt"), (np.less_equal, "ole"),
    (np.greater, "ogt"), (np.greater_equal, "oge"),
):  # fmt: skip
    constant(comparison, traits=Traits(native=(f"fcmp {condition} {{t}} {{a}}, {{b}}",)))
constant(
        np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
        np.isnan, np.isinf, np.isfinite, np.signbit, np.isclose, np.iscomplex, np.isreal,
        np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift,
        np.nanargmax, np.nanargmin, np.argsort, np.argpartition,
        np.argwhere, np.nonzero, np.flatnonzero, np.count_nonzero, np.searchsorted, np.digitize,
        np.isin, np.unravel_index,
        np.isposinf, np.isneginf, np.gcd, np.lcm, np.spacing, distinct,
        np.packbits, np.unpackbits, np.diag_indices_from,
        np.tril_indices_from, np.triu_indices_from,
        *([np.bitwise_count] if hasattr(np, "bitwise_count") else []),
        np.linalg.matrix_rank, kept_share, one_hot, last_writes, lexical_order, flat_index,
        standard_normal, standard_uniform, bernoulli, permutation,
)  # fmt: skip
constant(np.any, traits=Traits(body=bodies.any_true))
constant(np.all, traits=Traits(body=bodies.all_true))
constant(np.argmax, np.argmin, traits=Traits(along=True))
constant(np.zeros_like, np.ones_like, np.empty_like, traits=Traits(shape_only=True))
constant(in_range, traits=Traits(checks=True, below=1, by_row=1))
constant(signs, traits=Traits(checks=True))
constant(added_to, where_finite_or, traits=Traits(overwrites=True, by_row=2))
constant(if_finite, traits=Traits(overwrites=True))
constant(updated)
FACTS.update(
    [
        np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj, np.can_cast,
        np.common_type, np.may_share_memory, np.shares_memory, np.einsum_path,
    ]
)  # fmt: skip
METADATA.update(
    [
        *FACTS, np.min_scalar_type,
        np.allclose, np.array_equal, np.array_equiv,
        np.array2string, np.array_repr, np.array_str,
        np.save, np.savez, np.savez_compressed, np.savetxt,
    ]
)  # fmt: skip
