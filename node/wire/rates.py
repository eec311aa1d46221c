"""How much a sender may ask: a bucket of tokens for each address until it has proved who it is, then for each node.

Rule: what was not proved costs sixty times as much, so an unknown address has 5 requests a second and a node 300;
refused before anything is read. Source: SECURITY TH-37, RELIABILITY S13, S15; PROTOCOL 2.0, `#rate`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from federation.errors import TooManyRequests

PER_S = 300.0
BURST = 600.0
UNPROVED = 60.0
MAX_KEPT = 10_000


@dataclass(slots=True)
class Bucket:
    """Tokens, and when they were counted last (monotonic seconds)."""

    tokens: float
    at: float


class Rates:
    """The buckets of this process. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._nodes: dict[str, str] = {}

    def enter(self, address: str) -> float:
        """Somebody at `address` asks; what that cost so far. Raises TooManyRequests, with `retry_after`.

        An address from which a node has proved itself pays one in advance, any other sixty.
        """
        with self._lock:
            node = self._nodes.get(address)
            if node is not None:
                self._check(self._bucket(node), 1.0)
            cost = UNPROVED if node is None else 1.0
            bucket = self._bucket(address)
            self._check(bucket, cost)
            bucket.tokens -= cost
        return cost

    def proved(self, address: str, cost: float, node: str) -> None:
        """It was this node: what the address paid comes back, the node pays one, for now on credit."""
        with self._lock:
            bucket = self._bucket(address)
            bucket.tokens = min(BURST, bucket.tokens + cost)
            self._bucket(node).tokens -= 1.0
            if len(self._nodes) >= MAX_KEPT:
                self._nodes.clear()
            self._nodes[address] = node

    def unproved(self, address: str, cost: float) -> None:
        """It was nobody: the address pays the rest, for now on credit."""
        with self._lock:
            self._bucket(address).tokens -= UNPROVED - cost

    def _bucket(self, name: str) -> Bucket:
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= MAX_KEPT:
                self._forget(now)
            bucket = self._buckets[name] = Bucket(BURST, now)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) * PER_S)
        bucket.at = now
        return bucket

    def _check(self, bucket: Bucket, cost: float) -> None:
        if bucket.tokens < cost:
            wait_s = math.ceil((cost - bucket.tokens) / PER_S)
            raise TooManyRequests("Too many requests.", retry_after=wait_s)

    def _forget(self, now: float) -> None:
        """Drops the buckets that are full again; all of them, when too few are."""
        full_s = BURST / PER_S
        kept = {name: each for name, each in self._buckets.items() if now - each.at < full_s}
        self._buckets = kept if len(kept) < MAX_KEPT // 2 else {}
