"""A small convolutional network with gradients from pencil and paper; NumPy alone, no autodiff.

Notation, softmax, cross-entropy and affine layers: ``models.by_hand``. With n images of c channels,
h × w pixels, o filters of k × k:

    Z[n, o, u, v] = b[o] + Σ_cij W[o, c, i, j] X[n, c, u + i, v + j]   (n, o, h − k + 1, w − k + 1)
    A = max(Z, 0)                                                      as Z
    Q[n, o, p, q] = max over i, j in {0, 1} of A[n, o, 2p + i, 2q + j] (n, o, half, half)
    L = Q as rows,  Z₂ = L W₂ᵀ + b₂                                    (n, classes)

Convolution, from dZ. Each W[o, c, i, j] meets X[n, c, u + i, v + j] in every output (u, v), and X
at (r, s) meets W[o, c, i, j] in the output (r − i, s − j), where there is one:
    dW[o, c, i, j] = Σ_nuv dZ[n, o, u, v] X[n, c, u + i, v + j]            (o, c, k, k)
    db[o]          = Σ_nuv dZ[n, o, u, v]                                  (o,)
    dX[n, c, r, s] = Σ_oij dZ[n, o, r − i, s − j] W[o, c, i, j]            (n, c, h, w)
  dX is a convolution of dZ, with k − 1 zeros around it, with W turned by 180°. It is not needed at
  the first layer.

Maxima, from dQ. A moves Q where it is the largest of its four, by 1 where it is alone, and by 1/m
where m of them are (the middle of the slopes to both sides for m = 2; the convention for others):
    dA[n, o, 2p + i, 2q + j] = dQ[n, o, p, q] [A = Q] / m[n, o, p, q]
    dZ = dA ⊙ [Z > 0]

Parameters are the flat list [W, b, W₂, b₂], W (o, c, k, k), W₂ (classes, o · half · half).
Source: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE (1998).
"""

import numpy as np

from models.by_hand import Array, Gradients, Parameters, softmax_cross_entropy


def small_cnn(parameters: Parameters, x: Array, labels: Array) -> tuple[float, Gradients]:
    """Mean cross-entropy of convolution, ReLU, 2×2 maxima and a linear layer, and its gradients.

    Shapes: x (n, c, h, w), of which h − k + 1 and w − k + 1 are even; labels (n,). Gradients come
    in the order of the parameters; nothing is modified.
    """
    W, b, W2, b2 = parameters
    z = convolved(x, W) + b[:, None, None]
    a = np.maximum(z, 0)
    corners = [a[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    q = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
    lined = q.reshape(len(q), -1)
    loss, dz2 = softmax_cross_entropy(lined @ W2.T + b2, labels)

    dq = (dz2 @ W2).reshape(q.shape)
    ties = np.sum([corner == q for corner in corners], axis=0)
    da = np.zeros_like(a)
    for i in (0, 1):
        for j in (0, 1):
            da[:, :, i::2, j::2] = dq / ties * (a[:, :, i::2, j::2] == q)
    dz = da * (z > 0)
    return loss, [weight_gradient(dz, x), dz.sum(axis=(0, 2, 3)), dz2.T @ lined, dz2.sum(axis=0)]


def convolved(x: Array, W: Array) -> Array:
    """Z without b."""
    k, (high, wide) = W.shape[2], (n - W.shape[2] + 1 for n in x.shape[2:])
    z = np.zeros((len(x), len(W), high, wide))
    for i in range(k):
        for j in range(k):
            z += np.einsum("ncuv,oc->nouv", x[:, :, i : i + high, j : j + wide], W[:, :, i, j])
    return z


def weight_gradient(dz: Array, x: Array) -> Array:
    """dW."""
    high, wide = dz.shape[2:]
    k = x.shape[2] - high + 1
    dW = np.zeros((dz.shape[1], x.shape[1], k, k))
    for i in range(k):
        for j in range(k):
            dW[:, :, i, j] = np.einsum("nouv,ncuv->oc", dz, x[:, :, i : i + high, j : j + wide])
    return dW


def input_gradient(dz: Array, W: Array) -> Array:
    """dX."""
    k = W.shape[2]
    framed = np.pad(dz, ((0, 0), (0, 0), (k - 1, k - 1), (k - 1, k - 1)))
    return convolved(framed, W[:, :, ::-1, ::-1].swapaxes(0, 1))
