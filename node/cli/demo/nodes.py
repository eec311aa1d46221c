"""Nodes as processes of their own: made, started, waited for, killed, ended to the last process.

Rule: every process started here leads a process group of its own, is known by its id, and dies with us: the
kernel is told so (PR_SET_PDEATHSIG), for the case that we are killed and can tell nobody. The bench starts its
nodes through this module too.
"""

from __future__ import annotations

import configparser
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from federation.adapters.egress import Egress
from federation.errors import EgressError
from federation.http import Request
from node.config import Settings, new_secret_key

START_S = 30.0
GRACE_S = 3.0  # then SIGKILL: nothing that was told is lost by it
POLL_S = 0.02
SECTION = "parvis"
LOOPBACK = "127.0.0.1"
LAST_PORT = 65535

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_LIBC = ctypes.CDLL(None)
_CLAIMS: list[socket.socket] = []


class NotStarted(Exception):
    """A node did not come up; the message says which and why."""


def is_free(port: int) -> bool:
    """Whether a server may listen on this port of this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, of the machine's choice, and claimed: nobody else is given them."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            probe = held.enter_context(socket.socket())
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
            if claim(port):
                ports.append(port)
        return ports


def next_free_port(port: int, taken: Iterable[int] = ()) -> int:
    """The first port from `port` upwards that is free and not in `taken`."""
    avoided = set(taken)
    return next(each for each in range(port, LAST_PORT) if each not in avoided and is_free(each))


def claim(port: int) -> bool:
    """Keeps a port for this process among all demos of the machine, until it ends; False when another has it.

    Between the choice of a port and the node that listens on it lie seconds, in which another demo would find it free.
    The mark is a name of Linux' own (unix(7), *abstract*), so that none is left behind.
    """
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0parvis-demo-{port}")
    except OSError:
        mark.close()
        return False
    _CLAIMS.append(mark)
    return True


def is_gone(pid: int) -> bool:
    """Whether this process runs no more; one that nobody has reaped yet is gone too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass(slots=True)
class Node:
    """One organisation's node in a folder of its own. `settings` are those of the file `parvis.cfg` in it."""

    name: str
    folder: Path
    egress: Egress
    extra: Mapping[str, str] = field(default_factory=dict)
    """Environment beside the settings file, such as a failpoint."""
    _process: subprocess.Popen[bytes] | None = None
    _log: IO[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "parvis.cfg"

    @property
    def log(self) -> Path:
        return self.folder / "node.log"

    @property
    def environment(self) -> dict[str, str]:
        """What `parvis` needs to be this node, and nothing of another one."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PARVIS_")}
        return {**ours, "PARVIS_CONFIG": str(self.config), "PYTHONUNBUFFERED": "1", **self.extra}

    @property
    def settings(self) -> Settings:
        return Settings.load(self.environment)

    @property
    def origin(self) -> str:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self.config, encoding="utf-8")
        return parser[SECTION]["origin"]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The process id of the master, which is also the id of its group. Raises `NotStarted`."""
        if self._process is None:
            raise NotStarted(f"{self.name} was not started.")
        return self._process.pid

    def write_settings(self, values: Mapping[str, str]) -> None:
        """Writes `parvis.cfg` (mode 0600), with a secret key of its own."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        parser = configparser.ConfigParser(interpolation=None)
        parser[SECTION] = {
            "environment": "development",
            "data_dir": str(self.folder),
            "secret_key": new_secret_key(),
            "log_format": "text",
            **values,
        }
        with os.fdopen(os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            parser.write(file)

    def start(self) -> None:
        """Starts `parvis serve`; comes back at once. Raises `NotStarted` when it runs already."""
        if self.is_alive():
            raise NotStarted(f"{self.name} runs already.")
        self.kill()
        self._log = self.log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "node.cli", "serve"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end the others
            preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509 -- we have one thread when we start nodes
        )

    def wait_ready(self, timeout_s: float = START_S) -> float:
        """Waits until it answers; how many seconds that took. Raises `NotStarted` with what its log says."""
        begun = time.monotonic()
        while time.monotonic() < begun + timeout_s:
            if not self.is_alive():
                raise NotStarted(f"{self.name} ended at once. {self.last_words()}")
            if self.answers():
                return time.monotonic() - begun
            time.sleep(POLL_S)
        raise NotStarted(f"{self.name} did not answer within {timeout_s:.0f} s. {self.last_words()}")

    def answers(self) -> bool:
        """Whether `/health` says yes now."""
        try:
            return self.egress.once("peers", Request("GET", f"{self.origin}/health")).status == 200
        except EgressError:
            return False

    def is_alive(self) -> bool:
        """Whether its master runs. One that ended is not reaped here: its id must stay its own until `kill`."""
        if self._process is None:
            return False
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        try:
            lines = self.log.read_text("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(["Its log ends:", *lines[-12:]]) if lines else "Its log is empty."

    def pids(self) -> list[int]:
        """Every living process of its group, the master first."""
        master = self.pid
        found = [master]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != master:
                with contextlib.suppress(OSError, ProcessLookupError):
                    if os.getpgid(int(entry.name)) == master:
                        found.append(int(entry.name))
        return found

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to each of its processes."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill -9, and gone when this comes back. Also its worker that hangs, or that outlived its master."""
        if self._process is not None:
            pids = self.pids()
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            by = time.monotonic() + GRACE_S
            while not all(map(is_gone, pids)) and time.monotonic() < by:
                time.sleep(POLL_S / 4)  # its worker is somebody else's child by now
        self._close_log()

    def ask_to_stop(self) -> None:
        """Asks it to end by itself; `end` waits for it."""
        if self.is_alive() and self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def end(self, by: float) -> None:
        """Waits until it has ended, until the monotonic time `by`; then kill -9 of its whole group."""
        while self.is_alive() and time.monotonic() < by:
            time.sleep(POLL_S)
        self.kill()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def start_all(nodes: Iterable[Node]) -> dict[str, float]:
    """Starts nodes at once and waits for all; seconds by name. Raises `NotStarted`."""
    nodes = list(nodes)
    begun = time.monotonic()
    for node in nodes:
        node.start()
    took: dict[str, float] = {}
    for node in nodes:
        node.wait_ready()
        took[node.name] = time.monotonic() - begun
    return took


def end_all(nodes: Iterable[Node]) -> None:
    """Ends every process of every node, whatever they do: asked first, killed after `GRACE_S`."""
    nodes = list(nodes)
    for node in nodes:
        node.ask_to_stop()
    by = time.monotonic() + GRACE_S
    for node in nodes:
        node.end(by)


def local_egress(ca_file: str | None = None) -> Egress:
    """A client for nodes on this machine: whatever is a `.localhost` name is 127.0.0.1."""
    return Egress(lambda *_: True, development=True, ca_file=ca_file)


def _dying_with(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)

    return prepare
