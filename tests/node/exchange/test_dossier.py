"""A file of evidence verifies anywhere, and no change of it goes unseen (RELIABILITY R13, R14)."""

from __future__ import annotations

import ast
import json
import random
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from federation import delivery, jcs, proofs
from federation.ports import Effect
from federation.verify import verify
from node.exchange import held, histories
from node.exchange.dossier import Wanted, dossier, received
from node.exchange.service import open_reading
from node.identity.services.keys import keys_of
from node.threads.ports import Objects
from tests.node.exchange.talk import Talk
from tests.node.exchange.test_histories import rewrite
from tests.node.spaces.world import House

ALONE = Path(verify.__file__)
STANDARD = {
    "__future__",
    "base64",
    "collections",
    "contextlib",
    "datetime",
    "functools",
    "hashlib",
    "json",
    "pathlib",
    "re",
    "sys",
}


def _file(house: House, talk: Talk, wanted: Wanted | None = None) -> bytes:
    with open_reading(house.ground) as work:
        return dossier(work, talk.relation_id(house), wanted or Wanted())


def _wrong(raw: bytes) -> list[tuple[str, str]]:
    return [(what, why) for what, why in verify.findings(raw) if why]


def _resealed(house: House, document: dict[str, Any]) -> bytes:
    """As the maker of the file would write it, had it changed something."""
    with open_reading(house.ground) as work:
        signer, moment = work.actors.signer(house.iri), document["made"]
    return jcs.canonicalize(proofs.sign(document, signer, moment)) + b"\n"


def speak(talk: Talk) -> Talk:
    """Three messages of each side."""
    for number in range(3):
        talk.from_guest(f"guest {number}")
        talk.from_host(f"hôte {number} “é”")
        talk.settle()
    return talk


@pytest.fixture
def spoken(talk: Talk) -> Talk:
    return speak(talk)


def test_everything_delivered_is_verified_with_and_without_a_checkpoint(spoken: Talk) -> None:
    for house in (spoken.aubier, spoken.nord):
        assert _wrong(_file(house, spoken)) == []
        assert histories.checkpoint(house.ground, spoken.relation_id(house)) is True
    for house in (spoken.aubier, spoken.nord):
        raw = _file(house, spoken)
        assert _wrong(raw) == []
        items = json.loads(raw)["items"]
        acknowledged = house.fact("SELECT acknowledged FROM stream WHERE ours")
        taken = house.fact("SELECT seq FROM stream WHERE NOT ours")
        assert len(items) == acknowledged + taken
        assert all(each["paths"] is not None for each in items)
        ours = [each for each in items if each["sent"] is not None]
        assert len(ours) == acknowledged  # level 1, for each delivery of ours


def test_one_post_is_proved_without_showing_another(spoken: Talk) -> None:
    said = spoken.from_host("only this")
    spoken.from_host("not that")
    spoken.settle()
    histories.checkpoint(spoken.aubier.ground, spoken.relation_id(spoken.aubier))
    raw = _file(spoken.aubier, spoken, Wanted((said.id,)))
    assert _wrong(raw) == []
    (item,) = json.loads(raw)["items"]
    assert said.id in item["activity"]
    assert b"not that" not in raw
    assert b"guest 0" not in raw


