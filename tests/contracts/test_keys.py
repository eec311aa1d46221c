"""What every host must answer about keys of partners that change, end, and are kept for what they proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from federation import proofs
from federation.activity import Document
from federation.keys import PublicKey, SigningKey
from federation.ports import Relation, State
from node.core.clock import rfc3339
from tests.contracts.conftest import PARTNER, Host

NODE = f"{PARTNER}/actor"
KEY, OTHER = (SigningKey.generate(f"{NODE}#{name}") for name in ("ed25519", "two"))


def _relation(host: Host) -> Relation:
    with host.open_work() as work:
        found: Relation = work.peers.of_node(NODE)
    return found


def _introduced(host: Host) -> Relation:
    with host.open_work() as work:
        work.handshakes.introduce(NODE, KEY.public, f"{PARTNER}/peering/invites/1")
    return _relation(host)


def _document(*methods: Document) -> Document:
    document = {
        "@context": ["https://www.w3.org/ns/activitystreams"],
        "id": NODE,
        "type": "Application",
        "name": "North",
        "inbox": f"{NODE}/inbox",
        "assertionMethod": list(methods),
    }
    return proofs.sign(document, KEY, "2026-11-24T08:00:00Z")


def _learn(host: Host, *methods: Document) -> None:
    with host.open_work() as work:
        work.actors.learn(_document(*methods), NODE)


def _keys(host: Host) -> list[tuple[PublicKey, str | None]]:
    return [(key, key.expires) for key in _relation(host).keys]


def test_the_keys_of_a_partner_are_replaced_with_ids_ends_and_order(host: Host) -> None:
    relation = _introduced(host)
    former = replace(KEY.public, expires="2026-12-24T08:00:00Z")
    with host.open_work() as work:
        work.handshakes.rekeyed(relation, [OTHER.public, former])
    assert _keys(host) == [(OTHER.public, None), (KEY.public, former.expires)]
    assert not _relation(host).recompare


def test_after_a_revocation_nobody_has_confirmed(host: Host) -> None:
    relation = _introduced(host)
    with host.open_work() as work:
        work.handshakes.confirmed_there(relation)
    confirmed = _relation(host)
    with host.open_work() as work:
        work.handshakes.revoked(confirmed, [OTHER.public], rfc3339(host.clock.now()))
    found = _relation(host)
    assert _keys(host) == [(OTHER.public, None)]
    assert (found.confirmed_here, found.confirmed_there) == (False, False)
    assert (found.state, found.recompare) == (State.KEYS_EXCHANGED, False)  # nothing was agreed on yet


def test_a_key_with_an_end_is_kept_for_what_it_proved(host: Host) -> None:
    now = host.clock.now()
    ends = now + timedelta(days=1)
    _learn(host, OTHER.public.method, replace(KEY.public, expires=rfc3339(ends)).method)
    with host.open_work() as work:
        assert work.actors.key(KEY.key_id) == KEY.public
        assert work.actors.key_at(KEY.key_id, ends + timedelta(seconds=1)) is None
        assert work.actors.key_at(KEY.key_id, now) == KEY.public
        assert work.actors.key_at(f"{NODE}#none", now) is None


def test_a_key_that_a_later_document_leaves_out_has_ended(host: Host) -> None:
    now = host.clock.now()
    _learn(host, KEY.public.method)
    _learn(host, OTHER.public.method)
    with host.open_work() as work:
        assert work.actors.key(OTHER.key_id) == OTHER.public
        assert work.actors.key_at(KEY.key_id, now + timedelta(minutes=1)) is None
        assert work.actors.key_at(KEY.key_id, now - timedelta(minutes=1)) == KEY.public


def test_a_revoked_key_proved_nothing_since_it_was_compromised(host: Host) -> None:
    now = host.clock.now()
    since = now - timedelta(hours=1)
    _learn(host, KEY.public.method)
    ended = {**KEY.public.method, "revoked": rfc3339(now), "compromisedSince": rfc3339(since)}
    _learn(host, OTHER.public.method, ended)
    with host.open_work() as work:
        assert work.actors.key(KEY.key_id) is None
        assert work.actors.key_at(KEY.key_id, since + timedelta(minutes=1)) is None
        assert work.actors.key_at(KEY.key_id, since - timedelta(minutes=1)) == KEY.public
