"""Retention: recalls and their ledger, legal holds, what is erased when its time is over."""

from __future__ import annotations

from node.core.capability import Capability
from node.retention.api import api
from node.retention.cli import hold_group, recall_group
from node.retention.ports import Recalls
from node.retention.services import erasing
from node.retention.web import navigation, web

capability = Capability(
    name="retention",
    blueprints=(web, api),
    ports={"recalls": Recalls},
    jobs=(erasing.settle, erasing.watch),
    commands=(recall_group, hold_group),
    navigation=navigation,
)
