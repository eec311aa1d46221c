"""What people see of a suspension, and what waits while it lasts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from federation.delivery import Delivered, Refused
from node.core.clock import SetClock
from node.exchange import histories
from node.exchange import service as exchange
from node.identity.services.people import Role
from node.relations.jobs import watch
from node.spaces.services.spaces import Refused as NotSaid
from tests.node.identity.houses import PASSWORD
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened
from tests.node.threads.talk import begin, texts, thread_key


def test_a_suspended_space_is_closed_with_a_reason_and_goes_on_in_order(
    partners: tuple[House, House],
) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff", Role.ADMIN), nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    begin(aubier, ines, key, "before")
    exchange_all(aubier, nord)
    browser = nord.browser()
    browser.sign_in(marie)
    space = f"/spaces/{nord.key_of(iri)}"
    thread = f"/threads/{thread_key(nord, marie)}"
    assert 'name="audience"' in browser.get(space).text

    aubier.relations.suspend(aubier.partner(nord).key, "IR-7", "en", MARIE)
    for page in (space, thread):
        shown = browser.get(page).text
        assert "The relation with Aubier is suspended" in shown
        assert 'name="audience"' not in shown
        assert "before" in shown  # what is here stays readable
    with pytest.raises(NotSaid):
        begin(nord, marie, nord.key_of(iri), "while suspended")
    begin(aubier, ines, key, "meanwhile", title="Meanwhile")
    assert isinstance(aubier.deliver(nord), Refused)
    assert isinstance(nord.deliver(aubier), Refused)

    aubier.relations.resume(aubier.partner(nord).key, MARIE)
    assert isinstance(aubier.deliver(nord), Delivered)
    assert texts(nord, marie, 0) == ["meanwhile"]
    assert 'name="audience"' in browser.get(space).text


@pytest.mark.parametrize("days", [None, 40])
def test_both_sign_a_last_checkpoint_before_the_end(
    partners: tuple[House, House], clock: SetClock, days: int | None
) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff", Role.ADMIN), nord.person("Marie Lenoir", Role.ADMIN)
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    exchange_all(aubier, nord)
    relation = aubier.relation(nord)
    on = None if days is None else (clock.now() + timedelta(days=days)).date()
    aubier.relations.end(
        aubier.partner(nord).key, on=on, disposition="purge-now", reason="done", language="en", by=MARIE
    )
    if days is not None:
        closes = datetime.fromisoformat(aubier.relation(nord).ends)
        clock.move(seconds=(closes - clock.now()).total_seconds() - 60)
        watch.run(aubier.ground)
        clock.move(seconds=61)
        watch.run(aubier.ground)
    assert aubier.partner(nord).state == "terminated"
    with exchange.open_reading(aubier.ground) as work:
        ours = [each for each in histories.latest(work, relation.id) if each.ours]
        assert [(each.size, each.agreed) for each in ours] == [(work.log.head(relation).seq, True)]


def test_an_administrator_stops_one_space_on_the_page(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff", Role.ADMIN, PASSWORD), nord.person("Marie Lenoir", Role.ADMIN)
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    browser = aubier.browser()
    browser.sign_in(ines)
    page = f"/partners/{aubier.partner(nord).key}"
    assert "Stop in this space" in browser.get(page).text
    assert browser.post(f"{page}/stops", {"space": iri, "stop": "true"}, page=page).status_code == 303
    assert nord.relation(aubier).stopped_there == aubier.relation(nord).stopped_here == {iri}
    assert "You let nothing pass in this space." in browser.get(page).text
    assert browser.post(f"{page}/stops", {"space": "x", "stop": "true"}, page=page).status_code == 422
    assert browser.post(f"{page}/stops", {"space": iri, "stop": "false"}, page=page).status_code == 303
    assert nord.relation(aubier).stopped_there == aubier.relation(nord).stopped_here == frozenset()


def test_after_two_histories_another_version_begins_new_streams_and_nothing_is_lost(
    partners: tuple[House, House],
) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff", Role.ADMIN), nord.person("Marie Lenoir", Role.ADMIN)
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    exchange_all(aubier, nord)
    former = nord.relation(aubier)
    with exchange.open_work(nord.ground) as work:
        work.session.execute(
            text("UPDATE stream SET disputed_at = :now WHERE iri = :iri"),
            {"now": nord.clock.now(), "iri": former.stream_in},
        )
    begin(aubier, ines, key, "waits")
    assert not isinstance(aubier.deliver(nord), Delivered)
    nord.propose(aubier, purpose="after the dispute", onward="allowed")
    aubier.agree(nord)
    held = nord.relation(aubier)
    assert held.genesis == held.agreement_digest != former.genesis
    assert {held.stream_in, held.stream_out}.isdisjoint({former.stream_in, former.stream_out})
    exchange_all(aubier, nord)
    assert texts(nord, marie) == ["waits"]
    begin(nord, marie, nord.key_of(iri), "and back", title="Back")
    exchange_all(aubier, nord)
    assert texts(aubier, ines) == ["and back"]
