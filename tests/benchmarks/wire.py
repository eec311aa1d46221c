"""The client of the bench: one connection that stays open, JSON there and back, as cheap as Python allows."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 60.0


class Unexpected(Exception):
    """An answer that the bench has no use for."""


class Line(http.client.HTTPConnection):
    """A kept connection to a node on this machine for whoever holds `token`."""

    def __init__(self, origin: str, token: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(origin)
        super().__init__(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._context = None
        if parts.scheme == "https":
            self._context = ssl.create_default_context(cafile=ca_file)
        self._common = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)

    def ask(self, method: str, path: str, members: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and JSON of `/api/v1<path>`; on a dropped connection the exception of `http.client`."""
        body = None if members is None else json.dumps(members).encode()
        headers = self._common if body is None else {**self._common, "Content-Type": "application/json"}
        try:
            self.request(method, f"/api/v1{path}", body, headers)
            response = self.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        return response.status, json.loads(answer) if answer else {}

    def get(self, path: str) -> Any:
        """The JSON of a 200. Raises `Unexpected`."""
        return self._expected("GET", path)

    def post(self, path: str, members: dict[str, Any]) -> Any:
        """The JSON of a 2xx. Raises `Unexpected`."""
        return self._expected("POST", path, members)

    def _expected(self, method: str, path: str, members: dict[str, Any] | None = None) -> Any:
        status, answer = self.ask(method, path, members)
        if status >= 300:
            raise Unexpected(f"{method} {path} was answered {status}: {answer}")
        return answer
