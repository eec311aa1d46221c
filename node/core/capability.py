"""What a capability hands to the house: the shape of `capability` in each `node/<name>/__init__.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import Blueprint, Flask

from node.core.ground import Ground
from node.core.http.guards import Viewer
from node.core.http.shown import NavItem
from node.core.jobs import Job
from node.core.work import PortFactory


class Background(Protocol):
    """Threads that live as long as the process, such as the delivery lanes."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Comes back when they have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One folder of `node`. Everything but the name is optional."""

    name: str
    blueprints: tuple[Blueprint, ...] = ()
    """Its doors. A flask-smorest blueprint is also put into the OpenAPI document."""
    ports: Mapping[str, PortFactory] = field(default_factory=dict)
    """Field of `federation.ports.Work` -> factory (`ports.py`)."""
    jobs: tuple[Job, ...] = ()
    background: tuple[Callable[[Ground], Background], ...] = ()
    commands: str = ""
    """The module whose `COMMANDS` are commands or groups under `parvis`: a node that serves never loads it.
    `node.core.commands.needs_ground` hands them the ground.
    """
    navigation: Callable[[Viewer], Iterable[NavItem]] | None = None
    """Its entries of the left column for this viewer."""
    frame: Callable[[Viewer], Mapping[str, Any]] | None = None
    """Fields of `shown.Frame` that it fills for this viewer: theme, spaces, notices."""
    initialise: Callable[[Ground, bool], Iterable[str]] | None = None
    """What `parvis init` does for it, once or again; with True (`--admin`) also the first admin. Lines to print."""
    set_up: Callable[[Flask, Ground], None] | None = None
    """What else it needs once: the viewer loader, subscribers of events."""
