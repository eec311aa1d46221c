"""Every route is guarded or open on purpose; every route, command and setting is documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from node import config
from node.app import create_app
from node.cli import COMMANDS, main, manual
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = create_app(config.example(tmp_path_factory.mktemp("node")))
    yield app
    with app.app_context():
        ground().close()


def test_every_route_is_guarded_or_open_on_purpose(app: Flask) -> None:
    unguarded = {
        endpoint
        for _, _, endpoint, guard, _ in manual.doors(app)
        if guard is None and endpoint not in OPEN_DOORS
    }
    assert not unguarded


def test_no_route_is_both_guarded_and_open(app: Flask) -> None:
    assert not {endpoint for _, _, endpoint, guard, _ in manual.doors(app) if guard is not None} & set(
        OPEN_DOORS
    )


def test_every_open_door_exists(app: Flask) -> None:
    assert set(OPEN_DOORS) <= set(app.view_functions)


def test_every_route_says_what_it_is(app: Flask) -> None:
    assert not [f"{method} {path}" for path, method, _, _, saying in manual.doors(app) if not saying]


def test_every_command_says_what_it_does() -> None:
    def silent(command: click.Command, name: str) -> Iterator[str]:
        if not command.help:
            yield name
        if isinstance(command, click.Group):
            for below in command.list_commands(click.Context(command)):
                found = command.get_command(click.Context(command), below)
                assert found is not None
                yield from silent(found, f"{name} {below}")

    assert not list(silent(main, "parvis"))
    assert set(COMMANDS) <= set(main.list_commands(click.Context(main)))


def test_every_setting_says_what_it_is() -> None:
    assert not [name for name, _, _, meaning in config.described() if not meaning.endswith((".", ":"))]


def test_the_pages_made_from_the_code_are_fresh(app: Flask) -> None:
    for name, page in manual.pages(app).items():
        assert (REFERENCE / name).read_text(encoding="utf-8") == page, f"{name} is old; run: make manual"
