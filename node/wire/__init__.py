"""The doors between nodes: exchange, inbox, signed reads, discovery. It decides nothing and has no tables."""

from __future__ import annotations

from flask import Flask

from node.core.capability import Capability
from node.core.ground import Ground
from node.wire import discovery, doors
from node.wire.rates import Rates
from node.wire.signed import signed_reads


def _set_up(app: Flask, ground: Ground) -> None:  # noqa: ARG001 -- the shape of `Capability.set_up`
    app.extensions[doors.RATES] = Rates()
    app.wsgi_app = signed_reads(app.wsgi_app)  # type: ignore[method-assign, assignment]


capability = Capability(name="wire", blueprints=(doors.blueprint, discovery.blueprint), set_up=_set_up)
