"""The first page: what waits for the reader, and what was said last in all of his or her spaces."""

from __future__ import annotations

from node.core.capability import Capability
from node.home.web import navigation, web

capability = Capability(name="home", blueprints=(web,), navigation=navigation)
