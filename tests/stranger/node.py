"""A second, minimal node, written from docs/protocol.md and FEDERATION.md alone: `python node.py PORT`.

Commands come on stdin and events leave on stdout, one JSON document a line. It has one partner, one person and
no memory beyond its process. Rule: nothing of the product is imported, so that what it knows stands in the document.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import re
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from werkzeug import Request, Response
from werkzeug.serving import make_server

Json = dict[str, Any]

NS = "https://w3id.org/parvis/v1"
AS2 = "https://www.w3.org/ns/activitystreams"
CONTEXT = [AS2, "https://w3id.org/security/data-integrity/v2", NS]
ACTOR_CONTEXT = [AS2, "https://www.w3.org/ns/cid/v1", "https://w3id.org/security/data-integrity/v2", NS]
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ACTIVITY_JSON = "application/activity+json"
NAME = "Etranger"


class Refused(Exception):
    """What the partner sent is not taken: an HTTP status and the fragment of a problem type."""

    def __init__(self, status: int, problem: str = "", **members: Any) -> None:
        super().__init__(problem)
        self.status = status
        kind = f"{NS}#{problem}" if problem else "about:blank"
        self.document = {"type": kind, "title": problem, "status": status, **members}


# ---- forms


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "z" + "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def unbase58(text: str) -> bytes:
    number = 0
    for letter in text[1:]:
        number = number * 58 + ALPHABET.index(letter)
    zeros = len(text[1:]) - len(text[1:].lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def multihash(raw: bytes) -> str:
    return base58(b"\x12\x20" + raw)


def digest(document: Any) -> str:
    return multihash(hashlib.sha256(rfc8785.dumps(document)).digest())


def content_digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def object_in(line: bytes, thing: Json) -> bytes:
    """The bytes in which the `object` of an activity stands in it."""
    text = line.decode()
    for found in re.finditer(r'"object"\s*:\s*', text):
        value, end = json.JSONDecoder().raw_decode(text, found.end())
        if value == thing:
            return text[found.end() : end].encode()
    raise Refused(422, "malformed")


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def tree(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 9162, 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()


# ---- keys and proofs


@dataclass
class Key:
    """A private key of ours."""

    id: str
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def raw(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def multikey(self) -> str:
        return base58(b"\xed\x01" + self.raw)

    def prove(self, document: Json) -> Json:
        proof = {
            "@context": document["@context"],
            "type": "DataIntegrityProof",
            "cryptosuite": "eddsa-jcs-2022",
            "created": now(),
            "verificationMethod": self.id,
            "proofPurpose": "assertionMethod",
        }
        proof["proofValue"] = base58(self.private.sign(_proved(document, proof)))
        return {**document, "proof": proof}


def _proved(document: Json, proof: Json) -> bytes:
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    bare = {name: value for name, value in document.items() if name not in {"proof", "signature"}}
    return b"".join(hashlib.sha256(rfc8785.dumps(part)).digest() for part in (options, bare))


def public(multikey: str) -> Ed25519PublicKey:
    raw = unbase58(multikey)
    if raw[:2] != b"\xed\x01":
        raise Refused(422, "malformed")
    return Ed25519PublicKey.from_public_bytes(raw[2:])


def check_proof(document: Json, multikey: str | None, controller: str) -> None:
    """Refuses unless `controller` proved the document with this key."""
    proof = document.get("proof", {})
    if multikey is None:
        raise Refused(422, "unknown-actor")
    owner = proof.get("verificationMethod", "").partition("#")[0]
    said = (proof.get("cryptosuite"), proof.get("proofPurpose"), proof.get("@context"), owner)
    if said != ("eddsa-jcs-2022", "assertionMethod", document["@context"], controller):
        raise Refused(422, "bad-proof")
    try:
        public(multikey).verify(unbase58(proof["proofValue"]), _proved(document, proof))
    except Exception as error:
        raise Refused(422, "bad-proof") from error


# ---- HTTP message signatures

_INPUT = re.compile(r'(\w+)=(\(([^)]*)\)[^,]*?tag="([^"]+)")')


def _base(values: Json, parameters: str) -> bytes:
    lines = [f"{name}: {value}" for name, value in values.items()]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def sign(key: Key, label: str, values: Json, parameters: str) -> Json:
    """The two fields of a signature over all `values`, by name of the component."""
    parameters = (
        f'({" ".join(values)});created={int(time.time())};keyid="{key.id}";alg="ed25519";{parameters}'
    )
    value = base64.b64encode(key.private.sign(_base(values, parameters))).decode()
    return {"Signature-Input": f"{label}={parameters}", "Signature": f"{label}=:{value}:"}


def find_signature(headers: Any, tag: str) -> tuple[str, str, list[str], str]:
    """Label, parameters, names of components and value of the one signature with this tag."""
    found = [each for each in _INPUT.findall(headers.get("Signature-Input") or "") if each[3] == tag]
    if len(found) != 1:
        raise Refused(401)
    label, parameters, components, _ = found[0]
    value = re.search(rf"\b{label}=(:[^:]*:)", headers.get("Signature") or "")
    if value is None:
        raise Refused(401)
    return label, parameters, components.split(" "), value[1]


def check_signature(headers: Any, tag: str, values: Json, multikey: str) -> str:
    """The parameters of the one signature with this tag, when it covers all `values` and holds."""
    _, parameters, components, value = find_signature(headers, tag)
    if not values.keys() <= set(components):
        raise Refused(401)
    values = {f'"{name.lower()}"': text for name, text in headers.items()} | values
    try:
        base = _base({name: values[name] for name in components}, parameters)
        public(multikey).verify(base64.b64decode(value.strip(":")), base)
    except (InvalidSignature, KeyError) as error:
        raise Refused(401) from error
    return parameters


def request_values(method: str, url: str, headers: Any) -> Json:
    """What the signature of a request covers."""
    values = {'"@method"': method, '"@target-uri"': url, '"@authority"': urlsplit(url).netloc}
    names = [each for each in ("Content-Digest", "Content-Type", "Exchange-Log") if each in headers]
    return values | {f'"{name.lower()}"': headers[name] for name in names}


def answer_values(status: int, headers: Any, method: str, url: str, asked: Any) -> Json:
    """What the signature of an answer covers: itself, and of the request what binds it to that."""
    label, _, _, value = find_signature(asked, "extranet-peer")
    return {
        '"@status"': status,
        '"content-digest"': headers["Content-Digest"],
        '"content-digest";req': asked["Content-Digest"],
        '"@method";req': method,
        '"@target-uri";req': url,
        f'"signature";req;key="{label}"': value,
    }


def actor(kind: str, name: str, key: Key, **members: Any) -> Json:
    """The document of an actor, without the proof that people and spaces carry."""
    id_ = key.id.partition("#")[0]
    return {
        "@context": ACTOR_CONTEXT,
        "id": id_,
        "type": kind,
        "name": name,
        "preferredUsername": name.lower(),
        "inbox": f"{id_}/inbox",
        "outbox": f"{id_}/outbox",
        "assertionMethod": [
            {"id": key.id, "type": "Multikey", "controller": id_, "publicKeyMultibase": key.multikey}
        ],
        **members,
    }


class Stranger:
    """The node: one partner, one person."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://etranger.localhost:{port}"
        self.id = f"{self.origin}/actor"
        self.key = Key(f"{self.id}#ed25519")
        self.person = f"{self.origin}/people/{base64url(secrets.token_bytes(16))}"
        self.person_key = Key(f"{self.person}#ed25519")
        self.partner: Json = {}
        self.partner_key = ""
        self.invite = ""
        self.agreement: Json = {}
        self.offer: Json = {}
        self.ours: list[tuple[Json, bytes]] = []
        self.acknowledged = 0
        self.theirs: list[Json] = []
        self.receipts: dict[str, Json] = {}
        self.keys = {self.person_key.id: self.person_key.multikey}
        self.node_keys: dict[str, str] = {}
        self.posts: dict[str, Json] = {}
        self.nonces: set[str] = set()
        self.lock = threading.RLock()

    def tell(self, event: str, **members: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **members}) + "\n")
        sys.stdout.flush()

    def document(self) -> Json:
        return actor(
            "Application",
            NAME,
            self.key,
            url=f"{self.origin}/",
            endpoints={"peeringEndpoint": f"{self.id}/inbox", "exchange": f"{self.origin}/exchange"},
            implements=[{"type": "Link", "href": f"{NS}#peering", "name": "Extranet peering profile 1"}],
        )

    # ---- what we send

    def say(self, kind: str, *, by: Key | None = None, **members: Any) -> Json:
        key = by or self.key
        activity = {
            "@context": CONTEXT,
            "id": f"{self.origin}/a/{base64url(secrets.token_bytes(16))}",
            "actor": key.id.partition("#")[0],
            "published": now(),
            "salt": base64url(secrets.token_bytes(16)),
            "type": kind,
            **members,
        }
        return key.prove(activity)

    def ask(
        self, method: str, url: str, body: bytes = b"", kind: str = "", log: str = ""
    ) -> tuple[int, bytes]:
        """One request, signed when it is a POST to the partner; the answer's signature is verified."""
        parts = urlsplit(url)
        headers = {"Host": parts.netloc}
        if method == "POST":
            headers |= {"Content-Type": kind, "Content-Digest": content_digest(body)}
            headers |= {"Exchange-Log": log} if log else {}
            nonce, expires = base64url(secrets.token_bytes(16)), int(time.time()) + 300
            parameters = f'expires={expires};nonce="{nonce}";tag="extranet-peer"'
            headers |= sign(self.key, "sig1", request_values(method, url, headers), parameters)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if method == "POST" and answer.status < 300:
            if answer.headers["Content-Digest"] != content_digest(content):
                raise Refused(502, "bad-proof")
            values = answer_values(answer.status, answer.headers, method, url, headers)
            check_signature(answer.headers, "extranet-receipt", values, self.partner_key)
        return answer.status, content

    def single(self, activity: Json) -> None:
        status, content = self.ask("POST", self.partner["inbox"], compact(activity), ACTIVITY_JSON)
        self.tell("sent", type=activity["type"], status=status, answer=content.decode()[:500])

    def append(self, activity: Json) -> None:
        """Puts an activity behind our log and sends what the partner has not receipted."""
        with self.lock:
            body = compact(activity)
            row = {
                "activity": activity["id"],
                "contentDigest": content_digest(body),
                "seq": len(self.ours) + 1,
                "time": now(),
                "type": activity["type"],
            }
            prev = digest(self.ours[-1][0]) if self.ours else digest(self.agreement)
            stream = self.party(self.id)["stream"]
            self.ours.append(({"v": 1, "stream": stream, "prev": prev, **row}, body))
            waiting = self.ours[self.acknowledged :]
        first = waiting[0][0]
        rows = [{name: entry[name] for name in row} for entry, _ in waiting]
        lines = [compact({"entries": rows, "v": 1}), *(line for _, line in waiting)]
        log = (
            f'stream="{stream}", seq={first["seq"]}, count={len(rows)}, '
            f'prev="{first["prev"]}", agreement="{digest(self.agreement)}"'
        )
        body = b"".join(line + b"\n" for line in lines)
        exchange = self.partner["endpoints"]["exchange"]
        status, content = self.ask("POST", exchange, body, "application/x-ndjson", log)
        if status != 200:
            self.tell("refused", status=status, answer=content.decode())
            return
        receipt = json.loads(content)
        check_proof(receipt, self.partner_key, self.partner["id"])
        last = self.ours[receipt["to"] - 1][0]
        if receipt["entryHash"] != digest(last) or receipt["stream"] != stream:
            raise Refused(502, "digest-mismatch")
        self.acknowledged = max(self.acknowledged, receipt["to"])
        self.tell("receipt", to=receipt["to"], type=activity["type"], exceptions=receipt["exceptions"])

    def party(self, node: str) -> Json:
        found: Json = next(each for each in self.agreement["parties"] if each["node"] == node)
        return found

    # ---- commands

    def do_accept(self, link: str) -> None:
        parts = urlsplit(link)
        secret = {name: values[0] for name, values in parse_qs(parts.fragment).items()}
        origin = f"{parts.scheme}://{parts.netloc}"
        _, found = self.ask("GET", f"{origin}/.well-known/webfinger?resource={origin}/")
        href = next(each["href"] for each in json.loads(found)["links"] if each["rel"] == "self")
        self.partner = json.loads(self.ask("GET", href)[1])
        self.partner_key = self.partner["assertionMethod"][0]["publicKeyMultibase"]
        if base64url(hashlib.sha256(unbase58(self.partner_key)[2:]).digest()) != secret["k"]:
            raise Refused(400, "bad-proof")
        self.keys[self.partner["assertionMethod"][0]["id"]] = self.partner_key
        self.node_keys[self.partner["id"]] = self.partner_key
        self.invite = f"{origin}/peering/invites/{secret['i']}"
        binding = {
            "from": self.id,
            "invite": self.invite,
            "key": self.key.multikey,
            "nonce": base64url(secrets.token_bytes(16)),
            "to": self.partner["id"],
        }
        token = base64.urlsafe_b64decode(secret["t"] + "=" * (-len(secret["t"]) % 4))
        binding["mac"] = base64url(hmac.digest(token, rfc8785.dumps(binding), "sha256"))
        invite = {"id": self.invite, "type": "Invite", "actor": self.partner["id"]}
        self.single(self.say("Accept", to=[self.partner["id"]], object=invite, inviteBinding=binding))
        low, high = sorted([self.key.multikey, self.partner_key])
        said = b"\0".join(text.encode() for text in ("xn-sas-1", self.invite, low, high))
        raw = hashlib.sha256(said).digest()
        groups = [int.from_bytes(raw[4 * i : 4 * i + 4], "big") % 100000 for i in range(6)]
        self.tell("fingerprint", groups=[f"{group:05}" for group in groups])

    def do_confirm(self) -> None:
        invite = {"id": self.invite, "type": "Invite", "state": "verified"}
        self.single(self.say("Update", to=[self.partner["id"]], object=invite))

    def do_agree(self) -> None:
        self.agreement = self.offer["object"]
        offer = {"id": self.offer["id"], "type": "Offer", "actor": self.offer["actor"]}
        to = [self.partner["id"]]
        result, found = self.agreement["id"], digest(self.agreement)
        self.append(self.say("Accept", to=to, object=offer, result=result, objectDigest=found))

    def do_enter(self, invitation: str) -> None:
        """Accepts an invitation to a space."""
        self.append(self.say("Accept", object={"id": invitation, "type": "Invite"}))

    def do_join(self, space: str) -> None:
        """Introduces our person and joins."""
        person = actor("Person", "Ada", self.person_key, org={"id": self.id, "name": NAME})
        self.append(self.say("Update", to=[self.partner["id"]], object=self.key.prove(person)))
        self.append(self.say("Join", by=self.person_key, audience=space, to=[space], object=space))

    def do_post(self, space: str, context: str, reply: str, content: str) -> None:
        note = {
            "id": f"{self.origin}/o/{base64url(secrets.token_bytes(16))}",
            "type": "Note",
            "attributedTo": self.person,
            "audience": space,
            "context": context,
            "inReplyTo": reply,
            "content": content,
            "published": now(),
        }
        self.append(self.say("Create", by=self.person_key, audience=space, to=[space], object=note))

    # ---- what we take

    def check_request(self, url: str, headers: Any, body: bytes) -> None:
        values = request_values("POST", url, headers)
        parameters = check_signature(headers, "extranet-peer", values, self.partner_key)
        created = re.search(r";created=(\d+)", parameters)
        nonce = re.search(r';nonce="([^"]+)"', parameters)
        if not created or not nonce or headers["Content-Digest"] != content_digest(body):
            raise Refused(401)
        if abs(int(created[1]) - time.time()) > 300:
            raise Refused(401, "clock")
        if nonce[1] in self.nonces:
            raise Refused(409, "replay")
        self.nonces.add(nonce[1])

    def take_single(self, body: bytes) -> bytes:
        activity = json.loads(body)
        check_proof(activity, self.partner_key, self.partner["id"])
        thing = activity["object"] if isinstance(activity["object"], dict) else {}
        if activity["type"] == "Offer":
            if activity["objectDigest"] != digest(thing):
                raise Refused(422, "malformed")
            self.offer = activity
        if thing.get("type") == "LogCheckpoint":
            return compact(self.take_checkpoint(thing))
        self.tell("single", type=activity["type"], object=thing.get("type"), state=thing.get("state"))
        return b""

    def take_checkpoint(self, checkpoint: Json) -> Json:
        check_proof(checkpoint, self.partner_key, self.partner["id"])
        known = [digest(each) for each in self.theirs[: checkpoint["size"]]]
        if len(known) < checkpoint["size"]:
            raise Refused(409, "sequence-gap", expected=len(known) + 1)
        root = multihash(tree([unbase58(each)[2:] for each in known]))
        same = (known[-1], root) == (checkpoint["head"], checkpoint["root"])
        self.tell("checkpoint", size=checkpoint["size"], same=same)
        receipt = self.receipt(checkpoint["id"], "processed" if same else "rejected")
        receipt |= {"agreement": self.agreement["id"], "received": now(), "stream": checkpoint["stream"]}
        return self.key.prove(receipt | {"objectDigest": digest(checkpoint)})

    def receipt(self, thing: str, outcome: str) -> Json:
        return {
            "@context": CONTEXT,
            "id": f"{self.origin}/receipts/{base64url(secrets.token_bytes(16))}",
            "type": "DeliveryReceipt",
            "attributedTo": self.id,
            "object": thing,
            "outcome": outcome,
            "published": now(),
        }

    def take_batch(self, log: str, body: bytes) -> bytes:
        found = {name: text or number for name, text, number in re.findall(r'(\w+)=(?:"([^"]*)"|(\d+))', log)}
        manifest, *lines = body.split(b"\n")[:-1]
        rows = json.loads(manifest)["entries"]
        stream, seq, prev = found["stream"], int(found["seq"]), found["prev"]
        if found["agreement"] != digest(self.agreement):
            raise Refused(409, "other-agreement")
        if stream != self.party(self.partner["id"])["stream"]:
            raise Refused(409, "digest-mismatch")
        if seq > len(self.theirs) + 1:
            raise Refused(409, "sequence-gap", expected=len(self.theirs) + 1)
        if prev != (digest(self.theirs[seq - 2]) if seq > 1 else digest(self.agreement)):
            raise Refused(409, "digest-mismatch")
        exceptions = []
        for row, line in zip(rows, lines, strict=True):
            entry = {"v": 1, "stream": stream, "prev": prev, **row}
            prev = digest(entry)
            if entry["seq"] <= len(self.theirs):
                if digest(self.theirs[entry["seq"] - 1]) != prev:
                    raise Refused(409, "digest-mismatch")
                continue
            self.theirs.append(entry)
            if not line:
                continue
            try:
                self.take_line(line, entry["contentDigest"])
            except Refused as error:
                self.tell("rejected", line=line.decode(), problem=error.document["type"])
                exceptions.append({"seq": row["seq"], "outcome": "rejected", "problem": error.document})
        receipt = self.receipt(stream, "processed") | {
            "agreement": self.agreement["id"],
            "received": now(),
            "stream": stream,
            "from": seq if rows else min(seq, len(self.theirs)),
            "to": len(self.theirs) if not rows else seq + len(rows) - 1,
            "entryHash": digest(self.theirs[-1]) if not rows and self.theirs else prev,
            "contentDigest": content_digest(body),
            "exceptions": exceptions,
        }
        kept = self.receipts.setdefault(found["seq"] + content_digest(body), receipt) if rows else receipt
        return compact(self.key.prove(kept))

    def take_line(self, line: bytes, told: str) -> None:
        if content_digest(line) != told:
            raise Refused(422, "digest-mismatch")
        self.take(json.loads(line), line)

    def take(self, activity: Json, raw: bytes) -> None:
        """What a line says, or an Announce inside it; `raw` are the bytes in which it was said."""
        check_proof(activity, self.keys.get(activity["proof"]["verificationMethod"]), activity["actor"])
        thing = activity["object"] if isinstance(activity["object"], dict) else {"id": activity["object"]}
        match activity["type"], thing.get("type"):
            case "Invite", "Group":
                self.tell("invited", invitation=activity["id"], space=thing["id"])
            case "Update" | "Announce", "Application" | "Group" | "Person":
                node = thing["proof"]["verificationMethod"].partition("#")[0]
                check_proof(thing, self.node_keys.get(node), node)
                self.keys |= {each["id"]: each["publicKeyMultibase"] for each in thing["assertionMethod"]}
            case "Update", "Roster":
                check_proof(thing, self.partner_key, self.partner["id"])
                self.node_keys = {each["node"]: each["key"] for each in thing["nodes"]} | self.node_keys
                self.tell("roster", version=thing["version"], space=thing["attributedTo"])
            case "Announce", _:
                self.take(thing, object_in(raw, thing))
            case "Create", "Note" | "Article":
                self.posts[thing["id"]] = thing
                said = {name: thing[name] for name in ("id", "context", "content")}
                self.tell("post", by=activity["actor"], **said)
            case "Delete", _:
                self.erase(activity, raw)
            case kind, of:
                self.tell("heard", type=kind, object=of)

    def erase(self, delete: Json, raw: bytes) -> None:
        """Forgets the post; when it was called back, tells the host so, once the request is answered."""
        id_ = delete["object"] if isinstance(delete["object"], str) else delete["object"]["id"]
        former = self.posts.pop(id_, None)
        self.tell("erased", id=id_)
        if "recall" not in delete:
            return
        receipt = self.receipt(delete["id"], "erased") | {
            "type": ["DeliveryReceipt", "ErasureReceipt"],
            "contentDigest": content_digest(raw),
            "erased": [{"id": id_, "formerDigest": digest(former), "stores": ["memory"], "at": now()}],
            "residual": [],
        }
        answer = self.say("Create", to=[self.partner["id"]], object=self.key.prove(receipt))
        threading.Thread(target=self.append, args=(answer,)).start()


