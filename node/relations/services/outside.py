"""The way to a node with which nothing is agreed yet: one origin, the list `handshake`, nothing kept open.

Rule: used by what an administrator asked for and by what waits to be sent, never while something is received.
Source: ARCHITECTURE 2 (f, g); SECURITY TH-25.
"""

from __future__ import annotations

from contextlib import closing

from federation import discovery
from federation.adapters.egress import Egress
from federation.errors import EgressError, RemoteError
from federation.http import Request, Response
from node.core.ground import Ground


class Unreached(Exception):
    """The other node did not answer as a node does; the message is for the log and the admin."""


def egress_to(ground: Ground, origin: str) -> Egress:
    """A client that may speak to `origin` alone."""
    settings = ground.settings
    return Egress(
        lambda name, wanted: name == "handshake" and wanted == origin,
        development=settings.is_development,
        networks=settings.networks,
        ca_file=str(settings.ca_file) if settings.ca_file.name else None,
    )


def node_at(ground: Ground, origin: str) -> discovery.NodeActor:
    """What the node of `origin` says of itself. Raises Unreached."""
    try:
        with closing(egress_to(ground, origin)) as egress:
            return discovery.find_node(egress, origin, development=ground.settings.is_development)
    except (EgressError, RemoteError) as error:
        raise Unreached(str(error)) from error


def post(ground: Ground, origin: str, request: Request) -> Response:
    """Send a signed request once. Raises Unreached."""
    try:
        with closing(egress_to(ground, origin)) as egress:
            return egress.once("handshake", request)
    except EgressError as error:
        raise Unreached(str(error)) from error