def test_the_verifier_runs_alone(spoken: Talk, tmp_path: Path) -> None:
    histories.checkpoint(spoken.nord.ground, spoken.relation_id(spoken.nord))
    file, alone = tmp_path / "evidence.json", tmp_path / "verify.py"
    file.write_bytes(_file(spoken.nord, spoken))
    alone.write_bytes(ALONE.read_bytes())
    run = [sys.executable, "-I", str(alone), str(file)]
    good = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (good.returncode, "NOT VERIFIED" in good.stdout) == (0, False)
    for house in (spoken.aubier, spoken.nord):  # what a reader compares with what is published
        assert re.search(
            rf"^verified: the key {house.iri}#\S+ z6Mk\w+, end: none$", good.stdout, re.MULTILINE
        )
    file.write_bytes(file.read_bytes().replace(b"guest 1", b"guest 9"))
    bad = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (bad.returncode, "NOT VERIFIED" in bad.stdout) == (1, True)
    gone = subprocess.run([*run[:-1], "nowhere"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert gone.returncode == 2


def test_the_verifier_is_one_short_file_that_needs_nothing_of_ours() -> None:
    source = ALONE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 300
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported - STANDARD == {"cryptography", "typing"}


def test_no_change_of_a_byte_goes_unseen(spoken: Talk) -> None:
    histories.checkpoint(spoken.nord.ground, spoken.relation_id(spoken.nord))
    raw = _file(spoken.nord, spoken)
    chance = random.Random(3)
    for _ in range(400):
        changed = bytearray(raw)
        match chance.randrange(4):
            case 0:
                changed[chance.randrange(len(raw))] ^= chance.randrange(1, 256)
            case 1:
                del changed[chance.randrange(len(raw))]
            case 2:
                changed.insert(chance.randrange(len(raw)), chance.randrange(256))
            case _:
                del changed[chance.randrange(1, len(raw)) :]
        assert bytes(changed) == raw or _wrong(bytes(changed)), changed


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the leaves of a JSON value stand."""
    if isinstance(value, dict):
        return [place for key in value for place in _places(value[key], (*path, key))]
    if isinstance(value, list) and value:
        return [place for index, each in enumerate(value) for place in _places(each, (*path, index))]
    return [path]


def _changed(value: Any, chance: random.Random) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + chance.choice((-1, 1))
        case str() if value:
            at = chance.randrange(len(value))
            return f"{value[:at]}{'x' if value[at] != 'x' else 'y'}{value[at + 1 :]}"
        case None:
            return "x"
        case _:
            return [1]


def test_its_maker_cannot_change_what_the_other_has_signed(spoken: Talk) -> None:
    """600 changes under a valid seal: of what was said, logged, receipted, confirmed and agreed."""
    histories.checkpoint(spoken.nord.ground, spoken.relation_id(spoken.nord))
    raw = _file(spoken.nord, spoken)
    chance = random.Random(4)
    proved = ("items", "agreements", "consents", "streams", "keys")
    places = [place for place in _places(json.loads(raw)) if place[0] in proved and place[-1] != "validUntil"]
    for _ in range(600):
        document = json.loads(raw)
        place = chance.choice(places)
        holder: Any = document
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = _changed(holder[place[-1]], chance)
        assert _wrong(_resealed(spoken.nord, document)), place


def test_entries_cannot_change_places_nor_receipts_their_entries(spoken: Talk) -> None:
    histories.checkpoint(spoken.nord.ground, spoken.relation_id(spoken.nord))
    raw = _file(spoken.nord, spoken)
    document = json.loads(raw)
    ours = [each for each in document["items"] if each["sent"]]
    for name in ("entry", "activity", "receipt", "sent", "paths"):
        changed = json.loads(raw)
        mine = [each for each in changed["items"] if each["sent"]]
        mine[0][name], mine[-1][name] = mine[-1][name], mine[0][name]
        if ours[0][name] != ours[-1][name]:
            assert _wrong(_resealed(spoken.nord, changed)), name


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Hosts fail to store anything while there is something in it."""
    failing: list[bool] = []
    plain = Objects.create

    def create(self: Objects, effect: Effect) -> None:
        if effect.space.hosted and failing:
            raise RuntimeError("a bug of ours")
        plain(self, effect)

    monkeypatch.setattr(Objects, "create", create)
    return failing


def _held(talk: Talk, failing: list[bool]) -> str:
    """What nord said, and aubier has only receipted as `received`."""
    failing.append(True)
    said = talk.from_guest("held").id
    talk.settle()
    failing.clear()
    return said


def _items(raw: bytes, said: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(raw)["items"]
    return [each for each in items if each["entry"]["activity"] == said]


@pytest.mark.parametrize("applied", [True, False], ids=["processed", "rejected"])
def test_the_last_word_on_an_entry_that_was_held_is_proved(
    talk: Talk, failing: list[bool], *, applied: bool
) -> None:
    said = _held(talk, failing)
    for house in (talk.nord, talk.aubier):
        raw = _file(house, talk)
        assert _wrong(raw) == []
        assert [(each["outcome"], each["late"]) for each in _items(raw, said)] == [("received", None)]
    if not applied:
        failing.append(True)
    for _ in range(1 if applied else held.MAX_TRIES):
        talk.aubier.clock.move(hours=1)
        held.retry(talk.aubier.ground)
    talk.settle()
    last = "processed" if applied else "rejected"
    for house, wanted in ((talk.nord, Wanted((said,))), (talk.nord, None), (talk.aubier, None)):
        raw = _file(house, talk, wanted)
        assert _wrong(raw) == []
        found = _items(raw, said)
        assert [each["outcome"] for each in found] == [last]
        assert any(f"entry {found[0]['entry']['seq']}, {last}" in what for what, _ in verify.findings(raw))
        for name, value in (("outcome", "received"), ("late", None), ("late", found[0]["activity"])):
            document = json.loads(raw)
            next(each for each in document["items"] if each["late"])[name] = value
            assert _wrong(_resealed(house, document)), name
    with open_reading(talk.nord.ground) as work:
        (one,) = received(work.session, (said,))
    late = json.loads(_items(_file(talk.nord, talk), said)[0]["late"])["object"]
    assert (one.outcome, one.receipt) == (last, late["id"])


def test_a_late_receipt_settles_no_other_entry(talk: Talk, failing: list[bool]) -> None:
    first, second = (_held(talk, failing) for _ in range(2))
    plain = talk.from_guest("plain").id
    talk.settle()
    talk.aubier.clock.move(hours=1)
    held.retry(talk.aubier.ground)
    talk.settle()
    raw = _file(talk.nord, talk)
    assert _wrong(raw) == []
    late = {said: _items(raw, said)[0]["late"] for said in (first, second, plain)}
    assert late[plain] is None
    for said in (second, plain):
        document = json.loads(raw)
        next(each for each in document["items"] if each["entry"]["activity"] == said)["late"] = late[first]
        assert _wrong(_resealed(talk.nord, document)), said


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"null", b'{"form": 1}', b"\xff", b'{"form":' + b"[" * 100_000]
)
def test_what_is_no_evidence_is_not_verified(raw: bytes) -> None:
    assert _wrong(raw)


def test_what_passed_before_a_dispute_stays_proved(spoken: Talk) -> None:
    """The streams that it ended stand in the file beside those that go on under the next version of the charter."""
    aubier, nord = spoken.aubier, spoken.nord
    ended = nord.relation(aubier)
    histories.checkpoint(nord.ground, ended.id)
    rewrite(nord, nord.fact("SELECT max(seq) FROM out_entry"))
    assert isinstance(_deliver_more(spoken), delivery.Stopped)
    aubier.propose(nord, purpose="after the dispute", onward="allowed")
    nord.agree(aubier)
    spoken.settle()
    now = nord.relation(aubier)
    assert now.genesis != ended.genesis
    raw = _file(aubier, spoken)
    assert _wrong(raw) == []
    said = json.loads(raw)
    wanted = {ended.stream_in, ended.stream_out, now.stream_in, now.stream_out}
    assert {each["entry"]["stream"] for each in said["items"]} == wanted
    begun = {each["entry"]["prev"] for each in said["items"] if each["entry"]["seq"] == 1}
    assert begun == {ended.genesis, now.genesis}
    assert [each["version"] for each in said["agreements"]] == [1, 2]
    said["agreements"] = said["agreements"][1:]
    assert any("another agreement" in why for _, why in _wrong(_resealed(aubier, said)))
    assert _wrong(_file(nord, spoken))  # who rewrote its log cannot prove it any more


def _deliver_more(spoken: Talk) -> delivery.Verdict:
    spoken.from_guest("after the rewriting")
    return spoken.nord.deliver(spoken.aubier)


def test_what_former_keys_have_signed_stays_proved(spoken: Talk) -> None:
    """Each side changes its key, and what was said before, and receipted, is verified beside what came since."""
    for house in (spoken.nord, spoken.aubier):
        keys_of(house.ground).rotate()
        house.settle_jobs()
        spoken.from_guest("under other keys")
        spoken.from_host("sous d’autres clés")
        spoken.settle()
    histories.checkpoint(spoken.nord.ground, spoken.relation_id(spoken.nord))
    for house in (spoken.nord, spoken.aubier):
        raw = _file(house, spoken)
        assert _wrong(raw) == []
        ended = {key["id"].partition("#")[0] for key in json.loads(raw)["keys"] if key["validUntil"]}
        assert ended == {spoken.nord.iri, spoken.aubier.iri}


def test_after_a_theft_the_next_version_of_the_charter_says_which_key_is_to_be_trusted(spoken: Talk) -> None:
    """What a stolen key has said since names no key that is believed; what it signed before stays proved."""
    aubier, nord = spoken.aubier, spoken.nord
    for house in (aubier, nord):
        house.clock.move(hours=1)
    keys_of(nord.ground).revoke(since=nord.clock.now() - timedelta(minutes=30))
    nord.settle_jobs()
    assert any("no node vouches" in why.lower() for _, why in _wrong(_file(nord, spoken)))
    for house, other in ((nord, aubier), (aubier, nord)):
        house.confirm(other)
    for house in (nord, aubier):
        house.settle_jobs()
    aubier.propose(nord, purpose="after a theft", onward="allowed")
    nord.agree(aubier)
    spoken.from_guest("under the key of the charter")
    spoken.settle()
    for house in (nord, aubier):
        raw = _file(house, spoken)
        assert _wrong(raw) == []
        assert any(key["validUntil"] for key in json.loads(raw)["keys"])
