"""Background work of copies."""

from __future__ import annotations

from node.core.ground import Ground
from node.core.jobs import every, job
from node.replicas.services import runs


@job("replicas.compare", tries=2)
def compare(ground: Ground, space_id: int, by: str) -> None:
    """Compares our copy of a space with its host's, and mends it."""
    runs.compare(ground, space_id, by)


@every(10, "replicas.due")
def compare_what_is_due(ground: Ground) -> None:
    """Nightly, after a gap, and what a crash interrupted."""
    for space_id in runs.due(ground):
        ground.jobs.enqueue(compare, space_id, "")
