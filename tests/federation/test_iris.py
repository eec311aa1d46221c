"""One canonical host or none, and no parser that sees another host than we do."""

from __future__ import annotations

import contextlib
import itertools
from urllib.parse import urlsplit

import idna
import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from federation import iris
from federation.errors import Malformed

# Spelling -> canonical host, or None: refused (SECURITY B7).
SPELLINGS: list[tuple[str, str | None]] = [
    ("node.acme.example", "node.acme.example"),
    ("NODE.Acme.EXAMPLE", "node.acme.example"),
    ("localhost", "localhost"),
    ("aubier.localhost", "aubier.localhost"),
    ("a", "a"),
    ("1and1.example", "1and1.example"),
    ("127.example", "127.example"),
    ("0x7f.example", "0x7f.example"),
    ("a-b.example", "a-b.example"),
    ("a--b.example", "a--b.example"),
    ("l" * 63 + ".example", "l" * 63 + ".example"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ("straße.example", "xn--strae-oqa.example"),
    ("例え.example", "xn--r8jz45g.example"),
    ("日本語テスト.example", "xn--zckzah9945czlbtz6h.example"),
    ("한국.example", "xn--3e0b707e.example"),
    ("почта.example", "xn--80a1acny.example"),
    ("ελλάδα.example", "xn--hxakic4aa.example"),
    ("node.acme.xn--p1ai", "node.acme.xn--p1ai"),
    ("", None),
    (".", None),
    ("node.acme.example.", None),
    (".node.acme.example", None),
    ("node..acme.example", None),
    ("node.acme.example..", None),
    ("node acme.example", None),
    (" node.acme.example", None),
    ("node.acme.example ", None),
    ("node.acme.example\n", None),
    ("node.acme.example\r\n", None),
    ("node.acme.example\t", None),
    ("node.acme\0.example", None),
    ("node.acme.example\x7f", None),
    ("node。acme。example", None),
    ("node．acme．example", None),  # noqa: RUF001
    ("node｡acme｡example", None),
    ("ｎｏｄｅ.acme.example", None),  # noqa: RUF001
    ("node.acme%2eexample", None),
    ("%6eode.acme.example", None),
    ("node%00.acme.example", None),
    ("bob@node.acme.example", None),
    ("node.acme.example\\evil.example", None),
    ("node.acme.example/evil", None),
    ("node.acme.example:443", None),
    ("node_.acme.example", None),
    ("-node.acme.example", None),
    ("node-.acme.example", None),
    ("node.acme.example-", None),
    ("l" * 64 + ".example", None),
    (".".join(["a" * 49] * 6), None),
    ("ab--cd.example", None),
    ("xn--a.example", None),
    ("xn--.example", None),
    ("xn--node-.example", None),
    ("xn--strae-oqa-.example", None),
    ("xn--bcher-KVA1.example", None),
    ("Bücher.example", "xn--bcher-kva.example"),
    ("BÜCHER.example", None),
    ("асme.example", None),  # noqa: RUF001
    ("acmе.example", None),  # noqa: RUF001
    ("αcme.example", None),  # noqa: RUF001
    ("xn--me-7lc1a.example", "xn--me-7lc1a.example"),  # Cyrillic a and c, Latin m and e: an admin is warned
    ("日本latin.example", None),
    ("한국テスト.example", None),
    ("no\u00adde.acme.example", None),
    ("no\u200bde.acme.example", None),
    ("no\u200dde.acme.example", None),
    ("no\u2060de.acme.example", None),
    ("\u202enode.acme.example", None),
    ("node.acme.example\u0301", None),
    ("\u0301node.example", None),
    ("\u212acme.example", None),  # the sign of Kelvin folds to k
    ("i\u0307.example", "xn--i-9bb.example"),
    ("ⓐcme.example", None),
    ("①.example", None),
    ("127.0.0.1", None),
    ("127.1", None),
    ("2130706433", None),
    ("0177.0.0.1", None),
    ("0x7f.0.0.1", None),
    ("0x7f000001", None),
    ("0x", None),
    ("10.0.0.08", None),
    ("node.acme.0x7f", None),
    ("node.acme.1", None),
    ("[::1]", None),
    ("[::ffff:127.0.0.1]", None),
    ("::1", None),
    ("fe80::1%25eth0", None),
    ("\u0661\u0662\u0667.\u0660.\u0660.\u0661", None),
    ("127。0。0。1", None),
    ("💩.example", None),
    ("\ud800.example", None),
]


@pytest.mark.parametrize(("spelling", "host"), SPELLINGS)
def test_a_host_has_one_spelling_or_is_refused(spelling: str, host: str | None) -> None:
    if host is None:
        with pytest.raises(Malformed):
            iris.canonical_host(spelling)
    else:
        assert iris.canonical_host(spelling) == host
        assert iris.canonical_host(host) == host


def test_the_table_is_long_enough() -> None:
    assert len({spelling for spelling, _ in SPELLINGS}) >= 60


def test_a_name_that_grows_beyond_the_limit_is_refused() -> None:
    label = "ü" * 40
    with pytest.raises(Malformed):
        iris.canonical_host(".".join([label] * 6))


_FORMS = [
    "https://{}/",
    "https://{}:443/inbox",
    "https://{}:8443/inbox?a=b",
    "HTTPS://{}/inbox#key",
    "https://{}",
    "https://{}?x",
    "https://{}#x",
    "https://evil.example@{}/",
    "https://{}@evil.example/",
    "https://{}\\@evil.example/",
    "https://{}\\.evil.example/",
    "https://{}%2f.evil.example/",
    "https://{}:80@evil.example/",
    "https://{};evil.example/",
    "https://{},evil.example/",
    "https://evil.example/{}/",
    "https://evil.example?{}",
    "https:{}/",
    "https:/{}/",
    "https:///{}/",
    "https:\\\\{}/",
    "//{}/",
    " https://{}/",
    "https://{}/ ",
    "https://\t{}/",
    "ht\ntps://{}/",
    "https://{}\n/",
    "https://{}:/",
    "https://{}:0/",
    "https://{}:99999/",
    "https://{}:0443/",
    "https://{}:+443/",
    "https://{}:४४३/",
    "https://{}:443:80/",
    "http://{}/",
    "ftp://{}/",
    "javascript://{}/%0aalert(1)",
    "https://{}/a/../b",
    "https://{}/%2e%2e/b",
    "https://{}/a b",
    "https://{}/é",
    "https://{}/%zz",
    "https://{}/a%20b?q=%41#f",
    "https://{}/?q=a?b/c",
]
_HOSTS = [spelling for spelling, _ in SPELLINGS]
URLS = [form.format(host) for form, host in itertools.product(_FORMS, [*_HOSTS[:20], *_HOSTS[20::3]])]


def _hosts_elsewhere(url: str) -> dict[str, str | None]:
    """What the other parsers connect to; a refusal of theirs is left out."""
    seen: dict[str, str | None] = {}
    with contextlib.suppress(ValueError, urllib3.exceptions.HTTPError):
        seen["urllib3"] = urllib3.util.parse_url(url).host
    try:
        prepared = requests.Request("GET", url).prepare().url
        seen["requests"] = urllib3.util.parse_url(prepared or "").host
    except (ValueError, requests.RequestException):
        pass
    try:
        name = urlsplit(url).hostname
        seen["urlsplit"] = name if name is None or name.isascii() else iris.canonical_host(name)
    except (ValueError, Malformed):
        pass
    return seen


def test_no_parser_sees_another_host_than_we_do() -> None:
    assert len(set(URLS)) >= 200
    accepted = 0
    for url in URLS:
        try:
            host = iris.parse(url, development=True).host
        except Malformed:
            continue
        accepted += 1
        for parser, other in _hosts_elsewhere(url).items():
            assert other == host, (url, parser)
    assert accepted > 100


@given(st.text(alphabet=st.sampled_from("ab.1-:/@?#[]\\%0x\t éＡ。"), max_size=20))
def test_no_parser_sees_another_host_in_a_strangers_text(text: str) -> None:
    url = f"https://{text}"
    try:
        host = iris.parse(url).host
    except Malformed:
        return
    for parser, other in _hosts_elsewhere(url).items():
        assert other == host, (url, parser)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "node.acme.example",
        "/inbox",
        "https://",
        "https:///inbox",
        "http://node.acme.example/",
        "http://localhost.evil.example/",
        "http://evillocalhost/",
        "file:///etc/passwd",
        "data:text/html,x",
        "https://node.acme.example/" + "a" * 2048,
        "https://node.acme.example/<b>",
        "https://node.acme.example/a\\b",
        "https://node.acme.example/[1]",
        "https://node.acme.example/./a",
        "https://node.acme.example/..",
        "https://node.acme.example/%2E%2e/a",
        "https://node.acme.example/.%2e",
        "https://node.acme.example/#a#b",
    ],
)
def test_refuses(url: str) -> None:
    for read in (iris.parse, lambda text: iris.parse(text, development=True), iris.origin):
        with pytest.raises(Malformed):
            read(url)


