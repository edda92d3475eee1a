"""Attention: each place looks at all others."""

import math
from typing import Any

import numpy as np

from ..arguments import dtype as floating
from ..arguments import flag, generator, share, whole
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from . import functional, init
from .layers import Linear
from .module import Module
from .operands import as_array, entered, shape_of, unusual


class MultiheadAttention(Module):
    """softmax(q kᵀ / √d) v in several parts of the features at once (Vaswani et al. 2017).

    ``attention(query, key, value)`` gives (outputs, weights). query (targets, n, embed_dim), key
    (sources, n, kdim), value (sources, n, vdim); with ``batch_first`` n comes first, and without n
    it is one sequence. Weights (n, targets, sources) are means over the heads, or
    (n, heads, targets, sources) with ``average_attn_weights=False``, or None with
    ``need_weights=False``.

    ``key_padding_mask`` (n, sources) and ``attn_mask`` (targets, sources), or
    (n · heads, targets, sources), are True at sources that a target may not use, or are floats that
    are added to the scores; ``is_causal`` hides the later sources. A target that may use no source
    has weights that are NaN.
    Parameters have PyTorch's names and shapes (``in_proj_weight``, ``in_proj_bias``,
    ``out_proj.weight``, ``out_proj.bias``; ``q_proj_weight`` and so on where kdim or vdim differ).
    Raises ShapeError for other shapes, ValueError for heads that do not divide embed_dim.

    >>> x = np.zeros((2, 5, 8), np.float32)
    >>> outputs, weights = tg.nn.MultiheadAttention(8, 2, batch_first=True, seed=0)(x, x, x)
    >>> outputs.shape, weights.shape
    ((2, 5, 8), (2, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        seed: init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        place = "MultiheadAttention"
        self.embed_dim = whole(place, "embed_dim", embed_dim)
        self.num_heads = whole(place, "num_heads", num_heads)
        if embed_dim % num_heads:
            raise ValueError(
                f"{place}: embed_dim={embed_dim} cannot be divided into num_heads={num_heads} "
                "equal parts; give num_heads that divides it."
            )
        self.dropout = share(place, "dropout", dropout)
        self.batch_first = flag(place, "batch_first", batch_first)
        self.kdim = embed_dim if kdim is None else whole(place, "kdim", kdim)
        self.vdim = embed_dim if vdim is None else whole(place, "vdim", vdim)
        dtype = floating(place, "dtype", dtype)
        self.generator = generator(place, seed)
        sizes = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        self._packed = set(sizes.values()) == {embed_dim}
        if self._packed:
            drawn = init.xavier_uniform((3 * embed_dim, embed_dim), self.generator, dtype=dtype)
            self.in_proj_weight = Tensor(drawn, requires_grad=True, name="in_proj_weight")
        else:
            for part, size in sizes.items():
                drawn = init.xavier_uniform((embed_dim, size), self.generator, dtype=dtype)
                name = f"{part}_proj_weight"
                setattr(self, name, Tensor(drawn, requires_grad=True, name=name))
        self.in_proj_bias: Tensor | None = None
        if flag(place, "bias", bias):
            zeros = np.zeros(3 * embed_dim, dtype)
            self.in_proj_bias = Tensor(zeros, requires_grad=True, name="in_proj_bias")
        self.out_proj = Linear(embed_dim, embed_dim, bias, seed=self.generator, dtype=dtype)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        place = "MultiheadAttention"
        given = [
            entered(place, x, self.out_proj.weight, name)
            for x, name in ((query, "query"), (key, "key"), (value, "value"))
        ]
        single = len(shape_of(given[0])) == 2
        if single:
            given = [np.expand_dims(x, 0) for x in given]
        elif not self.batch_first:
            given = [np.swapaxes(x, 0, 1) if len(shape_of(x)) == 3 else x for x in given]
        q, k, v = self._projected(given, [shape_of(x) for x in (query, key, value)])
        scores = (q @ np.swapaxes(k, -1, -2)) / math.sqrt(shape_of(q)[-1])
        for mask in self._masks(scores, key_padding_mask, attn_mask, is_causal, single):
            hidden = mask.dtype.kind == "b"
            scores = np.where(mask, -math.inf, scores) if hidden else scores + mask
        weights = functional.softmax(scores)
        used = functional.dropout(weights, self.dropout, self.training, self.generator)
        together = np.swapaxes(used @ v, 1, 2)  # (n, targets, heads, features of a head)
        n, targets = shape_of(together)[:2]
        out = self.out_proj(np.reshape(together, (n, targets, self.embed_dim)))
        shown = None
        if need_weights:
            shown = np.mean(weights, axis=1) if average_attn_weights else weights
        if single:
            return out[0], None if shown is None else shown[0]
        return out if self.batch_first else np.swapaxes(out, 0, 1), shown

    def _projected(self, given: list[Any], shapes: list[Any]) -> list[Any]:
        """Queries, keys and values by head: (n, heads, places, features of a head)."""
        fits = all(len(shape_of(x)) == 3 for x in given)
        if fits:
            (n, _, e), (nk, sources, ek), (nv, places, ev) = (shape_of(x) for x in given)
            sizes = (self.embed_dim, self.kdim, self.vdim)
            fits = n == nk == nv and sources == places and (e, ek, ev) == sizes
        if not fits:
            layout = "(n, places, features)" if self.batch_first else "(places, n, features)"
            raise ShapeError(
                f"MultiheadAttention: query {shapes[0]}, key {shapes[1]} and value {shapes[2]}; "
                f"expected {layout} or (places, features), with {self.embed_dim}, {self.kdim} and "
                f"{self.vdim} features, and as many keys as values."
            )
        size = self.embed_dim
        found = []
        for i, (x, part) in enumerate(zip(given, "qkv", strict=True)):
            rows = slice(i * size, (i + 1) * size)
            weight = (
                self.in_proj_weight[rows] if self._packed else getattr(self, f"{part}_proj_weight")
            )
            bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
            whole_ = functional.linear(x, weight, bias)
            n, places = shape_of(x)[:2]
            split = np.reshape(whole_, (n, places, self.num_heads, size // self.num_heads))
            found.append(np.swapaxes(split, 1, 2))
        return found

    def _masks(self, scores: Any, padding: Any, mask: Any, causal: bool, single: bool) -> list[Any]:
        """What is hidden or added, as it broadcasts to the scores (n, heads, targets, sources)."""
        n, heads, targets, sources = shape_of(scores)
        found = []
        if padding is not None:
            padding = _mask("key_padding_mask", padding)
            padding = np.expand_dims(padding, 0) if single else padding
            _fits("key_padding_mask", padding, [(n, sources)])
            found.append(np.reshape(padding, (n, 1, 1, sources)))
        if mask is not None:
            mask = _mask("attn_mask", mask)
            _fits("attn_mask", mask, [(targets, sources), (n * heads, targets, sources)])
            if len(shape_of(mask)) == 3:
                mask = np.reshape(mask, (n, heads, targets, sources))
            found.append(mask)
        if flag("MultiheadAttention", "is_causal", causal):
            found.append(np.logical_not(np.tri(targets, sources, dtype=bool)))
        return found

    def extra_repr(self) -> str:
        sizes = [str(self.embed_dim), str(self.num_heads)]
        return ", ".join([*sizes, *unusual(self, dropout=0.0, batch_first=False)])


def _mask(name: str, mask: Any) -> Any:
    mask = as_array("MultiheadAttention", mask, name)
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"MultiheadAttention: {name} of dtype {mask.dtype}; give booleans, True for places "
            "that are left out, or floats that are added."
        )
    return mask


def _fits(name: str, mask: Any, shapes: list[tuple[int, ...]]) -> None:
    if shape_of(mask) not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise ShapeError(
            f"MultiheadAttention: {name} of shape {shape_of(mask)}; expected {wanted}."
        )
