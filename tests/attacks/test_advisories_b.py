"""Origins, ids and actors: the rows of class B, at the door. Source: SECURITY 1.B."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import text

from federation import proofs
from federation.activity import new_id
from federation.http import Headers, Request
from federation.keys import SigningKey
from node.files import service
from tests.attacks.fence import Fence
from tests.attacks.peer import Said
from tests.node.threads.talk import begin

EVIL = "http://evil.localhost:8101"


@pytest.mark.advisory("B1", "B4")
@pytest.mark.parametrize("kind", ["Note", "Article", "Document", "Person", "Group", "Collection", "Multikey"])
def test_cve_2024_23832_what_is_named_on_another_origin_is_not_theirs(fence: Fence, kind: str) -> None:
    liar, marie = fence.liar, fence.marie
    for origin in (fence.victim.origin, fence.world.leroux.origin, EVIL):
        note = liar.note(marie, fence.bridge, id=f"{origin}/o/{new_id()}", type=kind)
        for verb in ("Create", "Update"):
            said = liar.says(verb, actor=marie, audience=fence.bridge, object=note)
            fence.refuses("out-of-scope", said)
        like = {"actor": marie, "audience": fence.bridge, "object": fence.posts["ines"]}
        fence.refuses("out-of-scope", liar.says("Like", id=f"{origin}/a/{new_id()}", **like))


@pytest.mark.advisory("B1")
def test_an_id_of_ours_is_never_given_to_what_comes_from_outside(fence: Fence) -> None:
    """Other spellings of our origin too: none of them is canonical, or none is the sender's."""
    liar = fence.liar
    host = fence.victim.host
    for origin in (
        f"http://{host.upper()}:8101",
        f"http://{host}.:8101",
        f"http://{host}:08101",
        f"http://x@{host}:8101",
        f"HTTP://{host}:8101",
        f"http://{host}:8101/..",
        f"http://{host}%2e:8101",
        f"http://{host}\\@nord-acier.localhost:8101",
    ):
        like = {"actor": fence.marie, "audience": fence.bridge, "object": fence.posts["ines"]}
        said = liar.says("Like", id=f"{origin}/a/{new_id()}", **like)
        assert said.problem in {"malformed", "out-of-scope"}, origin
        fence.refuses(said.problem, said)


@pytest.mark.advisory("B2", "B3")
@pytest.mark.parametrize(
    "kind", ["text/plain", "text/html", "application/json", "application/octet-stream", "image/png", "", "x"]
)
def test_cve_2024_25623_another_media_type_is_no_activity(fence: Fence, kind: str) -> None:
    liar = fence.liar
    for path in ("/exchange", "/actor/inbox", "/inbox"):
        request, _ = liar.batch([])
        request = Request(
            "POST",
            fence.victim.origin + path,
            Headers(
                [
                    (name, kind if name == "Content-Type" else value)
                    for name, value in request.headers
                    if not name.lower().startswith("signature")
                ]
            ),
            request.body,
        )
        answer = liar.sends(liar.signs(request))
        assert answer.status == 415, answer.body
        fence.recorded()


@pytest.mark.advisory("B5", "B9")
def test_cve_2024_52592_nobody_changes_what_another_made(fence: Fence) -> None:
    """The owner of the same node, of another node, and the node itself where it has no right."""
    liar, bridge = fence.liar, fence.bridge
    carol = liar.new("people")
    for owner in ("ines", "owen", "marie"):
        post = fence.posts[owner]
        for actor in (fence.marie, fence.nords, liar.node):
            if owner == "marie" and actor in {fence.marie, liar.node}:
                continue
            for claimed in (actor, getattr(fence, owner)):
                note = liar.note(claimed, bridge, id=post)
                said = liar.says("Update", actor=actor, audience=bridge, object=note)
                assert said.problem in {"out-of-scope", "not-member"}
                fence.refuses(said.problem, said)
            for target in (post, {"id": post, "type": "Tombstone"}, {"id": post, "type": "Note"}):
                said = liar.says("Delete", actor=actor, audience=bridge, object=target)
                assert said.problem in {"out-of-scope", "not-member"}
                fence.refuses(said.problem, said)
    like = {"id": liar.new("a"), "type": "Like", "actor": fence.ines, "object": fence.posts["marie"]}
    fence.refuses("out-of-scope", liar.says("Undo", actor=fence.marie, audience=bridge, object=like))
    fence.refuses("out-of-scope", liar.says("Undo", audience=bridge, object={**like, "actor": carol}))


