"""Receipts and header sets, packed: they are kept for ten years and look much alike.

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


def _plain(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_DICTIONARY = _plain(_ALIKE)


def pack(value: Any) -> bytes:
    """A JSON value in the shortest form that we know."""
    packer = zlib.compressobj(_LEVEL, zdict=_DICTIONARY)
    return _FORM + packer.compress(_plain(value)) + packer.flush()


def unpack(packed: bytes) -> Any:
    """The value again. Raises ValueError for another form."""
    if packed[:1] != _FORM:
        raise ValueError(f"A packed value of the unknown form {packed[:1]!r}.")
    return json.loads(zlib.decompressobj(zdict=_DICTIONARY).decompress(packed[1:]))
