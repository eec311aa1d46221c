"""The provider: our people sign in at partners with what they are here."""

from __future__ import annotations

from node.core.capability import Capability
from node.provider.web import web
from node.provider.wire import wire

capability = Capability(name="provider", blueprints=(web, wire))
