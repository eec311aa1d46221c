"""Which capabilities this node has, the lower ones first. THE REGISTRATION of everything below `node`."""

from __future__ import annotations

from node import identity
from node.core.capability import Capability

CAPABILITIES: tuple[Capability, ...] = (identity.capability,)
