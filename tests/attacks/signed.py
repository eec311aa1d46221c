"""Signatures and proofs that hold, and what becomes of each when one thing about it is changed.

Rule: a case is a name and a call that accepts, or raises a refusal; each differs from one that holds in one thing, and
where the signer is the liar it is signed again for that thing. Source: RFC 9421; RFC 9530; FEP-8b32; PROTOCOL 1.3, 1.4.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from federation import digest, multibase, proofs, signatures
from federation.activity import CONTEXT, Document
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, SigningKey
from federation.structured import Item
from tests.attacks.leaves import flipped, leaves

Case = tuple[str, Callable[[], object]]

NOW = 1_795_446_120
AT = "2026-11-23T15:02:00Z"
NONCE = "Z2uLuEznJn3VIN7K"
KEY = SigningKey.generate("https://node.bolt.example/actor#ed25519")
NODE = SigningKey.generate("https://node.acme.example/actor#ed25519")
AUTHOR = SigningKey.generate("https://node.bolt.example/users/bob#ed25519")
LOG = 'stream="https://node.bolt.example/streams/acme", seq=2, count=1'
BODY = b'{"v":1,"entries":[]}\n'
URL = "https://node.acme.example/exchange"
COVERED = ("@method", "@target-uri", "@authority", "content-digest", "content-type", "exchange-log")
ORDER = 2**252 + 27742317777372353535851937790883648493
PARAMETERS: dict[str, Any] = {
    "created": NOW,
    "expires": NOW + 300,
    "nonce": NONCE,
    "keyid": KEY.key_id,
    "alg": "ed25519",
    "tag": "extranet-peer",
}


def post(body: bytes = BODY, url: str = URL, *headers: tuple[str, str]) -> Request:
    fields = {"Content-Type": "application/x-ndjson", "Exchange-Log": LOG} | dict(headers)
    return Request("POST", url, Headers(fields.items()), body)


def signed(request: Request | None = None, key: SigningKey = KEY, **values: Any) -> Request:
    return signatures.sign_request(
        request or post(), key, created=values.get("created", NOW), nonce=values.get("nonce", NONCE)
    )


def takes(request: Request, key: PublicKey = KEY.public, now: int = NOW) -> None:
    """The gate between peers; raises when it refuses."""
    signatures.verify_request(request, signatures.peer_signature(request), key, now)


def crafted(
    components: Iterable[Any] = COVERED,
    request: Request | None = None,
    *,
    label: str = "sig1",
    key: SigningKey = KEY,
    without: str = "",
    **change: Any,
) -> Request:
    """A request that is really signed, over other components and parameters than it should be."""
    base_request = signed(request)
    parameters = {**PARAMETERS, **change}
    parameters.pop(without, None)
    items = [(each, {}) if isinstance(each, str) else each for each in components]
    return signed_over(base_request, items, parameters, key, label)


def signed_over(
    request: Request,
    components: Sequence[Item],
    parameters: Mapping[str, Any],
    key: SigningKey,
    label: str = "sig1",
) -> Request:
    """The request with one signature, over what its signer chose."""
    base = signatures.signature_base(request, components, parameters)
    inner = base.decode("ascii").rpartition('"@signature-params": ')[2]
    return with_(request, **fields(label, inner, key.sign(base)))


def fields(label: str, inner: str, raw: bytes) -> dict[str, str]:
    return {"Signature-Input": f"{label}={inner}", "Signature": f"{label}=:{b64encode(raw).decode()}:"}


def with_(request: Request, **headers: str) -> Request:
    """With other headers; `_` stands for `-`, an empty value takes one away."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    kept = [(name, value) for name, value in request.headers if name.lower() not in named]
    return replace(
        request, headers=Headers([*kept, *((name, value) for name, value in named.items() if value)])
    )


def raw_of(request: Request) -> bytes:
    return signatures.signatures(request)[0].raw


# -- what holds


def positive() -> Iterator[Case]:
    yield from _good_requests()
    yield from _good_documents()
    yield from _good_answers()


