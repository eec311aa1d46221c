"""The one way out: where it goes, where it never goes, and how much of a bad answer it takes."""

from __future__ import annotations

import contextlib
import io
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from federation import limits
from federation.adapters.egress import Egress, ListName, system_resolver
from federation.errors import (
    AnswerTooLarge,
    DeadlineExceeded,
    EgressError,
    LocalError,
    Refused,
    Unreachable,
    UnreadableAnswer,
    Untrusted,
)
from federation.http import Headers, Request, Response
from tests.federation.adapters.conftest import OK, Authority, Serve, Server, answering
from tests.federation.adapters.test_addresses import REFUSED

ROOT = Path(__file__).resolve().parents[3]
PUBLIC = "93.184.216.34"
HOST = "node.bolt.example"


def everything(_list: ListName, _origin: str) -> bool:
    return True


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Names:
    """A resolver that gives every name the same addresses, and remembers what it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.asked: list[str] = []
        self._addresses = addresses

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        return self._addresses


def get(url: str, *headers: tuple[str, str]) -> Request:
    return Request("GET", url, Headers(headers))


def post(url: str, body: bytes = b"{}", *headers: tuple[str, str]) -> Request:
    return Request("POST", url, Headers([("Content-Type", "application/json"), *headers]), body)


def by_session(egress: Egress, url: str) -> Response:
    with egress.session_for("providers") as session:
        answer = session.get(url)
    return Response(answer.status_code, Headers(answer.headers.items()), answer.content)


def by_session_post(egress: Egress, url: str) -> Response:
    with egress.session_for("providers") as session:
        answer = session.post(url, data={"code": "1"})
    return Response(answer.status_code, Headers(answer.headers.items()), answer.content)


WAYS: list[Callable[[Egress, str], Response]] = [
    lambda egress, url: egress.post("peers", post(url)),
    lambda egress, url: egress.post("webhooks", post(url)),
    lambda egress, url: egress.get("peers", get(url, ("Signature", "a=:b:"))),
    lambda egress, url: egress.get("handshake", get(url), redirects=2),
    lambda egress, url: egress.get("feeds", get(url)),
    lambda egress, url: egress.get("peers", get(url), into=lambda _: None),
    lambda egress, url: egress.once("providers", post(url)),
    by_session,
    by_session_post,
]


@pytest.fixture
def egress() -> Iterator[Egress]:
    """Of the development profile; everything is on every list; no name is in DNS."""

    def no_names(host: str) -> tuple[str, ...]:
        raise OSError(host)

    client = Egress(everything, development=True, resolver=no_names)
    yield client
    client.close()


# --- what never leaves ------------------------------------------------------------------------------

URLS = [
    # this machine, in every spelling
    "https://127.0.0.1:{port}/", "http://127.0.0.1:{port}/", "https://127.1:{port}/", "https://127.0.1:{port}/",
    "https://2130706433:{port}/", "https://0x7f000001:{port}/", "https://0x7f.1:{port}/",
    "https://0177.0.0.1:{port}/", "https://017700000001:{port}/", "https://0:{port}/", "https://0.0.0.0:{port}/",
    "https://[::1]:{port}/", "https://[::]:{port}/", "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/", "https://[64:ff9b::7f00:1]:{port}/", "https://[::1%25lo]:{port}/",
    "https://[fe80::1]:{port}/", "https://[fd00::1]:{port}/", "https://[2002:7f00:1::1]:{port}/",
    "https://localhost:{port}/", "http://localhost:{port}/", "https://LOCALHOST:{port}/",
    "https://north.localhost:{port}/", "http://north.localhost:{port}/", "https://localhost.:{port}/",
    "https://a.b.localhost:{port}/", "https://127。0。0。1:{port}/", "https://①②⑦.⓪.⓪.①:{port}/",
    "https://\uff11\uff12\uff17.0.0.1:{port}/", "https://%31%32%37.0.0.1:{port}/", "https://127.0.0.1.:{port}/",
    "https://1.2.3.4.5:{port}/", "https://1.1.1.1:{port}/", "https://a.0x1:{port}/", "https://a.8:{port}/",
    "https://ⓛocalhost:{port}/", "https://loc\u00adalhost:{port}/", "https://localhost%00.bolt.example:{port}/",
    # private names in clear text
    "http://node.bolt.example:{port}/", "http://node.bolt.example/", "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/", "https://192.168.0.1/", "https://10.0.0.1:{port}/", "https://metadata:{port}/",
    # user information, and where parsers differ
    "https://node.bolt.example@127.0.0.1:{port}/", "https://user:secret@node.bolt.example/",
    "https://127.0.0.1:{port}#@node.bolt.example/", "https://127.0.0.1:{port}\\@node.bolt.example/",
    "https://node.bolt.example\\@127.0.0.1:{port}/", "https://node.bolt.example:{port}@127.0.0.1/",
    "https:\\\\127.0.0.1:{port}\\", "https:/127.0.0.1:{port}/", "https:127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "https:///127.0.0.1:{port}/", "https://[127.0.0.1]:{port}/", "https://@127.0.0.1:{port}/",
    "https://:{port}/", "https:// 127.0.0.1:{port}/", " https://127.0.0.1:{port}/",
    "\thttps://127.0.0.1:{port}/", "https://127.0.0.1:{port}/\n", "ht\ntps://127.0.0.1:{port}/",
    "https://node.bolt.example:{port}:443/", "https://node.bolt.example:99999/", "https://node.bolt.example:0/",
    "https://node.bolt.example:-1/", "https://node.bolt.example:+443/", "https://node.bolt.example: 443/",
    "https://node.bolt.example:0443/", "https://node.bolt.example:\uff14\uff14\uff13/", "https://node.bolt.example:/",
    "https://node..bolt.example/", "https://.bolt.example/", "https://node.bolt.example./", "https://-a.example/",
    "https://a-.example/", "https://a_b.example/", "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 130 + "example/", "https://*.bolt.example/", "https://node.bolt.example,127.0.0.1/",
    "https://node.bolt.example;127.0.0.1/", "https://node.bolt.example&127.0.0.1/", "https://a b.example/",
    # other schemes
    "ftp://127.0.0.1:{port}/", "file:///etc/passwd", "file://localhost/etc/passwd", "gopher://127.0.0.1:{port}/_x",
    "data:application/json,{{}}", "javascript:alert(1)", "dict://127.0.0.1:{port}/", "ldap://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/", "wss://127.0.0.1:{port}/", "unix:///run/docker.sock", "jar:https://a.example!/",
    "http+unix://%2Frun%2Fdocker.sock/", "https", "https:", "https://", "", "/", "?", "node.bolt.example",
    "acct:person@bolt.example", "urn:uuid:7f3c", "blob:https://a.example/1", "netdoc:///etc/passwd",
    # what would break out of the request line
    "https://node.bolt.example/ HTTP/1.1\r\nHost: 127.0.0.1", "https://node.bolt.example/\r\nX: y",
    "https://node.bolt.example/\n", "https://node.bolt.example/\0", "https://node.bolt.example/a b",
    "https://node.bolt.example/é", "https://node.bolt.example/?a=\r\n", "https://node.bolt.example/%",
    "https://node.bolt.example/%0", "https://node.bolt.example/%zz", "https://node.bolt.example\r\n/",
    "https://node.bolt.example/<script>", 'https://node.bolt.example/"', "https://node.bolt.example/^",
    "https://node.bolt.example/`", "https://node.bolt.example/{{x}}", "https://node.bolt.example/|",
    "https://node.bolt.example/../x", "https://node.bolt.example/%2e%2e/x",
    "https://node.bolt.example/" + "a" * 2048,
    "https://node.bolt.example/#part",
    # look-alike and reserved names
    "https://n\u043ede.bolt.example/", "https://xn--a.example/", "https://xn--.example/",
    "https://ab--c.example/", "https://node\u2024bolt.example/", "https://node.bolt.example\uff0f.a.example/",
    "https://node.bolt.example\uff03.a.example/", "https://node.bolt.example\uff1f.a.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_no_way_leads_from_a_bad_url_to_a_connection(url: str, serve: Serve, dials: list[str]) -> None:
    sinkhole = serve()
    names = Names("127.0.0.1")
    client = Egress(everything, resolver=names)
    for way in WAYS:
        if way is by_session:  # requests mends some of these before we see them; the address stops those
            assert set(names.asked) <= {"metadata"}  # a name like another, until it is looked up
        with pytest.raises((EgressError, requests.RequestException)):
            way(client, url.format(port=sinkhole.port))
    assert (sinkhole.connections, dials) == (0, [])


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize("beside", [(), (PUBLIC,)], ids=["alone", "beside a public one"])
def test_no_way_leads_to_a_name_with_a_bad_address(
    address: str, beside: tuple[str, ...], serve: Serve, dials: list[str]
) -> None:
    sinkhole = serve()
    client = Egress(everything, resolver=lambda _: (*beside, address), networks=["127.0.0.0/8"])
    for way in WAYS:
        with pytest.raises(Refused):
            way(client, f"https://{HOST}:{sinkhole.port}/")
    assert (sinkhole.connections, dials) == (0, [])


def test_a_name_off_the_list_is_not_even_looked_up(dials: list[str]) -> None:
    asked: list[tuple[str, str]] = []
    names = Names(PUBLIC)

    def nothing(list_name: ListName, origin: str) -> bool:
        asked.append((list_name, origin))
        return False

    client = Egress(nothing, resolver=names)
    for way in WAYS:
        with pytest.raises(Refused, match="not on the list"):
            way(client, f"https://{HOST}:8443/x")
    assert {origin for _, origin in asked} == {f"https://{HOST}:8443"}
    assert [name for name, _ in asked] == [
        "peers", "webhooks", "peers", "handshake", "feeds", "peers", "providers", "providers", "providers",
    ]  # fmt: skip
    assert (names.asked, dials) == ([], [])


def test_one_list_does_not_open_another(serve: Serve) -> None:
    server = serve()
    client = Egress(lambda name, origin: (name, origin) == ("peers", server.url("")), development=True)
    assert client.post("peers", post(server.url())).status == 200
    for name in ("providers", "webhooks", "feeds", "handshake"):
        with pytest.raises(Refused):
            client.post(name, post(server.url()))
    client.close()
    assert server.connections == 1


def test_a_resolver_that_changes_its_answer_leads_nowhere_else(dials: list[str]) -> None:
    looked_up = 0
    chance = random.Random(26)

    def rebinding(_host: str) -> tuple[str, ...]:
        nonlocal looked_up
        looked_up += 1
        return (PUBLIC,) if chance.random() < 0.5 else ("127.0.0.1",)

    client = Egress(everything, resolver=rebinding)
    for _ in range(1000):
        with pytest.raises((Unreachable, Refused)):
            client.post("peers", post(f"https://{HOST}/"))
    assert looked_up == 1000
    assert set(dials) == {PUBLIC}


def test_refuses_a_connection_that_ended_elsewhere(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda this, _: connect(this, ("127.0.0.1", server.port)))
    client = Egress(everything, resolver=lambda _: (PUBLIC,))
    with pytest.raises(Refused, match="instead of"):
        client.post("peers", post(f"https://{HOST}/"))
    assert server.requests == []


@pytest.mark.parametrize(
    "field",
    [
        ("X-A", "a\r\nHost: evil"), ("X-A", "a\nb"), ("X-A", "a\rb"), ("X-A", "a\0b"), ("X-A", "a\x7f"),
        ("X-A", "☃"), ("X\r\nHost", "a"), ("X A", "a"), ("", "a"), ("X:", "a"), ("Xé", "a"), ("X\0", "a"),
    ],
)  # fmt: skip
def test_no_field_breaks_out_of_its_line(field: tuple[str, str], serve: Serve, egress: Egress) -> None:
    server = serve()
    with pytest.raises(Refused):
        egress.post("peers", post(server.url(), b"{}", field))
    with pytest.raises(Refused):
        egress.get("peers", get(server.url(), field))
    assert server.connections == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda egress: egress.post("peers", get("https://a.example/")),
        lambda egress: egress.get("peers", post("https://a.example/")),
        lambda egress: egress.once("peers", Request("TRACE", "https://a.example/")),
        lambda egress: egress.get("peers", Request("GET", "https://a.example/", body=b"x")),
        lambda egress: egress.get("peers", get("https://a.example/", ("Signature", "a=:b:")), redirects=1),
    ],
)
def test_our_own_mistakes_are_told_apart(call: Callable[[Egress], Response], egress: Egress) -> None:
    with pytest.raises(LocalError):
        call(egress)


# --- what does leave ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_every_way_brings_an_answer(
    way: Callable[[Egress, str], Response], serve: Serve, egress: Egress
) -> None:
    server = serve()
    answer = way(egress, server.url("/x?y=1"))
    assert answer.status == 200
    assert answer.headers.get("content-type") == "application/json"
    lines = server.requests[0].split(b"\r\n")
    assert lines[0].split(b" ")[1:] == [b"/x?y=1", b"HTTP/1.1"]
    assert f"Host: north.localhost:{server.port}".encode() in lines
    assert b"Accept-Encoding: identity" in lines


def test_sends_what_it_was_given_and_frames_it_itself(serve: Serve, egress: Egress) -> None:
    server = serve()
    fields = [("Host", "evil"), ("Content-Length", "0"), ("Cookie", "a=b"), ("Connection", "upgrade")]
    egress.post("peers", post(server.url("/exchange"), b"line\n", *fields, ("Signature", "a=:b:")))
    assert server.requests == [
        b"POST /exchange HTTP/1.1\r\n"
        + f"Host: north.localhost:{server.port}\r\n".encode()
        + b"Accept-Encoding: identity\r\nConnection: keep-alive\r\nContent-Length: 5\r\n"
        b"Content-Type: application/json\r\nSignature: a=:b:\r\n\r\nline\n"
    ]


def test_names_under_localhost_are_never_looked_up(serve: Serve) -> None:
    names = Names(PUBLIC)
    client = Egress(everything, development=True, resolver=names)
    server = serve()
    for host in ("localhost", "north.localhost", "a.b.localhost"):
        assert client.get("peers", get(server.url(host=host))).body == b"{}"
    client.close()
    assert names.asked == []


def test_takes_bodies_large_and_chunked(serve: Serve, egress: Egress) -> None:
    sent = random.Random(1).randbytes(700_000)
    chunked = b"".join(
        f"{len(piece):x};x=y\r\n".encode() + piece + b"\r\n"
        for piece in (sent[:9], sent[9:300_000], sent[300_000:])
    )
    server = serve(
        answering(
            b"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n" + sent,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\nTrailer: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n" + sent,
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        )
    )
    assert egress.post("peers", post(server.url(), sent)).body == sent
    assert server.requests[0].endswith(sent)
    assert egress.get("peers", get(server.url())).body == sent
    file = io.BytesIO()
    answer = egress.get("peers", get(server.url()), into=file.write)
    assert (answer.body, file.getvalue()) == (b"", sent)
    answer = egress.get("peers", get(server.url()), into=file.write)
    assert (answer.status, answer.body, len(file.getvalue())) == (404, b"no", 700_000)
    assert egress.post("peers", post(server.url())) == Response(204)
    assert egress.handshakes == 1


def test_a_full_disk_is_not_the_peers_fault(serve: Serve, egress: Egress) -> None:
    def full(_piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    server = serve()
    with pytest.raises(OSError, match="No space left"):
        egress.get("peers", get(server.url()), into=full)


def test_an_answer_without_a_length_ends_with_the_connection(serve: Serve, egress: Egress) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")

    server = serve(script)
    assert [egress.get("peers", get(server.url())).body for _ in range(2)] == [b"hello", b"hello"]
    assert server.connections == 2


# --- one handshake a partner --------------------------------------------------------------------------


def test_a_partner_costs_one_handshake(serve: Serve, egress: Egress) -> None:
    server = serve()
    for _ in range(20):
        egress.post("peers", post(server.url("/exchange")))
    assert (egress.handshakes, server.connections, len(server.requests)) == (1, 1, 20)


def test_a_connection_that_rested_too_long_is_not_used_again(serve: Serve) -> None:
    clock = Clock()
    client = Egress(everything, development=True, clock=clock)
    server, other = serve(), serve()
    client.post("peers", post(server.url()))
    client.post("peers", post(other.url()))
    clock.now += limits.CLIENT_IDLE_S - 1
    client.post("peers", post(server.url()))
    assert client.handshakes == 2
    clock.now += 2  # the other rested for too long by now: swept when this one is laid down
    client.post("peers", post(server.url()))
    assert client.handshakes == 2
    assert [name for name, several in client._idle.items() if several] == [server.url("")]
    clock.now += limits.CLIENT_IDLE_S
    client.post("peers", post(server.url()))
    assert client.handshakes == 3
    client.close()


def test_a_connection_closed_meanwhile_is_noticed_before_sending(serve: Serve, egress: Egress) -> None:
    gone = threading.Event()

    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        gone.set()

    server = serve(script)
    for _ in range(3):
        egress.post("peers", post(server.url()))
        assert gone.wait(5)
        gone.clear()
        time.sleep(0.01)
    assert (server.connections, len(server.requests)) == (3, 3)


def test_a_connection_reset_meanwhile_is_noticed_before_sending(serve: Serve, egress: Egress) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        time.sleep(0.02)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = serve(script)
    for _ in range(2):
        assert egress.post("peers", post(server.url())).status == 200
        time.sleep(0.06)
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_connection_that_speaks_unasked_is_not_used_again(serve: Serve, egress: Egress) -> None:
    server = serve(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    spoken = [egress.post("peers", post(server.url())).body]

    def late(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        time.sleep(0.02)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        server.read_request(connection)

    server = serve(late)
    for _ in range(2):
        spoken.append(egress.post("peers", post(server.url())).body)
        time.sleep(0.05)
    assert spoken == [b"{}"] * 3
    assert server.connections == 2


def test_a_reset_of_an_idle_connection_costs_one_repetition(serve: Serve, egress: Egress) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        server.read_request(connection)  # read, and closed without an answer

    server = serve(script)
    assert egress.post("peers", post(server.url("/1"))).status == 200
    assert egress.post("peers", post(server.url("/2"))).status == 200
    assert [request.split(b" ")[1] for request in server.requests] == [b"/1", b"/2", b"/2"]
    assert server.connections == 2


def test_a_silent_peer_is_not_asked_twice(serve: Serve, egress: Egress) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        silent(server, connection)

    server = serve(script)
    egress.post("peers", post(server.url()))
    with pytest.raises(DeadlineExceeded):
        egress.post("peers", post(server.url()), deadline_s=0.1)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_new_connection_that_breaks_is_not_repeated(serve: Serve, egress: Egress) -> None:
    server = serve(lambda server, connection: server.read_request(connection) and None)
    with pytest.raises(Unreachable):
        egress.post("peers", post(server.url()))
    assert len(server.requests) == 1


def test_an_answer_that_began_is_not_asked_for_again(serve: Serve, egress: Egress) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        time.sleep(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = serve(script)
    egress.post("peers", post(server.url()))
    with pytest.raises(Unreachable):
        egress.post("peers", post(server.url()))
    assert len(server.requests) == 2


def test_a_connection_that_the_peer_wants_closed_is_closed(serve: Serve, egress: Egress) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    for _ in range(2):
        egress.post("peers", post(server.url()))
    assert server.connections == 2


def test_sessions_never_repeat(serve: Serve, egress: Egress) -> None:
    server = serve()
    with egress.session_for("providers") as session:
        for _ in range(3):
            session.post(server.url("/token"), data="code=1")
    assert (server.connections, len(server.requests)) == (3, 3)
    assert b"Connection: close" in server.requests[0]


def test_keeps_few_connections_for_a_partner(serve: Serve, egress: Egress) -> None:
    together = threading.Barrier(6)

    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        together.wait(5)
        connection.sendall(OK)
        server.stopped.wait(5)

    server = serve(script)
    threads = [
        threading.Thread(target=lambda: egress.post("peers", post(server.url())))
        for _ in range(together.parties)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connections == 6
    assert len(egress._idle[server.url("")]) == limits.MAX_IDLE_CONNECTIONS


# --- deadlines ----------------------------------------------------------------------------------------


def drip(data: bytes) -> Callable[[Server, socket.socket], None]:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        for byte in data:
            connection.sendall(bytes([byte]))
            if server.stopped.wait(0.03):
                return

    return script


def silent(server: Server, connection: socket.socket) -> None:
    server.read_request(connection)
    server.stopped.wait(5)


def deaf(server: Server, _connection: socket.socket) -> None:
    server.stopped.wait(5)


@pytest.mark.parametrize(
    "script",
    [
        silent,
        deaf,
        drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b"x" * 900),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 90),
        drip(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 900),
    ],
    ids=["silent", "deaf", "head", "continue", "body", "chunks", "to the end"],
)
def test_the_deadline_ends_whatever_a_peer_does(
    script: Callable[[Server, socket.socket], None], serve: Serve, egress: Egress
) -> None:
    server = serve(script)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        egress.get("peers", get(server.url()), deadline_s=0.25)
    with pytest.raises(DeadlineExceeded):
        egress.post("peers", post(server.url(), b"x" * 16_000_000), deadline_s=0.25)
    assert time.monotonic() - began < 4
    assert egress._idle == {}


def test_the_deadline_covers_the_tls_handshake(serve: Serve, egress: Egress) -> None:
    server = serve(deaf)
    with pytest.raises(DeadlineExceeded):
        egress.post("peers", post(server.url(scheme="https")), deadline_s=0.1)


def test_the_deadline_covers_all_redirects(serve: Serve) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            clock.now += 6
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")

    clock = Clock()
    client = Egress(everything, development=True, clock=clock)
    server = serve(script)
    with pytest.raises(DeadlineExceeded):
        client.get("handshake", get(server.url()), redirects=2)
    assert len(server.requests) == 2


def test_a_lookup_that_hangs_is_left_behind(dials: list[str]) -> None:
    release = threading.Event()

    def hanging(_host: str) -> tuple[str, ...]:
        release.wait(5)
        return (PUBLIC,)

    client = Egress(everything, resolver=hanging)
    began = time.monotonic()
    for _ in range(9):  # the ninth finds no room for another lookup
        with pytest.raises(DeadlineExceeded):
            client.post("peers", post(f"https://{HOST}/"), deadline_s=0.03)
    assert time.monotonic() - began < 4
    release.set()
    assert dials == []


@pytest.mark.parametrize("problem", [OSError("no such name"), UnicodeError("no such label")])
def test_a_name_without_an_address_is_unreachable(problem: Exception) -> None:
    def failing(_host: str) -> tuple[str, ...]:
        raise problem

    for resolver in (failing, lambda _: ()):
        with pytest.raises(Unreachable, match="no address"):
            Egress(everything, resolver=resolver).post("peers", post(f"https://{HOST}/"))


def test_each_address_is_tried_in_turn(dials: list[str]) -> None:
    addresses = (PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", "1.1.1.1")
    client = Egress(everything, resolver=lambda _: addresses)
    with pytest.raises(Unreachable, match="takes no connection"):
        client.post("peers", post(f"https://{HOST}/"))
    assert dials == list(addresses)


def test_no_address_is_tried_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    tried: list[object] = []

    def slow(_socket: socket.socket, place: object) -> None:
        tried.append(place)
        clock.now += 6
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", slow)
    client = Egress(everything, resolver=lambda _: (PUBLIC, "1.1.1.1", "1.0.0.1"), clock=clock)
    with pytest.raises(DeadlineExceeded):
        client.post("peers", post(f"https://{HOST}/"))
    assert len(tried) == 2


def test_a_closed_port_is_unreachable(serve: Serve, egress: Egress) -> None:
    server = serve()
    server.stop()
    with pytest.raises(Unreachable, match="takes no connection"):
        egress.post("peers", post(server.url()))
    assert egress.handshakes == 0


def test_the_systems_resolver_knows_this_machine() -> None:
    assert set(system_resolver("localhost")) & {"127.0.0.1", "::1"}


# --- answers that are too much ------------------------------------------------------------------------


def endless(head: bytes, piece: bytes) -> Callable[[Server, socket.socket], None]:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(head)
        while not server.stopped.is_set():
            connection.sendall(piece)

    return script


FILLER = b"x" * 65536
ENDLESS = {
    "announced": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", FILLER),
    "chunked": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + FILLER + b"\r\n"
    ),
    "one chunk": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", FILLER),
    "small chunks": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 9999),
    "to the end": endless(b"HTTP/1.1 200 OK\r\n\r\n", FILLER),
    "continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999),
    "trailers": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + b"y" * 999 + b"\r\n"
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_is_cut(name: str, serve: Serve, egress: Egress) -> None:
    server = serve(ENDLESS[name])
    with pytest.raises(AnswerTooLarge):
        egress.get("peers", get(server.url()), max_bytes=200_000)
    given = 0

    def count(piece: bytes) -> None:
        nonlocal given
        given += len(piece)

    with pytest.raises(AnswerTooLarge):
        egress.get("peers", get(server.url()), max_bytes=200_000, into=count)
    assert given <= 200_000


def test_an_answer_that_announces_too_much_is_not_waited_for(serve: Serve, egress: Egress) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")
        server.stopped.wait(5)

    with pytest.raises(AnswerTooLarge, match="announced"):
        egress.get("peers", get(serve(script).url()), max_bytes=1000, deadline_s=1)


def test_the_largest_allowed_answer_passes_and_one_byte_more_does_not(serve: Serve, egress: Egress) -> None:
    for extra, head in ((0, b"Content-Length: 1000"), (0, b"Connection: close"), (1, b"Connection: close")):

        def script(server: Server, connection: socket.socket, extra: int = extra, head: bytes = head) -> None:
            server.read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + b"x" * (1000 + extra))

        server = serve(script)
        with pytest.raises(AnswerTooLarge) if extra else contextlib.nullcontext():
            assert len(egress.get("peers", get(server.url()), max_bytes=1000).body) == 1000


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: identity, gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: zstd\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2_0\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 19 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: a\n b\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"{}\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nxxxxx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxxxxx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxx",
    ],
)
def test_an_answer_that_is_not_clear_is_not_read(answer: bytes, serve: Serve, egress: Egress) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        server.stopped.wait(5)

    server = serve(script)
    with pytest.raises(UnreadableAnswer):
        egress.get("peers", get(server.url()), deadline_s=2)
    assert egress._idle == {}


# --- redirects ----------------------------------------------------------------------------------------


def found(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_discovery_follows_two_redirects_on_one_host(status: int, serve: Serve, egress: Egress) -> None:
    server = serve()
    server.script = answering(found("/b?x=1#part", status), found(server.url("/c"), status), OK)
    assert egress.get("handshake", get(server.url("/a"), ("Accept", "x")), redirects=2).body == b"{}"
    assert [request.split(b" ")[1] for request in server.requests] == [b"/a", b"/b?x=1", b"/c"]
    assert all(b"Accept: x" in request for request in server.requests)


@pytest.mark.parametrize("redirects", [1, 2, 9])
def test_redirects_end(redirects: int, serve: Serve, egress: Egress) -> None:
    server = serve(found("/again"))
    with pytest.raises(Refused, match="in a row"):
        egress.get("handshake", get(server.url()), redirects=redirects)
    assert len(server.requests) == min(redirects, limits.MAX_REDIRECTS) + 1


@pytest.mark.parametrize(
    "location",
    [
        "http://south.localhost:{sinkhole}/", "http://north.localhost:{sinkhole}/", "//south.localhost:{sinkhole}/",
        "https://north.localhost:{port}/", "https://north.localhost/", "http://127.0.0.1:{sinkhole}/",
        "http://north.localhost.:{port}/", "http://x@north.localhost:{port}/", "http://[::1]:{sinkhole}/",
        "http://169.254.169.254/", "file:///etc/passwd", "data:,x", "gopher://127.0.0.1:{sinkhole}/",
        "\\\\127.0.0.1:{sinkhole}\\", "http://", "http:////127.0.0.1:{sinkhole}/", "/a b", "/\x01",
        "", "relative", "?x", "/../x", ".", "HTTP:/x", "/%2e%2e/",
    ],
)  # fmt: skip
def test_no_redirect_leaves_the_host(location: str, serve: Serve, egress: Egress) -> None:
    sinkhole, server = serve(), serve()
    server.script = answering(found(location.format(sinkhole=sinkhole.port, port=server.port)))
    with pytest.raises(Refused):
        egress.get("handshake", get(server.url()), redirects=2)
    assert (sinkhole.connections, len(server.requests)) == (0, 1)


def test_a_hop_off_the_list_is_refused(serve: Serve) -> None:
    answers = iter([True, False])
    client = Egress(lambda _list, _origin: next(answers), development=True)
    server = serve(found("/b"))
    with pytest.raises(Refused, match="not on the list"):
        client.get("handshake", get(server.url()), redirects=2)
    client.close()
    assert len(server.requests) == 1


def test_what_is_signed_follows_no_redirect(serve: Serve, egress: Egress) -> None:
    sinkhole = serve()
    server = serve(found(sinkhole.url()))
    signed = ("Signature", "a=:b:")
    assert egress.post("peers", post(server.url(), b"{}", signed)).status == 302
    assert egress.get("peers", get(server.url(), signed)).status == 302
    assert sinkhole.connections == 0


# --- TLS ----------------------------------------------------------------------------------------------


@pytest.fixture
def trusting(authority: Authority) -> Iterator[Egress]:
    client = Egress(everything, development=True, ca_file=str(authority.file))
    yield client
    client.close()


def test_speaks_tls_under_an_authority_of_the_house(
    authority: Authority, serve: Serve, trusting: Egress
) -> None:
    server = serve(OK, authority.context_for("north.localhost"))
    for _ in range(5):
        assert trusting.post("peers", post(server.url(scheme="https"))).body == b"{}"
    assert (trusting.handshakes, server.connections) == (1, 1)


def test_a_tls_peer_that_closes_its_idle_connection_is_asked_again(
    authority: Authority, serve: Serve, trusting: Egress
) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        server.read_request(connection)

    server = serve(script, authority.context_for("north.localhost"))
    for _ in range(2):
        assert trusting.post("peers", post(server.url(scheme="https"))).body == b"{}"
    assert server.connections == 2


def test_a_large_body_over_tls_ends_at_the_deadline(
    authority: Authority, serve: Serve, trusting: Egress
) -> None:
    server = serve(deaf, authority.context_for("north.localhost"))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        trusting.post("peers", post(server.url(scheme="https"), b"x" * 16_000_000), deadline_s=0.3)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("host", "days"), [("south.localhost", 30), ("north.localhost", -1), ("*.example", 30)]
)
def test_refuses_a_certificate_of_another_host_or_time(
    host: str, days: int, authority: Authority, serve: Serve, trusting: Egress
) -> None:
    server = serve(OK, authority.context_for(host, days=days))
    for way in WAYS:
        with pytest.raises(Untrusted):
            way(trusting, server.url(scheme="https"))
    assert server.requests == []


def test_refuses_a_certificate_of_an_unknown_authority(
    stranger: Authority, authority: Authority, serve: Serve, trusting: Egress
) -> None:
    server = serve(OK, stranger.context_for("north.localhost"))
    for way in WAYS:
        with pytest.raises(Untrusted):
            way(trusting, server.url(scheme="https"))
    honest = serve(OK, authority.context_for("north.localhost"))
    with pytest.raises(Untrusted):
        Egress(everything, development=True).post("peers", post(honest.url(scheme="https")))
    assert server.requests == honest.requests == []


def test_refuses_an_old_version_of_tls(authority: Authority, serve: Serve, trusting: Egress) -> None:
    context = authority.context_for("north.localhost")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = context.maximum_version.TLSv1_1
    server = serve(OK, context)
    with pytest.raises(Unreachable):
        trusting.post("peers", post(server.url(scheme="https")))


def test_clear_text_where_tls_is_due_is_unreachable(serve: Serve, trusting: Egress) -> None:
    server = serve(lambda _, connection: connection.sendall(OK))
    with pytest.raises(Unreachable):
        trusting.post("peers", post(server.url(scheme="https")))


def test_a_public_name_is_reached_at_the_checked_address_under_its_own_name(
    authority: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(PUBLIC)
    indicated: list[str | None] = []
    context = authority.context_for(HOST)
    context.sni_callback = lambda _socket, name, _context: indicated.append(name)
    server = serve(OK, context)
    asked: list[object] = []
    connect = socket.socket.connect

    def dial(this: socket.socket, place: object) -> None:
        asked.append(place)
        connect(this, ("127.0.0.1", server.port))

    monkeypatch.setattr(socket.socket, "connect", dial)
    monkeypatch.setattr(socket.socket, "getpeername", lambda _: (PUBLIC, 443))
    client = Egress(everything, ca_file=str(authority.file), resolver=names)
    for _ in range(3):
        assert client.post("peers", post(f"https://{HOST}/exchange")).status == 200
    client.close()
    assert (indicated, names.asked, asked) == ([HOST], [HOST], [(PUBLIC, 443)])
    assert f"Host: {HOST}".encode() in server.requests[0].split(b"\r\n")


def test_session_secrets_are_written_nowhere(
    authority: Authority, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))
    client = Egress(everything, development=True, ca_file=str(authority.file))
    server = serve(OK, authority.context_for("north.localhost"))
    client.post("peers", post(server.url(scheme="https")))
    client.close()
    assert list(tmp_path.iterdir()) == []


# --- sessions for libraries ---------------------------------------------------------------------------


def test_a_session_takes_nothing_from_its_environment(
    serve: Serve, egress: Egress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinkhole = serve()
    (tmp_path / "netrc").write_text("default login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, sinkhole.url())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    server = serve(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n")
    session = egress.session_for("providers")
    for _ in range(2):
        answer = session.get(
            server.url(), cookies={"mine": "1"}, verify=False, proxies={"http": sinkhole.url()}
        )
        assert answer.headers["Set-Cookie"] == "a=1, b=2"
    session.close()
    assert not session.trust_env
    assert len(session.cookies) == 0
    assert sinkhole.connections == 0
    for request in server.requests:
        assert b"cookie" not in request.lower()
        assert b"authorization" not in request.lower()


def test_a_session_carries_what_its_library_signs_in_with(serve: Serve, egress: Egress) -> None:
    class Client(requests.Session):
        """As Authlib's is."""

    server = serve()
    with egress.mount(Client(), "providers") as session:
        answer = session.post(server.url("/token"), data="é", auth=("client", "secret"))
        assert isinstance(session, Client)
    assert answer.json() == {}
    assert answer.url == server.url("/token")
    assert b"Authorization: Basic Y2xpZW50OnNlY3JldA==" in server.requests[0].split(b"\r\n")
    assert server.requests[0].endswith("\r\n\r\né".encode())


def test_a_session_follows_no_redirect(serve: Serve, egress: Egress) -> None:
    sinkhole = serve()
    server = serve(found(sinkhole.url()))
    with egress.session_for("providers") as session, pytest.raises(requests.TooManyRedirects):
        session.get(server.url())
    assert sinkhole.connections == 0


def test_a_session_keeps_no_way_of_its_own(serve: Serve, egress: Egress) -> None:
    server = serve()
    session = requests.Session()
    session.mount(server.url(host="127.0.0.1"), requests.adapters.HTTPAdapter())
    with egress.mount(session, "providers"), pytest.raises(Refused):
        session.get(server.url(host="127.0.0.1"))
    assert server.connections == 0


def test_a_session_sends_no_stream(serve: Serve, egress: Egress) -> None:
    server = serve()
    with egress.session_for("providers") as session, pytest.raises(LocalError):
        session.post(server.url(), data=iter([b"a"]))
    assert server.connections == 0


def test_a_node_without_sessions_loads_no_second_client() -> None:
    program = (
        "import sys, federation.adapters.egress;"
        "sys.exit(' '.join({'requests', 'urllib3', 'certifi', 'email.mime'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.stderr.strip() == ""
