"""How a command of a capability comes to its ground.

@click.command("token")
@click.option("--person", required=True)
@needs_ground
def token(ground: Ground, person: str) -> None: ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from node.core.ground import Ground

P = ParamSpec("P")
R = TypeVar("R")

Opener = Callable[[], AbstractContextManager[Ground]]
"""What `parvis` leaves in the click context: opens the application around a command."""


def needs_ground(command: Callable[Concatenate[Ground, P], R]) -> Callable[P, R]:
    """Runs `command(ground, …)` inside the application of the settings in the environment; closes it afterwards."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        opener: Any = click.get_current_context().find_root().obj
        with opener() as ground:
            return command(ground, *args, **kwargs)

    return run
