"""One person at one node, through the JSON API, with a token: what any script of a user could do."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import urlencode

from federation.adapters.egress import Egress
from federation.http import Headers, Request

_FIRST_REFUSAL = 400


class Refused(Exception):
    """The node said no. The message is for people; `status` and `problem` are what the node answered."""

    def __init__(self, request: Request, status: int, problem: dict[str, Any]) -> None:
        sentence = problem.get("detail") or problem.get("title") or ""
        errors = f" {problem['errors']}" if problem.get("errors") else ""
        super().__init__(f"{request.method} {request.url} was answered {status}: {sentence}{errors}")
        self.status = status
        self.problem = problem


class Voice:
    """Someone who asks and acts at `origin` with `token`."""

    def __init__(self, egress: Egress, origin: str, token: str, name: str = "") -> None:
        self._egress = egress
        self._origin = origin
        self.token = token
        self.name = name

    def get(self, path: str, **query: object) -> Any:
        """What stands at `/api/v1<path>`. Raises `Refused`, `EgressError`."""
        asked = f"?{urlencode(query)}" if query else ""
        return self._ask(Request("GET", self._url(path) + asked, self._headers()))

    def post(self, path: str, **members: object) -> Any:
        """Posts a JSON object and gives the answer, {} when there is none. Raises `Refused`, `EgressError`."""
        return self._send("POST", path, members)

    def put(self, path: str, **members: object) -> Any:
        """As `post`, where the API has PUT."""
        return self._send("PUT", path, members)

    def upload(self, path: str, name: str, media_type: str, content: bytes, **fields: str) -> Any:
        """Posts a file as `multipart/form-data` (RFC 7578), field `file`. Raises `Refused`, `EgressError`."""
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n".encode()
        )
        parts.append(content + f"\r\n--{boundary}--\r\n".encode())
        headers = self._headers(("Content-Type", f"multipart/form-data; boundary={boundary}"))
        return self._ask(Request("POST", self._url(path), headers, b"".join(parts)))

    def _send(self, method: str, path: str, members: dict[str, object]) -> Any:
        headers = self._headers(("Content-Type", "application/json"))
        body = json.dumps(members, ensure_ascii=False).encode()
        return self._ask(Request(method, self._url(path), headers, body))

    def _url(self, path: str) -> str:
        return f"{self._origin}/api/v1{path}"

    def _headers(self, *more: tuple[str, str]) -> Headers:
        return Headers((("Authorization", f"Bearer {self.token}"), ("Accept", "application/json"), *more))

    def _ask(self, request: Request) -> Any:
        # On a connection of its own: what acts must not be sent twice by a client that guesses.
        response = self._egress.once("peers", request)
        answer = json.loads(response.body) if response.body else {}
        if response.status >= _FIRST_REFUSAL:
            raise Refused(request, response.status, answer if isinstance(answer, dict) else {})
        return answer
