"""What administrators watch: the audit, and figures for a monitor."""

from __future__ import annotations

from node.admin.api import api
from node.admin.web import navigation, web
from node.core.capability import Capability

capability = Capability(name="admin", blueprints=(web, api), commands="node.admin.cli", navigation=navigation)
