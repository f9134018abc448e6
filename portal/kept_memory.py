"""Memory that was freed stays with the process: to give big arrays back and ask for them anew costs a fifth of a run."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST_ON_HEAP = 32 * 2**20  # what glibc allows at most
NEVER = 2**30


def keep_freed() -> None:
    """From now on; where the C library has no such knob nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(MMAP_THRESHOLD, LARGEST_ON_HEAP)
        mallopt(TRIM_THRESHOLD, NEVER)
