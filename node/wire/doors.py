"""The doors between nodes: the exchange, the node inbox, and what a partner may read by a signed GET.

Rule: no door decides anything: the gate of `federation` does. What may not be read is answered like what is not
there, always in the same bytes. Source: PROTOCOL 2.0 (*Endpoints*, *Errors*), 2.i, 2.k.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

from flask import Blueprint, current_app, g, request
from flask import Response as Answer

from federation import limits, signatures
from federation.digest import multibase_of
from federation.errors import NotFound, OutOfScope, RemoteError, TooLarge
from federation.exchange import MEDIA_TYPE, read_field
from federation.http import Headers, Request, Response
from federation.keys import controller_of
from federation.ports import Relation
from federation.service import ACTIVITY_TYPE
from node.core import failpoints
from node.core.ground import Ground
from node.core.http.context import ground
from node.core.http.csrf import exempt
from node.core.http.guards import OPEN_DOORS
from node.exchange import messages
from node.exchange.service import NodeWork, federation_of, open_reading
from node.replicas.services import hosting, runs
from node.spaces.services import forks, relays
from node.wire import documents
from node.wire.rates import Rates
from node.wire.signed import READ_PREFIX

RATES = "parvis.wire.rates"
ACTIVITY_TYPES = frozenset({ACTIVITY_TYPE, "application/ld+json"})
MAX_SEQ_CHARS = 15
OK, ACCEPTED = 200, 202
BUCKET_DIGITS, HEXADECIMAL = 2, frozenset("0123456789abcdef")

OPEN_DOORS.update(
    {
        "wire.exchange": "partners deliver; the signature of their node is the proof",
        "wire.inbox": "the handshake; the signature of the node is the proof",
        "wire.shared_inbox": "the same as the node inbox",
        "wire.stream": "a partner reads our log to it; the signature of its node is the proof",
        "wire.checkpoint": "a partner reads what our log to it is at one size; as wire.stream",
        "wire.copy": "a partner reads what we have of its own log, as after a restore; as wire.stream",
        "wire.copy_checkpoint": "a partner reads what our copy of its log is at one size; as wire.stream",
        "wire.digest": "a partner compares its copy of a space; the signature of its node is the proof",
        "wire.outbox": "a partner reads what a space announced; the signature of its node is the proof",
        "wire.receipts": "a partner reads receipts of a space that it is in; the signature of its node is the proof",
        "wire.roster": "members of a space compare its rosters; the signature of their node is the proof",
        "wire.document": "a partner reads what it may; the signature of its node is the proof",
    }
)

blueprint = Blueprint("wire", __name__)


@blueprint.after_request
def charge(answer: Answer) -> Answer:
    """Whoever proved nothing pays as a stranger."""
    cost = g.pop("wire_cost", None)
    if cost is not None:
        _rates().unproved(request.remote_addr or "", cost)
    return answer


@blueprint.post("/exchange")
@exempt
def exchange() -> Answer:
    """Takes a batch of a partner's log (PROTOCOL 2.i); the answer is a signed receipt."""
    here = ground()
    federation = federation_of(here)
    received = _received(here, max_bytes=federation.settings.max_batch_bytes, types={MEDIA_TYPE})
    failpoints.hit("wire.read")
    answer = federation.receive_batch(received)
    if answer.proved:
        _proved(received)
    failpoints.hit("wire.answered")
    return messages.given(answer)


@blueprint.post("/inbox", endpoint="shared_inbox")
@blueprint.post("/actor/inbox", endpoint="inbox")
@exempt
def inbox() -> Answer:
    """Takes one activity of the handshake (PROTOCOL 2.a)."""
    here = ground()
    received = _received(here, max_bytes=limits.MAX_ACTIVITY_BYTES, types=ACTIVITY_TYPES)
    answer = federation_of(here).receive_single(received)
    if answer.status == ACCEPTED:
        _proved(received)
    return messages.given(answer)


