"""No request of ours goes where it may not: every way out of the node, against every address that is off the list.

A sinkhole takes the place of the network: it lets nobody connect and notes who tried, and whom the resolver was asked
for. Source: SECURITY 1.E, TH-25 to TH-29.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from federation import discovery, iris
from federation.adapters.egress import Egress
from federation.errors import FederationError
from federation.http import Headers, Request, Response
from node.app import create_app
from node.config import Provider, Settings, example
from node.core.db import Base
from node.core.errors import NodeError
from node.core.http.context import ground as ground_of
from node.exchange import service as exchange
from node.identity.oidc import RelyingParty
from node.identity.services.identity import identity_of
from node.relations.services import outside
from node.relations.services.relations import relations_of
from tests.federation.adapters.test_addresses import PUBLIC, REFUSED
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import CAPABILITIES

PARTNER = "https://partner.example"
ISSUER = "https://issuer.example"
SECRET = "a-client-secret-of-ours"
LINK = "#v=1&i=aaaaaaaaaaaaaaaaaaaaaa&t=" + "A" * 43 + "&k=zQm" + "1" * 43
ADDRESSES = [each for each in REFUSED if each.strip() and "/" not in each]

#: What a host may be called that is this machine, its net, or two things at once.
HOSTS = [
    *(f"[{each}]" if ":" in each else each for each in ADDRESSES if each == each.strip("[] \n")),
    "localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "x.localhost", "partner.localhost",
    "0", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54", "l\u00f3calhost", "metadata", "metadata.google.internal",
    "instance-data", "kubernetes.default.svc", "router.local", "intranet", "db.internal", "printer.home.arpa",
    "partner.example@127.0.0.1", "127.0.0.1\\@partner.example", "127.0.0.1#@partner.example",
    "127.0.0.1?@partner.example", "partner.example%2f@127.0.0.1", "partner.example\t@127.0.0.1",
    "127.0.0.1%00.partner.example", "127.0.0.1%2epartner.example", "127.0.0.1%09", "127.0.0.1\n", " 127.0.0.1",
    "partner.example:80@127.0.0.1", "user:pass@localhost", "[::ffff:127.0.0.1]", "[::1%25lo]", "[::1", "::1]",
    "127.0.0.1.nip.io", "localtest.me", "partner.example.", "evil.example", "xn--partner.example", "",
    "partner.example.evil.example", "evilpartner.example", "partner.example:22", "partner.example:6379",
]  # fmt: skip
SCHEMES = ["http", "https", "HTTPS"]
OTHER_SCHEMES = [
    "file:///etc/passwd", "file://partner.example/etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://127.0.0.1/", "data:application/activity+json,{}", "dict://127.0.0.1:11211/stat", "ldap://127.0.0.1/",
    "jar:http://127.0.0.1!/", "netdoc:///etc/passwd", "tftp://127.0.0.1/x", "ws://127.0.0.1/", "javascript:x",
    "about:blank", "//127.0.0.1/", "/etc/passwd", "x", "", "http:127.0.0.1", "http:/127.0.0.1/", "https:///127.0.0.1",
    "http://partner.example/", "unix:///run/x.sock", "urn:x", "mailto:x@partner.example", "\thttps://127.0.0.1/",
    "https://127.0.0.1/\r\nHost: x", "https://partner.example:0/", "https://partner.example:99999/",
]  # fmt: skip
URLS = [f"{scheme}://{host}/x" for host in HOSTS for scheme in SCHEMES[:2]] + OTHER_SCHEMES


@dataclass
class Sinkhole:
    """The net, of which nothing can be reached. `answers` are what the one honest partner says, by URL."""

    addresses: list[list[str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tried: list[tuple[str, int]] = field(default_factory=list)
    answers: dict[str, Response] = field(default_factory=dict)

    def resolve(self, host: str) -> tuple[str, ...]:
        """The addresses of this lookup; the last list stays."""
        self.asked.append(host)
        found = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return tuple(found)

    def clear(self) -> None:
        self.asked.clear()
        self.tried.clear()


@pytest.fixture
def sinkhole(monkeypatch: pytest.MonkeyPatch) -> Sinkhole:
    hole = Sinkhole([["93.184.216.34"]])
    genuine = Egress._exchange

    def connect(_socket: Any, address: Any) -> None:
        hole.tried.append((str(address[0]), int(address[1])))
        raise ConnectionRefusedError

    def speak(self: Egress, list_name: Any, request: Request, *rest: Any, **named: Any) -> Response:
        if request.url in hole.answers:  # the list has let it pass, or it is the first hop of a chain
            return hole.answers[request.url]
        return genuine(self, list_name, request, *rest, **named)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: _unasked(hole, host))
    monkeypatch.setitem(Egress.__init__.__kwdefaults__ or {}, "resolver", hole.resolve)
    monkeypatch.setattr(Egress, "_exchange", speak)
    return hole


def _unasked(hole: Sinkhole, host: object) -> Any:
    hole.asked.append(str(host))
    raise socket.gaierror("nobody asks the system")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a production node."""
    return replace(
        example(tmp_path / "data"),
        origin="https://aubier.example",
        organisation="Aubier",
        environment="production",
        log_format="text",
    )


