"""Keeping the process small: an optional library that happens to be installed is not loaded for nothing.

huey imports psycopg and redis, structlog imports rich, whenever they are there: 8 MiB each in a process
that uses none of them. Source: ARCHITECTURE, section 5 (a node idles in 100 MiB).
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