@blueprint.get(f"{READ_PREFIX}/streams/<name>")
def stream(name: str) -> Answer:
    """Reads our log to a partner, `?from=&to=` (PROTOCOL 2.i), signed; asked for by the IRI of the stream."""
    return _read_log(_received(ground()), f"{ground().settings.origin}/streams/{name}")


@blueprint.get(f"{READ_PREFIX}/streams/<name>/checkpoint")
def checkpoint(name: str) -> Answer:
    """Reads the checkpoint of our log to a partner, `?size=` (PROTOCOL 2.b); asked for by the IRI of the stream."""
    return _read_checkpoint(f"{ground().settings.origin}/streams/{name}")


@blueprint.get("/exchange", endpoint="copy")
def own_log() -> Answer:
    """Reads what we hold of the log of a partner, `?stream=&from=&to=`: its own words, after it lost them."""
    asked = _received(ground())
    answer = _read_log(asked, request.args.get("stream", ""))
    if answer.status_code == OK and read_field(answer.headers["Exchange-Log"]).count == 0:  # it has all of it
        runs.when_restored(ground(), controller_of(signatures.peer_signature(asked).key_id))
    return answer


@blueprint.get("/exchange/checkpoint", endpoint="copy_checkpoint")
def own_checkpoint() -> Answer:
    """Reads the checkpoint of our copy of the log of a partner, `?stream=&size=` (PROTOCOL 2.b)."""
    return _read_checkpoint(request.args.get("stream", ""))


def _read_log(received: Request, stream: str) -> Answer:
    first, last = (_seq(each) for each in ("from", "to"))
    answer = federation_of(ground()).read_log(received, stream, first, last)
    if answer.status == OK:
        _proved(received)
    return messages.given(answer)


def _read_checkpoint(stream: str) -> Answer:
    here = ground()
    size = _seq("size")
    received = _received(here)
    answer = federation_of(here).read_checkpoint(received, stream, size)
    if answer.status == OK:
        _proved(received)
    return messages.given(answer)


@blueprint.get(f"{READ_PREFIX}/digest/<name>")
def digest(name: str) -> Answer:
    """Compares a copy of a space (PROTOCOL 2.c): our statement; `?asOf=&buckets=all`; `?asOf=&bucket=hh,hh`; signed."""
    here, asked = ground(), request.args

    def answer(relation: Relation) -> Response:
        iri = f"{here.settings.origin}/spaces/{name}"
        if "asOf" not in asked:
            return _answer(ACTIVITY_TYPE, hosting.statement(here, relation, iri).encode())
        as_of = _seq("asOf")
        if "bucket" not in asked:
            hashes = [multibase_of(each) for each in hosting.buckets(here, relation, iri, as_of)]
            return _answer("application/json", json.dumps({"asOf": as_of, "buckets": hashes}).encode())
        leaves = hosting.bucket(here, relation, iri, as_of, _buckets(asked["bucket"]))
        return _answer(MEDIA_TYPE, b"".join(each.data + b"\n" for each in leaves))

    return _signed_read(here, answer)


@blueprint.get(f"{READ_PREFIX}/spaces/<name>/outbox")
def outbox(name: str) -> Answer:
    """Reads what a space of ours announced, `?after=` a rev or `?rev=` of some (PROTOCOL 2.c), signed; NDJSON."""
    here = ground()

    def answer(relation: Relation) -> Response:
        iri = f"{here.settings.origin}/spaces/{name}"
        after = _seq("after") if "after" in request.args else None
        revs = _numbers(request.args.get("rev", ""))
        lines = hosting.announced(here, relation, iri, after, revs)
        return _answer(MEDIA_TYPE, b"".join(line + b"\n" for line in lines))

    return _signed_read(here, answer)


