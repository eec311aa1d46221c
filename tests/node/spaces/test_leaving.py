"""An organisation that leaves a space, or is taken out: its people lose it at once, and nothing of it reaches them
(PROTOCOL 2.j, step 6; SECURITY TH-19).
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from urllib.parse import quote

import pytest

from federation import digest
from federation.http import Headers, Request
from node.files import service as files
from node.identity.services.people import Person, Role
from node.spaces.services import ended, sharing
from node.spaces.services import spaces as use
from tests.node.identity.houses import PASSWORD, Browser
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened
from tests.node.threads.talk import begin

PLAN = b"%PDF-1.7\nplan de la passerelle, rev D"
ADDRESS = digest.multibase_of(hashlib.sha256(PLAN).digest())
ENDED_S = 5.0


class Two:
    """Aubier hosts, with Inès and Bruno; Nord Acier is in, with Marie, who has read a thread with a file."""

    def __init__(self, aubier: House, nord: House) -> None:
        self.aubier, self.nord = aubier, nord
        self.ines = aubier.person("Inès Le Goff", Role.ADMIN, PASSWORD)
        self.bruno = aubier.person("Bruno Maillard", Role.MEMBER, PASSWORD)
        self.marie = nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
        self.key = aubier.space(self.ines)
        use.add_member(aubier.ground, aubier.by(self.ines), self.key, self.bruno.wire_id)
        self.iri = opened(aubier, nord, self.key, self.ines, self.marie)
        nord.join(self.marie, self.iri, aubier)
        self.there = nord.key_of(self.iri)
        plan = files.take_in(aubier.ground, "plan.pdf", BytesIO(PLAN))
        begin(aubier, self.ines, self.key, "Voici le plan.", files=(plan,))
        exchange_all(aubier, nord)
        nord.settle_jobs()

    def take_out(self) -> None:
        sharing.remove_organisation(self.aubier.ground, self.aubier.by(self.ines), self.key, self.nord.iri)
        self.aubier.deliver(self.nord)

    def leave(self) -> None:
        sharing.leave_as_organisation(self.nord.ground, self.nord.by(self.marie), self.there)
        self.nord.deliver(self.aubier)
        self.aubier.settle_jobs()

    def end(self) -> None:
        """The relation ends at once; the partner is told outside of the stream."""
        self.nord.relations.end(
            self.nord.partner(self.aubier).key,
            on=None,
            disposition="purge-after-retention",
            reason="Fin du chantier.",
            language="fr",
            by=MARIE,
        )
        self.nord.settle_jobs()
        self.aubier.settle_jobs()


@pytest.fixture
def two(partners: tuple[House, House]) -> Two:
    return Two(*partners)


LEAVINGS: dict[str, Callable[[Two], None]] = {"taken out": Two.take_out, "leaves": Two.leave}
ENDINGS = {**LEAVINGS, "relation ends": Two.end}


def while_polling(house: House, person: Person, path: str, happens: Callable[[], None]) -> tuple[int, float]:
    """What a poll that was held is answered, and how many seconds after it happened."""
    browser, answered = house.browser(), list[int]()
    browser.sign_in(person)
    poll = threading.Thread(target=lambda: answered.append(browser.get(path).status_code))
    poll.start()
    time.sleep(0.3)
    assert not answered
    begun = time.monotonic()
    happens()
    poll.join(20)
    return answered[0], time.monotonic() - begun


def statuses(browser: Browser, pages: list[str]) -> list[int]:
    found = []
    for page in pages:
        with closing(browser.get(page)) as answer:
            found.append(answer.status_code)
    return found


def live(house: House, space: str) -> str:
    posts, changes = (
        house.fact(f"SELECT coalesce(max(id), 0) FROM {table}") for table in ("post", "post_change")
    )
    return f"/live?space={space}&after={posts}.{changes}"


@pytest.mark.parametrize("how", ENDINGS)
def test_its_people_lose_pages_files_and_open_polls_at_once(two: Two, how: str) -> None:
    nord, browser = two.nord, two.nord.browser()
    browser.sign_in(two.marie)
    file = nord.fact("SELECT key FROM attachment")
    pages = [f"/spaces/{two.there}", f"/spaces/{two.there}/members", f"/files/{file}/plan.pdf"]
    assert statuses(browser, pages) == [200, 200, 200]
    status, seconds = while_polling(nord, two.marie, live(nord, two.there), lambda: ENDINGS[how](two))
    assert status == 404
    assert seconds < ENDED_S
    assert statuses(browser, pages) == [404, 404, 404]
    assert nord.sees(two.marie) == []


def test_a_person_that_is_taken_out_hears_nothing_more_in_a_poll(two: Two) -> None:
    aubier = two.aubier
    bruno_key = next(each.key for each in aubier.readers(two.iri) if each.person_id == two.bruno.id)

    def happens() -> None:
        use.remove(aubier.ground, aubier.by(two.ines), two.key, bruno_key)
        begin(aubier, two.ines, two.key, "Sans Bruno.", "Sans lui")

    status, seconds = while_polling(aubier, two.bruno, live(aubier, two.key), happens)
    assert status == 404
    assert seconds < ENDED_S


@pytest.mark.parametrize("how", LEAVINGS)
def test_its_node_is_told_nothing_more(two: Two, how: str) -> None:
    aubier, nord = two.aubier, two.nord
    LEAVINGS[how](two)
    exchange_all(aubier, nord)
    with aubier.ground.database.reading() as session:
        before = aubier.ground.work(session).log.head(aubier.relation(nord)).seq
    begin(aubier, two.ines, two.key, "Entre nous.", "À nous")
    use.leave(aubier.ground, aubier.by(two.bruno), two.key)
    with aubier.ground.database.reading() as session:
        assert aubier.ground.work(session).log.head(aubier.relation(nord)).seq == before
    for url in (
        f"{aubier.origin}/files/{ADDRESS}?space={quote(two.iri, safe='')}",
        f"{two.iri}/receipts?after=0",
        f"{two.iri}/roster",
    ):
        assert nord.net.send(nord.sign(Request("GET", url, Headers(())))).status == 404


def test_who_has_no_relation_with_us_any_more_stands_on_no_roster(two: Two) -> None:
    aubier, nord = two.aubier, two.nord
    assert aubier.names(two.iri) == ["Bruno Maillard", "Inès Le Goff", "Marie Lenoir"]
    two.end()
    roster = json.loads(aubier.fact("SELECT roster FROM space"))
    assert [each["node"] for each in roster["nodes"]] == [aubier.iri]
    assert [each["node"] for each in roster["formerNodes"]] == [nord.iri]
    assert aubier.names(two.iri) == ["Bruno Maillard", "Inès Le Goff"]
    assert nord.fact("SELECT state FROM space") == "left"
    acts = "SELECT count(*) FROM audit WHERE action = :action"
    assert aubier.fact(acts, action="space.organisation-removed") == 1
    assert nord.fact(acts, action="space.closed") == 1


def test_an_end_that_a_crash_cut_short_is_made_good(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    aubier = two.aubier
    monkeypatch.setattr(aubier.ground.jobs, "enqueue", lambda *_: None)
    two.end()
    assert len(aubier.names(two.iri)) == 3
    monkeypatch.undo()
    ended.take_out_ended.run(aubier.ground)
    aubier.settle_jobs()
    assert aubier.names(two.iri) == ["Bruno Maillard", "Inès Le Goff"]


def test_what_it_says_afterwards_is_refused(two: Two) -> None:
    """Its node does not know yet, or does not care."""
    aubier, nord = two.aubier, two.nord
    begin(nord, two.marie, two.there, "Encore un mot.", "Tard")
    sharing.remove_organisation(aubier.ground, aubier.by(two.ines), two.key, nord.iri)
    count = aubier.count("post")
    nord.deliver(aubier)
    assert aubier.count("post") == count


def test_it_comes_back_with_a_later_version_and_from_then_on(two: Two) -> None:
    aubier, nord = two.aubier, two.nord
    two.take_out()
    version = nord.fact("SELECT roster_version FROM space")
    begin(aubier, two.ines, two.key, "Pendant votre absence.", "Absence")
    opened(aubier, nord, two.key, two.ines, two.marie, "none")
    exchange_all(aubier, nord)
    assert nord.fact("SELECT roster_version FROM space") > version
    nord.join(two.marie, two.iri, aubier)
    begin(aubier, two.ines, two.key, "Bon retour.", "Retour")
    exchange_all(aubier, nord)
    titles = nord.fact("SELECT group_concat(title) FROM thread")
    assert "Retour" in titles
    assert "Absence" not in titles
    assert nord.count("missing_rev") == 0
