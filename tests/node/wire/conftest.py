"""Two houses that share a space, behind their real doors."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from federation import delivery
from federation.http import Headers, Request, Response
from node import exchange as exchange_capability
from node import files, identity, relations, spaces, threads, wire
from node.exchange import service as exchange
from tests.node.exchange.talk import Talk, begin
from tests.node.spaces import world
from tests.node.spaces.world import House, aubier, clock, compiled, make_house, net, nord, partners

CAPABILITIES = tuple(
    each.capability for each in (exchange_capability, identity, relations, spaces, files, threads, wire)
)


@pytest.fixture(autouse=True)
def _real_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "CAPABILITIES", CAPABILITIES)


@pytest.fixture
def talk(_real_doors: None, partners: tuple[House, House]) -> Talk:
    return begin(*partners)


class Door:
    """The doors of Aubier, before which anybody may stand."""

    def __init__(self, talk: Talk) -> None:
        self.talk, self.house = talk, talk.aubier

    def send(self, request: Request, address: str = "127.0.0.1") -> Response:
        """Exactly these bytes to the door; the connection comes from `address`."""
        answer = Client(self.house.app).open(
            request.url,
            method=request.method,
            headers=list(request.headers),
            data=request.body,
            environ_overrides={"REMOTE_ADDR": address},
        )
        return Response(answer.status_code, Headers(list(answer.headers)), answer.get_data())

    def batch(self, lines: int = 50) -> Request:
        """What Nord Acier would send next, signed."""
        settings = exchange.settings_of(self.talk.nord.ground)
        with exchange.open_reading(self.talk.nord.ground) as work:
            relation = self.talk.nord.relation(self.house)
            return delivery.prepare(relation, work, settings, lines).request

    def get(self, path: str, by: House | None = None, **headers: str) -> Response:
        """A signed GET by a node (Nord Acier's, if not another)."""
        fields = Headers([("Accept", "application/activity+json"), *headers.items()])
        asked = Request("GET", self.house.origin + path, fields)
        return self.send((by or self.talk.nord).sign(asked))

    def audited(self) -> list[str]:
        return self.house.audited()


@pytest.fixture
def door(talk: Talk) -> Door:
    return Door(talk)


__all__ = ["aubier", "clock", "compiled", "make_house", "net", "nord", "partners"]
