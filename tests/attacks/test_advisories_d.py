"""Who sees what: the rows of class D, at the doors for partners and at the pages. Source: SECURITY 1.D."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import text

from federation.activity import new_id
from federation.authn import SignIn
from federation.errors import NAMESPACE
from node.files import service
from node.identity.services.sessions import Begun
from node.identity.services.tokens import Scope
from node.spaces.services import sharing
from node.spaces.services import spaces as use
from tests.attacks.fence import Fence
from tests.node.identity.houses import PASSWORD, Browser
from tests.node.threads.talk import begin

ABSENT = "x" * 22
LANGUAGES = ("en", "fr", "de", "fr-CH, en;q=0.5", "*", "", "xx", "en-GB,en;q=0.9")
_NUMBERS = itertools.count(1)
#: Threads that answer fifty people, and how often each of them asks by script between two pages.
THREADS, ROUNDS = 10, 12
ACCEPTS = ("text/html", "application/json", "application/activity+json", "*/*")


@pytest.fixture
def outsider(fence: Fence) -> Browser:
    """A colleague of Inès who is in none of her spaces."""
    victim = fence.victim
    paul = victim.person(f"Paul Delmotte {next(_NUMBERS)}", password=PASSWORD)
    browser = victim.browser()
    browser.sign_in(paul)
    assert browser.is_in()
    fence.look()
    return browser


@pytest.mark.advisory("D1")
def test_cve_2024_37903_an_audience_is_not_widened_by_saying_it_again(fresh: Fence) -> None:
    liar, marie = fresh.liar, fresh.marie
    note = liar.note(marie, fresh.bridge)
    said = liar.writes(
        "Create", actor=marie, audience=fresh.bridge, to=[f"{fresh.bridge}/members"], object=note
    )
    assert liar.delivers(said).outcome == "processed"
    fresh.look()
    wider = {name: value for name, value in said.items() if name != "proof"} | {"cc": [fresh.nords]}
    again = liar.writes(
        "Create", actor=marie, **{k: v for k, v in wider.items() if k not in {"type", "actor"}}
    )
    fresh.refuses("replay", liar.delivers(again))
    moved = {"actor": marie, "audience": fresh.bridge, "object": {**note, "to": [fresh.nords]}}
    fresh.refuses("replay", liar.says("Create", **moved))
    for public in ("https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"):
        for name in ("to", "cc", "bto", "bcc", "audience"):
            lie = {**liar.note(marie, fresh.bridge), name: [public]}
            said_so = liar.says("Create", actor=marie, audience=fresh.bridge, object=lie)
            assert said_so.outcome == "rejected", (public, name)
            fresh.refuses(said_so.problem, said_so)


@pytest.mark.advisory("D2", "D3", "D4", "D8", "D20")
def test_cve_2024_23649_every_door_to_a_post_asks_who_may_read_it(fence: Fence, outsider: Browser) -> None:
    """Each page and form with a key of a space, a thread, a post or a person, for one who is in no space."""
    victim, first = fence.victim, fence.world.first
    space = victim.key_of(fence.bridge)
    person = victim.fact("SELECT key FROM participant WHERE iri = :iri", iri=fence.marie)
    keys = {"spaces": space, "threads": first.thread, "posts": first.post, "person": person}
    asked = 0
    for rule in victim.app.url_map.iter_rules():
        kind = rule.rule.removeprefix("/api/v1").split("/")[1]
        if kind not in {"spaces", "threads", "posts"} or "<key>" not in rule.rule:
            continue
        for key in (keys[kind], ABSENT):
            path = rule.rule.replace("<key>", key)
            path = re.sub(r"<(?:\w+:)?(?:person|asked|partner|relation)>", person, path)
            path += "?relation=1" if path.endswith("/proof") else ""  # asked for before who asks
            assert "<" not in path, path
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                status = _status(outsider, method, path)
                assert status in {401, 403, 404}, (method, path, status)
                asked += 1
    assert asked > 60
    fence.reads()


def _status(browser: Browser, method: str, path: str) -> int:
    if method == "GET":
        return browser.get(path).status_code
    if path.startswith("/api"):
        headers = {"Origin": browser.node.origin}
        return int(
            browser.client.open(
                path, method=method, base_url=browser.node.origin, json={}, headers=headers
            ).status_code
        )
    return browser.post(path, {"text": "x", "role": "manager"}, page="/me").status_code


@pytest.mark.advisory("D5")
def test_cve_2025_67500_forbidden_and_absent_are_one_answer(fence: Fence, outsider: Browser) -> None:
    first = fence.world.first
    space = fence.victim.key_of(fence.bridge)
    pairs = [
        (f"/threads/{first.thread}", f"/threads/{ABSENT}"),
        (f"/posts/{first.post}/history", f"/posts/{ABSENT}/history"),
        (f"/spaces/{space}", f"/spaces/{ABSENT}"),
        (f"/api/v1/spaces/{space}", f"/api/v1/spaces/{ABSENT}"),
    ]
    for language in LANGUAGES:
        for accept in ACCEPTS:
            headers = {"Accept-Language": language, "Accept": accept}
            for pair in pairs:
                shown = [_shown(outsider, path, headers) for path in pair]
                assert shown[0] == shown[1], (pair, headers)
                assert shown[0][0] == 404
    fence.reads()


def _shown(browser: Browser, path: str, headers: dict[str, str]) -> tuple[Any, ...]:
    """Status, headers and body, without what is new in each answer."""
    answer = browser.get(path, headers)
    kept = sorted((k, v) for k, v in answer.headers if k not in {"Date", "X-Reference", "Set-Cookie"})
    body = (
        re.sub(r'value="[\w=-]{40,}"', "", answer.text).replace(path, "").replace(path.rpartition("/")[2], "")
    )
    for key in path.split("/"):
        body = body.replace(key, "") if len(key) > 15 else body
    body = re.sub(r"[A-Za-z0-9_-]{8}(?=</code>)", "", body)
    return answer.status_code, kept, body


@pytest.mark.advisory("D5", "D11", "D12")
def test_cve_2021_39163_a_partner_reads_what_it_is_in_and_nothing_else(fence: Fence) -> None:
    """Space, roster, members, posts, people, logs: of a space it is not in, and what there never was."""
    liar = fence.liar
    for space in (fence.quiet, fence.side):
        for rest in ("", "/roster", "/members", "/followers", "/outbox", "/inbox", "/threads/1"):
            path = (space + rest).removeprefix(fence.victim.origin)
            fence.hides(path, absent=f"/spaces/{ABSENT}{rest}")
    for post in ("quiet", "side"):
        fence.hides(fence.posts[post].removeprefix(fence.victim.origin))
    with fence.victim.ground.database.reading() as session:
        posts = {name: fence.posts[name] for name in ("quiet", "side")}
        query = text("SELECT activity FROM post WHERE iri = :iri")
        said = [session.execute(query, {"iri": iri}).scalar_one() for iri in posts.values()]
    for activity in said:
        fence.hides(activity.removeprefix(fence.victim.origin), absent=f"/a/{ABSENT}")
    assert liar.gets(fence.posts["ines"]).status == 200
    assert liar.gets(f"{fence.bridge}/roster").status == 200
    fence.unchanged()


@pytest.mark.advisory("D12")
def test_cve_2022_39335_nobody_reads_the_log_to_another(fence: Fence) -> None:
    with fence.victim.ground.database.reading() as session:
        query = "SELECT iri FROM stream JOIN lane ON lane.id = lane_id WHERE ours AND node = :node"
        log = session.execute(text(query), {"node": fence.other.node}).scalar_one()
    assert fence.other.gets(f"{log}?from=1&to=5").status == 200
    fence.look()
    fence.hides(
        f"{log.removeprefix(fence.victim.origin)}?from=1&to=5", absent=f"/streams/{ABSENT}?from=1&to=5"
    )


@pytest.mark.advisory("D11")
def test_without_a_signature_nothing_is_read_but_the_node_itself(fence: Fence) -> None:
    paths = (fence.bridge, f"{fence.bridge}/roster", fence.ines, fence.posts["ines"], fence.quiet)
    for iri in paths:
        for accept in ("application/activity+json", "application/ld+json", "application/json"):
            client = fence.victim.app.test_client()
            path = iri.removeprefix(fence.victim.origin)
            answer = client.get(path, base_url=fence.victim.origin, headers={"Accept": accept})
            assert answer.status_code in {401, 404}, (iri, accept)
            assert b"Le Goff" not in answer.data
            assert b"Passerelle" not in answer.data


@pytest.mark.advisory("D13")
def test_cve_2023_43796_people_are_not_found_by_name(fence: Fence) -> None:
    """Neither ours nor a partner's: WebFinger knows the node alone."""
    client, host = fence.victim.app.test_client(), fence.victim.host
    handle = fence.victim.fact("SELECT preferred_username FROM person")
    for resource in (
        f"acct:{handle}@{host}:8101",
        f"acct:{handle}@{host}",
        fence.ines,
        f"acct:marie.lenoir@{host}",
        fence.marie,
        f"acct:marie.lenoir@{fence.liar.house.host}:8101",
        f"acct:{ABSENT}@{host}",
    ):
        answer = client.get(
            "/.well-known/webfinger", query_string={"resource": resource}, base_url=fence.victim.origin
        )
        assert answer.status_code in {400, 404}, resource
        assert b"Goff" not in answer.data
    fence.unchanged()


