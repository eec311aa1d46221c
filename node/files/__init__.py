"""Files: bytes by their SHA-256, attached to posts, fetched from the host of a space, served to who may read there."""

from __future__ import annotations

from node.core.capability import Capability
from node.files import service
from node.files.api import api
from node.files.web import web

capability = Capability(
    name="files", blueprints=(web, api), jobs=(service.fetch, service.seek, service.sweep)
)
