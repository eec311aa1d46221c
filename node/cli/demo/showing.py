"""`parvis demo` for a person: builds or finds the three houses, starts them, says what to try, waits for Ctrl-C."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from federation.errors import FederationError
from node.cli.demo import scene
from node.cli.demo.client import Refused
from node.cli.demo.houses import House, built, found
from node.cli.demo.keeping import Kept, Occupied, forget, held, remember, remembered
from node.cli.demo.nodes import NotStarted, claim, end_all, is_free, local_egress, next_free_port, start_all
from node.cli.demo.stopping import Stopped
from node.cli.demo.story import AUBIER, LEROUX_HART, NORD_ACIER, ORGANISATIONS, SPACE
from node.cli.upgrade import upgraded

WATCH_S = 0.5
AWAY_S = 15
PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105 -- nothing that looks like something else
Say = Callable[[str], None]


def run(folder: Path, *, fresh: bool, once: bool) -> None:
    """The whole demo. Raises `click.ClickException` with the reason when it cannot be shown."""
    folder = folder.resolve()
    houses: list[House] = []
    say = clock()
    try:
        with held(folder):
            if fresh:
                forget(folder)
            kept = remembered(folder)
            if kept is None:
                kept = _begin(folder, houses, say)
            else:
                _continue(folder, kept, houses, say)
            click.echo(_described(houses, kept.password, folder))
            if not once:
                _watch(houses, say)
    except Stopped:
        click.echo()
    except (Occupied, NotStarted, Refused, FederationError, scene.TookTooLong) as wrong:
        raise click.ClickException(str(wrong)) from wrong
    finally:
        if houses:
            say("Ending all three …")
            end_all(house.node for house in houses)
            say("Ended. Nothing of it runs any more.")


def clock() -> Say:
    """Prints lines with the seconds since now."""
    begun = time.monotonic()
    return lambda line: click.echo(f"{time.monotonic() - begun:6.1f} s  {line}")


def _begin(folder: Path, houses: list[House], say: Say) -> Kept:
    """Builds, starts, peers and furnishes. `houses` fills as they come, so that the caller can end them."""
    forget(folder)
    egress = local_egress()
    password = "passerelle-" + "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(6))
    ports: dict[str, int] = {}
    for organisation in ORGANISATIONS:
        avoided = set(ports.values())
        while not claim(port := next_free_port(organisation.port, avoided)):
            avoided.add(port)
        if port != organisation.port:
            say(f"Port {organisation.port} is taken; {organisation.name} takes {port}.")
        ports[organisation.slug] = port
    for organisation in ORGANISATIONS:
        houses.append(
            built(
                organisation, folder / organisation.slug, ports[organisation.slug], egress, password=password
            )
        )
        say(f"{organisation.name}: database, keys and people are made.")
    start_all(house.node for house in houses)
    for house in houses:
        say(f"{house.name} answers at {house.node.origin}")
    scene.play(houses, say)
    kept = Kept(password, ports)
    remember(folder, kept)
    return kept


def _continue(folder: Path, kept: Kept, houses: list[House], say: Say) -> None:
    say(f"Starting the demo that is in {folder} (--fresh begins anew).")
    for organisation in ORGANISATIONS:
        port = kept.ports[organisation.slug]
        if not (is_free(port) and claim(port)):
            raise NotStarted(
                f"Port {port} is taken, and {organisation.name} cannot move: its address is part of all it"
                " signed. End what listens there, or begin anew with --fresh."
            )
    egress = local_egress()
    houses += [found(each, folder / each.slug, egress) for each in ORGANISATIONS]
    for house in houses:
        upgraded(house.node.settings)
    start_all(house.node for house in houses)
    for house in houses:
        say(f"{house.name} answers at {house.node.origin}")


def _watch(houses: Sequence[House], say: Say) -> None:
    """Until somebody stops us. A node that ended (try kill -9) is started again after a while."""
    down: dict[str, float] = {}
    while True:
        time.sleep(WATCH_S)
        for house in houses:
            if house.node.is_alive():
                continue
            if house.name not in down:
                down[house.name] = time.monotonic()
                say(f"{house.name} has ended. In {AWAY_S} s it is started again; write at another meanwhile.")
            elif time.monotonic() - down[house.name] >= AWAY_S:
                del down[house.name]
                house.node.start()
                house.node.wait_ready()
                say(f"{house.name} answers again, as process {house.node.pid}.")


def _described(houses: Sequence[House], password: str, folder: Path) -> str:
    lines = ["", "Three organisations run on this machine, each with its own database and keys:", ""]
    for house in houses:
        people = ", ".join(
            f"{person.handle}{' (administrator)' if person.is_admin else ''}"
            for person in house.organisation.people
        )
        lines.append(f"  {house.name:<14} {house.node.origin:<36} {people}")
    by_slug = {house.organisation.slug: house.node.origin for house in houses}
    aubier, nord, leroux = (by_slug[each.slug] for each in (AUBIER, NORD_ACIER, LEROUX_HART))
    supplier = next(house.node for house in houses if house.organisation is NORD_ACIER)
    return "\n".join(
        [
            *lines,
            "",
            f"Everybody's password: {password}",
            "",
            "What to try:",
            f"  1. Sign in at {aubier} as camille and open “{SPACE}”; read who will see what you write.",
            f"  2. In a private window, sign in at {nord} as marie: answer, and see it appear at Aubier.",
            f"  3. Sign in at {leroux} as owen: Marie's words reach him through Aubier, signed by Nord Acier.",
            f"  4. As yann at {nord}/partners: the charter, the fingerprint and how the relation runs.",
            f"  5. kill -9 {supplier.pid} ends Nord Acier. Write at Aubier; {AWAY_S} s later Nord Acier has it.",
            "",
            f"The folder is {folder}. Ctrl-C ends all three.",
        ]
    )
