"""Versions, packaging and texts: what no linter sees."""

from __future__ import annotations

import configparser
import io
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")

FLOORS = {  # RELIABILITY 2.3: below these there are known advisories
    "authlib": "1.7.2",
    "joserfc": "1.6.3",
    "flask": "3.1.3",
    "werkzeug": "3.1.4",
    "requests": "2.32.4",
    "urllib3": "2.7.0",
    "cryptography": "46.0.5",
    "marshmallow": "4.1.2",
    "gunicorn": "23.0.0",
    "idna": "3.7",
}
NEVER_AT_START = {
    "PIL", "alembic", "argon2", "authlib", "babel.messages", "gevent", "icalendar", "joserfc", "psycopg", "redis",
    "rich", "segno",
}  # fmt: skip
CATALOGUES = sorted((ROOT / "node").rglob("*.po"))


def required() -> dict[str, Requirement]:
    lines = SETUP["options"]["install_requires"].split("\n")
    return {Requirement(line).name.lower(): Requirement(line) for line in lines if line.strip()}


@pytest.mark.parametrize("name", FLOORS)
def test_no_package_may_be_below_its_floor(name: str) -> None:
    assert not required()[name].specifier.contains(f"{FLOORS[name]}.dev0", prereleases=True)
    assert Version(version(name)) >= Version(FLOORS[name])


def test_every_requirement_has_a_floor() -> None:
    assert not [
        name
        for name, each in required().items()
        if not any(part.operator in {">=", "=="} for part in each.specifier)
    ]


def test_what_is_imported_at_start_stays_small() -> None:
    script = "import sys, node.app; print('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not NEVER_AT_START & set(ran.stdout.split())


def test_the_master_process_stays_small() -> None:
    script = "import sys, node.cli, node.cli.serve, node.cli.serving; print('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"flask", "sqlalchemy", "jinja2", "node.core.db", "node.core.ground"} & set(ran.stdout.split())


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_catalogue_is_complete_and_compiled(path: Path) -> None:
    with path.open("rb") as file:
        source = read_po(file)
    missing = [message.id for message in source if message.id and (not message.string or message.fuzzy)]
    assert not missing
    compiled = read_mo(io.BytesIO(path.with_suffix(".mo").read_bytes()))
    assert _texts(compiled) == _texts(source), "run: make texts"


def _texts(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Singular and plural of each text, as tuples in either form of catalogue."""

    def parts(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
        return (text,) if isinstance(text, str) else tuple(text or ())

    return {parts(message.id): parts(message.string) for message in catalogue if message.id}
