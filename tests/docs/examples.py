"""The examples of docs/protocol.md: two nodes in memory peer and talk, and the page shows what they said.

`python -m tests.docs.examples` writes them into the page, each behind its mark `<!-- example: NAME -->`. Keys are
made from their ids, so whoever reads the page can verify every signature in it; no node ever has such a key.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from unittest.mock import patch

from federation import (
    authorship,
    checkpoints,
    discovery,
    documents,
    ending,
    exchange,
    offers,
    outbox,
    recall,
    rekeying,
    relay,
    replica,
    roster,
    stopping,
)
from federation.activity import Activity, Document
from federation.digest import digest, object_digest
from federation.errors import SequenceGap
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import Erasure, Mode, Recall
from federation.replica import Leaf
from federation.service import Federation
from node.cli import wire_tables
from tests.federation.world import Clock, Node, enter

FLAT = re.compile(r"\[[^\[\]{}]{,220}\]")  # a list of texts: on one line
PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
MARK = re.compile(
    r"(?P<mark><!-- example: (?P<name>[a-z-]+) -->\n)```(?P<kind>\w+)\n(?P<text>.*?\n)```\n", re.DOTALL
)


def secret(key_id: str) -> bytes:
    """The secret key of an example: SHA-256 of its id."""
    return hashlib.sha256(key_id.encode()).digest()


def key(key_id: str) -> SigningKey:
    """The key of an example."""
    return SigningKey.from_raw(secret(key_id), key_id)


def shown(page: str) -> dict[str, str]:
    """Name -> text of every example in the page."""
    return {found["name"]: found["text"] for found in MARK.finditer(page)}


def filled(page: str, texts: dict[str, str]) -> str:
    """The page with `texts` behind their marks."""

    def block(found: re.Match[str]) -> str:
        return f"{found['mark']}```{found['kind']}\n{texts[found['name']]}```\n"

    return MARK.sub(block, page)


def made() -> dict[str, str]:
    """Name -> text of every example, the same whenever it is asked for."""
    with _wire() as (batches, singles):
        clock = Clock()
        host, guest = Node("aubier", clock), Node("nord-acier", clock)
        link = _peer(host, guest)
        claire, yann = host.person("Claire"), guest.person("Yann")
        space = host.space("Passerelle", claire)
        guest.accept_space(_share(host, space, guest), host)
        host.write_roster(space, add=guest)
        host.deliver(guest)
        enter(yann, guest, space, host)
        question = host.post(claire, space, "Quand part le lot 3 ?")
        host.deliver(guest)
        clock.advance(60)
        guest.post(yann, space, "Mardi.")
        guest.say(yann, {"type": "Like", "object": question}, space)
        guest.deliver(host)
        batch, hello = batches[-2:]  # a hello ends every delivery
        host.deliver(guest)
        told = batches[-2]
        recalled, erased = _called_back(host, guest, yann, space)
        checkpoint, confirmed = _confirmed(host, guest)
        changed = _changed(host, guest)
        stated = _stated(host, guest, space)
        paused, resumed, stopped, notice = _life(host, guest, space)
    said = [*host.store.rows.activities.values(), *guest.store.rows.activities.values()]
    first, second = [each.object or {} for each in said if each.object_type == "Roster"][:2]
    read = roster.read(second, host.key.public)
    follows = roster.write(space, 2, digest(first), read.nodes, read.members, host.key, clock.moment)
    return {
        "node-actor": _json(discovery.node_actor(host.settings, [host.key.public])),
        "webfinger": _json(discovery.node_jrd(host.settings)),
        "nodeinfo": _json(discovery.nodeinfo_index(host.settings)),
        "link": f"{link}\n",
        "accept-invite": _json(_first(singles, "Accept")),
        "confirmation": _json(_first(singles, "Update")),
        "offer": _json(_first(reversed(singles), "Offer")),
        "reject-offer": _json(_first(singles, "Reject")),
        "withdraw-offer": _json(_first(singles, "Undo")),
        "accept-offer": _json(_said(said, "Accept", "Offer")),
        "suspend": _json(paused.document),
        "resume": _json(resumed.document),
        "stop": _json(stopped.document),
        "end": _json(notice.document),
        "introduction": _json(_said(said, "Update", "Person")),
        "invite-space": _json(_said(said, "Invite", "Group")),
        "accept-space": _json(_said(reversed(said), "Accept", "Invite")),
        "roster": _json(follows.document),
        "join": _json(_said(said, "Join", None)),
        "create": _json(_said(said, "Create", "Note")),
        "announce": _json(_said(said, "Announce", "Create")),
        "recall": _json(recalled.document),
        "erasure-receipt": _json(erased),
        "rekeying": _json(changed.document),
        "replica-statement": _json(stated.document),
        "relayed-receipt": _json(_relayed(*told)),
        "batch": _request(batch[0]),
        "receipt": _response(batch[1]),
        "hello": _request(hello[0]),
        "hello-receipt": _response(hello[1]),
        "checkpoint": _json(checkpoint.document),
        "checkpoint-receipt": _json(confirmed),
        "problem": _json(SequenceGap("Entry 7 is expected.", expected=7).document()),
    }


def members(texts: dict[str, str]) -> str:
    """A table of what stands in each kind of document: in all examples of it, or in some."""
    found: dict[str, list[set[str]]] = {}
    for text in texts.values():
        for line in text.split("\n\n")[-1].splitlines() if "HTTP/1.1" in text else [text]:
            for document in _documents(json.loads(line) if line.startswith("{") else None):
                kind = documents.types(document)[-1]
                name = f"{kind}, said" if "salt" in document else kind
                found.setdefault(name, []).append(set(document) - {"type"})
    said = [each for name, all_of in found.items() if name.endswith(", said") for each in all_of]
    every = set.intersection(*said)
    rows = [f"| every activity | {_names(every)} | |"]
    for name, all_of in sorted(found.items()):
        always, ever = set.intersection(*all_of), set.union(*all_of)
        if name.endswith(", said"):
            always, ever = always - every, ever - every
        kind = name.removesuffix(", said")
        rows.append(f"| `{kind}` | {_names(always)} | {_names(ever - always)} |")
    return "\n".join(["| `type` | always | in some |\n|---|---|---|", *rows])


def _names(members: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in sorted(members))


def _documents(value: object) -> Iterator[Document]:
    """All objects with a type and more than a name, at any depth."""
    if isinstance(value, dict):
        if {"type", "@context"} <= value.keys():
            yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from _documents(each)


def _called_back(host: Node, guest: Node, author: str, space: str) -> tuple[Activity, Document]:
    """A message that its author calls back, and what the host says it did."""
    wrong = guest.post(author, space, "Le prix est de 48 000 euros.")
    guest.deliver(host)
    deadline = f"{host.clock.now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    asked = Recall(Mode.ERASE, "wrong-recipient", deadline, ("attachments", "versions"))
    former = object_digest(guest.store.rows.objects[wrong].document or {})
    said = guest.say(author, {"type": "Delete", "object": wrong, **recall.document(asked)}, space)
    guest.deliver(host)
    moment = host.clock.moment
    erased = {"id": wrong, "formerDigest": former, "stores": ["database", "media-store"], "at": moment}
    residual = {"store": "backup", "until": "2026-12-29T08:01:00Z"}
    named = {"id": said.id, "contentDigest": said.content_digest}
    done = Erasure(erased=[erased], residual=[residual])
    return said, recall.receipt(host.settings, host.key, named, done, host.clock.now)


def _peer(host: Node, guest: Node) -> str:
    """Peer, after an offer that was rejected and one that was withdrawn; answers the link."""
    _, link = host.invite()
    guest.accept_invite(link, host)
    guest.confirm(host)
    host.confirm(guest)
    host.offer(guest)
    with guest.work() as work:
        said = offers.rejection(guest.relation(host), work, guest.settings)
        work.agreements.declined(guest.relation(host), "")
    guest.inbox(said, host)
    host.offer(guest)
    with host.work() as work:
        said = offers.withdrawal(host.relation(guest), work, host.settings)
        work.agreements.declined(host.relation(guest), "")
    host.inbox(said, guest)
    host.offer(guest)
    guest.agree(host)
    return link


def _life(host: Node, guest: Node, space: str) -> tuple[Activity, Activity, Activity, Activity]:
    """The guest suspends and resumes, stops one space, then gives notice."""
    with guest.work() as work:
        paused = ending.suspension(guest.relation(host), "Incident IR-7", "en", work, guest.settings)
    with guest.work() as work:
        resumed = ending.resumption(guest.relation(host), work, guest.settings)
    with guest.work() as work:
        stopped = stopping.stop(guest.relation(host), [space], work, guest.settings)
    with guest.work() as work:
        relation = guest.relation(host)
        at = ending.earliest_end(relation, work.now)
        notice = ending.termination(
            relation, at, "purge-after-retention", "Le chantier est fini.", "fr", work, guest.settings
        )
    return paused, resumed, stopped, notice


def _changed(host: Node, guest: Node) -> Activity:
    """The host announces its next key, as `node.identity.services.keys` does."""
    following = SigningKey.generate(f"{host.iri}#ed25519-2")
    document = discovery.node_actor(host.settings, [host.key.public, following.public])
    announced = rekeying.announcement(document, host.key, following, host.clock.moment)
    with host.work() as work:
        update = {"type": "Update", "to": [guest.iri], "object": announced}
        return authorship.write(update, host.iri, work, host.settings)


def _stated(host: Node, guest: Node, space: str) -> Activity:
    """The guest says that its copy of a space is the same as the host's."""
    as_of, moment = host.store.rows.spaces[space].space.rev, host.clock.moment
    found = replica.tally(sorted(_leaves(host, space), key=lambda leaf: leaf.place))
    whole, files = replica.WHOLE, {"have": 0, "missing": 0}
    theirs = replica.state(host.iri, space, as_of, found, whole, files, host.key, moment).document
    ours = replica.state(guest.iri, space, as_of, found, whole, files, guest.key, moment, theirs).document
    with guest.work() as work:
        create = {"type": "Create", "to": [host.iri], "object": ours}
        return authorship.write(create, guest.iri, work, guest.settings)


