"""`parvis`: what an operator does on the command line.

Rule: a command is loaded when it is asked for: `parvis serve` must not carry what the others need.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import click

from node.config import SettingsError

COMMANDS = {
    "init": "node.cli.init",
    "serve": "node.cli.serve",
    "upgrade": "node.cli.upgrade",
    "worker": "node.cli.worker",
    "migration": "node.cli.migration",
    "manual": "node.cli.manual",
    "demo": "node.cli.demo",
    "conformance": "node.cli.conformance",
}
"""Name -> the module that holds it as `command`. The others come from the capabilities."""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return sorted([*COMMANDS, *_of_capabilities()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = COMMANDS.get(cmd_name)
        if module is None:
            return _of_capabilities().get(cmd_name)
        command = import_module(module).command
        assert isinstance(command, click.Command)  # noqa: S101 -- narrows the type
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as wrong:
            raise click.ClickException(str(wrong)) from wrong


@click.group(cls=_Group)
@click.version_option(package_name="parvis", prog_name="parvis")
@click.pass_context
def main(ctx: click.Context) -> None:
    """A node of Parvis: spaces shared between organisations. Settings come from PARVIS_… and parvis.cfg."""
    ctx.obj = opened


def opened() -> AbstractContextManager[Any]:
    """What `needs_ground` finds in the context: see `node.cli.opening`."""
    opening = import_module("node.cli.opening")
    context: AbstractContextManager[Any] = opening.opened()
    return context


def _of_capabilities() -> dict[str, click.Command]:
    from node.capabilities import CAPABILITIES

    found: dict[str, click.Command] = {}
    for capability in CAPABILITIES:
        commands = import_module(capability.commands).COMMANDS if capability.commands else ()
        for command in commands:
            name = command.name or ""
            if name in COMMANDS or name in found:
                raise RuntimeError(f"Two commands are named {name}; the second is of {capability.name}.")
            found[name] = command
    return found
