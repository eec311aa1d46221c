"""What a node must not start with: checks of single values and of the machine. Source: SECURITY, TH-57, A13."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import stat
from pathlib import Path

from node.config.errors import SettingsError

LOCAL_NAMES = re.compile(r"(?:[a-z0-9-]+\.)*localhost")
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
MIN_SECRET_BYTES = 32
STA_UNSYNC = 0x0040  # <sys/timex.h>


def clock_is_synchronised() -> bool:
    """Whether the kernel says so (adjtimex); True where it cannot be asked."""
    import ctypes  # not in the master of a node that trusts its clock

    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return True
    # `struct timex` begins with unsigned modes, four longs (offset, freq, maxerror, esterror), int status.
    timex = (ctypes.c_long * 64)()
    if adjtimex(ctypes.byref(timex)) < 0:
        return True
    return not int(timex[5]) & STA_UNSYNC


def decoded_key(key: str) -> bytes:
    """The bytes of a secret key. Raises `SettingsError` when they are too few or not random."""
    try:
        raw = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as bad:
        raise SettingsError("The secret key is not base64url.") from bad
    if len(raw) < MIN_SECRET_BYTES or len(set(raw)) < MIN_SECRET_BYTES // 4:
        raise SettingsError(f"The secret key is too weak: it needs {MIN_SECRET_BYTES} random bytes.")
    return raw


def refuse_readable(path: Path) -> None:
    """Raises `SettingsError` when others than the owner may read the file."""
    try:
        mode = path.stat().st_mode
    except OSError as gone:
        raise SettingsError(f"{path} cannot be read.") from gone
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path} holds a secret and others may read it; run: chmod 600 {path}")


def check_domain(text: str) -> None:
    """Raises `SettingsError` when it is no domain as the DNS writes it."""
    if not DOMAIN.fullmatch(text):
        raise SettingsError(
            f"PARVIS_EMAIL_DOMAINS names {text!r}; write a domain like example.com, lower case, in ASCII."
        )


def check_network(text: str) -> None:
    """Raises `SettingsError` when it is no network, or too wide to be one's own."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as bad:
        raise SettingsError(
            f"PARVIS_NETWORKS names {text!r}, which is no network such as 10.1.0.0/16."
        ) from bad
    if network.prefixlen < (8 if network.version == 4 else 16):
        raise SettingsError(f"PARVIS_NETWORKS names {text}, which is too wide to be a network of yours.")


def check_proxy(text: str) -> None:
    """Raises `SettingsError` when it is neither address nor network, or everybody."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as bad:
        raise SettingsError(
            f"PARVIS_PROXIES names {text!r}; name the address or the network of your reverse proxies."
        ) from bad
    if network.prefixlen == 0:
        raise SettingsError(f"PARVIS_PROXIES may not be {text}: everybody would be believed.")


def is_loopback(host: str) -> bool:
    """Whether it is this machine: a loopback address or a name under .localhost."""
    if LOCAL_NAMES.fullmatch(host):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
