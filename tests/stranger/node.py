"""A second, minimal node, written from docs/protocol.md and FEDERATION.md alone: `python node.py PORT`.

Commands come on stdin and events leave on stdout, one JSON document a line. It has one partner, one person and
no memory beyond its process. Rule: nothing of the product is imported, so that what it knows stands in the document.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import base58
import rfc8785
import urllib3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from werkzeug import Request, Response
from werkzeug.serving import make_server

Json = dict[str, Any]

NS = "https://w3id.org/parvis/v1"
AS2 = "https://www.w3.org/ns/activitystreams"
CONTEXT = [AS2, "https://w3id.org/security/data-integrity/v2", NS]
ACTOR_CONTEXT = [AS2, "https://www.w3.org/ns/cid/v1", "https://w3id.org/security/data-integrity/v2", NS]
ACTIVITY_JSON = "application/activity+json"
NAME = "Etranger"
SHA256, ED25519 = b"\x12\x20", b"\xed\x01"  # multicodecs


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


def multibase(data: bytes) -> str:
    return f"z{base58.b58encode(data).decode()}"


def raw_of(text: str, prefix: bytes = b"") -> bytes:
    """The bytes of a multibase text, behind the prefix that says what they are."""
    raw = base58.b58decode(text[1:])
    if not raw.startswith(prefix):
        raise Refused(422, "malformed")
    return raw.removeprefix(prefix)


def digest(document: Any) -> str:
    return multibase(SHA256 + hashlib.sha256(rfc8785.dumps(document)).digest())


def content_digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def link(stream: str, prev: str, row: Json) -> str:
    """The hash of the entry of a log that a row of a manifest names."""
    return digest({"v": 1, "stream": stream, "prev": prev, **row})


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def fresh() -> str:
    return base64url(secrets.token_bytes(16))


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
    """The Merkle tree hash of one leaf or more (RFC 9162, 2.1.1)."""
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
    def multikey(self) -> str:
        return multibase(ED25519 + self.private.public_key().public_bytes_raw())

    def prove(self, document: Json) -> Json:
        proof = {
            "@context": document["@context"],
            "type": "DataIntegrityProof",
            "cryptosuite": "eddsa-jcs-2022",
            "created": now(),
            "verificationMethod": self.id,
            "proofPurpose": "assertionMethod",
        }
        proof["proofValue"] = multibase(self.private.sign(_proved(document, proof)))
        return {**document, "proof": proof}


def _proved(document: Json, proof: Json) -> bytes:
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    bare = {name: value for name, value in document.items() if name not in {"proof", "signature"}}
    return b"".join(hashlib.sha256(rfc8785.dumps(part)).digest() for part in (options, bare))


def public(multikey: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw_of(multikey, ED25519))


def check_proof(document: Json, multikey: str | None, controller: str) -> None:
    """Refuses unless `controller` proved the document with this key."""
    proof = document.get("proof", {})
    if multikey is None:
        raise Refused(422, "unknown-actor")
    owner = proof.get("verificationMethod", "").partition("#")[0]
    said = (proof.get("cryptosuite"), proof.get("proofPurpose"), proof.get("@context"), owner)
    if said != ("eddsa-jcs-2022", "assertionMethod", document["@context"], controller):
        raise Refused(403, "bad-proof")
    try:
        public(multikey).verify(raw_of(proof["proofValue"]), _proved(document, proof))
    except Exception as error:
        raise Refused(403, "bad-proof") from error


# ---- HTTP message signatures


def _base(values: Json, parameters: str) -> bytes:
    lines = [f"{name}: {value}" for name, value in values.items()]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def sign(key: Key, label: str, values: Json, more: str) -> Json:
    """The two fields of a signature over all `values`, by name of the component; `more` parameters of it."""
    parameters = f'({" ".join(values)});created={int(time.time())};keyid="{key.id}";alg="ed25519";{more}'
    value = base64.b64encode(key.private.sign(_base(values, parameters))).decode()
    return {"Signature-Input": f"{label}={parameters}", "Signature": f"{label}=:{value}:"}


def find_signature(headers: Any, tag: str) -> tuple[str, str, list[str], str]:
    """Label, parameters, names of components and value of the one signature with this tag."""
    pattern = rf'(\w+)=(\(([^)]*)\)[^,]*?tag="{tag}")'
    found = re.findall(pattern, headers.get("Signature-Input") or "")
    values = dict(re.findall(r"(\w+)=(:[^:]*:)", headers.get("Signature") or ""))
    if len(found) != 1 or found[0][0] not in values:
        raise Refused(401)
    label, parameters, components = found[0]
    return label, parameters, components.split(" "), values[label]


def check_signature(headers: Any, tag: str, values: Json, multikey: str) -> dict[str, str]:
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
    return dict(re.findall(r';(\w+)="?([^";]+)', parameters))


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
        self.person = f"{self.origin}/people/{fresh()}"
        self.person_key = Key(f"{self.person}#ed25519")
        self.partner: Json = {}
        self.partner_key = ""
        self.invite = ""
        self.offer: Json = {}
        self.streams: dict[str, str] = {}
        self.waiting: list[tuple[Json, bytes]] = []
        self.ours: list[str] = []  # the hashes of a log, its genesis first
        self.theirs: list[str] = []
        self.exceptions: dict[int, Json] = {}
        self.keys = {self.person_key.id: self.person_key.multikey}
        self.node_keys: dict[str, str] = {}
        self.posts: dict[str, Json] = {}
        self.nonces: set[str] = set()
        self.lock = threading.RLock()

    def tell(self, event: str, **members: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **members}) + "\n")
        sys.stdout.flush()

    # ---- what we send

    def say(self, kind: str, *, by: Key | None = None, **members: Any) -> Json:
        key = by or self.key
        activity = {
            "@context": CONTEXT,
            "id": f"{self.origin}/a/{fresh()}",
            "actor": key.id.partition("#")[0],
            "published": now(),
            "salt": fresh(),
            "type": kind,
            "to": [self.partner["id"]],
            **members,
        }
        return key.prove(activity)

    def ask(self, method: str, url: str, body: bytes = b"", more: Json | None = None) -> Any:
        """One request, signed when it is a POST to the partner; the answer's signature is verified."""
        parts = urlsplit(url)
        headers = {"Host": parts.netloc} | (more or {})
        if method == "POST":
            headers["Content-Digest"] = content_digest(body)
            nonce, expires = fresh(), int(time.time()) + 300
            parameters = f'expires={expires};nonce="{nonce}";tag="extranet-peer"'
            headers |= sign(self.key, "sig1", request_values(method, url, headers), parameters)
        pool = urllib3.HTTPConnectionPool("127.0.0.1", parts.port or 80, timeout=10, retries=False)
        answer = pool.request(method, url.partition(parts.netloc)[2], body=body, headers=headers)
        if method == "POST" and answer.status < 300:
            if answer.headers["Content-Digest"] != content_digest(answer.data):
                raise Refused(502, "bad-proof")
            values = answer_values(answer.status, answer.headers, method, url, headers)
            check_signature(answer.headers, "extranet-receipt", values, self.partner_key)
        return answer

    def single(self, activity: Json) -> None:
        answer = self.ask("POST", self.partner["inbox"], compact(activity), {"Content-Type": ACTIVITY_JSON})
        self.tell("sent", type=activity["type"], status=answer.status, answer=answer.data.decode())

    def append(self, activity: Json) -> None:
        """Puts an activity behind our log and sends what the partner has not receipted."""
        with self.lock:
            body, stream = compact(activity), self.streams[self.id]
            row = {
                "activity": activity["id"],
                "contentDigest": content_digest(body),
                "seq": len(self.ours),
                "time": now(),
                "type": activity["type"],
            }
            self.ours.append(link(stream, self.ours[-1], row))
            self.waiting.append((row, body))
            rows = [each for each, _ in self.waiting]
            lines = [compact({"entries": rows, "v": 1}), *(line for _, line in self.waiting)]
        seq = rows[0]["seq"]
        prev, agreement = self.ours[seq - 1], self.ours[0]
        log = f'stream="{stream}", seq={seq}, count={len(rows)}, prev="{prev}", agreement="{agreement}"'
        body = b"".join(line + b"\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson", "Exchange-Log": log}
        answer = self.ask("POST", self.partner["endpoints"]["exchange"], body, headers)
        if answer.status != 200:
            self.tell("refused", status=answer.status, answer=answer.data.decode())
            return
        receipt = answer.json()
        check_proof(receipt, self.partner_key, self.partner["id"])
        if receipt["entryHash"] != self.ours[receipt["to"]] or receipt["stream"] != stream:
            raise Refused(502, "digest-mismatch")
        self.waiting = [each for each in self.waiting if each[0]["seq"] > receipt["to"]]
        self.tell("receipt", to=receipt["to"], type=activity["type"], exceptions=receipt["exceptions"])

    # ---- commands

    def do_accept(self, link: str) -> None:
        parts = urlsplit(link)
        secret = dict(parse_qsl(parts.fragment))
        origin = f"{parts.scheme}://{parts.netloc}"
        found = self.ask("GET", f"{origin}/.well-known/webfinger?resource={origin}/").json()
        href = next(each["href"] for each in found["links"] if each["rel"] == "self")
        self.partner = self.ask("GET", href).json()
        self.partner_key = self.partner["assertionMethod"][0]["publicKeyMultibase"]
        if base64url(hashlib.sha256(raw_of(self.partner_key, ED25519)).digest()) != secret["k"]:
            raise Refused(400, "bad-proof")
        self.keys[self.partner["assertionMethod"][0]["id"]] = self.partner_key
        self.node_keys = {self.partner["id"]: self.partner_key}
        self.invite = f"{origin}/peering/invites/{secret['i']}"
        binding = {
            "from": self.id,
            "invite": self.invite,
            "key": self.key.multikey,
            "nonce": fresh(),
            "to": self.partner["id"],
        }
        token = base64.urlsafe_b64decode(secret["t"] + "=" * (-len(secret["t"]) % 4))
        binding["mac"] = base64url(hmac.digest(token, rfc8785.dumps(binding), "sha256"))
        invite = {"id": self.invite, "type": "Invite", "actor": self.partner["id"]}
        self.single(self.say("Accept", object=invite, inviteBinding=binding))
        keys = sorted([self.key.multikey, self.partner_key])
        said = b"\0".join(text.encode() for text in ("xn-sas-1", self.invite, *keys))
        raw = hashlib.sha256(said).digest()
        groups = [int.from_bytes(raw[4 * i : 4 * i + 4], "big") % 100000 for i in range(6)]
        self.tell("fingerprint", groups=[f"{group:05}" for group in groups])

    def do_confirm(self) -> None:
        invite = {"id": self.invite, "type": "Invite", "state": "verified"}
        self.single(self.say("Update", object=invite))

    def do_agree(self) -> None:
        agreement, found = self.offer["object"], self.offer["objectDigest"]
        self.ours, self.theirs = [found], [found]
        self.streams = {each["node"]: each["stream"] for each in agreement["parties"]}
        offer = {name: self.offer[name] for name in ("id", "type", "actor")}
        self.append(self.say("Accept", object=offer, result=agreement["id"], objectDigest=found))

    def do_enter(self, invitation: str) -> None:
        self.append(self.say("Accept", object={"id": invitation, "type": "Invite"}))

    def do_join(self, space: str) -> None:
        person = actor("Person", "Ada", self.person_key, org={"id": self.id, "name": NAME})
        self.append(self.say("Update", object=self.key.prove(person)))
        self.append(self.say("Join", by=self.person_key, audience=space, to=[space], object=space))

    def do_post(self, space: str, context: str, reply: str, content: str) -> None:
        note = {
            "id": f"{self.origin}/o/{fresh()}",
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
        said = check_signature(headers, "extranet-peer", values, self.partner_key)
        if not {"created", "nonce"} <= said.keys() or headers["Content-Digest"] != content_digest(body):
            raise Refused(401)
        if abs(int(said["created"]) - time.time()) > 300:
            raise Refused(401, "clock")
        if said["nonce"] in self.nonces:
            raise Refused(409, "replay")
        self.nonces.add(said["nonce"])

    def take_single(self, body: bytes) -> bytes:
        activity = json.loads(body)
        check_proof(activity, self.partner_key, self.partner["id"])
        thing = activity["object"] if isinstance(activity["object"], dict) else {}
        if thing.get("type") == "LogCheckpoint":
            return compact(self.take_checkpoint(thing))
        if activity["type"] == "Offer":
            if activity["objectDigest"] != digest(thing):
                raise Refused(422, "malformed")
            self.offer = activity
        self.tell("single", type=activity["type"], state=thing.get("state"))
        return b""

    def take_checkpoint(self, checkpoint: Json) -> Json:
        check_proof(checkpoint, self.partner_key, self.partner["id"])
        known = self.theirs[1 : checkpoint["size"] + 1]
        if len(known) < checkpoint["size"]:
            raise Refused(409, "sequence-gap", expected=len(self.theirs))
        root = multibase(SHA256 + tree([raw_of(each, SHA256) for each in known]))
        same = (known[-1], root) == (checkpoint["head"], checkpoint["root"])
        self.tell("checkpoint", size=checkpoint["size"], same=same)
        receipt = self.receipt(checkpoint["id"], "processed" if same else "rejected")
        receipt |= {
            "agreement": self.offer["object"]["id"],
            "received": now(),
            "stream": checkpoint["stream"],
        }
        return self.key.prove(receipt | {"objectDigest": digest(checkpoint)})

    def receipt(self, thing: str, outcome: str) -> Json:
        return {
            "@context": CONTEXT,
            "id": f"{self.origin}/receipts/{fresh()}",
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
        if found["agreement"] != self.theirs[0]:
            raise Refused(409, "other-agreement", agreement=self.theirs[0])
        if stream != self.streams[self.partner["id"]]:
            raise Refused(403, "no-agreement")
        if seq > len(self.theirs):
            raise Refused(409, "sequence-gap", expected=len(self.theirs))
        chain = list(accumulate(rows, lambda prev, row: link(stream, prev, row), initial=prev))
        known = self.theirs[seq - 1 : seq + len(rows)]
        if chain[: len(known)] != known:
            raise Refused(409, "digest-mismatch")
        self.theirs += chain[len(known) :]
        for row, line in list(zip(rows, lines, strict=True))[len(known) - 1 :]:
            try:
                self.take_line(line, row["contentDigest"])
            except Refused as error:
                self.tell("rejected", line=line.decode(), problem=error.document["type"])
                problem = {"seq": row["seq"], "outcome": "rejected", "problem": error.document}
                self.exceptions[row["seq"]] = problem
        last = seq + len(rows) - 1 if rows else len(self.theirs) - 1
        covered = range(seq if rows else last, last + 1)
        receipt = self.receipt(stream, "processed") | {
            "agreement": self.offer["object"]["id"],
            "received": now(),
            "stream": stream,
            "from": covered[0],
            "to": last,
            "entryHash": self.theirs[last],
            "contentDigest": content_digest(body),
            "exceptions": [self.exceptions[each] for each in covered if each in self.exceptions],
        }
        return compact(self.key.prove(receipt))

    def take_line(self, line: bytes, told: str) -> None:
        if line and content_digest(line) != told:
            raise Refused(422, "digest-mismatch")
        if line:  # else it was erased since
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
                self.tell("post", **thing)
            case "Delete", _:
                self.erase(thing["id"], activity, raw)
            case kind, of:
                self.tell("heard", type=kind, object=of)

    def erase(self, id_: str, delete: Json, raw: bytes) -> None:
        """Forgets the post; when it was called back, tells the host so, once the request is answered."""
        former = self.posts.pop(id_, None)
        gone = {"id": id_, "formerDigest": digest(former), "stores": ["memory"], "at": now()}
        self.tell("erased", id=id_)
        if "recall" not in delete:
            return
        receipt = self.receipt(delete["id"], "erased") | {
            "type": ["DeliveryReceipt", "ErasureReceipt"],
            "contentDigest": content_digest(raw),
            "erased": [gone] if former else [],
            "residual": [],
        }
        answer = self.say("Create", object=self.key.prove(receipt))
        threading.Thread(target=self.append, args=(answer,)).start()


def door(node: Stranger) -> Any:
    """What stands on our port."""
    link = {"rel": "self", "type": ACTIVITY_JSON, "href": node.id}
    shown = {
        "/actor": actor(
            "Application",
            NAME,
            node.key,
            url=f"{node.origin}/",
            endpoints={"peeringEndpoint": f"{node.id}/inbox", "exchange": f"{node.origin}/exchange"},
            implements=[{"type": "Link", "href": f"{NS}#peering", "name": "Extranet peering profile 1"}],
        ),
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
