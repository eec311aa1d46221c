"""INSERT … ON CONFLICT of the database at hand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session


def insert_for(session: Session, table: Table) -> Any:
    """The `INSERT` of this database, which knows ON CONFLICT; its dialect is loaded already."""
    dialect = session.get_bind().dialect.name
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
