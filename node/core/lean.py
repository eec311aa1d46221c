"""Keeping the process small. Source: ARCHITECTURE, section 5 (a node idles in 100 MiB).

An optional library that happens to be installed is not loaded for nothing: huey imports psycopg and redis, structlog
rich, flask-smorest yaml, whenever they are there: up to 8 MiB each in a process that uses none of them. And all
threads share one heap.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Inside, importing one of `names` that is not loaded yet is an ImportError."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None means "not to be found"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


_M_ARENA_MAX = -8  # <malloc.h> of glibc


def one_heap() -> None:
    """All threads of this process share one heap, where the C library is glibc; elsewhere nothing happens.

    glibc gives each thread a heap of its own, against contention; under the GIL there is next to none, and what one
    thread frees the others cannot use: 6 MiB in a node at rest. Call it before the first thread. Source: mallopt(3).
    """
    import ctypes  # not in the master

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
