"""How this node is found: WebFinger, NodeInfo and the node actor, readable by anybody without a signature.

Rule: of people nothing is told here: WebFinger is unsigned, and would be a staff directory. The node actor must be
readable before anybody can sign for it. Source: PROTOCOL 1.2; RFC 7033; NodeInfo 2.1; FEP-d556, FEP-2677.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, Literal

from flask import Blueprint, request
from flask import Response as Answer

from federation import discovery, documents
from federation.errors import Malformed, NotFound
from federation.service import ACTIVITY_TYPE
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS
from node.exchange.service import open_reading, settings_of

SOFTWARE = "parvis"
KEPT_S = 300
BAD_REQUEST = 400

OPEN_DOORS.update(
    {
        "discovery.webfinger": "finds this node; nothing is told of people",
        "discovery.nodeinfo_index": "finds the node actor",
        "discovery.nodeinfo": "the software and its version: the same for everybody",
        "discovery.actor": "the node's name, keys and endpoints: the same for everybody",
    }
)

blueprint = Blueprint("discovery", __name__)


class NoResource(Malformed):
    """WebFinger without a resource, or with one that is none (RFC 7033, section 4.2)."""

    status = BAD_REQUEST


@blueprint.get("/.well-known/webfinger")
def webfinger() -> Answer:
    """Finds the node actor (RFC 7033); names of people are not found here."""
    settings = settings_of(ground())
    try:
        resource = discovery.read_resource(request.args.get("resource"), development=settings.development)
    except Malformed as error:
        raise NoResource(error.detail) from error
    own = discovery.node_resources(settings) | {_own_handle(settings.origin)}
    if str(resource) not in own:
        raise NotFound("Not found.")
    return _public(discovery.node_jrd(settings, rels=request.args.getlist("rel")), discovery.JRD_TYPE)


@blueprint.get("/.well-known/nodeinfo")
def nodeinfo_index() -> Answer:
    """Says where NodeInfo and the node actor are (FEP-2677)."""
    return _public(discovery.nodeinfo_index(settings_of(ground())), "application/json")


@blueprint.get('/nodeinfo/<any("2.0", "2.1"):schema>')
def nodeinfo(schema: Literal["2.0", "2.1"]) -> Answer:
    """Says which software this is; counts nobody (FEP-0151)."""
    document = discovery.nodeinfo(
        settings_of(ground()), schema, software=SOFTWARE, software_version=_version()
    )
    return _public(document, discovery.NODEINFO_TYPES[schema])


@blueprint.get("/actor")
def actor() -> Answer:
    """Says the node's name, keys and endpoints (FEP-d556)."""
    here = ground()
    with open_reading(here) as work:
        document = work.actors.document(work.node)
    if document is None:
        raise NotFound("Not found.")
    return _public(document, ACTIVITY_TYPE)


def _public(document: dict[str, Any], media_type: str) -> Answer:
    answer = Answer(documents.dumps(document), content_type=media_type)
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cache-Control"] = f"public, max-age={KEPT_S}"
    return answer


def _own_handle(origin: str) -> str:
    authority = origin.partition("://")[2]
    return f"{authority}@{authority}"


@cache
def _version() -> str:
    return version(SOFTWARE)
