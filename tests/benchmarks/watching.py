"""A reader at a node: one long poll after the other, noting when each post became visible."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from http.client import HTTPException
from typing import Any

from tests.benchmarks.wire import Line, Unexpected

AGAIN_S = 0.05


class Watcher:
    """Reads a space at a node in a thread of its own. `seen` holds every arrival in order: (id, monotonic s).

    A post that changes state comes again; only the first time that `counts` says yes is noted, and a second
    showing of the same post under another place in the order is kept in `doubled`.
    """

    def __init__(
        self, line: Line, path: str, counts: Callable[[dict[str, Any]], bool], cursor: str = "0.0"
    ) -> None:
        self._line = line
        self._path = path
        self._counts = counts
        self._changed = threading.Condition()
        self._places: dict[str, float] = {}
        self._revs: dict[int, str] = {}
        self._stopping = False
        self.cursor = cursor
        self.seen: list[tuple[str, float]] = []
        self.doubled: list[str] = []
        self.errors = 0
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        """Begins at the present end of the space; comes back when it listens."""
        while True:
            answer = self._line.get(f"{self._path}?after={self.cursor}&wait=false")
            self.cursor = answer["cursor"]
            if not answer["posts"]:
                break
        self._thread.start()

    def stop(self) -> None:
        """Comes back when its poll has ended, or after a second."""
        self._stopping = True
        self._line.close()
        self._thread.join(1.0)

    def when(self, post: str, timeout_s: float) -> float:
        """When this post became visible, waiting for it. Raises `TimeoutError`."""
        self.wait_for([post], timeout_s)
        return self._places[post]

    def wait_for(self, posts: Collection[str], timeout_s: float) -> None:
        """Waits until all of them are visible. Raises `TimeoutError` with how many are."""
        until = time.monotonic() + timeout_s
        with self._changed:
            missing = set(posts).difference(self._places)
            while missing:
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"{len(posts) - len(missing)} of {len(posts)} became visible.")
                missing.difference_update(self._places)

    def count(self) -> int:
        """How many posts became visible so far."""
        return len(self.seen)

    def wait_count(self, count: int, timeout_s: float) -> None:
        """Waits until that many are visible. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.seen) >= count, timeout_s):
                raise TimeoutError(f"{len(self.seen)} of {count} became visible.")

    def at(self, post: str) -> float:
        """When this post, which is visible, became so."""
        return self._places[post]

    def _watch(self) -> None:
        while not self._stopping:
            try:
                answer = self._line.get(f"{self._path}?after={self.cursor}")
            except (OSError, HTTPException, Unexpected):
                # The node is away, or has no place for one more poll.
                self.errors += 1
                time.sleep(AGAIN_S)
                continue
            self._note(answer, time.monotonic())

    def _note(self, answer: dict[str, Any], now: float) -> None:
        self.cursor = answer["cursor"]
        with self._changed:
            for post in answer["posts"]:
                key = post["id"]
                if not self._counts(post):
                    continue
                rev = post["rev"]
                if key not in self._places:
                    self._places[key] = now
                    self.seen.append((key, now))
                if rev is not None and self._revs.setdefault(rev, key) != key:
                    self.doubled.append(key)
            self._changed.notify_all()
