"""Verify an evidence file of a node: what two organisations exchanged, who signed it, and what was receipted.

Alone: `python verify.py FILE`; needs Python 3.11 and `cryptography`, no database, no network, nothing else of Parvis.
Rule: nothing is believed unless a key of the right node signed it. The first trust is in the two node keys and in the
end of each key: both are printed, to be compared with what the organisations publish. Exit 0: all is verified.
Source: PROTOCOL 2.b; FEP-8b32 (eddsa-jcs-2022); RFC 8785; RFC 9162, 2.1.3.2; RFC 9421, 2.5.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORM = "https://w3id.org/parvis/v1#evidence-1"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
KEY, HASH = b"\xed\x01", b"\x12\x20"  # multicodec of an Ed25519 key, multihash of a SHA-256
SKEW = timedelta(seconds=300)
Json = dict[str, Any]
MEMBER = re.compile(r'([a-z][a-z0-9_.*-]*)=(\([^)]*\)[^,]*|:[A-Za-z0-9+/=]*:|"[^"]*")')
COMPONENT = re.compile(r'"([^"]+)"((?:;[a-z]+(?:="[^"]*")?)*)')
PROOF = "DataIntegrityProof", "eddsa-jcs-2022", "assertionMethod"
COVERED = {"@method", "@target-uri", "content-digest", "exchange-log"}


class Wrong(Exception):
    """Something is not as the file says; the message says what."""


def expect(holds: object, otherwise: str) -> None:
    """Raises Wrong."""
    if not holds:
        raise Wrong(otherwise)


def canonical(value: Any) -> bytes:
    """JCS (RFC 8785) of JSON without fractions."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return b"{" + b",".join(canonical(key) + b":" + canonical(value[key]) for key in keys) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(canonical, value)) + b"]"
    expect(not isinstance(value, float), "A number has a fraction.")
    return json.dumps(value, ensure_ascii=False).encode()


def unbase(text: str, prefix: bytes, length: int = 32) -> bytes:
    """The bytes of a multibase text (base58btc) that follow its prefix."""
    expect(text.startswith("z"), "This is no multibase text.")
    number = reduce(lambda before, character: before * 58 + ALPHABET.index(character), text[1:], 0)
    raw = number.to_bytes(length + len(prefix), "big")
    expect(raw.startswith(prefix), "A key or digest is of another kind.")
    return raw[len(prefix) :]


