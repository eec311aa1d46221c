"""What is new, held back until there is something: the long poll of pages and scripts.

Rule: at most `live_slots` requests are held, the next one is answered at once; nothing is read while nobody woke it.
Source: ARCHITECTURE, section 5 (*live pages*); PERFORMANCE, section 3, goal 2.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from node.core.ground import Ground
from node.core.wake import POLL_S

RETRY_AFTER_S = 3

T = TypeVar("T")
Check = Callable[[], object]


class NoPlace(Exception):
    """Nothing was new, and all places to wait in are taken."""


class Places:
    """How many requests of this process may be held at once."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)

    def wait(
        self, ground: Ground, own: str, channels: Sequence[str], look: Callable[[], T | None], check: Check
    ) -> T | None:
        """What `look` finds: at once, or as soon as `own` or one of `channels` is notified; None after `live_hold_s`.

        `own` is the channel of who waits: when it was notified, and each `POLL_S`, `check` raises if nothing of this
        may be seen any more. Raises NoPlace.
        """
        token = ground.wake.token()  # before looking: what comes meanwhile is noticed
        found = look()
        if found is not None:
            return found
        if not self._free.acquire(blocking=False):
            raise NoPlace
        try:
            return self._held(ground, own, channels, look, check, token)
        finally:
            self._free.release()

    def _held(
        self,
        ground: Ground,
        own: str,
        channels: Sequence[str],
        look: Callable[[], T | None],
        check: Check,
        token: int,
    ) -> T | None:
        ends = time.monotonic() + ground.settings.live_hold_s
        while (left := ends - time.monotonic()) > 0:
            woken = ground.wake.wait(own, *channels, timeout=min(left, POLL_S), since=token)
            # A wake-up may be lost, so after each `POLL_S` we look all the same.
            if woken is None or ground.wake.wait(own, timeout=0, since=token) is not None:
                check()
            token = ground.wake.token() if woken is None else woken
            found = look()
            if found is not None:
                return found
        return None
