"""Histograms: weights, edges that follow the data, and given ones."""

import numpy as np

from tinygrad_np.autodiff.primitives import samples

from .case import Const, complex_, positive, real, row

where = np.array([3, 0, 3, 1])
marks = np.array([-1.9, -0.4, 0.1, 1.1, 1.9])
row(np.bincount, where, real(4))
row(np.bincount, where, positive(4), 6)
row(samples.tally, where, positive(4), 5, _reference=np.bincount)
for bins in (3, "sturges"):
    row(np.histogram_bin_edges, real(2, 4), bins)
row(np.histogram_bin_edges, real(5), 4, (-1.0, 3.0))
row(np.histogram_bin_edges, np.array([0.7, 0.7]), 2, _order=1)
row(np.histogram_bin_edges, np.zeros(0), 2)
row(samples.even_edges, real(5), 3, _reference=np.histogram_bin_edges)


for bins in (3, marks, "sqrt"):
    row(np.histogram, real(5), bins, _order=1)
row(np.histogram, real(5), 4, (-1.0, 1.0), True, positive(5, seed=1))
row(np.histogram, real(5), marks, None, None, positive(5, seed=1))
row(np.histogram, real(5), marks, None, True)
row(np.histogram, real(2, 3), 3, None, None, complex_(2, 3))
row(np.histogram, real(6), 3, weights=Const(np.linspace(0, 1, 6)))
row(np.histogram2d, real(4), real(4, seed=1), (2, 3))
row(np.histogram2d, real(4), real(4, seed=1), marks, None, True, positive(4))
row(np.histogram2d, real(4), real(4, seed=1), 2, [(-1.0, 1.0), (-2.0, 2.5)], True)
row(np.histogramdd, real(3, 2), 2)
row(np.histogramdd, real(4, 2), [marks, 3], weights=positive(4))
row(np.histogramdd, [real(3), real(3, seed=1)], [2, 2], density=True)
