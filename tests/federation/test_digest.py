"""Digests: known answers of the profile, and Content-Digest through its refusals."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import digest
from federation.errors import Malformed, Unauthentic

BODY = b'{"hello": "world"}'
SHA256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
SHA512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"


def test_known_entry_hash_of_the_profile() -> None:
    entry = {
        "v": 1,
        "stream": "https://node.bolt.example/streams/acme",
        "seq": 2,
        "prev": "zQmPYmH4tragHU5NTHn5gER2iaNLPdfgCdDxLDYgEK8vFfY",
        "activity": "https://node.bolt.example/activities/9c1",
        "type": "Create",
        "contentDigest": "sha-256=:0N1zoymuhg3MfPOdjw2fTEtH6N3a3APhPKQm0E2ZAy0=:",
        "time": "2026-11-23T15:02:00Z",
    }
    assert digest.digest(entry) == "zQmbA7HmyBMSWjuabpP5mhEyv13KMUXmyyTuaXZ28drPk11"


def test_object_digest_leaves_out_proof_and_signature_of_the_top_alone() -> None:
    inner = {"id": "b", "proof": {"x": 1}}
    assert digest.object_digest({"id": "a", "object": inner, "proof": 1, "signature": 2}) == digest.digest(
        {"id": "a", "object": inner}
    )


@given(st.binary(max_size=100))
def test_digest_and_bytes_convert_both_ways(raw: bytes) -> None:
    sha256 = hashlib.sha256(raw).digest()
    assert digest.sha256_of(digest.digest_of_bytes(raw)) == sha256
    assert digest.multibase_of(sha256) == digest.digest_of_bytes(raw)


@pytest.mark.parametrize(
    "text", ["", "z", "QmX", "zQm", "u" + "A" * 45, "zQm" + "1" * 60, digest.digest(1) + "\n"]
)
def test_another_text_is_no_digest(text: str) -> None:
    with pytest.raises(Malformed):
        digest.sha256_of(text)


def test_a_multihash_of_another_kind_is_no_digest() -> None:
    from federation import multibase

    with pytest.raises(Malformed):
        digest.sha256_of(multibase.encode(b"\x13\x20" + b"a" * 32))


@pytest.mark.parametrize(
    "header",
    [
        SHA256,
        f"{SHA256}, {SHA512}",
        f"{SHA512},{SHA256}",
        f"{SHA256}, md5=:AAAA:, unixsum=:AA==:, adler=:AA==:, crc32c=:AA==:, sha=:AA==:, unixcksum=:AA==:",
        f"{SHA256}, sha3-999=:AA==:",
    ],
)
def test_accepts(header: str) -> None:
    digest.check_content_digest(header, BODY)


@pytest.mark.parametrize(
    "header",
    [
        "",
        SHA512,
        "md5=:Sd/dVLAcvNLSq16eXua5uQ==:",
        "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
        'sha-256="X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="',
        "sha-256=(:AA==:)",
        "sha-256",
        f"{SHA256}, sha-512=:AAAA:",
        f"sha-256=:AAAA:, {SHA256}",
        f"{SHA256}, {SHA256}",
        f"{SHA256},",
        "SHA-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
        f"é{SHA256}",
    ],
)
def test_refuses(header: str) -> None:
    with pytest.raises(Unauthentic):
        digest.check_content_digest(header, BODY)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_no_changed_byte_of_the_body_passes(body: bytes, data: st.DataObject) -> None:
    header = digest.content_digest(body)
    position, flip = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(1, 255))
    changed = bytearray(body)
    changed[position] ^= flip
    with pytest.raises(Unauthentic):
        digest.check_content_digest(header, bytes(changed))


def test_content_digest_is_the_field_of_rfc9530() -> None:
    assert digest.content_digest(BODY) == SHA256
    assert base64.b64decode(SHA256[9:-1]) == hashlib.sha256(BODY).digest()


FOLLOWERS = [
    "https://testing.example.org/users/1",
    "https://a.example/x",
    "https://testing.example.org/users/2",
]
XOR = "c33f48cd341ef046a206b8a72ec97af65079f9a3a9b90eef79c5920dce45c61f"


def test_fep_8fcf_known_answer() -> None:
    part = digest.followers_of([*FOLLOWERS, FOLLOWERS[0]], "https://testing.example.org")
    assert part == (FOLLOWERS[0], FOLLOWERS[2])
    assert digest.followers_digest(part) == digest.followers_digest([*part, *part]) == XOR
    assert digest.followers_digest([]) == "0" * 64


def test_the_field_of_fep_8fcf_reads() -> None:
    header = f'collectionId="https://a.example/f", url="https://a.example/s", digest="{XOR}"'
    read = digest.read_synchronization(header)
    assert read == digest.Synchronization("https://a.example/f", "https://a.example/s", XOR)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        f'collectionId="a", url="b", digest="{XOR}", url="c"',
        f'collectionId="a", url="b", digest="{XOR}", other="c"',
        f'collectionId="a", digest="{XOR}"',
        'collectionId="a", url="b", digest="short"',
        f'collectionId="a\\"", url="b", digest="{XOR}"',
    ],
)
def test_another_field_is_malformed(header: str) -> None:
    with pytest.raises(Malformed):
        digest.read_synchronization(header)
