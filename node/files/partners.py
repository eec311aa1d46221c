"""A file for a partner's node: signed by it, on the roster, named by a live post; anything else is one answer.

Source: PROTOCOL 2.0 (*Errors*), 2.j (*Attachments*); SECURITY TH-16.
"""

from __future__ import annotations

from typing import IO

from federation import charter, digest, iris
from federation.errors import Malformed, OutOfScope, RemoteError
from federation.http import Request
from federation.ports import State
from node.core.errors import Absent
from node.core.ground import Ground
from node.core.storage import NoSuchFile
from node.exchange import messages
from node.exchange import service as exchange
from node.files import service
from node.files.service import Found


def file_for(ground: Ground, space: str, name: str) -> tuple[Found, IO[bytes]]:
    """The file of this digest in this space, and its bytes, for who signed the request. Raises Absent."""
    try:
        request = messages.taken(ground.settings.origin)
    except Malformed as error:
        raise Absent(str(error)) from error
    try:
        return _allowed(ground, request, space, name)
    except Absent as error:
        reason = error.__cause__ if isinstance(error.__cause__, RemoteError) else OutOfScope(str(error))
        exchange.federation_of(ground).refuse_reading(request, reason)
        raise


def _allowed(ground: Ground, request: Request, space: str, name: str) -> tuple[Found, IO[bytes]]:
    try:
        iris.origin(space)
        sha256 = digest.sha256_of(name)
        with exchange.open_reading(ground) as work:
            relation = exchange.federation_of(ground).reader(request, work)
            on_roster = any(each.node == relation.node for each in work.spaces.nodes(space))
            if relation.state is not State.IN_FORCE or not on_roster:
                raise Absent(f"{relation.node} is not on the roster of {space}")
            charter.covers_space(relation, space)
            found = service.for_partner(ground, work.session, space, sha256)
    except (RemoteError, ValueError) as error:
        raise Absent(str(error)) from error
    if found is None:
        raise Absent(f"nothing live in {space} that names {name} has its bytes")
    try:
        return found, service.bytes_of(ground, found)
    except NoSuchFile as error:
        raise Absent(f"the bytes of {name} are lost") from error
