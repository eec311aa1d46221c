"""The fence, case by case: what an agreement lets pass (PROTOCOL 2.a.5, 2.d; SECURITY C18).

`charter.golden` has a line for each agreement and act, with the rule that stops each speaker; a change of the rules
shows there. `python -m tests.federation.test_charter` writes it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import activity, charter, documents, fence
from federation.activity import CONTEXT, Activity, Document
from federation.authority import CONTROL, ORDERED, Thing
from federation.errors import (
    AgreementSuspended,
    Forbidden,
    InsufficientAuthentication,
    NoAgreement,
    OtherAgreement,
    OutOfScope,
)
from federation.ports import Relation, State
from schemas.as2 import agreement as agreements
from tests.federation.world import Node, Pair, Worlds, effects, problem_of

GOLDEN = Path(__file__).with_name("charter.golden")
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
MOMENT = "2026-11-24T08:00:00Z"

HOST, GUEST, THIRD = (f"https://{name}.example/actor" for name in ("north", "south", "east"))
SPACE, UNLISTED = "https://north.example/spaces/1", "https://north.example/spaces/2"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"

#: Who speaks: an actor, and the node under whose authority it comes.
SPEAKERS = {
    "host": ("https://north.example/people/1", HOST),
    "guest": ("https://south.example/people/1", GUEST),
    "third": ("https://east.example/people/1", THIRD),
    "guest's node": (GUEST, GUEST),
}


def party(node: str, role: str) -> charter.Party:
    origin = node.removesuffix("/actor")
    domain = origin.removeprefix("https://")
    return charter.Party(node, domain, role, (domain,), origin, (), f"{origin}/streams/1", "")


def _agreement() -> Document:
    drafted = charter.draft(
        "https://north.example/peering/agreements/1", party(HOST, "host"), party(GUEST, "partner"), NOW
    )
    drafted["scope"]["maxObjectBytes"] = 2000
    return drafted


def _relation(agreement: Document, **members: Any) -> Relation:
    return Relation(
        id="1",
        node=GUEST,
        name="South",
        state=State.IN_FORCE,
        keys=(),
        inbox="",
        exchange="",
        invite="",
        agreement=agreement,
        proven=members.pop("proven", frozenset({"south.example"})),
        **members,
    )


def _scope(**members: Any) -> Callable[[Document], None]:
    return lambda agreement: agreement["scope"].update(members)


def _listed(**members: Any) -> Callable[[Document], None]:
    return _scope(spaces=[{"id": SPACE, **members}])


def _identity(**members: Any) -> Callable[[Document], None]:
    return lambda agreement: agreement["identity"].update(members)


def _without(name: str, value: str) -> Callable[[Document], None]:
    return lambda agreement: agreement["scope"][name].remove(value)


def _class(name: str) -> Document:
    return {"class": name, "personalData": True, "retention": "P2Y", "afterEnd": "P30D"}


_CLASSES = [_class("partner"), _class("restricted")]

#: By name, each the draft with these changes.
CHARTERS: dict[str, tuple[Callable[[Document], None], ...]] = {
    "as drafted": (),
    "the space listed": (_listed(direction="both", replica="full"), _scope(allowNewSpaces="none")),
    "another space listed": (_scope(spaces=[{"id": UNLISTED}], allowNewSpaces="none"),),
    "only the host speaks": (_listed(direction="out"),),
    "only the guest speaks": (_listed(direction="in"),),
    "no Create": (_without("activityTypes", "Create"),),
    "no Delete": (_without("activityTypes", "Delete"),),
    "no Announce": (_without("activityTypes", "Announce"),),
    "no Article": (_without("objectTypes", "Article"),),
    "two classes": (_scope(dataClasses=_CLASSES),),
    "two classes, the space of the first": (_scope(dataClasses=_CLASSES), _listed(dataClass="partner")),
    "two classes, the space of the second": (_scope(dataClasses=_CLASSES), _listed(dataClass="restricted")),
    "no class": (_scope(dataClasses=[]),),
    "the space of a class that went": (_listed(dataClass="restricted"),),
    "small objects": (_scope(maxObjectBytes=900),),
    "small files": (_scope(maxFileBytes=1000),),
    "papers and pictures": (_scope(mediaTypes=["application/pdf", "image/*"]),),
    "the public allowed": (_scope(publicAddressing="allowed"),),
    "of two alone": (_scope(onwardTransfer="none"),),
    "strong sign-in": (_identity(minAcr=["phr", "phrh"]),),
    "fresh sign-in": (_identity(maxAuthAge=3600),),
    "own domains": (_identity(emailDomains="declared-only"),),
    "any domains": (_identity(emailDomains="any"),),
}


def _note(**members: Any) -> Document:
    return {"id": "https://x.example/o/1", "type": "Note", "content": "<p>Rev C.</p>", **members}


def _file(**members: Any) -> Document:
    return {"type": "Document", "mediaType": "application/pdf", "size": 500, **members}


def _create(**members: Any) -> Document:
    return {"type": "Create", "object": _note(**members)}


def _signed_in(**members: Any) -> Document:
    """A Note with `authn`; "HOME" stands for the author's own origin or domain."""
    claim = {
        "iss": "https://HOME",
        "acr": "phr",
        "auth_time": int(NOW.timestamp()) - 60,
        "email_domain": "HOME",
    }
    return {**_create(), "authn": {**claim, **members}}