def test_an_iri_comes_apart() -> None:
    iri = iris.parse("HTTPS://Node.Acme.Example:443/spaces/a%20b?from=1&to=2#key")
    assert iri == iris.Iri("https", "node.acme.example", 443, "/spaces/a%20b", "from=1&to=2", "key")
    assert (iri.origin, iri.authority) == ("https://node.acme.example", "node.acme.example")
    assert iri.target == "/spaces/a%20b?from=1&to=2"
    assert iris.parse("https://node.acme.example").target == "/"
    assert iris.parse("https://node.acme.example/.well-known/a..b/...").path == "/.well-known/a..b/..."
    assert iris.parse("https://node.acme.example/a%20b").query is None


def test_http_is_for_names_under_localhost_in_development_alone() -> None:
    for url in ("http://localhost/", "http://aubier.localhost:8101/actor"):
        with pytest.raises(Malformed):
            iris.parse(url)
        assert iris.parse(url, development=True).scheme == "http"
    assert iris.origin("http://aubier.localhost:8101/actor") == "http://aubier.localhost:8101"
    assert iris.origin("http://localhost:80/") == "http://localhost"
    assert iris.origin("https://localhost:80/") == "https://localhost:80"


def test_the_same_origin_in_any_spelling() -> None:
    assert iris.same_origin("https://Node.acme.example/a", "https://node.acme.example:443/b#c")
    assert not iris.same_origin("https://node.acme.example/a", "https://node.acme.example:8443/a")
    assert not iris.same_origin("https://node.acme.example/a", "https://node.bolt.example/a")
    assert not iris.same_origin("http://a.localhost/", "https://a.localhost/")
    with pytest.raises(Malformed):
        iris.same_origin("https://node.acme.example/a", "node.acme.example")


