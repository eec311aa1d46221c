"""A provider that lies: whatever a test wants said, in metadata, keys, tokens and userinfo. Loopback only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

CLIENT_ID = "node"
SUBJECT = "248289761001"


@cache
def _key() -> RSAKey:
    """One key for all: making it costs more than a test."""
    return RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})


class ForgedProvider:
    """`claims`, `metadata`, `keys`, `tokens` are what an honest provider would say; a test changes them.

    `make_id_token` makes the token from `claims`; `asked` lists the requests as (method, path, form).
    """

    def __init__(self, name: str = "forged") -> None:
        self.key = _key()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.issuer = f"http://{name}.localhost:{self.port}"
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        self.delay_s = 0.0
        self.status = 200
        self.raw: bytes | None = None
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
        }
        self.keys: list[dict[str, Any]] = [dict(self.key.as_dict(private=False))]
        now = int(time.time())
        self.claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": SUBJECT,
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "name": "Inès Le Goff",
        }
        self.userinfo: dict[str, Any] = {"sub": SUBJECT, "name": "Inès Le Goff"}
        self.tokens: dict[str, Any] = {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300}
        self.make_id_token: Callable[[dict[str, Any]], str] = self.signed
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def signed(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """An ID token by the provider's key."""
        fields = {"alg": "RS256", "kid": "k1", **(header or {})}
        registry = JWSRegistry(algorithms=["RS256"], strict_check_header=False)
        return serialize_compact(fields, json.dumps(claims), self.key, registry=registry)

    def _answer(self, path: str) -> object:
        return {
            "/.well-known/openid-configuration": self.metadata,
            "/jwks": {"keys": self.keys},
            "/userinfo": self.userinfo,
            "/token": {"id_token": self.make_id_token(self.claims), **self.tokens},
        }.get(path, {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say()

            def do_POST(self) -> None:
                self._say()

            def _say(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                provider.asked.append((self.command, self.path, parse_qs(self.rfile.read(length).decode())))
                time.sleep(provider.delay_s)
                body = provider.raw
                if body is None:
                    body = json.dumps(provider._answer(self.path)).encode()
                self.send_response(provider.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        return Handler

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
