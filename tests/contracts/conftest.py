"""Three hosts that must answer alike: memory, SQLite, PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from federation import documents, proofs
from federation.activity import CONTEXT, Activity, Document, new_id, of
from federation.adapters.memory import Store
from federation.keys import SigningKey
from federation.ports import Relation, State
from node.app import create_app
from node.config import Settings, new_secret_key
from node.core.clock import SetClock
from node.core.db import Base
from node.core.http.context import ground as ground_of
from node.exchange import capability as exchange
from node.exchange.service import open_work
from node.files import capability as files
from node.identity import capability as identity
from node.identity.services.identity import identity_of
from node.relations import capability as relations
from node.replicas import capability as replicas
from node.retention import capability as retention
from node.spaces import capability as spaces
from node.threads import capability as threads

ORIGIN = "http://north.localhost:8101"
PARTNER = "http://south.localhost:8102"
START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
GENESIS = "zQmPYmH4tragHU5NTHn5gER2iaNLPdfgCdDxLDYgEK8vFfY"


@dataclass
class Host:
    """One host: how it opens a unit of work, and what else a test needs of it."""

    kind: str
    open_work: Callable[[], AbstractContextManager[Any]]
    clock: SetClock
    node: str
    ground: Any = None


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    clock, node = SetClock(START), f"{ORIGIN}/actor"
    if request.param == "memory":
        key = SigningKey.generate(f"{node}#ed25519")
        store = Store(node, {node: key}, clock=clock.now)
        with store.open_work() as work:
            work.rows.keys[key.key_id] = key.public
            document = {
                "id": node,
                "name": "North",
                "assertionMethod": [
                    {"id": key.key_id, "controller": node, "publicKeyMultibase": key.public.multibase}
                ],
            }
            work.rows.documents[node] = proofs.sign(document, key, "2026-11-24T08:00:00Z")
        yield Host("memory", store.open_work, clock, node)
        return
    url = f"sqlite:///{tmp_path / 'parvis.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    settings = Settings(
        environment="development",
        origin=ORIGIN,
        organisation="North",
        data_dir=tmp_path,
        run_dir=tmp_path / "run",
        database_url=url,
        files_url=(tmp_path / "files").as_uri(),
        secret_key=new_secret_key(),
    )
    app = create_app(
        settings,
        capabilities=(exchange, identity, relations, spaces, files, threads, retention, replicas),
        clock=clock,
    )
    with app.app_context():
        ground = ground_of()
    Base.metadata.create_all(ground.database.engine)
    identity_of(ground).initialise()
    yield Host(request.param, lambda: open_work(ground), clock, node, ground)
    ground.close()


@pytest.fixture
def relation() -> Relation:
    key = SigningKey.generate(f"{PARTNER}/actor#ed25519")
    return Relation(
        id="7",
        node=f"{PARTNER}/actor",
        name="South",
        state=State.IN_FORCE,
        keys=(key.public,),
        inbox=f"{PARTNER}/actor/inbox",
        exchange=f"{PARTNER}/exchange",
        invite="",
        stream_in=f"{PARTNER}/streams/north",
        stream_out=f"{ORIGIN}/streams/south",
        agreement={"id": f"{ORIGIN}/peering/agreements/1/v1"},
        agreement_digest=GENESIS,
        genesis=GENESIS,
    )


def activity(origin: str = ORIGIN, *, text: str = "hello", kind: str = "Create", **members: Any) -> Activity:
    """An activity with its bytes, unproved: the ports don't look."""
    document: Document = {
        "@context": list(CONTEXT),
        "id": f"{origin}/a/{new_id()}",
        "type": kind,
        "actor": f"{origin}/people/{new_id()}",
        "published": "2026-11-24T08:00:00Z",
        "object": {"id": f"{origin}/o/{new_id()}", "type": "Note", "content": text},
        **members,
    }
    return of(document, documents.dumps(document))


def announce(inner: Activity, rev: int = 1, *, as_written: bytes | None = None) -> Activity:
    """An Announce that wraps the bytes of `inner`, or others that say the same."""
    document: Document = {
        "id": f"{ORIGIN}/a/{new_id()}",
        "type": "Announce",
        "actor": f"{ORIGIN}/spaces/1",
        "published": "2026-11-24T08:00:00Z",
        "rev": rev,
    }
    head = documents.dumps(document)[:-1]
    raw = head + b',"object":' + (as_written or inner.raw) + b',"last":"member"}'
    return of({**document, "object": inner.document, "last": "member"}, raw)