def _good_requests() -> Iterator[Case]:
    for name, request in {
        "a batch": post(),
        "an empty body": post(b""),
        "bytes that are no text": post(bytes(range(256))),
        "a query": post(BODY, f"{URL}?a=1&b=%20"),
        "a port": post(BODY, "https://node.acme.example:8443/exchange"),
        "capitals in a path": post(BODY, "https://node.acme.example/Exchange/%2F"),
        "no path": post(BODY, "https://node.acme.example/"),
        "another type": post(BODY, URL, ("Content-Type", "application/activity+json")),
        "spaces around a value": post(BODY, URL, ("Exchange-Log", f"  {LOG}  ")),
        "a field that is not covered": post(BODY, URL, ("X-Other", "1")),
        "a GET": Request("GET", f"{URL}/x?from=1&to=2"),
        "a GET with fields": Request("GET", URL, Headers([("Accept", "application/activity+json")])),
        "a HEAD": Request("HEAD", URL),
        "a large body": post(b"x" * 200_000),
    }.items():
        yield f"request: {name}", lambda r=request: takes(signed(r))  # type: ignore[misc]
    for age in (-300, -299, -1, 0, 1, 299, 300):
        yield f"request: {age} s old", lambda a=age: takes(signed(created=NOW - a))  # type: ignore[misc]
    for length in (16, 17, 64, 127, 128):
        yield f"request: nonce of {length}", lambda n=length: takes(signed(nonce="n" * n))  # type: ignore[misc]
    for order in (COVERED[::-1], (*COVERED, "@path"), (*COVERED, "@query"), (*COVERED, "@scheme")):
        yield f"request: covers {order}", lambda o=order: takes(crafted(o))  # type: ignore[misc]
    for life in (1, 60, 299, 300):
        yield f"request: lives {life} s", lambda s=life: takes(crafted(expires=NOW + s))  # type: ignore[misc]
    for label in ("a", "sig-b", "x1_y", "z*"):
        yield f"request: label {label}", lambda n=label: takes(crafted(label=n))  # type: ignore[misc]
    yield "request: a signature for others beside ours", lambda: takes(_beside(signed(), "other"))
    yield (
        "request: capitals of field names",
        lambda: takes(
            replace(signed(), headers=Headers((name.upper(), value) for name, value in signed().headers))
        ),
    )
    yield "request: two digests, both right", lambda: takes(_two_digests(right=True))
    unpadded = digest.content_digest(BODY)[:-2] + ":"  # RFC 9651, 4.2.7: not refused for want of padding
    yield (
        "request: a digest without padding",
        lambda: takes(_resigned(with_(post(), Content_Digest=unpadded))),
    )


def _beside(request: Request, tag: str) -> Request:
    """With a second signature that is of another tag."""
    second = crafted(label="sig2", tag=tag)
    return with_(
        request,
        Signature_Input=f"{request.headers.get('signature-input')}, {second.headers.get('signature-input')}",
        Signature=f"{request.headers.get('signature')}, {second.headers.get('signature')}",
    )


def _two_digests(*, right: bool) -> Request:
    other = hashlib.sha512(BODY if right else BODY + b"x").digest()
    value = f"{digest.content_digest(BODY)}, sha-512=:{b64encode(other).decode()}:"
    return _resigned(with_(post(), Content_Digest=value))


def _resigned(request: Request) -> Request:
    """Signed over whatever Content-Digest it has."""
    items: list[tuple[str, dict[str, Any]]] = [(each, {}) for each in COVERED]
    return signed_over(request, items, PARAMETERS, KEY)


