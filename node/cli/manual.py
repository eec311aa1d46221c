"""`parvis manual FOLDER`: the pages of the manual that are made from the code, so that they cannot lie."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click
from flask import Flask

from node import config
from node.core.http.guards import OPEN_DOORS, Guard, guard_of

FOREIGN = {
    "static": "Styles, scripts, fonts.",
    "api-docs.openapi_json": "The OpenAPI document of the JSON API.",
}
"""Endpoint -> what it is, where the view is a library's."""
HEADING = "<!-- Made by `make manual`; change the code instead. -->\n"


@click.command("manual", hidden=True)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write settings.md, doors.md and commands.md into FOLDER."""
    import tempfile

    from node.app import create_app
    from node.cli import main
    from node.core.http.context import ground

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as empty:
        app = create_app(config.example(Path(empty)))
        pages = {
            "settings.md": settings_page(),
            "doors.md": doors_page(app),
            "commands.md": commands_page(main),
        }
        with app.app_context():
            ground().close()
    for name, page in pages.items():
        (folder / name).write_text(page, encoding="utf-8")


def settings_page() -> str:
    """Every setting."""
    rows = (
        f"| `{name}` | {unit} | {default} | {meaning.replace('|', chr(92) + '|')} |"
        for name, unit, default, meaning in config.described()
    )
    return "\n".join(
        [
            HEADING,
            "# Settings\n",
            "Each is an environment variable, or a line `name = value` (lower case, without `PARVIS_`) under",
            "`[parvis]` in the file that `PARVIS_CONFIG` names, or in `parvis.cfg`. The environment wins.\n",
            "| setting | unit | default | meaning |\n|---|---|---|---|",
            *rows,
            "",
        ],
    )


def doors_page(app: Flask) -> str:
    """Every route: who may pass, and what it is."""
    rows = (
        f"| {method} | `{path}` | {_who(guard, endpoint)} | {saying} |"
        for path, method, endpoint, guard, saying in doors(app)
    )
    return "\n".join(
        [
            HEADING,
            "# Doors\n",
            "Every address of a node, who may pass, and what is behind it.\n",
            "| method | address | who | what |\n|---|---|---|---|",
            *rows,
            "",
        ],
    )


def doors(app: Flask) -> Iterator[tuple[str, str, str, Guard | None, str]]:
    """(path, method, endpoint, guard, first line of the docstring) of every route, in order."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
        view = app.view_functions[rule.endpoint]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            inner = getattr(getattr(view, "view_class", None), method.lower(), view)
            saying = (inspect.getdoc(inner) or "").partition("\n")[0]
            if rule.endpoint in FOREIGN:
                saying = FOREIGN[rule.endpoint]
            yield rule.rule, method, rule.endpoint, guard_of(view, method), saying


def commands_page(group: click.Group) -> str:
    """Every command with its help."""
    parts = [HEADING, "# Commands\n"]
    parts += [f"## `{name}`\n\n```\n{text}\n```\n" for name, text in helps(group, "parvis", None)]
    return "\n".join(parts)


def helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """(full name, help text) of a command and of those below it, hidden ones left out."""
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent, terminal_width=100)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from helps(found, f"{name} {below}", context)


def _who(guard: Guard | None, endpoint: str) -> str:
    if guard is None:
        return f"everybody: {OPEN_DOORS.get(endpoint, '?')}"
    return guard.role + (f", or a token with `{guard.scope}`" if guard.scope else "")