def door(node: Stranger) -> Any:
    """What stands on our port."""
    link = {"rel": "self", "type": ACTIVITY_JSON, "href": node.id}
    shown = {
        "/actor": node.document(),
        "/.well-known/webfinger": {"subject": f"{node.origin}/", "links": [link]},
    }

    @Request.application
    def answer(request: Request) -> Response:
        if request.method == "GET":
            found = shown.get(request.path)
            return Response(compact(found or {}), 200 if found else 404, mimetype=ACTIVITY_JSON)
        url, body = f"{node.origin}{request.path}", request.get_data()
        try:
            with node.lock:
                node.check_request(url, request.headers, body)
                batch = request.path == "/exchange"
                content = (
                    node.take_batch(request.headers["Exchange-Log"], body)
                    if batch
                    else node.take_single(body)
                )
            status = 200 if batch else 202
        except Refused as error:
            node.tell("refusing", **error.document)
            status, content = error.status, compact(error.document)
        headers = {"Content-Type": ACTIVITY_JSON, "Content-Digest": content_digest(content)}
        if status != 401:
            values = answer_values(status, headers, "POST", url, request.headers)
            headers |= sign(node.key, "rcpt", values, 'tag="extranet-receipt"')
        return Response(content, status, headers)

    return answer


def main() -> None:
    port = int(sys.argv[1])
    node = Stranger(port)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", port, door(node), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    node.tell("ready", id=node.id)
    for line in sys.stdin:
        command = json.loads(line)
        getattr(node, f"do_{command.pop('do')}")(**command)


if __name__ == "__main__":
    main()
