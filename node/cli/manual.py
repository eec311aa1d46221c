"""`parvis manual FOLDER`: the pages of the manual, and parts of pages, that are made from the code: they cannot lie."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from flask import Flask

from federation import authority, fence, limits
from federation.errors import RemoteError
from node import config
from node.cli import wire_tables
from node.core.http.guards import OPEN_DOORS, Guard, guard_of

FOREIGN = {
    "static": "Styles, scripts, fonts.",
    "api-docs.openapi_json": "The OpenAPI document of the JSON API.",
}
"""Endpoint -> what it is, where the view is a library's."""
MIXED = ("../protocol.md", "../../FEDERATION.md")
"""Pages written by hand, by their place beside FOLDER, with parts that are made: `node.cli.wire_tables`."""
HEADING = "<!-- Made by `make manual`; change the code instead. -->\n"


@click.command("manual", hidden=True)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write the pages into FOLDER, and the made parts of those beside it."""
    import tempfile

    from node.app import create_app
    from node.core.http.context import ground

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as empty:
        app = create_app(config.example(Path(empty)))
        made, parts = pages(app), wire_tables.parts(app)
        with app.app_context():
            ground().close()
    for name, page in made.items():
        (folder / name).write_text(page, encoding="utf-8")
    for path in (folder / name for name in MIXED):
        if path.exists():
            path.write_text(wire_tables.filled(path.read_text(encoding="utf-8"), parts), encoding="utf-8")


def pages(app: Flask) -> dict[str, str]:
    """File name -> text of every page that is made from the code."""
    from node.cli import main

    return {
        "settings.md": settings_page(),
        "doors.md": doors_page(app),
        "commands.md": commands_page(main),
        "rights.md": rights_page(),
        "problems.md": problems_page(),
        "limits.md": limits_page(),
    }


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


def rights_page() -> str:
    """Who may say what: the decision table of `federation.authority`."""
    rows = sorted(authority.TABLE.items(), key=lambda row: (row[0][0], row[0][1].name))
    return "\n".join(
        [
            HEADING,
            "# Rights\n",
            "Which activity about which thing a node takes from whom. What stands in no row is refused as",
            "[`#out-of-scope`](../problems/out-of-scope.md); where only membership is lacking, as",
            "[`#not-member`](../problems/not-member.md). Each alternative is held as a whole or not at all.\n",
            "*Control*: passes outside the `activityTypes` and `objectTypes` of the agreement. *Ordered*: the host",
            "of the space gives it the next `rev` and announces it.\n",
            "| activity | about | who | control | ordered |\n|---|---|---|---|---|",
            *(
                f"| {verb} | {thing} | {_alternatives(alternatives)} | {_yes((verb, thing) in authority.CONTROL)}"
                f" | {_yes((verb, thing) in authority.ORDERED)} |"
                for (verb, thing), alternatives in rows
            ),
            "\n## What an agreement lets pass\n",
            "All that is not control then meets the agreement, on send and on receive: these rules, in this order. The",
            "first that does not hold refuses, in these words, as `#out-of-scope`; *identity* as",
            "[`#insufficient-authentication`](../problems/insufficient-authentication.md). What each asks stands in",
            "[the protocol](../protocol.md#the-agreement). *Recall* is a `Delete` with `recall`.\n",
            "| rule | words of the refusal | not asked of |\n|---|---|---|",
            *(
                f"| {rule.name} | {_PLACE.sub('…', rule.says)} | {', '.join(sorted(rule.spares)) or '–'} |"
                for rule in fence.RULES
            ),
            "",
        ],
    )


_PLACE = re.compile(r"\{[^}]*\}")


def problems_page() -> str:
    """Every problem type, as the classes of `federation.errors` have them."""
    rows = (
        f"| [`#{kind.problem}`](../problems/{kind.problem}.md) | {kind.status} | {kind.title} | {_first_line(kind)} |"
        for kind in problem_types()
    )
    return "\n".join(
        [
            HEADING,
            "# Problem types\n",
            "Under the namespace `https://w3id.org/parvis/v1`; what to do about each stands on",
            "[its page](../problems/index.md).\n",
            "| type | status | title | when |\n|---|---|---|---|",
            *rows,
            "",
        ],
    )


def problem_types() -> list[type[RemoteError]]:
    """The errors that have a problem type of the profile, by type and status."""
    found = [
        kind for kind in _below(RemoteError) if kind.__module__ == RemoteError.__module__ and kind.problem
    ]
    return sorted(found, key=lambda kind: (kind.problem or "", kind.status))


def limits_page() -> str:
    """Every bound of the protocol."""
    rows = (
        f"| `{name.lower()}` | {value} |"
        for name, value in sorted(vars(limits).items())
        if name.isupper() and isinstance(value, int | float)
    )
    return "\n".join(
        [
            HEADING,
            "# Limits\n",
            "Every bound of the protocol; the unit stands in the name (`_s` for seconds). An agreement may set",
            "smaller sizes.\n",
            "| limit | value |\n|---|---|",
            *rows,
            "",
        ],
    )


def _below(kind: type[RemoteError]) -> Iterator[type[RemoteError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _first_line(kind: type[RemoteError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _alternatives(alternatives: Iterable[frozenset[authority.Standing]]) -> str:
    return "; or ".join(
        " and ".join(each for each in authority.Standing if each in alternative)
        for alternative in alternatives
    )


def _yes(fact: object) -> str:
    return "yes" if fact else ""


def _who(guard: Guard | None, endpoint: str) -> str:
    if guard is None:
        return f"everybody: {OPEN_DOORS.get(endpoint, '?')}"
    return guard.role + (f", or a token with `{guard.scope}`" if guard.scope else "")
