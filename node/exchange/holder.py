"""Which process holds a lease, so that the next one need not wait for a lease whose process is gone.

Rule: a process is told apart by host, number and start; of another host nothing is known but the lease's end.
Source: proc(5), /proc/PID/stat, field 22.
"""

from __future__ import annotations

import os
from pathlib import Path

_AFTER_NAME = 19  # field 22, counted from the one after the name in brackets


def holder() -> str:
    """The name of this process, in at most 64 characters."""
    return f"{_host()}/{os.getpid()}/{_started(os.getpid())}"


def gone(name: str) -> bool:
    """Whether `name` was a process of this host that runs no more."""
    host, _, rest = name.rpartition("/")[0].partition("/")
    number, started = rest, name.rpartition("/")[2]
    return host == _host() and number.isdecimal() and _started(int(number)) != started


def _host() -> str:
    return os.uname().nodename.replace("/", "-")[:32]


def _started(number: int) -> str:
    """When it started, in ticks since the boot; empty when it does not run."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_AFTER_NAME]
