"""HTTP signatures: the answer of RFC 9421, the peer profile, and each of its refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import signatures
from federation.errors import ClockSkew, LocalError, Unauthentic
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, SigningKey

NOW = 1_795_446_120
NONCE = "Z2uLuEznJn3VIN7K"
KEY = SigningKey.generate("https://node.bolt.example/actor#ed25519")
NODE = SigningKey.generate("https://node.acme.example/actor#ed25519")
LOG = 'stream="https://node.bolt.example/streams/acme", seq=2, count=1'
POST = Request(
    "POST",
    "https://node.acme.example/exchange",
    Headers([("Content-Type", "application/x-ndjson"), ("Exchange-Log", LOG)]),
    b'{"v":1}\n',
)
GET = Request("GET", "https://node.acme.example/streams/bolt?from=1&to=5")


def _signed(request: Request = POST, key: SigningKey = KEY) -> Request:
    return signatures.sign_request(request, key, created=NOW, nonce=NONCE)


def _accept(request: Request, now: int = NOW, key: PublicKey = KEY.public) -> signatures.PeerSignature:
    signature = signatures.peer_signature(request)
    signatures.verify_request(request, signature, key, now)
    return signature


def _with(message: Request, *pairs: tuple[str, str]) -> Request:
    return Request(message.method, message.url, message.headers.with_(*pairs), message.body)


def _crafted(
    request: Request, components: list[Any], change: dict[str, Any] | None = None, label: str = "sig1"
) -> Request:
    """A request that KEY signed over other components and parameters than it should."""
    parameters: dict[str, Any] = {
        "created": NOW,
        "expires": NOW + 300,
        "nonce": NONCE,
        "keyid": KEY.key_id,
        "alg": "ed25519",
        "tag": "extranet-peer",
    }
    parameters = {k: v for k, v in {**parameters, **(change or {})}.items() if v is not None}
    items = [(c, {}) if isinstance(c, str) else c for c in components]
    base = signatures.signature_base(request, items, parameters)
    return _with(
        request, *signatures._signed(label, signatures._inner_list(items, parameters), KEY.sign(base))
    )


DIGESTED = _signed()
COVER = ["@method", "@target-uri", "@authority", "content-digest", "content-type", "exchange-log"]


# --- the RFC --------------------------------------------------------------------------------------------


def test_rfc9421_b_2_6_ed25519() -> None:
    request = Request(
        "POST",
        "https://example.com/foo?param=Value&Pet=dog",
        Headers(
            [
                ("Host", "example.com"),
                ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
                ("Content-Type", "application/json"),
                ("Content-Length", "18"),
                (
                    "Signature-Input",
                    (
                        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
                        ';created=1618884473;keyid="test-key-ed25519"'
                    ),
                ),
                (
                    "Signature",
                    (
                        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5W"
                        "PpBKRCw==:"
                    ),
                ),
            ]
        ),
    )
    secret = bytes.fromhex("9f8362f87a484a954e6e740c5b4c0e84229139a20aa8ab56ff66586f6a7d29c5")
    key = SigningKey.from_raw(secret, "test-key-ed25519")
    (signature,) = signatures.signatures(request)
    base = signatures.signature_base(request, signature.components, signature.parameters)
    assert base.decode() == (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        '"@method": POST\n'
        '"@path": /foo\n'
        '"@authority": example.com\n'
        '"content-type": application/json\n'
        '"content-length": 18\n'
        '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    assert key.sign(base) == signature.raw


def _base(message: Request | Response, component: Any, request: Request | None = None) -> str:
    item = (component, {}) if isinstance(component, str) else component
    return signatures.signature_base(message, [item], {}, request=request).decode().partition("\n")[0]


@pytest.mark.parametrize(
    ("component", "value"),
    [
        ("@method", "GET"),
        ("@target-uri", "HTTPS://Node.Acme.Example:443/path?param=value&a=%7e&b=x%20y"),
        ("@authority", "node.acme.example"),
        ("@scheme", "https"),
        ("@path", "/path"),
        ("@query", "?param=value&a=%7e&b=x%20y"),
        ("@request-target", "/path?param=value&a=%7e&b=x%20y"),
        (("@query-param", {"name": "param"}), "value"),
        (("@query-param", {"name": "a"}), "%7E"),
        (("@query-param", {"name": "b"}), "x%20y"),
        ("x-list", "a, b"),
        (("x-dict", {"key": "a"}), "?1;x"),
        (("x-dict", {"key": "b"}), "(1 2)"),
        (("x-dict", {"key": "c"}), ":AA==:"),
    ],
    ids=str,
)
def test_values_of_components(component: Any, value: str) -> None:
    headers = Headers(
        [("X-List", " a "), ("x-list", "b\t"), ("X-Dict", "a;x, b=(1   2)"), ("X-Dict", "c=:AA:")]
    )
    request = Request("GET", "HTTPS://Node.Acme.Example:443/path?param=value&a=%7e&b=x%20y", headers)
    assert _base(request, component).partition(": ")[2] == value


@pytest.mark.parametrize(
    ("url", "component", "value"),
    [
        ("https://node.acme.example", "@path", "/"),
        ("https://node.acme.example", "@query", "?"),
        ("https://node.acme.example", "@request-target", "/"),
        ("https://node.acme.example:8443/a#b", "@authority", "node.acme.example:8443"),
        ("https://node.acme.example:80/", "@authority", "node.acme.example:80"),
        ("http://aubier.localhost:80/", "@authority", "aubier.localhost"),
        ("https://node.acme.example?a/b", "@path", "/"),
        ("https://node.acme.example/a#b", "@path", "/a"),
        ("https://node.acme.example/a?u=b://c/d", "@path", "/a"),
        ("ftp://node.acme.example:21/", "@authority", "node.acme.example:21"),
    ],
)
def test_values_of_odd_targets(url: str, component: str, value: str) -> None:
    assert _base(Request("GET", url), component).partition(": ")[2] == value


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("empty=&b=1", "empty", ""),
        ("a*b=1*2", "a*b", "1*2"),
        ("~=~", "%7E", "%7E"),
        ("a%2Fb=c%2Fd", "a%2Fb", "c%2Fd"),
        ("x=%C3%A9", "x", "%C3%A9"),
    ],
)
def test_a_query_parameter_is_encoded_anew(query: str, name: str, value: str) -> None:
    request = Request("GET", f"https://node.acme.example/?{query}")
    assert _base(request, ("@query-param", {"name": name})).partition(": ")[2] == value


@pytest.mark.parametrize(
    "component",
    [
        "@status",
        "@unknown",
        ("@method", {"req": True}),
        ("@method", {"x": 1}),
        ("@query-param", {}),
        ("@query-param", {"name": "absent"}),
        ("@query-param", {"name": "twice"}),
        ("@query-param", {"name": "a", "x": True}),
        "absent",
        "X-List",
        ("x-list", {"key": "a"}),
        ("x-dict", {"key": "z"}),
        ("x-list", {"sf": True}),
        ("x-list", {"bs": True}),
        ("x-list", {"tr": True}),
        ("x-list", {"req": False}),
        "x-odd",
        "x-tab",
    ],
    ids=str,
)
def test_components_that_are_not_there_are_refused(component: Any) -> None:
    headers = Headers([("X-List", "A!"), ("X-Dict", "a=1"), ("X-Odd", "é"), ("X-Tab", "a\tb")])
    request = Request("GET", "https://node.acme.example/?a=1&twice=1&twice=2", headers)
    with pytest.raises(Unauthentic):
        _base(request, component, request)


def test_an_answer_has_no_target_of_its_own() -> None:
    with pytest.raises(Unauthentic):
        _base(Response(200), "@method")
    with pytest.raises(Unauthentic):
        _base(Response(200), ("@status", {"x": True}))
    with pytest.raises(Unauthentic):
        _base(Response(200), ("@method", {"req": True}))
    assert _base(Response(200), ("@method", {"req": True}), GET) == '"@method";req: GET'
    assert _base(Response(202), "@status") == '"@status": 202'


def test_parameters_are_written_canonically() -> None:
    import http_sf

    parameters = {"a": 1, "b": True, "c": 'x"\\', "d": b"\0", "e": http_sf.Token("t"), "f": False}
    base = signatures.signature_base(GET, [("@method", {})], parameters).decode()
    assert base.endswith('("@method");a=1;b;c="x\\"\\\\";d=:AA==:;e=t;f=?0')
    with pytest.raises(LocalError):
        signatures.signature_base(GET, [], {"nonce": "é"})


@pytest.mark.parametrize(
    ("inputs", "values"),
    [
        ("sig1=()", None),
        (None, "sig1=:AA==:"),
        ("sig1=()", "sig2=:AA==:"),
        ("sig1=(), sig2=()", "sig1=:AA==:"),
        ("sig1=(", "sig1=:AA==:"),
        ("sig1=1", "sig1=:AA==:"),
        ("sig1=()", "sig1=1"),
        ("sig1=(1)", "sig1=:AA==:"),
        ("sig1=(a)", "sig1=:AA==:"),
        ("sig1=(), sig1=()", "sig1=:AA==:"),
        ("sig1=();a=1;a=2", "sig1=:AA==:"),
    ],
)
def test_malformed_fields_are_no_signature(inputs: str | None, values: str | None) -> None:
    pairs = [("Signature-Input", inputs), ("Signature", values)]
    request = Request("GET", GET.url, Headers([(n, v) for n, v in pairs if v is not None]))
    with pytest.raises(Unauthentic):
        signatures.signatures(request)


def test_no_fields_are_no_signatures() -> None:
    assert signatures.signatures(GET) == ()


# --- the generic verifier -------------------------------------------------------------------------------


def test_the_generic_verifier_takes_less_than_the_peer_gate() -> None:
    request = _crafted(
        DIGESTED, ["@method", "@target-uri", "content-digest"], dict.fromkeys(["nonce", "tag", "alg"])
    )
    signatures.verify(request, KEY.public, NOW)
    with pytest.raises(Unauthentic):
        signatures.peer_signature(request)
    signatures.verify(_crafted(GET, ["@method", "@target-uri"]), KEY.public, NOW + 300)


@pytest.mark.parametrize(
    ("components", "change"),
    [
        (["@method", "@target-uri"], {}),
        (["@method", "content-digest"], {}),
        (["@target-uri", "content-digest"], {}),
        (["@method", "@target-uri", "content-digest"], {"created": None}),
        (["@method", "@target-uri", "content-digest"], {"created": True}),
        (["@method", "@target-uri", "content-digest"], {"keyid": None}),
        (["@method", "@target-uri", "content-digest"], {"keyid": "https://evil.example/#k"}),
        (["@method", "@target-uri", "content-digest"], {"alg": "rsa-v1_5-sha256"}),
        (["@method", "@target-uri", "content-digest"], {"alg": True}),
        (["@method", "@target-uri", "content-digest"], {"expires": "soon"}),
        (["@method", "@target-uri", "content-digest"], {"expires": NOW - 1}),
        (["@method", "@target-uri", "content-digest", "@method"], {}),
    ],
    ids=str,
)
def test_the_generic_verifier_refuses(components: list[str], change: dict[str, Any]) -> None:
    with pytest.raises(Unauthentic):
        signatures.verify(_crafted(DIGESTED, components, change), KEY.public, NOW)


@pytest.mark.parametrize(
    "request_", [Request("POST", GET.url), Request("GET", GET.url, Headers(), b"x")], ids=["POST", "body"]
)
def test_the_generic_verifier_wants_a_digest_of_a_post_and_of_every_body(request_: Request) -> None:
    with pytest.raises(Unauthentic, match="content-digest"):
        signatures.verify(_crafted(request_, ["@method", "@target-uri"]), KEY.public, NOW)


def test_the_generic_verifier_wants_one_signature_that_fits() -> None:
    request = _crafted(DIGESTED, ["@method", "@target-uri", "content-digest"])
    with pytest.raises(Unauthentic):
        signatures.verify(GET, KEY.public, NOW)
    with pytest.raises(Unauthentic):
        signatures.verify(request, SigningKey.generate(KEY.key_id).public, NOW)
    with pytest.raises(Unauthentic):
        signatures.verify(Request("POST", request.url, request.headers, b"other"), KEY.public, NOW)
    absent = Request("POST", GET.url, Headers(), b"x")
    with pytest.raises(Unauthentic):
        signatures.verify(absent, KEY.public, NOW)


# --- the peer gate --------------------------------------------------------------------------------------


def test_a_peer_signs_and_is_believed() -> None:
    signature = _accept(_signed())
    assert (signature.key_id, signature.created, signature.expires) == (KEY.key_id, NOW, NOW + 300)
    assert (signature.nonce, signature.label) == (NONCE, "sig1")
    _accept(_signed(GET))
    assert signatures.signatures(_signed(GET))[0].covered == {'"@method"', '"@target-uri"', '"@authority"'}
    _accept(_signed(Request("POST", POST.url, Headers([("Content-Type", "a/b")]), b"")))


@pytest.mark.parametrize("dropped", COVER)
def test_a_post_that_leaves_something_uncovered_is_refused(dropped: str) -> None:
    with pytest.raises(Unauthentic, match=dropped):
        _accept(_crafted(DIGESTED, [name for name in COVER if name != dropped]))


@pytest.mark.parametrize("dropped", COVER[:3])
def test_a_get_that_leaves_something_uncovered_is_refused(dropped: str) -> None:
    with pytest.raises(Unauthentic, match=dropped):
        _accept(_crafted(GET, [name for name in COVER[:3] if name != dropped]))


def test_a_get_with_a_body_or_a_log_must_cover_them() -> None:
    with pytest.raises(Unauthentic, match="content-digest"):
        _accept(_crafted(Request("GET", GET.url, Headers(), b"x"), COVER[:3]))
    with pytest.raises(Unauthentic, match="exchange-log"):
        _accept(_crafted(Request("GET", GET.url, Headers([("Exchange-Log", LOG)])), COVER[:3]))


def test_more_may_be_covered_but_nothing_twice() -> None:
    _accept(_crafted(DIGESTED, [*COVER, "@path"]))
    with pytest.raises(Unauthentic, match="twice"):
        _accept(_crafted(DIGESTED, [*COVER, "@method"]))


@pytest.mark.parametrize(
    "change",
    [
        {"created": None},
        {"created": True},
        {"created": str(NOW)},
        {"expires": None},
        {"expires": NOW + 301},
        {"expires": NOW},
        {"expires": NOW - 1},
        {"nonce": None},
        {"nonce": "short"},
        {"nonce": "x" * 129},
        {"nonce": 1234567890123456},
        {"keyid": None},
        {"keyid": True},
        {"alg": None},
        {"alg": "rsa-v1_5-sha256"},
        {"tag": None},
        {"tag": "extranet-receipt"},
        {"tag": "other"},
    ],
    ids=str,
)
def test_parameters_that_are_not_ours_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Unauthentic):
        signatures.peer_signature(_crafted(DIGESTED, COVER, change))


def test_a_signature_of_another_length_is_refused() -> None:
    with pytest.raises(Unauthentic):
        signatures.peer_signature(_with(DIGESTED, ("Signature", "sig1=:AA==:")))


def _two(first: Request, second: Request) -> Request:
    pairs = [
        (name, f"{first.headers.get(name)}, {second.headers.get(name)}")
        for name in ("Signature-Input", "Signature")
    ]
    return _with(first, *pairs)


def test_two_signatures_with_our_tag_are_refused_others_are_ignored() -> None:
    ours = _crafted(DIGESTED, COVER)
    with pytest.raises(Unauthentic, match="2"):
        _accept(_two(ours, _crafted(DIGESTED, COVER, label="sig2")))
    proxy = _crafted(DIGESTED, ["@method"], {"tag": "proxy"}, label="proxy")
    assert _accept(_two(ours, proxy)).label == _accept(_two(proxy, ours)).label == "sig1"
    with pytest.raises(Unauthentic, match="0"):
        _accept(proxy)
    with pytest.raises(Unauthentic, match="0"):
        _accept(GET)


@pytest.mark.parametrize("skew", [-301, 301, 10**9])
def test_beyond_five_minutes_the_clock_is_named(skew: int) -> None:
    with pytest.raises(ClockSkew):
        _accept(_signed(), now=NOW + skew)


@pytest.mark.parametrize("skew", [-300, -240, 0, 240, 300])
def test_within_five_minutes_all_pass(skew: int) -> None:
    _accept(_signed(), now=NOW + skew)


def test_an_early_end_counts() -> None:
    request = _crafted(DIGESTED, COVER, {"expires": NOW + 10})
    _accept(request, now=NOW + 10)
    with pytest.raises(ClockSkew, match="expired"):
        _accept(request, now=NOW + 11)


def test_another_key_is_refused() -> None:
    with pytest.raises(Unauthentic):
        _accept(_signed(), key=SigningKey.generate(KEY.key_id).public)
    with pytest.raises(Unauthentic):
        _accept(_signed(), key=PublicKey("https://node.cyan.example/actor#ed25519", KEY.public.raw))


@pytest.mark.parametrize(
    "change",
    [
        lambda r: Request("PUT", r.url, r.headers, r.body),
        lambda r: Request(r.method, r.url + "?a=b", r.headers, r.body),
        lambda r: Request(r.method, r.url.replace("acme", "cyan"), r.headers, r.body),
        lambda r: Request(r.method, r.url, r.headers, r.body + b" "),
        lambda r: Request(r.method, r.url, r.headers, b""),
        lambda r: _with(r, ("Content-Type", "text/plain")),
        lambda r: _with(r, ("Exchange-Log", LOG.replace("seq=2", "seq=3"))),
        lambda r: Request(r.method, r.url, Headers([*r.headers, ("Exchange-Log", LOG)]), r.body),
        lambda r: Request(
            r.method, r.url, Headers([*r.headers, ("Content-Digest", "sha-512=:AA==:")]), r.body
        ),
        lambda r: Request(
            r.method, r.url, Headers([p for p in r.headers if p[0] != "Content-Digest"]), r.body
        ),
        lambda r: Request(r.method, r.url, Headers([p for p in r.headers if p[0] != "Exchange-Log"]), r.body),
        lambda r: _with(
            r, ("Signature-Input", (r.headers.get("signature-input") or "").replace(NONCE, NONCE[::-1]))
        ),
    ],
)
def test_no_change_of_a_covered_part_passes(change: Callable[[Request], Request]) -> None:
    with pytest.raises(Unauthentic):
        _accept(change(DIGESTED))


@given(st.integers(0, len(POST.body) - 1), st.integers(1, 255))
def test_no_changed_byte_of_the_body_passes(position: int, flip: int) -> None:
    body = bytearray(POST.body)
    body[position] ^= flip
    with pytest.raises(Unauthentic):
        _accept(Request("POST", POST.url, DIGESTED.headers, bytes(body)))


@given(st.text(max_size=60), st.text(max_size=60))
def test_fields_of_strangers_are_read_or_unauthentic(inputs: str, values: str) -> None:
    request = _with(DIGESTED, ("Signature-Input", inputs), ("Signature", values))
    with pytest.raises(Unauthentic):
        _accept(request)


@given(st.text(alphabet=st.sampled_from('sig1=()";:@,abcdefr 0123?+/'), max_size=40), st.integers(0, 200))
def test_no_changed_signature_input_passes(noise: str, position: int) -> None:
    written = DIGESTED.headers.get("signature-input") or ""
    changed = written[:position] + noise + written[position:]
    if changed.replace(" ", "") != written.replace(" ", ""):
        with pytest.raises(Unauthentic):
            _accept(_with(DIGESTED, ("Signature-Input", changed)))


def test_what_we_cannot_sign_is_our_fault() -> None:
    with pytest.raises(LocalError, match="nonce"):
        signatures.sign_request(POST, KEY, created=NOW, nonce="short")
    with pytest.raises(LocalError, match="lacks"):
        _signed(Request("POST", POST.url, Headers(), b"x"))


# --- answers --------------------------------------------------------------------------------------------

ANSWER = Response(200, Headers([("Content-Type", "application/activity+json")]), b'{"outcome":"processed"}')


@pytest.mark.parametrize("request_", [_signed(), _signed(GET)])
def test_an_answer_is_bound_to_its_request(request_: Request) -> None:
    signed = signatures.sign_response(ANSWER, request_, NODE, NOW)
    assert signed == signatures.sign_response(
        ANSWER, request_, NODE, NOW, signature=signatures.peer_signature(request_)
    )
    signatures.verify_response(signed, request_, NODE.public, NOW)


def test_the_cover_of_an_answer_is_that_of_the_profile() -> None:
    signed = signatures.sign_response(ANSWER, DIGESTED, NODE, NOW)
    assert signed.headers.get("signature-input") == (
        'rcpt=("@status" "content-digest" "content-digest";req "@method";req "@target-uri";req'
        ' "signature";req;key="sig1");created=1795446120;keyid="https://node.acme.example/actor#ed25519"'
        ';alg="ed25519";tag="extranet-receipt"'
    )


def test_an_answer_to_another_request_is_refused() -> None:
    signed = signatures.sign_response(ANSWER, DIGESTED, NODE, NOW)
    other = signatures.sign_request(POST, KEY, created=NOW, nonce=NONCE[::-1])
    with pytest.raises(Unauthentic):
        signatures.verify_response(signed, other, NODE.public, NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: Response(202, r.headers, r.body),
        lambda r: Response(r.status, r.headers, r.body + b" "),
        lambda r: Response(r.status, Headers([p for p in r.headers if p[0] != "Content-Digest"]), r.body),
        lambda r: Response(
            r.status, Headers([p for p in r.headers if not p[0].startswith("Signature")]), r.body
        ),
        lambda r: ANSWER,
    ],
)
def test_no_change_of_an_answer_passes(change: Callable[[Response], Response]) -> None:
    with pytest.raises(Unauthentic):
        signatures.verify_response(
            change(signatures.sign_response(ANSWER, DIGESTED, NODE, NOW)), DIGESTED, NODE.public, NOW
        )


def test_an_answer_by_another_key_is_refused() -> None:
    signed = signatures.sign_response(ANSWER, DIGESTED, NODE, NOW)
    for key in (SigningKey.generate(NODE.key_id), KEY):
        with pytest.raises(Unauthentic):
            signatures.verify_response(signed, DIGESTED, key.public, NOW)


@pytest.mark.parametrize("skew", [-301, 301])
def test_an_answer_outside_the_window_is_refused(skew: int) -> None:
    signed = signatures.sign_response(ANSWER, DIGESTED, NODE, NOW)
    with pytest.raises(ClockSkew):
        signatures.verify_response(signed, DIGESTED, NODE.public, NOW + skew)


def _answer(drop: int | None = None, **change: Any) -> Response:
    signed = signatures.sign_response(ANSWER, DIGESTED, NODE, NOW)
    components = signatures._receipt_components(DIGESTED, "sig1")
    if drop is not None:
        del components[drop]
    parameters: dict[str, Any] = {
        "created": NOW,
        "keyid": NODE.key_id,
        "alg": "ed25519",
        "tag": "extranet-receipt",
        **change,
    }
    base = signatures.signature_base(signed, components, parameters, request=DIGESTED)
    fields = signatures._signed("rcpt", signatures._inner_list(components, parameters), NODE.sign(base))
    return Response(200, signed.headers.with_(*fields), signed.body)


@pytest.mark.parametrize("drop", range(6))
def test_an_answer_that_leaves_something_uncovered_is_refused(drop: int) -> None:
    with pytest.raises(Unauthentic, match="cover"):
        signatures.verify_response(_answer(drop), DIGESTED, NODE.public, NOW)


def test_an_answer_may_end_early_and_names_its_algorithm() -> None:
    signatures.verify_response(_answer(expires=NOW), DIGESTED, NODE.public, NOW)
    with pytest.raises(ClockSkew, match="expired"):
        signatures.verify_response(_answer(expires=NOW), DIGESTED, NODE.public, NOW + 1)
    with pytest.raises(Unauthentic):
        signatures.verify_response(_answer(alg="hmac-sha256"), DIGESTED, NODE.public, NOW)


def test_an_answer_names_the_key_of_its_receipt_alone() -> None:
    assert signatures.key_id_of(_answer()) == NODE.key_id
    with pytest.raises(Unauthentic):
        signatures.key_id_of(_answer(tag="other"))
    with pytest.raises(Unauthentic):
        signatures.key_id_of(_answer(keyid=1))


def test_an_unsigned_request_gets_no_bound_answer() -> None:
    with pytest.raises(Unauthentic):
        signatures.sign_response(ANSWER, POST, NODE, NOW)
