"""`parvis demo --check`: the demo without a person. Says what it saw, with seconds; 0 when all held, else 1."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from federation.errors import FederationError
from node.cli.demo import scene
from node.cli.demo.client import Refused
from node.cli.demo.houses import House, built
from node.cli.demo.nodes import NotStarted, end_all, free_ports, local_egress, start_all
from node.cli.demo.showing import Say, clock
from node.cli.demo.stopping import Stopped
from node.cli.demo.story import AUBIER, LEROUX_HART, NORD_ACIER, ORGANISATIONS, SPACE

if TYPE_CHECKING:
    from node.exchange.evidence import Evidence

MOST_S = 60
MISSED = 5
"""Posts of each organisation that stays, while another is down."""

SAME = ("id", "rev", "state", "published", "edited", "lang", "content", "replyTo", "likes")

Replica = Mapping[str, tuple[int, str, str]]
"""IRI of a post -> rev, state, digest of what a reader sees of it."""


class Wrong(Exception):
    """Something that had to hold does not; the message says what."""


def run() -> int:
    """The exit status."""
    say = clock()
    folder = Path(tempfile.mkdtemp(prefix="parvis-demo-"))
    houses: list[House] = []
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(MOST_S)
    reason = ""
    try:
        _walk(houses, folder, say)
    except Stopped:
        reason = "It was stopped."
    except (Wrong, NotStarted, Refused, FederationError, scene.TookTooLong) as wrong:
        reason = str(wrong)
    finally:
        signal.alarm(0)
        end_all(house.node for house in houses)
    if reason:
        say(f"FAILED: {reason}")
        click.echo(f"What the three wrote is in {folder}, their logs too (node.log).")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    say("All of it holds.")
    return 0


def _walk(houses: list[House], folder: Path, say: Say) -> None:
    egress = local_egress()
    password = secrets.token_urlsafe(16)
    for organisation, port in zip(ORGANISATIONS, free_ports(len(ORGANISATIONS)), strict=True):
        houses.append(built(organisation, folder / organisation.slug, port, egress, password=password))
    say("Three organisations are made, each with a database and keys of its own.")
    start_all(house.node for house in houses)
    say("All three answer.")
    keys = scene.play(houses, say)
    _same(houses, keys, say)

    aubier, nord, leroux = (_of(houses, each.slug) for each in (AUBIER, NORD_ACIER, LEROUX_HART))
    _outage(nord, (aubier, leroux), houses, keys, say)
    _outage(aubier, (nord, leroux), houses, keys, say)
    _receipts(aubier, (nord, leroux), say)


def _outage(
    away: House, writing: Sequence[House], houses: Sequence[House], keys: Mapping[str, str], say: Say
) -> None:
    """One node is killed; the others write; it comes back and has all of it, and so have they."""
    pids = away.node.pids()
    away.node.kill()
    say(f"kill -9 of all processes of {away.name} ({', '.join(map(str, pids))}).")
    for house in writing:
        for number in range(MISSED):
            scene.say_something(
                house, keys[house.organisation.slug], f"{number + 1} / {MISSED}, while {away.name} is away."
            )
    say(f"{' and '.join(house.name for house in writing)} wrote {MISSED} posts each meanwhile.")
    away.node.start()
    away.node.wait_ready()
    say(f"{away.name} answers again.")
    _same(houses, keys, say)


def _same(houses: Sequence[House], keys: Mapping[str, str], say: Say) -> None:
    """Waits until all replicas hold the same posts, nothing pending. Raises `Wrong` with the difference."""
    begun = time.monotonic()

    def look() -> int:
        replicas = [_replica(house, keys) for house in houses]
        equal = all(each == replicas[0] for each in replicas)
        return len(replicas[0]) if equal and all(row[1] == "accepted" for row in replicas[0].values()) else 0

    try:
        count = scene.until("Equality of the replicas", look)
    except scene.TookTooLong as late:
        raise Wrong(_difference(houses, keys)) from late
    took = time.monotonic() - begun
    say(f"The same {count} posts of “{SPACE}” at all three: ids, order and digests ({took:.1f} s).")


def _difference(houses: Sequence[House], keys: Mapping[str, str]) -> str:
    replicas = {house.name: _replica(house, keys) for house in houses}
    everything = set().union(*replicas.values())
    told = [
        f"{name}: {len(held)} posts, lacks {len(everything) - len(held)},"
        f" {sum(state != 'accepted' for _, state, _ in held.values())} not accepted"
        for name, held in replicas.items()
    ]
    return "The replicas differ. " + "; ".join(told) + "."


def _replica(house: House, keys: Mapping[str, str]) -> Replica:
    return {
        post["id"]: (post["rev"], post["state"], digest_of(post))
        for post in scene.posts_of(house, keys[house.organisation.slug])
    }


def digest_of(post: Mapping[str, Any]) -> str:
    """SHA-256 over all of a post that must be the same for every reader, wherever he or she reads."""
    same = {name: post[name] for name in SAME}
    same["author"] = post["author"]["id"]
    same["files"] = [(file["name"], file["size"], file["sha256"]) for file in post["files"]]
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def _receipts(host: House, partners: Sequence[House], say: Say) -> None:
    """Every entry of every stream is receipted, and every receipt that is kept proves it: `parvis exchange verify`."""
    for here, there in ((a, b) for partner in partners for a, b in ((host, partner), (partner, host))):

        def look(here: House = here, there: House = there) -> bool:
            health = scene.relation_with(here, there)["health"]
            return health is not None and health["queued"] == 0 and health["lastSentAt"] is not None

        scene.until(f"The receipt of {there.name} for all that {here.name} sent", look)
    receipts = entries = 0
    for house in (host, *partners):
        streams = _evidence(house)
        wrong = [sentence for each in streams for sentence in each.wrong]
        if wrong or len(streams) != (len(partners) if house is host else 1):
            raise Wrong(f"The receipts that {house.name} keeps prove too little. {' '.join(wrong)}")
        receipts += sum(each.receipts for each in streams)
        entries += sum(each.proved for each in streams)
    say(
        f"{receipts} receipts, each verified again, prove the delivery of all {entries} entries; nothing waits."
    )


def _evidence(house: House) -> list[Evidence]:
    """What `parvis exchange verify` finds on this node, without another start of Python."""
    from node.app import create_app
    from node.core.http import context
    from node.exchange.evidence import evidence
    from node.exchange.service import open_reading

    app = create_app(replace(house.node.settings, log_level="ERROR"))
    with app.app_context():
        ground = context.ground()
        try:
            with open_reading(ground) as work:
                return evidence(work)
        finally:
            ground.close()


def _of(houses: Sequence[House], slug: str) -> House:
    return next(house for house in houses if house.organisation.slug == slug)


def _out_of_time(_number: int, _frame: object) -> NoReturn:
    raise Wrong(f"It did not come to its end within {MOST_S} s.")
