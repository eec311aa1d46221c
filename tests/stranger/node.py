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
import re
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Json = dict[str, Any]

NS = "https://w3id.org/parvis/v1"
AS2 = "https://www.w3.org/ns/activitystreams"
CONTEXT = [AS2, "https://w3id.org/security/data-integrity/v2", NS]
ACTOR_CONTEXT = [AS2, "https://www.w3.org/ns/cid/v1", "https://w3id.org/security/data-integrity/v2", NS]
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ACTIVITY_JSON = "application/activity+json"


class Refused(Exception):
    """What the partner sent is not taken: an HTTP status and the fragment of a problem type."""

    def __init__(self, status: int, problem: str, **members: Any) -> None:
        super().__init__(problem)
        self.status = status
        self.document = {"type": f"{NS}#{problem}", "title": problem, "status": status, **members}


# ---- forms


def jcs(value: Any) -> bytes:
    """RFC 8785, for documents without fractions."""

    def ordered(part: Any) -> Any:
        if isinstance(part, dict):
            names = sorted(part, key=lambda name: name.encode("utf-16-be"))
            return {name: ordered(part[name]) for name in names}
        return [ordered(each) for each in part] if isinstance(part, list) else part

    return compact(ordered(value))


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
    return multihash(hashlib.sha256(jcs(document)).digest())


def content_digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


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

    @property
    def method(self) -> Json:
        return {
            "id": self.id,
            "type": "Multikey",
            "controller": self.id.partition("#")[0],
            "publicKeyMultibase": self.multikey,
        }

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
    return hashlib.sha256(jcs(options)).digest() + hashlib.sha256(jcs(bare)).digest()


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


def _signature(headers: Any, tag: str) -> tuple[str, str, list[str], bytes]:
    """Label, parameters, components and value of the one signature with this tag."""
    found = [each for each in _INPUT.findall(headers.get("Signature-Input") or "") if each[3] == tag]
    if len(found) != 1:
        raise Refused(401, "bad-proof")
    label, parameters, components, _ = found[0]
    value = re.search(rf"\b{label}=:([^:]*):", headers.get("Signature") or "")
    if value is None:
        raise Refused(401, "bad-proof")
    return label, parameters, components.split(" "), base64.b64decode(value[1])


