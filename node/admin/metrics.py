"""Figures for a monitor, in the text form of Prometheus: how each partner's exchange runs, and refusals by reason.

Rule: read from the tables when asked, never counted on the side; partners are named by host, people never.
Source: PRODUCT D.17; https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from node.core.audit import Entry
from node.core.ground import Ground
from node.exchange.service import Health
from node.relations.services import health
from node.relations.services.relations import relations_of

GAUGES = {
    "queue_entries": "Entries of ours that the partner has not receipted.",
    "queue_oldest_age_seconds": "Age of the oldest of them.",
    "delivery_failures": "Failed attempts in a row.",
    "delivery_open": "1 while delivery goes on, 0 when the partner refuses it or it has stopped.",
    "last_sent_age_seconds": "Time since the partner last receipted something.",
    "last_received_age_seconds": "Time since we last took something from the partner.",
    "clock_skew_seconds": "How far the partner's clock is before ours.",
    "held_lines": "Lines of the partner that wait for another try.",
    "quarantined_lines": "Lines of the partner that were given up.",
    "stream_disputed": "1 while the chains of both sides differ.",
}
"""Name -> meaning, one figure for each partner."""
REFUSED = "exchange.refused", "exchange.line-rejected"


def exposition(ground: Ground) -> tuple[bytes, str]:
    """The figures, and their content type."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest

    class Collector:
        def collect(self) -> Iterator[Any]:
            return _figures(ground)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry), CONTENT_TYPE_PLAIN_1_0_0


def _figures(ground: Ground) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    now = ground.clock.now()
    partners = relations_of(ground).everybody()
    states = GaugeMetricFamily("parvis_relation", "Relations by state.", labels=["partner", "state"])
    by_partner: dict[str, Any] = {
        name: GaugeMetricFamily(f"parvis_{name}", meaning, labels=["partner"])
        for name, meaning in GAUGES.items()
    }
    for partner in partners:
        if not partner.id:
            continue
        states.add_metric([partner.host, partner.state], 1)
        found = health.of(ground, partner)
        if found is not None:
            for name, value in _values(found, now).items():
                by_partner[name].add_metric([partner.host], value)
    refused = CounterMetricFamily("parvis_refused", "Requests and lines refused.", labels=["reason"])
    query = select(Entry.rule, func.count()).where(Entry.action.in_(REFUSED)).group_by(Entry.rule)
    with ground.database.reading() as session:
        for reason, count in session.execute(query):
            refused.add_metric([reason], count)
    yield states
    yield from by_partner.values()
    yield refused


def _values(found: Health, now: datetime) -> dict[str, float]:
    ages = {
        "queue_oldest_age_seconds": found.oldest,
        "last_sent_age_seconds": found.last_out,
        "last_received_age_seconds": found.last_in,
    }
    values: dict[str, float] = {
        "queue_entries": found.queued,
        "delivery_failures": found.failures,
        "delivery_open": found.state == "open",
        "held_lines": found.held,
        "quarantined_lines": found.quarantined,
        "stream_disputed": found.disputed is not None,
    }
    if found.skew_s is not None:
        values["clock_skew_seconds"] = found.skew_s
    return values | {name: (now - then).total_seconds() for name, then in ages.items() if then is not None}
