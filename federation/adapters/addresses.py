"""Which addresses we may connect to. Pure: no lookup, no socket.

Rule: global unicast by this table, or inside a network that the admin listed; and never an address
that is nobody's host or this machine's own, whoever lists it. The table is ours because the standard
library's is not right (Python 3.11.7 calls 64:ff9b::7f00:1, ::127.0.0.1 and 192.0.0.8 global). A form
that carries an IPv4 address inside is judged by that address, or refused where no honest name has one.
Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6890, 6052, 4291; SECURITY TH-25.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "127.0.0.0/8",  # loopback: only by the .localhost rule, which asks nobody
        "168.63.129.16/32",  # a cloud's own host, routed like a public address
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "192.88.99.0/24",  # 6to4 relay, deprecated (RFC 7526)
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and limited broadcast
        "::/96",  # unspecified, loopback, and IPv4-compatible (RFC 4291, section 2.5.5.1)
        "64:ff9b:1::/48",  # NAT64 of local use (RFC 8215): where the IPv4 address lies is not known
        "100::/64",  # discard-only
        "100:0:0:1::/64",  # dummy prefix
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, deprecated
        "ff00::/8",  # multicast
    )
)
_NOT_GLOBAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001::/23",  # IETF protocol assignments, ORCHID, drones, benchmarking
        "2001:db8::/32",  # documentation
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)
_UNICAST6 = IPv6Network("2000::/3")  # the only part of IPv6 from which IANA gives out global unicast
_NAT64 = IPv6Network("64:ff9b::/96")
_MAPPED = IPv6Network("::ffff:0:0/96")
_LOW_32 = 0xFFFF_FFFF
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214, section 6.1: bits 32 to 63 of the interface id


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks an admin listed, as "10.20.0.0/16" or "fd00:1::/48".

    Raises `ValueError` for a text that is no network or has bits set beyond its prefix.
    """
    return tuple(ipaddress.ip_network(text) for text in texts)


def objection(text: str, listed: Sequence[Network] = ()) -> str | None:
    """Why we may not connect to the address `text`, in a few words; None when we may."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return "not an address"
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "an address with a zone"
        if address in _MAPPED:
            address = IPv4Address(int(address) & _LOW_32)
        elif address in _NAT64:
            inner = objection(str(IPv4Address(int(address) & _LOW_32)))  # RFC 6052, 3.1: global only
            return inner and f"NAT64 of {inner}"
        elif int(address) >> 32 & _LOW_32 in _ISATAP:
            return "an IPv4 address within ISATAP"
    if any(address in network for network in _NEVER):
        return "an address of this machine, this link, or nobody"
    if any(address in network for network in listed):
        return None
    if any(address in network for network in _NOT_GLOBAL):
        return "not a public address"
    if address.version == 6 and address not in _UNICAST6:
        return "not a global unicast address"
    return None


def same(one: str, other: str) -> bool:
    """True when both texts name one address: what a socket tells of its peer, against what we asked."""
    return one == other or ipaddress.ip_address(one) == ipaddress.ip_address(other)
