"""What goes because its time is over: while an agreement holds, and after its end."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from federation import authorship, recall
from federation.activity import Document
from node.core.clock import rfc3339
from node.exchange import service as exchange
from node.identity.services.people import Person
from node.relations import records
from node.relations.services import terms
from node.relations.services.terms import Choices
from node.retention.services import expiry, holds, ledger
from node.threads.services import spots
from tests.node.relations.peers import verified
from tests.node.retention.test_recall import CANARY, found_in, tables_with
from tests.node.spaces.world import House, exchange_all, opened
from tests.node.threads.talk import begin, seen, texts

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("P2Y", datetime(2028, 11, 24, 8, 0, tzinfo=UTC)),
        ("P90D", NOW + timedelta(days=90)),
        ("P1W", NOW + timedelta(days=7)),
        ("P3M", datetime(2027, 2, 24, 8, 0, tzinfo=UTC)),
        ("P1Y2M3DT4H5M6S", datetime(2028, 1, 27, 12, 5, 6, tzinfo=UTC)),
    ],
)
def test_reads_durations_by_the_calendar(duration: str, expected: datetime) -> None:
    assert expiry.later(NOW, duration) == expected
    assert expiry.later(datetime(2026, 1, 31, tzinfo=UTC), "P1M") == datetime(2026, 2, 28, tzinfo=UTC)
    assert expiry.later(NOW, "P1Y", sign=-1) == datetime(2025, 11, 24, 8, 0, tzinfo=UTC)
    for none in ("soon", "P", "PT"):
        with pytest.raises(ValueError, match=none):
            expiry.later(NOW, none)


@pytest.mark.parametrize("duration", ["P9999Y", f"P{'9' * 30}Y", f"P{'9' * 30}M", f"P{'9' * 30}D"])
def test_what_is_kept_longer_than_the_calendar_is_kept(duration: str) -> None:
    assert expiry.later(NOW, duration) == datetime.max.replace(tzinfo=UTC)
    assert expiry.later(NOW, duration, sign=-1) == datetime.min.replace(tzinfo=UTC)


@pytest.fixture
def shared(aubier: House, nord: House) -> tuple[House, House, str]:
    """Aubier keeps 90 days, Nord Acier 180; both have people in a space of Aubier's."""
    verified(aubier, nord)
    aubier.propose(nord, keep_ours="P90D", keep_theirs="P180D")
    nord.agree(aubier)
    nord.deliver(aubier)
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    begin(aubier, ines, aubier.key_of(iri), CANARY)
    begin(nord, marie, nord.key_of(iri), f"{CANARY} de Nord")
    exchange_all(aubier, nord)
    return aubier, nord, iri


def person(house: House, handle: str) -> Person:
    with house.ground.database.reading() as session:
        return house.identity.people.by_handle(session, handle)


def test_each_erases_its_own_copies_when_its_time_is_over_and_tells_the_other(
    shared: tuple[House, House, str],
) -> None:
    aubier, nord, iri = shared
    ines = person(aubier, "ines.le.goff")
    aubier.clock.move(days=89)
    expiry.expire.run(aubier.ground)
    assert texts(aubier, ines) != [""]
    aubier.clock.move(days=2)
    begin(aubier, ines, aubier.key_of(iri), "Tout neuf")
    for house in (aubier, nord):
        expiry.expire.run(house.ground)
    exchange_all(aubier, nord)
    assert found_in(aubier, CANARY) == set()
    assert "post" in tables_with(nord, CANARY)
    assert [seen(aubier, ines, number)[0].recalled for number in (0, 1, 2)] == ["", "expired", "expired"]
    with aubier.ground.database.reading() as session:
        [run] = ledger.runs(session)
        assert (run.ours, run.node, run.count) == (True, nord.iri, 2)
        assert ledger.page(session) == []
        assert ledger.run(session, run.key).ids == run.ids
    assert f'"root":"{recall.root_of(run.ids)}"' in run.receipt
    with nord.ground.database.reading() as session:
        [told] = ledger.runs(session)
    assert (told.ours, told.node, told.count, told.receipt) == (False, aubier.iri, 2, run.receipt)
    nord.clock.move(days=90)
    expiry.expire.run(nord.ground)
    assert found_in(nord, CANARY) == set()
    places = "SELECT sum(changed_rev) FROM post WHERE state = 'deleted'"
    assert aubier.fact(places) == nord.fact(places) > 0


def test_what_a_data_class_lets_nobody_keep_goes_before(shared: tuple[House, House, str]) -> None:
    """The class of one space says 30 days, and each side keeps for 90 and 180 days what its class lets it keep."""
    aubier, nord, iri = shared
    agreement = aubier.relation(nord).agreement
    assert agreement is not None
    (plain,) = agreement["scope"]["dataClasses"]
    scope = {
        **agreement["scope"],
        "spaces": [{"id": iri, "dataClass": "short"}],
        "dataClasses": [plain, {**plain, "class": "short", "retention": "P30D"}],
    }
    for house, other in ((aubier, nord), (nord, aubier)):
        with house.ground.database.writing() as session:
            number = int(house.relation(other).id)
            document = json.dumps({**agreement, "scope": scope})
            records.change(session, house.ground, number, agreement=document)
    ines = person(aubier, "ines.le.goff")
    other_space = aubier.space(ines, "Sans classe")
    opened(aubier, nord, other_space, ines, person(nord, "marie.lenoir"))
    begin(aubier, ines, other_space, "Quatre-vingt-dix jours")
    aubier.clock.move(days=31)
    for house in (aubier, nord):
        expiry.expire.run(house.ground)
        assert found_in(house, CANARY) == set()
    assert "post" in tables_with(aubier, "Quatre-vingt-dix jours")


