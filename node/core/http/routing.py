"""Numbers in addresses: a key of a row, and never more than a row's key can be."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

MAX_ROW_KEY = 2**63 - 1


class RowKey(IntegerConverter):
    """`<int:key>`: a larger number is no address, instead of an error of the database."""

    def __init__(self, map_: Map, **arguments: Any) -> None:
        super().__init__(map_, **{"max": MAX_ROW_KEY, **arguments})


def install(app: Flask) -> None:
    """Makes `<int:…>` mean it. Before the first route."""
    app.url_map.converters["int"] = RowKey