@pytest.mark.advisory("D7")
def test_cve_2025_62605_a_wrapper_gives_nothing_that_its_inside_has_not(fence: Fence) -> None:
    """An Announce in an Announce, of what stands elsewhere, by reference, and by another than the space."""
    liar, nords = fence.liar, fence.nords
    inner = liar.writes("Create", actor=fence.marie, audience=nords, object=liar.note(fence.marie, nords))
    rev = int(fence.victim.fact("SELECT rev FROM space WHERE iri = :iri", iri=nords)) + 1
    once = liar.announces(nords, inner, rev)
    said = liar.delivers(liar.announces(nords, once, rev))
    assert said.outcome == "rejected"
    fence.refuses(said.problem, said)
    for target in (fence.posts["ines"], fence.posts["side"], fence.posts["quiet"], inner["id"]):
        said = liar.says("Announce", actor=nords, audience=nords, rev=rev, object=target)
        assert said.outcome == "rejected"
        fence.refuses(said.problem, said)
    for actor in (fence.marie, liar.node):
        said = liar.says("Announce", actor=actor, audience=nords, rev=rev, object=inner)
        fence.refuses("out-of-scope", said)


@pytest.mark.advisory("D14", "D15", "D18")
def test_cve_2024_53867_who_was_taken_out_reads_nothing_more(fresh: Fence) -> None:
    """By page, by what is live, by file, by script with a token, and by the signed GET of the partner's node."""
    victim, ines = fresh.victim, fresh.world.ines
    paul = victim.person("Paul Delmotte", password=PASSWORD)
    name, key = paul.actor.rpartition("/")[2], victim.key_of(fresh.bridge)
    use.add_member(victim.ground, victim.by(ines), key, name)
    plan = service.take_in(victim.ground, "plan.txt", BytesIO(b"between ourselves"))
    post = begin(victim, ines, key, "Voici.", title="Plan", files=(plan,))
    browser, script = victim.browser(), victim.app.test_client()
    browser.sign_in(paul)
    token, _ = victim.identity.create_token(paul.id, "Lecture", [Scope.POSTS_READ, Scope.FILES_READ])
    file = victim.fact("SELECT key FROM attachment")
    pages = (
        f"/spaces/{key}",
        f"/spaces/{key}/members",
        f"/threads/{fresh.world.first.thread}",
        f"/posts/{fresh.world.first.post}/history",
        f"/live?space={key}&after=0.0",
        f"/files/{file}/plan.txt",
    )
    doors = (f"/api/v1/spaces/{key}/posts", f"/api/v1/spaces/{key}/live?after=0.0", f"/files/{file}/plan.txt")

    def statuses() -> list[int]:
        authorized = {"Authorization": f"Bearer {token}"}
        answers = [
            *(browser.get(path) for path in pages),
            *(script.get(path, base_url=victim.origin, headers=authorized) for path in doors),
        ]
        for each in answers:
            each.close()
        return [each.status_code for each in answers]

    assert set(statuses()) == {200}
    member = victim.fact("SELECT key FROM participant WHERE iri = :iri", iri=paul.actor)
    use.remove(victim.ground, victim.by(ines), key, member)
    assert set(statuses()) == {404}
    victim.identity.disable(paul.id)
    assert not browser.is_in()
    assert set(statuses()) <= {303, 401}

    digest = plan.document()["digestMultibase"]
    theirs = [
        *(f"{fresh.bridge}{rest}" for rest in ("", "/roster", "/receipts?after=0", "/outbox?after=0")),
        f"{victim.origin}/files/{digest}?space={fresh.bridge}",
    ]
    assert [iri for iri in theirs if fresh.liar.gets(iri).status != 200] == []
    sharing.remove_organisation(victim.ground, victim.by(ines), key, fresh.liar.node)
    later = begin(victim, ines, key, "Sans Nord Acier.")
    assert [iri for iri in (*theirs, later.iri) if fresh.liar.gets(iri).status != 404] == []
    assert (
        fresh.liar.gets(post.iri).status == 200
    )  # what it was told it reads again, as in its own copy of the log


