"""Every MLP of this project with gradients from pencil and paper; NumPy alone, no autodiff.

Notation: n examples, layers 1 … L of widths m₁ … m_L, m₀ inputs, k = m_L classes. dV stands for
∂loss/∂V and has the shape of V; ⊙ multiplies element by element; [c] is 1 where c holds, else 0.

Forward:
    A₀ = X                                          (n, m₀)
    Zₗ = Aₗ₋₁ Wₗᵀ + bₗ                              (n, mₗ) = (n, mₗ₋₁) (mₗ₋₁, mₗ) + (mₗ,)
    Aₗ = φ(Zₗ)              for l < L               (n, mₗ)
    Z  = Z_L                the logits              (n, k)

Softmax and cross-entropy, labels y (n,), one-hot Y (n, k) with Y[i, j] = [j = yᵢ]:
    P[i, j] = exp Z[i, j] / Σ_c exp Z[i, c]         (n, k)
    loss = −1/n Σᵢ log P[i, yᵢ]
         =  1/n Σᵢ (log Σ_c exp Z[i, c] − Z[i, yᵢ])
    ∂ log Σ_c exp Z[i, c] / ∂Z[i, j] = exp Z[i, j] / Σ_c exp Z[i, c] = P[i, j]
    ∂ Z[i, yᵢ] / ∂Z[i, j] = Y[i, j]
    dZ = (P − Y) / n                                (n, k)
  Subtracting a row's maximum from the row changes neither P nor the loss, and no exp overflows;
  taking log P as Z − log Σ exp Z never takes the log of a P that was rounded to 0.

Affine, Z = A Wᵀ + b, that is Z[i, j] = Σ_c A[i, c] W[j, c] + b[j]:
    dW[j, c] = Σᵢ dZ[i, j] A[i, c]      dW = dZᵀ A  (out, in) = (out, n) (n, in)
    db[j]    = Σᵢ dZ[i, j]              db = Σᵢ dZᵢ (out,)
    dA[i, c] = Σⱼ dZ[i, j] W[j, c]      dA = dZ W   (n, in)   = (n, out) (out, in)

Activation, A = φ(Z) element by element:            dZ = dA ⊙ φ′(Z)                       (n, mₗ)
    ReLU        φ(z) = max(z, 0)                    φ′(z) = [z > 0]
    leaky ReLU  φ(z) = z if z > 0 else s z          φ′(z) = 1 if z > 0 else s
    tanh        φ(z) = tanh z                       φ′(z) = 1 − tanh² z = 1 − A²
  At the kink, relu′(0) = 0 and leaky_relu′(0) = s.

Backward, the three together, from l = L, where dZ_L = (P − Y) / n, down to 1:
    dWₗ = dZₗᵀ Aₗ₋₁                                 (mₗ, mₗ₋₁)
    dbₗ = Σᵢ dZₗ[i]                                 (mₗ,)
    dZₗ₋₁ = (dZₗ Wₗ) ⊙ φ′(Zₗ₋₁)     while l > 1     (n, mₗ₋₁)

L2: the penalty λ/2 Σ θ² over all parameters θ adds λ θ to dθ (``sgd_step``, ``weight_decay``).

Parameters are a flat list [W₁, b₁, W₂, b₂, …], Wₗ (out, in) and bₗ (out,), as PyTorch's Linear
has them; gradients come in the same order, with the same shapes and dtype.
Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors",
Nature 323 (1986); Bishop, "Pattern Recognition and Machine Learning" (2006), section 5.3.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Parameters: TypeAlias = Sequence[Array]
Gradients: TypeAlias = list[Array]
LossAndGradients: TypeAlias = Callable[[Parameters, Array, Array], tuple[float, Gradients]]
Update: TypeAlias = Callable[[Parameters, Gradients, float], None]

SLOPE = 0.01

_OUTPUT = {
    "output weight": "dWₗ = dZₗᵀ Aₗ₋₁, dZₗ = (P − Y) / n",
    "output bias": "dbₗ = Σᵢ dZₗ[i], dZₗ = (P − Y) / n",
}

FORMULAS: dict[str, dict[str, str]] = {
    "two_layer_relu": {
        "hidden weight": "dW1 = dZ1ᵀ X, dZ1 = (dZ2 W2) ⊙ [Z1 > 0]",
        "hidden bias": "db1 = Σᵢ dZ1[i], dZ1 = (dZ2 W2) ⊙ [Z1 > 0]",
        "output weight": "dW2 = dZ2ᵀ A1, dZ2 = (P − Y) / n",
        "output bias": "db2 = Σᵢ dZ2[i], dZ2 = (P − Y) / n",
    },
    "relu": {
        "hidden weight": "dWₗ = dZₗᵀ Aₗ₋₁, dZₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ [Zₗ > 0]",
        "hidden bias": "dbₗ = Σᵢ dZₗ[i], dZₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ [Zₗ > 0]",
        **_OUTPUT,
    },
    "leaky_relu": {
        "hidden weight": "dWₗ = dZₗᵀ Aₗ₋₁, dZₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ (1 if Zₗ > 0 else s)",
        "hidden bias": "dbₗ = Σᵢ dZₗ[i], dZₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ (1 if Zₗ > 0 else s)",
        **_OUTPUT,
    },
    "tanh": {
        "hidden weight": "dWₗ = dZₗᵀ Aₗ₋₁, dZₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ (1 − Aₗ²)",
        "hidden bias": "dbₗ = Σᵢ dZₗ[i], dZₗ = (dZₗ₊₁ Wₗ₊₁) ⊙ (1 − Aₗ²)",
        **_OUTPUT,
    },
}


def two_layer_relu(parameters: Parameters, x: Array, labels: Array) -> tuple[float, Gradients]:
    """Mean cross-entropy of a 784-10-10-like ReLU network, and its gradients [dW1, db1, dW2, db2].

    Forward, with h hidden units:
        Z1 = X W1ᵀ + b1                     (n, h)
        A1 = max(Z1, 0)                     (n, h)
        Z2 = A1 W2ᵀ + b2                    (n, k)
        loss = −1/n Σᵢ log softmax(Z2)[i, yᵢ]
    Backward:
        dZ2 = (softmax(Z2) − Y) / n         (n, k)
        dW2 = dZ2ᵀ A1                       (k, h)
        db2 = Σᵢ dZ2[i]                     (k,)
        dA1 = dZ2 W2                        (n, h)
        dZ1 = dA1 ⊙ [Z1 > 0]                (n, h)
        dW1 = dZ1ᵀ X                        (h, m)
        db1 = Σᵢ dZ1[i]                     (h,)

    Shapes: W1 (h, m), b1 (h,), W2 (k, h), b2 (k,), x (n, m), labels (n,) of integers.
    Gradients have the dtype of parameters and x; nothing is modified.
    Raises ValueError for other than four parameters, or labels that are not n integers below k.
    """
    if len(parameters) != 4:
        raise ValueError(
            f"two_layer_relu takes the four parameters W1, b1, W2, b2 and was given "
            f"{len(parameters)}; use deep_relu for other depths"
        )
    _check(parameters, x, labels)
    W1, b1, W2, b2 = parameters

    Z1 = x @ W1.T + b1
    A1 = np.maximum(Z1, 0)
    Z2 = A1 @ W2.T + b2
    loss, dZ2 = softmax_cross_entropy(Z2, labels)

    dW2 = dZ2.T @ A1
    db2 = dZ2.sum(axis=0)
    dA1 = dZ2 @ W2
    dZ1 = dA1 * (Z1 > 0)
    dW1 = dZ1.T @ x
    db1 = dZ1.sum(axis=0)
    return loss, [dW1, db1, dW2, db2]


def deep_relu(parameters: Parameters, x: Array, labels: Array) -> tuple[float, Gradients]:
    """Mean cross-entropy of a ReLU network of any depth, and its gradients.

        A = max(Z, 0)                       (n, mₗ)
        A[i, j] depends on Z[i, j] alone, with slope 1 where Z > 0 and 0 elsewhere, 0 included:
        dZ = dA ⊙ [Z > 0]                   (n, mₗ)
    and the rest as in the module's derivation.

    Shapes: Wₗ (mₗ, mₗ₋₁), bₗ (mₗ,), x (n, m₀), labels (n,) of integers.
    Gradients have the dtype of parameters and x; nothing is modified.
    Raises ValueError for unpaired parameters, or labels that are not n integers below k.
    """
    return _loss_and_gradients(parameters, x, labels, _relu, _through_relu)


def deep_leaky_relu(
    parameters: Parameters, x: Array, labels: Array, slope: float = SLOPE
) -> tuple[float, Gradients]:
    """Mean cross-entropy of a leaky-ReLU network of any depth, and its gradients.

        A = Z where Z > 0, else s Z         (n, mₗ)
        dZ = dA where Z > 0, else s dA      (n, mₗ); the slope at Z = 0 is s
    and the rest as in the module's derivation.

    Shapes: Wₗ (mₗ, mₗ₋₁), bₗ (mₗ,), x (n, m₀), labels (n,) of integers.
    Gradients have the dtype of parameters and x; nothing is modified.
    Raises ValueError for unpaired parameters, or labels that are not n integers below k.
    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models"
    (2013), section 2.
    """
    return _loss_and_gradients(
        parameters, x, labels, partial(_leaky_relu, slope), partial(_through_leaky_relu, slope)
    )


def deep_tanh(parameters: Parameters, x: Array, labels: Array) -> tuple[float, Gradients]:
    """Mean cross-entropy of a tanh network of any depth, and its gradients.

        A = tanh Z = sinh Z / cosh Z                                (n, mₗ)
        dA/dZ = (cosh² Z − sinh² Z) / cosh² Z = 1 − tanh² Z = 1 − A²
        dZ = dA ⊙ (1 − A²)                                          (n, mₗ)
    and the rest as in the module's derivation.

    Shapes: Wₗ (mₗ, mₗ₋₁), bₗ (mₗ,), x (n, m₀), labels (n,) of integers.
    Gradients have the dtype of parameters and x; nothing is modified.
    Raises ValueError for unpaired parameters, or labels that are not n integers below k.
    """
    return _loss_and_gradients(parameters, x, labels, np.tanh, _through_tanh)


BY_HAND: dict[str, LossAndGradients] = {
    "two_layer_relu": two_layer_relu,
    "relu": deep_relu,
    "leaky_relu": deep_leaky_relu,
    "tanh": deep_tanh,
}


def logits(kind: str, parameters: Parameters, x: Array) -> Array:
    """The network's outputs before softmax, (n, k), for x (n, m₀); their argmax is the prediction.

    ``kind`` is a key of ``BY_HAND``; "leaky_relu" has the slope ``SLOPE``.
    Raises ValueError for an unknown kind, unpaired parameters or shapes that do not chain.
    """
    _known(kind)
    _check_layers(parameters, x)
    zs, _ = _forward(parameters, x, _ACTIVATIONS[kind])
    return zs[-1]


def softmax_cross_entropy(z: Array, labels: Array) -> tuple[float, Array]:
    """The mean cross-entropy of softmax(z), and its gradient (softmax(z) − onehot) / n.

    Shapes: z (n, k) and its gradient (n, k), labels (n,) of integers in 0 … k − 1.
    The derivation and the reason for the shift are in the module's docstring.
    """
    n = len(z)
    rows = np.arange(n)
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[rows, labels].mean()
    dz = np.exp(log_p)
    dz[rows, labels] -= 1
    dz /= n
    return float(loss), dz


def sgd_step(
    parameters: Parameters,
    gradients: Gradients,
    lr: float,
    velocities: Parameters | None = None,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> None:
    """One step of gradient descent, in place; the gradients are used up as scratch memory.

        g = g + λ p             λ = weight_decay
        v = μ v + g             μ = momentum, v = velocities, zeros like the parameters at first
        p = p − lr v            without velocities, v = g

    Raises ValueError for momentum without velocities.
    Source: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964), in
    the form of Sutskever et al. (2013), equations 1 and 2, with lr outside v as PyTorch has it.
    """
    if velocities is None and momentum:
        raise ValueError(
            f"momentum {momentum} needs velocities: pass a list of arrays of zeros shaped like "
            f"the parameters, and keep it between steps"
        )
    for index, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
        if weight_decay:
            g += weight_decay * p
        if velocities is not None:
            v = velocities[index]
            v *= momentum
            v += g
            g[...] = v
        g *= lr
        p -= g


@dataclass
class AdamState:
    """What Adam remembers between steps: the moments m and v, and the number t of steps taken."""

    m: list[Array]
    v: list[Array]
    t: int = 0

    @classmethod
    def zeros(cls, parameters: Parameters) -> "AdamState":
        """The state before the first step: zeros with the shapes and dtypes of the parameters."""
        return cls([np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters])


def adam_step(
    parameters: Parameters,
    gradients: Gradients,
    state: AdamState,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> None:
    """One step of Adam, in place; the gradients are used up as scratch memory.

        t = t + 1
        m = β₁ m + (1 − β₁) g               m̂ = m / (1 − β₁ᵗ)
        v = β₂ v + (1 − β₂) g²              v̂ = v / (1 − β₂ᵗ)
        p = p − lr m̂ / (√v̂ + ε)

    Source: Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.
    """
    beta1, beta2 = betas
    state.t += 1
    for p, g, m, v in zip(parameters, gradients, state.m, state.v, strict=True):
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        m_hat = m / (1 - beta1**state.t)
        v_hat = v / (1 - beta2**state.t)
        np.divide(m_hat, np.sqrt(v_hat) + eps, out=g)
        g *= lr
        p -= g


def train(
    kind: str,
    parameters: Parameters,
    batches: Iterable[tuple[Array, Array]],
    learning_rates: Iterable[float],
    update: Update = sgd_step,
) -> Iterator[float]:
    """Train in place, one update per batch, and yield each batch's loss before its update.

    ``batches`` gives pairs x (n, m₀), labels (n,); ``learning_rates`` one rate per batch (it may
    be endless); ``update(parameters, gradients, lr)`` changes the parameters. It ends with the
    shorter of the two iterables. Nothing happens until the result is iterated over.
    Raises ValueError for an unknown kind, and what the loss raises.
    """
    loss_and_gradients = BY_HAND[_known(kind)]
    for (x, labels), lr in zip(batches, learning_rates, strict=False):
        loss, gradients = loss_and_gradients(parameters, x, labels)
        update(parameters, gradients, lr)
        yield loss


Activation: TypeAlias = Callable[[Array], Array]
PullBack: TypeAlias = Callable[[Array, Array, Array], Array]  # dA, Z, A -> dZ


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


def _through_relu(da: Array, z: Array, _: Array) -> Array:
    return da * (z > 0)


def _leaky_relu(slope: float, z: Array) -> Array:
    return np.where(z > 0, z, slope * z)


def _through_leaky_relu(slope: float, da: Array, z: Array, _: Array) -> Array:
    return np.where(z > 0, da, slope * da)


def _through_tanh(da: Array, _: Array, a: Array) -> Array:
    dz: Array = da * (1 - a * a)
    return dz


_ACTIVATIONS: dict[str, Activation] = {
    "two_layer_relu": _relu,
    "relu": _relu,
    "leaky_relu": partial(_leaky_relu, SLOPE),
    "tanh": np.tanh,
}


def _loss_and_gradients(
    parameters: Parameters, x: Array, labels: Array, activation: Activation, pull_back: PullBack
) -> tuple[float, Gradients]:
    _check(parameters, x, labels)
    zs, activations = _forward(parameters, x, activation)
    loss, dz = softmax_cross_entropy(zs[-1], labels)
    return loss, _backward(parameters, zs, activations, dz, pull_back)


def _forward(
    parameters: Parameters, x: Array, activation: Activation
) -> tuple[list[Array], list[Array]]:
    """[Z₁ … Z_L] and [A₀ … A_L₋₁]."""
    zs: list[Array] = []
    activations = [x]
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        if zs:
            activations.append(activation(zs[-1]))
        zs.append(activations[-1] @ weight.T + bias)
    return zs, activations


def _backward(
    parameters: Parameters,
    zs: list[Array],
    activations: list[Array],
    dz: Array,
    pull_back: PullBack,
) -> Gradients:
    gradients: Gradients = []
    weights = parameters[::2]
    for layer in reversed(range(len(weights))):
        a = activations[layer]
        gradients += [dz.sum(axis=0), dz.T @ a]
        if layer:
            dz = pull_back(dz @ weights[layer], zs[layer - 1], a)
    return gradients[::-1]


def _known(kind: str) -> str:
    if kind not in BY_HAND:
        raise ValueError(f"there is no network kind {kind!r}; the kinds are {', '.join(BY_HAND)}")
    return kind


def _check(parameters: Parameters, x: Array, labels: Array) -> None:
    _check_layers(parameters, x)
    _check_labels(labels, len(x), len(parameters[-1]))


def _check_layers(parameters: Parameters, x: Array) -> None:
    shapes = [np.shape(p) for p in parameters]
    if not shapes or len(shapes) % 2:
        raise ValueError(
            f"parameters come in pairs W (out, in), b (out,), one per layer; given {len(shapes)}"
        )
    if np.ndim(x) != 2 or not len(x):
        raise ValueError(
            f"x must hold at least one example, one per row, shape (n, inputs); given {x.shape}"
        )
    width = x.shape[1]
    for layer, (weight, bias) in enumerate(zip(shapes[::2], shapes[1::2], strict=True), start=1):
        if len(weight) != 2 or weight[1] != width or bias != weight[:1]:
            raise ValueError(
                f"layer {layer} receives {width} values per example and needs W of shape "
                f"(out, {width}) and b of shape (out,); given W {weight} and b {bias}"
            )
        width = weight[0]


def _check_labels(labels: Array, n: int, classes: int) -> None:
    if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be {n} integers, one per example, shape ({n},); "
            f"given {labels.dtype} of shape {labels.shape}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"labels must lie in 0 … {classes - 1} for a network of {classes} outputs; "
            f"given {low} … {high}"
        )
