"""Copies of spaces: compared with their hosts', mended, and proved equal by what both sides sign."""

from __future__ import annotations

from node.core.capability import Capability
from node.replicas import jobs
from node.replicas.ports import Statements

capability = Capability(
    name="replicas", ports={"statements": Statements}, jobs=(jobs.compare, jobs.compare_what_is_due)
)