def digest(value: Any) -> str:
    """D of PROTOCOL 2.0."""
    number, text = int.from_bytes(HASH + hashlib.sha256(canonical(value)).digest(), "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = ALPHABET[rest] + text
    return "z" + text


def content_digest(body: str) -> str:
    """RFC 9530."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}:"


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Where a path leads from leaf `index` of a tree of `size` leaves (RFC 9162, 2.1.3.2)."""
    position, last, reached = index, size - 1, hashlib.sha256(b"\0" + leaf).digest()
    expect(0 <= index < size, "The entry lies outside the checkpoint.")
    for beside in path:
        expect(last, "The path is too long.")
        if position & 1 or position == last:
            reached = hashlib.sha256(b"\1" + beside + reached).digest()
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            reached = hashlib.sha256(b"\1" + reached + beside).digest()
        position, last = position >> 1, last >> 1
    expect(last == 0, "The path is too short.")
    return reached


class Keys:
    """The keys of a file: of the nodes, as their agreement names them; all others as a node vouches for them."""

    def __init__(self, evidence: Json) -> None:
        self.nodes = {evidence["by"], evidence["with"]}
        self.agreed = set(map(digest, evidence["agreements"]))
        self.known: dict[str, list[tuple[bytes, str]]] = {}
        parties = [party for agreement in evidence["agreements"] for party in agreement["parties"]]
        self.named = {(party["node"], key) for party in parties for key in party["keys"]}
        self.unknown: list[Json] = list(evidence["keys"])
        while taken := [key for key in self.unknown if self.vouched(key)]:
            for key in taken:
                found = unbase(key["publicKeyMultibase"], KEY), key["validUntil"] or ""
                self.known.setdefault(key["id"], []).append(found)
                self.unknown.remove(key)

    def vouched(self, key: Json) -> bool:
        """By the agreement, for a node; by an actor document that the node of the same origin has proved."""
        actor, text, document = key["id"].partition("#")[0], key["publicKeyMultibase"], key["document"]
        if actor in self.nodes and (actor, text) in self.named:
            return document is None  # none is needed
        nodes = [each for each in self.nodes if each.split("/")[:3] == actor.split("/")[:3]]
        with suppress(Wrong):
            expect(document is not None and document["id"] == actor and nodes, "Nothing is shown.")
            self.check(document, nodes[0])
            methods = {each["id"]: each["publicKeyMultibase"] for each in document["assertionMethod"]}
            return bool(methods.get(key["id"]) == text)
        return False

    def verify(self, key_id: str, signature: bytes, data: bytes, made: str) -> None:
        """Raises Wrong unless a key of this id, which had not ended when this was `made`, gave the signature."""
        expect(key_id in self.known, f"{key_id} is a key that no node vouches for.")
        for raw, ended in self.known[key_id]:
            if not ended or datetime.fromisoformat(made) <= datetime.fromisoformat(ended) + SKEW:
                with suppress(InvalidSignature):
                    return Ed25519PublicKey.from_public_bytes(raw).verify(signature, data)
        raise Wrong(f"The signature by {key_id} does not hold.")

    def check(self, document: Json, signer: str) -> Json:
        """What the proof of `document` covers. Raises Wrong unless it carries one by `signer`."""
        proof = document["proof"]
        options = {name: proof[name] for name in proof.keys() - {"proofValue"}}
        kind = proof["type"], proof["cryptosuite"], proof["proofPurpose"], proof.get("@context")
        expect(kind == (*PROOF, document.get("@context")), "The proof is of another kind or context.")
        expect(proof["verificationMethod"].partition("#")[0] == signer, f"The proof is not by {signer}.")
        covered = {name: document[name] for name in document.keys() - {"proof", "signature"}}
        data = b"".join(hashlib.sha256(canonical(part)).digest() for part in (options, covered))
        self.verify(proof["verificationMethod"], unbase(proof["proofValue"], b"", 64), data, proof["created"])
        return covered


def check_agreement(agreement: Json, evidence: Json, keys: Keys) -> None:
    """Both nodes said yes to exactly this: the Offer of one, the Accept of the other (PROTOCOL 2.a.5)."""
    consents, value = map(json.loads, evidence["consents"]), digest(agreement)
    said = [each for each in consents if each["objectDigest"] == value]
    expect({each["actor"] for each in said} == keys.nodes, "It is not shown that both have agreed.")
    for each in said:
        keys.check(each, each["actor"])


def check_checkpoint(stream: Json, keys: Keys) -> None:
    """Writer and reader signed the same head and root (PROTOCOL 2.b, *Checkpoint*)."""
    checkpoint, answer = stream["checkpoint"], stream["answer"]
    expect((checkpoint["type"], checkpoint["stream"]) == ("LogCheckpoint", stream["stream"]), "Another log.")
    signed = keys.check(checkpoint, stream["writer"])
    keys.check(answer, stream["reader"])
    said = answer["type"], answer["outcome"], answer["object"], answer["objectDigest"]
    agreed = "DeliveryReceipt", "processed", checkpoint["id"], digest(signed)
    expect(said == agreed, "The reader did not agree to this checkpoint.")


def check_item(item: Json, stream: Json, keys: Keys) -> None:
    """One activity: by its author, in the log, receipted by the other side."""
    entry, receipt = item["entry"], item["receipt"]
    expect({stream["writer"], stream["reader"]} == keys.nodes, "The log is of other nodes.")
    expect((entry["v"], entry["stream"]) == (1, stream["stream"]), "The entry is of another log.")
    expect(entry["seq"] > 1 or entry["prev"] in keys.agreed, "The log begins with another agreement.")
    if item["activity"] is not None:  # erased since: the entry stays
        said, body = json.loads(item["activity"]), content_digest(item["activity"])
        expect(body == entry["contentDigest"], "The activity is not the one of the entry.")
        expect((said["id"], said["type"]) == (entry["activity"], entry["type"]), "Entry and activity differ.")
        keys.check(said, said["actor"])
    hashes = [digest(entry)]
    for following in item["chain"]:
        expect(following["prev"] == hashes[-1], "The chain breaks.")
        hashes.append(digest(following))
    if item["paths"] is None:
        reached = entry["seq"] + len(hashes) - 1, hashes[-1]
        expect(reached == (receipt["to"], receipt["entryHash"]), "The receipt is for another entry.")
    else:
        size, root = stream["checkpoint"]["size"], unbase(stream["checkpoint"]["root"], HASH)
        ends = (entry["seq"], hashes[0]), (receipt["to"], receipt["entryHash"])
        for (seq, entry_hash), path in zip(ends, item["paths"], strict=True):
            steps = [unbase(each, HASH) for each in path]
            expect(root_of(unbase(entry_hash, HASH), seq - 1, size, steps) == root, "Not in the checkpoint.")
    keys.check(receipt, stream["reader"])
    expect((receipt["type"], receipt["stream"]) == ("DeliveryReceipt", stream["stream"]), "Another log.")
    expect(receipt["from"] <= entry["seq"] <= receipt["to"], "The receipt does not reach this entry.")
    outcome = {each["seq"]: each["outcome"] for each in receipt["exceptions"]}.get(entry["seq"], "processed")
    if item["late"] is not None:
        expect(outcome == "received", "The first receipt is final.")
        outcome = late_outcome(item, stream, keys)
    expect(item["outcome"] == outcome, "The receipt says another outcome.")
    if item["sent"] is not None:
        check_sent(item["sent"], receipt, stream, keys)


def late_outcome(item: Json, stream: Json, keys: Keys) -> Any:
    """What the reader has said at last of an entry that it had kept to try again (PROTOCOL 2.b)."""
    said = json.loads(item["late"])
    keys.check(said, stream["reader"])
    about = said["type"], said["object"]["type"], said["object"]["entryHash"]
    this = "Create", "DeliveryReceipt", digest(item["entry"])
    expect(about == this, "The late receipt is for another entry.")
    return said["object"]["outcome"]


def check_sent(sent: Json, receipt: Json, stream: Json, keys: Keys) -> None:
    """Receipt level 1: the two signed header sets of the delivery (RFC 9421)."""
    request = {"@method": "POST", "@target-uri": sent["target"], "@authority": sent["target"].split("/")[2]}
    request |= {name.lower(): value for name, value in sent["request"]}
    answer = {"@status": "200"} | {name.lower(): value for name, value in sent["response"]}
    check_message(request, {}, ("extranet-peer", stream["writer"], COVERED), keys)
    check_message(answer, request, ("extranet-receipt", stream["reader"], {"@status", "signature"}), keys)
    expect(request["content-digest"] == receipt["contentDigest"], "The receipt is for another request.")
    expect(answer["content-digest"] == content_digest(sent["body"]), "The answer had another body.")
    expect(json.loads(sent["body"]) == receipt, "The answer was another receipt.")


def check_message(message: Json, request: Json, by: tuple[str, str, set[str]], keys: Keys) -> None:
    """`by`: the tag that the signature must have, whose it must be, and what it must cover."""
    tag, signer, needed = by
    inputs, signatures = (dict(MEMBER.findall(message[name])) for name in ("signature-input", "signature"))
    label = next(name for name, value in inputs.items() if f';tag="{tag}"' in value)
    components = COMPONENT.findall(inputs[label].partition(")")[0])
    expect(needed <= {name for name, _ in components}, "A signature covers too little.")
    lines = []
    for name, flags in components:
        value = (request if ";req" in flags else message)[name]
        if member := re.search(r';key="([^"]*)"', flags):
            value = dict(MEMBER.findall(value))[member[1]]
        lines.append(f'"{name}"{flags}: {value}\n')
    key_id = re.findall(r';keyid="([^"]*)"', inputs[label])[0]
    expect(key_id.partition("#")[0] == signer, f"A message is not signed by {signer}.")
    base = "".join(lines) + f'"@signature-params": {inputs[label]}'
    made = datetime.fromtimestamp(int(re.findall(r";created=([0-9]+)", inputs[label])[0]), UTC).isoformat()
    keys.verify(key_id, base64.b64decode(signatures[label].strip(":")), base.encode(), made)


def checks(raw: bytes, evidence: Json, keys: Keys) -> Iterator[tuple[str, Callable[[], object]]]:
    """What there is to verify, in the order of the file, each with a name."""
    whole = raw == canonical(evidence) + b"\n"
    yield "the file, byte for byte", partial(expect, whole, "It was written anew.")
    yield "the seal of the file", partial(keys.check, evidence, evidence["by"])
    for key in evidence["keys"]:
        what = f"the key {key['id']} {key['publicKeyMultibase']}, end: {key['validUntil'] or 'none'}"
        yield what, partial(expect, key not in keys.unknown, "No node vouches for it.")
    for agreement in evidence["agreements"]:
        yield f"the agreement {agreement['id']}", partial(check_agreement, agreement, evidence, keys)
    streams = {each["stream"]: each for each in evidence["streams"]}
    for stream in (each for each in streams.values() if each["checkpoint"] or each["answer"]):
        yield f"the checkpoint of {stream['stream']}", partial(check_checkpoint, stream, keys)
    for document in evidence["statements"]:
        yield f"the statement {document['id']}", partial(keys.check, document, document["attributedTo"])
    for item in evidence["items"]:
        entry = item["entry"]
        what = f"{entry['type']} {entry['activity']}, entry {entry['seq']}, {item['outcome']}"
        yield what, partial(check_item, item, streams[entry["stream"]], keys)


def findings(raw: bytes) -> Iterator[tuple[str, str]]:
    """Each part of the file and why it is not verified, "" when it is. Whatever a file holds, nothing is raised."""
    what = "the file"
    try:
        evidence: Json = json.loads(raw)
        expect(evidence["form"] == FORM, "This is no evidence file of a form that is known here.")
        keys = Keys(evidence)
        for what, check in checks(raw, evidence, keys):
            try:
                check()
                yield what, ""
            except Exception as error:  # noqa: BLE001 - a part that breaks its check is not verified
                yield what, f"{error}" if isinstance(error, Wrong) else f"It cannot be read: {error!r}"
    except Exception as error:  # noqa: BLE001 - a file that breaks the verifier is not verified
        yield what, f"It cannot be read: {error!r}"


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each part. 0 when all is verified, 1 when not, 2 when there is no file."""
    try:
        raw = Path(arguments[0]).read_bytes()
    except (IndexError, OSError) as error:
        sys.stderr.write(f"verify FILE: {error}\n")
        return 2
    found = list(findings(raw))
    for what, why in found:
        sys.stdout.write(f"NOT VERIFIED: {what}: {why}\n" if why else f"verified: {what}\n")
    return 1 if any(why for _, why in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