def test_a_class_keeps_a_time_of_its_own_when_all_others_are_kept_longer(
    shared: tuple[House, House, str],
) -> None:
    aubier, nord, _iri = shared
    relation = aubier.relation(nord)
    present = copy.deepcopy(relation.agreement)
    assert present is not None
    (plain,) = present["scope"]["dataClasses"]
    present["scope"]["dataClasses"] = [
        plain,
        {**plain, "class": "b"},
        {**plain, "class": "c", "retention": "P30D"},
    ]
    with exchange.open_reading(aubier.ground) as work:
        parties = aubier.relations._parties(work, {"origin": nord.origin}, relation)
    choices = Choices(keep_ours="P5Y", keep_theirs="P180D")
    found = terms.following(present, relation.agreement_digest, *parties, choices, aubier.clock.now())
    kept = [each["retention"] for each in found["scope"]["dataClasses"]]
    assert (plain["retention"], kept) == ("P180D", ["P5Y", "P5Y", "P30D"])


def test_a_hold_is_stronger_than_time(shared: tuple[House, House, str]) -> None:
    aubier, _nord, iri = shared
    with aubier.ground.database.reading() as session:
        spot = spots.of_space(session, aubier.key_of(iri))
    review = (aubier.clock.now() + timedelta(days=300)).date()
    holds.place(aubier.ground, "", spot, basis="Enquête", reference="E-2", review_by=review)
    aubier.clock.move(days=91)
    expiry.expire.run(aubier.ground)
    assert tables_with(aubier, CANARY) == {"kept"}
    with aubier.ground.database.reading() as session:
        assert ledger.runs(session) == []


@pytest.mark.parametrize(
    ("disposition", "days", "is_gone"),
    [
        ("purge-now", 0, True),
        ("purge-after-retention", 29, False),
        ("purge-after-retention", 31, True),
        ("keep-per-law", 40, False),
    ],
)
def test_after_the_end_what_was_shared_goes_as_agreed(
    shared: tuple[House, House, str], disposition: str, days: int, *, is_gone: bool
) -> None:
    aubier, nord, _iri = shared
    ines = person(aubier, "ines.le.goff")
    own = aubier.space(ines, "À nous")
    begin(aubier, ines, own, "Entre nous")
    for house, other in ((aubier, nord), (nord, aubier)):
        relation = house.relation(other)
        with house.ground.database.writing() as session:
            records.end(session, house.ground, relation, disposition)
    aubier.clock.move(days=days, seconds=1)
    for house in (aubier, nord):
        expiry.expire.run(house.ground)
    assert ("post" not in tables_with(nord, CANARY)) is is_gone
    assert ("post" not in tables_with(aubier, f"{CANARY} de Nord")) is is_gone
    assert "post" in tables_with(aubier, CANARY)  # said by ourselves in our own space
    assert "post" in tables_with(aubier, "Entre nous")
    for house in (aubier, nord):
        house.settle_jobs()
    for house, count in ((aubier, 1), (nord, 2)):  # of its own space each side keeps what it said itself
        told, heard = (
            ("SELECT max(count) FROM retention_run WHERE ours = :ours", {"ours": True}),
            {"ours": False},
        )
        assert house.fact(told[0], **told[1]) == (count if is_gone else None)
        assert (nord if house is aubier else aubier).fact(told[0], **heard) == (count if is_gone else None)


def test_what_an_ended_agreement_left_is_accounted_for_and_no_longer(
    shared: tuple[House, House, str],
) -> None:
    aubier, nord, _iri = shared
    for house, other in ((aubier, nord), (nord, aubier)):
        relation = house.relation(other)
        with house.ground.database.writing() as session:
            records.change(session, house.ground, int(relation.id), ends=rfc3339(house.clock.now()))
            records.end(session, house.ground, relation, "purge-now")
    with nord.ground.database.reading() as session:
        former = nord.ground.work(session).peers.ended(aubier.origin)
    assert former is not None
    agreement = str((former.agreement or {})["id"])

    def answered(agreement: str, **members: Any) -> int:
        settings = exchange.settings_of(nord.ground)
        with exchange.open_work(nord.ground) as work:
            key = work.actors.signer(settings.node)
            receipt = recall.of_run(settings, key, agreement, ["x"], work.now)
            said: Document = {"type": "Create", "to": [aubier.iri], "object": receipt, **members}
            activity = authorship.write(said, settings.node, work, settings)
        return nord.post(aubier, activity).status

    before = aubier.fact("SELECT count(*) FROM retention_run")
    assert answered(f"{agreement}x") == 403
    assert answered(agreement, type="Announce") == 403
    note = {"id": f"{nord.origin}/o/1", "type": "Note", "attributedTo": nord.iri, "content": "still here"}
    assert answered(agreement, object=note) == 403
    assert aubier.fact("SELECT count(*) FROM retention_run") == before
    assert answered(agreement) == 202
    assert aubier.fact("SELECT count(*) FROM retention_run") == before + 1
    aubier.clock.move(days=30 + 61)
    assert answered(agreement) == 403
    assert aubier.fact("SELECT count(*) FROM retention_run") == before + 1
