"""The places of a process in which requests may be held (`node.threads.live`)."""

from __future__ import annotations

from flask import Flask

from node.threads.live import Places

_KEY = "parvis.live"


def lay(app: Flask, count: int) -> None:
    """Makes `count` places under `app`."""
    app.extensions[_KEY] = Places(count)


def places_of(app: Flask) -> Places:
    """The places of `app`."""
    places: Places = app.extensions[_KEY]
    return places
