"""A file for a partner's node: signed by it, on the roster, named by a live post; anything else is one answer.

Rule: the URL is our own origin and the target as it stood in the request line, never what `Host` says.
Source: PROTOCOL 2.0 (*Errors*), 2.j (*Attachments*); SECURITY TH-16.
"""

from __future__ import annotations

from typing import IO

from flask import Request as Asked

from federation import digest, iris
from federation.errors import RemoteError
from federation.http import Headers, Request
from federation.ports import State
from node.core.errors import Absent
from node.core.ground import Ground
from node.core.storage import NoSuchFile
from node.exchange import service as exchange
from node.files import service
from node.files.service import Found


def file_for(ground: Ground, asked: Asked, name: str) -> tuple[Found, IO[bytes]]:
    """The file of this digest and its bytes. Raises Absent."""
    target = asked.environ.get("RAW_URI") or asked.environ.get("REQUEST_URI") or ""
    if not target.startswith("/"):
        raise Absent("the target of the request is not a path")
    request = Request("GET", ground.settings.origin + target, Headers(list(asked.headers.items())))
    space = asked.args.get("space", "")
    try:
        iris.origin(space)
        sha256 = digest.sha256_of(name)
        with exchange.open_reading(ground) as work:
            relation = exchange.federation_of(ground).reader(request, work)
            on_roster = any(each.node == relation.node for each in work.spaces.nodes(space))
            if relation.state is not State.IN_FORCE or not on_roster:
                raise Absent(f"{relation.node} is not on the roster of {space}")
            found = service.for_partner(ground, work.session, space, sha256)
    except (RemoteError, ValueError) as error:
        raise Absent(str(error)) from error
    if found is None:
        raise Absent(f"nothing live in {space} names {name}")
    try:
        return found, service.bytes_of(ground, found)
    except NoSuchFile as error:
        raise Absent(f"the bytes of {name} are lost") from error
