"""From the application at hand to its ground floor. Rule: for doors only; a service is given what it needs."""

from __future__ import annotations

from flask import Flask, current_app

from node.core.ground import Ground

_KEY = "parvis"


def lay(app: Flask, ground: Ground) -> None:
    """Puts the ground under `app`."""
    app.extensions[_KEY] = ground


def ground() -> Ground:
    """The ground floor of the application that answers now."""
    found = current_app.extensions[_KEY]
    assert isinstance(found, Ground)  # noqa: S101 -- narrows the type
    return found
