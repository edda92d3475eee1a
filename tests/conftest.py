"""What holds for all tests."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # two BLAS threads in each of two workers wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
