"""A wire that misbehaves: stands before the door of a node, and lets through what its fault allows.

Faults are those of RELIABILITY R3. A loss on TCP is a delay or an end, so `lossy` ends a connection in one of five
turns of bytes; `one-way` takes requests in and lets no answer out.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK = 16 * 1024
LATENCY_S = 0.4
BYTES_A_SECOND = 64_000 // 8
LOSS = 0.2
FLAPS_S = (1.0, 5.0)
"""Through for so long, then away for so long."""

CUTTING = frozenset({"full", "one-way", "flapping", "lossy"})
KINDS = (*sorted(CUTTING), "latency", "narrow")


def is_away(fault: str) -> bool:
    """Nothing passes now."""
    through, away = FLAPS_S
    return fault == "full" or (fault == "flapping" and time.monotonic() % (through + away) > through)


@dataclass
class Proxy:
    """Listens at `port` for the node at `behind`. `fault` may be changed at any time; "" is none.

    `attempts`: connections that were tried while nothing passed; `cut`: those, and others that it has ended.
    """

    port: int
    behind: int
    fault: str = ""
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    cut: int = 0
    attempts: int = 0

    def __post_init__(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        if not ready.wait(5):
            raise OSError(f"Port {self.port} can't be listened to.")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        ready.set()
        await self._ended.wait()
        server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_away(self.fault):
            self.cut += 1
            self.attempts += 1
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            writer.transport.abort()
            return
        ways = (self._pass(reader, back, answer=False), self._pass(there, writer, answer=True))
        tasks = [asyncio.ensure_future(each) for each in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in tasks:
                each.cancel()
            for end in (writer, back):
                end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if is_away(self.fault) or (self.fault == "lossy" and self.rng.random() < LOSS):
                    self.cut += 1
                    return
                if self.fault == "one-way" and answer:
                    self.cut += 1
                    continue
                if self.fault == "latency":
                    await asyncio.sleep(LATENCY_S)
                if self.fault == "narrow":
                    await asyncio.sleep(len(data) / BYTES_A_SECOND)
                writer.write(data)
                await writer.drain()
