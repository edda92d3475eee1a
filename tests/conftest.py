"""What holds for all tests."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # BLAS threads of several workers wait for each other: 20 s become minutes
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
