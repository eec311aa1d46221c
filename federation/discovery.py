"""How nodes are found: WebFinger, NodeInfo, the node actor.

Rule: what is found is believed only as far as its own origin goes. Nothing is fetched here but through the
client that the caller passes, and never while something is received. WebFinger answers for the node alone.
Source: RFC 7033, RFC 7565; NodeInfo 2.0 and 2.1; FEP-d556, FEP-2677, FEP-844e, FEP-0151, FEP-fe34.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import quote

from federation import documents, iris, limits
from federation.activity import ACTOR_CONTEXT, CONTEXT, Document
from federation.errors import NAMESPACE, Malformed, RemoteError
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, controller_of, is_published
from federation.settings import Settings

ACTIVITY_TYPE = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
JRD_TYPE = "application/jrd+json"
NODEINFO_TYPES = {
    version: f'application/json; profile="http://nodeinfo.diaspora.software/ns/schema/{version}#"'
    for version in ("2.0", "2.1")
}

SELF = "self"
SERVICE = f"{CONTEXT[0]}#Service"
APPLICATION = f"{CONTEXT[0]}#Application"

PEERING = f"{NAMESPACE}#peering"
# FEP-844e: only what no document shows by itself.
IMPLEMENTS = (
    ("https://datatracker.ietf.org/doc/html/rfc9421", "RFC-9421: HTTP Message Signatures"),
    ("https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25", "RFC-9421 Ed25519"),
    ("https://w3id.org/fep/8b32", "Object Integrity Proofs"),
    (PEERING, "Extranet peering profile 1"),
)

_ACTIVITY_TYPES = frozenset({ACTIVITY_TYPE.replace(" ", ""), "application/activity+json"})
_JRD_TYPES = frozenset({JRD_TYPE, "application/json"})
_USER = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?", re.ASCII)
_ED25519 = "z6Mk"  # how every Multikey of this kind begins
_MAX_LINKS = 64
_OK = 200


class Undiscoverable(RemoteError):
    """The other node does not answer, or not for this name."""

    status, title = 422, "Cannot be found"


class Fetcher(Protocol):
    """The client that fetches; `federation.adapters.egress.Egress` is one."""

    def get(self, list_name: Literal["handshake"], request: Request, *, redirects: int = 0) -> Response:
        """The answer, of at most 1 MiB, from an origin on the list."""


# --- names and their documents ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Handle:
    """`user@authority`: a name within a host, the port beside it where it is not the scheme's own."""

    user: str
    authority: str

    def __str__(self) -> str:
        return f"{self.user}@{self.authority}"


def read_handle(text: str, *, development: bool = False) -> Handle:
    """Read `acct:user@host`, `user@host` or `@user@host`. Raises `Malformed`.

    Whatever could reach another host, port or path than it shows is refused (SECURITY E7).
    """
    name = text.removeprefix("acct:") if text.startswith("acct:") else text.removeprefix("@")
    user, at, authority = name.partition("@")
    if not at or not _USER.fullmatch(user):
        raise Malformed(f"{text[:200]!r} is not a name of the form user@host.")
    place = iris.parse(_home(authority, development=development), development=development)
    if place.path or place.query is not None or place.fragment is not None:
        raise Malformed(f"{text[:200]!r} has more than a host behind its name.")
    return Handle(user, place.authority)


def read_resource(text: str | None, *, development: bool = False) -> Handle | str:
    """What a WebFinger request asks for: a handle, or an IRI. Raises `Malformed`: answer 400 (RFC 7033, 4.2)."""
    if not text:
        raise Malformed("WebFinger needs a resource.")
    if text.startswith("acct:"):
        return read_handle(text, development=development)
    iris.parse(text, development=development)
    return text


def node_resources(settings: Settings) -> frozenset[str]:
    """The IRIs that ask for the node itself (FEP-d556), and its actor."""
    return frozenset({settings.origin, f"{settings.origin}/", settings.node})


def jrd(
    subject: str,
    links: Iterable[Mapping[str, str]],
    *,
    aliases: Sequence[str] = (),
    rels: Iterable[str] = (),
) -> Document:
    """An answer of WebFinger; with `rels`, only links of those relations (RFC 7033, sections 4.3 and 4.4)."""
    wanted = frozenset(rels)
    return {
        "subject": subject,
        **({"aliases": list(aliases)} if aliases else {}),
        "links": [dict(link) for link in links if not wanted or link["rel"] in wanted],
    }


