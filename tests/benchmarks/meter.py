"""What processes cost, from /proc: CPU (user and system), and memory as PSS (shared pages counted by share)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_UTIME, _STIME, _CUTIME, _CSTIME = 11, 12, 13, 14  # proc(5), counted after the name in brackets


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of these processes so far, and of their children that ended."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        total += sum(int(fields[place]) for place in (_UTIME, _STIME, _CUTIME, _CSTIME))
    return total * _TICK_S


def pss_mib(pids: Iterable[int]) -> float:
    """MiB of memory of these processes together."""
    total_kib = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                total_kib += int(line.split()[1])
    return total_kib / 1024


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of them lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def descendants(pid: int) -> list[int]:
    """A process and all below it that live now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found
