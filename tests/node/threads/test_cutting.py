"""What waits when an agreement grows narrower, as its author sees it: a stopped space, and a next version."""

from __future__ import annotations

import hashlib
import json
from io import BytesIO
from urllib.parse import quote

import pytest

from federation import digest, documents
from federation.http import Headers, Request
from node.files import service as files
from node.identity.services.people import Person, Role
from node.relations.jobs import send_due
from node.spaces.services.spaces import Refused as NotSaid
from tests.node.identity.houses import PASSWORD
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin, texts


@pytest.fixture
def talking(partners: tuple[House, House]) -> tuple[House, House, str, Person, Person]:
    """Aubier hosts, Nord Acier is in: Inès and Marie."""
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff", Role.ADMIN), nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    return aubier, nord, iri, ines, marie


def test_a_space_that_is_stopped_refuses_what_waits_and_says_so(
    talking: tuple[House, House, str, Person, Person],
) -> None:
    aubier, nord, iri, ines, marie = talking
    key = nord.key_of(iri)
    begin(nord, marie, key, "Une question.")
    aubier.relations.stop(aubier.partner(nord).key, [iri], MARIE)
    send_due.run(aubier.ground)
    assert nord.fact("SELECT state FROM post") == "refused"
    assert nord.fact("SELECT source FROM post") == "Une question."
    assert "stopped" in str(nord.fact("SELECT problem FROM post"))
    assert "charter.cut" in "".join(nord.audited())
    exchange_all(aubier, nord)
    assert aubier.fact("SELECT count(*) FROM post") == 0
    assert nord.fact("SELECT count(*) FROM activity WHERE raw IS NOT NULL AND type = 'Create'") == 1

    browser = nord.browser()
    browser.sign_in(marie)
    shown = browser.get(f"/spaces/{key}").text
    assert "Exchange with Aubier is stopped in this space" in shown
    assert 'name="audience"' not in shown
    with pytest.raises(NotSaid):
        begin(nord, marie, key, "Encore.", title="Encore")

    begin(aubier, ines, aubier.key_of(iri), "Entre nous.")  # the host goes on without this partner
    exchange_all(aubier, nord)
    assert texts(aubier, ines) == ["Entre nous."]
    aubier.relations.stop(aubier.partner(nord).key, [], MARIE)
    send_due.run(aubier.ground)
    begin(nord, marie, key, "De retour.", title="De retour")
    exchange_all(aubier, nord)
    assert texts(aubier, ines, 0) == ["De retour."]


def _asked(house: House, of: House, url: str) -> int:
    """What a node's signed request is answered."""
    return house.net.send(house.sign(Request("GET", url, Headers((("Accept", "application/json"),))))).status


def test_nobody_reads_by_asking_what_does_not_pass(talking: tuple[House, House, str, Person, Person]) -> None:
    aubier, nord, iri, ines, marie = talking
    plan = b"%PDF-1.7 plan"
    taken = files.take_in(aubier.ground, "plan.pdf", BytesIO(plan))
    begin(aubier, ines, aubier.key_of(iri), "Le plan.", files=(taken,))
    exchange_all(aubier, nord)
    held = digest.multibase_of(hashlib.sha256(plan).digest())
    doors = (
        f"{aubier.origin}/files/{held}?space={quote(iri, safe='')}",
        f"{aubier.origin}/digest/{iri.rpartition('/')[2]}",
    )
    assert [_asked(nord, aubier, url) for url in doors] == [200, 200]
    begin(nord, marie, nord.key_of(iri), "En attente.", title="En attente")
    waiting = str(nord.fact("SELECT iri FROM activity WHERE type = 'Create' ORDER BY id DESC LIMIT 1"))
    assert _asked(aubier, nord, waiting) == 200
    aubier.relations.stop(aubier.partner(nord).key, [iri], MARIE)
    send_due.run(aubier.ground)
    assert [_asked(nord, aubier, url) for url in doors] == [404, 404]
    assert _asked(aubier, nord, waiting) == 404


def test_a_next_version_refuses_what_waits_outside_of_it(
    talking: tuple[House, House, str, Person, Person],
) -> None:
    aubier, nord, iri, _ines, marie = talking
    begin(nord, marie, nord.key_of(iri), "Une question.")
    nord.propose(aubier, new_spaces="none")
    aubier.agree(nord)
    send_due.run(aubier.ground)
    exchange_all(aubier, nord)
    agreement = nord.relation(aubier).agreement
    assert agreement is not None
    assert (agreement["version"], agreement["scope"]["spaces"]) == (2, [])
    assert nord.fact("SELECT state FROM post") == "refused"
    assert documents.loads(str(nord.fact("SELECT problem FROM post")).encode())["type"].endswith(
        "#out-of-scope"
    )
    assert aubier.fact("SELECT count(*) FROM post") == 0


def test_the_author_is_told_whose_charter_refuses(aubier: House, nord: House, leroux: House) -> None:
    """Nobody gets what one partner may not have; without that partner, by a stop, it goes on."""
    for other in (nord, leroux):
        peered(aubier, other)
    ines, marie, owen = aubier.person("Inès"), nord.person("Marie"), leroux.person("Owen")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    opened(aubier, leroux, key, ines, owen)
    exchange_all(aubier, nord, leroux)
    nord.join(marie, iri, aubier)
    begin(aubier, ines, key, "Une question.")
    exchange_all(aubier, nord)
    aubier.propose(leroux, new_spaces="none")
    leroux.agree(aubier)
    send_due.run(leroux.ground)
    with pytest.raises(NotSaid, match="Leroux & Hart: The agreement"):
        begin(aubier, ines, key, "Entre nous.")
    count = aubier.fact("SELECT count(*) FROM post")
    begin(nord, marie, nord.key_of(iri), "Et chez nous ?", title="Marie")
    exchange_all(aubier, nord)
    assert aubier.fact("SELECT count(*) FROM post") == count
    problem = json.loads(nord.fact("SELECT problem FROM post WHERE state = 'refused'"))
    assert problem["organisation"] == leroux.iri
    assert problem["detail"].startswith("Leroux & Hart: ")
    aubier.relations.stop(aubier.partner(leroux).key, [iri], MARIE)
    begin(aubier, ines, key, "Entre nous.", title="Sans eux")
    exchange_all(aubier, nord)
    assert nord.fact("SELECT count(*) FROM thread WHERE title = 'Sans eux'") == 1
