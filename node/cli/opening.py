"""The application around a command. Loaded when a command needs it, since it brings everything with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from node.app import create_app
from node.config import Settings
from node.core.ground import Ground
from node.core.http import context
from node.core.migrations import require_current


@contextmanager
def opened() -> Iterator[Ground]:
    """The ground of the environment's settings, closed afterwards. Raises `SettingsError`."""
    settings = Settings.load(os.environ)
    require_current(settings)
    app = create_app(settings)
    with app.app_context():
        ground = context.ground()
        try:
            yield ground
        finally:
            ground.close()