ACTS: dict[str, Document] = {
    "a Note": _create(),
    "an Article": _create(type="Article"),
    "an Event": _create(type="Event"),
    "a long Note": _create(content="x" * 1200),
    "a Note beyond all": _create(content="x" * 2000),
    "a Note labelled partner": _create(dataClass="partner"),
    "a Note labelled restricted": _create(dataClass="restricted"),
    "a Note labelled secret": _create(dataClass="secret"),
    "a Note with a label that is none": _create(dataClass=["partner"]),
    "a Create labelled restricted": {**_create(), "dataClass": "restricted"},
    "a paper labelled restricted": _create(attachment=[_file(dataClass="restricted")]),
    "a paper": _create(attachment=[_file()]),
    "a large paper": _create(attachment=[_file(), _file(size=5000)]),
    "a paper of no size": _create(attachment=[{"type": "Document", "mediaType": "application/pdf"}]),
    "a paper of negative size": _create(attachment=[_file(size=-1)]),
    "a paper of true size": _create(attachment=[_file(size=True)]),
    "a picture": _create(attachment=_file(mediaType="image/png")),
    "a page": _create(attachment=[_file(mediaType="text/HTML; charset=utf-8")]),
    "a file of no type": _create(attachment=[{"type": "Document", "size": 5}]),
    "a reference to a file": _create(attachment=["https://x.example/f/1"]),
    "a Document": _create(**_file(mediaType="video/mp4", size=2000)),
    "to Public": {**_create(), "to": [PUBLIC]},
    "cc as:Public": {**_create(), "cc": "as:Public"},
    "cc Public, the word": {**_create(), "cc": {"id": "Public"}},
    "a Note to Public": _create(cc=[PUBLIC]),
    "a Public far inside": _create(tag=[{"type": "Note", "attachment": [{"audience": "as:Public"}]}]),
    "an Update": {"type": "Update", "object": _note()},
    "a Delete": {"type": "Delete", "object": "https://x.example/o/1"},
    "a Delete of a Tombstone": {
        "type": "Delete",
        "object": {"id": "https://x.example/o/1", "type": "Tombstone"},
    },
    "a recall": {"type": "Delete", "object": "https://x.example/o/1", "recall": {"mode": "erase"}},
    "a recall to Public": {
        "type": "Delete",
        "object": "https://x.example/o/1",
        "recall": {"mode": "erase"},
        "to": PUBLIC,
    },
    "a Create that says recall": {**_create(), "recall": {"mode": "erase"}},
    "a Like": {"type": "Like", "object": "https://x.example/o/1"},
    "an Undo": {"type": "Undo", "object": {"id": "https://x.example/a/1", "type": "Like"}},
    "a Join": {"type": "Join", "object": SPACE},
    "a Leave": {"type": "Leave", "object": SPACE},
    "an Add": {"type": "Add", "object": "https://x.example/people/2"},
    "a Flag": {"type": "Flag", "object": "https://x.example/o/1"},
    "signed in well": _signed_in(),
    "signed in weakly": _signed_in(acr="pwd"),
    "signed in without a level": _signed_in(acr=None),
    "signed in long ago": _signed_in(auth_time=int(NOW.timestamp()) - 3601),
    "signed in an hour ago": _signed_in(auth_time=int(NOW.timestamp()) - 3600),
    "signed in tomorrow": _signed_in(auth_time=int(NOW.timestamp()) + 301),
    "signed in at a text": _signed_in(auth_time="1795442400"),
    "signed in elsewhere": _signed_in(iss="https://idp.example"),
    "signed in nowhere": _signed_in(iss="HOME"),
    "of another domain": _signed_in(email_domain="other.example"),
    "of no domain": _signed_in(email_domain=None),
    "a claim that is none": {**_create(), "authn": "phr"},
}


