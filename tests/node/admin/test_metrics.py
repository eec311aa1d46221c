"""Figures for a monitor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from node.admin import metrics
from node.core.audit import Act
from node.exchange.service import Health
from node.identity.services.people import Person
from node.identity.services.tokens import Scope
from tests.node.identity.houses import Node

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ask(node: Node, headers: dict[str, str] | None = None, address: str = "192.0.2.7", host: str = "") -> int:
    base = f"http://{host}" if host else node.origin
    client = node.app.test_client()
    answer = client.get("/metrics", base_url=base, headers=headers, environ_base={"REMOTE_ADDR": address})
    return answer.status_code


def test_a_monitor_on_this_machine_reads_refusals_by_reason(node: Node) -> None:
    with node.ground.database.writing() as session:
        for reason in ("replayed-message", "replayed-message", "wrong-key"):
            node.ground.audit.append(session, Act("exchange.refused", rule=reason))
    answer = node.app.test_client().get("/metrics", base_url="http://127.0.0.1:8101")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=1.0.0")
    assert 'parvis_refused_total{reason="replayed-message"} 2.0' in answer.text
    assert 'parvis_refused_total{reason="wrong-key"} 1.0' in answer.text


@pytest.mark.parametrize(
    ("address", "host", "headers", "status"),
    [
        ("127.0.0.1", "localhost:8101", {}, 200),
        ("::1", "[::1]:8101", {}, 200),
        ("192.0.2.7", "localhost:8101", {}, 401),
        ("127.0.0.1", "parvis.example", {}, 401),
        ("127.0.0.1", "localhost:8101", {"X-Forwarded-For": "192.0.2.7"}, 401),
        ("127.0.0.1", "localhost:8101", {"Forwarded": "for=192.0.2.7"}, 401),
    ],
)
def test_what_a_proxy_hands_on_is_not_local(
    node: Node, address: str, host: str, headers: dict[str, str], status: int
) -> None:
    assert ask(node, headers, address, host) == status


def test_from_elsewhere_it_takes_a_token_of_an_administrator(node: Node, ines: Person) -> None:
    def bearer(person: Person, scope: Scope) -> dict[str, str]:
        lifetime = timedelta(days=1)
        secret, _ = node.identity.create_token(person.id, "monitor", [scope], lifetime, by=person.actor)
        return {"Authorization": f"Bearer {secret}"}

    assert ask(node) == 401
    assert ask(node, bearer(ines, Scope.METRICS_READ)) == 200
    assert ask(node, bearer(ines, Scope.ME_READ)) == 403
    assert ask(node, bearer(node.person("Paul"), Scope.ME_READ)) == 404


def test_what_never_happened_has_no_age() -> None:
    figures = metrics._values(Health(), NOW)
    assert not {name for name in figures if name.endswith("_seconds")}
    assert figures["delivery_open"] == 1


def test_ages_are_seconds() -> None:
    late = Health(state="stopped", queued=3, oldest=NOW - timedelta(minutes=2), skew_s=-4, disputed=NOW)
    figures = metrics._values(late, NOW)
    assert figures["queue_entries"] == 3
    assert figures["queue_oldest_age_seconds"] == 120
    assert figures["clock_skew_seconds"] == -4
    assert figures["delivery_open"] == 0
    assert figures["stream_disputed"] == 1
    assert set(figures) <= set(metrics.GAUGES)
