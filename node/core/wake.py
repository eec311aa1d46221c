"""From a commit to whoever waits for it, in this process and in the others, within milliseconds.

A channel is a short name (`space:12`, `lane:3`). A waiter takes a token, reads the database, and waits since
that token: what was notified in between wakes it at once. In the process it is a dictionary and an event;
across processes a datagram on a unix socket in the run folder (beside SQLite), or LISTEN/NOTIFY.

Rule: a wake-up is a hint and may be lost (full socket, lost connection); who needs certainty polls every
`POLL_S`. Call `notify` after the commit. Source: ARCHITECTURE, section 5; unix(7); PostgreSQL, NOTIFY.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from node.core.log import get_logger

log = get_logger(__name__)

POLL_S = 5.0
MAX_REMEMBERED = 20_000  # channels; above it the older half is forgotten, which wakes their waiters once
MAX_DATAGRAM_BYTES = 8_000
SUFFIX = ".wake"
RECONNECT_S = 1.0

Token = int


class Wake:
    """Wakes the threads of this process; the subclasses also tell other processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._last: dict[str, int] = {}
        self._forgotten = 0
        self._waiters: dict[str, set[threading.Event]] = {}

    def token(self) -> Token:
        """The present moment: take it before reading what you will wait for."""
        self._listen()
        return self._now

    def notify(self, *channels: str) -> None:
        """Wakes all that wait for one of `channels`. Call it after the commit."""
        self._wake(channels)
        self._tell(channels)

    def wait(self, *channels: str, timeout: float, since: Token | None = None) -> Token | None:
        """The new token once a channel was notified after `since` (by default: after now); None after `timeout` s."""
        self._listen()
        event = threading.Event()
        with self._lock:
            if since is not None and self._notified(channels, since):
                return self._now
            for channel in channels:
                self._waiters.setdefault(channel, set()).add(event)
        try:
            return self._now if event.wait(timeout) else None
        finally:
            with self._lock:
                for channel in channels:
                    waiting = self._waiters[channel]
                    waiting.discard(event)
                    if not waiting:
                        del self._waiters[channel]

    def close(self) -> None:
        """Wakes every waiter and stops listening."""
        self._wake_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _notified(self, channels: tuple[str, ...], since: Token) -> bool:
        return any(self._last.get(channel, self._forgotten) > since for channel in channels)

    def _wake(self, channels: tuple[str, ...]) -> None:
        with self._lock:
            self._now += 1
            for channel in channels:
                self._last.pop(channel, None)  # so that the dictionary stays in order of age
                self._last[channel] = self._now
                for event in self._waiters.get(channel, ()):
                    event.set()
            if len(self._last) > MAX_REMEMBERED:
                self._forget()

    def _forget(self) -> None:
        old = list(self._last)[: MAX_REMEMBERED // 2]
        self._forgotten = self._last[old[-1]]
        for channel in old:
            del self._last[channel]

    def _wake_all(self) -> None:
        with self._lock:
            self._now += 1
            self._last.clear()
            self._forgotten = self._now
            for waiting in self._waiters.values():
                for event in waiting:
                    event.set()

    def _listen(self) -> None:
        """Begins to hear other processes."""

    def _tell(self, channels: tuple[str, ...]) -> None:
        """Tells other processes."""


class SocketWake(Wake):
    """Also tells the other processes that listen in `run_dir`, one socket each, named by process and chance."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # An address of a unix socket has 108 bytes; through /proc the folder's own length does not count.
        self._folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._outgoing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._outgoing.setblocking(False)
        self._incoming: socket.socket | None = None
        self._is_listening = False
        self._listening = threading.Lock()
        self._others: tuple[str, ...] = ()
        self._seen_ns = -1
        self._closed = False

    def close(self) -> None:
        with self._listening:
            if self._closed:
                return
            self._closed = True
            incoming, self._incoming = self._incoming, None
        if incoming is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._folder)
            with contextlib.suppress(OSError):
                incoming.shutdown(socket.SHUT_RDWR)
            incoming.close()
        self._outgoing.close()
        os.close(self._folder)
        super().close()

    def _address(self, name: str) -> str:
        return f"/proc/self/fd/{self._folder}/{name}"

    def _listen(self) -> None:
        if self._is_listening:
            return
        with self._listening:
            if self._incoming is not None or self._closed:
                return
            incoming = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            incoming.bind(self._address(self._name))
            threading.Thread(target=self._hear, args=(incoming,), name="wake", daemon=True).start()
            self._incoming = incoming
            self._is_listening = True

    def _hear(self, incoming: socket.socket) -> None:
        while True:
            try:
                datagram = incoming.recv(MAX_DATAGRAM_BYTES)
            except OSError:
                return
            if not datagram:
                return
            self._wake(tuple(datagram.decode("utf-8", "replace").split("\n")))

    def _tell(self, channels: tuple[str, ...]) -> None:
        if self._closed:
            return
        changed_ns = os.fstat(self._folder).st_mtime_ns
        # A folder's time may be coarser than two changes: look again until it is old enough to be trusted.
        if changed_ns != self._seen_ns or time.time_ns() - changed_ns < 1_000_000_000:
            self._others = tuple(
                name
                for name in os.listdir(self._folder)  # noqa: PTH208 -- by its descriptor, whatever its path
                if name.endswith(SUFFIX) and name != self._name
            )
            self._seen_ns = changed_ns
        for name in self._others:
            self._send("\n".join(channels).encode(), name)

    def _send(self, datagram: bytes, name: str) -> None:
        try:
            self._outgoing.sendto(datagram, self._address(name))
        except (ConnectionRefusedError, FileNotFoundError):
            # Its process is gone; a crash leaves the socket behind.
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder)
        except (BlockingIOError, InterruptedError):
            log.debug("wake.full", to=name)


class PostgresWake(Wake):
    """Also tells the other processes on the same PostgreSQL. `url` is a libpq URL (no driver name)."""

    CHANNEL = "parvis_wake"

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._id = secrets.token_hex(4)
        self._starting = threading.Lock()
        self._heard = threading.Event()
        self._listener: threading.Thread | None = None
        self._sender: threading.Thread | None = None
        self._is_sending = False
        self._queue: deque[str] = deque()
        self._queued = threading.Event()
        self._closed = False

    def close(self) -> None:
        self._closed = True
        self._queued.set()
        for thread in (self._sender, self._listener):
            if thread is not None:
                thread.join(2 * RECONNECT_S)
        super().close()

    def _listen(self) -> None:
        if self._heard.is_set():
            return
        with self._starting:
            if self._listener is None and not self._closed:
                self._listener = threading.Thread(target=self._hear, name="wake", daemon=True)
                self._listener.start()
        self._heard.wait(RECONNECT_S)

    def _tell(self, channels: tuple[str, ...]) -> None:
        # In a thread of its own, which gathers: the caller does not pay for a round trip.
        self._queue.extend(channels)
        self._queued.set()
        if not self._is_sending:
            with self._starting:
                if self._sender is None and not self._closed:
                    self._sender = threading.Thread(target=self._send, name="wake-tell", daemon=True)
                    self._sender.start()
                    self._is_sending = True

    def _connect(self) -> Any:
        import psycopg

        return psycopg.connect(self._url, autocommit=True)

    def _send(self) -> None:
        import psycopg

        while not self._closed:
            try:
                with self._connect() as connection:
                    while not self._closed:
                        self._queued.wait()
                        self._queued.clear()
                        waiting = {self._queue.popleft() for _ in range(len(self._queue))}
                        payloads = [f"{self._id} {channel}" for channel in waiting]
                        if payloads:
                            connection.execute(
                                "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload",
                                (self.CHANNEL, payloads),
                            )
            except psycopg.OperationalError as gone:
                log.warning("wake.disconnected", cause=str(gone))
                time.sleep(RECONNECT_S)

    def _hear(self) -> None:
        import psycopg

        while not self._closed:
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {self.CHANNEL}")
                    self._wake_all()  # what was told while we did not listen
                    self._heard.set()
                    while not self._closed:
                        for notice in connection.notifies(timeout=RECONNECT_S):
                            sender, _, channel = notice.payload.partition(" ")
                            if sender != self._id:
                                self._wake((channel,))
            except psycopg.OperationalError as gone:
                log.warning("wake.disconnected", cause=str(gone))
                time.sleep(RECONNECT_S)