def _leaves(host: Node, space: str) -> Iterator[Leaf]:
    for iri, row in host.store.rows.objects.items():
        rev = row.rev or 0
        if row.document is None:
            yield Leaf(iri, rev, "tombstone", replica.GONE)
        else:
            yield Leaf(iri, rev, "live", object_digest(row.document))
    told = [each for each in host.store.rows.activities.values() if each.rev and each.object]
    entered = {(each.object or {}).get("actor"): each.rev for each in told if each.object_type == "Join"}
    for actor, role in host.store.rows.spaces[space].members.items():
        yield Leaf(actor, entered.get(actor) or 1, "member", replica.member_digest(actor, role.value))


def _relayed(request: Request, response: Response) -> Document:
    """What the host of a space relays of the receipt for this batch: all of its range."""
    batch = exchange.read(exchange.read_field(request.headers.get("exchange-log")), request.body, 200)
    receipt = documents.loads(response.body)
    line = relay.write([relay.Relayed(batch.field.prev, batch.entries, receipt)])
    return documents.loads(line)


def _confirmed(host: Node, guest: Node) -> tuple[Activity, Document]:
    """The guest has its log confirmed; what it says, and the receipt."""
    with guest.work() as work:
        relation = guest.relation(host)
        size = work.log.acknowledged(relation)
        said = checkpoints.statement(relation, relation.stream_out, size, work)
        create = {"type": "Create", "to": [host.iri], "object": said}
        activity = authorship.write(create, guest.iri, work, guest.settings)
    return activity, documents.loads(guest.inbox(activity, host).body)


