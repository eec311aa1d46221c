"""Nodes that can peer: real applications on their own databases, wired to each other in this process."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from werkzeug.test import Client

from federation import delivery, signatures
from federation.activity import Activity, Document
from federation.authorship import write
from federation.errors import Unreachable
from federation.http import Headers, Request, Response
from federation.ports import Relation
from node.core.clock import SetClock
from node.core.db import Base
from node.exchange import service as exchange
from node.relations.services.desk import By
from node.relations.services.partners import Partner
from node.relations.services.relations import Relations, relations_of
from node.relations.services.terms import Choices
from tests.node.identity.houses import Browser, Node

MARIE = By("", "Marie Lenoir")


@dataclass
class Net:
    """The wire between nodes. A node that is `down` does not answer, of one that is `mute` the answer is lost;
    `heard` lists what was posted.
    """

    nodes: dict[str, Peer] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    mute: set[str] = field(default_factory=set)
    heard: list[tuple[str, Request, Response]] = field(default_factory=list)

    def send(self, request: Request) -> Response:
        place = urlsplit(request.url)
        origin = f"{place.scheme}://{place.netloc}"
        if origin in self.down or origin not in self.nodes:
            raise Unreachable(f"{origin} takes no connection.")
        answer = Client(self.nodes[origin].app).open(
            request.url.removeprefix(origin),
            base_url=origin,
            method=request.method,
            headers=list(request.headers),
            data=request.body,
        )
        response = Response(answer.status_code, Headers(list(answer.headers)), answer.get_data())
        if request.method == "POST":
            self.heard.append((origin, request, response))
        if origin in self.mute:
            raise Unreachable(f"The answer of {origin} was lost.")
        return response


@dataclass
class Line:
    """What stands in for the egress client: the same three calls."""

    net: Net

    def get(self, list_name: str, request: Request, *, redirects: int = 0) -> Response:
        return self.net.send(request)

    def once(self, list_name: str, request: Request) -> Response:
        return self.net.send(request)

    def close(self) -> None:
        """Nothing is kept open."""


class Peer(Node):
    """A node with its net, and what its administrator does."""

    net: Net

    @property
    def relations(self) -> Relations:
        return relations_of(self.ground)

    @property
    def iri(self) -> str:
        return f"{self.origin}/actor"

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2].partition(":")[0]

    def partner(self, other: Peer) -> Partner:
        """The newest relation with the other."""
        return next(each for each in self.relations.everybody() if each.node == other.iri)

    def relation(self, other: Peer) -> Relation:
        with exchange.open_reading(self.ground) as work:
            found = work.peers.of_node(other.iri)
        assert found is not None
        return found

    def invite(self, **members: Any) -> str:
        """The link of a new invitation."""
        return self.relations.invite(MARIE, **members).link

    def accept(self, link: str) -> Partner:
        return self.relations.accept(link, MARIE)

    def to_type(self, other: Peer) -> dict[int, str]:
        """What the other's administrator reads aloud."""
        read = other.partner(self).groups
        return {group.number: group.digits for group in read if group.read_by == "us"}

    def confirm(self, other: Peer) -> Partner:
        return self.relations.confirm(self.partner(other).key, self.to_type(other), "phone", MARIE)

    def propose(self, other: Peer, **choices: Any) -> Partner:
        return self.relations.propose(self.partner(other).key, Choices(**choices), MARIE)

    def agree(self, other: Peer) -> Partner:
        offer = self.partner(other).offer
        assert offer is not None
        return self.relations.agree(self.partner(other).key, offer.terms.digest, MARIE)

    def settle_jobs(self) -> int:
        return self.ground.jobs.run_pending()

    # -- what a node may say that these applications would not

    def write(self, document: Document, actor: str = "") -> Activity:
        with exchange.open_work(self.ground) as work:
            return write(document, actor or self.iri, work, exchange.settings_of(self.ground))

    def post(self, other: Peer, said: Activity | bytes, *, signer: Peer | None = None) -> Response:
        """Straight to the other's inbox, signed by our node (or by `signer`)."""
        body = said if isinstance(said, bytes) else said.raw
        unsigned = Request(
            "POST", f"{other.iri}/inbox", Headers((("Content-Type", "application/activity+json"),)), body
        )
        return self.net.send((signer or self).sign(unsigned))

    def sign(self, request: Request) -> Request:
        with exchange.open_reading(self.ground) as work:
            key = work.actors.signer(self.iri)
        created = int(self.clock.now().timestamp())
        return signatures.sign_request(request, key, created=created, nonce=secrets.token_urlsafe(16))

    def deliver(self, other: Peer) -> delivery.Verdict:
        """What our log has for the other, as a lane would send it."""
        settings = exchange.settings_of(self.ground)
        while True:
            with exchange.open_work(self.ground) as work:
                relation = work.peers.of_node(other.iri)
                assert relation is not None
                parcel = delivery.prepare(relation, work, settings, 50)
            response = self.net.send(parcel.request)
            with exchange.open_work(self.ground) as work:
                verdict = delivery.settle(parcel, response, work, settings)
            if not parcel.entries or not isinstance(verdict, delivery.Delivered):
                return verdict


#: What a refusal may write: its line on record, and the nonce of the request.
OF_A_REFUSAL = frozenset({"audit", "nonce"})


def rows_of(node: Peer) -> dict[str, list[str]]:
    """Every row of a node, table by table, but for what a refusal may write."""
    with node.ground.database.reading() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table))))
            for table in Base.metadata.sorted_tables
            if table.name not in OF_A_REFUSAL
        }


def verified(host: Peer, guest: Peer) -> None:
    """Up to both confirmations."""
    guest.accept(host.invite())
    host.settle_jobs()
    guest.confirm(host)
    host.confirm(guest)


def peered(host: Peer, guest: Peer) -> None:
    """The whole handshake, as two administrators do it."""
    verified(host, guest)
    host.propose(guest, onward="allowed")
    guest.agree(host)
    assert isinstance(guest.deliver(host), delivery.Delivered)


def api(node: Peer, token: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """One request of a script."""
    return node.app.test_client().open(
        f"/api/v1{path}",
        method=method,
        base_url=node.origin,
        json=body,
        headers={"Authorization": f"Bearer {token}"},
    )


__all__ = ["MARIE", "Browser", "Line", "Net", "Peer", "SetClock", "api", "peered", "rows_of", "verified"]
