"""The address of who asks: told by listed proxies, and by nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from node.core.http.forwarded import forwarded

PROXIES = ("127.0.0.1", "10.9.0.0/16", "2001:db8:9::/48")


def seen(remote: str, chain: str | None, scheme: str | None = None) -> tuple[str, str]:
    """Address and scheme as the application sees them."""
    environ: dict[str, Any] = {"REMOTE_ADDR": remote, "wsgi.url_scheme": "http"}
    if chain is not None:
        environ["HTTP_X_FORWARDED_FOR"] = chain
    if scheme is not None:
        environ["HTTP_X_FORWARDED_PROTO"] = scheme

    def application(told: dict[str, Any], _start: Any) -> list[bytes]:
        return [told["REMOTE_ADDR"].encode(), told["wsgi.url_scheme"].encode()]

    address, shown = forwarded(application, PROXIES)(environ, None)
    return address.decode(), shown.decode()


CHAINS: dict[str, tuple[str, str | None, str]] = {
    "listed": ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
    "in a listed network": ("10.9.3.4", "192.0.2.7", "192.0.2.7"),
    "beside the network": ("10.10.0.1", "192.0.2.7", "10.10.0.1"),
    "not listed": ("192.0.2.1", "127.0.0.1", "192.0.2.1"),
    "no header": ("127.0.0.1", None, "127.0.0.1"),
    "an empty header": ("127.0.0.1", "", "127.0.0.1"),
    "IPv6": ("2001:db8:9::1", "2001:db8:77::5", "2001:db8:77::5"),
    "another IPv6": ("2001:db8:8::1", "2001:db8:77::5", "2001:db8:8::1"),
    "IPv4 by an IPv6 socket": ("::ffff:127.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
    "a spoofed chain": ("127.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
    "a chain that names a proxy first": ("127.0.0.1", "127.0.0.1, 192.0.2.7", "192.0.2.7"),
    "two proxies": ("127.0.0.1", "198.51.100.1, 192.0.2.7, 10.9.0.1", "192.0.2.7"),
    "a name": ("127.0.0.1", "198.51.100.1, unknown", "127.0.0.1"),
    "a socket without an address": ("", "192.0.2.7", ""),
}


@pytest.mark.parametrize("case", CHAINS)
def test_the_address_is_what_a_listed_proxy_saw(case: str) -> None:
    remote, chain, address = CHAINS[case]
    assert seen(remote, chain)[0] == address


def test_the_scheme_counts_from_a_listed_proxy_alone() -> None:
    assert seen("127.0.0.1", None, "https")[1] == "https"
    assert seen("127.0.0.1", None, "http, https")[1] == "https"
    assert seen("127.0.0.1", None, "ftp")[1] == "http"
    assert seen("192.0.2.1", None, "https")[1] == "http"
