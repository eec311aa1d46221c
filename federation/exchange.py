"""The exchange log on the wire: entries, chain, `Exchange-Log` field, manifest and batch.

Rule: pure. The chain is verified from the manifest before any line is read.
Source: PROTOCOL 2.b and 2.i; RFC 9651 (structured fields), of which the profile uses five members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from federation import authority, documents, limits
from federation.activity import MOMENT, Activity, Document, iri
from federation.digest import digest
from federation.errors import (
    DisputedHistory,
    Malformed,
    SequenceGap,
    TooLarge,
    Unauthentic,
    UnknownVersion,
)
from federation.ports import Entry, Head, Relation, State, Work

MEDIA_TYPE = "application/x-ndjson"
VERSION = 1

_FIELD = re.compile(
    r'stream="(?P<stream>[\x20\x21\x23-\x5b\x5d-\x7e]+)", seq=(?P<seq>[0-9]{1,15}), count=(?P<count>[0-9]{1,4}), '
    r'prev="(?P<prev>z[1-9A-HJ-NP-Za-km-z]+)", agreement="(?P<agreement>z[1-9A-HJ-NP-Za-km-z]+)"'
)
_SHA256 = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:")
_ROW = frozenset({"activity", "contentDigest", "seq", "time", "type"})


@dataclass(frozen=True, slots=True)
class LogField:
    """The `Exchange-Log` field: which entries of which stream, after what, under which agreement."""

    stream: str
    seq: int
    count: int
    prev: str
    agreement: str

    def __str__(self) -> str:
        return (
            f'stream="{self.stream}", seq={self.seq}, count={self.count}, '
            f'prev="{self.prev}", agreement="{self.agreement}"'
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it was sent: the field, its entries chained on `prev`, and one line for each."""

    field: LogField
    entries: Sequence[Entry]
    lines: Sequence[bytes]


def read_field(value: str | None) -> LogField:
    """Read `Exchange-Log`.

    Raises:
        Unauthentic: absent: nothing says which log this belongs to.
        Malformed: not the five members of PROTOCOL 2.i.
    """
    if value is None:
        raise Unauthentic("`Exchange-Log` is missing.")
    found = _FIELD.fullmatch(value)
    if found is None:
        raise Malformed("`Exchange-Log` is not stream, seq, count, prev, agreement.")
    return LogField(
        found["stream"], int(found["seq"]), int(found["count"]), found["prev"], found["agreement"]
    )


def entry(stream: str, seq: int, prev: str, activity: str, kind: str, content: str, time: str) -> Entry:
    """The entry with its hash: D of the eight members (PROTOCOL 2.b)."""
    return Entry(
        seq=seq,
        activity=activity,
        type=kind,
        content_digest=content,
        time=time,
        prev=prev,
        entry_hash=digest(_members(stream, seq, prev, activity, kind, content, time)),
    )


def document_of(stream: str, entry: Entry) -> Document:
    """The eight members of an entry, of which its hash is D."""
    return _members(
        stream, entry.seq, entry.prev, entry.activity, entry.type, entry.content_digest, entry.time
    )


def _members(stream: str, seq: int, prev: str, activity: str, kind: str, content: str, time: str) -> Document:
    return {
        "v": VERSION,
        "stream": stream,
        "seq": seq,
        "prev": prev,
        "activity": activity,
        "type": kind,
        "contentDigest": content,
        "time": time,
    }


def append(relation: Relation, activity: Activity, work: Work) -> Entry:
    """Put `activity` at the end of the stream to `relation`. Its bytes are in the journal.

    What must not wait while the relation is suspended goes to the partner's node inbox too (PROTOCOL 2.a.7).
    """
    head = work.log.head(relation)
    appended = entry(
        relation.stream_out,
        head.seq + 1,
        head.entry_hash,
        activity.id,
        activity.type,
        activity.content_digest,
        f"{work.now:%Y-%m-%dT%H:%M:%SZ}",
    )
    work.log.append(relation, appended)
    if relation.state is State.SUSPENDED and authority.passes_suspended(activity):
        work.log.aside(relation, activity)
    return appended


