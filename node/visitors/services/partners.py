"""The sign-in services of our partners: whose it is, what it offers, with which keys it signs.

Rule: whoever asks names an organisation by a work address or a handle; partners are never listed, and an address that
is none of theirs is answered like one whose relation is not in force. Keys are read when somebody signs in, daily, and
after a token named one that is not known; never while something is received. Source: PROTOCOL 2.e; PRODUCT B17; TH-43.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask_babel import lazy_gettext as _
from sqlalchemy import delete
from sqlalchemy.orm import Session

from federation import charter, documents, iris
from federation.errors import EgressError, FederationError
from federation.http import Headers, Request, Response
from federation.ports import Relation
from node.core.errors import Invalid, Unavailable
from node.core.ground import Ground
from node.core.jobs import every
from node.core.log import get_logger
from node.relations import records
from node.relations.records import RevokedThere
from node.relations.services import outside
from node.visitors import tables

log = get_logger(__name__)

OK = 200
KEYS_FRESH = timedelta(days=1)
KEYS_AGAIN = timedelta(minutes=1)  # an unknown key costs a partner one request a minute, whoever names it
DISCOVERY = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint", "jwks_uri")
MAX_KEYS = 64
_JSON = Headers([("Accept", "application/json")])
_FORM = Headers([("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded")])


class UnknownOrganisation(Invalid):
    """No partner by this address: 422, the same whether there is none or it is not in force."""

    def __init__(self, cause: str) -> None:
        sentence = _(
            "We can’t find your organisation by this address. Ask whoever invited you how it is called here."
        )
        super().__init__(sentence, cause)


class HomeUnavailable(Unavailable):
    """The partner's node does not answer, or not as it should."""

    def __init__(self, relation: Relation, cause: str) -> None:
        super().__init__(
            _("The sign-in of %(name)s does not answer. Try again in a moment.", name=relation.name),
            cause=f"{relation.node}: {cause}",
        )


@dataclass(slots=True, eq=False, repr=False)
class Service:
    """The sign-in service of a partner; addresses on its own origin."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    pushed_authorization_request_endpoint: str
    jwks_uri: str


def by_address(db: Session, ground: Ground, address: str) -> Relation:
    """The partner that speaks for a work address or a handle. Raises UnknownOrganisation."""
    domain = address.strip().rstrip("/").rpartition("@")[2].lower()
    for relation in records.known(db, ground).in_force:
        if domain in {urlsplit(relation.node).netloc, *_domains(relation)}:
            return _in_force(relation, ground)
    raise UnknownOrganisation(f"nobody speaks for {domain!r}")


def by_host(db: Session, ground: Ground, host: str) -> Relation:
    """The partner whose node lives at this host (with its port, if any). Raises UnknownOrganisation."""
    for relation in records.known(db, ground).in_force:
        if urlsplit(relation.node).netloc == host:
            return _in_force(relation, ground)
    raise UnknownOrganisation(f"no partner at {host!r}")


def is_in_force(db: Session, ground: Ground, node: str) -> bool:
    """Whether an agreement with this node holds now."""
    relation = records.known(db, ground).by_node.get(node)
    try:
        if relation is not None:
            charter.check_in_force(relation, ground.clock.now())
    except FederationError:
        return False
    return relation is not None


def issuer_of(relation: Relation) -> str:
    """The issuer that the agreement names. Raises UnknownOrganisation."""
    try:
        issuer = charter.party(relation.agreement or {"parties": []}, relation.node).get("oidcIssuer")
        if isinstance(issuer, str) and iris.same_origin(issuer, relation.node):
            return issuer
    except FederationError as error:
        raise UnknownOrganisation(str(error)) from error
    raise UnknownOrganisation(f"{relation.node} has the issuer {issuer!r}")


def service_of(ground: Ground, relation: Relation) -> Service:
    """What the partner's service says of itself, held to its own origin. Raises HomeUnavailable."""
    issuer = issuer_of(relation)
    said = _read(ground, relation, issuer.rstrip("/") + DISCOVERY)
    if said.get("issuer") != issuer:
        raise HomeUnavailable(relation, f"its metadata says issuer {said.get('issuer')!r}")
    try:
        endpoints = {name: str(said[name]) for name in ENDPOINTS}
        for name, url in endpoints.items():
            if not iris.same_origin(url, issuer):
                raise HomeUnavailable(relation, f"{name} is {url!r}")
    except (KeyError, FederationError) as error:
        raise HomeUnavailable(relation, f"its metadata: {error!r}") from error
    return Service(issuer, **endpoints)


def fresh_keys(
    ground: Ground, relation: Relation, older_than: timedelta = KEYS_FRESH
) -> Sequence[Mapping[str, Any]]:
    """The keys of the partner's tokens, read anew when ours are older than this. Raises HomeUnavailable."""
    now = ground.clock.now()
    with ground.database.reading() as db:
        row = db.get(tables.PartnerKeys, relation.node)
        if row is not None and now - row.read_at < older_than:
            return tuple(json.loads(row.keys))
    said = _read(ground, relation, service_of(ground, relation).jwks_uri)
    listed = said.get("keys")
    keys = [each for each in listed if isinstance(each, dict)][:MAX_KEYS] if isinstance(listed, list) else []
    with ground.database.writing() as db:
        db.merge(tables.PartnerKeys(node=relation.node, keys=json.dumps(keys), read_at=now))
    return keys


@every(60, "visitors.keys")
def read_keys(ground: Ground) -> None:
    """Reads keys of partners anew that are older than a day; who does not answer is asked at the next sign-in."""
    with ground.database.reading() as db:
        relations = records.known(db, ground).in_force
    for relation in relations:
        try:
            fresh_keys(ground, relation)
        except (HomeUnavailable, UnknownOrganisation):
            log.info("partner.keys-unread", node=relation.node)


def when_revoked(revoked: RevokedThere, db: Session) -> None:
    """What we know of the keys of this partner's tokens is forgotten, and read anew once the relation goes on."""
    db.execute(delete(tables.PartnerKeys).where(tables.PartnerKeys.node == revoked.node))


def post(ground: Ground, relation: Relation, url: str, body: bytes) -> Response:
    """A form to the partner's service. Raises HomeUnavailable."""
    return _ask(ground, relation, Request("POST", url, _FORM, body))


def _in_force(relation: Relation, ground: Ground) -> Relation:
    try:
        charter.check_in_force(relation, ground.clock.now())
    except FederationError as error:
        raise UnknownOrganisation(str(error)) from error
    return relation


def _domains(relation: Relation) -> frozenset[str]:
    """The mail domains that the partner has declared and the DNS proves."""
    try:
        declared = charter.party(relation.agreement or {"parties": []}, relation.node)["domains"]
    except FederationError:
        return frozenset()
    return frozenset(declared) & relation.proven


def _read(ground: Ground, relation: Relation, url: str) -> dict[str, Any]:
    response = _ask(ground, relation, Request("GET", url, _JSON))
    if response.status != OK:
        raise HomeUnavailable(relation, f"{url} answers {response.status}")
    try:
        return documents.loads(response.body)
    except FederationError as error:
        raise HomeUnavailable(relation, f"{url}: {error}") from error


def _ask(ground: Ground, relation: Relation, request: Request) -> Response:
    try:
        with closing(outside.egress_to(ground, iris.origin(relation.node))) as egress:
            return egress.once("handshake", request)
    except EgressError as error:
        raise HomeUnavailable(relation, str(error)) from error