def documents() -> dict[str, Document]:
    """Documents of many shapes, each by the author."""
    base: Document = {
        "@context": list(CONTEXT),
        "id": "https://node.bolt.example/a/1",
        "type": "Create",
        "actor": AUTHOR.controller,
        "object": {"id": "https://node.bolt.example/o/1", "type": "Note", "content": "<p>é</p>"},
    }
    return {
        "plain": base,
        "no context": {name: value for name, value in base.items() if name != "@context"},
        "context as text": {**base, "@context": CONTEXT[0]},
        "unknown members": {**base, "x:y": {"z": [1, 2, {"a": None}]}},
        "empty": {**base, "a": {}, "b": [], "c": "", "d": None},
        "numbers": {**base, "n": [0, -1, 2**53 - 1, -(2**53) + 1]},
        "truth": {**base, "t": True, "f": False},
        "scripts": {**base, "name": "Ἀθῆναι 北京 שלום 🙂", "ключ": "значение"},
        "controls": {**base, "content": '\t\n\r"\\/\u0001\u007f\u2028'},
        "an embedded proof": {**base, "object": proofs.sign(base["object"] | {"actor": "x"}, AUTHOR, AT)},
        "a legacy signature": {**base, "signature": {"type": "RsaSignature2017"}},
        "deep": {**base, "deep": [[[[[[{"a": 1}]]]]]]},
        "keys that sort oddly": {**base, "é": 1, "z": 2, "\u20ac": 3, "A": 4, "1": 5, "": 6},
    }


def _good_documents() -> Iterator[Case]:
    for name, document in documents().items():
        made = proofs.sign(document, AUTHOR, AT)
        yield f"proof: {name}", lambda d=made: proofs.verify(d, AUTHOR.public, AT)  # type: ignore[misc]
        turned = json.loads(json.dumps(dict(reversed(made.items())), indent=3))
        yield f"proof: {name}, written otherwise", lambda d=turned: proofs.verify(d, AUTHOR.public)  # type: ignore[misc]
    plain = documents()["plain"]
    for options in (
        {"created": "2026-11-23T16:02:00+01:00"},
        {"created": "2026-11-23T15:02:00.123456789Z"},
        {"created": None},
        {"expires": "2099-01-01T00:00:00Z"},
        {"id": "urn:uuid:1"},
        {"x:unknown": 1},
    ):
        made = proved(plain, options)
        yield f"proof: {options}", lambda d=made: proofs.verify(d, AUTHOR.public, AT)  # type: ignore[misc]


def proved(document: Document, options: dict[str, Any], key: SigningKey = AUTHOR) -> Document:
    """Really proved, by other options than it should be; None leaves one out."""
    made = proofs.sign(document, AUTHOR, AT)
    changed = {name: value for name, value in {**made["proof"], **options}.items() if value is not None}
    if "proofValue" not in options:
        changed["proofValue"] = multibase.encode(key.sign(proofs.hash_data(made, changed)))
    return {**made, "proof": changed}


def answer(status: int = 200, body: bytes = b'{"type":"DeliveryReceipt"}') -> Response:
    plain = Response(status, Headers([("Content-Type", "application/activity+json")]), body)
    return signatures.sign_response(plain, signed(), NODE, NOW)


def _good_answers() -> Iterator[Case]:
    for status in (200, 202, 403, 409, 500):
        for body in (b"", b"{}", b"\x00\xff"):
            made = answer(status, body)
            yield (
                f"answer: {status} {body!r}",
                lambda a=made: signatures.verify_response(a, signed(), NODE.public, NOW),  # type: ignore[misc]
            )


# -- what does not


def negative() -> Iterator[Case]:
    for name, request in _bad_requests():
        yield f"request: {name}", lambda r=request: takes(r)  # type: ignore[misc]
    for name, make in _unsignable():
        yield f"request: {name}", lambda m=make: takes(m())  # type: ignore[misc]
    for name, document in _bad_documents():
        yield f"proof: {name}", lambda d=document: proofs.verify(d, AUTHOR.public, AT)  # type: ignore[misc]
    for name, made in _bad_answers():
        yield f"answer: {name}", lambda a=made: signatures.verify_response(a, signed(), NODE.public, NOW)  # type: ignore[misc]
    for key in (NODE, SigningKey.generate(KEY.key_id)):
        yield "request: another key", lambda k=key: takes(signed(), k.public)  # type: ignore[misc]
        yield "proof: another key", lambda k=key: _checks_with(k.public)  # type: ignore[misc]
    for age in (301, 302, 3600, 10**9, -301, -302, -3600, -(10**9)):
        yield f"request: {age} s old", lambda a=age: takes(signed(created=NOW - a))  # type: ignore[misc]


