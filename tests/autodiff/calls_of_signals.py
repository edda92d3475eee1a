# ruff: noqa: E501 - one function a line
"""Calls of Fourier transforms, order statistics, signals, polynomials: what follows the arrays."""

from typing import Any

import numpy as np

AXES: list[Any] = [None, 0, 1, -1, 2, (0,), (0, 1), (0, 0), (), [0, 1], 1.5]
axis = [{"axis": a} for a in AXES]
reduction = [{}, *axis, {"axis": 0, "keepdims": True}, {"keepdims": True}]
# of nothing, NumPy's functions that skip NaN take no lists
unlisted = [spec for spec in reduction if spec.get("axis") != [0, 1]]
one_axis = [{"axis": a} for a in (0, 1, -1, 2, 1.5)]
lengths: list[Any] = [(), (3,), (8,), (1,), (0,), (-1,), (None, 0), (None, 5), (2, 0), (1.5,),
                      {"norm": "ortho"}, {"norm": "no"}, {"norm": "forward"}]  # fmt: skip
several: list[Any] = [(), {"axes": (0,)}, {"axes": (0, 0)}, {"axes": (1, 0)}, {"axes": ()}, {"axes": 5},
                      {"s": (2, 2)}, {"s": (2, 4), "axes": (0, 1)}, {"s": (2,), "axes": (0, 1)},
                      {"s": (-1, 3), "axes": (-2, -1)}, {"s": (0, 2), "axes": (0, 1)}, {"norm": "ortho"}]  # fmt: skip
shifts: list[Any] = [(), {"axes": 0}, {"axes": -1}, {"axes": 5}, {"axes": (0, 1)}, {"axes": (0, 0)}]
fractions: list[Any] = [(0.3,), (0.0,), (1,), (1.5,), (-0.1,), (np.nan,), ([0.2, 0.7],), ([],), ([[0.1]],),
                        (np.float32(0.4),), (np.array([0.5], np.float32),)]  # fmt: skip
methods: list[Any] = [{"q": 0.4, "method": m} for m in (
    "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "inverted_cdf", "median_unbiased", "no",
    "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "normal_unbiased")]  # fmt: skip
weighted: list[Any] = [
    {"q": 0.4, "method": "inverted_cdf", "weights": w, "axis": a}
    for w in (np.ones(3), np.array([0.0, 2.0, 1.0]), np.zeros(3), np.ones((2, 3)), np.array([1.0, -1, 1]))
    for a in (None, -1, 0, (0, 1))
] + [{"q": 0.4, "weights": np.ones(3)}]  # fmt: skip
quantile: list[Any] = [*fractions, *({"q": 0.6, **r} for r in reduction), *methods, *weighted,
                       {"q": 0.5, "overwrite_input": True}]  # fmt: skip
percentile: list[Any] = [
    (30,),
    (100.0,),
    (101,),
    ([20, 70],),
    ([20, 70], 0),
    {"q": 40, "axis": -1, "keepdims": True},
]

ONE: dict[Any, list[Any]] = {
    **dict.fromkeys([np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft], lengths),
    **dict.fromkeys([np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn,
                     np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2], several),
    np.fft.fftshift: shifts, np.fft.ifftshift: shifts,
    np.median: reduction, np.nanmedian: unlisted,
    np.quantile: quantile,
    np.nanquantile: [spec for spec in quantile if not isinstance(spec, dict) or spec.get("axis") != [0, 1]],
    np.percentile: percentile, np.nanpercentile: percentile,
    np.sort_complex: [()], np.i0: [()],
    np.partition: [(0,), (1, 0), (9,), (-1,), ([0, 1],), (0, None)],
    np.gradient: [(), (2.0,), (2,), (np.array([0.0, 1.0, 3.0]),), (2.0, 3.0), (np.array([0, 1, 3]), 2.0), {"edge_order": 2},
                  {"edge_order": 3}, *axis, (2.0, {"axis": 0}), (1.0, 2.0, 3.0)][:-2],
    np.trapezoid: [(), *one_axis, {"dx": 2}, {"dx": np.array(0.5)}, {"x": np.array([0.0, 1.0, 4.0])}, {"x": np.ones(2)},
                   {"x": np.ones((2, 3)), "axis": 0}, {"x": np.array([0, 1, 4])}],
    np.cov: [(), {"rowvar": False}, {"bias": True}, {"ddof": 0}, {"ddof": 1.5}, {"ddof": 5}, {"fweights": [1, 2, 1]}, {"fweights": [1.5, 2, 1]},
             {"fweights": [-1, 2, 1]}, {"fweights": [1, 2]}, {"aweights": [1.0, 0.5, 2.0]}, {"aweights": [[1.0]]}, {"aweights": [-1.0, 1, 1]},
             {"fweights": [1, 2, 1], "aweights": [1.0, 0.5, 2.0]}, {"aweights": [1.0, 0.5, 2.0], "ddof": 0}, {"dtype": np.float32}],
    np.corrcoef: [(), {"rowvar": False}, {"dtype": np.float32}],
    np.unwrap: [(), *one_axis, (0.1,), {"period": 2.0}, {"period": 3}, {"discont": 1.0, "axis": 0}],
    np.ediff1d: [(), (1.5,), {"to_begin": 3}, ([1.0, 2.0], [[3.0]]), (np.float64(2), 1j)],
    np.polyder: [(), (0,), (2,), (9,), (-1,)], np.polyint: [(), (0,), (2,), (-1,), (2, 1.5), (2, [1.0, 2.0]), (3, [1.0, 2.0])],
    np.vander: [(), (2,), (0,), (1, True), (5,), (-1,)], np.roots: [()], np.poly: [()],
    np.trim_zeros: [(), ("f",), ("b",), ("no",), {"axis": 0}, {"axis": -1}, {"axis": 5}],
    np.histogram: [(), (3,), (0,), (2.5,), ("auto",), ("no",), (np.array([-1.0, 0.0, 0.5]),), (np.array([1.0, 0.0]),), (np.ones((2, 2)),),
                   {"range": (-1, 1)}, {"range": (1, -1)}, {"range": (0, 0)}, {"density": True}, {"weights": np.arange(3)},
                   {"weights": np.arange(3.0), "density": True}, {"weights": np.arange(3.0) * 1j}],
    np.histogram_bin_edges: [(), (3,), ("sturges",), (0,), {"range": (-1, 1)}, ([0.0, 1.0],)],
    np.histogramdd: [(), (3,), {"range": [(-1, 1)] * 3}, {"density": True}, ([2, 3, 4],), {"weights": np.arange(3.0)}, {"bins": 0}],
}  # fmt: skip
rows: list[Any] = [(), ("full",), ("same",), ("valid",), ("no",), ("S",), (2,), (1,)]
TWO: dict[Any, list[Any]] = {
    np.convolve: rows, np.correlate: rows,
    np.polyval: [()], np.polyadd: [()], np.polysub: [()], np.polymul: [()], np.polydiv: [()],
    np.polyfit: [(1,), (0,), (-1,), (1, None), {"deg": 1, "cov": True}, {"deg": 2, "cov": True}, {"deg": 1, "w": np.array([1.0, 2.0, 1.0])}],
    np.histogram2d: [(), (2,), ([2, 3],), (np.array([-1.0, 0.0, 1.0]),), {"density": True}],
}  # fmt: skip
