"""What must hold after an attack: the whole database is as it was, but for the line that says who was refused and why.

Rule: every table is compared row by row. What a refusal may write (the entry, its receipt, the nonce, the audit) is
not left out of the comparison: it is asked for, to the row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from federation.delivery import Retry
from federation.http import Request, Response
from node.core.clock import SetClock
from node.core.db import Base
from node.identity.services.people import Person
from node.threads.services.posting import Posted
from tests.attacks.peer import Liar, Said
from tests.node.spaces.world import House, Wires, built, exchange_all, opened, peered
from tests.node.threads.talk import begin, reply

Rows = frozenset[tuple[str, ...]]
Snapshot = Mapping[str, Rows]

#: What is written about a refused line. All else stays as it is.
OF_A_LINE = frozenset({"in_entry", "stream", "receipt_given", "nonce", "audit"})
OF_A_REQUEST = frozenset({"audit"})
#: What a page may write that shows something, or refuses to: when its session was used last, and what that keeps.
OF_A_PAGE = frozenset({"audit", "session"})
#: What a failure of ours may write beside that: the line, to be tried again.
OF_A_FAILURE = OF_A_LINE | {"held_line"}
#: Where a row may say something else than before: how far a log has come, and when something was used last.
MOVE_ALONG = frozenset({"stream", "lane", "token", "session"})


class Recorded(Wires):
    """The wire between nodes, with a list of what was asked for. `lies`: by origin, what is answered there instead of
    the honest answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.lies: dict[str, Callable[[Request, Response], Response]] = {}

    def send(self, request: Request) -> Response:
        self.sent.append(f"{request.method} {request.url}")
        honest = super().send(request)
        lie = self.lies.get("/".join(request.url.split("/", 3)[:3]))
        return honest if lie is None else lie(request, honest)


@dataclass
class World:
    """Aubier, which is attacked, and two partners: Nord Acier, which lies, and Leroux & Hart, which does not.

    `bridge` is Aubier's, with both; `side` Aubier's with Leroux alone; `quiet` Aubier's alone; `nords` Nord Acier's,
    with Aubier. In each of them, those who are in it have posted.
    """

    aubier: House
    nord: House
    leroux: House
    ines: Person
    marie: Person
    owen: Person
    bridge: str = ""
    side: str = ""
    quiet: str = ""
    nords: str = ""
    posts: dict[str, str] = field(default_factory=dict)
    first: Posted = field(init=False)

    @classmethod
    def begin(cls, folder: Path, net: Recorded, compiled: Any, closing: ExitStack, **settings: str) -> World:
        clock = SetClock(datetime.now(UTC).replace(microsecond=0))

        def house(name: str, called: str, **settings: str) -> House:
            origin = f"http://{name}.localhost:8101"
            made = built(origin, called, clock, net, compiled, data_dir=str(folder / name), **settings)
            closing.callback(made.ground.close)
            return made

        aubier = house("aubier", "Aubier", **settings)
        nord, leroux = house("nord-acier", "Nord Acier"), house("leroux", "Leroux & Hart")
        peered(aubier, nord)
        peered(aubier, leroux)
        ines = aubier.person("Inès Le Goff")
        world = cls(aubier, nord, leroux, ines, nord.person("Marie Lenoir"), leroux.person("Owen Hart"))
        world._talk()
        return world

    def _talk(self) -> None:
        aubier, nord, leroux = self.aubier, self.nord, self.leroux
        bridge = aubier.space(self.ines, "Passerelle de l’Ill")
        self.bridge = opened(aubier, nord, bridge, self.ines, self.marie)
        opened(aubier, leroux, bridge, self.ines, self.owen)
        exchange_all(aubier, nord, leroux)
        nord.join(self.marie, self.bridge, aubier)
        leroux.join(self.owen, self.bridge, aubier)
        self.side = opened(aubier, leroux, aubier.space(self.ines, "À côté"), self.ines, self.owen)
        leroux.join(self.owen, self.side, aubier)
        quiet = aubier.space(self.ines, "Entre nous")
        self.quiet = aubier.iri_of(quiet)
        self.nords = opened(nord, aubier, nord.space(self.marie, "Acier"), self.marie, self.ines)
        aubier.join(self.ines, self.nords, nord)
        exchange_all(aubier, nord, leroux)
        self.first = first = begin(aubier, self.ines, bridge, "Jeudi, dix heures.")
        self.posts = {
            "ines": first.iri,
            "side": begin(aubier, self.ines, aubier.key_of(self.side), "Pour Leroux.").iri,
            "quiet": begin(aubier, self.ines, quiet, "Entre nous.").iri,
            "marie": begin(nord, self.marie, nord.key_of(self.bridge), "De Nord.").iri,
            "owen": begin(leroux, self.owen, leroux.key_of(self.bridge), "De Leroux.").iri,
            "nords": begin(nord, self.marie, nord.key_of(self.nords), "Chez Nord.").iri,
            "ines at nord": begin(aubier, self.ines, aubier.key_of(self.nords), "D’Aubier.").iri,
        }
        reply(aubier, self.ines, first.thread, "À midi plutôt.")
        exchange_all(aubier, nord, leroux)
        for each in (aubier, nord, leroux):
            each.settle_jobs()


