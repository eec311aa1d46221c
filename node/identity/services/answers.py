"""What comes back from a sign-in service: a code, once it answers what this browser asked; then claims, bounded.

Rule: an answer counts once, in the browser that asked, within ten minutes, from the service that was asked, be it a
provider of ours or a partner's node. Source: OpenID Connect Core 1.0, section 3.1.2; RFC 9207; RFC 9700; SECURITY
TH-41, I11, I16.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from flask_babel import lazy_gettext as _

from node.core.errors import NodeError

PENDING_S = 600
MAX_PARAMETER_CHARS = 2048
MAX_TIME = 2**53
MAX_METHODS = 7
MAX_DOMAIN_CHARS = 253
METHOD = re.compile(r"[!-~]{1,32}")


class SignInRefused(NodeError):
    """The answer of a sign-in service was refused: `reason` is the check in one word, for the audit log."""

    title = _("The sign-in did not work")

    def __init__(self, reason: str, cause: str = "") -> None:
        super().__init__(_("The sign-in did not work. Start again."), f"{reason}: {cause}")
        self.reason = reason


class Begun(Protocol):
    """What a sign-in began with, as it waits in the browser. `begun_at` in seconds since 1970."""

    @property
    def state(self) -> str: ...

    @property
    def begun_at(self) -> int: ...

    @property
    def asked(self) -> str:
        """Which service was asked, as it is called here."""


Pending = TypeVar("Pending", bound=Begun)


def code_of(
    answer: Mapping[str, Sequence[str]],
    pending: Pending | None,
    answers: str,
    now: float,
    is_issuer: Callable[[str], bool],
) -> tuple[str, Pending]:
    """The code of an answer (name -> its values), and what its sign-in began with.

    `answers` names the service at whose address the answer came; `is_issuer` says of `iss` ("": not there) whether it
    is that one. Raises SignInRefused.
    """
    values: dict[str, str] = {}
    for name in ("state", "code", "iss", "error"):
        given = answer.get(name, ())
        if len(given) > 1 or any(len(value) > MAX_PARAMETER_CHARS for value in given):
            raise SignInRefused("parameters", f"{name} is there {len(given)} times, or too long")
        values[name] = given[0] if given else ""
    if pending is None:
        raise SignInRefused("state", "this browser asked nothing")
    if not hmac.compare_digest(values["state"].encode(), pending.state.encode()):
        raise SignInRefused("state", "it is another one")
    if pending.asked != answers:
        raise SignInRefused("provider", f"{pending.asked} was asked, {answers} answers")
    if not 0 <= now - pending.begun_at <= PENDING_S:
        raise SignInRefused("expired", f"begun at {pending.begun_at}")
    if not is_issuer(values["iss"]):
        raise SignInRefused("issuer", f"{values['iss']!r} answers for {answers}")
    if values["error"]:
        raise SignInRefused("provider-refused", values["error"])
    if not values["code"]:
        raise SignInRefused("parameters", "no code")
    return values["code"], pending


def auth_time_of(claims: Mapping[str, Any]) -> int | None:
    """When the person signed in, in seconds since 1970; None where that is not said."""
    at = claims.get("auth_time")
    return at if type(at) is int and 0 <= at < MAX_TIME else None


def methods_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The `amr` of RFC 8176, as much of it as is kept."""
    said = claims.get("amr")
    named = [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
    return tuple(each for each in named if METHOD.fullmatch(each))[:MAX_METHODS]


def domain_of(claims: Mapping[str, Any]) -> str:
    """The domain of an address that the service has confirmed; "" for any other."""
    address = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(address, str):
        return ""
    domain = address.rpartition("@")[2].lower()
    return domain if len(domain) <= MAX_DOMAIN_CHARS else ""