@pytest.mark.advisory("D6")
def test_cve_2025_27399_who_is_signed_in_is_not_therefore_an_administrator(
    fence: Fence, outsider: Browser
) -> None:
    pages = [
        rule.rule
        for rule in fence.victim.app.url_map.iter_rules()
        if rule.rule.startswith(("/admin", "/partners"))
        and "<" not in rule.rule
        and "GET" in (rule.methods or ())
    ]
    assert len(pages) >= 4
    for path in pages:
        assert outsider.get(path).status_code in {403, 404}, path
        assert fence.victim.browser().get(path).status_code in {302, 303, 401, 403, 404}, path
    fence.reads()


@pytest.mark.advisory("D16", "D22")
def test_cve_2024_43780_nobody_gives_what_he_has_not(fence: Fence) -> None:
    """A member adds, a manager of one space in another, and a role that comes with a Join is no role."""
    liar, members = fence.liar, f"{fence.bridge}/members"
    carol = liar.new("people")
    for actor in (fence.marie, liar.node, fence.nords):
        for person in (carol, fence.marie, fence.ines, fence.owen):
            said = liar.says(
                "Add", actor=actor, audience=fence.bridge, object=person, target=members, role="manager"
            )
            fence.refuses("out-of-scope", said)
    said = liar.says("Join", actor=fence.marie, audience=fence.bridge, object=fence.bridge, role="manager")
    role = fence.victim.fact(
        "SELECT role FROM member JOIN participant ON participant.id = participant_id "
        "JOIN space ON space.id = space_id WHERE participant.iri = :who AND space.iri = :space",
        who=fence.marie,
        space=fence.bridge,
    )
    assert role == "member"


