"""Ten thousand requests that nobody should send: none breaks the node, none takes long, none changes anything.

From one seed, which a failure names; other seeds by `PARVIS_SEED`. Each begins with something that is nearly right.
Source: RELIABILITY S7; SECURITY TH-31, TH-32.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from jinja2 import FileSystemBytecodeCache
from werkzeug.test import Client

from federation import documents, proofs
from federation import exchange as log
from federation.activity import Document, new_id
from federation.errors import RemoteError
from federation.http import Headers, Request
from node.identity.services.tokens import Scope
from node.wire.doors import RATES
from node.wire.rates import Rates
from tests.attacks.conftest import world_in
from tests.attacks.fence import Fence
from tests.node.identity.houses import PASSWORD, Browser

SEED = int(os.environ.get("PARVIS_SEED", "20261124"))
CASES = 10_000
MOST_S = 2.0
LINES, PROVED = 50, 100

#: Of each door, its share in percent.
SHARES = {
    "exchange": 20,
    "lines": 30,
    "unsigned": 15,
    "inbox": 12,
    "reading": 8,
    "api": 9,
    "forms": 6,
}
#: What is written about a request or a line that is refused, and when a token or a session was used last.
KEPT_OF_REFUSALS = frozenset(
    {"audit", "in_entry", "stream", "receipt_given", "nonce", "token", "session", "lane"}
)

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**53, -(2**63), 10**400, 1.5, 1e308, "", " ", "\x00", "\u202e", "\ud800", "é" * 300,
    "x" * 70_000, [], {}, [[]], {"": ""}, [None], {"id": None}, {"@id": "x"}, {"@graph": []}, "https://", "http://[",
    "http://\x00/", "javascript:x", "../..", "%00", "%ff", "{{7*7}}", "'; DROP TABLE post; --", "<script>", "${x}",
    "0" * 5000, "1e999", "NaN", float("nan"), float("inf"), ["x"] * 2000, {str(n): n for n in range(2000)},
)  # fmt: skip
RAW: tuple[bytes, ...] = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", b"{", b"}", b"[", b"[]", b"{}", b"null", b"NaN", b"-", b'"', b'"\\u',
    b'{"a":1,"a":2}', b"{" * 10_000, b"[" * 10_000, b'{"a":' * 5_000, b"\n" * 1000, b"\r\n\r\n", b"\x80" * 100,
    b'{"v":1,"entries":[]}', b'{"v":1e999}', b'{"v":' + b"9" * 5_000 + b"}", b'{"\\ud800":1}', b"<xml/>", b"%PDF-1.4",
    b"PK\x03\x04", b"a=b&c=d", b"--x\r\nContent-Disposition: form-data\r\n\r\n", b"\x1f\x8b\x08\x00" + b"\x00" * 50,
)  # fmt: skip


def bent(rng: random.Random, document: Any) -> Any:
    """The document with one thing about it changed, somewhere."""
    changed = copy.deepcopy(document)
    places: list[tuple[Any, Any]] = []
    stack = [changed]
    while stack:
        place = stack.pop()
        for step in place if isinstance(place, dict) else range(len(place)):
            places.append((place, step))
            if isinstance(place[step], dict | list):
                stack.append(place[step])
    place, step = rng.choice(places)
    way = rng.randrange(5)
    if way == 0 and isinstance(place, dict):
        del place[step]
    elif way == 1 and isinstance(place, dict):
        place[rng.choice(("@graph", "x", step.upper(), f"{step} ", "\x00", "é"))] = place.pop(step)
    elif way == 2:
        place[step] = [place[step]]
    elif way == 3:
        place[step] = {"id": place[step]}
    else:
        place[step] = rng.choice(NASTY)
    return changed


def written(value: Any) -> bytes:
    """As JSON, or as what passes for it with Python."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def broken(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with a few changed, doubled, lost or put in."""
    found = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        way = rng.randrange(5)
        if way == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            found[at:at] = rng.choice(RAW)[:200]
        elif way == 2:
            del found[at : at + rng.randint(1, 40)]
        elif way == 3:
            found[at:at] = found[at : at + rng.randint(1, 60)]
        else:
            found[at:] = b""
    return bytes(found)


