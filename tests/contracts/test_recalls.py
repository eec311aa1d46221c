"""What every host must answer about what was called back, and about bytes that must go."""

from __future__ import annotations

from federation import exchange
from federation.activity import Activity, Document, new_id
from federation.ports import TOMBSTONE, Effect, Mode, Recall, Relation
from tests.contracts.conftest import ORIGIN, Host, activity, announce
from tests.contracts.made import space

WISH = Recall(Mode.ERASE, "mistake", "2026-11-24T09:00:00Z")


def _effect(host: Host, said: Activity, iri: str, rev: int) -> Effect:
    with host.open_work() as work:
        found = work.spaces.get(iri)
    assert found is not None
    return Effect(said, found, said.actor, rev, own=True, relation=None)


def _note(author: str, iri: str) -> Document:
    return {
        "id": f"{ORIGIN}/o/{new_id()}",
        "type": "Note",
        "attributedTo": author,
        "audience": iri,
        "content": "<p>a secret</p>",
        "published": "2026-11-24T08:00:00Z",
    }


def test_erased_bytes_are_gone_inside_announces_too_and_the_id_stays_seen(host: Host) -> None:
    inner = activity(text="a secret")
    wrapped = announce(inner)
    with host.open_work() as work:
        work.journal.keep(inner)
        work.journal.keep(wrapped, inside=inner)
    with host.open_work() as work:
        work.journal.erase(inner.id)
        assert work.journal.get(inner.id) is None
    with host.open_work() as work:
        assert work.journal.get(inner.id) is None
        assert work.journal.get(wrapped.id) is None
        assert work.journal.digest_of(inner.id) == inner.content_digest


def test_what_is_erased_before_it_is_kept_is_kept_without_bytes(host: Host) -> None:
    inner = activity(text="a secret")
    wrapped = announce(inner)
    with host.open_work() as work:
        work.journal.erase(inner.id)
        work.journal.keep(inner)
        work.journal.keep(wrapped, inside=inner)
    with host.open_work() as work:
        assert work.journal.get(inner.id) is None
        assert work.journal.get(wrapped.id) is None
        assert work.journal.digest_of(inner.id) == inner.content_digest


def test_an_erased_line_of_a_log_is_empty(host: Host, relation: Relation) -> None:
    said = activity(text="a secret")
    with host.open_work() as work:
        work.journal.keep(said)
        entry = exchange.append(relation, said, work)
    with host.open_work() as work:
        work.journal.erase(said.id)
    with host.open_work() as work:
        assert work.log.read(relation, 1, 10, 10_000) == [(entry, b"")]


def test_a_recall_is_awaited_and_an_ordinary_delete_is_not(host: Host) -> None:
    iri, manager = space(host)
    for rev, wish in ((2, WISH), (4, None)):
        note = _note(manager, iri)
        create = activity(actor=manager, audience=iri, object=note)
        said = _effect(host, create, iri, rev)
        with host.open_work() as work:
            work.journal.keep(create)
            work.objects.create(said)
        delete = activity(kind="Delete", actor=manager, audience=iri, object=note["id"])
        effect = _effect(host, delete, iri, rev + 1)
        with host.open_work() as work:
            work.recalls.begin(effect, wish)
            work.recalls.begin(effect, wish)
            work.objects.delete(effect)
        with host.open_work() as work:
            assert work.recalls.awaits(delete.id) == (iri if wish else None)
            assert work.recalls.awaits(create.id) is None
            assert work.journal.get(create.id) is None
            stored = work.objects.stored(note["id"])
            assert stored is not None
            assert stored.type == TOMBSTONE
