"""Receipts, header sets and activities, packed: they are kept for years and look much alike.

Rule: a packed value begins with the number of its dictionary, so that a better one can come later; a dictionary
that was used is never changed. Source: RFC 1950, section 2.2 (preset dictionary); PERFORMANCE, goal 7.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

_FORM = b"\1"
_LEVEL = 6

_CONTEXT = [
    "https://www.w3.org/ns/activitystreams",
    "https://w3id.org/security/data-integrity/v2",
    "https://w3id.org/parvis/v1",
]
# What stands in every receipt and header set; what is most alike comes last.
_ALIKE = [
    [
        ["Content-Type", "application/x-ndjson"],
        ["Exchange-Log", 'stream="https:///streams/", seq=, count=1, prev="z", agreement="z"'],
        ["Content-Digest", "sha-256=:=:"],
        [
            "Signature-Input",
            (
                'sig1=("@method" "@target-uri" "@authority" "content-digest" "content-type" "exchange-log");'
                'created=17;expires=17;nonce="";keyid="https:///actor#ed25519";alg="ed25519";tag="extranet-peer"'
            ),
        ],
        ["Signature", "sig1=:==:"],
    ],
    [
        ["Server", "gunicorn"],
        ["Date", "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"],
        ["Connection", "keep-alive"],
        ["X-Content-Type-Options", "nosniff"],
        ["Cache-Control", "private, no-store"],
        ["Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"],
        ["Strict-Transport-Security", "max-age=31536000"],
        ["Vary", "Signature"],
        ["Content-Length", "1"],
        ["Content-Type", "application/activity+json"],
        ["Content-Digest", "sha-256=:=:"],
        [
            "Signature-Input",
            (
                'rcpt=("@status" "content-digest" "content-digest";req "@method";req "@target-uri";req '
                '"signature";req;key="sig1");created=17;keyid="https:///actor#ed25519";alg="ed25519";'
                'tag="extranet-receipt"'
            ),
        ],
        ["Signature", "rcpt=:==:"],
    ],
    {
        "@context": _CONTEXT,
        "id": "https:///receipts/",
        "type": "DeliveryReceipt",
        "attributedTo": "https:///actor",
        "object": "https:///streams/",
        "stream": "https:///streams/",
        "from": 1,
        "to": 1,
        "entryHash": "zQm",
        "contentDigest": "sha-256=:=:",
        "agreement": "https:///peering/agreements//v1",
        "outcome": "processed",
        "exceptions": [],
        "received": "20T:00Z",
        "published": "20T:00Z",
        "proof": {
            "@context": _CONTEXT,
            "type": "DataIntegrityProof",
            "cryptosuite": "eddsa-jcs-2022",
            "created": "20T:00Z",
            "verificationMethod": "https:///actor#ed25519",
            "proofPurpose": "assertionMethod",
            "proofValue": "z",
        },
    },
]

_PROOF = {
    "@context": _CONTEXT,
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-jcs-2022",
    "created": "20T:00Z",
    "verificationMethod": "https:///people/#ed25519",
    "proofPurpose": "assertionMethod",
    "proofValue": "z",
}
# The same for activities: what people post comes last.
_SAID = [
    {
        "@context": ["https://www.w3.org/ns/activitystreams", "https://www.w3.org/ns/cid/v1", *_CONTEXT[1:]],
        "id": "https:///people/",
        "type": "Person",
        "name": "",
        "preferredUsername": "",
        "inbox": "https:///people//inbox",
        "outbox": "/outbox",
        "assertionMethod": [
            {"id": "#ed25519", "type": "Multikey", "controller": "", "publicKeyMultibase": "z6Mk"}
        ],
        "org": {"id": "https:///actor", "name": ""},
    },
    [{"type": each} for each in ("Update", "Delete", "Like", "Undo", "Join", "Accept", "Add", "Remove")],
    {
        "@context": _CONTEXT,
        "id": "https:///a/",
        "type": "Announce",
        "actor": "https:///spaces/",
        "to": ["https:///spaces//members"],
        "audience": "https:///spaces/",
        "published": "20T:00Z",
        "salt": "",
        "rev": 1,
        "proof": _PROOF,
    },
    {
        "@context": _CONTEXT,
        "id": "https:///a/",
        "actor": "https:///people/",
        "published": "20T:00Z",
        "salt": "",
        "type": "Create",
        "to": ["https:///spaces//members"],
        "audience": "https:///spaces/",
        "object": {
            "id": "https:///o/",
            "type": "Note",
            "attributedTo": "https:///people/",
            "audience": "https:///spaces/",
            "context": "https:///o/",
            "inReplyTo": "https:///o/",
            "name": "",
            "content": "<p></p>\\n",
            "contentMap": {"fr": "<p>"},
            "source": {"content": "", "mediaType": "text/markdown"},
            "attachment": [{"type": "Document", "mediaType": "application/pdf", "digestMultibase": "zQm"}],
            "tag": [{"type": "Mention", "href": "https:///people/", "name": "@"}],
            "published": "20T:00Z",
            "to": ["https:///spaces//members"],
        },
        "proof": _PROOF,
    },
]


def _plain(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_DICTIONARY = _plain(_ALIKE)
_ACTIVITIES = _plain(_SAID)
_AS_IT_IS = b"\0"
_RAW_DEFLATE = -15  # no header, no checksum: the digest of the bytes stands beside them
_QUICK = 3


def pack(value: Any) -> bytes:
    """A JSON value in the shortest form that we know."""
    packer = zlib.compressobj(_LEVEL, zdict=_DICTIONARY)
    return _FORM + packer.compress(_plain(value)) + packer.flush()


def unpack(packed: bytes) -> Any:
    """The value again. Raises ValueError for another form."""
    if packed[:1] != _FORM:
        raise ValueError(f"A packed value of the unknown form {packed[:1]!r}.")
    return json.loads(zlib.decompressobj(zdict=_DICTIONARY).decompress(packed[1:]))


def squeeze(raw: bytes) -> bytes:
    """The bytes of an activity, or of what stands around one, in the shortest form that we know."""
    packer = zlib.compressobj(_QUICK, zlib.DEFLATED, _RAW_DEFLATE, zdict=_ACTIVITIES)
    packed = _FORM + packer.compress(raw) + packer.flush()
    return packed if len(packed) <= len(raw) else _AS_IT_IS + raw


def unsqueeze(packed: bytes) -> bytes:
    """The bytes again. Raises ValueError for another form."""
    if packed[:1] == _AS_IT_IS:
        return packed[1:]
    if packed[:1] != _FORM:
        raise ValueError(f"A packed activity of the unknown form {packed[:1]!r}.")
    return zlib.decompressobj(_RAW_DEFLATE, zdict=_ACTIVITIES).decompress(packed[1:])
