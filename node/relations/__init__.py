"""Partners: invitation, verification, charter, and how each relation runs."""

from __future__ import annotations

from flask import Flask

from node.core.capability import Capability
from node.core.ground import Ground
from node.relations import jobs
from node.relations.api import api
from node.relations.history_api import api as history_api
from node.relations.history_web import web as history_web
from node.relations.ports import Agreements, Handshakes, Peers
from node.relations.web import navigation, web


def _set_up(app: Flask, ground: Ground) -> None:  # noqa: ARG001 - the shape of Capability.set_up
    jobs.subscribe(ground)


capability = Capability(
    name="relations",
    blueprints=(web, history_web, api, history_api),
    ports={"peers": Peers, "handshakes": Handshakes, "agreements": Agreements},
    jobs=jobs.ALL,
    commands="node.relations.cli",
    navigation=navigation,
    set_up=_set_up,
)