class Fence:
    """One attack on the world: what the liar may use, and what must be true after."""

    def __init__(self, world: World, net: Recorded) -> None:
        self.world, self.net = world, net
        self.victim = world.aubier
        self.liar = Liar(world.nord, self.victim)
        self.other = Liar(world.leroux, self.victim)
        self.bridge, self.side, self.quiet, self.nords = world.bridge, world.side, world.quiet, world.nords
        self.ines, self.marie, self.owen = (each.actor for each in (world.ines, world.marie, world.owen))
        self.posts = world.posts
        #: Jobs that keep evidence of a lie.
        self.may_leave: frozenset[str] = frozenset()
        self.look()

    def look(self) -> None:
        """From here on nothing may change."""
        self.victim.ground.audit.write_counted(at_once=True)
        self._go_on(self.snapshot())

    def _go_on(self, now: Snapshot) -> None:
        self._before = self._after = self.snapshot() if self.victim.settle_jobs() else now
        self._sent = len(self.net.sent)

    def snapshot(self) -> Snapshot:
        """Every row of every table, and the names of the files."""
        found: dict[str, Rows] = {}
        with self.victim.ground.database.reading() as session:
            connection = session.connection()
            for table in Base.metadata.tables:
                rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"').all()
                found[table] = frozenset(tuple(map(repr, row)) for row in rows)
        folder = self.victim.ground.settings.data_dir
        found["files"] = frozenset(
            (os.path.join(place, name),)  # noqa: PTH118 - as os.walk gives them
            for place, _, names in os.walk(folder)
            for name in names
            if ".db" not in name
        )
        return found

    # -- what must be true

    def refuses(self, problem: str, said: Said, *, by: Liar | None = None) -> None:
        """Each line was rejected for this reason: entry, receipt, nonce and one audit line, and nothing else."""
        liar = by or self.liar
        assert said.response.status == 200, (said.response.status, said.response.body)
        assert [each for each in said.outcomes if each != ("rejected", problem)] == [], said.outcomes
        added = self._changed_only(OF_A_LINE)
        lines = len(said.entries)
        assert {name: len(rows) for name, rows in added.items()} == {
            "in_entry": lines,
            "stream": 1,
            "receipt_given": 1,
            "nonce": 1,
            "audit": lines,
        }
        for number, noted in enumerate(self.audited(lines)):
            entry = said.entries[number]
            assert (noted["action"], noted["peer"]) == ("exchange.line-rejected", liar.node)
            assert noted["digest"] == entry.content_digest
            assert problem in noted["rule"] or problem in noted["detail"], noted
        self._go_on(self._after)

    def turns_away(self, status: int, said: Said, problem: str = "", *, by: Liar | None = None) -> None:
        """The whole request was refused to a known sender: one audit line, and nothing else."""
        assert (said.response.status, said.problem) == (status, problem), said.response.body
        assert {name: len(rows) for name, rows in self._changed_only(OF_A_REQUEST).items()} == {"audit": 1}
        (noted,) = self.audited(1)
        assert (noted["action"], noted["peer"]) == ("exchange.refused", (by or self.liar).node)
        self._go_on(self._after)

    def ignores(self, status: int, said: Said, problem: str = "") -> None:
        """The whole request was refused to nobody: it is counted, and nothing else."""
        assert (said.response.status, said.problem) == (status, problem), said.response.body
        self._changed_only(OF_A_REQUEST)  # what is counted is written once a minute
        self.victim.ground.audit.write_counted(at_once=True)
        assert len(self._changed_only(OF_A_REQUEST)["audit"]) == 1
        (noted,) = self.audited(1)
        assert noted["action"] == "refused.unauthenticated"
        self._go_on(self._after)

    def disbelieves(self, lie: Callable[[Request, Response], Response]) -> None:
        """What waits for the liar goes out and is answered so: it waits on, and nothing at all was written."""
        before, self.net.lies[self.liar.origin] = self.snapshot(), lie
        verdict = self.victim.deliver(self.liar.house)
        del self.net.lies[self.liar.origin]
        assert isinstance(verdict, Retry), verdict
        assert self.snapshot() == before

    def hides(self, path: str, *, absent: str = "/o/" + "x" * 22, by: Liar | None = None) -> None:
        """A signed GET of this gives byte for byte what `absent` gives, which is not there; nothing but audit."""
        liar = by or self.liar
        answers = [liar.gets(each) for each in (path, absent)]
        shown = [(each.status, _lasting(each), each.body) for each in answers]
        assert shown[0] == shown[1], shown
        assert answers[0].status == 404
        self._changed_only(OF_A_REQUEST)
        self._go_on(self._after)

    def unchanged(self) -> None:
        """Nothing at all was written."""
        assert self._changed_only(frozenset()) == {}

    def recorded(self) -> None:
        """Nothing was written but audit."""
        self._changed_only(OF_A_REQUEST)
        self._go_on(self._after)

    def reads(self) -> None:
        """Pages were read, or refused: nothing was written but what a page may."""
        self._changed_only(OF_A_PAGE)
        self._go_on(self._after)

    def takes(self, said: Said, **rows: int) -> None:
        """The line was taken: its entry, receipt and nonce and so many rows of these tables, and nothing else.

        Of a row that was there, a log went on or a space counted one more; all else is as it was.
        """
        assert said.outcomes == [("processed", "")], said.outcomes
        rows = {"in_entry": 1, "receipt_given": 1, "nonce": 1, **rows}
        added = self._changed_only(frozenset(rows), MOVE_ALONG | {"space"})
        assert {name: len(each) for name, each in added.items()} == rows
        columns = Base.metadata.tables["space"].columns.keys()
        for row in added.get("space", ()):
            (old,) = (each for each in self._before["space"] if each[0] == row[0])
            moved = {name for name, *pair in zip(columns, old, row, strict=True) if pair[0] != pair[1]}
            assert moved <= {"rev", "member_rev", "roster", "roster_version"}, moved
            assert row[columns.index("iri")] == repr(self.bridge)
        self._go_on(self._after)

    def fails(self) -> None:
        """A failure of ours: every row that was there stands as it stood, also once its jobs ran without the line."""
        self._changed_only(OF_A_FAILURE)
        self.forget_held()
        self.victim.settle_jobs()
        self._changed_only(OF_A_FAILURE)
        self._go_on(self._after)

    def forget_held(self) -> None:
        """Take away what was kept to be tried again."""
        with self.victim.ground.database.writing() as session:
            session.execute(delete(Base.metadata.tables["held_line"]))

    def audited(self, last: int) -> list[dict[str, Any]]:
        """The last rows of the audit log, oldest first."""
        table = Base.metadata.tables["audit"]
        with self.victim.ground.database.reading() as session:
            rows = session.execute(select(table).order_by(table.c.seq.desc()).limit(last)).mappings()
            return [dict(row) for row in rows][::-1]

    def _changed_only(
        self, allowed: frozenset[str], may_move: frozenset[str] = MOVE_ALONG
    ) -> dict[str, Rows]:
        after = self._after = self.snapshot()
        changed = {name for name in after if after[name] != self._before[name]}
        assert changed <= allowed, {
            name: (self._before[name] - after[name], after[name] - self._before[name])
            for name in changed - allowed
        }
        for name in changed - may_move:
            assert self._before[name] <= after[name], f"rows of {name} are gone"
        assert self.net.sent[self._sent :] == [], "something was asked for while deciding"
        left = {task.name for task in self.victim.ground.jobs._huey.pending()}
        assert left <= self.may_leave, f"jobs were left: {left}"
        return {name: after[name] - self._before[name] for name in changed}


def _lasting(answer: Response) -> list[tuple[str, str]]:
    return sorted(pair for pair in answer.headers if pair[0].lower() not in {"date", "x-reference"})


Attack = Callable[[Fence], None]