def _said(document: Document, actor: str) -> Activity:
    home = actor.split("/")[2]
    whole = {
        "@context": list(CONTEXT),
        "id": "https://x.example/a/1",
        "actor": actor,
        "published": MOMENT,
        "audience": SPACE,
        **document,
    }
    raw = documents.dumps(whole).replace(b"HOME", home.encode())
    return activity.of(documents.loads(raw), raw)


def _under(name: str) -> Document:
    agreement = _agreement()
    for change in CHARTERS[name]:
        change(agreement)
    return agreement


def _decision(relation: Relation, act: str, speaker: str) -> str:
    actor, node = SPEAKERS[speaker]
    rule = fence.broken(fence.case_of(relation, _said(ACTS[act], actor), SPACE, node))
    return "passes" if rule is None else rule.name


def lines() -> Iterator[str]:
    """For each agreement and act: by which rule each speaker is stopped."""
    for name in CHARTERS:
        relation = _relation(_under(name))
        for act in ACTS:
            decisions = {speaker: _decision(relation, act, speaker) for speaker in SPEAKERS}
            same = set(decisions.values())
            told = (f"{who}: {decision}" for who, decision in decisions.items())
            yield f"{name}, {act}: {same.pop() if len(same) == 1 else '; '.join(told)}"


def test_every_case_is_decided_as_it_was() -> None:
    now = list(lines())
    assert now == GOLDEN.read_text(encoding="utf-8").splitlines()
    assert len(now) >= 300


@pytest.mark.parametrize("name", CHARTERS)
def test_an_agreement_of_the_table_is_one(name: str) -> None:
    document = _under(name)
    for side in document["parties"]:
        side["keys"] = ["z6MksJULaopXiBJvxuT4km1yycsb4icQLG6qQjg4M9m5LxJi"]
    went = name == "the space of a class that went"
    assert agreements.objections(document) == (
        "scope.spaces: The class of a space is one of `dataClasses`." if went else ""
    )


def test_each_rule_stops_something() -> None:
    under = {name: _relation(_under(name)) for name in CHARTERS}
    stopped = {
        _decision(under[name], act, speaker) for name, act, speaker in product(CHARTERS, ACTS, SPEAKERS)
    }
    assert stopped == {"passes", *(each.name for each in fence.RULES)} - {"stopped"}


def test_control_is_never_speech() -> None:
    assert not CONTROL & ORDERED - {("Update", thing) for _, thing in CONTROL}


# -- a narrower agreement lets nothing more pass


