"""Copies of spaces: compared with their hosts', mended, and proved equal by what both sides sign."""

from __future__ import annotations

from flask import Flask

from node.core.capability import Capability
from node.core.ground import Ground
from node.exchange.recovery import CaughtUp
from node.relations.records import Agreed, Resumed
from node.replicas.api import api
from node.replicas.ports import Statements
from node.replicas.present import proofs_of
from node.replicas.services import runs
from node.replicas.web import navigation, web
from node.threads.web import COPIES_OF


def _set_up(app: Flask, ground: Ground) -> None:
    app.extensions[COPIES_OF] = lambda session, space_id: proofs_of(session, ground, space_id)
    ground.events.subscribe(Agreed, lambda agreed, session: runs.when_changed(ground, agreed, session))
    ground.events.subscribe(CaughtUp, lambda caught, session: runs.when_caught_up(ground, caught, session))
    ground.events.subscribe(Resumed, lambda resumed, session: runs.when_changed(ground, resumed, session))


capability = Capability(
    name="replicas",
    blueprints=(web, api),
    ports={"statements": Statements},
    jobs=(runs.compare_soon, runs.compare_what_is_due),
    commands="node.replicas.cli",
    navigation=navigation,
    set_up=_set_up,
)
