"""A partner's node as a client of the provider, spoken by hand, so that it can also say what no node would."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from werkzeug.test import TestResponse

from federation import tokens
from federation.keys import SigningKey
from node.exchange import service as exchange
from tests.node.identity.houses import Browser
from tests.node.spaces.world import House

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "openid email actor"


@dataclass
class Client:
    """The node `house` as a client of `at`."""

    house: House
    at: House
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = "the-state"
    nonce: str = "the-nonce"

    @property
    def redirect_uri(self) -> str:
        return f"{self.house.origin}/auth/callback/{urlsplit(self.at.origin).netloc}"

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def key(self) -> SigningKey:
        with exchange.open_reading(self.house.ground) as work:
            return work.actors.signer(self.house.iri)

    def assertion(self, **changes: Any) -> str:
        """The proof of who asks; a change to None leaves a claim out."""
        now = int(self.house.clock.now().timestamp())
        said = {
            "iss": self.house.iri,
            "sub": self.house.iri,
            "aud": self.at.origin,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_urlsafe(16),
            **changes,
        }
        return tokens.sign_as_node(
            {name: value for name, value in said.items() if value is not None}, self.key()
        )

    def post(self, path: str, form: dict[str, Any]) -> TestResponse:
        return self.at.app.test_client().post(path, base_url=self.at.origin, data=form)

    def proved(self, form: dict[str, Any]) -> dict[str, Any]:
        """The form with the proof of the client, where it has none; a member that is None is left out."""
        whole = {
            "client_id": self.house.iri,
            "client_assertion_type": ASSERTION,
            "client_assertion": form.get("client_assertion") or self.assertion(),
            **form,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def push(self, **changes: Any) -> TestResponse:
        form = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return self.post("/oauth/par", self.proved(form))

    def request_uri(self, **changes: Any) -> str:
        pushed = self.push(**changes)
        assert pushed.status_code == 201, pushed.text
        return str(pushed.get_json()["request_uri"])

    def address(self, request_uri: str) -> str:
        return "/oauth/authorize?" + urlencode({"client_id": self.house.iri, "request_uri": request_uri})

    def agree(self, browser: Browser, request_uri: str, answer: str = "yes") -> TestResponse:
        form = {"client_id": self.house.iri, "request_uri": request_uri, "answer": answer}
        return browser.post("/oauth/authorize", form, page=self.address(request_uri))

    def code(self, browser: Browser, **changes: Any) -> str:
        """A code, however often the browser has agreed before."""
        request_uri = self.request_uri(**changes)
        answer = browser.get(self.address(request_uri))
        if "Refresh" not in answer.headers:
            answer = self.agree(browser, request_uri)
        return answered(answer)["code"]

    def redeem(self, code: str, **changes: Any) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return self.post("/oauth/token", self.proved(form))

    def refresh(self, refresh_token: str, **changes: Any) -> TestResponse:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **changes}
        return self.post("/oauth/token", self.proved(form))

    def keys(self) -> list[dict[str, Any]]:
        said = self.at.app.test_client().get("/oauth/jwks", base_url=self.at.origin)
        return list(said.get_json()["keys"])


def answered(response: TestResponse) -> dict[str, str]:
    """Where the browser is sent, and with what: the parameters, and the address as `to`."""
    assert response.status_code == 200, (response.status_code, response.text)
    address = response.headers["Refresh"].partition("url=")[2]
    place = urlsplit(address)
    return {
        "to": f"{place.scheme}://{place.netloc}{place.path}",
        **{name: values[0] for name, values in parse_qs(place.query).items()},
    }