def row_of(entry: Entry) -> dict[str, object]:
    """An entry as a manifest names it: without what the chain gives."""
    return {
        "activity": entry.activity,
        "contentDigest": entry.content_digest,
        "seq": entry.seq,
        "time": entry.time,
        "type": entry.type,
    }


def chained(stream: str, first: int, prev: str, rows: Sequence[Any]) -> list[Entry]:
    """The entries of these rows from `first` on, chained on `prev`. Raises Malformed."""
    entries: list[Entry] = []
    for seq, row in enumerate(rows, first):
        _check_row(row, seq)
        entries.append(
            entry(stream, seq, prev, row["activity"], row["type"], row["contentDigest"], row["time"])
        )
        prev = entries[-1].entry_hash
    return entries


def write(entries: Sequence[Entry], lines: Sequence[bytes]) -> bytes:
    """The body of a batch: manifest, then the lines, each ended by one LF."""
    manifest = {"entries": [row_of(each) for each in entries], "v": VERSION}
    return b"".join(part + b"\n" for part in (documents.dumps(manifest), *lines))


def read(field: LogField, body: bytes, max_lines: int) -> Batch:
    """The batch in `body`: the manifest strictly, the lines not yet.

    Raises:
        Malformed: the manifest is none, or does not fit the field or the lines.
        TooLarge: more lines than allowed.
        UnknownVersion: another version of the manifest.
    """
    if field.count > max_lines:
        raise TooLarge(f"At most {max_lines} lines a batch.")
    if not body.endswith(b"\n"):
        raise Malformed("Each line, the last too, ends with one LF.")
    manifest_line, *lines = body[:-1].split(b"\n")
    manifest = documents.loads(manifest_line)
    if type(manifest.get("v")) is not int or manifest["v"] != VERSION:  # `true` equals 1 to Python
        raise UnknownVersion("Only version 1 of the manifest is known.")
    rows = manifest.get("entries")
    if not isinstance(rows, list) or len(rows) != field.count or len(lines) != field.count:
        raise Malformed("Field, manifest and lines differ in number.")
    return Batch(field, chained(field.stream, field.seq, field.prev, rows), lines)


def _check_row(row: object, seq: int) -> None:
    if not isinstance(row, dict) or row.keys() != _ROW or row["seq"] != seq or type(row["seq"]) is not int:
        raise Malformed(f"The row of entry {seq} is not seq, activity, type, contentDigest, time.")
    kind, content, time = row["type"], row["contentDigest"], row["time"]
    if not isinstance(kind, str) or not 0 < len(kind) <= limits.MAX_TYPE_CHARS:
        raise Malformed(f"The type of entry {seq} is no word.")
    if not isinstance(content, str) or not _SHA256.fullmatch(content):
        raise Malformed(f"The contentDigest of entry {seq} is no SHA-256.")
    if not isinstance(time, str) or not MOMENT.fullmatch(time):
        raise Malformed(f"The time of entry {seq} is no UTC time, RFC 3339.")
    iri(row["activity"], "activity")


def fresh(batch: Batch, head: Head, known: Callable[[int, int], Sequence[str]]) -> int:
    """How many entries of `batch` are known already, when its chain goes on from ours.

    `known(first, last)` gives our entry hashes of a range; seq 0 is the genesis.

    Raises:
        SequenceGap: it begins beyond our head.
        DisputedHistory: another history than ours; carries `size`, the entry that differs, and `myHead`.
    """
    first = batch.field.seq
    if first < 1:
        raise Malformed("`seq` begins with 1.")
    if first > head.seq + 1:
        raise SequenceGap(f"Entry {head.seq + 1} is expected.", expected=head.seq + 1)
    if first == head.seq + 1:
        ours = [head.entry_hash]
    else:
        last = min(first + len(batch.entries) - 1, head.seq)
        ours = list(known(first - 1, last))
    theirs = [batch.field.prev, *(each.entry_hash for each in batch.entries)]
    for offset, our_hash in enumerate(ours):
        if theirs[offset] != our_hash:
            differs = first - 1 + offset
            raise DisputedHistory(f"Entry {differs} has another hash here.", size=differs, myHead=our_hash)
    return len(ours) - 1
