"""A sign-in with a provider, step by step, as a browser makes it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from werkzeug.test import TestResponse

from node.config import Provider
from tests.node.identity.houses import Browser
from tests.providers.forged import CLIENT_ID, ForgedProvider
from tests.providers.real import SECRET, RealProvider, Visitor


def configured(
    provider: RealProvider | ForgedProvider,
    name: str = "op",
    client_id: str = CLIENT_ID,
    secret: str = SECRET,
    *,
    creates_people: bool = True,
) -> Provider:
    """The provider as an operator writes it into the settings."""
    return Provider(
        name=name,
        label="Aubier’s own sign-in",
        issuer=provider.issuer,
        client_id=client_id,
        client_secret=secret,
        creates_people=creates_people,
    )


def begin(browser: Browser, name: str = "op", next_path: str = "/") -> str:
    """Presses the button; the address that the browser is sent to."""
    answer = browser.post(f"/signin/{name}", {"next": next_path})
    assert answer.status_code == 303, answer.text
    return answer.location


def asked(address: str) -> dict[str, str]:
    """The parameters of an authorization request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def come_back(browser: Browser, address: str) -> TestResponse:
    """Opens the address that the provider sent the browser to."""
    assert address.startswith(browser.node.origin + "/")
    return browser.get(address.removeprefix(browser.node.origin))


def sign_in(browser: Browser, login: str = "ines", password: str = "", next_path: str = "/") -> TestResponse:
    """The whole way through the real provider."""
    return come_back(browser, Visitor().walk(begin(browser, next_path=next_path), login, password))


def answer(browser: Browser, provider: ForgedProvider, name: str = "op", **changed: str) -> TestResponse:
    """Begins with the forged provider and comes back with what it says; `nonce` goes into its claims."""
    request = asked(begin(browser, name))
    provider.claims.setdefault("nonce", request["nonce"])
    values = {"code": "c-1", "state": request["state"], **changed}
    return browser.get(f"/auth/callback/{name}?{urlencode(values)}")