@dataclass
class Ways:
    """Each way out of the node, as what is said to it from outside drives it."""

    app: Any
    ground: Any
    sinkhole: Sinkhole

    def all(self) -> dict[str, Callable[[str], object]]:
        return {
            "the link of an invitation": lambda url: relations_of(self.ground).accept(url + LINK, MARIE),
            "the node of an invitation": lambda url: outside.node_at(self.ground, url.rstrip("/x")),
            "the actor that WebFinger names": self.by_webfinger,
            "the actor that NodeInfo names": self.by_nodeinfo,
            "a redirect": self.by_redirect,
            "the inbox of a node actor": self.to_inbox,
            "the exchange of a partner": self.to_exchange,
            "a file or log of a partner": self.from_partner,
            "the metadata of a provider": lambda url: self.provider(url)._metadata_of(self.named(url)),
            "the keys of a provider": self.keys,
            "the token endpoint of a provider": self.token,
        }

    def egress(self) -> Egress:
        return outside.egress_to(self.ground, PARTNER)

    def by_webfinger(self, url: str) -> object:
        jrd = {
            "subject": PARTNER,
            "links": [{"rel": discovery.SELF, "type": discovery.ACTIVITY_TYPE, "href": url}],
        }
        self.serve("/.well-known/webfinger?resource=https%3A%2F%2Fpartner.example%2F", jrd)
        return outside.node_at(self.ground, PARTNER)

    def by_nodeinfo(self, url: str) -> object:
        self.sinkhole.answers.clear()
        self.serve("/.well-known/webfinger?resource=https%3A%2F%2Fpartner.example%2F", {}, status=404)
        self.serve("/.well-known/nodeinfo", {"links": [{"rel": discovery.APPLICATION, "href": url}]})
        return outside.node_at(self.ground, PARTNER)

    def by_redirect(self, url: str) -> object:
        headers = Headers([("Location", url)])
        self.sinkhole.answers[f"{PARTNER}/moved"] = Response(302, headers, b"")
        return self.egress().get("handshake", Request("GET", f"{PARTNER}/moved"), redirects=2)

    def to_inbox(self, url: str) -> object:
        return outside.post(self.ground, PARTNER, Request("POST", url, Headers(()), b"{}"))

    def to_exchange(self, url: str) -> object:
        return exchange.egress_of(self.ground).post("peers", Request("POST", url, Headers(()), b"{}"))

    def from_partner(self, url: str) -> object:
        partner: Any = SimpleNamespace(node=f"{PARTNER}/actor")
        return exchange.fetch(self.ground, partner, url)

    def named(self, url: str = ISSUER) -> Provider:
        return Provider(name="work", label="Work", issuer=url, client_id="us", client_secret=SECRET)

    def provider(self, url: str = ISSUER) -> RelyingParty:
        return RelyingParty("https://aubier.example", (self.named(url),))

    def keys(self, url: str) -> object:
        party = self.provider()
        self.metadata(jwks_uri=url)
        return party._keys_of(self.named(), party._metadata_of(self.named()))

    def token(self, url: str) -> object:
        party = self.provider()
        self.metadata(token_endpoint=url)
        pending: Any = SimpleNamespace(verifier="v" * 43, state="s", nonce="n")
        return party._tokens(self.named(), party._metadata_of(self.named()), "code", pending)

    def metadata(self, **changed: str) -> None:
        said = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            **changed,
        }
        self.serve("/.well-known/openid-configuration", said, origin=ISSUER)

    def serve(self, path: str, document: object, *, origin: str = PARTNER, status: int = 200) -> None:
        kind = "application/jrd+json" if "webfinger" in path else "application/json"
        headers = Headers([("Content-Type", kind)])
        self.sinkhole.answers[origin + path] = Response(status, headers, json.dumps(document).encode())


@pytest.fixture
def ways(settings: Settings, sinkhole: Sinkhole) -> Iterator[Ways]:
    app = create_app(settings, capabilities=CAPABILITIES)
    with app.app_context():
        ground = ground_of()
    Base.metadata.create_all(ground.database.engine)
    identity_of(ground).initialise()
    yield Ways(app, ground, sinkhole)
    ground.close()


EXPECTED = (FederationError, NodeError, outside.Unreached, OSError, ValueError)


def test_there_are_at_least_three_hundred_cases(ways: Ways) -> None:
    assert len(set(URLS)) + len(set(ADDRESSES)) >= 300
    assert len(ways.all()) >= 8


