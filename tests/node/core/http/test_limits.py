"""One who asks too often waits; nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from flask.testing import FlaskClient
from limits.errors import StorageError
from sqlalchemy import select

from node.app import create_app
from node.config import Settings, SettingsError
from node.core.audit import Entry
from node.core.capability import Capability
from node.core.db import Base
from node.core.errors import NotSignedIn
from node.core.ground import Ground
from node.core.http import context, limits
from node.core.http.guards import Viewer, set_viewer_loader

ADA, BO = (
    Viewer(key, f"http://aubier.localhost:8101/people/{key}", "Ada", frozenset({"member"}), "fr")
    for key in (1, 2)
)
RATE = limits.Rate(per_s=5, burst=10)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def ground_of(app: Flask) -> Ground:
    with app.app_context():
        return context.ground()


@pytest.fixture
def make_app(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Flask]]:
    own, clock = limits.OwnBuckets, Clock()
    monkeypatch.setattr(limits, "OwnBuckets", lambda: own(clock))
    made: list[Flask] = []

    def make(**changes: Any) -> Flask:
        blueprints = changes.pop("blueprints", ())
        app = create_app(
            make_settings(**{"person_rate": 2, "visitor_rate": 1, **changes}),
            capabilities=[Capability(name="test", blueprints=blueprints)],
        )
        Base.metadata.create_all(ground_of(app).database.engine)

        def load() -> Viewer | None:
            token = request.headers.get("Authorization", "")
            if token == "bad":
                raise NotSignedIn(cause="unknown token")
            return {"ada": ADA, "bo": BO}.get(token)

        set_viewer_loader(app, load)
        made.append(app)
        return app

    yield make
    for app in made:
        ground_of(app).close()


def ask(client: FlaskClient, who: str = "", address: str = "192.0.2.7") -> int:
    fields = {"Authorization": who} if who else {}
    return client.get("/nowhere", headers=fields, environ_base={"REMOTE_ADDR": address}).status_code


def test_a_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    clock = Clock()
    buckets = limits.OwnBuckets(clock)
    assert [buckets.take("a", RATE) for _ in range(RATE.burst)] == [0] * RATE.burst
    assert buckets.take("a", RATE) == pytest.approx(0.2)
    assert buckets.take("b", RATE) == 0
    clock.now += 0.2
    assert buckets.take("a", RATE) == 0
    assert buckets.take("a", RATE) > 0
    clock.now += 3600
    assert [buckets.take("a", RATE) for _ in range(RATE.burst)] == [0] * RATE.burst
    assert buckets.take("a", RATE) > 0


def test_full_buckets_are_forgotten() -> None:
    clock = Clock()
    buckets = limits.OwnBuckets(clock)
    for number in range(limits.MOST_BUCKETS):
        buckets.take(str(number), RATE)
    clock.now += 3600
    buckets.take("one more", RATE)
    assert len(buckets._full_at) == 1


def test_a_person_is_refused_at_limit_plus_one_and_no_other(make_app: Callable[..., Flask]) -> None:
    client = make_app().test_client()
    assert [ask(client, "ada") for _ in range(4)] == [404] * 4
    assert ask(client, "ada", "192.0.2.8") == 429
    assert ask(client, "bo") == 404
    assert ask(client) == 404


def test_an_address_is_refused_at_limit_plus_one_and_no_other(make_app: Callable[..., Flask]) -> None:
    client = make_app().test_client()
    assert [ask(client) for _ in range(20)] == [404] * 20
    answer = client.get("/nowhere", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 429
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert ask(client, address="192.0.2.8") == 404
    assert ask(client, "ada") == 404


def test_bad_tokens_count_for_the_address_and_are_on_record(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    client = app.test_client()
    assert [ask(client, "bad") for _ in range(21)] == [401] * 20 + [429]
    ground = ground_of(app)
    with ground.database.reading() as session:
        newest = session.scalars(select(Entry).order_by(Entry.seq.desc())).first()
    assert newest is not None
    assert "limit.address" in newest.detail


def test_styles_and_monitors_are_not_counted(make_app: Callable[..., Flask]) -> None:
    client = make_app().test_client()
    assert {client.get("/health").status_code for _ in range(50)} == {200}
    for _ in range(50):
        with client.get("/static/parvis.css") as style:
            assert style.status_code == 200
    assert ask(client, address="127.0.0.1") == 404


def test_a_partner_fetches_files_at_the_rate_of_a_person(make_app: Callable[..., Flask]) -> None:
    files = Blueprint("files", __name__)
    files.add_url_rule("/files/<digest>", "one", lambda digest: digest)
    client = make_app(visitor_rate=1, person_rate=30, blueprints=(files,)).test_client()

    def fetched(**fields: str) -> int:
        return client.get("/files/x", headers=fields).status_code

    assert [fetched(**{"Signature-Input": "sig1=()"}) for _ in range(60)] == [404] * 60
    assert fetched(**{"Signature-Input": "sig1=()"}) == 429
    assert [fetched() for _ in range(21)] == [404] * 20 + [429]


def test_buckets_may_be_shared(make_app: Callable[..., Flask]) -> None:
    buckets = limits.SharedBuckets("memory://")
    assert [buckets.take("a", RATE) for _ in range(RATE.burst)] == [0] * RATE.burst
    assert 0 < buckets.take("a", RATE) <= 2
    assert buckets.take("b", RATE) == 0


def test_nobody_is_refused_while_the_shared_storage_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    buckets = limits.SharedBuckets("memory://")

    def hit(*_: object) -> bool:
        raise StorageError(ConnectionError())

    monkeypatch.setattr(buckets._limiter, "hit", hit)
    assert [buckets.take("a", RATE) for _ in range(RATE.burst + 1)] == [0] * (RATE.burst + 1)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_customer_is_one_network(address: str, network: str) -> None:
    assert limits.network_of(address) == network


def test_a_rate_of_nothing_is_refused_at_start(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match="PARVIS_VISITOR_RATE"):
        make_settings(visitor_rate=0).check()
