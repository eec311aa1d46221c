"""The table of addresses that we may and may not connect to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.adapters import addresses

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "203.0.112.255", "203.0.114.0", "223.255.255.255", "::ffff:93.184.216.34", "64:ff9b::5db8:d822",
    "2001:200::1", "2001:4860:4860::8888", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4007::1",
    "2c00::1", "2001:db7:ffff::1", "2001:db9::1",
]  # fmt: skip

REFUSED = [
    # IPv4 registry, edges of each block
    "0.0.0.0", "0.0.0.1", "0.255.255.255", "10.0.0.0", "10.1.2.3", "10.255.255.255", "100.64.0.0",
    "100.100.100.200", "100.127.255.255", "127.0.0.0", "127.0.0.1", "127.1.2.3", "127.255.255.255",
    "169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255", "172.16.0.0", "172.17.0.1",
    "172.31.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.192",
    "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.31.196.1", "192.52.193.1", "192.88.99.0",
    "192.88.99.255", "192.168.0.0", "192.168.1.1", "192.168.255.255", "192.175.48.1", "198.18.0.0",
    "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0",
    "224.0.0.1", "239.255.255.250", "240.0.0.0", "254.255.255.255", "255.255.255.255", "168.63.129.16",
    # IPv6 registry
    "::", "::1", "::2", "100::", "100::1", "100:0:0:1::1", "2001::", "2001:0:1::1", "2001:1::1",
    "2001:1::2", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1",
    "2001:1ff:ffff::1", "2001:db8::", "2001:db8::1", "2001:db8:ffff::1", "2620:4f:8000::1", "3ffe::1",
    "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "8000::1", "fc00::", "fc00::1", "fd00::1",
    "fd00:ec2::254", "fdff::1", "fe00::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "feff::1",
    "ff00::1", "ff02::1", "ff0e::1", "ffff::1", "1000::1", "200::1", "400::1",
    # IPv4 inside: mapped, compatible, translated
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:192.168.0.1", "::ffff:100.64.0.1", "::ffff:255.255.255.255", "::ffff:224.0.0.1",
    "::127.0.0.1", "::7f00:1", "::10.0.0.1", "::93.184.216.34", "::169.254.169.254",
    "::ffff:0:127.0.0.1", "::ffff:0:93.184.216.34",
    # NAT64, both prefixes
    "64:ff9b::", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::192.168.1.1", "64:ff9b::0.0.0.0", "64:ff9b::1:7f00:1", "64:ff9b:1::1",
    "64:ff9b:1::7f00:1", "64:ff9b:1::93.184.216.34", "64:ff9b:1:7f00:0:100::", "64:ff9b:2::1",
    # 6to4, Teredo, ISATAP
    "2002::", "2002:7f00:1::1", "2002:a00:1::1", "2002:5db8:d822::1", "2002:a9fe:a9fe::1",
    "2001:0:5db8:d822::", "2001::80ff:fffe", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2606:2800:220:1::5efe:7f00:1", "2606:2800:220:1:0:5efe:10.0.0.1", "2606:2800:220:1:200:5efe:a9fe:a9fe",
    "2606:2800:220:1:200:5efe:5db8:d822", "fe80::5efe:127.0.0.1",
    # no addresses at all
    "", " ", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.01", "1.1.1.1 ",
    "1.1.1.1\n", "[::1]", "::ffff:1.1.1.256", "1.1.1.1/32", "\uff11.1.1.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_takes_a_public_address(address: str) -> None:
    assert addresses.objection(address) is None


@pytest.mark.parametrize("address", REFUSED)
def test_objects_to_every_other_address(address: str) -> None:
    assert addresses.objection(address)


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("10.20.0.0/16", "10.20.3.4"),
        ("192.168.0.0/16", "::ffff:192.168.0.9"),
        ("fd00:1::/48", "fd00:1::5"),
        ("2001:db8::/32", "2001:db8::7"),
    ],
)
def test_takes_an_address_in_a_network_that_the_admin_listed(network: str, address: str) -> None:
    assert addresses.objection(address, addresses.networks([network])) is None


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("10.20.0.0/16", "10.21.0.1"),
        ("0.0.0.0/0", "127.0.0.1"),
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("169.254.0.0/16", "169.254.169.254"),
        ("::/0", "::1"),
        ("::/0", "fe80::1"),
        ("::/0", "2002:7f00:1::1"),
        ("10.0.0.0/8", "64:ff9b::10.0.0.1"),
        ("64:ff9b:1::/48", "64:ff9b:1::7f00:1"),
        ("2606:2800::/32", "2606:2800:220:1::5efe:7f00:1"),
        ("fd00::/8", "10.0.0.1"),
    ],
)
def test_no_list_opens_this_machine_or_its_link(network: str, address: str) -> None:
    assert addresses.objection(address, addresses.networks([network]))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "ten", "10.0.0.0/33"])
def test_a_wrong_network_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        addresses.networks([text])


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_address_inside(address: ipaddress.IPv4Address) -> None:
    assert addresses.objection(f"::ffff:{address}") == addresses.objection(str(address))
    assert bool(addresses.objection(f"64:ff9b::{address}")) == bool(addresses.objection(str(address)))
    assert addresses.objection(f"::{address}")


@given(st.ip_addresses())
def test_is_never_wider_than_the_standard_library(address: ipaddress.IPv4Address) -> None:
    if addresses.objection(str(address)) is None and address not in ipaddress.ip_network("64:ff9b::/96"):
        assert address.is_global or getattr(address, "ipv4_mapped", None)


def test_one_address_has_many_texts() -> None:
    assert addresses.same("2606:2800:220::1", "2606:2800:0220:0:0:0:0:1")
    assert addresses.same("1.1.1.1", "1.1.1.1")
    assert not addresses.same("1.1.1.1", "1.1.1.2")