def _narrowings(agreement: Document) -> Iterator[Callable[[Document], None]]:
    scope, identity = agreement["scope"], agreement["identity"]
    for member in ("activityTypes", "objectTypes"):
        yield from (_without(member, value) for value in scope[member])
    yield from (
        _scope(dataClasses=[kept for kept in scope["dataClasses"] if kept != gone])
        for gone in scope["dataClasses"]
        if gone["class"] == "restricted" or not any("dataClass" in each for each in scope["spaces"])
    )
    yield from (_scope(**{member: scope[member] // 2}) for member in ("maxObjectBytes", "maxFileBytes"))
    yield _scope(onwardTransfer="none")
    yield _scope(publicAddressing="forbidden")
    yield _scope(allowNewSpaces="none")
    yield _scope(allowNewSpaces="none", spaces=scope["spaces"][1:])
    yield _scope(mediaTypes=scope.get("mediaTypes", ["image/*", "application/pdf"])[:1])
    if scope["spaces"] and scope["spaces"][0].get("direction", "both") == "both":
        yield from (
            _scope(spaces=[{**scope["spaces"][0], "direction": one}, *scope["spaces"][1:]])
            for one in ("in", "out")
        )
    if scope["spaces"] and "dataClass" not in scope["spaces"][0]:
        yield _scope(spaces=[{**scope["spaces"][0], "dataClass": "partner"}, *scope["spaces"][1:]])
    accepted = identity["minAcr"]
    yield _identity(minAcr=accepted[:-1] if len(accepted) > 1 else accepted or ["phr"])
    yield _identity(maxAuthAge=min(identity["maxAuthAge"] or 3600, 1800))
    yield _identity(emailDomains="declared-only")


@given(st.data())
def test_a_narrower_agreement_lets_nothing_more_pass(data: st.DataObject) -> None:
    agreement = _under(data.draw(st.sampled_from(sorted(CHARTERS))))
    act, speaker = data.draw(st.sampled_from(sorted(ACTS))), data.draw(st.sampled_from(sorted(SPEAKERS)))
    before = _decision(_relation(agreement), act, speaker)
    for _ in range(data.draw(st.integers(1, 4))):
        narrower = deepcopy(agreement)
        data.draw(st.sampled_from(list(_narrowings(agreement))))(narrower)
        after = _decision(_relation(narrower), act, speaker)
        assert before == "passes" or after != "passes"
        agreement, before = narrower, after
    stopped = _decision(_relation(agreement, stopped_here=frozenset({SPACE})), act, speaker)
    assert before == "passes" or stopped != "passes"
    unproven = _decision(_relation(agreement, proven=frozenset()), act, speaker)
    assert before == "passes" or unproven != "passes"


# -- what the table does not show


@pytest.mark.parametrize(("size", "passes"), [(-1, False), (0, True), (1000, True), (1001, False)])
def test_a_file_has_nothing_up_to_the_most_that_is_agreed(size: int, passes: bool) -> None:
    relation = _relation(_under("small files"))
    said = _said(_create(attachment=[_file(size=size)]), SPEAKERS["guest"][0])
    assert (fence.broken(fence.case_of(relation, said, SPACE, GUEST)) is None) is passes


def test_a_limit_is_what_was_agreed_and_else_what_one_says() -> None:
    relation = _relation(_agreement())
    assert charter.limit(relation, "maxObjectBytes", 7) == 2000
    assert charter.limit(relation, "maxUnheardOf", 7) == 7
    assert charter.limit(replace(relation, agreement=None), "maxObjectBytes", 7) == 7


def test_a_space_is_covered_when_it_is_listed_or_may_be_offered() -> None:
    charter.covers_space(_relation(_under("the space listed")), SPACE)
    with pytest.raises(OutOfScope):
        charter.covers_space(_relation(_under("another space listed")), SPACE)
    by_invite = _agreement()
    by_invite["scope"].pop("spaces", None)
    charter.covers_space(_relation(by_invite), SPACE)
    by_invite["scope"]["allowNewSpaces"] = "none"
    with pytest.raises(OutOfScope):
        charter.covers_space(_relation(by_invite), SPACE)
    with pytest.raises(OutOfScope):
        charter.covers_space(replace(_relation(_agreement()), agreement=None), SPACE)


@pytest.mark.parametrize("act", ["a Note", "a Like", "a Delete", "a Join", "a Leave"])
def test_a_stopped_space_lets_nothing_pass(act: str) -> None:
    relation = _relation(_agreement(), stopped_here=frozenset({SPACE}))
    assert {_decision(relation, act, speaker) for speaker in SPEAKERS} == {"stopped"}
    assert _decision(relation, "a recall", "guest") == "passes"
    with pytest.raises(OutOfScope):
        charter.covers_space(relation, SPACE)
    charter.covers_space(relation, UNLISTED)


def test_another_space_goes_on_while_one_is_stopped() -> None:
    relation = _relation(_agreement(), stopped_here=frozenset({UNLISTED}))
    assert _decision(relation, "a Note", "guest") == "passes"


def test_a_domain_that_is_not_proven_is_not_believed() -> None:
    relation = _relation(_under("own domains"), proven=frozenset({"other.example"}))
    assert _decision(relation, "signed in well", "guest") == "identity"
    assert (
        _decision(relation, "signed in well", "host") == "passes"
    )  # we are the other side: declared is enough
    assert _decision(relation, "of another domain", "guest") == "identity"


def test_spaces_and_wrappers_are_asked_less() -> None:
    wrapped = {"type": "Announce", "rev": 1, "object": {**_said(_create(cc=PUBLIC), SPACE).document}}
    for name in ("strong sign-in", "small objects", "only the guest speaks", "of two alone"):
        relation = _relation(_under(name))
        fence.covers(relation, _said(wrapped, SPACE), SPACE, HOST)
    with pytest.raises(OutOfScope):
        fence.covers(_relation(_agreement()), _said({**wrapped, "to": PUBLIC}, SPACE), SPACE, HOST)
    with pytest.raises(OutOfScope):
        fence.covers(_relation(_under("no Announce")), _said(wrapped, SPACE), SPACE, HOST)


def test_an_unknown_direction_is_none() -> None:
    agreement = _agreement()
    _listed(direction="sideways")(agreement)
    assert _decision(_relation(agreement), "a Note", "guest") == "direction"


def test_nothing_is_covered_without_an_agreement() -> None:
    relation = replace(_relation(_agreement()), agreement=None)
    with pytest.raises(OutOfScope):
        fence.covers(relation, _said(_create(), SPEAKERS["guest"][0]), SPACE, GUEST)


@pytest.mark.parametrize(
    ("changes", "members"),
    [
        ((_identity(minAcr=["phr", "phrh"]),), {"acr_values": "phr phrh"}),
        ((_identity(maxAuthAge=3600),), {"max_age": 3600}),
        ((_identity(minAcr=["phr"], maxAuthAge=60),), {"acr_values": "phr", "max_age": 60}),
        ((_identity(emailDomains="declared-only"),), {}),
    ],
)
def test_says_which_sign_in_is_needed(
    changes: tuple[Callable[[Document], None], ...], members: dict[str, object]
) -> None:
    agreement = _agreement()
    for change in changes:
        change(agreement)
    with pytest.raises(InsufficientAuthentication) as refusal:
        fence.covers(_relation(agreement), _said(_create(), SPEAKERS["guest"][0]), SPACE, GUEST)
    problem = refusal.value.document()
    assert problem["type"] == "https://w3id.org/parvis/v1#insufficient-authentication"
    assert problem["status"] == 403
    assert refusal.value.members == {"rule": "identity", **members}


@pytest.mark.parametrize(
    ("identity", "demands"),
    [
        ({"minAcr": [], "maxAuthAge": None, "emailDomains": "none"}, False),
        ({"minAcr": [], "maxAuthAge": None, "emailDomains": "any"}, False),
        ({"minAcr": ["phr"], "maxAuthAge": None, "emailDomains": "none"}, True),
        ({"minAcr": [], "maxAuthAge": 1, "emailDomains": "none"}, True),
        ({"minAcr": [], "maxAuthAge": None, "emailDomains": "declared-only"}, True),
    ],
)
def test_what_asks_for_a_claim(identity: Document, demands: bool) -> None:
    assert charter.is_demanding(identity) is demands


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [(0, 10, True), (300, 900, True), (301, 900, False), (-20, -10, False), (-10, 0, False)],
)
def test_an_agreement_holds_from_its_start_to_its_end(start: int, end: int, holds: bool) -> None:
    agreement = _agreement()
    for member, seconds in (("startTime", start), ("endTime", end)):
        agreement[member] = f"{NOW + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
    if holds:
        charter.check_in_force(_relation(agreement), NOW)
        return
    with pytest.raises(NoAgreement):
        charter.check_in_force(_relation(agreement), NOW)


def test_the_version_in_force_is_named_or_the_one_before() -> None:
    relation = _relation({**_agreement(), "previousVersion": "zBefore"}, agreement_digest="zNow")
    charter.check_digest("zNow", relation)
    charter.check_digest("zBefore", relation)
    for named in (None, "zOther"):
        with pytest.raises(OtherAgreement) as refusal:
            charter.check_digest(named, relation)
        assert refusal.value.members == {"agreement": "zNow"}
    first = _relation({**_agreement(), "previousVersion": None}, agreement_digest="zNow")
    for without in (first, replace(first, agreement=None)):
        with pytest.raises(OtherAgreement):
            charter.check_digest(None, without)


def test_a_third_organisation_needs_an_agreement_that_allows_it() -> None:
    charter.covers_roster(_relation(_agreement()), 3)
    for relation in (_relation(_under("of two alone")), replace(_relation(_agreement()), agreement=None)):
        charter.covers_roster(relation, 2)
        with pytest.raises(OutOfScope):
            charter.covers_roster(relation, 3)


def test_until_both_have_compared_a_new_key_only_keys_and_invitations_pass() -> None:
    relation = _relation(_agreement(), recompare=True)
    for act in ("Update", Thing.ACTOR), ("Update", Thing.INVITE):
        charter.check_in_force(relation, NOW, act)
    for refused in (None, ("Create", Thing.OBJECT), ("Create", Thing.RECEIPT)):
        with pytest.raises(AgreementSuspended):
            charter.check_in_force(relation, NOW, refused)


def test_while_suspended_control_passes_and_all_else_is_told_when_to_ask_again() -> None:
    relation = replace(_relation(_agreement()), state=State.SUSPENDED)
    charter.check_in_force(relation, NOW, ("Create", Thing.RECEIPT))
    for act in (None, ("Create", Thing.OBJECT)):
        with pytest.raises(AgreementSuspended) as refusal:
            charter.check_in_force(relation, NOW, act)
        assert refusal.value.members == {"retry_after": charter.SUSPENDED_RETRY_S}


# -- at the door, in both directions


def _agree(pair: Pair | Worlds, *changes: Callable[[Document], None], **members: Any) -> None:
    """Both sides hold this agreement from now, for the space of the world too."""
    for node, other in ((pair.north, pair.south), (pair.south, pair.north)):
        relation = node.relation(other)
        agreement = deepcopy(relation.agreement)
        assert agreement is not None
        for change in changes:
            change(agreement)
        for entry in agreement["scope"]["spaces"]:
            entry["id"] = entry["id"].replace(SPACE, pair.space)
        node.store.rows.relations[other.iri] = replace(relation, agreement=agreement, **members)


DOORS: dict[str, tuple[str, str]] = {
    "space": ("another space listed", "a Note"),
    "direction": ("only the host speaks", "a Note"),
    "activity type": ("no Create", "a Note"),
    "object type": ("no Article", "an Article"),
    "data class": ("two classes, the space of the first", "a Note labelled restricted"),
    "object size": ("small objects", "a long Note"),
    "file size": ("small files", "a large paper"),
    "media type": ("papers and pictures", "a page"),
    "public": ("as drafted", "a Note to Public"),
    "public, as:": ("as drafted", "cc as:Public"),
    "public, the word": ("as drafted", "cc Public, the word"),
    "identity": ("strong sign-in", "signed in weakly"),
}


def _document(pair: Pair, act: str, node: Node, author: str) -> Document:
    """An act of the table, as `author` says it in the space of the world."""
    document = deepcopy(ACTS[act])
    document["object"] = node.note(
        author, pair.space, "x", **{name: value for name, value in document["object"].items() if name != "id"}
    )
    return document


@pytest.mark.parametrize("rule", DOORS)
def test_what_lies_outside_does_not_enter(pair: Pair, rule: str) -> None:
    name, act = DOORS[rule]
    _agree(pair, *CHARTERS[name])
    document = _document(pair, act, pair.south, pair.sven)
    before = effects(pair.north)
    exception = pair.say(pair.line(pair.activity(**document)))
    assert exception["outcome"] == "rejected"
    assert problem_of(exception) == ("insufficient-authentication" if rule == "identity" else "out-of-scope")
    assert effects(pair.north) == before
    assert pair.north.store.rows.notes[-1][0] == "exchange.line-rejected"


@pytest.mark.parametrize("rule", DOORS)
def test_what_lies_outside_does_not_leave_for_the_host(pair: Pair, rule: str) -> None:
    name, act = DOORS[rule]
    _agree(pair, *CHARTERS[name])
    before = effects(pair.south)
    with pytest.raises(Forbidden) as refusal:
        pair.south.say(pair.sven, _document(pair, act, pair.south, pair.sven), pair.space)
    assert isinstance(refusal.value, OutOfScope | InsufficientAuthentication)
    assert effects(pair.south) == before


@pytest.mark.parametrize("rule", sorted(DOORS.keys() - {"direction"}))
def test_what_lies_outside_does_not_leave_the_host(pair: Pair, rule: str) -> None:
    name, act = DOORS[rule]
    _agree(pair, *CHARTERS[name])
    before = effects(pair.north)
    with pytest.raises(Forbidden):
        pair.north.say(pair.anna, _document(pair, act, pair.north, pair.anna), pair.space)
    assert effects(pair.north) == before


def test_the_host_does_not_speak_where_only_the_guest_does(pair: Pair) -> None:
    _agree(pair, *CHARTERS["only the guest speaks"])
    with pytest.raises(OutOfScope):
        pair.north.post(pair.anna, pair.space, "not here")
    pair.south.post(pair.sven, pair.space, "here")
    pair.south.deliver(pair.north)
    pair.north.deliver(pair.south)
    assert pair.north.texts(pair.space) == pair.south.texts(pair.space) == ["here"]


def test_a_stopped_space_is_closed_at_both_doors(pair: Pair) -> None:
    _agree(pair, stopped_here=frozenset({pair.space}))
    before = effects(pair.north)
    assert problem_of(pair.say(pair.line(pair.activity()))) == "out-of-scope"
    assert effects(pair.north) == before
    with pytest.raises(OutOfScope):
        pair.south.post(pair.sven, pair.space, "x")


def test_a_partner_who_stops_a_space_stops_it_for_nobody_else(worlds: Worlds) -> None:
    _agree(worlds, stopped_here=frozenset({worlds.space}))
    worlds.north.post(worlds.anna, worlds.space, "to the others")
    worlds.north.write_roster(worlds.space)
    worlds.settle()
    assert worlds.east.texts(worlds.space) == worlds.north.texts(worlds.space) == ["to the others"]
    assert worlds.south.texts(worlds.space) == []
    assert (
        worlds.south.store.rows.spaces[worlds.space].roster
        == worlds.north.store.rows.spaces[worlds.space].roster
    )


def test_who_signed_in_as_agreed_is_heard(pair: Pair) -> None:
    _agree(pair, _identity(minAcr=["phr"], maxAuthAge=3600))
    claim = {
        "iss": pair.south.settings.origin,
        "acr": "phr",
        "auth_time": int(pair.clock.now.timestamp()) - 10,
    }
    note = pair.south.note(pair.sven, pair.space, "strong")
    pair.south.say(pair.sven, {"type": "Create", "object": note, "authn": claim}, pair.space)
    pair.south.deliver(pair.north)
    assert pair.north.texts(pair.space) == ["strong"]


def test_a_third_organisation_is_not_heard_where_two_are_alone(worlds: Worlds) -> None:
    _agree(worlds, _scope(onwardTransfer="none"))
    before = effects(worlds.north)["objects"]
    worlds.east.post(worlds.elsa, worlds.space, "from the third")
    worlds.east.deliver(worlds.north)
    assert effects(worlds.north)["objects"] == before
    east = worlds.east.store.rows.objects.values()
    assert [each.refused is not None for each in east] == [True]


if __name__ == "__main__":
    GOLDEN.write_text("\n".join(lines()) + "\n", encoding="utf-8")
