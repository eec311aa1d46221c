"""Which domains a node may speak for, by the DNS alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import domains
from federation.domains import Unresolved
from federation.errors import Malformed
from federation.keys import SigningKey

NODE = "https://node.acme.example/actor"
KEY = SigningKey.generate(f"{NODE}#ed25519").public
OTHER = SigningKey.generate(f"{NODE}#ed25519").public
RECORD = domains.record(NODE, KEY)


class Zone:
    """A resolver that answers from a dictionary, and remembers what it was asked."""

    def __init__(self, **records: Sequence[str]) -> None:
        self.records = {name.replace("__", "."): texts for name, texts in records.items()}
        self.asked: list[str] = []

    def texts(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return self.records.get(name.removeprefix("_extranet-node."), ())


class Silent:
    def texts(self, name: str) -> Sequence[str]:
        raise Unresolved(name)


def _speaks(*texts: str, domain: str = "acme.example") -> bool:
    return domains.speaks_for(NODE, (KEY,), domain, Zone(acme__example=texts))


def test_a_record_names_the_node_and_its_key() -> None:
    assert RECORD.startswith(f"v=xn1; node={NODE}; k=")
    zone = Zone(acme__example=(RECORD,))
    assert domains.speaks_for(NODE, (KEY,), "acme.example", zone)
    assert zone.asked == ["_extranet-node.acme.example"]


def test_any_key_of_the_node_will_do() -> None:
    assert domains.speaks_for(NODE, (OTHER, KEY), "acme.example", Zone(acme__example=(RECORD,)))


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("v=spf1 -all",),
        ("",),
        (";;",),
        (RECORD.replace("xn1", "xn2"),),
        (RECORD.replace("node.acme", "node.bolt"),),
        (RECORD.replace("/actor", "/Actor"),),
        (domains.record(NODE, OTHER),),
        (RECORD.partition("; k=")[0],),
        (RECORD.partition("; ")[2] + "; v=xn1",),
        (RECORD + "; node=https://node.bolt.example/actor",),
        (f"v=xn1; node={NODE}; k",),
        ("v=spf1",) * 20 + (RECORD,),
    ],
)
def test_all_else_proves_nothing(texts: tuple[str, ...]) -> None:
    assert not _speaks(*texts)


@pytest.mark.parametrize(
    "texts",
    [
        ("v=spf1 -all", RECORD),
        (domains.record(NODE, OTHER), RECORD),
        (RECORD.replace("; ", ";"),),
        (f" {RECORD} ; note=since 2026; ",),
    ],
)
def test_is_found_among_others(texts: tuple[str, ...]) -> None:
    assert _speaks(*texts)


@pytest.mark.parametrize("domain", ["", "acme", "127.0.0.1", "acme..example", "a b.example", "acme.example."])
def test_what_is_no_name_is_not_asked_for(domain: str) -> None:
    if domain == "acme":
        assert domains.name_of(domain) == "_extranet-node.acme"
        return
    with pytest.raises(Malformed):
        domains.name_of(domain)
    assert not domains.speaks_for(NODE, (KEY,), domain, Silent())


def test_a_name_has_one_spelling() -> None:
    assert domains.name_of("ACME.example") == "_extranet-node.acme.example"
    assert domains.name_of("bücher.example") == "_extranet-node.xn--bcher-kva.example"


def test_silence_is_neither_yes_nor_no() -> None:
    with pytest.raises(Unresolved):
        domains.speaks_for(NODE, (KEY,), "acme.example", Silent())


@given(st.text())
def test_no_other_text_names_the_node(text: str) -> None:
    assert not _speaks(text)
