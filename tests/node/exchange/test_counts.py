"""What a message costs, in counts that no busy machine changes (PERFORMANCE, section 3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event

from federation import delivery, documents
from node.exchange import service as exchange
from node.identity.keyring import keyring_of
from tests.node.exchange.talk import Talk, contents

BATCH = 50


@pytest.fixture
def statements() -> Iterator[list[str]]:
    said: list[str] = []

    def listen(connection: object, cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    yield said
    event.remove(Engine, "before_cursor_execute", listen)


def _parcel(talk: Talk, *, from_host: bool) -> delivery.Parcel:
    sender, receiver = (talk.aubier, talk.nord) if from_host else (talk.nord, talk.aubier)
    settings = exchange.settings_of(sender.ground)
    with exchange.open_reading(sender.ground) as work:
        return delivery.prepare(sender.relation(receiver), work, settings, BATCH)


@pytest.mark.parametrize("from_host", [True, False], ids=["announces", "posts"])
def test_an_accepted_activity_costs_few_statements_and_a_batch_one_commit(
    talk: Talk, statements: list[str], from_host: bool
) -> None:
    say = talk.from_host if from_host else talk.from_guest
    for number in range(BATCH):
        say(str(number))
    parcel = _parcel(talk, from_host=from_host)
    assert len(parcel.entries) == BATCH
    receiver = talk.nord if from_host else talk.aubier
    statements.clear()
    with receiver.ground.database.counting() as count:
        response = talk.aubier.net.send(parcel.request)
    assert response.status == 200
    assert documents.loads(response.body)["exceptions"] == []
    assert count.commits == 1
    assert count.statements / BATCH <= 6, "\n".join(statements)
    assert len(contents(receiver.ground)) == BATCH


def test_an_activity_is_written_once_however_many_partners(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    plain = documents.dumps

    def counted(document: object) -> bytes:
        written.append(plain(document))
        return written[-1]

    monkeypatch.setattr(documents, "dumps", counted)
    talk.from_host("once")
    assert len([raw for raw in written if b"<p>once</p>" in raw]) == 1


def test_no_private_key_is_opened_after_the_first(talk: Talk) -> None:
    talk.from_host("first")
    talk.settle()
    ring = keyring_of(talk.aubier.ground)
    before = ring.opened
    for number in range(5):
        talk.from_host(str(number))
        talk.settle()
    assert ring.opened == before
