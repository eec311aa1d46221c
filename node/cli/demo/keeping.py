"""The folder of a demo: what is remembered between two starts, and that only one demo runs in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.cli.demo.story import ORGANISATIONS

STATE = "demo.json"
LOCK = "demo.lock"


class Occupied(Exception):
    """The folder cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a finished demo remembers: the password of everybody, and the port of each slug."""

    password: str
    ports: dict[str, int]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the folder for this process. Raises `Occupied` when another demo runs in it, or it is not a demo's."""
    if folder.exists() and any(folder.iterdir()) and not (folder / LOCK).exists():
        raise Occupied(f"{folder} holds something else; name another folder with --dir.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            lock.seek(0)
            raise Occupied(f"A demo runs in {folder} already, as process {lock.read().strip()}.") from busy
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def remembered(folder: Path) -> Kept | None:
    """What an earlier demo left, or None where there was none or it did not come to its end."""
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
        return Kept(state["password"], {slug: int(port) for slug, port in state["ports"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remember(folder: Path, kept: Kept) -> None:
    """Writes it down, for its owner's eyes only. Called when all is built: an unfinished demo begins anew."""
    text = json.dumps({"password": kept.password, "ports": kept.ports}, indent=1)
    descriptor = os.open(folder / STATE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def forget(folder: Path) -> None:
    """Removes what a demo made there, and nothing else."""
    (folder / STATE).unlink(missing_ok=True)
    for organisation in ORGANISATIONS:
        if (folder / organisation.slug / "parvis.cfg").exists():
            shutil.rmtree(folder / organisation.slug)
