"""The queue that `jobs` stands on: Huey, with JSON for messages and without signal handlers.

Rule: imported by `jobs` alone and late, since huey loads what it finds. Source: https://huey.readthedocs.io/en/latest/.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from huey import storage
from huey.api import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.consumer import Consumer, Worker
from huey.registry import Message
from huey.serializer import Serializer

from node.config import Settings

POLL_FIRST_S = 0.2
POLL_MOST_S = 1.0
SHUTDOWN_S = 10
CACHE_MB = 1
NAME = "parvis"


def opened(settings: Settings) -> Huey:
    """The queue that the settings name: Redis, PostgreSQL, or `jobs.db` beside the database."""
    common: dict[str, Any] = {"results": False, "serializer": _Json(), "utc": True}
    scheme = settings.jobs_url.partition(":")[0]
    if scheme in {"redis", "rediss"}:
        return RedisHuey(NAME, url=settings.jobs_url, **common)
    if scheme in {"postgres", "postgresql"}:
        import psycopg

        storage.psycopg = psycopg  # `jobs` hides it from huey, as other nodes have no use for it
        return PostgresHuey(NAME, dsn=settings.jobs_url, **common)
    path = Path(settings.jobs_url.removeprefix("sqlite:///")) if scheme else settings.data_dir / "jobs.db"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqliteHuey(NAME, filename=str(path), cache_mb=CACHE_MB, fsync=True, timeout=10, **common)


def consumer(huey: Huey, threads: int) -> Consumer:
    """The threads that work the queue off, not started yet."""
    return _QuietConsumer(
        huey,
        workers=threads,
        initial_delay=POLL_FIRST_S,
        max_delay=POLL_MOST_S,
        backoff=1,
        check_worker_health=False,
        shutdown_timeout=SHUTDOWN_S,
    )


class _Worker(Worker):  # type: ignore[misc]  # huey has no types
    """Ends with its thread what PostgreSQL's queue keeps for each: a connection that listens."""

    def shutdown(self) -> None:
        super().shutdown()
        listening = getattr(getattr(self.huey.storage, "_listen_local", None), "conn", None)
        if listening is not None:
            listening.close()


class _QuietConsumer(Consumer):  # type: ignore[misc]  # huey has no types
    """Huey's consumer inside a process whose signals belong to gunicorn."""

    worker_class = _Worker

    def _set_signal_handlers(self) -> None:
        pass


class _Json(Serializer):  # type: ignore[misc]  # huey has no types
    """Messages as JSON: a queue that somebody else can write to must not run pickles."""

    def _serialize(self, data: Any) -> bytes:
        if isinstance(data, Message):
            data = {**data._asdict(), "eta": data.eta.isoformat() if data.eta else None}
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        plain = json.loads(bytes(data))
        if isinstance(plain, dict) and "name" in plain:
            plain["eta"] = datetime.fromisoformat(plain["eta"]) if plain["eta"] else None
            return Message(**plain)
        return plain
