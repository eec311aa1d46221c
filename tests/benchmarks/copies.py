"""How long it takes to compare the copies of a large space, and to bring back a hundred lost posts; prints JSON.

    .venv/bin/python -m tests.benchmarks.copies [LEAVES]

Two nodes in this process on SQLite files; both sides and what they compute together are in each figure. All but the
last thousand posts are rows that only look like posts: what is lost and comes back is real.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from jinja2 import FileSystemBytecodeCache
from sqlalchemy import text

from node.core.clock import SetClock
from node.relations.services import outside
from node.replicas.services import runs
from node.threads.posts import digest_of
from node.threads.services.seeding import seed
from tests.node.relations.peers import peered
from tests.node.spaces.world import House, Role, Way, Wires, built, exchange_all, opened

REAL = 1000
LOST = 100


def main(leaves: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), leaves), indent=2))


def measured(folder: Path, leaves: int) -> dict[str, float]:
    """The figures, in seconds of processor time, requests and MiB."""
    clock, net = SetClock(datetime.now(UTC).replace(microsecond=0)), Wires()
    outside.egress_to = lambda ground, origin: cast("Any", Way(net))
    compiled = FileSystemBytecodeCache(str(folder))
    host, guest = (
        built(f"http://{name}.localhost:8101", name, clock, net, compiled, data_dir=str(folder / name))
        for name in ("aubier", "nord")
    )
    peered(host, guest)
    nora, emil = host.person("Nora Lind", Role.ADMIN), guest.person("Emil Sund", Role.ADMIN)
    key = host.space(nora)
    iri = opened(host, guest, key, nora, emil)
    for _ in seed(host.ground, host.by(nora), key, REAL):
        pass
    exchange_all(host, guest)
    for house in (host, guest):
        multiply(house, leaves - REAL)
    number = int(guest.fact("SELECT id FROM space WHERE iri = :iri", iri=iri))
    figures: dict[str, float] = {"leaves": leaves}
    for name in ("first_cpu_s", "equal_cpu_s"):
        clock.move(hours=1)
        figures[name], run = timed(guest, number)
        figures[name.replace("_cpu_s", "_requests")] = run.requests
    lose(guest)
    clock.move(hours=1)
    figures["repair_cpu_s"], run = timed(guest, number)
    figures |= {"repair_requests": run.requests, "repaired": run.repaired, "equal": run.state == "equal"}
    lose(guest)
    clock.move(hours=1)
    tracemalloc.start()
    timed(guest, number)
    figures["repair_peak_mib"] = round(tracemalloc.get_traced_memory()[1] / 2**20, 1)
    for house in (host, guest):
        house.ground.close()
    return figures


def lose(house: House) -> None:
    """The rows of a hundred posts are gone."""
    with house.ground.database.writing() as session:
        lost = (
            "SELECT id FROM post WHERE iri LIKE '%/o/%' AND iri NOT LIKE '%-copy-%' ORDER BY rev LIMIT :most"
        )
        session.execute(text(f"DELETE FROM post WHERE id IN ({lost})"), {"most": LOST})


def timed(house: House, space_id: int) -> tuple[float, runs.Run]:
    """In seconds of processor time, of both sides: the machine may be busy with other things."""
    begun = time.process_time()
    run = runs.compare(house.ground, space_id)
    return round(time.process_time() - begun, 2), run


def multiply(house: House, more: int) -> None:
    """So many more rows that look like posts, the same in both houses."""
    with house.ground.database.writing() as session:
        row = dict(session.execute(text("SELECT * FROM post ORDER BY rev LIMIT 1")).mappings().one())
        last = session.execute(text("SELECT max(id) FROM post")).scalar_one()
        rev = session.execute(text("SELECT max(rev) FROM space")).scalar_one()
        rows = []
        for number in range(1, more + 1):
            iri = f"{row['iri']}-copy-{number}"
            place = {"id": last + number, "iri": iri, "digest": digest_of(iri)}
            rows.append({**row, **place, "rev": rev + number, "changed_rev": rev + number})
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        session.execute(text(f"INSERT INTO post ({names}) VALUES ({values})"), rows)
        session.execute(text("UPDATE space SET rev = rev + :more"), {"more": more})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