@pytest.mark.advisory("D1")
def test_what_was_deleted_does_not_come_back_by_being_said_again(fresh: Fence) -> None:
    """By its author, to us as the host; by the host, to a copy, also of what we never had."""
    liar, marie, to = fresh.liar, fresh.marie, [f"{fresh.bridge}/members"]
    note = liar.note(marie, fresh.bridge)
    said = {"actor": marie, "audience": fresh.bridge, "to": to}
    assert liar.says("Create", **said, object=note).outcome == "processed"
    assert liar.says("Delete", **said, object=note["id"]).outcome == "processed"
    fresh.look()
    fresh.refuses("replay", liar.says("Create", **said, object=note))
    fresh.refuses("out-of-scope", liar.says("Update", **said, object=note))

    for verbs in (("Create", "Delete", "Create"), ("Delete", "Create", "Update")):
        note = liar.note(marie, fresh.nords, content="<p>kingfisher</p>")
        for verb in verbs:
            inner = liar.writes(
                verb, actor=marie, audience=fresh.nords, object=note["id"] if verb == "Delete" else note
            )
            rev = int(fresh.victim.fact("SELECT rev FROM space WHERE iri = :iri", iri=fresh.nords)) + 1
            liar.delivers(liar.announces(fresh.nords, inner, rev))
        stored = "SELECT state || content FROM post WHERE iri = :iri"
        assert fresh.victim.fact(stored, iri=note["id"]) == "deleted"


@pytest.mark.parametrize(
    "moment", ["2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-12-01T24:00:01Z", "0000-01-01T00:00:00Z"]
)
def test_a_time_that_is_on_no_calendar_is_the_senders_fault_and_not_tried_again(
    fence: Fence, moment: str
) -> None:
    liar = fence.liar
    said = {"actor": fence.marie, "audience": fence.bridge}
    recall = {"mode": "hide", "reason": f"{NAMESPACE}#mistake", "deadline": moment}
    fence.refuses("malformed", liar.says("Delete", **said, object=fence.posts["marie"], recall=recall))
    fence.refuses("malformed", liar.says("Like", **said, object=fence.posts["ines"], published=moment))


