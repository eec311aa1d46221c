"""Threads and posts: what people say to each other in a space."""

from __future__ import annotations

from node.core.capability import Capability
from node.threads.ports import Objects

capability = Capability(name="threads", ports={"objects": Objects})
