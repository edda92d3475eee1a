"""The functions that NumPy lacks. Many are adjoint pairs: each is the transpose of the other.

Every function here takes arrays and dispatches like NumPy's own functions do, so that it can be
called on Tensors and recorded.
"""

from ...foreign import (
    has_no_protocols,
    is_foreign,
    kind_of,
    needs_memory,
    refuse_namespace,
)
from .dispatch import (
    F,
    Kept,
    akin,
    hidden_in,
    number,
    primitive,
    written_out,
)
from .elementwise import (
    added_to,
    cast,
    clip,
    identity,
    if_finite,
    lent,
    of_dtype,
    replace_nonfinite,
    sigmoid,
    where_finite_or,
)
from .indexing import (
    ARRAY,
    add_at,
    join_index,
    last_writes,
    lexical_order,
    replace_at,
    split_index,
    take_at,
    updated,
)
from .matrices import (
    cofactors,
    decomposed,
    hint,
    inverse_or_zero,
    orthogonalised,
    rebuilt,
    second_cofactors,
    settled,
    silent,
)
from .reductions import (
    chosen,
    contract,
    deviation,
    euclidean_norm,
    largest_or_0,
    length,
    nonzero,
    power_norm,
    shares,
    unit,
    variance,
)
from .shaping import broadcast, concat, pad_zeros

__all__ = [
    "ARRAY", "F", "Kept", "add_at", "added_to", "akin", "broadcast", "cast", "chosen", "clip",
    "cofactors", "concat", "contract", "decomposed", "deviation", "euclidean_norm",
    "has_no_protocols", "hidden_in", "hint", "identity", "if_finite", "inverse_or_zero",
    "is_foreign", "join_index", "kind_of", "largest_or_0", "last_writes", "length", "lent",
    "lexical_order", "needs_memory", "nonzero", "number", "of_dtype", "orthogonalised", "pad_zeros",
    "power_norm", "primitive", "rebuilt", "refuse_namespace", "replace_at", "replace_nonfinite",
    "second_cofactors", "settled", "shares", "sigmoid", "silent", "split_index", "take_at", "unit",
    "updated", "variance", "where_finite_or", "written_out",
]  # fmt: skip
