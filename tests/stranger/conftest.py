"""A real node for the stranger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import nodes as real


@pytest.fixture
def own_nodes(tmp_path: Path) -> Iterator[real.MakeNodes]:
    """Makes nodes on SQLite."""
    yield from real.made(tmp_path, lambda _name: "")
