"""Who asks, when a reverse proxy stands in front: `X-Forwarded-For` and `-Proto`, from listed proxies alone.

Rule: a header counts only when the connection came from a listed proxy; the address is the last one in the chain
that is not itself a listed proxy, because all before it may be invented. Source: SECURITY TH-37;
https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For#selecting_an_ip_address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SCHEMES = frozenset({"http", "https"})


def forwarded(application: Wsgi, proxies: Iterable[str]) -> Wsgi:
    """`application`, which sees the address and scheme that the `proxies` (addresses or networks) saw."""
    networks = [ipaddress.ip_network(each) for each in proxies]

    def is_proxy(address: Address | None) -> bool:
        return address is not None and any(address in network for network in networks)

    def told(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if is_proxy(_address(environ.get("REMOTE_ADDR", ""))):
            for text in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
                address = _address(text.strip())
                if address is None:
                    break
                environ["REMOTE_ADDR"] = str(address)
                if not is_proxy(address):
                    break
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip()
            if scheme in SCHEMES:
                environ["wsgi.url_scheme"] = scheme
        return application(environ, start_response)

    return told


def _address(text: str) -> Address | None:
    """The address, an IPv4 one that was mapped into IPv6 as IPv4; None for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
