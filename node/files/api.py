"""The JSON API of files: bringing one, to be named in a post."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

from typing import Any

from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.files import service, tickets
from schemas.api import spaces as shapes

api = Blueprint("api_files", __name__, url_prefix="/api/v1", description="Files")


@api.post("/files")
@guarded(scope="files:write")
@api.arguments(shapes.Upload, location="files")
@api.response(201, shapes.Uploaded)
def upload(sent: dict[str, Any]) -> dict[str, Any]:
    """Brings a file; its ticket goes into `files` of a post."""
    taken = service.take_in(ground(), sent["file"].filename or "", sent["file"].stream)
    return {
        "ticket": tickets.issue(ground(), taken, viewer().actor),
        "name": taken.name,
        "media_type": taken.media_type,
        "size": taken.size,
        "sha256": taken.sha256.hex(),
    }
