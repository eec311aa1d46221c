"""INSERT … ON CONFLICT, which both databases have and SQLAlchemy keeps in their dialects; built once."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from sqlalchemy import Table

from node.core.hot import Hot


def insert_into(dialect: str, table: Table) -> Any:
    """The `INSERT` of this dialect (`sqlite`, `postgresql`), which is loaded already."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


@cache
def insert_or_leave(dialect: str, table: Table) -> Hot:
    """Inserts what is not there yet."""
    return Hot(insert_into(dialect, table).on_conflict_do_nothing())
