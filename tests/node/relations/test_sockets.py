"""The handshake over real sockets, through the real egress."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from werkzeug.serving import make_server

from federation.ports import State
from node.relations.services import outside
from tests.node.relations.conftest import MakePeer
from tests.node.relations.peers import Peer, peered

REAL = outside.egress_to


@contextmanager
def serving(peer: Peer) -> Iterator[None]:
    server = make_server("127.0.0.1", int(peer.origin.rpartition(":")[2]), peer.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_nodes_peer_over_sockets(make_peer: MakePeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "egress_to", REAL)
    aubier, nord = (
        make_peer(name, origin=f"http://{name}.localhost:{free_port()}") for name in ("aubier", "nord-acier")
    )
    with serving(aubier), serving(nord):
        peered(aubier, nord)
    assert aubier.relation(nord).state is nord.relation(aubier).state is State.IN_FORCE
    assert aubier.partner(nord).name == "Nord-acier"
