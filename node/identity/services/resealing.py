"""All that stands sealed in the database, sealed again under the first secret key.

Rule: a batch is one commit, and what is sealed under the first key is left alone; so a crash loses nothing, and it may
be run again and again. Which columns are sealed, and for what, they say themselves (`node.core.secrets.sealed_for`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Table, select, update

from node.core import failpoints
from node.core.audit import Act
from node.core.db import Base
from node.core.ground import Ground
from node.core.secrets import SEALED

BATCH = 200


def reseal(ground: Ground, by: str = "") -> int:
    """How many values were sealed anew. Raises DoesNotOpen for one that no key opens; those before it are done."""
    count = 0
    for table, column in _columns():
        count += _reseal(ground, table, column)
    if count:
        with ground.database.writing() as db:
            ground.audit.append(db, Act("secrets.resealed", by, detail={"values": count}))
    return count


def _columns() -> Iterator[tuple[Table, Column[bytes]]]:
    for table in Base.metadata.sorted_tables:
        yield from ((table, column) for column in table.columns if SEALED in column.info)


def _reseal(ground: Ground, table: Table, column: Column[bytes]) -> int:
    (name,) = table.primary_key.columns
    done, after = 0, None
    while True:
        query = select(*table.columns).where(column.is_not(None)).order_by(name).limit(BATCH)
        with ground.database.writing() as db:
            rows = db.execute(query if after is None else query.where(name > after)).mappings().all()
            for row in rows:
                sealed = ground.vault.resealed(row[column.name], column.info[SEALED].format(**row))
                if sealed is not None:
                    db.execute(update(table).where(name == row[name.name]).values({column.name: sealed}))
                    done += 1
        failpoints.hit("secrets.resealed")
        if len(rows) < BATCH:
            return done
        after = rows[-1][name.name]
