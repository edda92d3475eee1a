"""The MLPs with dropout, normalisation and label smoothing, with gradients from pencil and paper.

Notation and the layers without them: ``models.by_hand``. A hidden layer here is

    Zₗ = Aₗ₋₁ Wₗᵀ + bₗ                              (n, mₗ)
    Nₗ = normalised Zₗ, or Zₗ                       (n, mₗ)
    Aₗ = max(Nₗ, 0) ⊙ Dₗ                            (n, mₗ)

Dropout with probability p: Dₗ holds 0 with probability p and 1 / (1 − p) otherwise, drawn anew for
each step; it does not depend on the weights, so that
    dNₗ = dAₗ ⊙ Dₗ ⊙ [Nₗ > 0]

Batch normalisation, for each column z (n,) of Z, with mean μ = Σᵢ zᵢ / n and variance
v = Σᵢ (zᵢ − μ)² / n:
    xᵢ = (zᵢ − μ) / s,  s = √(v + ε)                Nᵢ = γ xᵢ + β
    dγ = Σᵢ dNᵢ xᵢ,  dβ = Σᵢ dNᵢ,  dxᵢ = γ dNᵢ
    ∂μ/∂zⱼ = 1/n;  ∂v/∂zⱼ = 2 (zⱼ − μ) / n (the part through μ is −2/n Σᵢ (zᵢ − μ) = 0);
    ∂s/∂zⱼ = (∂v/∂zⱼ) / (2 s) = xⱼ / n
    ∂xᵢ/∂zⱼ = ([i = j] − 1/n) / s − (zᵢ − μ) / s² · xⱼ / n = ([i = j] − 1/n − xᵢ xⱼ / n) / s
    dzⱼ = Σᵢ dxᵢ ∂xᵢ/∂zⱼ = (dxⱼ − mean(dx) − xⱼ mean(dx ⊙ x)) / s
  Layer normalisation is the same for each row of Z, with γ and β (m,) as they are: the means are
  over the row.

Label smoothing s over k classes: Y becomes (1 − s) Y + s / k, and dZ_L = (P − Y) / n as before,
because the loss is linear in Y and each row of Y still sums to 1.

Parameters are a flat list, per hidden layer [Wₗ, bₗ] or [Wₗ, bₗ, γₗ, βₗ], then [W_L, b_L].
Sources: Srivastava et al. (2014); Ioffe & Szegedy (2015); Ba, Kiros & Hinton (2016); Szegedy et al.
(2016), section 7.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.by_hand import Array, Gradients, Parameters

# of a hidden layer's W, b, γ, β
NORM_FORMULAS = (
    "dWₗ = dZₗᵀ Aₗ₋₁, dZₗ = (dxₗ − mean(dxₗ) − xₗ mean(dxₗ ⊙ xₗ)) / s",
    "dbₗ = Σᵢ dZₗ[i]",
    "dγₗ = Σᵢ dNₗ[i] ⊙ xₗ[i], dNₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ [Nₗ > 0]",
    "dβₗ = Σᵢ dNₗ[i], dNₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ [Nₗ > 0]",
)
_AXES = {"batch": 0, "layer": 1}


def regularised(
    parameters: Parameters,
    x: Array,
    labels: Array,
    *,
    norm: str | None = None,
    masks: Sequence[Array | None] = (),
    label_smoothing: float = 0.0,
    eps: float = 1e-5,
) -> tuple[float, Gradients]:
    """Mean cross-entropy of a ReLU network in training, and its gradients.

    ``norm`` is "batch", "layer" or None; ``masks`` are D₀ (n, m₀) for the inputs and Dₗ (n, mₗ)
    behind each hidden layer, None where nothing is dropped. Shapes otherwise as in
    ``models.by_hand``; gradients come in the order of the parameters; nothing is modified.
    """
    per_layer = 4 if norm else 2
    hidden = [list(parameters[i : i + per_layer]) for i in range(0, len(parameters) - 2, per_layer)]
    drawn = list(masks) or [None] * (len(hidden) + 1)
    a = _masked(x, drawn[0])
    seen: list[Any] = []
    for (weight, bias, *affine), mask in zip(hidden, drawn[1:], strict=True):
        z = a @ weight.T + bias
        standard, spread = _standardised(z, norm, eps)
        n = standard * affine[0] + affine[1] if norm else z
        seen.append((a, standard, spread, n, mask))
        a = _masked(np.maximum(n, 0), mask)
    weight, bias = parameters[-2:]
    loss, dz = _smoothed_cross_entropy(a @ weight.T + bias, labels, label_smoothing)
    gradients = [dz.sum(axis=0), dz.T @ a]
    da = dz @ weight
    for (weight, _, *affine), (a, standard, spread, n, mask) in zip(
        reversed(hidden), reversed(seen), strict=True
    ):
        dz = _masked(da, mask) * (n > 0)
        if norm:
            gradients += [dz.sum(axis=0), (dz * standard).sum(axis=0)]
            dx, axis = dz * affine[0], _AXES[norm]
            straight = dx - dx.mean(axis, keepdims=True)
            dz = (straight - standard * (dx * standard).mean(axis, keepdims=True)) / spread
        gradients += [dz.sum(axis=0), dz.T @ a]
        da = dz @ weight
    return loss, gradients[::-1]


def _masked(a: Array, mask: Array | None) -> Array:
    return a if mask is None else a * mask


def _standardised(z: Array, norm: str | None, eps: float) -> tuple[Array, Array]:
    """(z − μ) / s and s."""
    if norm is None:
        return z, np.ones(())
    axis = _AXES[norm]
    spread = np.sqrt(z.var(axis, keepdims=True) + eps)
    return (z - z.mean(axis, keepdims=True)) / spread, spread


def _smoothed_cross_entropy(z: Array, labels: Array, smoothing: float) -> tuple[float, Array]:
    """The loss, and (P − Y) / n."""
    n, classes = z.shape
    target = (1 - smoothing) * np.eye(classes, dtype=z.dtype)[labels] + smoothing / classes
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(target * log_p).sum() / n), (np.exp(log_p) - target) / n
