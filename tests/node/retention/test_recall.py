"""Recalls between three organisations: what goes, what stays and why, who has said so."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select, text

from federation import proofs
from federation.ports import State
from node.core.db import Base
from node.core.errors import Absent, Invalid, NotAllowed
from node.exchange.packing import unsqueeze
from node.files import service as files
from node.identity.services.people import Person, Role
from node.replicas.services import runs
from node.retention.services import erasing, holds, ledger, tombstones
from node.retention.services.ledger import Recalled
from node.spaces.services import sharing
from node.threads.services import posting, spots
from node.threads.services.posting import Draft, Wish
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin, reply, seen, thread_key

CANARY = "kingfisher-4711"
SQUEEZED = {"activity", "kept"}
WRONG = Wish("wrong-recipient")


class Three(NamedTuple):
    """Aubier hosts; Nord Acier and Leroux & Hart are in, partners of Aubier alone."""

    aubier: House
    nord: House
    leroux: House
    iri: str
    ines: Person
    marie: Person
    owen: Person

    def settle(self, *houses: House) -> None:
        """Everything delivered and worked off, also what follows from it, between those that answer."""
        for _ in range(3):
            for house in houses:
                house.settle_jobs()
                erasing.settle.run(house.ground)
            exchange_all(*houses)

    def everybody(self) -> tuple[House, House, House]:
        return self.aubier, self.nord, self.leroux


@pytest.fixture
def three(aubier: House, nord: House, leroux: House) -> Three:
    peered(aubier, nord)
    peered(aubier, leroux)
    ines = aubier.person("Inès Le Goff", Role.ADMIN)
    marie, owen = nord.person("Marie Lenoir"), leroux.person("Owen Hart", Role.ADMIN)
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    opened(aubier, leroux, key, ines, owen)
    nord.join(marie, iri, aubier)
    leroux.join(owen, iri, aubier)
    exchange_all(aubier, nord)
    exchange_all(aubier, leroux)
    return Three(aubier, nord, leroux, iri, ines, marie, owen)


def taken(house: House, content: bytes, name: str = "plan.txt") -> files.Taken:
    return files.take_in(house.ground, name, io.BytesIO(content))


def newest(house: House, person: Person | None = None) -> Recalled:
    with house.ground.database.reading() as session:
        return ledger.page(session, author=None if person is None else person.id)[0]


def outcomes(house: House) -> dict[str, str]:
    return {each.name: each.outcome for each in newest(house).answers}


def post_of(house: House, person: Person, thread: int = 0) -> str:
    return seen(house, person, thread)[0].key


def every_row(house: House) -> Iterator[tuple[str, Any]]:
    with house.ground.database.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.connection().execute(select(table)):
                for value in row:
                    yield table.name, value


def tables_with(house: House, sought: str) -> set[str]:
    """The tables in which a text stands; squeezed bytes are opened."""
    found = set()
    for name, value in every_row(house):
        raw = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""
        if name in SQUEEZED and isinstance(value, bytes):
            with suppress(Exception):  # a digest, or what stands after an inner activity
                raw = unsqueeze(value)
        if sought.encode() in raw:
            found.add(name)
    return found


def found_in(house: House, sought: str) -> set[str]:
    """Where a text is: tables, the files of the database with its log, attachments."""
    paths = [path for path in Path(house.ground.settings.data_dir).rglob("*") if path.is_file()]
    return tables_with(house, sought) | {path.name for path in paths if sought.encode() in path.read_bytes()}


def test_one_has_erased_one_keeps_it_with_a_reason_and_one_is_awaited(three: Three) -> None:
    aubier, nord, leroux, iri, ines, _marie, owen = three
    note = Draft(f"Le prix: {CANARY}", title=f"Offre {CANARY}", files=[taken(aubier, CANARY.encode())])
    said = posting.begin(aubier.ground, aubier.by(ines), aubier.key_of(iri), note)
    three.settle(*three.everybody())
    posting.edit(aubier.ground, aubier.by(ines), said.post, Draft(f"Le prix: {CANARY} HT", title="Offre"))
    three.settle(*three.everybody())
    assert found_in(aubier, CANARY) & found_in(nord, CANARY) >= {"post", "post_version", "activity"}
    with leroux.ground.database.reading() as session:
        spot = spots.of_post(session, post_of(leroux, owen))
    review = leroux.clock.now().date() + timedelta(days=60)
    holds.place(leroux.ground, owen.actor, spot, basis="Litige", reference="LH-2026-04", review_by=review)

    posting.recall(aubier.ground, aubier.by(ines), said.post, WRONG)
    three.settle(aubier, leroux)
    assert outcomes(aubier) == {"Aubier": "erased", "Nord Acier": "waiting", "Leroux & Hart": "retained"}
    kept = next(each for each in newest(aubier).answers if each.outcome == "retained")
    assert (kept.basis.rpartition("#")[2], kept.reference) == ("legal-hold", "LH-2026-04")
    assert kept.review_by is not None
    assert kept.review_by.date() == review
    assert found_in(aubier, CANARY) == set()
    assert tables_with(leroux, CANARY) == {"kept"}
    assert seen(leroux, owen)[0].state == "deleted"
    assert seen(leroux, owen)[0].recalled == "wrong-recipient"

    three.settle(*three.everybody())
    assert outcomes(aubier)["Nord Acier"] == "erased"
    assert found_in(nord, CANARY) == set()


def test_the_author_behind_the_host_reads_what_every_organisation_has_signed(three: Three) -> None:
    _aubier, nord, leroux, iri, _ines, marie, _owen = three
    begin(nord, marie, nord.key_of(iri), CANARY)
    three.settle(*three.everybody())
    posting.recall(nord.ground, nord.by(marie), post_of(nord, marie), WRONG)
    assert seen(nord, marie)[0].state == "deleted"  # here at once, whenever the host answers
    assert outcomes(nord) == dict.fromkeys(("Aubier", "Nord Acier", "Leroux & Hart"), "waiting")
    three.settle(*three.everybody())
    assert outcomes(nord) == dict.fromkeys(("Aubier", "Nord Acier", "Leroux & Hart"), "erased")
    for house in three.everybody():
        assert found_in(house, CANARY) == set()
    theirs = next(each for each in newest(nord).answers if each.name == "Leroux & Hart")
    receipt = json.loads(theirs.document)
    assert receipt["attributedTo"] == leroux.iri
    with leroux.ground.database.reading() as session:
        key = leroux.ground.work(session).actors.signer(leroux.iri).public
    proofs.verify(receipt, key)
    [erased] = receipt["erased"]
    assert erased["formerDigest"] == newest(nord).former_digest
    assert receipt["residual"][0]["store"] == "backup"


def test_a_file_that_another_message_names_stays(three: Three) -> None:
    aubier, _nord, _leroux, iri, ines, _marie, _owen = three
    same = CANARY.encode()
    begin(aubier, ines, aubier.key_of(iri), "Deux fois", files=[taken(aubier, same)])
    first = posting.begin(
        aubier.ground,
        aubier.by(ines),
        aubier.key_of(iri),
        Draft("le même", title="x", files=[taken(aubier, same)]),
    )
    alone = posting.begin(
        aubier.ground,
        aubier.by(ines),
        aubier.key_of(iri),
        Draft("seul", title="y", files=[taken(aubier, b"alone")]),
    )
    sha = taken(aubier, b"alone").sha256
    aubier.clock.move(seconds=1)
    posting.recall(aubier.ground, aubier.by(ines), first.post, WRONG)
    posting.recall(aubier.ground, aubier.by(ines), alone.post, WRONG)
    erasing.settle.run(aubier.ground)
    assert aubier.ground.files.exists(files.place(taken(aubier, same).sha256))
    assert not aubier.ground.files.exists(files.place(sha))


def test_releasing_a_hold_erases_what_only_it_kept(three: Three) -> None:
    aubier, _nord, _leroux, iri, ines, _marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), CANARY, files=[taken(aubier, CANARY.encode())])
    with aubier.ground.database.reading() as session:
        spot = spots.of_space(session, aubier.key_of(iri))
    review = aubier.clock.now().date() + timedelta(days=60)
    key = holds.place(aubier.ground, ines.actor, spot, basis="Enquête", reference="E-1", review_by=review)
    aubier.clock.move(seconds=1)
    posting.recall(aubier.ground, aubier.by(ines), said.post, WRONG)
    erasing.settle.run(aubier.ground)
    files.sweep.run(aubier.ground)
    assert outcomes(aubier)["Aubier"] == "retained"
    [kept] = holds.export(aubier.ground, ines.actor, key)
    assert CANARY in kept["object"]["content"]
    aubier.clock.move(days=2)
    files.sweep.run(aubier.ground)
    assert "kept" in found_in(aubier, CANARY)
    assert holds.release(aubier.ground, ines.actor, key) == 1
    erasing.settle.run(aubier.ground)
    assert found_in(aubier, CANARY) == set()
    assert outcomes(aubier)["Aubier"] == "erased"
    with pytest.raises(Absent):
        holds.release(aubier.ground, ines.actor, key)


def test_what_a_manager_hides_is_kept_for_a_while_then_erased(three: Three) -> None:
    aubier, nord, leroux, iri, ines, marie, _owen = three
    begin(nord, marie, nord.key_of(iri), CANARY)
    three.settle(*three.everybody())
    posting.hide(aubier.ground, aubier.by(ines), post_of(aubier, ines))
    three.settle(*three.everybody())
    assert seen(nord, marie)[0].state == "hidden"
    assert set(outcomes(aubier).values()) == {"retained"}
    assert "kept" in found_in(leroux, CANARY)
    leroux.clock.move(days=91)
    erasing.watch.run(leroux.ground)
    assert found_in(leroux, CANARY) == set()


def test_the_author_may_have_erased_what_a_manager_hid(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, marie, _owen = three
    begin(nord, marie, nord.key_of(iri), CANARY)
    three.settle(*three.everybody())
    with pytest.raises(NotAllowed):
        posting.recall(aubier.ground, aubier.by(ines), post_of(aubier, ines), WRONG)
    assert seen(aubier, ines)[0].state == "accepted"


def test_a_node_calls_back_what_one_of_its_people_wrote(three: Three) -> None:
    aubier, nord, leroux, iri, ines, marie, _owen = three
    begin(nord, marie, nord.key_of(iri), CANARY)
    three.settle(*three.everybody())
    with pytest.raises(NotAllowed):
        posting.recall_for(aubier.ground, ines.actor, post_of(aubier, ines), WRONG)
    posting.recall_for(nord.ground, "", post_of(nord, marie), WRONG)
    three.settle(*three.everybody())
    assert set(outcomes(nord).values()) == {"erased"}
    assert found_in(leroux, CANARY) == set()


def test_who_does_not_answer_is_noted_after_a_week_and_after_three(three: Three) -> None:
    aubier, _nord, _leroux, iri, ines, _marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), CANARY)
    posting.recall(aubier.ground, aubier.by(ines), said.post, WRONG)
    erasing.watch.run(aubier.ground)
    assert not newest(aubier).is_overdue(aubier.clock.now())
    for days, reminded in ((6, 0), (1, 1), (13, 1), (1, 2), (30, 2)):
        aubier.clock.move(days=days)
        erasing.watch.run(aubier.ground)
        silent = next(each for each in newest(aubier).answers if each.name == "Nord Acier")
        assert silent.reminded == reminded
    assert newest(aubier).is_overdue(aubier.clock.now())
    with aubier.ground.database.reading() as session:
        assert ledger.unanswered(session, aubier.clock.now(), author=ines.id)
        assert ledger.unanswered(session, aubier.clock.now(), author=ines.id + 1) == []


def test_the_write_ahead_log_is_emptied_before_anything_is_called_erased(three: Three) -> None:
    aubier, _nord, _leroux, iri, ines, _marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), CANARY)
    posting.recall(aubier.ground, aubier.by(ines), said.post, WRONG)
    reader = sqlite3.connect(str(aubier.ground.database.url.database), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM post").fetchone()
    with aubier.ground.database.writing() as session:
        session.execute(text("UPDATE space SET purpose = purpose"))
    erasing.settle.run(aubier.ground)
    assert outcomes(aubier)["Aubier"] == "waiting"
    reader.close()
    erasing.settle.run(aubier.ground)
    assert outcomes(aubier)["Aubier"] == "erased"


def test_what_was_erased_before_it_came_is_no_gap_for_ever(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, _marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), CANARY)
    posting.recall(aubier.ground, aubier.by(ines), said.post, WRONG)
    three.settle(*three.everybody())
    holes = "SELECT count(*) FROM missing_rev"
    assert nord.fact(holes) == 1
    assert runs.compare(nord.ground, nord.fact("SELECT id FROM space"), "").state == "equal"
    assert nord.fact(holes) == 0
    assert set(outcomes(aubier).values()) == {"erased"}


def test_a_recall_passes_while_the_relation_is_suspended(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, marie, _owen = three
    ours = begin(aubier, ines, aubier.key_of(iri), CANARY)
    begin(nord, marie, nord.key_of(iri), f"{CANARY} de Nord", title="Autre")
    three.settle(*three.everybody())
    theirs = next(each for each in range(2) if seen(nord, marie, each)[0].mine)
    aubier.relations.suspend(aubier.partner(nord).key, "Incident", "fr", MARIE)
    aubier.settle_jobs()
    assert nord.relation(aubier).state is State.SUSPENDED
    posting.recall(aubier.ground, aubier.by(ines), ours.post, WRONG)
    posting.recall(nord.ground, nord.by(marie), post_of(nord, marie, theirs), WRONG)
    for _ in range(3):
        for house in (aubier, nord):
            house.settle_jobs()
            erasing.watch.run(house.ground)
    assert found_in(aubier, CANARY) == set()
    assert found_in(nord, CANARY) == set()
    with aubier.ground.database.reading() as session:
        answers = [{one.name: one.outcome for one in each.answers} for each in ledger.page(session)]
    assert [each["Nord Acier"] for each in answers] == ["erased", "erased"]
    aubier.relations.resume(aubier.partner(nord).key, MARIE)
    three.settle(*three.everybody())
    rejected = "SELECT count(*) FROM in_entry WHERE outcome = 'rejected'"
    assert (aubier.fact(rejected), nord.fact(rejected)) == (0, 0)


def test_an_older_copy_that_is_put_back_deletes_again_before_it_serves(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), CANARY)
    begin(nord, marie, nord.key_of(iri), f"{CANARY} de Nord", title="Autre")
    begin(aubier, ines, aubier.key_of(iri), "Reste", title="Reste")
    three.settle(*three.everybody())
    copy = aubier.ground.settings.data_dir.parent / "copy.db"
    with sqlite3.connect(str(aubier.ground.database.url.database)) as own:
        own.execute("VACUUM INTO ?", (str(copy),))
    posting.recall(aubier.ground, aubier.by(ines), said.post, WRONG)
    theirs = next(each for each in range(3) if seen(nord, marie, each)[0].mine)
    posting.delete(nord.ground, nord.by(marie), post_of(nord, marie, theirs))
    three.settle(*three.everybody())
    assert found_in(aubier, CANARY) == set()

    aubier.ground.database.close()
    with sqlite3.connect(str(copy)) as old, sqlite3.connect(str(aubier.ground.database.url.database)) as own:
        old.backup(own)
    assert "post" in tables_with(aubier, CANARY)
    assert tombstones.replay(aubier.ground) == 2
    assert tables_with(aubier, CANARY) == set()
    assert sorted(seen(aubier, ines, each)[0].state for each in range(3)) == [
        "accepted",
        "deleted",
        "deleted",
    ]
    assert tombstones.replay(aubier.ground) == 0
    erasing.settle.run(aubier.ground)
    assert found_in(aubier, CANARY) == set()


def test_who_left_with_the_message_is_named_and_not_asked(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, _marie, _owen = three
    key = aubier.key_of(iri)
    before = begin(aubier, ines, key, CANARY)
    three.settle(*three.everybody())
    sharing.remove_organisation(aubier.ground, aubier.by(ines), key, nord.iri)
    after = begin(aubier, ines, key, "Sans Nord Acier", title="Autre")
    three.settle(*three.everybody())
    posting.recall(aubier.ground, aubier.by(ines), before.post, WRONG)
    three.settle(*three.everybody())
    assert outcomes(aubier) == {"Aubier": "erased", "Leroux & Hart": "erased", "Nord Acier": "left"}
    assert "post" in tables_with(nord, CANARY)
    aubier.clock.move(days=30)
    erasing.watch.run(aubier.ground)
    assert not newest(aubier).is_overdue(aubier.clock.now())
    posting.recall(aubier.ground, aubier.by(ines), after.post, WRONG)
    assert set(outcomes(aubier)) == {"Aubier", "Leroux & Hart"}


def test_a_line_of_tombstones_that_a_crash_cut_off_is_passed_over(three: Three) -> None:
    aubier, _nord, _leroux, iri, ines, _marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), CANARY)
    posting.delete(aubier.ground, aubier.by(ines), said.post)
    erasing.settle.run(aubier.ground)
    path = aubier.ground.settings.data_dir / tombstones.NAME
    with path.open("ab") as file:
        file.write(b'{"id": "http://aub')
    assert tombstones.replay(aubier.ground) == 0
    other = begin(aubier, ines, aubier.key_of(iri), CANARY)
    posting.delete(aubier.ground, aubier.by(ines), other.post)
    erasing.settle.run(aubier.ground)
    assert path.read_bytes().splitlines()[-1].startswith(b'{"@context"')


def test_refuses_a_reason_that_is_none_and_a_stranger(three: Three) -> None:
    aubier, _nord, _leroux, iri, ines, _marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), "Bonjour")
    with pytest.raises(Invalid):
        posting.recall(aubier.ground, aubier.by(ines), said.post, Wish("because"))
    with pytest.raises(Invalid):
        posting.recall(aubier.ground, aubier.by(ines), said.post, Wish("mistake", "nowhere"))
    stranger = aubier.person("Zoé Bréal")
    with pytest.raises(Absent):
        posting.recall(aubier.ground, aubier.by(stranger), said.post, WRONG)
    with aubier.ground.database.reading() as session:
        assert ledger.page(session) == []


def test_a_recall_may_name_what_stands_for_the_message_now(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, marie, _owen = three
    said = begin(aubier, ines, aubier.key_of(iri), CANARY)
    other = reply(aubier, ines, said.thread, "La bonne version.")
    posting.recall(aubier.ground, aubier.by(ines), said.post, Wish("mistake", other.post))
    three.settle(*three.everybody())
    assert newest(nord).mode == "replace"
    assert thread_key(nord, marie)


__all__ = ["Three", "three"]
