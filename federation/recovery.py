"""After a restore from an older backup: our own log back from the partner's copy, and the partner's log read on.

Rule: of our own stream only that comes back which goes on from what the partner had receipted, and which our own keys
have proved. It is applied as a replay: nothing is said anew. What was said here meanwhile, and never left, follows it.
First the own logs of all partners, then theirs: else what they said would get a second place in a space of ours.
Source: PROTOCOL 2.a, *Failure cases*, and 2.i, *Reading a log*; RELIABILITY R11.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from federation import activities, documents, exchange, gate, inbox, iris, sequencer
from federation import activity as reading
from federation.activity import Activity
from federation.authority import Thing, thing_of
from federation.errors import (
    BadProof,
    DisputedHistory,
    LocalError,
    Malformed,
    NoAgreement,
    OutOfScope,
    RemoteError,
    UnknownActor,
)
from federation.ports import Entry, Relation, Work
from federation.settings import Settings
from federation.trust import Trusted

log = logging.getLogger(__name__)


def restore(batch: exchange.Batch, relation: Relation, work: Work, settings: Settings) -> int:
    """Take back entries of our own stream that the partner shows; how many of them we lacked.

    Raises:
        DisputedHistory: they do not go on from what the partner has receipted.
        BadProof, OutOfScope, Malformed, UnknownActor: one of them we have never said.

    Nothing was written then.
    """
    field = batch.field
    if field.stream != relation.stream_out:
        raise NoAgreement("This is another stream than ours.")
    before = work.log.entry(relation, field.seq - 1) if field.seq > 1 else None
    if field.prev != (before.entry_hash if before else relation.genesis):
        raise DisputedHistory(f"Entry {field.seq - 1} has another hash here.", size=field.seq - 1)
    known = 0
    for entry in batch.entries:
        ours = work.log.entry(relation, entry.seq)
        if ours is None or ours.entry_hash != entry.entry_hash:
            break
        known += 1
    fresh = list(zip(batch.entries[known:], batch.lines[known:], strict=True))
    if not fresh:
        return 0
    if fresh[0][0].seq <= work.log.acknowledged(relation):
        raise DisputedHistory("The partner shows other entries than it has receipted.", size=fresh[0][0].seq)
    unsent = work.log.unwind(relation, fresh[0][0].seq)
    for entry, line in fresh:
        _take_back(entry, line, relation, work, settings)
    back = {entry.activity for entry, _ in fresh}
    for entry in unsent:
        activity = work.journal.get(entry.activity)
        if activity is not None and activity.id not in back:
            exchange.append(relation, activity, work)
    return len(fresh)


def catch_up(batch: exchange.Batch, relation: Relation, work: Work, settings: Settings) -> int:
    """Take in entries of the partner's stream that it shows; how many. Raises RemoteError."""
    return inbox.take_shown(batch, relation, work, settings)


def _take_back(entry: Entry, line: bytes, relation: Relation, work: Work, settings: Settings) -> None:
    activity = inbox.read_line(entry, line, settings) if line else _erased(entry)
    if line:
        _replay(activity, relation, work, settings)
    if work.journal.digest_of(entry.activity) is None:
        work.journal.keep(activity)
        if not line:
            work.journal.erase(entry.activity)
    work.log.append(relation, entry)


def _replay(activity: Activity, relation: Relation, work: Work, settings: Settings) -> None:
    """Its effect, if we lack it. What cannot take effect any more is in the log all the same: the partner has it."""
    if not iris.same_origin(activity.actor, work.node):
        raise OutOfScope("The actor is not ours.")
    if work.journal.digest_of(activity.id) is not None:
        return
    try:
        with work.savepoint():
            trusted = gate.restored(activity, relation, work)
            if trusted.space is None:
                _regain(trusted, relation, work)
                return
            if trusted.rev is None:
                _say_again(trusted, work)
            else:
                _announce_again(trusted, activity, relation, work, settings)
    except (BadProof, Malformed):
        raise
    except UnknownActor:
        if activity.actor == work.node:
            raise
        # Of a key that was made after the backup, and is lost: neither proved nor disproved.
        work.audit.note("exchange.restored-unproved", partner=relation.node, activity=activity.id)
        _keep_place(activity, relation, work)
    except RemoteError as error:
        log.warning("%s comes back without effect: %s", activity.id, error)
        _keep_place(activity, relation, work)


def _keep_place(activity: Activity, relation: Relation, work: Work) -> None:
    """What our space announced has its place, whatever became of it: else its rev would be given once more."""
    if activity.type == "Announce" and activity.rev is not None:
        with suppress(RemoteError):
            space = gate.announcing(activity, relation, work)
            if activity.rev > space.rev:
                work.spaces.advance(space, activity.rev)


def _regain(trusted: Trusted, relation: Relation, work: Work) -> None:
    """Who was introduced after the backup is one of ours again. A space is not: its host knew more than partners do."""
    document = trusted.activity.object
    if document is None or trusted.activity.type != "Update" or thing_of(trusted.activity) is not Thing.ACTOR:
        return
    actor = str(document.get("id"))
    if not iris.same_origin(actor, work.node) or work.actors.digest(actor) is not None:
        return
    if "Person" in documents.types(document):
        work.actors.regain(document)
        work.audit.note("exchange.restored-person", partner=relation.node, subject=actor)
    else:
        work.audit.note("exchange.lost-space", partner=relation.node, subject=actor)


def _say_again(trusted: Trusted, work: Work) -> None:
    """What was said to the host of a space takes effect when that announces it; what is new or called back, at once."""
    if trusted.activity.type == "Create" or "recall" in trusted.activity.document:
        activities.BY_NAME[trusted.activity.type].receive(trusted, work)
    work.journal.keep(trusted.activity)


def _announce_again(
    trusted: Trusted, announce: Activity, relation: Relation, work: Work, settings: Settings
) -> None:
    """What our space announced takes its place, and goes to all whom it was for: others may never have had it.

    Where they do have it, their own copy of their log, read after this one, takes the place of what is appended here.
    """
    space, inner = trusted.space, trusted.activity
    if space is None or trusted.rev is None:
        raise LocalError(f"{announce.id} has no place in a space.")
    audience = {each.id: each for each in sequencer.partners(trusted, work)}
    work.spaces.advance(space, trusted.rev)
    activities.BY_NAME[inner.type].receive(trusted, work)
    audience |= {each.id: each for each in sequencer.partners(trusted, work)}
    if work.journal.digest_of(inner.id) is None:
        work.journal.keep(inner)
    work.journal.keep(announce, inside=inner)
    sequencer.announce_late(
        announce, [each for each in audience.values() if each.id != relation.id], work, settings
    )


def _erased(entry: Entry) -> Activity:
    """What stands for an activity whose bytes the partner has not."""
    return reading.Activity(
        id=entry.activity,
        type=entry.type,
        actor="",
        object_id=None,
        object=None,
        object_types=(),
        audience=None,
        published=entry.time,
        rev=None,
        document={},
        raw=b"",
        content_digest=entry.content_digest,
    )
