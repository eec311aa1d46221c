"""Retention: recalls and their ledger, legal holds, what is erased when its time is over."""

from __future__ import annotations

from flask import Flask

from node.core.capability import Capability
from node.core.ground import Ground
from node.relations.records import RelationEnded
from node.retention.api import api
from node.retention.ports import Recalls
from node.retention.services import erasing, expiry, tombstones
from node.retention.web import navigation, web


def _set_up(app: Flask, ground: Ground) -> None:  # noqa: ARG001 - the shape of Capability.set_up
    ground.events.subscribe(RelationEnded, expiry.when_ended)


capability = Capability(
    name="retention",
    blueprints=(web, api),
    ports={"recalls": Recalls},
    background=(tombstones.Replay,),
    jobs=(erasing.settle, erasing.watch, expiry.expire),
    commands="node.retention.cli",
    navigation=navigation,
    set_up=_set_up,
)