@blueprint.get(f"{READ_PREFIX}/spaces/<name>/receipts")
def receipts(name: str) -> Answer:
    """Relays what the other organisations of a space of ours have receipted, `?after=rev` (PROTOCOL 2.j), signed."""
    here = ground()
    after, space = _seq("after"), f"{here.settings.origin}/spaces/{name}"
    received = _received(here)
    answer = federation_of(here).answer_reader(
        received, lambda relation, work: relays.answer(cast("NodeWork", work), relation, space, after)
    )
    if answer.status == OK:
        _proved(received)
    return messages.given(answer)


@blueprint.get(f"{READ_PREFIX}/rosters")
def roster() -> Answer:
    """Reads our copy of the roster of another's space that the partner is in, too, `?space=` (PROTOCOL 2.j), signed."""
    here, space = ground(), request.args.get("space", "")
    received = _received(here)
    answer = federation_of(here).answer_reader(
        received, lambda relation, work: forks.answer(cast("NodeWork", work), relation, space)
    )
    if answer.status == OK:
        _proved(received)
    return messages.given(answer)


@blueprint.get(f"{READ_PREFIX}/<any(a, o, people, spaces):kind>/<path:rest>")
def document(kind: str, rest: str) -> Answer:
    """Reads an activity, object, person, space or roster that the partner may see; asked for by its IRI."""
    here = ground()
    asked = _received(here)
    iri = f"{here.settings.origin}/{kind}/{rest}"

    federation = federation_of(here)
    try:
        with open_reading(here) as work:
            relation = federation.reader(asked, work)
            raw = documents.readable(kind, iri, relation, work)
    except RemoteError as error:
        federation.refuse_reading(asked, error)
        raise NotFound("Not found.") from error
    _proved(asked)
    if raw is None:
        federation.refuse_reading(asked, OutOfScope("It is absent, or not for this partner."))
        raise NotFound("Not found.")
    return messages.given(Response(OK, Headers((("Content-Type", ACTIVITY_TYPE),)), raw))


def _signed_read(here: Ground, answer: Callable[[Relation], Response]) -> Answer:
    """What a partner asks for by a signed GET; what it may not have is absent."""
    asked = _received(here)
    federation = federation_of(here)
    try:
        with open_reading(here) as work:
            relation = federation.reader(asked, work)
        _proved(asked)
        return messages.given(answer(relation))
    except NotFound as error:
        federation.refuse_reading(asked, error)
        raise NotFound("Not found.") from error


def _answer(media_type: str, body: bytes) -> Response:
    return Response(OK, Headers((("Content-Type", media_type),)), body)


def _buckets(named: str) -> list[int]:
    """Numbers of buckets, each of two hexadecimal digits."""
    numbers = named.split(",")
    if not all(len(each) == BUCKET_DIGITS and set(each) <= HEXADECIMAL for each in numbers):
        raise NotFound("Not found.")
    return sorted({int(each, 16) for each in numbers})


def _numbers(named: str) -> list[int]:
    numbers = named.split(",")[: limits.MAX_BATCH_LINES] if named else []
    if not all(each.isascii() and each.isdecimal() and len(each) <= MAX_SEQ_CHARS for each in numbers):
        raise NotFound("Not found.")
    return [int(each) for each in numbers]


def _received(here: Ground, *, max_bytes: int = 0, types: frozenset[str] | set[str] = frozenset()) -> Request:
    """The request, if its address may ask now."""
    g.wire_cost = _rates().enter(request.remote_addr or "")
    try:
        return messages.taken(here.settings.origin, max_bytes=max_bytes, types=types)
    except TooLarge as error:  # nobody is proved yet: what its signature says was not read
        here.audit.count_refusal(f"exchange.unauthenticated {error.problem}")
        raise


def _proved(received: Request) -> None:
    """The signature held: the sender pays as a partner, not as a stranger."""
    key_id = signatures.peer_signature(received).key_id
    _rates().proved(request.remote_addr or "", g.pop("wire_cost"), controller_of(key_id))


def _seq(name: str) -> int:
    text = request.args.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > MAX_SEQ_CHARS:
        raise NotFound("Not found.")
    return int(text)


def _rates() -> Rates:
    rates: Rates = current_app.extensions[RATES]
    return rates
