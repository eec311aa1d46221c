"""Which capabilities this node has, the lower ones first. THE REGISTRATION of everything below `node`."""

from __future__ import annotations

from node import (
    admin,
    exchange,
    files,
    home,
    identity,
    provider,
    relations,
    replicas,
    retention,
    spaces,
    threads,
    visitors,
    wire,
)
from node.core.capability import Capability

CAPABILITIES: tuple[Capability, ...] = (
    exchange.capability,
    identity.capability,
    relations.capability,
    visitors.capability,
    spaces.capability,
    files.capability,
    threads.capability,
    retention.capability,
    replicas.capability,
    provider.capability,
    admin.capability,
    home.capability,
    wire.capability,
)
