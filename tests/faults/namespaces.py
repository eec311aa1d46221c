"""Nodes in network namespaces, and the cable between them: IP packets that are lost, late or slow (RELIABILITY R3).

What a namespace sends comes out of its TUN device; a thread here hands it to whom it is for, or does not. Needs root,
`/dev/net/tun` and `ip`. A namespace is held by its descriptor alone, so nothing of it outlives the tests.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.faults.proxy import BYTES_A_SECOND, LATENCY_S, LOSS, is_away

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
DEVICE = "cable"
MAX_QUEUED_S = 2.0
"""What a narrow cable would carry later than that is dropped, as by a full queue."""
MAX_PACKET_BYTES = 65536
TCP, SYN, SYN_ACK = 6, 0x02, 0x12

_libc = ctypes.CDLL(None, use_errno=True)


def enter(path: str) -> None:
    """From now on this thread is in the namespace at `path`; what it opens stays there. Raises OSError."""
    there = os.open(path, os.O_RDONLY)
    try:
        _done(_libc.setns(there, CLONE_NEWNET))
    finally:
        os.close(there)


@contextmanager
def inside(path: str) -> Iterator[None]:
    """This thread is in the namespace at `path` for so long."""
    with _back_here():
        enter(path)
        yield


@contextmanager
def _back_here() -> Iterator[None]:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        _done(_libc.setns(here, CLONE_NEWNET))
        os.close(here)


def _done(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Cable:
    """So many namespaces, which reach each other over it at 10.77.0.1, 10.77.0.2 and so on.

    `fault` may be changed at any time, "" is none; what is `one-way` reaches the first namespace alone.
    `attempts`: connections that were tried while nothing passed. Raises OSError where the machine has no namespaces.
    """

    def __init__(self, ends: int) -> None:
        self.fault, self.cut, self.attempts = "", 0, 0
        self.addresses = [f"10.77.0.{number + 1}" for number in range(ends)]
        self._rng = random.Random(1)
        self._spaces, self._devices = list[int](), list[int]()
        try:
            for address in self.addresses:
                self._add(address)
        except BaseException:
            self._release()
            raise
        self._by_address = {
            bytes(map(int, address.split("."))): device
            for address, device in zip(self.addresses, self._devices, strict=True)
        }
        self._waiting = list[tuple[float, int, int, bytes]]()
        self._number, self._ended = 0, False
        self._free_at = dict[bytes, float]()
        self._thread = threading.Thread(target=self._run, name="cable", daemon=True)
        self._thread.start()

    @property
    def paths(self) -> list[str]:
        """Where each namespace can be entered, by other processes too."""
        return [f"/proc/{os.getpid()}/fd/{space}" for space in self._spaces]

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        self._release()

    def _release(self) -> None:
        for each in (*self._devices, *self._spaces):
            os.close(each)

    def _add(self, address: str) -> None:
        with _back_here():
            _done(_libc.unshare(CLONE_NEWNET))
            self._spaces.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
            self._devices.append(os.open("/dev/net/tun", os.O_RDWR))
            wanted = struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI)
            fcntl.ioctl(self._devices[-1], TUNSETIFF, wanted)
            _ip("link set lo up")
            _ip(f"address add {address}/24 dev {DEVICE}")
            _ip(f"link set {DEVICE} up")

    def _run(self) -> None:
        while not self._ended:
            due_s = self._waiting[0][0] - time.monotonic() if self._waiting else 0.1
            for device in select.select(self._devices, [], [], min(max(due_s, 0), 0.1))[0]:
                self._take(os.read(device, MAX_PACKET_BYTES))
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(self._waiting)
                with suppress(OSError):
                    os.write(device, packet)

    def _take(self, packet: bytes) -> None:
        """Queues the packet for the moment at which it arrives, unless it is lost."""
        device = self._by_address.get(packet[16:20])
        if device is None:  # IPv6, or nobody's
            return
        fault, now, source = self.fault, time.monotonic(), packet[12:16]
        if is_away(fault):
            self.cut += 1
            self.attempts += _opens(packet)
            return
        one_way = fault == "one-way" and device != self._devices[0]
        if one_way or (fault == "lossy" and self._rng.random() < LOSS):
            self.cut += 1
            return
        due = now + LATENCY_S if fault == "latency" else now
        if fault == "narrow":
            due = max(now, self._free_at.get(source, now)) + len(packet) / BYTES_A_SECOND
            if due > now + MAX_QUEUED_S:
                return
            self._free_at[source] = due
        self._number += 1
        heapq.heappush(self._waiting, (due, self._number, device, packet))


def _ip(command: str) -> None:
    """Raises OSError."""
    done = subprocess.run(["ip", *command.split()], check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {command}: {done.stderr}")


def _opens(packet: bytes) -> bool:
    """True for the first packet of a TCP connection, and for its repetitions."""
    header = (packet[0] & 0x0F) * 4
    return packet[9] == TCP and packet[header + 13] & SYN_ACK == SYN