class Campaign:
    """All cases of one seed, each door in its turn."""

    def __init__(self, fence: Fence, seed: int) -> None:
        self.fence, self.rng = fence, random.Random(seed)
        self.client = Client(fence.victim.app)
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.slowest = 0.0
        ticks = itertools.count(step=10)
        fence.victim.app.extensions[RATES] = Rates(clock=lambda: float(next(ticks)))
        fence.victim.identity.set_password(fence.world.ines.id, PASSWORD)
        scopes = tuple(each for each in Scope if each.value.partition(":")[0] in {"me", "spaces", "posts"})
        self.token, _ = fence.victim.identity.create_token(fence.world.ines.id, "test", scopes)
        self.browser: Browser = fence.victim.browser()
        self.browser.sign_in(fence.world.ines)
        self.form = self.browser.token("/me")

    def run(self, door: str, cases: int) -> None:
        go: Callable[[int], Iterator[int]] = getattr(self, f"_{door}")
        for status in go(cases):
            self.statuses[door, status] += 1

    def _open(self, path: str, method: str, headers: Any, body: bytes) -> int:
        began = time.perf_counter()
        answer = self.client.open(
            path, base_url=self.fence.victim.origin, method=method, headers=headers, data=body
        )
        answer.get_data()
        answer.close()
        took = time.perf_counter() - began
        self.slowest = max(self.slowest, took)
        assert answer.status_code < 500, (SEED, method, path[:200], body[:500])
        return answer.status_code

    def _send(self, request: Request) -> int:
        path = request.url.removeprefix(self.fence.victim.origin)
        return self._open(path, request.method, list(request.headers), request.body)

    # -- nearly right

    def _activity(self) -> Document:
        """Something that may not be said, so that what becomes of it is a refusal even where it stays readable."""
        liar, fence = self.fence.liar, self.fence
        document = liar.note(fence.marie, fence.quiet, tag=[{"type": "Mention", "href": fence.ines}])
        return liar.writes(
            "Create", actor=fence.marie, audience=fence.quiet, to=[fence.quiet], object=document
        )

    def _manifest(self) -> tuple[Request, bytes]:
        request, _ = self.fence.liar.batch([self._document] * self.rng.randint(1, 3))
        return request, request.body

    _document: Document

    # -- the doors

    def _exchange(self, cases: int) -> Iterator[int]:
        """Batches whose signature holds, over what is no batch."""
        self._document = self._activity()
        for _ in range(cases):
            request, body = self._manifest()
            head, _, rest = body.partition(b"\n")
            way = self.rng.randrange(3)
            if way == 0:
                head = written(bent(self.rng, json.loads(head)))
                body = head + b"\n" + rest
            elif way == 1:
                body = broken(self.rng, body)
            else:
                body = self.rng.choice(RAW)
            field = str(request.headers.get("exchange-log"))
            if self.rng.randrange(3) == 0:
                field = self._log(field)
            fields = Headers([("Content-Type", "application/x-ndjson"), ("Exchange-Log", field)])
            status = self._send(self.fence.liar.signs(Request("POST", request.url, fields, body)))
            if status == 200:  # a batch after all, of lines that were refused: its log goes on from there
                self.fence.liar.take_over()
            yield status

    def _log(self, good: str) -> str:
        """A field that is none; one that can be read and has another `prev` would be a dispute, not a mistake."""
        said = broken(self.rng, good.encode()).decode("latin-1")
        said = "".join(each for each in said if " " <= each <= "~").strip()
        try:
            log.read_field(said)
        except RemoteError:
            return said or "x"
        return "x"

    def _lines(self, cases: int) -> Iterator[int]:
        """Batches that hold, of lines that do not."""
        liar, key = self.fence.liar, self.fence.liar.key(self.fence.marie)
        batches = max(1, (cases - PROVED) // LINES)
        for _ in range(batches):
            good = self._activity()
            lines = []
            for _ in range(LINES):
                way = self.rng.randrange(4)
                if way == 0:
                    line = broken(self.rng, documents.dumps(good))
                elif way == 1:
                    line = self.rng.choice(RAW)
                else:
                    line = written(bent(self.rng, good))
                lines.append(line.replace(b"\n", b" ") or b" ")
            said = liar.delivers(*lines, row={"kind": "Create"})
            assert said.response.status == 200, said.response.body
            for outcome, problem in said.outcomes:
                assert outcome == "rejected", (SEED, problem)
                yield said.response.status
        for _ in range(cases - batches * LINES):  # and some with a proof that holds for what they say
            document = bent(self.rng, {k: v for k, v in self._activity().items() if k != "proof"})
            try:
                said = liar.delivers(proofs.sign(document, key, liar.moment), row={"kind": "Create"})
            except Exception:  # noqa: BLE001 - it has no canonical form: as it is, then
                said = liar.delivers(written(document), row={"kind": "Create"})
            assert said.outcome == "rejected", (SEED, document)
            yield said.response.status

    def _unsigned(self, cases: int) -> Iterator[int]:
        """Fields that are broken: signature, digest, log, type, and lengths."""
        self._document = self._activity()
        request, _ = self._manifest()
        for _ in range(cases):
            name = self.rng.choice([name for name, _ in request.headers])
            fields = []
            for other, value in request.headers:
                said = broken(self.rng, value.encode()).decode("latin-1") if other == name else value
                fields.append((other, "".join(c for c in said if c not in "\r\n\x00")))
            yield self._open("/exchange", "POST", fields, request.body)

    def _inbox(self, cases: int) -> Iterator[int]:
        """Single activities: signed and not, of the handshake and of all else."""
        offer = self.fence.liar.writes(
            "Offer", object={"id": self.fence.liar.new(), "type": ["Relationship", "PeeringAgreement"]}
        )
        accept = {**offer, "type": "Accept", "inviteBinding": {"invite": "x", "mac": "z", "key": "z6Mk"}}
        for number in range(cases):
            good = (offer, accept, self._activity())[number % 3]
            way = self.rng.randrange(3)
            body = written(bent(self.rng, good)) if way else broken(self.rng, documents.dumps(good))
            if self.rng.randrange(8) == 0:
                body = self.rng.choice(RAW)
            url = self.fence.victim.origin + self.rng.choice(("/inbox", "/actor/inbox"))
            request = Request("POST", url, Headers([("Content-Type", "application/activity+json")]), body)
            yield self._send(self.fence.liar.signs(request) if self.rng.randrange(4) else request)

    def _reading(self, cases: int) -> Iterator[int]:
        """Addresses and questions that are none, signed where it may help."""
        places = (
            "/.well-known/webfinger?resource={}", "/.well-known/nodeinfo?{}", "/nodeinfo/{}", "/actor?{}", "/o/{}",
            "/a/{}", "/people/{}", "/spaces/{}", "/spaces/{}/roster", "/streams/{}?from=1&to=2",
            "/streams/x?from={}&to=5", "/files/{}?space=x", "/files/x?space={}", "/files/{}/x", "/{}",
        )  # fmt: skip
        for _ in range(cases):
            text = str(self.rng.choice(NASTY))[:3000]
            if self.rng.randrange(2):
                text = broken(self.rng, b"acct:ines@aubier.localhost:8101").decode("latin-1")
            quoted = "".join(
                c if c.isascii() and c.isalnum() else f"%{ord(c) % 256:02X}" for c in text.replace("\n", "")
            )
            path = self.rng.choice(places).format(quoted)
            fields = Headers(
                [("Accept", self.rng.choice(("application/activity+json", "*/*", "x", "text/html")))]
            )
            request = Request("GET", self.fence.victim.origin + path, fields)
            yield self._send(self.fence.liar.signs(request) if self.rng.randrange(2) else request)

    def _api(self, cases: int) -> Iterator[int]:
        """Scripts with a token of every scope, and bodies that no schema allows."""
        first, space = self.fence.world.first, self.fence.victim.key_of(self.fence.bridge)
        doors = (
            ("POST", "/spaces", "name"), ("POST", f"/spaces/{space}/threads", "text"),
            ("POST", f"/threads/{first.thread}/posts", "text"), ("PATCH", f"/posts/{first.post}", "text"),
            ("POST", f"/spaces/{space}/members", "person"),
            ("POST", f"/spaces/{space}/invitations", "partner"),
        )  # fmt: skip
        wrong = [each for each in NASTY if not isinstance(each, str) or each in {"", "\x00"}]
        for _ in range(cases):
            method, path, name = self.rng.choice(doors)
            way = self.rng.randrange(3)
            body = self.rng.choice(RAW) if way == 0 else written({name: self.rng.choice(wrong), "x": "y"})
            if way == 1:
                body = broken(self.rng, body)
            kind = self.rng.choice(
                ("application/json", "application/json", "text/plain", "", "x/y; charset=z")
            )
            fields = [("Authorization", f"Bearer {self.token}"), ("Content-Type", kind)]
            status = self._open(f"/api/v1{path}", method, fields, body)
            assert status >= 400, (SEED, method, path, body[:300])
            yield status

    def _forms(self, cases: int) -> Iterator[int]:
        """Forms of somebody who is signed in, with what no form of ours sends."""
        first, space = self.fence.world.first, self.fence.victim.key_of(self.fence.bridge)
        doors = (
            ("/spaces/new", "name"), (f"/threads/{first.thread}/posts", "text"), (f"/posts/{first.post}/edit", "text"),
            (f"/spaces/{space}/members", "person"), (f"/spaces/{space}/share", "partner"), ("/partners/accept", "link"),
        )  # fmt: skip
        for _ in range(cases):
            path, name = self.rng.choice(doors)
            text = self.rng.choice(("", "\x00", "x" * 250_000, " ", "\t\n"))
            values = {
                name: text,
                "audience": "x",
                self.rng.choice(("a", "\x00", "é")): str(self.rng.choice(NASTY))[:500],
            }
            if self.rng.randrange(4):
                values["csrf_token"] = self.form
            answer = self.browser.client.post(
                path,
                base_url=self.fence.victim.origin,
                data={key: value.encode("utf-8", "replace") for key, value in values.items()},
                headers={"Origin": self.fence.victim.origin, "Accept": "text/html"},
            )
            assert 400 <= answer.status_code < 500, (SEED, path, text[:50], answer.status_code)
            yield answer.status_code


@pytest.fixture
def campaign(tmp_path: Path, compiled: FileSystemBytecodeCache) -> Iterator[Campaign]:
    """On a node whose rates hold nobody up: others ask about those."""
    with ExitStack() as closing:
        world, net = closing.enter_context(
            world_in(tmp_path, compiled, person_rate="100000", visitor_rate="100000")
        )
        yield Campaign(Fence(world, net), SEED)


@pytest.mark.slow
def test_ten_thousand_malformed_requests_change_nothing(campaign: Campaign) -> None:
    fence = campaign.fence
    fence.look()
    for door, share in SHARES.items():
        campaign.run(door, CASES * share // 100)
    assert sum(campaign.statuses.values()) == CASES
    assert campaign.slowest < MOST_S
    assert {door for door, _ in campaign.statuses} == set(SHARES)
    assert not any(status == 429 for _, status in campaign.statuses)
    assert not any(status == 401 for door, status in campaign.statuses if door in {"api", "forms"})
    fence._changed_only(KEPT_OF_REFUSALS)
    fence.victim.ground.audit.write_counted(at_once=True)
    with fence.victim.ground.database.reading() as session:
        fence.victim.ground.audit.verify(session)


@pytest.mark.slow
def test_after_all_of_it_the_honest_are_served(campaign: Campaign) -> None:
    """The stream goes on where it was, and the page is there."""
    campaign.run("lines", LINES)
    campaign.run("exchange", 20)
    liar = campaign.fence.liar
    liar.take_over()
    assert liar.creates(campaign.fence.marie, campaign.fence.bridge, name=new_id()).outcome == "processed"
    assert campaign.browser.get("/spaces").status_code == 200
