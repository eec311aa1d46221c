"""Parts of addresses: a key of a row, never more than a row's key can be; the host of a node."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter, IntegerConverter, Map

MAX_ROW_KEY = 2**63 - 1


class RowKey(IntegerConverter):
    """`<int:key>`: a larger number is no address, instead of an error of the database."""

    def __init__(self, map_: Map, **arguments: Any) -> None:
        super().__init__(map_, **{"max": MAX_ROW_KEY, **arguments})


class Host(BaseConverter):
    """`<host:name>`: a host with its port, if any; what has neither dot nor colon is something else's name."""

    regex = r"[a-z0-9-]*[.:][a-z0-9.:-]*"
    weight = 50


def install(app: Flask) -> None:
    """Makes `<int:…>` mean it, and adds `<host:…>`. Before the first route."""
    app.url_map.converters["int"] = RowKey
    app.url_map.converters["host"] = Host
