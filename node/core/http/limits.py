"""How often one may ask: a bucket of tokens for each person, and one for each address of visitors.

Rule: taken before the guard, so that a refusal costs next to nothing; the wire has limits of its own for partners.
Buckets lie in this process, or where `limits_url` says when several processes serve; when that does not answer,
nobody is refused. Source: SECURITY TH-37; RELIABILITY S13.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from math import ceil
from typing import Any, Protocol

from flask import Flask, request
from flask_babel import lazy_gettext as _

from node.config import Settings
from node.core.audit import Audit
from node.core.errors import TooMany
from node.core.http.guards import viewer_or_none
from node.core.log import get_logger
from node.core.values import value

log = get_logger(__name__)

IN_PROCESS = "memory://"
PERSON_BURST_S = 2
VISITOR_BURST_S = 20
MOST_BUCKETS = 10_000
ROUNDING_S = 1e-6
NETWORK_BITS = 64  # what one customer has of IPv6
FREE = frozenset({"static", "health", "wire"})
"""Blueprints (and `static`) that are not counted here: cheap, or with limits of their own."""
SIGNED = frozenset({"files"})
"""Blueprints where a partner's node asks too, by its signature: its address has the rate of a person there."""


@value
class Rate:
    """`burst` requests at once, then `per_s` a second."""

    per_s: int
    burst: int


class Buckets(Protocol):
    """Where tokens are counted."""

    def take(self, key: str, rate: Rate) -> float:
        """Takes a token of `key`: 0 when there was one, else after how many seconds there will be."""


class OwnBuckets:
    """Buckets of this process: exact, a microsecond each, at most `MOST_BUCKETS`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}

    def take(self, key: str, rate: Rate) -> float:
        """See `Buckets`. A bucket is kept as the moment at which it will be full again."""
        now = self._clock()
        with self._lock:
            full_at = max(self._full_at.get(key, 0.0), now) + 1 / rate.per_s
            wait_s = full_at - now - rate.burst / rate.per_s
            if wait_s > ROUNDING_S:
                return wait_s
            if len(self._full_at) >= MOST_BUCKETS:
                self._full_at = {each: then for each, then in self._full_at.items() if then > now}
            self._full_at[key] = full_at
        return 0.0


class SharedBuckets:
    """Windows in a storage of the library `limits`, for all processes of a node."""

    def __init__(self, url: str) -> None:
        from limits import RateLimitItemPerSecond
        from limits.errors import StorageError
        from limits.storage import storage_from_string
        from limits.strategies import SlidingWindowCounterRateLimiter

        self._item: Any = RateLimitItemPerSecond
        self._down = StorageError
        self._limiter = SlidingWindowCounterRateLimiter(storage_from_string(url, wrap_exceptions=True))

    def take(self, key: str, rate: Rate) -> float:
        """See `Buckets`."""
        item = self._item(rate.burst, rate.burst // rate.per_s)
        try:
            if self._limiter.hit(item, key):
                return 0.0
            return max(self._limiter.get_window_stats(item, key).reset_time - time.time(), 1.0)
        except self._down:
            log.exception("limits.storage_down")
            return 0.0


def install(app: Flask, settings: Settings, audit: Audit) -> None:
    """Takes a token before each request, once it is known who asks. Raises `TooMany`."""
    person = Rate(settings.person_rate, settings.person_rate * PERSON_BURST_S)
    visitor = Rate(settings.visitor_rate, settings.visitor_rate * VISITOR_BURST_S)
    buckets: Buckets = (
        OwnBuckets() if settings.limits_url == IN_PROCESS else SharedBuckets(settings.limits_url)
    )

    @app.before_request
    def take() -> None:
        if request.endpoint == "static" or request.blueprint in FREE:
            return
        who = viewer_or_none()
        if who is not None:
            wait_s = buckets.take(f"person:{who.actor}", person)
        else:
            is_node = request.blueprint in SIGNED and "Signature-Input" in request.headers
            kind, rate = ("node", person) if is_node else ("address", visitor)
            wait_s = buckets.take(f"{kind}:{network_of(request.remote_addr or '')}", rate)
        if wait_s:
            if who is None:
                audit.count_refusal("limit.address")
            raise TooMany(
                _("Too many requests. Wait a moment and try again."),
                retry_after=ceil(wait_s),
                cause="visitor" if who is None else who.actor,
            )


def network_of(address: str) -> str:
    """An IPv4 address, or the network of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, NETWORK_BITS), strict=False))
    return address
