"""The certified provider (npm oidc-provider) as a process, and a browser that walks through its pages."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.providers.install import BIN, installed

USERS = {
    "ines": {"name": "Inès Le Goff", "email": "ines@aubier.example", "locale": "fr-FR"},
    "bruno": {"name": "Bruno Maillard", "email": "bruno@aubier.example", "password": "only-for-tests"},
}
SECRET = "only-for-tests-only-for-tests-only-for-tests"
ALGORITHMS = ("RS256", "ES256", "EdDSA")
STARTS_WITHIN_S = 20


class RealProvider:
    """One process on loopback. `issuer` is http://NAME.localhost:PORT."""

    def __init__(
        self, clients: Sequence[Mapping[str, Any]], *, name: str = "login", thin: bool = True
    ) -> None:
        self.port = free_port()
        self.issuer = f"http://{name}.localhost:{self.port}"
        keys = (
            RSAKey.generate_key(2048, {"alg": "RS256", "use": "sig"}),
            ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}),
            OKPKey.generate_key("Ed25519", {"alg": "EdDSA", "use": "sig"}),
        )
        environment = {
            **os.environ,
            "PORT": str(self.port),
            "ISSUER": self.issuer,
            "CLIENTS": json.dumps(list(clients)),
            "USERS": json.dumps(USERS),
            "JWKS": json.dumps({"keys": [key.as_dict(private=True) for key in keys]}),
            "THIN": "yes" if thin else "no",
        }
        folder = installed()
        self._process = subprocess.Popen(
            [BIN / "node", "oidc_op.mjs"],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                assert self._process.stderr is not None
                raise RuntimeError(self._process.stderr.read().decode())
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(f"{self.issuer} does not listen.")

    def user(self, subject: str, claims: Mapping[str, Any]) -> None:
        """Adds or replaces a user."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("POST", "/_control/user", json.dumps({"sub": subject, "claims": claims}))
        assert connection.getresponse().status == 204
        connection.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.wait(5)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Visitor:
    """A browser at the provider. `.localhost` names are loopback by rule here, as in real browsers."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    def walk(self, address: str, login: str, password: str = "") -> str:
        """Follows the provider's pages from the authorization request to the address it sends back to."""
        origin = _origin(address)
        form: dict[str, str] | None = None
        for _ in range(12):
            status, location, page = self._ask(address, form)
            form = None
            if location:
                address = urljoin(address, location)
                if _origin(address) != origin:
                    return address
            elif status == 200 and 'name="login"' in page:
                assert "No." not in page, "the provider refused the password"
                form = {"login": login, "password": password}
            else:
                raise AssertionError(f"{status} at {address}: {re.sub('<[^>]+>', ' ', page)[:500]}")
        raise AssertionError(f"no end at {address}")

    def _ask(self, address: str, form: Mapping[str, str] | None) -> tuple[int, str | None, str]:
        parts = urlsplit(address)
        connection = HTTPConnection("127.0.0.1", parts.port, timeout=5)
        headers = {
            "Host": parts.netloc,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
        }
        body = None
        if form is not None:
            body, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        for field in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(field).items():
                self._cookies[name] = morsel.value
        page = answer.read().decode()
        connection.close()
        return answer.status, answer.headers.get("Location"), page


def client_of(
    origin: str, provider: str, client_id: str = "node", secret: str = SECRET, **more: Any
) -> dict[str, Any]:
    """The registration of a node at the provider; one redirect URI for each provider name."""
    return {
        "client_id": client_id,
        **({"client_secret": secret} if secret else {}),
        "redirect_uris": [f"{origin}/auth/callback/{provider}"],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        **more,
    }


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