@given(st.text(max_size=40))
def test_texts_of_strangers_are_read_or_malformed(text: str) -> None:
    for read in (iris.canonical_host, iris.origin, lambda t: iris.origin(f"https://{t}")):
        with contextlib.suppress(Malformed):
            assert isinstance(read(text), str)


def test_an_a_label_that_is_not_canonical_is_refused_with_any_idna(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older idna decodes fake A-labels (RFC 5890, section 2.3.2.1) without asking whether they are canonical."""
    with pytest.raises(Malformed):
        iris.canonical_host("xn---bbk.example")
    monkeypatch.setattr(idna, "decode", lambda _label, **_: "bücher")
    with pytest.raises(Malformed, match="canonical"):
        iris.canonical_host("xn--bcher-kvb.example")


def test_letters_without_a_name_are_a_script_of_their_own() -> None:
    with pytest.raises(Malformed):
        iris.canonical_host("a\U00017000.example")
    assert iris.canonical_host("\U00017000.example").startswith("xn--")


@pytest.mark.parametrize(
    "iri", ["https://a.example", "https://a.example/x", "https://a.example:8443?x", "http://a.localhost:1#x"]
)
def test_a_canonical_spelling_is_taken(iri: str) -> None:
    iris.check_canonical(iri)


@pytest.mark.parametrize(
    "iri",
    ["https://A.example/", "https://a.example:443/x", "Https://a.example/", "https://b\u00fccher.example/x"],
)
def test_refuses_another_spelling_of_the_same_origin(iri: str) -> None:
    with pytest.raises(Malformed):
        iris.check_canonical(iri)
