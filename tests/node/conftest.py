"""What tests of the node share: settings of a node in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.config import Settings, example

ORIGIN = "http://aubier.localhost:8101"


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a development node in a folder of its own; keyword arguments replace some."""

    def make(**changes: Any) -> Settings:
        settings = replace(
            example(tmp_path / "data"), origin=ORIGIN, organisation="Aubier", log_format="text"
        )
        return replace(settings, **changes)

    return make