def node_jrd(settings: Settings, *, rels: Iterable[str] = ()) -> Document:
    """What WebFinger answers for the node itself."""
    links = [
        {"rel": SERVICE, "type": "application/activity+json", "href": settings.node},
        {"rel": SELF, "type": "application/activity+json", "href": settings.node},
    ]
    return jrd(f"{settings.origin}/", links, aliases=[settings.node], rels=rels)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a JRD; `type` is the media type as written, "" when it has none."""

    rel: str
    href: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Jrd:
    """A JRD as far as we use it: links without `href` (templates) are left out."""

    subject: str | None
    links: tuple[Link, ...]

    def href(self, *rels: str, activity: bool = True) -> str | None:
        """Where the first link of the first of `rels` leads; with `activity`, only to an ActivityPub type."""
        for rel in rels:
            for link in self.links:
                if link.rel == rel and (not activity or _media_type(link.type) in _ACTIVITY_TYPES):
                    return link.href
        return None


def read_jrd(document: Mapping[str, Any]) -> Jrd:
    """Read a JRD (RFC 7033, section 4.4). Raises `Malformed`."""
    subject, links = document.get("subject"), document.get("links", [])
    if not isinstance(subject, str | None) or not isinstance(links, list) or len(links) > _MAX_LINKS:
        raise Malformed("A JRD has a text as subject and a list of at most 64 links.")
    found = []
    for link in links:
        if not isinstance(link, dict) or not isinstance(link.get("rel"), str):
            raise Malformed("A link of the JRD has no relation.")
        href, media_type = link.get("href"), link.get("type", "")
        if isinstance(href, str) and isinstance(media_type, str):
            found.append(Link(link["rel"], href, media_type))
    return Jrd(subject, tuple(found))


# --- NodeInfo -----------------------------------------------------------------------------------------


def nodeinfo_index(settings: Settings) -> Document:
    """`/.well-known/nodeinfo`: both versions, and the node actor (FEP-2677)."""
    return {
        "links": [
            *(
                {
                    "rel": f"http://nodeinfo.diaspora.software/ns/schema/{version}",
                    "href": f"{settings.origin}/nodeinfo/{version}",
                }
                for version in NODEINFO_TYPES
            ),
            {"rel": APPLICATION, "href": settings.node},
        ]
    }


def nodeinfo(
    settings: Settings,
    version: Literal["2.0", "2.1"],
    *,
    software: str,
    software_version: str,
    users: Mapping[str, int] | None = None,
) -> Document:
    """A NodeInfo document. `users` holds true numbers (`total`, …) or nothing (FEP-0151)."""
    return {
        "version": version,
        "software": {"name": software, "version": software_version},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {"users": dict(users or {})},
        "metadata": {"nodeName": settings.name, "federation": {"enabled": True}},
    }


# --- the node actor -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeActor:
    """What a node says of itself, checked against its own origin. `exchange` is "" when it has none.

    `implements` are the hrefs of FEP-844e.
    """

    id: str
    name: str
    inbox: str
    exchange: str
    keys: tuple[PublicKey, ...]
    implements: tuple[str, ...]

    @property
    def origin(self) -> str:
        """`scheme://host[:port]` of the node."""
        return iris.origin(self.id)

    @property
    def peers(self) -> bool:
        """True when the node speaks this profile."""
        return bool(self.exchange) and PEERING in self.implements


def implements() -> list[Document]:
    """The value of `implements` (FEP-844e), for the node actor and for `generator` of other actors."""
    return [{"type": "Link", "href": href, "name": name} for href, name in IMPLEMENTS]


def node_actor(settings: Settings, keys: Sequence[PublicKey], *, oidc_issuer: str | None = None) -> Document:
    """The node actor: readable by anyone, without a signature. `keys` in force, the newest first."""
    authority = iris.parse(settings.origin, development=settings.development).authority
    document: Document = {
        "@context": list(ACTOR_CONTEXT),
        "id": settings.node,
        "type": "Application",
        "name": settings.name,
        "preferredUsername": authority,
        "webfinger": f"{authority}@{authority}",
        "inbox": settings.inbox,
        "outbox": f"{settings.node}/outbox",
        "url": f"{settings.origin}/",
        "assertionMethod": [key.method for key in keys],
        "endpoints": {
            "peeringEndpoint": settings.inbox,
            "exchange": settings.exchange,
            "exchangeLog": settings.exchange,
        },
        "implements": implements(),
    }
    if oidc_issuer is not None:
        document["oidcIssuer"] = oidc_issuer
    return document


def read_node_actor(document: Mapping[str, Any], *, development: bool = False) -> NodeActor:
    """Read a node actor. Raises `Malformed`.

    Inbox, exchange and every key lie on the origin of its id, every key is controlled by it, and there is
    at least one Ed25519 key; keys of other kinds are left out. A key whose secret has been published is
    refused outside the development profile (SECURITY A12).
    """
    actor = _text(document, "id")
    origin = iris.parse(actor, development=development).origin
    if "Application" not in documents.types(document):
        raise Malformed("The node actor is not an Application.")
    endpoints = document.get("endpoints", {})
    if not isinstance(endpoints, dict):
        raise Malformed("`endpoints` is not an object.")
    exchange = endpoints.get("exchange", endpoints.get("exchangeLog", ""))
    if not isinstance(exchange, str):
        raise Malformed("`exchange` is not a text.")
    inbox = _text(document, "inbox")
    for place in filter(None, (inbox, exchange)):
        if iris.parse(place, development=development).origin != origin:
            raise Malformed("An endpoint of the node actor lies on another origin.")
    keys = tuple(_keys(actor, document))
    if not keys:
        raise Malformed("The node actor has no Ed25519 key.")
    if not development and any(is_published(key.raw) for key in keys):
        raise Malformed("The secret of a key of the node actor has been published.")
    links = documents.as_list(document.get("implements"))
    hrefs = (link.get("href") if isinstance(link, dict) else link for link in links[:_MAX_LINKS])
    return NodeActor(
        id=actor,
        name=_text(document, "name"),
        inbox=inbox,
        exchange=exchange,
        keys=keys,
        implements=tuple(href for href in hrefs if isinstance(href, str)),
    )


def _keys(actor: str, document: Mapping[str, Any]) -> Iterable[PublicKey]:
    seen: set[str] = set()
    for method in documents.as_list(document.get("assertionMethod"))[:_MAX_LINKS]:
        if not isinstance(method, dict) or method.get("type") != "Multikey":
            continue
        key_id, text = _text(method, "id"), _text(method, "publicKeyMultibase")
        if controller_of(key_id) != actor or key_id == actor or method.get("controller") != actor:
            raise Malformed("A key of the node actor belongs to another.")
        if key_id in seen:
            raise Malformed("Two keys of the node actor have one id.")
        seen.add(key_id)
        if text.startswith(_ED25519):
            yield PublicKey.from_multibase(key_id, text)


# --- looking up ---------------------------------------------------------------------------------------


def find_node(fetcher: Fetcher, origin: str, *, development: bool = False) -> NodeActor:
    """The node of an origin, by WebFinger (FEP-d556), else by NodeInfo (FEP-2677).

    Raises `Undiscoverable`, `Malformed`, and whatever `fetcher` raises. The key is still to be compared
    with what the invitation says.
    """
    home = iris.parse(origin, development=development).origin
    actor = _actor_by_webfinger(fetcher, home) or _actor_by_nodeinfo(fetcher, home)
    if iris.parse(actor, development=development).origin != home:
        raise Malformed(f"{home} names a node actor of another origin: {actor[:200]}.")
    document = _fetch(fetcher, actor, ACTIVITY_TYPE, _ACTIVITY_TYPES)
    if document.get("id") != actor:
        raise Malformed(f"{actor} calls itself otherwise.")
    return read_node_actor(document, development=development)


def _actor_by_webfinger(fetcher: Fetcher, home: str) -> str | None:
    try:
        answer = _webfinger(fetcher, home, f"{home}/")
    except Undiscoverable:
        return None
    return answer.href(SERVICE, SELF)


def _actor_by_nodeinfo(fetcher: Fetcher, home: str) -> str:
    index = read_jrd(_fetch(fetcher, f"{home}/.well-known/nodeinfo", "application/json", _JRD_TYPES))
    actor = index.href(APPLICATION, activity=False)
    if actor is None:
        raise Undiscoverable(f"{home} does not say who its node actor is.")
    return actor


def _webfinger(fetcher: Fetcher, home: str, resource: str) -> Jrd:
    url = f"{home}/.well-known/webfinger?resource={quote(resource, safe='')}"
    return read_jrd(_fetch(fetcher, url, JRD_TYPE, _JRD_TYPES))


def _fetch(fetcher: Fetcher, url: str, accept: str, media_types: frozenset[str]) -> Document:
    request = Request("GET", url, Headers([("Accept", accept)]))
    answer = fetcher.get("handshake", request, redirects=limits.MAX_REDIRECTS)
    if answer.status != _OK:
        raise Undiscoverable(f"{url} answers {answer.status}.")
    # FEP-fe34: what a user may upload must not pass for a document of the node.
    if _media_type(answer.headers.get("content-type") or "") not in media_types:
        raise Malformed(f"{url} answers with {answer.headers.get('content-type')}.")
    return documents.loads(answer.body)


def _media_type(text: str) -> str:
    """The media type in its plainest form, without `charset`; the profile of AS2 stays where it stands."""
    kind, *parameters = (part.strip() for part in text.lower().split(";"))
    kept = [part for part in parameters if part.startswith("profile=")]
    return ";".join([kind, *kept])


def _home(authority: str, *, development: bool) -> str:
    """The origin that a host's names are asked at; http for local names of the development profile."""
    host = authority.partition(":")[0]
    local = host == "localhost" or host.endswith(".localhost")
    return f"{'http' if development and local else 'https'}://{authority}"


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise Malformed(f"`{key}` is missing.")
    return value
