"""One attempt at one partner: what to send, what its answer means, and when to try again.

Rule: pure but for `work`; the caller sends. Nothing is acknowledged without a receipt that is signed,
bound to our request, and names our own entry hash. Source: PROTOCOL 2.i; RELIABILITY 2.1, *Schedule*.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from federation import (
    charter,
    documents,
    exchange,
    limits,
    receipts,
    rekeying,
    sequencer,
    signatures,
    synchronization,
)
from federation.digest import Synchronization
from federation.errors import FederationError, Malformed, RemoteError
from federation.http import Headers, Request, Response
from federation.ports import Entry, Outcome, Relation, Work
from federation.settings import Settings
from federation.synchronization import Told

#: Seconds after each failure; then every six hours, for thirty days.
BACK_OFF_S = (0, 5, 30, 120, 600, 1800, 3600, 7200, 14400)
BACK_OFF_LAST_S = 6 * 3600
GIVE_UP_S = 30 * 86400
JITTER = 0.2
#: (while the partner has been away for less than, probe every): seconds.
HELLOS_S = ((60, 2), (1800, 20), (86400, 120))
HELLO_LAST_S = 600
HELLO_IDLE_S = 600
MAX_RETRY_AFTER_S = 86400
MAX_REASON_CHARS = 500


@dataclass(frozen=True, slots=True)
class Parcel:
    """A signed request with the entries it carries; none of them for a hello."""

    relation: Relation
    request: Request
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The partner has receipted up to `last`; `exceptions` by seq."""

    last: int
    exceptions: dict[int, Outcome]


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: by the schedule, or after `after_s` seconds when the partner named them."""

    reason: str
    after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The partner does not take anything from us: pause, tell the admin, try once after each hello."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Only an admin can help: the histories differ, or the exchange is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class Behind:
    """The partner has entries of our log that we have not: an older backup of ours runs here. See `recovery`."""

    reason: str


Verdict = Delivered | Retry | Refused | Stopped | Behind


def next_attempt(failures: int, since: datetime, now: datetime) -> datetime | None:
    """When to try again after `failures` in a row (1, 2, …), away since `since`; None to give up."""
    if (now - since).total_seconds() >= GIVE_UP_S:
        return None
    wait_s = BACK_OFF_S[failures - 1] if failures <= len(BACK_OFF_S) else BACK_OFF_LAST_S
    return now + timedelta(seconds=wait_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - jitter


def next_hello(since: datetime | None, now: datetime) -> datetime:
    """When to say hello next: partner away since `since`, or None while all is well and idle."""
    if since is None:
        return now + timedelta(seconds=HELLO_IDLE_S)
    away_s = (now - since).total_seconds()
    every_s = next((every for until, every in HELLOS_S if away_s < until), HELLO_LAST_S)
    return now + timedelta(seconds=every_s)


def prepare(
    relation: Relation, work: Work, settings: Settings, lines: int, told: Told | None = None
) -> Parcel:
    """The next entries that the partner lacks, at most `lines`, signed; a hello when there are none.

    With `told` it also hears now and then who of its people are in a space of ours.
    """
    first = work.log.acknowledged(relation) + 1
    max_bytes = charter.limit(relation, "maxBatchBytes", limits.MAX_BATCH_BYTES)
    room = max_bytes - lines * 400 - 100  # the manifest: a row has at most about 400 bytes
    read = work.log.read(relation, first, lines, room) if lines else []
    said = None if told is None else synchronization.due(relation, read, told, work)
    return _parcel(relation, first, read, work, settings, said)


def hello(relation: Relation, work: Work, settings: Settings) -> Parcel:
    """Are you there, and how far are you (PROTOCOL 2.i, *Hello*)."""
    return prepare(relation, work, settings, 0)


def _parcel(
    relation: Relation,
    first: int,
    read: Sequence[tuple[Entry, bytes]],
    work: Work,
    settings: Settings,
    said: Synchronization | None,
) -> Parcel:
    entries, lines = [entry for entry, _ in read], [line for _, line in read]
    before = work.log.entry(relation, first - 1) if first > 1 else None
    field = exchange.LogField(
        stream=relation.stream_out,
        seq=first,
        count=len(entries),
        prev=before.entry_hash if before else relation.genesis,
        agreement=relation.agreement_digest,
    )
    headers = [("Content-Type", exchange.MEDIA_TYPE), ("Exchange-Log", str(field))]
    if said is not None:
        headers.append((synchronization.FIELD, str(said)))
    unsigned = Request("POST", relation.exchange, Headers(headers), exchange.write(entries, lines))
    key = work.actors.signer(settings.node)
    signed = signatures.sign_request(
        unsigned, key, created=int(work.now.timestamp()), nonce=secrets.token_urlsafe(16)
    )
    return Parcel(relation, signed, entries)


def settle(parcel: Parcel, response: Response, work: Work, settings: Settings) -> Verdict:
    """What the partner's answer means; acknowledges what its receipt covers."""
    if response.status != 200:
        return _refusal(response)
    try:
        receipt = _receipt(parcel, response, work)
    except FederationError as error:
        return Retry(f"The answer proves nothing: {error}")
    if receipt.last > work.log.head(parcel.relation).seq:
        return Behind("The partner holds more of our log than we do, as after an old backup of ours.")
    acknowledged = work.log.acknowledged(parcel.relation)
    if receipt.document.get("entryHash") != _hash_at(receipt.last, parcel.relation, work):
        if not parcel.entries and receipt.last > acknowledged:
            return Behind(
                "The partner holds other entries of our log than we do, as after an old backup of ours."
            )
        return Retry("The answer proves nothing: it names another entry than ours.")
    if not parcel.entries:
        if receipt.last < acknowledged:  # as after an old backup of its: it reads our log, see `recovery`
            return Retry("The partner has lost entries that it had receipted.")
        return Delivered(receipt.last, {})
    work.receipts.keep_received(parcel.relation, receipt.document, parcel.request, response)
    for seq, outcome in receipt.exceptions.items():
        if (
            outcome.outcome == "received" and seq > acknowledged
        ):  # what it receipted before, it may not reopen
            work.log.hold(parcel.relation, seq)
    work.log.acknowledge(parcel.relation, receipt.last)
    _take_refusals(parcel, receipt.exceptions, work, settings)
    return Delivered(receipt.last, dict(receipt.exceptions))