def _checks_with(key: PublicKey) -> None:
    proofs.verify(proofs.sign(documents()["plain"], AUTHOR, AT), key)


OTHER_VALUES: dict[str, tuple[Any, ...]] = {
    "created": (0, -1, 10**12, "1795446120", NOW - 301, NOW + 301, b"x", True, 1.5),
    "expires": (NOW, NOW - 1, NOW + 301, NOW + 10**6, 0, "x", True, b"x", 1.5),
    "nonce": ("", "short", "n" * 15, "n" * 129, 5, b"0123456789abcdef", True),
    "keyid": (
        "",
        "x",
        "#",
        KEY.controller,
        f"{KEY.key_id}x",
        NODE.key_id,
        f"{KEY.controller}#other",
        5,
        b"x",
    ),
    "alg": (
        "",
        "ED25519",
        "rsa-v1_5-sha256",
        "rsa-pss-sha512",
        "hmac-sha256",
        "none",
        "hs2019",
        5,
        "ed25519 ",
    ),
    "tag": ("", "extranet-receipt", "Extranet-Peer", "extranet-peer ", "fasp", 5, b"extranet-peer"),
}


def _bad_requests() -> Iterator[tuple[str, Request]]:
    good = signed()
    yield "unsigned", with_(good, Signature="", Signature_Input="")
    yield "no Signature", with_(good, Signature="")
    yield "no Signature-Input", with_(good, Signature_Input="")
    yield from _tampered(good)
    yield from _drafts(good)
    inner = str(good.headers.get("signature-input"))
    for name, values in OTHER_VALUES.items():
        yield f"without {name}", crafted(without=name)
        for value in values:
            yield f"{name} = {value!r}, not signed", with_(good, Signature_Input=_said(inner, name, value))
    for name in COVERED:
        rest = tuple(each for each in COVERED if each != name)
        yield f"{name} is not covered", crafted(rest)
        yield f"{name} twice", crafted((*COVERED, name))
        for parameter in ("sf", "bs", "req", "tr"):
            bare = tuple(rest)
            dressed = inner.replace(f'"{name}"', f'"{name}";{parameter}')
            yield f"{name};{parameter}, not signed", with_(good, Signature_Input=dressed)
            yield (
                f"{name} gone, not signed ({parameter})",
                with_(good, Signature_Input=inner.replace(f'"{name}"', f'"x-{len(bare)}"')),
            )
    raw = raw_of(good)
    for number in range(64):
        changed = raw[:number] + bytes([raw[number] ^ 1]) + raw[number + 1 :]
        yield f"byte {number} of the signature", _bearing(good, changed)
    for number in (0, 1, 16, 31, 32, 63, 65, 128):
        yield f"a signature of {number} bytes", _bearing(good, (raw + raw)[:number])
    s = int.from_bytes(raw[32:], "little")
    yield "S beyond the order", _bearing(good, raw[:32] + (s + ORDER).to_bytes(32, "little"))
    yield "nothing signed", _bearing(good, bytes(64))
    yield "the neutral element", _bearing(good, b"\x01" + bytes(63))
    yield "two of ours", _beside(good, "extranet-peer")
    yield "two digests, one wrong", _two_digests(right=False)


def _unsignable() -> Iterator[tuple[str, Callable[[], Request]]]:
    """Signed for what is wrong, where it can be signed at all."""
    for name, values in OTHER_VALUES.items():
        for value in values:
            yield f"{name} = {value!r}, signed", lambda n=name, v=value: crafted(**{n: v})  # type: ignore[misc]


def _said(inner: str, name: str, value: Any) -> str:
    text = (
        f"{value}"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else json.dumps(str(value))
    )
    return re.sub(rf';{name}=("[^"]*"|\d+)', f";{name}={text}", inner)


