"""What the C library does with the memory of arrays that are gone.

glibc gives the free end of its heap, and each array beyond a limit, back to the system, which hands
the pages out again one by one, filled with zeros: in a step of a convolutional network written as
Python 28 of 150 ms went there. Arrays of up to 32 MiB are kept from the first convolution on, and
256 MiB at most.
"""

import ctypes
import functools
import os
import sys

TRIM, MMAP = ("MALLOC_TRIM_THRESHOLD_", -1, 1 << 28), ("MALLOC_MMAP_THRESHOLD_", -3, 1 << 25)


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep what is freed, once, unless the environment says what it is to do."""
    asked = sys.platform.startswith("linux") and not os.environ.keys() & {TRIM[0], MMAP[0]}
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if asked else None  # glibc's alone
    return mallopt is not None and all(mallopt(number, size) for _, number, size in (TRIM, MMAP))