@pytest.mark.advisory("E1", "E2", "E5", "E6", "E7", "E8", "E12", "E14", "E16", "E20", "E22")
def test_no_url_leads_out_of_the_list(ways: Ways) -> None:
    hole = ways.sinkhole
    for name, go in ways.all().items():
        for url in URLS:
            hole.answers.clear()
            hole.clear()
            with pytest.raises(EXPECTED):
                go(url)
            assert set(hole.asked) <= _may_ask(name, url), (name, url, hole.asked)
            assert {host for host, _ in hole.tried} <= {"93.184.216.34"}, (name, url, hole.tried)
            assert name in CHOSEN or {port for _, port in hole.tried} <= {443}, (name, url, hole.tried)


#: What an administrator typed, or the provider that one chose.
CHOSEN = frozenset(
    {
        "the link of an invitation",
        "the node of an invitation",
        "the metadata of a provider",
        "the keys of a provider",
        "the token endpoint of a provider",
    }
)


def _may_ask(name: str, url: str) -> set[str]:
    """Whom the resolver may be asked for."""
    try:
        host = iris.parse(url).host
    except FederationError:
        host = ""
    return {"partner.example", host} if name in CHOSEN else {"partner.example"}


@pytest.mark.advisory("E4", "E8", "E10", "E19")
def test_no_name_leads_to_an_address_that_is_not_public(ways: Ways) -> None:
    """The name is on the list; what it resolves to is ours, our net's, or nobody's."""
    hole = ways.sinkhole
    for name, go in _on_the_list(ways).items():
        for address in ADDRESSES:
            for addresses in ([address], ["93.184.216.34", address], [address, "93.184.216.34"]):
                hole.addresses = [addresses]
                hole.clear()
                with pytest.raises(EXPECTED):
                    go()
                assert hole.tried == [], (name, addresses)
                assert len(hole.asked) <= 2, (name, hole.asked)


def _on_the_list(ways: Ways) -> dict[str, Callable[[], object]]:
    allowed = Egress(lambda _list, origin: origin == PARTNER)
    party = ways.provider()
    return {
        "an invitation": lambda: relations_of(ways.ground).accept(f"{PARTNER}/peering/invite{LINK}", MARIE),
        "a node": lambda: outside.node_at(ways.ground, PARTNER),
        "an inbox": lambda: outside.post(ways.ground, PARTNER, Request("POST", f"{PARTNER}/actor/inbox")),
        "an exchange": lambda: allowed.post(
            "peers", Request("POST", f"{PARTNER}/exchange", Headers(()), b"{}")
        ),
        "a file": lambda: allowed.get("peers", Request("GET", f"{PARTNER}/files/x"), into=lambda _: None),
        "a library": lambda: allowed.session_for("webhooks").get(f"{PARTNER}/x"),
        "a provider": lambda: party._metadata_of(ways.named()),
    }


@pytest.mark.advisory("E4")
def test_a_name_that_changes_its_mind_is_asked_once(ways: Ways) -> None:
    """What was checked is what is connected to: a second lookup, which nobody makes, would say 127.0.0.1."""
    hole = ways.sinkhole
    for name, go in _on_the_list(ways).items():
        for address in PUBLIC:
            hole.addresses = [[address], ["127.0.0.1"]]
            hole.clear()
            with pytest.raises(EXPECTED):
                go()
            assert {host for host, _ in hole.tried} <= {address}, (name, hole.tried)
            assert hole.tried[0] == (address, 443), name


@pytest.mark.advisory("E1")
def test_the_sinkhole_sees_what_is_allowed(ways: Ways) -> None:
    """Else the other tests would say nothing."""
    allowed = Egress(lambda _list, origin: origin == PARTNER)
    with pytest.raises(FederationError):
        allowed.get("peers", Request("GET", f"{PARTNER}/x"))
    assert ways.sinkhole.tried == [("93.184.216.34", 443)]
    assert ways.sinkhole.asked == ["partner.example"]


@pytest.mark.advisory("E11", "E17", "E18")
def test_no_door_that_strangers_may_open_asks_anybody(ways: Ways) -> None:
    """Every route without sign-in, with an address of ours or of theirs wherever one could be put."""
    client = ways.app.test_client()
    for rule in client.application.url_map.iter_rules():
        if "<" in rule.rule:
            continue
        for url in ("http://127.0.0.1/", "https://evil.example/", f"{PARTNER}/actor"):
            query = dict.fromkeys(
                ("resource", "url", "uri", "link", "next", "redirect_uri", "iss", "address"), url
            )
            for method in (rule.methods or set()) - {"OPTIONS"}:
                client.open(rule.rule, method=method, query_string=query, data={**query, "text": url})
    assert ways.sinkhole.tried == []
    assert ways.sinkhole.asked == []


def test_a_secret_of_ours_goes_to_nobody_else(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client secret to the token endpoint of its provider alone, whatever else the environment holds."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://user:pass@127.0.0.1:3128")
    monkeypatch.setenv("NETRC", "/nonexistent")
    hole = ways.sinkhole
    for url in ("https://third.example/token", "https://127.0.0.1/token", "http://issuer.example/token"):
        hole.clear()
        with pytest.raises(EXPECTED):
            ways.token(url)
        assert {host for host, _ in hole.tried} <= {"93.184.216.34"}
        assert "127.0.0.1" not in hole.asked
