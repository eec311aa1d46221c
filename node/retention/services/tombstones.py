"""Every Delete that took effect here, in a file beside the database: a copy of the database that is put back knows
fewer of them, and applies the rest before it serves anybody.

Rule: one Delete a line, as it was said: ids, times, codes, nothing that anybody wrote. Lines are only added, so those
before one that the database has are there too. Source: PROTOCOL 2.f (*restored backup*).
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from federation import activity as activities
from federation import iris, recall
from federation.activity import Activity
from federation.errors import RemoteError
from federation.ports import TOMBSTONE, Effect
from node.core.ground import Ground
from node.core.log import get_logger
from node.exchange import service as exchange
from node.exchange.service import NodeWork

log = get_logger(__name__)

NAME = "tombstones"


def note(ground: Ground, deletes: Sequence[Activity]) -> None:
    """Adds Deletes to the file; they are safe when this comes back. The same may stand there twice."""
    lines = b"".join(b"\n" + each.raw for each in deletes)  # a line that a crash cut off ends here
    if not lines:
        return
    descriptor = os.open(_path(ground), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replay(ground: Ground) -> int:
    """Applies what the file has and the database has not, oldest first; how many messages went."""
    lacking = []
    with exchange.open_reading(ground) as work:
        for said in _newest_first(_path(ground)):
            if work.journal.digest_of(said.id) is not None:
                break
            lacking.append(said)
    gone = 0
    for said in reversed(lacking):
        with exchange.open_work(ground) as work:
            gone += _apply(work, said)
    if gone:
        log.warning("retention.replayed", messages=gone)
    return gone


class Replay:
    """What happens once, as a process starts to serve."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def start(self) -> None:
        """Comes back when all is applied."""
        replay(self._ground)

    def stop(self) -> None:
        """Nothing runs."""


def _apply(work: NodeWork, said: Activity) -> bool:
    """Whether the object was still there, and is gone now. The Delete itself comes again with the log, or is ours."""
    space = None if said.audience is None else work.spaces.get(said.audience)
    stored = None if said.object_id is None else work.objects.stored(said.object_id)
    if space is None or stored is None or stored.type == TOMBSTONE:
        return False
    own = iris.same_origin(said.actor, work.node)
    effect = Effect(said, space, said.actor, None, own=own, relation=None)
    work.recalls.begin(effect, recall.read(said))
    work.objects.delete(effect)
    work.audit.note("retention.replayed", activity=said.id)
    return True


def _newest_first(path: Path) -> Iterator[Activity]:
    """The Deletes of the file, the last one first; a line that was cut off by a crash is passed over."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        end = len(lines)
        while end > 0:
            start = lines.rfind(b"\n", 0, end)
            try:
                yield activities.read(lines[start + 1 : end])
            except RemoteError:
                log.warning("retention.line-unread", at=start + 1)
            end = start


def _path(ground: Ground) -> Path:
    return ground.settings.data_dir / NAME
