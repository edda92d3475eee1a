"""Convolution of images (n, channels, height, width).

A window of ``kernel`` places moves over an image of ``size`` in steps of ``stride``, its places
``dilation`` apart: at place (i, j) output (u, v) sees input (u s + i d, v s + j d). Padding is for
the caller. The three functions are each other's adjoints, so that they have derivatives of any
order.

Results lie in memory as (h, c, w, n), which ReLU and pooling keep: the kh rows that a row of
windows sees lie one after the other then, so that they are one matrix (kh c, w n) as they are.
Operands that lie otherwise are copied. Which of two ways is taken depends on shapes alone:

- Windows in steps of 1: the product of (kw o, kh c) with those rows gives what each column of the
  kernel adds, and kw shifted sums make a row of the result. Nothing is copied.
- Else kw shifted copies of each row make (kh kw c, w' n), all that a row of windows sees, and one
  product gives a row of the result (Cho & Brand, "MEC: memory-efficient convolution", 2017).
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...foreign import is_foreign, needs_memory
from ..shapes import SHARED, pieces
from .convolving import Pair, convolved, convolved_back, convolved_weight, outputs, places
from .dispatch import primitive, written_out

IMAGES = 1 << 20  # elements of a row's products for so many images at a time
COPIES = 1 << 18  # elements of copied rows, or of products to be added, so that they stay in cache
SHIFTED = 64  # from so many channels times columns of the kernel on rows are not copied
CHANNELS = 4  # for the weight's gradient: from so many on
LONG = 1 << 21  # multiply-adds of products that gain by it


def evenly(count: int, most: int) -> int:
    """The size of blocks of one size, at most ``most`` or 1."""
    return -(-count // (-(-count // max(most, 1)) or 1)) or 1


def image_blocks(count: int, elements: int) -> list[slice]:
    """So many images at a time that there are ``IMAGES`` elements at most, or 16 images."""
    step = evenly(count, max(IMAGES // max(elements, 1), 16))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def in_rows(x: Any, dtype: Any) -> Any:
    """(n, c, h, w) as (h, c, w, n) in C order; a copy unless it lies so already."""
    seen = x.transpose(2, 1, 3, 0)
    lies_so = not is_foreign(seen) and seen.flags.c_contiguous and seen.dtype == dtype
    return seen if lies_so else ordered(seen, dtype)


def ordered(x: Any, dtype: Any) -> Any:
    """A copy in C order."""
    found = np.empty_like(x, dtype, "C")
    found[...] = x
    return found


def laid_in_rows(x: Any) -> Any:
    """A copy of images (n, c, h, w) that lies as ``in_rows`` wants it."""
    return as_images(ordered(x.transpose(2, 1, 3, 0), x.dtype), None)


@functools.cache
def free_much_once() -> None:
    """Show glibc that large arrays come and go, so that it keeps freed memory for the next ones.

    What a program frees moves glibc's limits (mallopt(3), M_MMAP_THRESHOLD): after an array of
    nearly 32 MiB it keeps up to 64 MiB. Below that each step of a convolutional network gets its
    memory from the system anew, page by page: 18.6 instead of 12.0 ms for LeNet-5, not replayed.
    """
    np.empty((1 << 25) - (1 << 13), np.uint8)  # never touched: it has no pages


def made_in_rows(like: Any, shape: tuple[int, ...], dtype: Any, out: Any) -> Any:
    """Memory (h, c, w, n) for a result (n, c, h, w): that of ``out`` if it lies so."""
    rows = None if out is None else out.transpose(2, 1, 3, 0)
    if rows is not None and rows.flags.c_contiguous:
        return rows
    if out is None:
        free_much_once()
    images, channels, high, wide = shape
    return np.empty_like(like, dtype, "C", shape=(high, channels, wide, images))


def as_images(rows: Any, out: Any) -> Any:
    """(h, c, w, n) as (n, c, h, w), in ``out`` if that is given."""
    if out is None:
        return rows.transpose(3, 1, 0, 2)
    if not out.transpose(2, 1, 3, 0).flags.c_contiguous:
        out[...] = rows.transpose(3, 1, 0, 2)
    return out


def by_blocks(rows: Any, elements: int) -> Iterator[tuple[slice, Any]]:
    """Blocks of images with memory for their rows; from there they come back when they are done."""
    count = rows.shape[-1]
    for images in image_blocks(count, elements):
        size = images.stop - images.start
        part = rows
        if size < count:
            part = np.empty_like(rows, order="C", shape=(*rows.shape[:-1], size))
        yield images, part
        if size < count:
            rows[..., images] = part


def multiply(lines: Any, seen: Any, out: Any) -> None:
    """``lines @ seen``; short products in pieces of columns, each for one thread of BLAS."""
    (rows, depth), columns = lines.shape[-2:], seen.shape[-1]
    steps = rows * depth * columns
    if SHARED <= steps < LONG:
        count = pieces(columns, steps)
        seen, out = (a.reshape(*a.shape[:-1], count, -1).swapaxes(-2, -3) for a in (seen, out))
        lines = lines.reshape(*lines.shape[:-2], 1, rows, depth)
    np.matmul(lines, seen, out=out)


def is_plain(stride: Pair, dilation: Pair, groups: int) -> bool:
    """Whether windows move in steps of 1 and see what lies side by side, of all channels."""
    return stride == dilation == (1, 1) and groups == 1


def by_place(weight: Any, dtype: Any, groups: int, axes: tuple[int, ...]) -> Any:
    """(o, c, kh, kw) as (groups, o / groups, c, kh, kw) with the axes in this order."""
    outs, *others = weight.shape
    return ordered(weight.reshape(groups, outs // groups, *others).transpose(axes), dtype)


def steps(x: Any) -> tuple[int, ...]:
    """The strides of an array in C order; NumPy leaves those of axes of one element open."""
    return np.ndarray(x.shape, x.dtype, x).strides


@primitive
def overlapping(x: Any, start: int, size: int, step: int, count: int) -> Any:
    """A view: ``count`` times ``size`` rows of (..., rows, columns) in C order, ``step`` apart."""
    *others, across, along = steps(x)
    shape = (count, *x.shape[:-2], size, x.shape[-1])
    strides = (step * across, *others, across, along)
    return np.ndarray(shape, x.dtype, x, start * across, strides)


@primitive
def columns_seen(x: Any, counts: Pair, kernel: Pair) -> Any:
    """A view (h', kw, kh c, w' n) of (h, c, w, n) in C order: what columns of the kernel see."""
    high, across, wide, along = steps(x)
    shape = (counts[0], kernel[1], kernel[0] * x.shape[1], counts[1] * x.shape[3])
    return np.ndarray(shape, x.dtype, x, 0, (high, wide, across, along))


@primitive
def columns_apart(x: Any, kernel: int, step: int, dilation: int, count: int) -> Any:
    """A view (h, kw, c, w', n) of (h, c, w, n) in C order: what each column of the kernel sees."""
    high, channel, across, along = steps(x)
    shape = (len(x), kernel, x.shape[1], count, x.shape[3])
    strides = (high, dilation * across, channel, step * across, along)
    return np.ndarray(shape, x.dtype, x, 0, strides)


overlapping.is_view = columns_seen.is_view = True  # type: ignore[attr-defined]
columns_apart.is_view = True  # type: ignore[attr-defined]


def add_shifted(parts: Any, rows: Any, left: int) -> None:
    """Σ_j parts[:, j, :, v + j - left] as rows[:, :, v]; beyond its ends ``parts`` counts as 0."""
    kw, wide, columns = parts.shape[1], parts.shape[3], rows.shape[2]
    spans = [(max(left - j, 0), min(left - j + wide, columns)) for j in range(kw)]
    pieces = [
        (parts[:, j, :, first + j - left : last + j - left], rows[:, :, first:last])
        for j, (first, last) in enumerate(spans)
    ]
    (part, target), *others = pieces
    if others and spans[0] == spans[1] == (0, columns):
        np.add(part, others.pop(0)[0], out=target)
    else:
        target[...] = part
        for beyond in (slice(0, spans[0][0]), slice(spans[0][1], columns)):
            if beyond.start < beyond.stop:
                rows[:, :, beyond] = 0
    for part, target in others:
        np.add(target, part, out=target)


def shifted_rows(x: Any, lines: Any, rows: Any, before: Pair) -> None:
    """Rows by products with the rows of ``x`` that they see, and shifted sums.

    ``lines`` (kw, o, kh, c) are the weights; output (u, v) sees the place (u - before[0],
    v - before[1]) of ``x`` first.
    """
    kw, outs, kh, channels = lines.shape
    high, _, wide, images = x.shape
    lined, seen = lines.reshape(kw * outs, kh * channels), x.reshape(high * channels, wide * images)
    count = evenly(len(rows), COPIES // max(kw * outs * wide * images, 1))
    parts = np.empty_like(rows, order="C", shape=(count, kw, outs, wide, images))
    inside = range(before[0], high - kh + before[0] + 1)  # what sees all rows of the kernel
    for top in range(0, len(rows), count):
        some = rows[top : top + count]
        found = parts[: len(some)] if kw > 1 else some.reshape(len(some), 1, outs, wide, images)
        flat = found.reshape(len(some), kw * outs, wide * images)
        u, bottom = top, top + len(some)
        while u < bottom:
            end = min(inside.stop, bottom) if u in inside else u + 1
            first, last = max(u - before[0], 0), min(u - before[0] + kh, high)
            skipped = first - (u - before[0])
            multiply(
                lined[:, skipped * channels : (skipped + last - first) * channels],
                overlapping(seen, first * channels, (last - first) * channels, channels, end - u),
                flat[u - top : end - top],
            )
            u = end
        if kw > 1:
            add_shifted(found, some, before[1])


def gathered_rows(
    x: Any, counts: Pair, kernel: Pair, stride: Pair, dilation: Pair, groups: int
) -> Iterator[tuple[slice, Any]]:
    """For some rows of windows what each sees: (rows, groups, kh kw c / groups, w' n).

    kw shifted copies of the rows of (h, c, w, n); those that a window sees lie one after the other.
    """
    (kh, kw), (step, across), (high, wide) = kernel, stride, counts
    apart = dilation[0] if kh > 1 else 1
    _, channels, _, images = x.shape
    inner, reach = channels // groups, (kh - 1) * apart + 1
    block = (COPIES // max(channels * kw * wide * images, 1) - reach) // step + 1
    block = evenly(high, max(block, 2 * kh))
    copies = np.empty_like(x, shape=(groups, (block - 1) * step + reach, kw, inner, wide, images))
    lined = copies.reshape(groups, -1, wide * images)
    size = kw * inner  # matrix rows of a copied row
    columns = columns_apart(x, kw, across, dilation[1], wide)
    columns = columns.reshape(len(x), kw, groups, inner, wide, images).transpose(2, 0, 1, 3, 4, 5)
    for first in range(0, high, block):
        count = min(block, high - first)
        begins, end = [], 0
        for phase in range(apart):
            rows = range(first * step + phase, (first + count - 1) * step + reach, apart)
            begins.append(end)
            end += len(rows)
            copies[:, begins[-1] : end] = columns[:, rows.start : rows.stop : apart]
        together = count if apart == 1 else 1  # else the next row of windows is elsewhere
        for u in range(0, count, together):
            at = begins[u * step % apart] + u * step // apart
            found = overlapping(lined, at * size, kh * size, step * size, together)
            yield slice(first + u, first + u + together), found


def scattered_rows(y: Any, lines: Any, rows: Any, stride: Pair, dilation: Pair) -> None:
    """What each place of the windows gets of (h', o, w', n), added up to (h, c, w, n).

    ``lines`` (groups, kh, kw, c / groups, o / groups) are the weights.
    """
    groups, kh, kw, inner, outs = lines.shape
    high, _, wide, images = y.shape
    block = max(COPIES // max(kh * kw * inner * groups * wide * images, 1), 1)
    block = min(block, high)
    parts = np.empty_like(rows, order="C", shape=(block, groups, kh, kw, inner, wide, images))
    lines = lines.reshape(groups, kh * kw * inner, outs)
    rows.fill(0)
    split = rows.reshape(rows.shape[0], groups, inner, *rows.shape[2:])
    for first in range(0, high, block):
        count = min(block, high - first)
        seen = y[first : first + count].reshape(count, groups, outs, wide * images)
        flat = parts[:count].reshape(count, groups, kh * kw * inner, wide * images)
        multiply(lines, seen, flat)
        for i, j, up, across in places((count, wide), (kh, kw), stride, dilation):
            begin = first * stride[0]
            target = split[begin + up.start : begin + up.stop : up.step, :, :, across]
            np.add(target, parts[:count, :, i, j], out=target)


@primitive
def convolve(
    x: Any, weight: Any, *, stride: Pair, dilation: Pair, groups: int, out: Any = None
) -> Any:
    """out[n, o, u, v] = Σ_cij x[n, c, u s + i d, v s + j d] weight[o, c, i, j].

    (n, c, h, w) and (o, c / groups, kh, kw) to (n, o, h', w'); each of the ``groups`` of output
    channels sees its group of input channels.
    """
    if is_foreign(x):
        return convolved(x, weight, stride, dilation, groups)
    outs, inner, *sizes = weight.shape
    kernel: Any = tuple(sizes)
    counts = outputs(x.shape[2:], kernel, stride, dilation)
    dtype = np.result_type(x, weight) if out is None else out.dtype
    result = made_in_rows(x, (len(x), outs, *counts), dtype, out)
    plain = is_plain(stride, dilation, groups) and (inner * kernel[1] >= SHIFTED or kernel[1] == 1)
    lines = by_place(weight, dtype, groups, (0, 4, 1, 3, 2) if plain else (0, 1, 3, 4, 2))
    for images, rows in by_blocks(result, kernel[1] * outs * x.shape[3]):
        if plain:
            shifted_rows(in_rows(x[images], dtype), lines[0], rows, (0, 0))
            continue
        seen, split = in_rows(x[images], dtype), lines.reshape(groups, outs // groups, -1)
        flat = rows.reshape(counts[0], groups, outs // groups, -1)
        for part, found in gathered_rows(seen, counts, kernel, stride, dilation, groups):
            multiply(split, found, flat[part])
    return as_images(result, out)


@written_out
def convolve_biased(
    x: Any, weight: Any, bias: Any, *, stride: Pair, dilation: Pair, groups: int
) -> Any:
    """``convolve``, and ``bias`` (o,) added to each place, in one buffer."""
    out = convolve(x, weight, stride=stride, dilation=dilation, groups=groups)
    bias = np.reshape(bias, (-1, 1, 1))
    if bias.dtype != out.dtype:
        return out + bias
    out += bias
    return out


@primitive
def convolve_back(
    y: Any, weight: Any, size: Pair, *, stride: Pair, dilation: Pair, groups: int, out: Any = None
) -> Any:
    """``convolve`` in reverse, to x: (n, o, h', w') to (n, c, *size)."""
    if is_foreign(y):
        return convolved_back(y, weight, size, stride, dilation, groups)
    _, inner, kh, kw = weight.shape
    dtype = np.result_type(y, weight) if out is None else out.dtype
    result = made_in_rows(y, (len(y), inner * groups, *size), dtype, out)
    plain = is_plain(stride, dilation, groups)
    # if plain, it is a convolution with the kernel turned by 180°, beyond the edges too
    turned = weight[:, :, ::-1, ::-1] if plain else weight
    lines = by_place(turned, dtype, groups, (0, 4, 2, 3, 1) if plain else (0, 3, 4, 2, 1))
    for images, rows in by_blocks(result, kw * inner * groups * y.shape[3]):
        seen = in_rows(y[images], dtype)
        if plain:
            shifted_rows(seen, lines[0], rows, (kh - 1, kw - 1))
        else:
            scattered_rows(seen, lines, rows, stride, dilation)
    return as_images(result, out)


@primitive
def convolve_weight(
    x: Any, y: Any, kernel: Pair, *, stride: Pair, dilation: Pair, groups: int, out: Any = None
) -> Any:
    """``convolve`` in reverse, to the weight: (n, c, h, w), (n, o, h', w') to (o, c', *kernel)."""
    if is_foreign(x):
        return convolved_weight(x, y, kernel, stride, dilation, groups)
    (count, channels, _, wide), (_, outs, *counts) = x.shape, y.shape
    dtype = np.result_type(x, y) if out is None else out.dtype
    (kh, kw), inner, each = kernel, channels // groups, outs // groups
    plain = is_plain(stride, dilation, groups) and inner >= CHANNELS
    # a row gives one product, or (plain) one for each column of the kernel, while it is in cache
    shape = (kw, kh * inner, each) if plain else (groups, kh * kw * inner, each)
    total = np.empty_like(x, dtype, "C", shape=shape)
    total.fill(0)
    block = min(max(COPIES // max(kh * kw * inner * outs, 1), 1), counts[0])
    parts = np.empty_like(total, shape=(block, *shape))
    sums = np.empty_like(total)

    def add_products(seen: Any, there: Any) -> None:
        for first in range(0, len(there), block):
            some = slice(first, min(first + block, len(there)))
            found = parts[: some.stop - first]
            np.matmul(seen[some], there[some], out=found)
            np.add(total, np.add.reduce(found, axis=0, out=sums), out=total)

    for images in image_blocks(count, kw * channels * wide):
        there = in_rows(y[images], dtype)
        there = there.reshape(counts[0], groups, each, -1).swapaxes(2, 3)
        seen = in_rows(x[images], dtype)
        if plain:
            add_products(columns_seen(seen, counts, kernel), there)
            continue
        for rows, found in gathered_rows(seen, counts, kernel, stride, dilation, groups):
            add_products(found, there[rows])
    if out is None:
        out = np.empty_like(x, dtype, "C", shape=(outs, inner, kh, kw))
    lies, axes = ((kw, kh), (0, 4, 3, 2, 1)) if plain else ((kh, kw), (0, 4, 3, 1, 2))
    found = total.reshape(groups, *lies, inner, each).transpose(axes)
    out.reshape(groups, each, inner, kh, kw)[...] = found
    return out


@primitive
def windows(x: Any, kernel: Pair, stride: Pair, dilation: Pair, *, out: Any = None) -> Any:
    """What each window sees: (..., h, w) to (kh, kw, ..., h', w'), each place as x lies."""
    needs_memory("a view of windows", x)
    counts = outputs(x.shape[-2:], kernel, stride, dilation)
    if out is None and is_foreign(x):
        out = np.empty_like(x, shape=(*kernel, *x.shape[:-2], *counts))
    elif out is None:
        order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
        shape = (*x.shape[:-2], *counts)
        out = np.empty_like(x, order="C", shape=(*kernel, *[shape[axis] for axis in order]))
        out = out.transpose(0, 1, *[2 + order.index(axis) for axis in range(x.ndim)])
    for i, j, high, wide in places(counts, kernel, stride, dilation):
        out[i, j] = x[..., high, wide]
    return out


@primitive
def fold_windows(y: Any, size: Pair, stride: Pair, dilation: Pair, *, out: Any = None) -> Any:
    """``windows`` in reverse: what several windows see adds up to (..., *size)."""
    needs_memory("what windows see, added up,", y)
    if out is None:
        out = np.empty_like(y[0, 0], shape=(*y.shape[2:-2], *size))
    out.fill(0)
    for i, j, high, wide in places(y.shape[-2:], y.shape[:2], stride, dilation):
        np.add(out[..., high, wide], y[i, j], out=out[..., high, wide])
    return out