def _bearing(request: Request, raw: bytes) -> Request:
    return with_(request, Signature=f"sig1=:{b64encode(raw).decode()}:")


def _tampered(good: Request) -> Iterator[tuple[str, Request]]:
    for method in ("GET", "PUT", "DELETE", "post", "PATCH", "HEAD", "OPTIONS"):
        yield f"method {method}", replace(good, method=method)
    for url in (
        "http://node.acme.example/exchange",
        "https://node.acme.example/exchange/",
        "https://node.acme.example/exchange?",
        "https://node.acme.example/exchange?x=1",
        "https://node.acme.example/Exchange",
        "https://node.acme.example/%65xchange",
        "https://node.acme.example//exchange",
        "https://node.acme.example/./exchange",
        "https://node.acme.example/inbox",
        "https://node.acme.example:8443/exchange",
        "https://node.bolt.example/exchange",
        "https://node.acme.example.evil.example/exchange",
    ):
        yield f"url {url}", replace(good, url=url)
    for number in range(len(BODY)):
        changed = BODY[:number] + bytes([BODY[number] ^ 1]) + BODY[number + 1 :]
        yield f"byte {number} of the body", replace(good, body=changed)
        yield f"without byte {number} of the body", replace(good, body=BODY[:number] + BODY[number + 1 :])
    for extra in (b"\n", b" ", b"\x00", BODY):
        yield f"{extra!r} after the body", replace(good, body=BODY + extra)
        yield f"{extra!r} before the body", replace(good, body=extra + BODY)
    yield "no body", replace(good, body=b"")
    for value in (
        "",
        digest.content_digest(b"x"),
        "sha-256=::",
        "sha-256=:YQ==:",
        "sha-512=:YQ==:",
        "md5=:YQ==:",
        "sha=:YQ==:",
        "unixsum=1",
        "SHA-256=abc",
        "sha-256",
        "sha-256=5",
        f"{digest.content_digest(BODY)}, {digest.content_digest(b'x')}",
        digest.content_digest(BODY).replace("sha-256", "SHA-256"),
        digest.content_digest(BODY)[:-4] + ":",
        ", ",
        "sha-256=:*:",
    ):
        yield f"Content-Digest {value!r}, not signed", with_(good, Content_Digest=value)
        if value and value != ", ":
            yield f"Content-Digest {value!r}, signed", _resigned(with_(post(), Content_Digest=value))
    for name, values in {
        "Content-Type": ("", "text/plain", "application/x-ndjson; charset=utf-8", "Application/X-NDJSON"),
        "Exchange-Log": ("", LOG + " ", LOG.replace("seq=2", "seq=3"), LOG + ", x=1", LOG.upper()),
    }.items():
        for value in values:
            if value.strip() == (good.headers.get(name) or "").strip():
                continue
            yield f"{name}: {value!r}", with_(good, **{name: value})
    yield "Content-Type twice", _twice(good, "Content-Type")
    yield "Exchange-Log twice", _twice(good, "Exchange-Log")
    yield "Content-Digest twice", _twice(good, "Content-Digest")
    inner, value = str(good.headers.get("signature-input")), str(good.headers.get("signature"))
    for text in (
        "x",
        "sig1",
        "sig1=",
        "sig1=()",
        "sig1=5",
        "sig1=:YQ==:",
        inner[:-1],
        inner + '"',
        inner.replace("(", ""),
        inner.replace(")", ""),
        inner.replace("sig1", "sig2"),
        inner.replace('"@method"', "@method"),
        inner.replace('"@method"', '"@METHOD"'),
        inner.replace('"@method"', '"@unknown"'),
        inner.replace('"@method"', '"x-missing"'),
        inner.replace('"@method"', ":YQ==:"),
        inner.replace('" "', '""'),
        inner.replace(";created", ";x=1;created"),
        inner + f", {inner}x",
        "\x00" + inner,
        inner + "é",
        "a" * 70_000,
    ):
        yield f"Signature-Input {text[:60]!r}", with_(good, Signature_Input=text)
    for text in (
        "x",
        "sig1",
        "sig1=5",
        "sig1=::",
        "sig1=:*:",
        'sig1="x"',
        value.replace("sig1", "sig2"),
        value[:-1],
        value + "é",
        "sig1=()",
        value + ", sig2=:YQ==:",
    ):
        yield f"Signature {text[:60]!r}", with_(good, Signature=text)


