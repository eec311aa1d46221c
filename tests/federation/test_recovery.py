"""What a partner gives back after a restore: our own words alone, in our own chain."""

from __future__ import annotations

from typing import Any

import pytest

from federation import documents, exchange, recovery
from federation.digest import content_digest
from federation.errors import BadProof, DisputedHistory, NoAgreement, OutOfScope, RemoteError
from federation.keys import SigningKey
from federation.proofs import sign
from tests.federation.world import Pair, effects


@pytest.fixture(autouse=True)
def node_key(pair: Pair) -> None:
    """As a host with tables answers for its own node too."""
    pair.north.store.rows.keys[pair.north.key.key_id] = pair.north.key.public


def _shown(pair: Pair, line: bytes, **changes: Any) -> exchange.Batch:
    """What south shows of north's log: one entry more than north has."""
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        head = work.log.head(relation)
    said = documents.loads(line)
    values = {"stream": relation.stream_out, "seq": head.seq + 1, "prev": head.entry_hash, **changes}
    field = exchange.LogField(values["stream"], values["seq"], 1, values["prev"], relation.agreement_digest)
    entry = exchange.entry(
        field.stream, field.seq, field.prev, said["id"], said["type"], content_digest(line), pair.clock.moment
    )
    return exchange.Batch(field, [entry], [line])


def _ours(pair: Pair, key: SigningKey | None = None, **members: Any) -> bytes:
    said = {**pair.activity(), "id": "https://north.example/a/lost", "actor": pair.north.iri, **members}
    said.pop("audience")
    return documents.dumps(sign({**said, "type": "Update"}, key or pair.north.key, pair.clock.moment))


def test_what_our_key_has_proved_comes_back(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        before = work.log.head(relation).seq
        assert recovery.restore(_shown(pair, _ours(pair)), relation, work, pair.north.settings) == 1
        assert work.log.head(relation).seq == before + 1


def test_an_entry_whose_bytes_are_gone_comes_back_as_an_entry(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    shown = _shown(pair, _ours(pair))
    erased = exchange.Batch(shown.field, shown.entries, [b""])
    with pair.north.work() as work:
        assert recovery.restore(erased, relation, work, pair.north.settings) == 1
        assert work.log.entry(relation, shown.field.seq) == shown.entries[0]
        assert work.log.read(relation, shown.field.seq, 1, 1000) == [(shown.entries[0], b"")]


@pytest.mark.parametrize(
    "case", ["another key", "the partner's words", "another line", "another stream", "another chain"]
)
def test_nothing_else_does(pair: Pair, case: str) -> None:
    forged = SigningKey.generate(pair.north.key.key_id)
    line = _ours(pair)
    shown, error = {
        "another key": (_shown(pair, _ours(pair, forged)), BadProof),
        "the partner's words": (_shown(pair, pair.line(pair.activity())), OutOfScope),
        "another line": (
            exchange.Batch(_shown(pair, line).field, _shown(pair, line).entries, [line + b" "]),
            RemoteError,
        ),
        "another stream": (_shown(pair, line, stream=pair.north.relation(pair.south).stream_in), NoAgreement),
        "another chain": (_shown(pair, line, prev="zQmother"), DisputedHistory),
    }[case]
    before = effects(pair.north)
    with pytest.raises(error), pair.north.work() as work:
        recovery.restore(shown, pair.north.relation(pair.south), work, pair.north.settings)
    assert effects(pair.north) == before


def test_an_entry_that_the_partner_had_receipted_is_not_replaced(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        last = work.log.entry(relation, work.log.acknowledged(relation))
    assert last is not None
    with pytest.raises(DisputedHistory), pair.north.work() as work:
        shown = _shown(pair, _ours(pair), seq=last.seq, prev=last.prev)
        recovery.restore(shown, relation, work, pair.north.settings)
