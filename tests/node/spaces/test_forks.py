"""A host that shows different rosters of a space is found out, and what it signed is kept (PROTOCOL 2.j; TH-19)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from federation import authorship, proofs, roster
from federation.activity import Document
from federation.http import Request, Response
from federation.ports import Role
from node.exchange import service as exchange
from node.spaces.services import forks
from node.spaces.services import spaces as use
from tests.node.relations.peers import api
from tests.node.spaces.test_requests import token
from tests.node.spaces.world import House, exchange_all, opened, peered


class Trio:
    """Aubier hosts; Nord Acier and Leroux are in its space and partners of each other, too."""

    def __init__(self, aubier: House, nord: House, leroux: House) -> None:
        self.aubier, self.nord, self.leroux = aubier, nord, leroux
        for one, other in ((aubier, nord), (aubier, leroux), (nord, leroux)):
            peered(one, other)
        self.ines, self.marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
        self.key = aubier.space(self.ines)
        self.iri = opened(aubier, nord, self.key, self.ines, self.marie)
        opened(aubier, leroux, self.key, self.ines, leroux.person("Owen Hart"))
        nord.join(self.marie, self.iri, aubier)
        exchange_all(aubier, nord, leroux)

    def roster(self, house: House) -> Document:
        held: Document = json.loads(house.fact("SELECT roster FROM space WHERE iri = :iri", iri=self.iri))
        return held

    def other(self, **changes: Any) -> Document:
        """A roster of the same version that the host has signed, too."""
        changed = {**self.roster(self.aubier), **changes}
        del changed["proof"]
        with exchange.open_reading(self.aubier.ground) as work:
            return proofs.sign(changed, work.actors.signer(self.aubier.iri), "2026-11-24T08:00:00Z")

    def compare(self, leroux_holds: Document | None = None) -> None:
        """Nord Acier asks Leroux, whose node answers with this."""
        send = self.nord.net.send

        def answering(request: Request) -> Response:
            answer = send(request)
            if leroux_holds is None or "/rosters?" not in request.url:
                return answer
            return Response(answer.status, answer.headers, json.dumps(leroux_holds).encode())

        self.nord.net.send = answering  # type: ignore[method-assign]
        forks.compare.run(self.nord.ground, self.nord.fact("SELECT id FROM space"))
        self.nord.net.send = send  # type: ignore[method-assign]

    def alarms(self, action: str = "space.forked") -> int:
        query = "SELECT count(*) FROM audit WHERE action = :action"
        return int(self.nord.fact(query, action=action))


@pytest.fixture
def trio(aubier: House, nord: House, leroux: House) -> Trio:
    return Trio(aubier, nord, leroux)


def test_members_that_hold_the_same_roster_find_nothing(trio: Trio) -> None:
    trio.compare()
    assert trio.nord.count("roster_fork") == 0
    assert (trio.alarms(), trio.alarms("space.roster-wrong")) == (0, 0)


def test_another_roster_of_the_same_version_is_kept_and_alarmed_once(trio: Trio) -> None:
    other = trio.other(members=[])
    for _ in range(2):
        trio.compare(other)
    assert trio.nord.count("roster_fork") == 1
    assert trio.alarms() == 1
    found = api(trio.nord, token(trio.nord, trio.marie), "GET", f"/spaces/{trio.nord.key_of(trio.iri)}/forks")
    (proof,) = found.json
    assert proof["seenAt"] == trio.leroux.iri
    assert (proof["ours"], proof["theirs"]) == (trio.roster(trio.nord), other)
    key = trio.nord.relation(trio.aubier).keys[0]
    for each in (proof["ours"], proof["theirs"]):
        assert roster.read(each, key).space == trio.iri
    assert trio.nord.names(trio.iri) == ["Inès Le Goff", "Marie Lenoir"]


def test_a_next_version_that_does_not_follow_ours_is_a_fork(trio: Trio) -> None:
    other = trio.other(version=trio.roster(trio.nord)["version"] + 1)
    trio.compare(other)
    assert trio.nord.count("roster_fork") == 1


def test_a_member_that_is_behind_is_no_fork(trio: Trio) -> None:
    behind = trio.roster(trio.leroux)
    bruno = trio.aubier.person("Bruno Maillard")
    use.add_member(trio.aubier.ground, trio.aubier.by(trio.ines), trio.key, bruno.wire_id)
    bruno_key = next(each.key for each in trio.aubier.readers(trio.iri) if each.person_id == bruno.id)
    use.give_role(trio.aubier.ground, trio.aubier.by(trio.ines), trio.key, bruno_key, Role.MANAGER)
    trio.aubier.deliver(trio.nord)
    assert trio.roster(trio.nord)["version"] == behind["version"] + 1
    trio.compare(behind)
    assert trio.nord.count("roster_fork") == 0


def test_a_roster_that_the_host_never_signed_proves_nothing(trio: Trio) -> None:
    trio.compare({**trio.roster(trio.nord), "members": []})
    assert trio.nord.count("roster_fork") == 0
    assert trio.alarms("space.roster-wrong") == 1


def test_only_who_is_in_the_space_reads_our_copy(trio: Trio, make_house: Any) -> None:
    meunier = make_house("meunier")
    peered(trio.leroux, meunier)
    with exchange.open_reading(trio.leroux.ground) as work:
        for asking, found in ((trio.nord, True), (meunier, False)):
            answer = forks.answer(work, trio.leroux.relation(asking), trio.iri)
            assert (answer is not None) is found
    with exchange.open_reading(trio.aubier.ground) as work:
        assert forks.answer(work, trio.aubier.relation(trio.nord), trio.iri) is None


def test_a_host_that_sends_a_second_roster_of_a_version_is_found_out(trio: Trio) -> None:
    aubier, nord = trio.aubier, trio.nord
    other = trio.other(members=[])
    with exchange.open_work(aubier.ground) as work:
        said = {"type": "Update", "to": [f"{trio.iri}/members"], "audience": trio.iri, "object": other}
        exchange.tell(aubier.ground, work, aubier.relation(nord), _announced(work, trio, said), trio.iri)
    aubier.deliver(nord)
    nord.settle_jobs()
    assert nord.count("roster_fork") == 1
    assert trio.alarms() == 1
    assert nord.names(trio.iri) == ["Inès Le Goff", "Marie Lenoir"]


def _announced(work: Any, trio: Trio, said: Document) -> Document:
    update = authorship.write(said, trio.iri, work, exchange.settings_of(trio.aubier.ground))
    rev = trio.aubier.fact("SELECT rev FROM space") + 1
    return {"type": "Announce", "to": said["to"], "audience": trio.iri, "rev": rev, "object": update.document}
