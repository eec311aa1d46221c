"""What a process makes once for a ground and keeps: opened keys, above all."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import TypeVar

from node.core.db import Database
from node.core.ground import Ground

GROUNDS_KEPT = 8  # a process has one; a test of several nodes has a few

T = TypeVar("T")


def once_per_ground(make: Callable[[Ground], T]) -> Callable[[Ground], T]:
    """`make`, called once for each ground (told apart by its database); afterwards the same answer."""
    made: dict[Database, T] = {}
    making = Lock()

    @wraps(make)
    def kept(ground: Ground) -> T:
        with making:
            if ground.database not in made:
                while len(made) >= GROUNDS_KEPT:
                    del made[next(iter(made))]
                made[ground.database] = make(ground)
            return made[ground.database]

    return kept
