"""The one way out: every connection this package opens, pinned, bounded and on a list.

Rules: (a) a name must be on the named list before it is looked up; (b) every address it has must pass
`addresses`, and we connect to one of those, never to a second lookup; (c) one deadline covers lookup,
connection, handshake, sending and reading; (d) what is signed follows no redirect; (e) no proxy, no
netrc, no cookie, no compression. It speaks through `http.client`'s parser and a pool of its own: that
costs half of what urllib3 does (PERFORMANCE 1.3) and 5 MiB less memory.
Source: SECURITY 1.E, TH-25 to TH-29; PROTOCOL 2.0, *Development profile*; PERFORMANCE, section 2.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import lru_cache
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, cast

from federation import iris, limits
from federation.adapters import addresses, framing
from federation.errors import (
    AnswerTooLarge,
    DeadlineExceeded,
    EgressError,
    LocalError,
    Malformed,
    Refused,
    Unreachable,
    UnreadableAnswer,
    Untrusted,
)
from federation.http import Headers, Request, Response

if TYPE_CHECKING:
    import requests
    from _typeshed import WriteableBuffer

S = TypeVar("S", bound="requests.Session")
ListName = Literal["peers", "providers", "webhooks", "feeds", "handshake"]
Resolver = Callable[[str], Sequence[str]]
"""Host name -> its addresses as text. Raises `OSError` where there are none."""


class Allowed(Protocol):
    """The named lists of the host."""

    def __call__(self, list_name: ListName, origin: str, /) -> bool:
        """True when `origin` (scheme://host[:port]) stands on this list now."""


_CHUNK_BYTES = 64 * 1024
_CONCURRENT_LOOKUPS = 8
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIRST_FINAL_STATUS = 200


def system_resolver(host: str) -> tuple[str, ...]:
    """All A and AAAA addresses of `host` by the machine's resolver. Raises `OSError` when it has none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(place[0]) for *_, place in found))


class Egress:
    """The client. One for a process; safe to share between its threads.

    `allowed` answers for the named lists; `development` switches on the `.localhost` rule; `networks`
    are those the admin listed beside the public internet; `ca_file` (PEM) is trusted beside the
    system's authorities; `clock` gives monotonic seconds. `handshakes` counts the connections opened.
    """

    def __init__(
        self,
        allowed: Allowed,
        *,
        development: bool = False,
        networks: Sequence[str] = (),
        resolver: Resolver = system_resolver,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.handshakes = 0
        self._allowed = allowed
        self._development = development
        self._networks = addresses.networks(networks)
        self._resolver = resolver
        self._ca_file = ca_file
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: dict[str, list[_Connection]] = {}
        self._swept_at = clock()
        self._lookups = threading.BoundedSemaphore(_CONCURRENT_LOOKUPS)
        self._context: ssl.SSLContext | None = None

    def post(
        self,
        list_name: ListName,
        request: Request,
        *,
        max_bytes: int = limits.MAX_JSON_ANSWER_BYTES,
        deadline_s: float = limits.TOTAL_DEADLINE_S,
    ) -> Response:
        """Send a POST that may safely arrive twice, and give its answer, whatever the status.

        An idle connection that the other side had closed is replaced once, by the same bytes: a peer
        that did read the first copy sees its nonce again, answers 409 `#replay`, and wants a new
        signature. Never follows a redirect. Raises `EgressError`.
        """
        if request.method != "POST":
            raise LocalError(f"{request.method} through post.")
        return self._exchange(list_name, request, max_bytes, deadline_s)

    def get(
        self,
        list_name: ListName,
        request: Request,
        *,
        max_bytes: int = limits.MAX_JSON_ANSWER_BYTES,
        redirects: int = 0,
        deadline_s: float = limits.TOTAL_DEADLINE_S,
        into: Callable[[bytes], object] | None = None,
    ) -> Response:
        """GET, following up to `redirects` redirects on the same origin (unsigned requests only).

        With `into`, the body of a 200 goes there in pieces of at most 64 KiB and the answer's body is
        empty; on an exception the pieces already given are worthless. Raises `EgressError`.
        """
        if request.method != "GET":
            raise LocalError(f"{request.method} through get.")
        if redirects and request.headers.get("signature") is not None:
            raise LocalError("A signed request follows no redirect.")
        until = self._clock() + deadline_s
        followed = min(redirects, limits.MAX_REDIRECTS)
        for _ in range(followed + 1):
            response = self._exchange(list_name, request, max_bytes, until - self._clock(), into)
            if not redirects or response.status not in _REDIRECTS:
                return response
            request = _redirected(request, response)
        raise Refused(f"{request.url[:200]} would be redirect {followed + 1} in a row.")

    def session_for(self, list_name: ListName) -> requests.Session:
        """A `requests` session whose every request passes here, for libraries that want one."""
        import requests

        return self.mount(requests.Session(), list_name)

    def mount(self, session: S, list_name: ListName) -> S:
        """Make every request of `session` (or of a subclass, such as Authlib's) pass here; give it back.

        Cookies, proxies and settings of trust, wherever they come from, have no effect from then on.
        Such requests use a connection each, as repeating them may not be safe. A redirect raises
        `requests.TooManyRedirects`, everything else `EgressError`.
        """
        session.trust_env = False
        session.max_redirects = 0
        session.adapters.clear()
        adapter = cast("requests.adapters.BaseAdapter", _Adapter(self, list_name))
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connection in (one for several in idle.values() for one in several):
            connection.close()

    def once(self, list_name: ListName, request: Request) -> Response:
        """GET, POST or PUT on a connection of its own, never repeated. Raises `EgressError`."""
        return self._exchange(
            list_name,
            request,
            limits.MAX_JSON_ANSWER_BYTES,
            limits.TOTAL_DEADLINE_S,
            keep=False,
        )

    def _exchange(
        self,
        list_name: ListName,
        request: Request,
        max_bytes: int,
        deadline_s: float,
        into: Callable[[bytes], object] | None = None,
        *,
        keep: bool = True,
    ) -> Response:
        target = _target(request.url, development=self._development)
        self._check(list_name, target)
        sent = framing.bytes_of(request, target, keep=keep)
        until = self._clock() + deadline_s
        connection = self._take(target.origin) if keep else None
        if connection is not None:
            wire = _Wire(connection, target.origin, until, self._clock, max_bytes)
            try:
                return self._speak(wire, target, sent, request.method, max_bytes, into, keep=keep)
            except Unreachable:
                # gunicorn#2676: closed by the other side while we were about to use it again.
                if wire.received:
                    raise
        wire = _Wire(self._open(target, until), target.origin, until, self._clock, max_bytes)
        return self._speak(wire, target, sent, request.method, max_bytes, into, keep=keep)

    def _check(self, list_name: ListName, target: iris.Iri) -> None:
        """Refuse what may not be looked up at all."""
        if _is_local(target.host) and not self._development:
            raise Refused(f"{target.host} is this machine; only the development profile goes there.")
        if not self._allowed(list_name, target.origin):
            raise Refused(f"{target.origin} is not on the list of {list_name}.")

    def _speak(
        self,
        wire: _Wire,
        target: iris.Iri,
        sent: tuple[bytes, bytes],
        method: str,
        max_bytes: int,
        into: Callable[[bytes], object] | None,
        *,
        keep: bool,
    ) -> Response:
        kept = False
        try:
            answer = wire.ask(sent, method)
            headers = framing.headers_of(answer.status, answer.getheaders(), max_bytes)
            reusable = keep and not answer.will_close
            pieces = wire.pieces(answer, max_bytes)
            if into is None or answer.status != _FIRST_FINAL_STATUS:
                body = b"".join(pieces)
            else:
                body = b""
                for piece in pieces:
                    into(piece)
            if reusable:
                self._give(target.origin, wire.connection)
                kept = True
            return Response(answer.status, headers, body)
        finally:
            if not kept:
                wire.connection.close()

    def _open(self, target: iris.Iri, until: float) -> _Connection:
        """A connection to one of the target's addresses, all of which were checked."""
        problem: OSError | None = None
        for address in self._addresses(target, until):
            left = until - self._clock()
            if left <= 0:
                break
            try:
                connection = _Connection(address, target.port, min(left, limits.CONNECT_TIMEOUT_S))
                try:
                    connection.check_peer()
                    if target.scheme == "https":
                        connection.encrypt(self._tls(), target.host, until - self._clock())
                except BaseException:
                    connection.close()
                    raise
            except ssl.SSLCertVerificationError as exception:
                raise Untrusted(f"{target.origin}: {exception.verify_message}.") from exception
            except OSError as exception:
                problem = exception
                continue
            with self._lock:
                self.handshakes += 1
            return connection
        if self._clock() >= until:
            raise DeadlineExceeded(f"{target.origin} took no connection in time.") from problem
        raise Unreachable(f"{target.origin} takes no connection: {problem}.") from problem

    def _addresses(self, target: iris.Iri, until: float) -> Sequence[str]:
        if _is_local(target.host):
            return ("127.0.0.1",)  # by rule, never by DNS
        found = self._look_up(target.host, until)
        if not found:
            raise Unreachable(f"{target.host} has no address.")
        for address in found:
            objection = addresses.objection(address, self._networks)
            if objection is not None:
                raise Refused(f"{target.host} has the address {address}: {objection}.")
        return found

    def _look_up(self, host: str, until: float) -> Sequence[str]:
        """Ask the resolver in a thread of its own: a lookup cannot be interrupted, only left behind."""
        late = DeadlineExceeded(f"{host} was not looked up in time.")
        if not self._lookups.acquire(timeout=max(0.0, until - self._clock())):
            raise late
        found: Future[Sequence[str]] = Future()

        def look() -> None:
            try:
                found.set_result(tuple(self._resolver(host)))
            except Exception as exception:  # noqa: BLE001  (a thread's boundary: raised again below)
                found.set_exception(exception)
            finally:
                self._lookups.release()

        threading.Thread(target=look, name=f"look up {host}", daemon=True).start()
        try:
            return found.result(timeout=max(0.0, until - self._clock()))
        except TimeoutError:
            raise late from None
        except (OSError, UnicodeError) as exception:
            raise Unreachable(f"{host} has no address: {exception}.") from exception

    def _tls(self) -> ssl.SSLContext:
        """The one context, made when first needed: it costs 2 MiB.

        Not `ssl.create_default_context`, which would write every session's secrets to the file that
        the environment names in SSLKEYLOGFILE.
        """
        with self._lock:
            if self._context is None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.set_alpn_protocols(["http/1.1"])
                context.load_default_certs()
                if self._ca_file is not None:
                    context.load_verify_locations(cafile=self._ca_file)
                self._context = context
            return self._context

    def _take(self, origin: str) -> _Connection | None:
        """The idle connection last used, unless it rested too long or the other side spoke or left."""
        oldest = self._clock() - limits.CLIENT_IDLE_S
        while True:
            with self._lock:
                waiting = self._idle.get(origin)
                if not waiting:
                    return None
                connection = waiting.pop()
            if connection.idle_since > oldest and connection.quiet():
                return connection
            connection.close()

    def _give(self, origin: str, connection: _Connection) -> None:
        now = connection.idle_since = self._clock()
        oldest = now - limits.CLIENT_IDLE_S
        dropped: list[_Connection] = []
        with self._lock:
            waiting = self._idle.setdefault(origin, [])
            waiting.append(connection)
            if len(waiting) > limits.MAX_IDLE_CONNECTIONS:
                dropped.append(waiting.pop(0))
            if self._swept_at < oldest:
                self._swept_at = now
                for several in self._idle.values():
                    dropped += [one for one in several if one.idle_since <= oldest]
                    several[:] = [one for one in several if one.idle_since > oldest]
                self._idle = {name: several for name, several in self._idle.items() if several}
        for one in dropped:
            one.close()


class _Connection:
    """A connected socket, encrypted or not, to an address that was checked."""

    __slots__ = ("_address", "idle_since", "socket")

    def __init__(self, address: str, port: int, timeout_s: float) -> None:
        self._address = address
        self.idle_since = 0.0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout_s)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.connect((address, port))
        except BaseException:
            self.socket.close()
            raise

    def check_peer(self) -> None:
        """Refuse when the other end is not the address that was checked."""
        peer = self.socket.getpeername()[0]
        if not addresses.same(peer, self._address):
            raise Refused(f"Connected to {peer} instead of {self._address}.")

    def encrypt(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """TLS under the name `host`. Raises `ssl.SSLError`, or `TimeoutError` after `timeout_s`."""
        self.socket.settimeout(max(timeout_s, 0.001))
        self.socket = context.wrap_socket(self.socket, server_hostname=host)

    def quiet(self) -> bool:
        """True while nothing has come, not even the end: only such a connection is used again."""
        self.socket.settimeout(0)
        try:
            self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close without a farewell."""
        self.socket.close()


class _Wire(io.RawIOBase):
    """One exchange on a connection: no call outlives the deadline, and no more comes than is allowed.

    The time left is set before each call, so that one byte a second does not restart the clock.
    """

    def __init__(
        self,
        connection: _Connection,
        origin: str,
        until: float,
        clock: Callable[[], float],
        max_bytes: int,
    ) -> None:
        super().__init__()
        self.connection = connection
        self.received = 0
        self._origin = origin
        self._until = until
        self._clock = clock
        self._ceiling = 2 * max_bytes + limits.MAX_HEAD_BYTES

    def ask(self, sent: tuple[bytes, bytes], method: str) -> HTTPResponse:
        """Send head and body; the answer, read as far as its head. Raises `EgressError`."""
        head, body = sent
        if len(body) <= _CHUNK_BYTES:  # one segment, where it fits
            head, body = head + body, b""
        try:
            for view in (memoryview(head), memoryview(body)):
                for start in range(0, len(view), _CHUNK_BYTES):
                    self._arm()
                    self.connection.socket.sendall(view[start : start + _CHUNK_BYTES])
            answer = HTTPResponse(cast("socket.socket", self), method=method)
            answer.begin()
        except (HTTPException, ValueError, OSError) as exception:
            raise self._failure(exception) from exception
        if answer.headers.defects:
            raise UnreadableAnswer(f"{self._origin} answers with a broken head: {answer.headers.defects}.")
        return answer

    def pieces(self, answer: HTTPResponse, max_bytes: int) -> Iterator[bytes]:
        """The body in pieces of at most 64 KiB. Raises `EgressError`."""
        left = max_bytes
        try:
            while piece := answer.read(min(_CHUNK_BYTES, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise AnswerTooLarge(f"{self._origin} answers with more than {max_bytes} bytes.")
                yield piece
            if answer.length:
                raise IncompleteRead(b"", answer.length)
        except (HTTPException, ValueError, OSError) as exception:
            raise self._failure(exception) from exception

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What `HTTPResponse` asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """True: `BufferedReader` asks."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """At most the buffer, in time. Raises `AnswerTooLarge`, `OSError`."""
        self._arm()
        count = self.connection.socket.recv_into(buffer)
        self.received += count
        if self.received > self._ceiling:
            raise AnswerTooLarge(f"{self._origin} sends more than {self._ceiling} bytes, framing included.")
        return count

    def _failure(self, exception: Exception) -> EgressError:
        """What a broken exchange is called."""
        if isinstance(exception, TimeoutError):
            return DeadlineExceeded(f"{self._origin} did not answer in time.")
        if isinstance(exception, OSError):
            return Unreachable(f"{self._origin} broke the connection: {exception}.")
        return UnreadableAnswer(f"{self._origin} does not answer in whole HTTP: {exception!r}.")

    def _arm(self) -> None:
        left = self._until - self._clock()
        if left <= 0:
            raise TimeoutError
        self.connection.socket.settimeout(left)


class _Adapter:
    """What a `requests.Session` takes for its transport; its own settings of trust and proxy are void."""

    def __init__(self, egress: Egress, list_name: ListName) -> None:
        self._egress = egress
        self._list_name = list_name

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        """The answer, read whole. Raises `EgressError`."""
        import requests

        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        if not isinstance(body, bytes):
            raise LocalError("A body that is not bytes.")
        pairs = [(_text(name), _text(value)) for name, value in request.headers.items()]
        answer = self._egress.once(
            self._list_name,
            Request(str(request.method), str(request.url), Headers(pairs), body),
        )
        response = requests.Response()
        response.status_code = answer.status
        response.url = str(request.url)
        response.request = request
        for name, value in answer.headers:
            earlier = response.headers.get(name)
            response.headers[name] = value if earlier is None else f"{earlier}, {value}"
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.raw = io.BytesIO(answer.body)
        return response

    def close(self) -> None:
        """Nothing of its own is open."""


@lru_cache(maxsize=1024)
def _target(url: str, *, development: bool) -> iris.Iri:
    """The URL in parts; http only with `development`. Raises `Refused` for what we do not send to."""
    try:
        target = iris.parse(url, development=development)
    except Malformed as exception:
        raise Refused(f"{url[:200]!r} is not an address that we send to: {exception}") from exception
    if target.fragment is not None:
        raise Refused(f"{url[:200]!r} has a fragment.")
    return target


def _is_local(host: str) -> bool:
    """True for the names of RFC 6761, section 6.3: this machine, whatever DNS says."""
    return host == "localhost" or host.endswith(".localhost")


def _text(field: str | bytes) -> str:
    return field.decode("latin-1") if isinstance(field, bytes) else field


def _redirected(request: Request, response: Response) -> Request:
    """The same request to where the answer points: a path, or a URL of the same origin. Raises `Refused`."""
    # What may be reached, the next hop checks; here both profiles are only read.
    here = _target(request.url, development=True).origin
    there = (response.headers.get("location") or "").partition("#")[0]
    if there.startswith("/") and not there.startswith("//"):
        there = here + there
    if _target(there, development=True).origin != here:
        raise Refused(f"{request.url} redirects to another origin: {there[:200]}.")
    return Request(request.method, there, request.headers)
