"""A convolutional network's training step in NumPy alone, as fast as we can write it.

Nothing is allocated. Images lie as (h, c, w, n), so that no patches are copied where there are many
channels; maxima are taken before bias and ReLU, which then have a quarter of the work; the first
linear layer has its weights in the images' order, so that flattening is a view; where maxima are
equal each gets the whole gradient, which ReLU's slope at 0 takes away from nearly all of them.
"""

import itertools
from typing import Any

import numpy as np

from benchmarks.contenders.contender import BETAS, EPS, Array

PIECE = 1 << 16  # parameters that are updated at a time
CHANNELS = 16  # from so many on rows are not copied


def rows_seen(x: Array, kh: int, count: int) -> Array:
    """(count, kh · rows of one image row, columns): overlapping views of (h, rows, columns)."""
    shape = (count, kh * x.shape[1], x.shape[2])
    return np.ndarray(shape, x.dtype, x, strides=x.strides)


class Convolution:
    """A convolution in steps of 1, maxima behind it or not, bias and ReLU."""

    def __init__(self, x: Array, weight: Array, bias: Array, pad: int, pool: bool) -> None:
        h, c, w, n = x.shape
        o, _, k, _ = weight.shape
        self.weight, self.bias, self.pad, self.given = weight, bias, pad, x
        self.x = np.zeros((h + 2 * pad, c, w + 2 * pad, n), np.float32) if pad else x
        h, w = h + 2 * pad, w + 2 * pad
        self.kernel, self.high, self.wide = k, h - k + 1, w - k + 1
        self.z = np.empty((self.high, o, self.wide, n), np.float32)
        self.dz = np.empty_like(self.z)
        self.dx = np.empty_like(self.x)
        self.shifts = c >= CHANNELS
        if not self.shifts:
            self.copies = np.empty((h, k, c, self.wide, n), np.float32)
        self.parts = np.empty((k, o, w, n), np.float32)
        self.back_parts = np.empty((k, c, self.wide, n), np.float32)
        self.products = np.empty((self.high, k * c if self.shifts else k * k * c, o), np.float32)
        self.top = np.empty((self.high // 2, o, self.wide // 2, n), np.float32) if pool else self.z
        self.out = np.empty_like(self.top) if pool else self.z
        self.mask = np.empty(self.out.shape, bool)
        self.equal = np.empty((1, *self.out.shape[1:]), bool)
        self.pool = pool

    def forward(self) -> None:
        """From ``given`` to ``out``."""
        if self.pad:
            self.x[self.pad : -self.pad, :, self.pad : -self.pad] = self.given
        self.multiply()
        bias = self.bias[:, None, None]
        if self.pool:
            z, top = self.z, self.top
            np.maximum(z[::2, :, ::2], z[1::2, :, ::2], out=top)
            np.maximum(top, z[::2, :, 1::2], out=top)
            np.maximum(top, z[1::2, :, 1::2], out=top)
        for row, out in zip(self.top, self.out, strict=True):
            np.maximum(np.add(row, bias, out=out), 0, out=out)

    def multiply(self, adds: bool = True) -> None:
        """The products of the forward direction."""
        k, (h, c, w, n), o = self.kernel, self.x.shape, len(self.bias)
        if self.shifts:
            lined = np.ascontiguousarray(self.weight.transpose(3, 0, 2, 1)).reshape(k * o, k * c)
            flat = self.x.reshape(h * c, w * n)
            for u in range(self.high):
                seen = flat[u * c : (u + k) * c]
                np.matmul(lined, seen, out=self.parts.reshape(k * o, w * n))
                if adds:
                    row = self.z[u]
                    np.add(self.parts[0, :, : self.wide], self.parts[1, :, 1 : 1 + self.wide], row)
                    for j in range(2, k):
                        np.add(row, self.parts[j, :, j : j + self.wide], row)
            return
        lined = np.ascontiguousarray(self.weight.transpose(0, 2, 3, 1)).reshape(o, -1)
        if adds:
            for j in range(k):
                self.copies[:, j] = self.x[:, :, j : j + self.wide]
        seen = rows_seen(self.copies.reshape(h, k * c, -1), k, self.high)
        np.matmul(lined, seen, out=self.z.reshape(self.high, o, -1))

    def backward(self, d_out: Array, d_weight: Array, d_bias: Array, needs_x: bool) -> Array:
        """Leave the gradients; that of ``given`` is returned."""
        np.greater(self.out, 0, out=self.mask)
        np.multiply(d_out, self.mask, out=d_out if self.pool else self.dz)
        if self.pool:
            for u, top in enumerate(self.top):
                for i in (0, 1):
                    for j in (0, 1):
                        np.equal(self.z[2 * u + i, :, j::2], top, out=self.equal[0])
                        target = self.dz[2 * u + i, :, j::2]
                        np.multiply(self.equal[0], d_out[u], out=target)
        (d_out if self.pool else self.dz).sum(axis=(0, 2, 3), out=d_bias)
        self.multiply_weight(d_weight)
        if needs_x:
            self.multiply_back()
        return self.dx[self.pad : -self.pad, :, self.pad : -self.pad] if self.pad else self.dx

    def multiply_weight(self, d_weight: Array) -> None:
        """The products that give the weight's gradient."""
        k, (h, c, w, n), o = self.kernel, self.x.shape, len(self.bias)
        there = self.dz.reshape(self.high, o, -1).swapaxes(1, 2)
        if not self.shifts:
            seen = rows_seen(self.copies.reshape(h, k * c, -1), k, self.high)
            total = np.matmul(seen, there, out=self.products).sum(axis=0)
            d_weight[...] = total.reshape(k, k, c, o).transpose(3, 2, 0, 1)
            return
        seen = rows_seen(self.x.reshape(h, c, w * n), k, self.high)
        for j in range(k):
            columns = seen[:, :, j * n : (j + self.wide) * n]
            total = np.matmul(columns, there, out=self.products).sum(axis=0)
            d_weight[..., j] = total.reshape(k, c, o).transpose(2, 1, 0)

    def multiply_back(self, adds: bool = True) -> None:
        """The products that give the images' gradient."""
        k, (h, c, *_), o = self.kernel, self.x.shape, len(self.bias)
        turned = self.weight[:, :, ::-1].transpose(3, 1, 2, 0)
        lined = np.ascontiguousarray(turned).reshape(k * c, k * o)
        flat, parts = self.dz.reshape(self.high * o, -1), self.back_parts
        for u in range(h):
            first, last = max(0, u - k + 1), min(self.high, u + 1)
            some = slice((first - u + k - 1) * o, (last - u + k - 1) * o)
            np.matmul(lined[:, some], flat[first * o : last * o], out=parts.reshape(k * c, -1))
            if adds:
                row = self.dx[u]
                row[:, : self.wide], row[:, self.wide :] = parts[0], 0
                for j in range(1, k):
                    target = row[:, j : j + self.wide]
                    np.add(target, parts[j], out=target)


class HandWritten:
    """The network of a task under training."""

    def __init__(self, task: Any) -> None:
        self.rate, self.adam, self.y = task.rate, task.optimiser == "adam", task.y
        weights = task.weights
        convolutions = sum(w.ndim == 4 for w in weights)
        x = np.ascontiguousarray(task.x.transpose(2, 1, 3, 0))
        kinds = [kind for kind, _ in task.layers]
        pads = [sizes[3] for kind, sizes in task.layers if kind == "conv"]
        places = [i for i, kind in enumerate(kinds) if kind == "conv"]
        sizes = np.cumsum([0, *[w.size for w in weights]])
        self.flat = np.concatenate([w.ravel() for w in weights])
        self.d_flat = np.empty_like(self.flat)
        cut = [slice(a, b) for a, b in itertools.pairwise(sizes)]
        pairs = list(zip(cut, weights, strict=True))
        self.parameters = [self.flat[c].reshape(w.shape) for c, w in pairs]
        self.gradients = [self.d_flat[c].reshape(w.shape) for c, w in pairs]
        self.moments = [np.zeros_like(self.flat) for _ in range(2)] if self.adam else []
        self.piece, self.steps = np.empty((2, PIECE), np.float32), 0
        self.layers: list[Convolution] = []
        for i, place in enumerate(places):
            pool = kinds[place + 2 : place + 3] == ["pool"]
            weight, bias = self.parameters[2 * i : 2 * i + 2]
            self.layers.append(Convolution(x, weight, bias, pads[i], pool))
            x = self.layers[-1].out
        self.lined = x.reshape(-1, x.shape[-1]).T  # (n, features), a view
        self.d_lined = np.empty((self.lined.shape[1], len(task.x)), np.float32)
        self.linear = self.parameters[2 * convolutions :]
        first, (h, c, w, _) = self.linear[0], x.shape
        first[...] = first.reshape(-1, c, h, w).transpose(0, 2, 1, 3).reshape(first.shape)
        self.d_linear = self.gradients[2 * convolutions :]
        self.rows = np.arange(len(task.x))
        biases = self.linear[1::2]
        self.hidden = [np.empty((len(task.x), len(b)), np.float32) for b in biases]
        self.d_hidden = [np.empty_like(a) for a in self.hidden]

    def step(self) -> float:
        """Forward, backward, update; the loss before the update."""
        for layer in self.layers:
            layer.forward()
        a = self.lined
        last = len(self.hidden) - 1
        for i, out in enumerate(self.hidden):
            np.matmul(a, self.linear[2 * i].T, out=out)
            np.add(out, self.linear[2 * i + 1], out=out)
            a = np.maximum(out, 0, out=out) if i < last else out
        a -= a.max(axis=1, keepdims=True)
        picked = a[self.rows, self.y].copy()
        powers = np.exp(a, out=a)
        totals = powers.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(totals[:, 0]) - picked))
        d = np.divide(powers, totals, out=self.d_hidden[-1])
        d[self.rows, self.y] -= 1
        d /= len(d)
        for i in range(last, -1, -1):
            before = self.hidden[i - 1] if i else self.lined
            np.matmul(d.T, before, out=self.d_linear[2 * i])
            d.sum(axis=0, out=self.d_linear[2 * i + 1])
            if i:
                d = np.matmul(d, self.linear[2 * i], out=self.d_hidden[i - 1])
                d *= before > 0
        np.matmul(self.linear[0].T, d.T, out=self.d_lined)
        d_out = self.d_lined.reshape(self.layers[-1].out.shape)
        for i in range(len(self.layers) - 1, -1, -1):
            d_weight, d_bias = self.gradients[2 * i : 2 * i + 2]
            d_out = self.layers[i].backward(d_out, d_weight, d_bias, needs_x=i > 0)
        self.update()
        return loss

    def update(self) -> None:
        """SGD or Adam, some parameters at a time."""
        self.steps += 1
        first, second = (1 - beta**self.steps for beta in BETAS)
        for start in range(0, self.flat.size, PIECE):
            some = slice(start, start + PIECE)
            p, g = self.flat[some], self.d_flat[some]
            t, s = self.piece[:, : p.size]
            if not self.adam:
                p -= np.multiply(g, self.rate, out=t)
                continue
            m, v = (moment[some] for moment in self.moments)
            m *= BETAS[0]
            m += np.multiply(g, 1 - BETAS[0], out=t)
            v *= BETAS[1]
            np.multiply(g, g, out=t)
            v += np.multiply(t, 1 - BETAS[1], out=t)
            np.sqrt(np.multiply(v, 1 / second, out=t), out=t)
            t += EPS
            p -= np.divide(np.multiply(m, self.rate / first, out=s), t, out=t)

    def products(self) -> float:
        """The matrix products of a step, and nothing else."""
        for i, layer in enumerate(self.layers):
            layer.multiply(adds=False)
            layer.multiply_weight(self.gradients[2 * i])
            if i:
                layer.multiply_back(adds=False)
        a = self.lined
        for i, out in enumerate(self.hidden):
            np.matmul(a, self.linear[2 * i].T, out=out)
            np.matmul(self.d_hidden[i].T, a, out=self.d_linear[2 * i])
            if i:
                np.matmul(self.d_hidden[i], self.linear[2 * i], out=self.d_hidden[i - 1])
            a = out
        np.matmul(self.linear[0].T, self.d_hidden[0].T, out=self.d_lined)
        return 0.0
