"""Where bytes lie: a folder by default, an object store by URL (fsspec). Names are given by the caller.

Rule: `write` returns when the bytes are safe (fsync and rename on a local folder), or raises; a name is never
half written. Source: RELIABILITY, R7; https://filesystem-spec.readthedocs.io.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit


class NoSuchFile(LookupError):
    """There are no bytes under this name."""


class Files(Protocol):
    """Bytes by name; a name is a relative path such as `ab/cd/abcd…`."""

    def write(self, name: str, chunks: Iterable[bytes]) -> int:
        """Stores `chunks` under `name`, in place of what was there; how many bytes."""

    def open(self, name: str) -> IO[bytes]:
        """For reading. Raises `NoSuchFile`."""

    def exists(self, name: str) -> bool: ...

    def remove(self, name: str) -> None:
        """Removes the bytes; nothing happens if there are none."""


def files_at(url: str) -> Files:
    """The store of a URL: `file:///path`, or what fsspec knows (`s3://bucket/prefix`, with its extra installed)."""
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        return Folder(Path(unquote(parts.path)))
    return Store(url)


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, name: str, chunks: Iterable[bytes]) -> int:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        size = 0
        try:
            with unfinished.open("xb") as file:
                for chunk in chunks:
                    size += file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the new name too must survive
        finally:
            os.close(folder)
        return size

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._path(name).open("rb")
        except FileNotFoundError as absent:
            raise NoSuchFile(name) from absent

    def exists(self, name: str) -> bool:
        return self._path(name).is_file()

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not all(part not in {"", ".", ".."} for part in name.split("/")):
            raise ValueError(f"{name!r} is no name of a file.")
        return self._root / name


class Store:
    """An object store through fsspec, imported here because few nodes need it."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._system: Any
        self._system, self._root = fsspec.core.url_to_fs(url)

    def write(self, name: str, chunks: Iterable[bytes]) -> int:
        size = 0
        with self._system.open(self._key(name), "wb") as file:
            for chunk in chunks:
                size += file.write(chunk)
        return size

    def open(self, name: str) -> IO[bytes]:
        try:
            opened: IO[bytes] = self._system.open(self._key(name), "rb")
        except FileNotFoundError as absent:
            raise NoSuchFile(name) from absent
        return opened

    def exists(self, name: str) -> bool:
        return bool(self._system.exists(self._key(name)))

    def remove(self, name: str) -> None:
        if self.exists(name):
            self._system.rm_file(self._key(name))

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}"
