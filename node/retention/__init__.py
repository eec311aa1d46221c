"""Retention: recalls and their ledger, legal holds, what is erased when its time is over."""

from __future__ import annotations

from node.core.capability import Capability
from node.retention.ports import Recalls
from node.retention.services import erasing

capability = Capability(
    name="retention",
    ports={"recalls": Recalls},
    jobs=(erasing.settle, erasing.watch),
)