def _share(host: Node, space: str, guest: Node) -> str:
    """Invite the guest to the space, as `node.spaces.services.sharing.share` writes it; answers the invitation."""
    group = {
        name: value
        for name, value in host.store.rows.documents[space].items()
        if name not in {"proof", "@context"}
    }
    group |= {
        "summary": "Le chantier de la passerelle",
        "retention": [],
        "labels": [],
        "historyFrom": "2026-11-01",
        "audienceSize": [{"name": host.settings.name, "count": 1}],
    }
    offered = {"type": "Invite", "to": [guest.iri], "target": guest.iri, "object": group}
    with host.work() as work:
        said = outbox.tell(host.relation(guest), offered, space, work, host.settings)
        work.rows.invitations[said.id] = (space, guest.iri, None)
    host.deliver(guest)
    return said.id


def _first(documents: Iterable[Document], kind: str) -> Document:
    return next(document for document in documents if document["type"] == kind)


def _said(activities: Iterable[Activity], kind: str, of: str | None) -> Document:
    return next(each.document for each in activities if each.type == kind and each.object_type == of)


def _json(document: Document) -> str:
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return (
        FLAT.sub(lambda found: re.sub(r"\s*\n\s*", " ", found[0]).replace("[ ", "[").replace(" ]", "]"), text)
        + "\n"
    )


def _request(request: Request) -> str:
    target = "/" + request.url.partition("://")[2].partition("/")[2]
    host = request.url.partition("://")[2].partition("/")[0]
    head = [f"{request.method} {target} HTTP/1.1", f"Host: {host}"]
    return "\n".join([*head, *_fields(request.headers), "", request.body.decode()])


def _response(response: Response) -> str:
    head = [f"HTTP/1.1 {response.status} OK", *_fields(response.headers)]
    return "\n".join([*head, "", response.body.decode(), ""])


def _fields(headers: Headers) -> list[str]:
    return [f"{name}: {value}" for name, value in headers]


@contextmanager
def _wire() -> Iterator[tuple[list[tuple[Request, Response]], list[Document]]]:
    """Listens to what nodes say; their keys and ids are those of the examples."""
    batches: list[tuple[Request, Response]] = []
    singles: list[Document] = []
    numbers = count(1)
    receive_batch, receive_single = Federation.receive_batch, Federation.receive_single

    def batch(self: Federation, request: Request) -> Response:
        response = receive_batch(self, request)
        batches.append((request, response))
        return response

    def single(self: Federation, request: Request) -> Response:
        singles.append(json.loads(request.body))
        return receive_single(self, request)

    def token(size: int) -> str:
        return urlsafe_b64encode(secret(f"id {next(numbers)}")[:size]).rstrip(b"=").decode()

    with ExitStack() as patches:
        patches.enter_context(patch.object(Federation, "receive_batch", batch))
        patches.enter_context(patch.object(Federation, "receive_single", single))
        patches.enter_context(patch.object(SigningKey, "generate", key))
        patches.enter_context(patch("secrets.token_urlsafe", token))
        patches.enter_context(patch("secrets.token_hex", lambda size: f"{next(numbers):0{2 * size}x}"))
        patches.enter_context(
            patch("secrets.token_bytes", lambda size: secret(f"token {next(numbers)}")[:size])
        )
        yield batches, singles


def fresh(page: str) -> str:
    """The page with its examples, and the table of their members, as they are made today."""
    texts = made()
    return wire_tables.filled(filled(page, texts), {"members": members(texts)})


if __name__ == "__main__":
    PAGE.write_text(fresh(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