@pytest.mark.advisory("B6", "B13")
def test_cve_2024_52593_a_page_links_to_nothing_that_a_partner_made_up(fresh: Fence) -> None:
    """`url`, previews, quotes and icons of a post are not shown, whoever says them."""
    liar = fresh.liar
    lies: dict[str, Any] = {
        "url": f"{EVIL}/url",
        "preview": {"type": "Link", "href": f"{EVIL}/preview", "name": "Preview of evil"},
        "quoteUrl": f"{EVIL}/quote",
        "quote": f"{EVIL}/quoted",
        "icon": {"type": "Image", "url": f"{EVIL}/icon"},
        "image": {"type": "Image", "url": f"{EVIL}/image"},
        "generator": {"type": "Application", "url": f"{EVIL}/generator"},
    }
    assert liar.creates(fresh.marie, fresh.bridge, name="Lies", **lies).outcome == "processed"
    victim = fresh.victim
    victim.identity.set_password(fresh.world.ines.id, "une phrase de passe longue")
    browser = victim.browser()
    browser.sign_in(fresh.world.ines)
    key = victim.fact("SELECT key FROM thread WHERE title = 'Lies'")
    page = browser.get(f"/threads/{key}")
    assert "A lie" in page.text
    assert "evil" not in page.text


SPELLINGS = (
    "http://NORD-ACIER.localhost:8101",
    "http://nord-acier.localhost.:8101",
    "http://nord-acier.localhost:08101",
    "http://nord-acier.localhost:8101/",
    "http://nord-acier.localhost:8101:8101",
    "http://nord-acier.localhost:80",
    "http://nord-acier.localhost",
    "https://nord-acier.localhost:8101",
    "HTTP://nord-acier.localhost:8101",
    "http://user@nord-acier.localhost:8101",
    "http://user:pass@nord-acier.localhost:8101",
    "http://nord-acier%2elocalhost:8101",
    "http://nord%2dacier.localhost:8101",
    "http://nord-acier\u3002localhost:8101",
    "http://\uff4eord-acier.localhost:8101",
    "http://nord\u2011acier.localhost:8101",
    "http://n\u043erd-acier.localhost:8101",
    "http://nord-acier.localhost:\uff18101",
    "http://nord-acier.localhost\t:8101",
    "http://nord-acier.localhost :8101",
    " http://nord-acier.localhost:8101",
    "http:/nord-acier.localhost:8101",
    "http:nord-acier.localhost:8101",
    "//nord-acier.localhost:8101",
    "nord-acier.localhost:8101",
    "http://[::1]:8101",
    "http://127.0.0.1:8101",
    "http://2130706433:8101",
    "http://0x7f.1:8101",
    "http://aubier.localhost:8101",
    "http://aubier.localhost:8101\\@nord-acier.localhost:8101",
    "http://aubier.localhost:8101#@nord-acier.localhost:8101",
    "http://aubier.localhost:8101?@nord-acier.localhost:8101",
    "http://nord-acier.localhost:8101@aubier.localhost:8101",
    "http://nord-acier.localhost:8101%00.aubier.localhost",
    "http://nord-acier.localhost.aubier.localhost:8101",
    "http://xn--nord-acier.localhost:8101",
    "http://nord-acier.localhost:65536",
    "http://nord-acier.localhost:-1",
    "http://nord-acier.localhost:",
    "http://.nord-acier.localhost:8101",
    "http://nord-acier..localhost:8101",
    "http://nord_acier.localhost:8101",
    "http://nord-acier.localhost:8101/./",
    "http://nord-acier.localhost:8101//",
    "javascript://nord-acier.localhost:8101",
    "file://nord-acier.localhost:8101",
    "data:nord-acier.localhost:8101",
    "urn:nord-acier.localhost:8101",
    "ftp://nord-acier.localhost:8101",
    "ws://nord-acier.localhost:8101",
    "http://nord-acier.localhost:8101;",
    "http://nord-acier.localhost:8101,",
    "http://nord-acier.localhost:8101|",
    "http://nord-acier.localhost:8101^",
    "http://nord-acier.localhost:8101`",
    "http://nord-acier.localhost:8101{}",
    "http://nord-acier.localhost:8101 ",
    "http://NORD-acier.LOCALHOST:8101",
    "http://nord-acier.local host:8101",
)


@pytest.mark.advisory("B7")
def test_cve_2023_42451_a_partner_has_one_spelling(fence: Fence) -> None:
    """No other one signs for it, and none names a person of its node."""
    assert len(SPELLINGS) >= 60
    liar = fence.liar
    raw = liar.key(liar.node).raw()
    for origin in SPELLINGS:
        key_id = f"{origin}/actor#ed25519"
        try:
            request, _ = liar.batch([], key=SigningKey.from_raw(raw, key_id))
        except Exception:  # noqa: BLE001 - no signature can even name it
            assert not (key_id.isascii() and key_id.isprintable())
        else:
            answer = liar.sends(request)
            assert answer.status in {401, 403}, origin
            fence.recorded()
        like = {"audience": fence.bridge, "object": fence.posts["ines"]}
        actor = fence.marie.replace(liar.origin, origin)
        said = liar.says("Like", actor=actor, key=SigningKey.from_raw(raw, f"{actor}#ed25519"), **like)
        assert said.outcome == "rejected", origin
        fence.refuses(said.problem, said)


