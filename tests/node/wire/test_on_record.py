"""Who was refused is on record, and pays: a partner by name and reason, a stranger by a count."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from federation.http import Headers, Request
from node.wire.rates import Rates
from tests.node.spaces.world import MakeHouse
from tests.node.wire.conftest import Door


def _refusals(door: Door, action: str) -> list[dict[str, str]]:
    return [json.loads(line.partition(" ")[2]) for line in door.audited() if line.startswith(action)]


def test_what_a_partner_may_not_read_is_on_record_with_the_reason(door: Door) -> None:
    assert door.get(door.talk.space.removeprefix(door.house.origin)).status == 200
    assert _refusals(door, "exchange.refused") == []
    asked = {
        "/a/AAAAAAAAAAAAAAAAAAAAAA": "It is absent, or not for this partner.",
        "/streams/AAAAAAAAAAAAAAAAAAAAAA?from=1&to=2": "The stream is not one of this relation.",
    }
    for path in asked:
        assert door.get(path).status == 404
    noted = _refusals(door, "exchange.refused")
    assert {each["target"].removeprefix(door.house.origin): each["rule"] for each in noted} == asked
    by_partner = "SELECT count(*) FROM audit WHERE action = 'exchange.refused' AND peer = :peer"
    assert door.house.fact(by_partner, peer=door.talk.nord.iri) == len(asked)
    assert _refusals(door, "refused.unauthenticated") == []


def test_what_a_stranger_may_not_read_is_only_counted(door: Door, make_house: MakeHouse) -> None:
    stranger = make_house("stranger")
    for path in (door.talk.space.removeprefix(door.house.origin), "/streams/AAAA?from=1&to=2"):
        assert door.get(path, by=stranger).status == 404
    counted = _refusals(door, "refused.unauthenticated")
    assert sum(int(each["exchange.unauthenticated no-agreement"]) for each in counted) == 2
    assert _refusals(door, "exchange.refused") == []


SENT: dict[str, tuple[Callable[[Door, Request], Request], int, bool]] = {
    "good": (lambda _, request: request, 200, True),
    "a batch without its log": (
        lambda door, request: door.talk.nord.sign(
            Request("POST", request.url, Headers((("Content-Type", "application/x-ndjson"),)), b"{}\n")
        ),
        401,
        True,
    ),
    "a body over the limit": (lambda _, request: replace(request, body=b"{" * (10 << 20)), 413, False),
    "no signature": (lambda _, request: replace(request, headers=_unsigned(request)), 401, False),
}


def _unsigned(request: Request) -> Headers:
    return Headers([pair for pair in request.headers if "signature" not in pair[0].lower()])


@pytest.mark.parametrize("case", SENT)
def test_who_proved_nothing_pays_as_a_stranger(
    door: Door, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, status, is_partner = SENT[case]
    door.talk.from_guest("counted")
    proved: list[str] = []
    monkeypatch.setattr(Rates, "proved", lambda _rates, _address, _cost, node: proved.append(node))
    assert door.send(change(door, door.batch())).status == status
    assert proved == [door.talk.nord.iri] * is_partner