def _twice(request: Request, name: str) -> Request:
    return replace(request, headers=Headers([*request.headers, (name, f"{request.headers.get(name)}x")]))


def _drafts(good: Request) -> Iterator[tuple[str, Request]]:
    """draft-cavage is not offered: such a request is an unsigned one."""
    bare = with_(good, Signature="", Signature_Input="")
    base = f"(request-target): post /exchange\nhost: node.acme.example\ndate: x\ndigest: SHA-256={'A' * 44}"
    value = b64encode(KEY.sign(base.encode())).decode()
    for algorithm in ("rsa-sha256", "hs2019", "ed25519", "hmac-sha256", "rsa-sha1", ""):
        for covered in ("(request-target) host date digest", "date", "(request-target)", ""):
            text = f'keyId="{KEY.key_id}",algorithm="{algorithm}",headers="{covered}",signature="{value}"'
            yield (
                f"draft {algorithm} {covered}",
                with_(bare, Signature=text, Date="x", Host="node.acme.example"),
            )
            yield (
                f"draft {algorithm} {covered} in Authorization",
                with_(bare, Authorization=f"Signature {text}"),
            )


def _bad_documents() -> Iterator[tuple[str, Any]]:
    plain = documents()["unknown members"] | {"to": ["https://node.acme.example/spaces/1"], "n": 5, "t": True}
    good = proofs.sign(plain, AUTHOR, AT)
    for path in leaves({name: value for name, value in good.items() if name != "proof"}):
        yield f"leaf {path}", flipped(good, path)
    for name in plain:
        yield f"without {name}", {key: value for key, value in good.items() if key != name}
    for name in ("bto", "x:new", "signatures", "Proof", "proofs", "@id"):
        yield f"with {name}", {**good, name: 1}
    yield (
        "moved into another",
        {**documents()["plain"], "id": "https://node.bolt.example/a/2", "proof": good["proof"]},
    )
    yield "the proof of what is inside", {**good["object"], "proof": good["proof"]}
    shapes: tuple[Any, ...] = (None, [], [good["proof"]], [good["proof"]] * 2, "x", 5, {}, True)
    for shape in shapes:
        yield f"proof = {str(shape)[:30]}", {**good, "proof": shape}
    yield "no proof", plain
    raw = multibase.decode(good["proof"]["proofValue"])
    for number in range(64):
        changed = raw[:number] + bytes([raw[number] ^ 1]) + raw[number + 1 :]
        yield f"byte {number} of the proof", _with_value(good, multibase.encode(changed))
    s = int.from_bytes(raw[32:], "little")
    yield (
        "S beyond the order",
        _with_value(good, multibase.encode(raw[:32] + (s + ORDER).to_bytes(32, "little"))),
    )
    text = good["proof"]["proofValue"]
    for value in (
        "",
        "z",
        text[1:],
        "u" + text[1:],
        "m" + text[1:],
        "Z" + text[1:],
        text + "1",
        text[:-1],
        "z1" + text[1:],
        text + " ",
        " " + text,
        "z0OIl",
        "z" + "1" * 64,
        text.upper(),
        "é",
        text * 10,
    ):
        yield f"proofValue {value[:20]!r}", _with_value(good, value)
    unlike: tuple[Any, ...] = (None, 5, [text], {"a": 1}, True)
    for shape in unlike:
        yield f"proofValue {str(shape)[:20]}", _with_value(good, shape)
    for name, values in {
        "type": (
            "",
            "dataintegrityproof",
            "Ed25519Signature2020",
            "RsaSignature2017",
            ["DataIntegrityProof"],
            5,
            None,
        ),
        "cryptosuite": (
            "",
            "EDDSA-JCS-2022",
            "eddsa-rdfc-2022",
            "ecdsa-jcs-2019",
            "jcs-eddsa-2022",
            5,
            None,
            [proofs.SUITE],
        ),
        "proofPurpose": (
            "",
            "authentication",
            "keyAgreement",
            "capabilityInvocation",
            "assertionmethod",
            5,
            None,
        ),
        "verificationMethod": (
            "",
            "x",
            KEY.key_id,
            AUTHOR.controller,
            AUTHOR.key_id + "x",
            5,
            None,
            [AUTHOR.key_id],
            {"id": AUTHOR.key_id},
        ),
        "created": (
            "",
            "yesterday",
            "2026-11-23",
            "2026-11-23T15:02:00",
            "2026-11-23T15:07:01Z",
            "2027-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            5,
            True,
            [AT],
        ),
        "expires": ("", "2026-11-23T15:01:59Z", "2020-01-01T00:00:00Z", "x", 5, "2026-02-30T00:00:00Z"),
        "@context": ([], "x", [CONTEXT[0]], [*CONTEXT, "x"], {}, 5),
    }.items():
        for option in values:
            yield f"{name} = {option!r}, signed", _proved_or_bare(plain, name, option)
            yield f"{name} = {option!r}, not signed", {**good, "proof": {**good["proof"], name: option}}
    yield "a member of the proof more", {**good, "proof": {**good["proof"], "domain": "x"}}
    yield (
        "a member of the proof less",
        {**good, "proof": {k: v for k, v in good["proof"].items() if k != "created"}},
    )