def _base(components: list[str], values: Json, parameters: str) -> bytes:
    lines = [f"{each}: {values[each]}" for each in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def request_values(method: str, url: str, headers: Json) -> Json:
    values = {'"@method"': method, '"@target-uri"': url, '"@authority"': urlsplit(url).netloc}
    return values | {f'"{name.lower()}"': value for name, value in headers.items()}


def answer_values(status: int, headers: Any, method: str, url: str, asked: Any) -> Json:
    label, _, _, value = _signature(asked, "extranet-peer")
    return {
        '"@status"': status,
        '"content-digest"': headers.get("Content-Digest"),
        '"content-digest";req': asked.get("Content-Digest"),
        '"@method";req': method,
        '"@target-uri";req': url,
        f'"signature";req;key="{label}"': f":{base64.b64encode(value).decode()}:",
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
        self.roster: dict[str, Json] = {}
        self.posts: dict[str, Json] = {}
        self.nonces: set[str] = set()
        self.lock = threading.RLock()

    def tell(self, event: str, **members: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **members}) + "\n")
        sys.stdout.flush()

    def document(self) -> Json:
        return {
            "@context": ACTOR_CONTEXT,
            "id": self.id,
            "type": "Application",
            "name": "Étranger",
            "preferredUsername": "etranger",
            "inbox": f"{self.id}/inbox",
            "outbox": f"{self.id}/outbox",
            "url": f"{self.origin}/",
            "assertionMethod": [self.key.method],
            "endpoints": {"peeringEndpoint": f"{self.id}/inbox", "exchange": f"{self.origin}/exchange"},
            "implements": [{"type": "Link", "href": f"{NS}#peering", "name": "Extranet peering profile 1"}],
        }

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
            names = ["@method", "@target-uri", "@authority", "content-digest", "content-type"]
            components = [f'"{name}"' for name in [*names, *(["exchange-log"] if log else [])]]
            created = int(time.time())
            parameters = (
                f"({' '.join(components)});created={created};expires={created + 300};"
                f'nonce="{base64url(secrets.token_bytes(16))}";keyid="{self.key.id}";alg="ed25519";'
                'tag="extranet-peer"'
            )
            base = _base(components, request_values(method, url, headers), parameters)
            value = base64.b64encode(self.key.private.sign(base)).decode()
            headers |= {"Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{value}:"}
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if method == "POST" and answer.status < 300:
            _, parameters, components, signed = _signature(answer.headers, "extranet-receipt")
            if answer.headers["Content-Digest"] != content_digest(content):
                raise Refused(502, "bad-proof")
            values = answer_values(answer.status, answer.headers, method, url, headers)
            public(self.partner_key).verify(signed, _base(components, values, parameters))
        return answer.status, content

    def single(self, activity: Json) -> None:
        status, content = self.ask("POST", self.partner["inbox"], compact(activity), ACTIVITY_JSON)
        self.tell("sent", type=activity["type"], status=status, answer=content.decode()[:500])

    def append(self, activity: Json) -> None:
        """Puts an activity behind our log and sends what the partner has not receipted."""
        with self.lock:
            body = compact(activity)
            entry = {
                "v": 1,
                "stream": self.party(self.id)["stream"],
                "seq": len(self.ours) + 1,
                "prev": digest(self.ours[-1][0]) if self.ours else digest(self.agreement),
                "activity": activity["id"],
                "type": activity["type"],
                "contentDigest": content_digest(body),
                "time": now(),
            }
            self.ours.append((entry, body))
            waiting = self.ours[self.acknowledged :]
        rows = [
            {name: each[name] for name in ("activity", "contentDigest", "seq", "time", "type")}
            for each, _ in waiting
        ]
        lines = [compact({"entries": rows, "v": 1}), *(line for _, line in waiting)]
        first = waiting[0][0]
        log = (
            f'stream="{first["stream"]}", seq={first["seq"]}, count={len(rows)}, '
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
        last = next(each for each, _ in self.ours if each["seq"] == receipt["to"])
        if receipt["entryHash"] != digest(last) or receipt["stream"] != last["stream"]:
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
        self.invite = f"{origin}/peering/invites/{secret['i']}"
        binding = {
            "from": self.id,
            "invite": self.invite,
            "key": self.key.multikey,
            "nonce": base64url(secrets.token_bytes(16)),
            "to": self.partner["id"],
        }
        token = base64.urlsafe_b64decode(secret["t"] + "=" * (-len(secret["t"]) % 4))
        binding["mac"] = base64url(hmac.digest(token, jcs(binding), "sha256"))
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
        person = {
            "@context": ACTOR_CONTEXT,
            "id": self.person,
            "type": "Person",
            "name": "Ada Fictive",
            "preferredUsername": "ada",
            "inbox": f"{self.person}/inbox",
            "outbox": f"{self.person}/outbox",
            "assertionMethod": [self.person_key.method],
            "org": {"id": self.id, "name": "Étranger"},
        }
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

    def check_request(self, method: str, url: str, headers: Any, body: bytes) -> None:
        _, parameters, components, value = _signature(headers, "extranet-peer")
        wanted = {'"@method"', '"@target-uri"', '"@authority"', '"content-digest"', '"content-type"'}
        created = re.search(r";created=(\d+)", parameters)
        nonce = re.search(r';nonce="([^"]+)"', parameters)
        if not wanted <= set(components) or not created or not nonce or nonce[1] in self.nonces:
            raise Refused(401, "bad-proof")
        if abs(int(created[1]) - time.time()) > 300:
            raise Refused(401, "clock")
        if headers["Content-Digest"] != content_digest(body):
            raise Refused(401, "bad-proof")
        try:
            base = _base(components, request_values(method, url, dict(headers)), parameters)
            public(self.partner_key).verify(value, base)
        except Exception as error:
            raise Refused(401, "bad-proof") from error
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
        return self.key.prove(receipt | {"objectDigest": digest(checkpoint), "stream": checkpoint["stream"]})

    def receipt(self, thing: str, outcome: str) -> Json:
        return {
            "@context": CONTEXT,
            "id": f"{self.origin}/receipts/{base64url(secrets.token_bytes(16))}",
            "type": "DeliveryReceipt",
            "attributedTo": self.id,
            "object": thing,
            "agreement": self.agreement["id"],
            "outcome": outcome,
            "received": now(),
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
        activity = json.loads(line)
        actor, thing = activity["actor"], activity.get("object")
        check_proof(activity, self.keys.get(activity["proof"]["verificationMethod"]), actor)
        kind = thing.get("type") if isinstance(thing, dict) else None
        if activity["type"] == "Update" and isinstance(thing, dict) and "assertionMethod" in thing:
            self.take_actor(thing, self.partner_key)
        elif activity["type"] == "Invite" and isinstance(thing, dict):
            self.tell("invited", invitation=activity["id"], space=thing["id"])
        elif activity["type"] == "Announce" and isinstance(thing, dict):
            if "assertionMethod" in thing:
                nodes = [each for roster in self.roster.values() for each in roster["nodes"]]
                owner = thing["proof"]["verificationMethod"].partition("#")[0]
                self.take_actor(thing, next((each["key"] for each in nodes if each["node"] == owner), None))
            elif kind == "Roster":
                self.take_roster(thing)
            else:
                self.take_announced(thing)
        else:
            self.tell("heard", type=activity["type"], object=kind)

    def take_actor(self, document: Json, key: str | None) -> None:
        check_proof(document, key, document["proof"]["verificationMethod"].partition("#")[0])
        for method in document["assertionMethod"]:
            self.keys[method["id"]] = method["publicKeyMultibase"]

    def take_roster(self, roster: Json) -> None:
        check_proof(roster, self.partner_key, self.partner["id"])
        self.roster[roster["attributedTo"]] = roster
        self.tell("roster", version=roster["version"], space=roster["attributedTo"])

    def take_announced(self, activity: Json) -> None:
        if activity.get("type") == "Update" and activity["object"].get("type") == "Roster":
            self.take_roster(activity["object"])
            return
        check_proof(activity, self.keys.get(activity["proof"]["verificationMethod"]), activity["actor"])
        thing = activity["object"]
        if activity["type"] == "Create":
            self.posts[thing["id"]] = thing
            self.tell(
                "post",
                id=thing["id"],
                by=activity["actor"],
                context=thing["context"],
                content=thing["content"],
            )
        elif activity["type"] == "Delete" and "recall" in activity:
            self.erase(activity)
        else:
            self.tell("announced", type=activity["type"])

    def erase(self, recall: Json) -> None:
        """Forgets the post and tells the host so, once the request is answered."""
        thing = recall["object"]
        id_ = thing if isinstance(thing, str) else thing["id"]
        former = self.posts.pop(id_, None)
        gone = {"id": id_, "stores": ["memory"], "at": now()}
        if former is not None:
            gone["formerDigest"] = digest(former)
        receipt = self.receipt(recall["id"], "erased") | {
            "type": ["DeliveryReceipt", "ErasureReceipt"],
            "contentDigest": content_digest(compact(recall)),
            "erased": [gone],
            "residual": [],
        }
        del receipt["agreement"], receipt["received"]
        answer = self.say("Create", to=[self.partner["id"]], object=self.key.prove(receipt))
        threading.Thread(target=self.append, args=(answer,)).start()
        self.tell("erased", id=id_)


def handler(node: Stranger) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            link = {"rel": "self", "type": ACTIVITY_JSON, "href": node.id}
            service = {**link, "rel": f"{AS2}#Service"}
            found = {
                "/actor": node.document(),
                "/.well-known/webfinger": {"subject": f"{node.origin}/", "links": [service, link]},
                "/.well-known/nodeinfo": {"links": [{"rel": f"{AS2}#Application", "href": node.id}]},
            }.get(urlsplit(self.path).path)
            self.answer(200 if found else 404, compact(found or {}), signed=False)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.url = f"{node.origin}{self.path}"
            try:
                with node.lock:
                    node.check_request("POST", self.url, self.headers, body)
                    if self.path == "/exchange":
                        self.answer(200, node.take_batch(self.headers["Exchange-Log"], body))
                    else:
                        self.answer(202, node.take_single(body))
            except Refused as error:
                node.tell("refusing", **error.document)
                self.answer(error.status, compact(error.document), signed=error.status != 401)

        def answer(self, status: int, body: bytes, *, signed: bool = True) -> None:
            headers = {"Content-Type": ACTIVITY_JSON, "Content-Digest": content_digest(body)}
            if signed:
                values = answer_values(status, headers, "POST", self.url, self.headers)
                parameters = (
                    f"({' '.join(values)});created={int(time.time())};"
                    f'keyid="{node.key.id}";alg="ed25519";tag="extranet-receipt"'
                )
                value = node.key.private.sign(_base(list(values), values, parameters))
                headers["Signature-Input"] = f"rcpt={parameters}"
                headers["Signature"] = f"rcpt=:{base64.b64encode(value).decode()}:"
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Door


def main() -> None:
    port = int(sys.argv[1])
    node = Stranger(port)
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(node))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    node.tell("ready", id=node.id)
    for line in sys.stdin:
        command = json.loads(line)
        getattr(node, f"do_{command.pop('do')}")(**command)


if __name__ == "__main__":
    main()
