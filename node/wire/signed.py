"""A signed GET of one of our IRIs goes to the wire, the same address without a signature to a page.

Rule: only the path inside the application changes; what the signature covers is the request line as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

READ_PREFIX = "/signed"
READABLE = ("/a/", "/digest/", "/o/", "/people/", "/rosters", "/spaces/", "/streams/")

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def signed_reads(application: Wsgi) -> Wsgi:
    """`application`, whose doors for signed GETs lie under `READ_PREFIX`."""

    def routed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if path.startswith(f"{READ_PREFIX}/"):
            environ["PATH_INFO"] = "/not-here"
        elif (
            "HTTP_SIGNATURE_INPUT" in environ
            and environ["REQUEST_METHOD"] == "GET"
            and path.startswith(READABLE)
        ):
            environ["PATH_INFO"] = READ_PREFIX + path
        return application(environ, start_response)

    return routed