def _proved_or_bare(document: Document, name: str, value: Any) -> Document:
    """Really proved so; an option that is None is left out."""
    return proved(document, {name: value})


def _with_value(document: Document, value: Any) -> Document:
    return {**document, "proof": {**document["proof"], "proofValue": value}}


def _bad_answers() -> Iterator[tuple[str, Response]]:
    good = answer()
    for status in (201, 202, 400, 500, 0):
        yield f"status {status}", replace(good, status=status)
    for number in range(0, len(good.body), 3):
        changed = good.body[:number] + bytes([good.body[number] ^ 1]) + good.body[number + 1 :]
        yield f"byte {number} of the body", replace(good, body=changed)
    for name in ("Signature", "Signature-Input", "Content-Digest"):
        kept = Headers(pair for pair in good.headers if pair[0].lower() != name.lower())
        yield f"without {name}", replace(good, headers=kept)
    plain = Response(200, Headers([("Content-Type", "application/activity+json")]), good.body)
    other = signed(nonce="another-nonce-here")
    yield "of another request", signatures.sign_response(plain, other, NODE, NOW)
    yield "of another body", signatures.sign_response(plain, signed(post(b"x")), NODE, NOW)
    yield "of a GET", signatures.sign_response(plain, signed(Request("GET", URL)), NODE, NOW)
    yield "by the asker", signatures.sign_response(plain, signed(), KEY, NOW)
    yield "by another", signatures.sign_response(plain, signed(), SigningKey.generate(NODE.key_id), NOW)
    for skew in (301, -301, 10**6):
        yield f"{skew} s away", signatures.sign_response(plain, signed(), NODE, NOW + skew)
    inner = str(good.headers.get("signature-input"))
    for text in (
        inner.replace("extranet-receipt", "extranet-peer"),
        inner.replace(";req", ""),
        inner.replace('key="sig1"', 'key="sig2"'),
        inner.replace('"@status" ', ""),
        inner.replace('"content-digest" ', ""),
        inner.replace("ed25519", "hmac-sha256"),
    ):
        headers = Headers(
            (name, text if name.lower() == "signature-input" else value) for name, value in good.headers
        )
        yield f"Signature-Input {text[:70]}", replace(good, headers=headers)