def _receipt(parcel: Parcel, response: Response, work: Work) -> receipts.Acknowledged:
    """The receipt of the answer, by the partner's node and for this request.

    Raises RemoteError when it is not for what we sent.
    """
    relation = parcel.relation
    answering = work.peers.of_node(relation.node) or relation  # its keys may have changed since we asked
    key = rekeying.node_key(answering, signatures.key_id_of(response), work.now)
    signatures.verify_response(response, parcel.request, key, int(work.now.timestamp()))
    sent_digest = str(parcel.request.headers.get("content-digest"))
    receipt = receipts.read(response.body, relation, key, sent_digest)
    ours = (parcel.entries[0].seq, parcel.entries[-1].seq) if parcel.entries else (receipt.last, receipt.last)
    if (receipt.first, receipt.last) != ours:
        raise Malformed("The receipt is for another range.")
    if not all(receipt.first <= seq <= receipt.last for seq in receipt.exceptions):
        raise Malformed("An exception lies outside the range.")
    return receipt


def _hash_at(seq: int, relation: Relation, work: Work) -> str:
    """Our own hash of entry `seq`; before the first it is the genesis."""
    entry = work.log.entry(relation, seq) if seq else None
    return entry.entry_hash if entry else relation.genesis


def _take_refusals(parcel: Parcel, exceptions: Mapping[int, Outcome], work: Work, settings: Settings) -> None:
    """Introduce whom the partner did not know, and say it once again under the same id; else tell the author."""
    relation, first = parcel.relation, parcel.entries[0].seq
    again = []
    for seq, outcome in sorted(exceptions.items()):
        if outcome.outcome != "rejected":
            continue
        entry, problem = parcel.entries[seq - first], dict(outcome.problem or {})
        work.log.refuse(relation, seq, problem)
        activity = work.journal.get(entry.activity)
        if activity is not None and activity.type == "Accept" and activity.object_id == relation.offer:
            work.agreements.declined(relation, relation.offer)  # our Accept came too late: not in force
        elif (
            activity is not None
            and str(problem.get("type", "")).endswith("#unknown-actor")
            and work.log.times(relation, activity.id) == 1
        ):
            again.append(activity)
        else:
            if activity is not None and activity.type == "Follow":
                work.spaces.request_answered(activity.id, accepted=False)
            work.objects.refused(entry.activity, problem)
            inner = None if activity is None or activity.type != "Announce" else activity.object_id
            work.recalls.refused(relation, inner or entry.activity, problem)
    sequencer.say_again(relation, again, work, settings)


def _refusal(response: Response) -> Verdict:
    problem = _problem(response)
    reason = f"{response.status} {problem.get('detail') or problem.get('title') or ''}".strip()[
        :MAX_REASON_CHARS
    ]
    match response.status, str(problem.get("type", "")).rpartition("#")[2]:
        case 409, "digest-mismatch":
            return Stopped(reason)
        case ((401 | 403), _):
            return Refused(reason)
        case 410, _:
            return Stopped(reason)
        case _:
            return Retry(reason, _retry_after(response))


def _problem(response: Response) -> dict[str, Any]:
    try:
        return documents.loads(response.body)
    except RemoteError:
        return {}


def _retry_after(response: Response) -> int | None:
    value = response.headers.get("retry-after")
    return min(int(value), MAX_RETRY_AFTER_S) if value is not None and value.isdecimal() else None
