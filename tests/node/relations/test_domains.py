"""The domains of a partner: what the DNS proves, when it is asked, and what its silence means."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import dns.exception
import dns.resolver
import pytest

from federation import domains as rules
from federation.domains import Unresolved
from node.config.errors import SettingsError
from node.core.clock import SetClock
from node.relations import records
from node.relations.jobs import look_up_domains, look_up_domains_of
from node.relations.services import domains
from tests.node.relations.conftest import MakePeer
from tests.node.relations.peers import Peer, peered
from tests.node.relations.test_doors import parvis


class Zone:
    """A DNS of the test: `records` by domain; it is silent about those in `down`."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.down: set[str] = set()
        self.asked: list[str] = []

    def texts(self, name: str) -> Sequence[str]:
        domain = name.removeprefix("_extranet-node.")
        self.asked.append(domain)
        if domain in self.down:
            raise Unresolved(name)
        return [self.records[domain]] if domain in self.records else []


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    made = Zone()
    monkeypatch.setattr(domains, "resolver", lambda: made)
    return made


@pytest.fixture
def two(aubier: Peer, nord: Peer) -> tuple[Peer, Peer]:
    """Under an agreement in which Nord declares two domains."""
    peered(aubier, nord)
    relation = aubier.relation(nord)
    agreement = json.loads(json.dumps(relation.agreement))
    for side in agreement["parties"]:
        if side["node"] == relation.node:
            side["domains"] = ["nord.example", "acier.example"]
    with aubier.ground.database.writing() as session:
        records.change(session, aubier.ground, int(relation.id), agreement=json.dumps(agreement))
    return aubier, nord


def _confirm(zone: Zone, node: Peer, other: Peer, *names: str) -> None:
    relation = node.relation(other)
    for name in names:
        zone.records[name] = rules.record(relation.node, relation.keys[0])


def _recorded(node: Peer) -> list[str]:
    return [line for line in node.audited() if line.startswith("relation.domain")]


def test_an_agreement_is_followed_by_a_look_at_the_dns(two: tuple[Peer, Peer], zone: Zone) -> None:
    node, other = two
    _confirm(zone, node, other, "nord.example")
    look_up_domains_of.run(node.ground, int(node.relation(other).id))
    assert set(zone.asked) == {"nord.example", "acier.example"}
    assert node.relation(other).proven == {"nord.example"}
    assert [line.partition(" ")[0] for line in _recorded(node)] == ["relation.domain-proven"]


def test_it_is_asked_for_as_soon_as_an_agreement_is_in_force(
    aubier: Peer, nord: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(type(aubier.ground.jobs), "enqueue", lambda _, *job, **__: asked.append(job))
    peered(aubier, nord)
    assert (look_up_domains_of, int(aubier.relation(nord).id)) in asked
    assert (look_up_domains_of, int(nord.relation(aubier).id)) in asked


def test_it_is_asked_again_once_a_day(two: tuple[Peer, Peer], zone: Zone, clock: SetClock) -> None:
    node, other = two
    _confirm(zone, node, other, "nord.example")
    look_up_domains.run(node.ground)
    assert len(zone.asked) == 2
    clock.move(hours=23)
    look_up_domains.run(node.ground)
    assert len(zone.asked) == 2
    del zone.records["nord.example"]
    clock.move(hours=1)
    look_up_domains.run(node.ground)
    assert node.relation(other).proven == frozenset()
    assert [line.partition(" ")[0] for line in _recorded(node)] == [
        "relation.domain-proven",
        "relation.domain-lost",
    ]


def test_silence_keeps_what_was_proven_for_three_days(
    two: tuple[Peer, Peer], zone: Zone, clock: SetClock
) -> None:
    node, other = two
    _confirm(zone, node, other, "nord.example", "acier.example")
    look_up_domains.run(node.ground)
    zone.down.add("nord.example")
    del zone.records["acier.example"]
    clock.move(days=2)
    look_up_domains.run(node.ground)
    assert node.relation(other).proven == {"nord.example"}
    clock.move(days=1)
    look_up_domains.run(node.ground)
    assert node.relation(other).proven == frozenset()


def test_silence_at_first_proves_nothing_and_is_asked_again(two: tuple[Peer, Peer], zone: Zone) -> None:
    node, other = two
    zone.down.update({"nord.example", "acier.example"})
    look_up_domains.run(node.ground)
    assert node.relation(other).proven == frozenset()
    zone.down.clear()
    _confirm(zone, node, other, "nord.example")
    look_up_domains.run(node.ground)
    assert node.relation(other).proven == {"nord.example"}


def test_nothing_is_asked_where_nothing_is_agreed(aubier: Peer, nord: Peer, zone: Zone) -> None:
    look_up_domains.run(aubier.ground)
    look_up_domains_of.run(aubier.ground, 1)
    assert zone.asked == []


def test_our_own_domains_are_declared_and_their_records_shown(
    make_peer: MakePeer, zone: Zone, nord: Peer
) -> None:
    node = make_peer("aubier", email_domains="aubier.example, aubier.test")
    peered(node, nord)
    agreement = nord.relation(node).agreement
    assert agreement is not None
    assert [side["domains"] for side in agreement["parties"]] == [["aubier.example", "aubier.test"], []]
    record = rules.record(f"{node.origin}/actor", nord.relation(node).keys[0])
    zone.records["aubier.example"] = record
    zone.down.add("aubier.test")
    shown = parvis(node, "domains")
    assert f'_extranet-node.aubier.example. TXT "{record}"\tfound' in shown
    assert f'_extranet-node.aubier.test. TXT "{record}"\tno answer' in shown
    look_up_domains.run(nord.ground)
    seen = {each["domain"]: each["proven"] for each in parvis(nord, "domains", "--json")}
    assert seen == {"aubier.example": True, "aubier.test": False}


def test_a_domain_that_is_none_stops_the_start(make_peer: MakePeer) -> None:
    for domain in ("Aubier.example", "aubier", "bücher.example", "aubier.example.", "a b.example"):
        with pytest.raises(SettingsError, match="PARVIS_EMAIL_DOMAINS"):
            make_peer("aubier", email_domains=domain)


def _answer(found: object) -> Callable[..., object]:
    def resolve(name: str, kind: str, **_: object) -> object:
        assert (name, kind) == ("_extranet-node.nord.example.", "TXT")
        if isinstance(found, type):
            raise found
        return found

    return resolve


class Record:
    strings = (b"v=xn1; node=", b"https://nord.example/actor")


def test_a_record_in_several_strings_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns.resolver, "resolve", _answer([Record()]))
    assert domains.resolver().texts("_extranet-node.nord.example") == [
        "v=xn1; node=https://nord.example/actor"
    ]


@pytest.mark.parametrize("none", [dns.resolver.NXDOMAIN, dns.resolver.NoAnswer])
def test_no_record_is_an_answer(monkeypatch: pytest.MonkeyPatch, none: type[Exception]) -> None:
    monkeypatch.setattr(dns.resolver, "resolve", _answer(none))
    assert list(domains.resolver().texts("_extranet-node.nord.example")) == []


@pytest.mark.parametrize("silent", [dns.exception.Timeout, dns.resolver.NoNameservers])
def test_no_answer_is_none(monkeypatch: pytest.MonkeyPatch, silent: type[Exception]) -> None:
    monkeypatch.setattr(dns.resolver, "resolve", _answer(silent))
    with pytest.raises(Unresolved):
        domains.resolver().texts("_extranet-node.nord.example")
