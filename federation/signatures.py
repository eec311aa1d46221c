"""HTTP message signatures (RFC 9421): the generic verifier, and the profile between contracted nodes.

Rule: what must be covered is decided here, never by the signer; the key decides the algorithm; exactly one
signature carries our tag, all others are ignored. Nothing here knows relations, replay or roles.
Source: RFC 9421, sections 2, 3 and 2.4; RFC 9530; PROTOCOL 1.3, 2.b; SECURITY TH-02, TH-03, TH-07, A18.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote

from federation import digest, structured
from federation.errors import ClockSkew, LocalError, Malformed, Unauthentic
from federation.http import Request, Response
from federation.keys import PublicKey, SigningKey, Verifier
from federation.limits import CLOCK_SKEW_S, MIN_NONCE_CHARS, SIGNATURE_LIFETIME_S
from federation.structured import Item

PEER_TAG = "extranet-peer"
RECEIPT_TAG = "extranet-receipt"
ALGORITHM = "ed25519"

MAX_NONCE_CHARS = 128

_REQUEST_LABEL = "sig1"
_RESPONSE_LABEL = "rcpt"
_SIGNATURE_BYTES = 64
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}

_TARGET = ("@method", "@target-uri", "@authority")
_BODY = ("content-digest", "content-type")
_WHERE_THERE = ("exchange-log", "collection-synchronization")


@dataclass(frozen=True)
class MessageSignature:
    """One signature of a message as its two fields give it: nothing is verified yet."""

    label: str
    components: tuple[Item, ...]
    parameters: Mapping[str, Any]
    raw: bytes

    @cached_property
    def covered(self) -> frozenset[str]:
        """The component identifiers in their canonical text, such as `"signature";req;key="sig1"`."""
        return frozenset(map(_identifier, self.components))

    def text(self, name: str) -> str:
        """A parameter that must be a text; raises Unauthentic."""
        value = self.parameters.get(name)
        if not isinstance(value, str):
            raise Unauthentic(f"The signature has no {name}.")
        return value

    def moment(self, name: str) -> int:
        """A parameter that must be a whole number of seconds; raises Unauthentic."""
        value = self.parameters.get(name)
        if type(value) is not int:
            raise Unauthentic(f"The signature has no {name}.")
        return value


@dataclass(frozen=True)
class PeerSignature:
    """The one signature with our tag on a request: it covers what it must, and is not verified yet.

    `created` and `expires` are epoch seconds; `raw` has 64 bytes.
    """

    key_id: str
    created: int
    expires: int
    nonce: str
    label: str
    raw: bytes
    source: MessageSignature


# --- reading ---------------------------------------------------------------------------------------------


def signatures(message: Request | Response) -> tuple[MessageSignature, ...]:
    """All signatures of a message in their order; () when it has none. Raises Unauthentic.

    Each label must stand in both fields.
    """
    inputs, values = message.headers.get("signature-input"), message.headers.get("signature")
    if inputs is None and values is None:
        return ()
    try:
        read, raws = structured.dictionary(inputs or ""), structured.dictionary(values or "")
    except Malformed as error:
        raise Unauthentic("The signature fields are malformed.") from error
    if read.keys() != raws.keys():
        raise Unauthentic("Signature and Signature-Input name other labels.")
    found = []
    for label, (components, parameters) in read.items():
        raw = raws[label][0]
        if not isinstance(components, list) or not isinstance(raw, bytes):
            raise Unauthentic("The signature fields are malformed.")
        if any(not isinstance(name, str) for name, _ in components):
            raise Unauthentic("A component is not named by a text.")
        found.append(MessageSignature(label, tuple(components), parameters, raw))
    return tuple(found)


def _tagged(message: Request | Response, tag: str) -> MessageSignature:
    ours = [signature for signature in signatures(message) if signature.parameters.get("tag") == tag]
    if len(ours) != 1:
        raise Unauthentic(f"Exactly one signature must be tagged {tag}, not {len(ours)}.")
    return ours[0]


def _require(signature: MessageSignature, wanted: Iterable[str]) -> None:
    if len(signature.covered) != len(signature.components):
        raise Unauthentic("A component is covered twice.")
    missing = [name for name in wanted if name not in signature.covered]
    if missing:
        raise Unauthentic(f"The signature does not cover {', '.join(missing)}.")


# --- the signature base (RFC 9421, section 2.5) -----------------------------------------------------------


def _quoted(text: str) -> str:
    """A text as a structured string; raises LocalError outside printable ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise LocalError("A text with other than printable ASCII has no place in a signature.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parameters(parameters: Mapping[str, Any]) -> str:
    """The canonical text of parameters: the common kinds at once, the rare ones by the library."""
    parts = []
    for name, value in parameters.items():
        if value is True:
            parts.append(f";{name}")
        elif type(value) is int:
            parts.append(f";{name}={value}")
        elif type(value) is str:
            parts.append(f";{name}={_quoted(value)}")
        else:
            parts.append(structured.member_text(([], {name: value}))[2:])
    return "".join(parts)


def _identifier(component: Item) -> str:
    name, parameters = component
    return _quoted(name) + (_parameters(parameters) if parameters else "")


def _target(request: Request) -> tuple[str, str, str, str | None]:
    """(scheme, authority, path, query) of the target URI as it is written, authority in canonical form."""
    scheme, _, rest = request.url.partition("://")
    rest = rest.partition("#")[0]
    before, mark, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    scheme, authority = scheme.lower(), authority.lower()
    return (
        scheme,
        authority.removesuffix(_DEFAULT_PORTS.get(scheme, ":")),
        slash + path or "/",
        query if mark else None,
    )


def _derived(name: str, message: Request | Response, parameters: Mapping[str, Any]) -> str:
    """The value of a derived component (RFC 9421, section 2.2); raises Unauthentic for what there is not."""
    if isinstance(message, Response):
        if name == "@status" and not parameters:
            return str(message.status)
        raise Unauthentic(f"A response has no {name}.")
    if name == "@query-param":
        return _query_parameter(message, parameters)
    if parameters:
        raise Unauthentic(f"{name} takes no parameters.")
    match name:
        case "@method":
            return message.method
        case "@target-uri":
            return message.url
        case "@authority":
            return _target(message)[1]
        case "@scheme":
            return _target(message)[0]
        case "@path":
            return _target(message)[2]
        case "@query":
            return f"?{_target(message)[3] or ''}"
        case "@request-target":
            _, _, path, query = _target(message)
            return path if query is None else f"{path}?{query}"
    raise Unauthentic(f"A request has no {name}.")


def _query_parameter(request: Request, parameters: Mapping[str, Any]) -> str:
    """RFC 9421, section 2.2.8: the value of the one parameter of this name, encoded anew."""
    if parameters.keys() != {"name"}:
        raise Unauthentic("@query-param takes a name and nothing else.")
    pairs = parse_qsl(_target(request)[3] or "", keep_blank_values=True)
    values = [
        value for name, value in pairs if quote(name, safe="*").replace("~", "%7E") == parameters["name"]
    ]
    if len(values) != 1:
        raise Unauthentic("A covered query parameter must stand exactly once.")
    return quote(values[0], safe="*").replace("~", "%7E")


def _field(name: str, message: Request | Response, parameters: Mapping[str, Any]) -> str:
    """The value of a header field or, with `key`, of one member of it (RFC 9421, sections 2.1, 2.1.2)."""
    value = message.headers.get(name)
    if value is None or name != name.lower():
        raise Unauthentic(f"{name} is covered but absent.")
    if not parameters:
        return value
    if parameters.keys() != {"key"}:
        raise Unauthentic(f"A parameter of {name} is not known here.")
    try:
        member = structured.dictionary(value)[parameters["key"]]
    except (KeyError, Malformed) as error:
        raise Unauthentic(f"{name} has no such member.") from error
    return structured.member_text(member)


def _line(component: Item, message: Request | Response, request: Request | None) -> str:
    name, parameters = component
    source: Request | Response = message
    if parameters and parameters.get("req") is True:
        if request is None or isinstance(message, Request):
            raise Unauthentic("Only an answer covers parts of its request.")
        source = request
        parameters = {key: value for key, value in parameters.items() if key != "req"}
    read = _derived if name.startswith("@") else _field
    value = read(name, source, parameters)
    if not (value.isascii() and value.isprintable()):
        raise Unauthentic(f"The value of {name} is not printable ASCII.")
    return f"{_identifier(component)}: {value}\n"


def signature_base(
    message: Request | Response,
    components: Sequence[Item],
    parameters: Mapping[str, Any],
    *,
    request: Request | None = None,
) -> bytes:
    """The bytes that are signed (RFC 9421, section 2.5); `request` is the one that a response answers.

    Components are (name, parameters). Raises Unauthentic for a component that the message does not have.
    """
    lines = "".join(_line(component, message, request) for component in components)
    # Section 2.5: the last line has no newline.
    return f'{lines}"@signature-params": {_inner_list(components, parameters)}'.encode("ascii")


def _inner_list(components: Sequence[Item], parameters: Mapping[str, Any]) -> str:
    return f"({' '.join(map(_identifier, components))}){_parameters(parameters)}"


def _check(
    message: Request | Response, signature: MessageSignature, key: Verifier, request: Request | None = None
) -> None:
    base = signature_base(message, signature.components, signature.parameters, request=request)
    if not key.verify(signature.raw, base):
        raise Unauthentic("The signature does not fit the message.")


# --- the generic verifier -----------------------------------------------------------------------------------


def verify(message: Request, key: Verifier, now: int) -> None:
    """Verify the only signature of a request by the common rules of RFC 9421 on the fediverse.

    `created`, `@method` and `@target-uri` are wanted, on POST also a `content-digest` that fits; `expires`
    must not have passed; `keyid` and, if given, `alg` must be the key's. Raises Unauthentic or ClockSkew.
    This is not the peer gate.
    """
    found = signatures(message)
    if len(found) != 1:
        raise Unauthentic(f"Exactly one signature is wanted, not {len(found)}.")
    signature = found[0]
    signature.moment("created")
    bodied = bool(message.body) or message.method == "POST"
    _require(signature, [f'"{n}"' for n in (*_TARGET[:2], *(_BODY[:1] if bodied else ()))])
    if (
        signature.parameters.get("alg", key.algorithm) != key.algorithm
        or signature.text("keyid") != key.key_id
    ):
        raise Unauthentic("The signature names another key or algorithm.")
    if "expires" in signature.parameters and now > signature.moment("expires"):
        raise ClockSkew("The signature has expired.")
    if bodied:
        digest.check_content_digest(message.headers.get("content-digest") or "", message.body)
    _check(message, signature, key)


# --- between peers ------------------------------------------------------------------------------------------


def _peer_components(request: Request) -> tuple[str, ...]:
    bodied = bool(request.body) or request.method not in ("GET", "HEAD")
    also = (name for name in _WHERE_THERE if request.headers.get(name) is not None)
    return (*_TARGET, *(_BODY if bodied else ()), *also)


def _window(created: int, now: int) -> None:
    if abs(now - created) > CLOCK_SKEW_S:
        raise ClockSkew(f"created differs from our clock by {created - now} s.")


def _signed(message_label: str, inner_list: str, raw: bytes) -> tuple[tuple[str, str], tuple[str, str]]:
    value = b64encode(raw).decode("ascii")
    return ("Signature-Input", f"{message_label}={inner_list}"), ("Signature", f"{message_label}=:{value}:")


def sign_request(request: Request, key: SigningKey, *, created: int, nonce: str) -> Request:
    """The request as a peer takes it: with Content-Digest where there is a body or POST, and our signature.

    `created` is epoch seconds, `nonce` at least 16 characters. Raises LocalError where something lacks.
    """
    if len(nonce) < MIN_NONCE_CHARS:
        raise LocalError("A nonce is too short.")
    names = _peer_components(request)
    headers = request.headers
    if "content-digest" in names:
        headers = headers.with_(("Content-Digest", digest.content_digest(request.body)))
        request = Request(request.method, request.url, headers, request.body)
    components: list[Item] = [(name, {}) for name in names]
    parameters = {
        "created": created,
        "expires": created + SIGNATURE_LIFETIME_S,
        "nonce": nonce,
        "keyid": key.key_id,
        "alg": ALGORITHM,
        "tag": PEER_TAG,
    }
    try:
        base = signature_base(request, components, parameters)
    except Unauthentic as error:
        raise LocalError("A request to a peer lacks what its signature must cover.") from error
    fields = _signed(_REQUEST_LABEL, _inner_list(components, parameters), key.sign(base))
    return Request(request.method, request.url, headers.with_(*fields), request.body)


def peer_signature(request: Request) -> PeerSignature:
    """The one signature with our tag, with all that can be known without the key; raises Unauthentic.

    Checked: it covers what PROTOCOL 1.3 wants, each component once; algorithm, lifetime, length of nonce.
    """
    signature = _tagged(request, PEER_TAG)
    _require(signature, [f'"{name}"' for name in _peer_components(request)])
    created, expires, nonce = (
        signature.moment("created"),
        signature.moment("expires"),
        signature.text("nonce"),
    )
    if not 0 < expires - created <= SIGNATURE_LIFETIME_S:
        raise Unauthentic(f"A signature lives up to {SIGNATURE_LIFETIME_S} s.")
    if not MIN_NONCE_CHARS <= len(nonce) <= MAX_NONCE_CHARS:
        raise Unauthentic(f"A nonce has {MIN_NONCE_CHARS} to {MAX_NONCE_CHARS} characters.")
    if signature.text("alg") != ALGORITHM or len(signature.raw) != _SIGNATURE_BYTES:
        raise Unauthentic(f"Peers sign with {ALGORITHM}.")
    return PeerSignature(
        signature.text("keyid"), created, expires, nonce, signature.label, signature.raw, signature
    )


def verify_request(request: Request, signature: PeerSignature, key: PublicKey, now: int) -> None:
    """Verify what `peer_signature` gave for this request; `now` is epoch seconds.

    Raises ClockSkew outside the window, Unauthentic when digest, key or signature is another. Whether the
    nonce is new, the caller asks.
    """
    if key.key_id != signature.key_id:
        raise Unauthentic("The signature names another key.")
    _window(signature.created, now)
    if now > signature.expires:
        raise ClockSkew("The signature has expired.")
    if '"content-digest"' in signature.source.covered:
        digest.check_content_digest(request.headers.get("content-digest") or "", request.body)
    _check(request, signature.source, key)


def _receipt_components(request: Request, label: str) -> list[Item]:
    """What an answer covers; a GET has no Content-Digest to be bound to."""
    about_body: list[Item] = (
        [("content-digest", {"req": True})] if request.headers.get("content-digest") is not None else []
    )
    return [
        ("@status", {}),
        ("content-digest", {}),
        *about_body,
        ("@method", {"req": True}),
        ("@target-uri", {"req": True}),
        ("signature", {"req": True, "key": label}),
    ]


def sign_response(
    response: Response,
    request: Request,
    key: SigningKey,
    created: int,
    *,
    signature: PeerSignature | None = None,
) -> Response:
    """The response with Content-Digest and a signature bound to `request` (receipt level 1, PROTOCOL 2.b).

    `signature` spares reading the request's again. Raises Unauthentic when the request has none to bind to.
    """
    label = (signature or peer_signature(request)).label
    headers = response.headers.with_(("Content-Digest", digest.content_digest(response.body)))
    response = Response(response.status, headers, response.body)
    components = _receipt_components(request, label)
    parameters = {"created": created, "keyid": key.key_id, "alg": ALGORITHM, "tag": RECEIPT_TAG}
    base = signature_base(response, components, parameters, request=request)
    fields = _signed(_RESPONSE_LABEL, _inner_list(components, parameters), key.sign(base))
    return Response(response.status, headers.with_(*fields), response.body)


def key_id_of(response: Response) -> str:
    """The key that an answer names as its own. Raises Unauthentic when it is not signed as a receipt is."""
    return _tagged(response, RECEIPT_TAG).text("keyid")


def verify_response(response: Response, request: Request, key: PublicKey, now: int) -> None:
    """Verify that `key` answered exactly this signed `request` with this response.

    Raises ClockSkew outside the window of 300 s, Unauthentic for all else.
    """
    signature = _tagged(response, RECEIPT_TAG)
    _require(signature, map(_identifier, _receipt_components(request, peer_signature(request).label)))
    if signature.text("alg") != ALGORITHM or signature.text("keyid") != key.key_id:
        raise Unauthentic("The answer names another key or algorithm.")
    _window(signature.moment("created"), now)
    if "expires" in signature.parameters and now > signature.moment("expires"):
        raise ClockSkew("The signature of the answer has expired.")
    digest.check_content_digest(response.headers.get("content-digest") or "", response.body)
    _check(response, signature, key, request)
