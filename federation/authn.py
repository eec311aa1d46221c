"""How somebody signed in, as an activity of theirs says it: `authn`, under the proof of their key.

Rule: no more of it than the charters ask that the activity goes out under; where none asks, nothing.
Source: PROTOCOL 2.d (L1); RFC 8176 (`amr`); docs/adr/0008.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from federation import charter
from federation.activity import Document
from federation.ports import Space, Work
from federation.settings import Settings

LOWEST = "0"
"""The `acr` of a sign-in of which nothing is known. Source: OpenID Connect Core 1.0, section 2."""
ASKS_ALL: Document = {"minAcr": [LOWEST], "maxAuthAge": 0, "emailDomains": charter.DECLARED_ONLY}
"""An `identity` for which a claim says everything."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How a person signed in at home.

    `idp` is the issuer that saw it, `auth_time` when, in seconds since 1970 (None: it did not say); `email_domain`
    is "" where no confirmed address is known.
    """

    idp: str
    acr: str = LOWEST
    amr: tuple[str, ...] = ()
    auth_time: int | None = None
    email_domain: str = ""


def claim(sign_in: SignIn | None, asked: Iterable[Document], settings: Settings) -> Document:
    """The member `authn` for charters with these `identity`; nothing when none asks, or nobody has signed in."""
    demands = [each for each in asked if charter.is_demanding(each)]
    if sign_in is None or not demands:
        return {}
    said: Document = {"iss": settings.origin}
    if any(each.get("minAcr") for each in demands):
        said |= {"idp": sign_in.idp, "acr": sign_in.acr, "amr": list(sign_in.amr)}
    if sign_in.auth_time is not None and any(each.get("maxAuthAge") is not None for each in demands):
        said["auth_time"] = sign_in.auth_time
    if sign_in.email_domain and any(each.get("emailDomains") == charter.DECLARED_ONLY for each in demands):
        said["email_domain"] = sign_in.email_domain
    return {"authn": said}


def asked_in(space: Space | None, work: Work) -> list[Document]:
    """What the charters ask under which something said in `space` leaves this node: of all that share it, as its host;
    else of its host alone.
    """
    if space is None:
        return []
    nodes = [each.node for each in work.spaces.nodes(space.iri)] if space.hosted else [space.host]
    relations = (work.peers.of_node(node) for node in nodes if node != work.node)
    return [each.agreement["identity"] for each in relations if each is not None and each.agreement]