@pytest.mark.advisory("B8")
@pytest.mark.parametrize(
    "shape", [1, 0, True, None, [], {}, "1", "/people/1", "people/1", [1], {"id": 1}, "admin"]
)
def test_an_author_of_another_shape_is_nobody(fence: Fence, shape: Any) -> None:
    liar = fence.liar
    note = {**liar.note(fence.marie, fence.bridge), "attributedTo": shape}
    for target in (note, {**note, "id": fence.posts["ines"]}):
        for verb in ("Create", "Update"):
            said = liar.says(verb, actor=fence.marie, audience=fence.bridge, object=target)
            assert said.problem in {"malformed", "out-of-scope"}
            fence.refuses(said.problem, said)


@pytest.mark.advisory("B8")
def test_an_author_of_ours_is_not_named_from_outside(fence: Fence) -> None:
    liar = fence.liar
    username = fence.victim.fact("SELECT preferred_username FROM person")
    for author in (fence.ines, username, [fence.ines], {"id": fence.ines}, [fence.marie, fence.ines]):
        note = {**liar.note(fence.marie, fence.bridge), "attributedTo": author}
        said = liar.says("Create", actor=fence.marie, audience=fence.bridge, object=note)
        assert said.problem in {"malformed", "out-of-scope"}
        fence.refuses(said.problem, said)


@pytest.mark.advisory("B10")
def test_cve_2026_47777_an_approval_is_of_one_thing(fence: Fence) -> None:
    """An answer to what was asked of another partner, and a receipt for what another entry carried."""
    liar = fence.liar
    with fence.victim.ground.database.reading() as session:
        query = "SELECT iri FROM activity WHERE type = 'Invite' OR type = 'Offer'"
        known = session.execute(text(query)).scalars().all()
    assert known
    for asked in known:
        for kind in ("Invite", "Offer"):
            about = {"id": asked, "type": kind, "actor": fence.bridge, "object": fence.bridge}
            fence.refuses("out-of-scope", liar.says("Accept", object=about, objectDigest="zQm" + "1" * 43))


@pytest.mark.advisory("B11")
def test_no_file_is_served_as_an_activity(fresh: Fence) -> None:
    """What somebody uploads as activity+json comes back as a download of bytes."""
    victim = fresh.victim
    lie = json.dumps(fresh.liar.writes("Delete", object=fresh.posts["ines"])).encode()
    for name in ("x.json", "y.json", "x.txt"):
        taken = service.take_in(victim.ground, name, BytesIO(lie))
        begin(victim, fresh.world.ines, victim.key_of(fresh.bridge), "Lisez.", title=name, files=(taken,))
    victim.identity.set_password(fresh.world.ines.id, "une phrase de passe longue")
    browser = victim.browser()
    browser.sign_in(fresh.world.ines)
    with victim.ground.database.reading() as session:
        keys = session.execute(text("SELECT key FROM attachment")).scalars().all()
    assert len(keys) == 3
    for key in keys:
        answer = browser.get(f"/files/{key}/x")
        assert answer.status_code == 200
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        answer.close()


@pytest.mark.advisory("B12")
def test_cve_2020_26257_activity_and_object_name_one_space(fence: Fence) -> None:
    liar, marie = fence.liar, fence.marie
    for space in (fence.nords, fence.side, fence.quiet, [fence.bridge], [fence.bridge, fence.side], None, 5):
        note = {**liar.note(marie, fence.bridge), "audience": space}
        said = liar.says("Create", actor=marie, audience=fence.bridge, object=note)
        assert said.problem in {"out-of-scope", "malformed"}, space
        fence.refuses(said.problem, said)
    for verb in ("Join", "Leave", "Follow"):
        for space in (fence.nords, fence.side, fence.quiet):
            said = liar.says(verb, actor=marie, audience=fence.bridge, object=space)
            fence.refuses("out-of-scope", said)


@pytest.mark.advisory("B12")
def test_a_signature_for_one_door_opens_no_other(fence: Fence) -> None:
    liar = fence.liar
    request, _ = liar.batch([])
    for path in ("/exchange/", "/exchange?x=1", "/inbox", "/actor/inbox", "/exchange%20"):
        moved = replace(request, url=fence.victim.origin + path)
        answer = liar.sends(moved)
        assert answer.status in {401, 404, 405, 415}, (path, answer.status)
        fence.recorded()


@pytest.mark.advisory("B14")
def test_a_proof_inside_proves_nothing_for_what_is_around(fence: Fence) -> None:
    """Her own words, with her good proof, in the mouth of another, and with his proof moved onto hers."""
    liar, marie = fence.liar, fence.marie
    hers = liar.writes("Create", actor=marie, audience=fence.bridge, object=liar.note(marie, fence.bridge))
    around = {**hers, "id": liar.new("a"), "actor": fence.nords, "object": hers}
    fence.refuses("bad-proof", liar.delivers(around))
    his = liar.writes("Like", actor=liar.node, audience=fence.bridge, object=fence.posts["ines"])
    fence.refuses("bad-proof", liar.delivers({**hers, "proof": his["proof"]}))
    fence.refuses("bad-proof", liar.delivers({**hers, "proof": [hers["proof"]]}))
    fence.refuses("bad-proof", liar.delivers({**hers, "proof": [hers["proof"], his["proof"]]}))
    said: Said = liar.delivers(proofs.unsigned(hers))
    fence.refuses("bad-proof", said)
