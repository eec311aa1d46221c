"""The preview is the delivery list (PRODUCT B4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask_babel import force_locale
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from federation.ports import Role
from node.core.errors import Absent
from node.spaces import tables
from node.spaces.audience import (
    Audience,
    AudienceChanged,
    Difference,
    Reader,
    audience,
    check,
    difference,
    stamped,
    token_of,
)
from node.spaces.services import sharing
from node.spaces.services import spaces as use
from node.threads.services import posting, reading
from node.threads.services.posting import Draft
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened, peered

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NODES = ("https://aubier.example/actor", "https://nord.example/actor")


def reader(number: int, role: Role = Role.MEMBER, node: str = NODES[0]) -> Reader:
    iri = f"{node.removesuffix('/actor')}/people/{number}"
    return Reader(number, iri, str(number), f"P{number}", f"p{number}", None, 1, node, role, NOW, None)


people = st.lists(
    st.builds(reader, st.integers(0, 8), st.sampled_from(list(Role)), st.sampled_from(NODES)),
    unique_by=lambda each: each.iri,
    max_size=8,
)


@given(people, people, st.integers(0, 5), st.integers(0, 5))
def test_a_token_holds_for_one_list_and_rev(
    one: list[Reader], other: list[Reader], rev: int, later: int
) -> None:
    def listed(who: list[Reader]) -> set[tuple[str, Role]]:
        return {(each.iri, each.role) for each in who}

    same = listed(one) == listed(other) and rev == later
    assert (token_of(one, rev) == token_of(other, later)) is same
    assert token_of(list(reversed(one)), rev) == token_of(one, rev)


@given(st.text(max_size=80))
def test_nothing_but_the_token_passes(stamp: str) -> None:
    now = Audience([reader(1)], [], token_of([reader(1)], 3))
    if stamp.partition(".")[0] == now.token:
        return
    with pytest.raises(AudienceChanged):
        check(now, stamp)


def test_a_stamp_says_who_came_and_went_since() -> None:
    later = NOW + timedelta(hours=1)
    came = replace(reader(2), since=later)
    went = replace(reader(3), until=later)
    before = replace(reader(4), until=NOW - timedelta(days=1))
    now = Audience([reader(1), came], [], token_of([reader(1), came], 4), [went, before])
    check(now, stamped(now.token, NOW))
    with pytest.raises(AudienceChanged) as changed:
        check(now, stamped(token_of([reader(1), went], 3), NOW))
    assert changed.value.difference == Difference([came], [went], 2)


def test_the_refusal_names_people_by_name_or_else_by_iri() -> None:
    later = NOW + timedelta(hours=1)
    nameless, named = replace(reader(2), name="", since=later), replace(reader(3), since=later)
    gone = [replace(each, until=later, since=NOW) for each in (replace(reader(4), name=""), reader(5))]
    now = Audience([reader(1), nameless, named], [], token_of([reader(1), nameless, named], 4), gone)
    with pytest.raises(AudienceChanged) as changed:
        check(now, stamped("0", NOW))
    assert changed.value.members == {"came": [nameless.iri, "P3"], "went": [gone[0].iri, "P5"]}
    assert changed.value.audience is now


def test_the_refusal_is_said_in_the_language_of_the_reader(aubier: House) -> None:
    now = Audience([reader(1)], [], token_of([reader(1)], 3))
    said = []
    for language in ("en", "fr"):
        with (
            aubier.app.test_request_context(),
            force_locale(language),
            pytest.raises(AudienceChanged) as changed,
        ):
            check(now, "0")
        with aubier.app.test_request_context(), force_locale(language):
            said.append(str(changed.value.safe))
    assert said[0]
    assert said[0] != said[1]


def test_a_token_without_its_moment_holds_too() -> None:
    now = Audience([reader(1)], [], token_of([reader(1)], 3))
    check(now, now.token)


def test_who_had_gone_when_the_list_was_shown_is_not_named() -> None:
    now = Audience([reader(1)], [], token_of([reader(1)], 3), [replace(reader(2), until=NOW)])
    assert difference(now, stamped("0", NOW).partition(".")[2]) == Difference([], [], 1)
    assert difference(now, "no moment") == Difference([], [], 1)


def test_those_whom_the_exchange_was_stopped_with_are_named_when_nobody_came_or_went() -> None:
    later = NOW + timedelta(hours=1)
    came, went = replace(reader(2), since=later), replace(reader(3), until=later)
    apart, moment = [reader(4)], stamped("0", NOW).partition(".")[2]

    def since(people: list[Reader], gone: list[Reader]) -> Difference:
        return difference(Audience([reader(1), *people], [], "", gone, apart), moment)

    assert since([], []) == Difference([], apart, 2)
    assert since([came], []) == Difference([came], [], 1)
    assert since([], [went]) == Difference([], [went], 2)


def test_who_is_told_nothing_reads_nothing_and_stands_apart(aubier: House, nord: House) -> None:
    peered(aubier, nord)
    zora, nils, anna = aubier.person("Zora"), nord.person("Nils"), nord.person("anna")
    key = aubier.space(zora)
    iri = opened(aubier, nord, key, zora, nils)
    for person in (nils, anna):
        nord.join(person, iri, aubier)
    aubier.relations.stop(aubier.partner(nord).key, [iri], MARIE)
    with aubier.ground.database.reading() as session:
        number = aubier.fact("SELECT id FROM space WHERE iri = :iri", iri=iri)
        found = audience(session, aubier.ground, number)
    assert [each.name for each in found.people] == ["Zora"]
    assert [each.name for each in found.apart] == ["anna", "Nils"]
    assert [each.node for each in found.organisations] == [aubier.iri]
    assert found.went == []


def test_whom_the_host_says_to_be_stopped_reads_nothing_but_we_know_best_of_ourselves(
    aubier: House, nord: House
) -> None:
    peered(aubier, nord)
    zora, nils = aubier.person("Zora"), nord.person("Nils")
    key = aubier.space(zora)
    iri = opened(aubier, nord, key, zora, nils)
    nord.join(nils, iri, aubier)
    with aubier.ground.database.writing() as session:
        session.execute(update(tables.MemberNode).values(stopped=True))
    with aubier.ground.database.reading() as session:
        number = aubier.fact("SELECT id FROM space WHERE iri = :iri", iri=iri)
        found = audience(session, aubier.ground, number)
    assert [each.name for each in found.people] == ["Zora"]
    assert [each.name for each in found.apart] == ["Nils"]
    assert [each.node for each in found.organisations] == [aubier.iri]


def test_people_come_by_name_and_organisations_as_they_entered(aubier: House, nord: House) -> None:
    peered(aubier, nord)
    zora, alma = aubier.person("Zora"), aubier.person("alma")
    key = aubier.space(zora)
    iri = aubier.iri_of(key)
    use.add_member(aubier.ground, aubier.by(zora), key, alma.wire_id)
    opened(aubier, nord, key, zora, nord.person("Nils"))

    def listed() -> Audience:
        with aubier.ground.database.reading() as session:
            return audience(
                session, aubier.ground, aubier.fact("SELECT id FROM space WHERE iri = :iri", iri=iri)
            )

    def rev() -> int:
        return int(aubier.fact("SELECT member_rev FROM space WHERE iri = :iri", iri=iri))

    before = listed()
    assert [each.name for each in before.people] == ["alma", "Zora"]
    assert [each.node for each in before.organisations] == [aubier.iri, nord.iri]
    assert (before.token, before.went) == (token_of(before.people, rev()), [])
    use.leave(aubier.ground, aubier.by(alma), key)
    after = listed()
    assert ([each.name for each in after.people], [each.name for each in after.went]) == (["Zora"], ["alma"])
    (gone,) = after.went
    assert gone.since == before.people[0].since
    assert gone.until is not None
    assert gone.until >= gone.since
    assert after.token == token_of(after.people, rev())
    assert after.token != before.token


def test_the_preview_is_who_can_read_it(aubier: House, nord: House, leroux: House) -> None:
    """Membership changes step by step; at each the preview names exactly those who then find the post."""
    peered(aubier, nord)
    peered(aubier, leroux)
    houses = {"aubier": aubier, "nord": nord, "leroux": leroux}
    crowd = {
        house: [node.person(f"{house.capitalize()} {letter}") for letter in "ABC"]
        for house, node in houses.items()
    }
    first = crowd["aubier"][0]
    key = aubier.space(first)
    iri = aubier.iri_of(key)
    steps: list[Callable[[], object]] = [
        lambda: use.add_member(aubier.ground, aubier.by(first), key, crowd["aubier"][1].wire_id),
        lambda: opened(aubier, nord, key, first, crowd["nord"][0]),
        lambda: nord.join(crowd["nord"][0], iri, aubier),
        lambda: nord.join(crowd["nord"][1], iri, aubier),
        lambda: opened(aubier, leroux, key, first, crowd["leroux"][0]),
        lambda: leroux.join(crowd["leroux"][2], iri, aubier),
        lambda: use.leave(nord.ground, nord.by(crowd["nord"][1]), nord.key_of(iri)),
        lambda: use.leave(aubier.ground, aubier.by(crowd["aubier"][1]), key),
        lambda: sharing.leave_as_organisation(
            leroux.ground, leroux.by(crowd["leroux"][0]), leroux.key_of(iri)
        ),
    ]
    for number, step in enumerate(steps):
        step()
        for house in houses.values():
            exchange_all(aubier, nord, leroux)
            house.settle_jobs()
        exchange_all(aubier, nord, leroux)
        preview = {each.iri for each in aubier.readers(iri)}
        said = posting.begin(
            aubier.ground, aubier.by(first), key, Draft(f"Numéro {number}.", title=f"Numéro {number}")
        )
        exchange_all(aubier, nord, leroux)
        found = set()
        for name, house in houses.items():
            for person in crowd[name]:
                with house.ground.database.reading() as session:
                    try:
                        seen, _, _ = reading.thread_of_post(session, said.post, person.actor)
                    except Absent:
                        continue
                assert seen.html == f"<p>Numéro {number}.</p>\n"
                found.add(person.actor)
        assert found == preview, number