@pytest.mark.advisory("D19")
def test_cve_2016_9464_who_leaves_leaves_alone(fresh: Fence) -> None:
    """Leave is of the one who says it; of the others, nobody goes."""
    liar = fresh.liar
    fresh.refuses("not-member", liar.says("Leave", audience=fresh.bridge, object=fresh.bridge))
    said = liar.says("Leave", actor=fresh.marie, audience=fresh.bridge, object=fresh.ines)
    assert said.outcome == "rejected"
    fresh.refuses(said.problem, said)
    before = set(fresh.victim.names(fresh.bridge))
    assert (
        liar.says("Leave", actor=fresh.marie, audience=fresh.bridge, object=fresh.bridge).outcome
        == "processed"
    )
    assert set(fresh.victim.names(fresh.bridge)) == before - {"Marie Lenoir"}


@pytest.mark.advisory("D9")
def test_cve_2026_28433_a_digest_in_a_post_does_not_attach_anothers_file(fresh: Fence) -> None:
    victim = fresh.victim
    taken = service.take_in(victim.ground, "plan.txt", BytesIO(b"between ourselves"))
    begin(victim, fresh.world.ines, victim.key_of(fresh.quiet), "Voici.", title="Plan", files=(taken,))
    document = {**taken.document(), "id": fresh.liar.new()}
    fresh.may_leave = frozenset({"files.fetch"})
    fresh.look()
    said = fresh.liar.creates(fresh.marie, fresh.bridge, name="Mine", attachment=[document])
    fresh.takes(said, stream=3, activity=2, out_entry=2, space=1, turn=1, thread=1, post=1, attachment=1)
    digest = document["digestMultibase"]
    answer = fresh.liar.gets(f"/files/{digest}?space={fresh.bridge}")
    assert b"between ourselves" not in answer.body
    assert answer.status in {404, 503}
    fresh.recorded()


@pytest.mark.advisory("D21")
def test_cve_2026_3115_nobody_is_offered_whom_he_does_not_know(fence: Fence, outsider: Browser) -> None:
    for path in ("/spaces", "/me", "/", "/spaces/new"):
        page = outsider.get(path).text
        for name in ("Marie Lenoir", "Owen Hart", "Passerelle", "Entre nous"):
            assert name not in page, (path, name)
    fence.reads()


@pytest.mark.advisory("D24")
def test_cve_2026_27205_no_cache_keeps_what_is_for_one_person(fence: Fence, outsider: Browser) -> None:
    for path in ("/", "/spaces", "/me", f"/threads/{ABSENT}", "/api/v1/me", "/api/v1/spaces"):
        answer = outsider.get(path)
        control = answer.headers.get("Cache-Control", "")
        assert "no-store" in control, (path, control)
    fence.reads()
    for iri in (fence.posts["ines"], f"{fence.bridge}/roster"):
        signed = fence.liar.gets(iri)
        assert signed.status == 200
        assert "no-store" in str(signed.headers.get("cache-control"))
    assert "no-store" in str(fence.liar.gets(f"/o/{ABSENT}").headers.get("cache-control"))
    fence.recorded()
    said = fence.liar.says("Like", object=new_id())
    assert "no-store" in str(said.response.headers.get("cache-control"))
    fence.refuses(said.problem, said)


@pytest.mark.advisory("D25")
def test_cve_2024_41671_no_answer_goes_to_another(fresh: Fence) -> None:
    """Fifty people at once, by page and by script, each with a name of their own that only they are shown."""
    victim = fresh.victim
    people = [victim.person(f"Canary {number:02d}") for number in range(50)]
    browsers = [victim.browser() for _ in people]
    with victim.ground.database.writing() as session:  # fifty passwords would take longer than all the rest
        for person, browser in zip(people, browsers, strict=True):
            begun = Begun(person.id, "", SignIn(victim.origin))
            browser.put("parvis", victim.identity.sessions.begin(session, begun, victim.clock.now()))
    fresh.look()

    def look(mine: int) -> list[tuple[str, int, set[str]]]:
        """A thread as a server has it: in turn it answers each of those who are its own here."""
        wrong = []
        for path in (*["/api/v1/me"] * ROUNDS, "/me") * 2:
            for number in range(mine, len(people), THREADS):
                answer = browsers[number].get(path)
                names = set(re.findall(r"Canary \d\d", answer.text))
                if answer.status_code != 200 or names != {people[number].name}:
                    wrong.append((people[number].name, answer.status_code, names))
        return wrong

    with ThreadPoolExecutor(THREADS) as threads:
        assert [wrong for each in threads.map(look, range(THREADS)) for wrong in each] == []
    fresh.reads()
