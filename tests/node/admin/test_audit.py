"""The audit, read by an administrator on the page, by a script and on the command line."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from node.admin.service import LINES, Sought, trail_of
from node.cli import main
from node.core.audit import FIRST_HASH, Act
from node.identity.services.people import Person, Role
from node.identity.services.tokens import Scope
from tests.node.identity.houses import Browser, Node

NORD = "https://nordacier.example/actor"


def record(node: Node, *acts: Act) -> None:
    with node.ground.database.writing() as session:
        for act in acts:
            node.ground.audit.append(session, act)


def bearer(node: Node, person: Person, scope: Scope = Scope.AUDIT_READ) -> dict[str, str]:
    secret, _ = node.identity.create_token(person.id, "script", [scope], timedelta(days=1), by=person.actor)
    return {"Authorization": f"Bearer {secret}"}


def numbers(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'<td class="r num"[^>]*>(\d+)</td>', page)]


def parvis(node: Node, *words: str) -> Result:
    settings = node.ground.settings
    environment = {
        "PARVIS_ORIGIN": settings.origin,
        "PARVIS_ORGANISATION": settings.organisation,
        "PARVIS_ENVIRONMENT": "development",
        "PARVIS_DATA_DIR": str(settings.data_dir),
        "PARVIS_DATABASE_URL": settings.database_url,
        "PARVIS_SECRET_KEY": settings.secret_key,
    }
    return CliRunner().invoke(main, list(words), env=environment)


def test_the_page_is_for_administrators(node: Node, browser: Browser) -> None:
    assert browser.get("/admin/audit").status_code == 200
    other = node.browser()
    other.sign_in(node.person("Paul"))
    assert other.get("/admin/audit").status_code == 404
    assert node.browser().get("/admin/audit").status_code == 303


def test_a_line_says_who_did_what_to_whom(node: Node, browser: Browser, ines: Person) -> None:
    paul = node.person("Paul Marchetti")
    node.identity.give_role(paul.id, Role.ADMIN, by=ines.actor)
    record(
        node,
        Act("exchange.refused", peer=NORD, rule="unauthentic", detail={"rule": "Wrong key."}),
        Act("refused.unauthenticated", detail={"exchange.unauthenticated signature-required": 7}),
    )
    page = browser.get("/admin/audit", {"Accept-Language": "en"}).text
    assert re.search(r"Inès Le Goff.*Gave a role: admin.*Paul Marchetti", page, re.DOTALL)
    assert "nordacier.example" in page
    assert "unauthentic – Wrong key." in page
    assert "signature-required: 7" in page
    assert "The chain is whole." in page


def test_the_page_speaks_french(node: Node, browser: Browser) -> None:
    browser.post("/me/preferences", {"language": "fr"}, page="/me")
    page = browser.get("/admin/audit").text
    assert "Connexion (built-in)" in page
    assert "La chaîne est entière." in page


def test_to_read_is_on_record_once_a_visit(node: Node, browser: Browser, ines: Person) -> None:
    for path in ("/admin/audit", "/admin/audit?before=2", "/admin/audit?result=refused"):
        browser.get(path)
    assert [each for each in node.audited() if each.startswith("audit.read")] == ["audit.read {}"]
    node.clock.move(minutes=16)
    browser.get("/admin/audit?before=2")
    assert sum(each.startswith("audit.read") for each in node.audited()) == 2


def test_the_pager_walks_there_and_back(node: Node, browser: Browser) -> None:
    record(node, *(Act("space.created", subject=f"{node.origin}/spaces/{n}") for n in range(2 * LINES + 5)))
    seen: list[list[int]] = []
    path = "/admin/audit?act=spaces"
    while True:
        page = browser.get(path).text
        seen.append(numbers(page))
        older = re.search(r'href="(/admin/audit\?[^"]*before=\d+[^"]*)"', page)
        if older is None:
            break
        path = older[1].replace("&amp;", "&")
    flat = [each for page in seen for each in page]
    assert [len(each) for each in seen] == [LINES, LINES, 5]
    assert flat == sorted(flat, reverse=True)
    newer = re.search(r'href="(/admin/audit\?[^"]*after=\d+[^"]*)"', page)
    assert newer is not None
    assert numbers(browser.get(newer[1].replace("&amp;", "&")).text) == seen[1]


def test_a_filter_that_makes_no_sense_is_left_out(browser: Browser) -> None:
    answer = browser.get(
        "/admin/audit?act=%00&result=perhaps&before=x&after=99999999999999999999&partner=%27"
    )
    assert answer.status_code == 200
    assert numbers(answer.text) == []


def test_by_partner_and_by_result(node: Node) -> None:
    record(
        node,
        Act("relation.in-force", peer=NORD),
        Act("exchange.refused", peer=NORD),
        Act("exchange.refused", peer="https://other.example/actor"),
    )
    trail = trail_of(node.ground)
    found = trail.page(Sought(partner=NORD, result="refused")).lines
    assert [(each.action, each.peer) for each in found] == [("exchange.refused", NORD)]
    done = trail.page(Sought(partner=NORD, result="done")).lines
    assert [each.action for each in done] == ["relation.in-force"]


def test_a_changed_line_shows_on_the_page_and_on_the_command_line(
    node: Node, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.core.migrations.require_current", lambda _settings: None)
    monkeypatch.setattr("node.cli.opening.require_current", lambda _settings: None)
    good = parvis(node, "audit", "verify")
    assert good.exit_code == 0, good.output
    head = good.output.rpartition("Head ")[2].strip()
    assert parvis(node, "audit", "verify", "--head", head).exit_code == 0
    assert parvis(node, "audit", "verify", "--head", "99:aa").exit_code == 1
    assert "write it like" in parvis(node, "audit", "verify", "--head", "x").output
    with node.ground.database.writing() as session:
        session.execute(text("UPDATE audit SET actor = 'somebody else' WHERE seq = 2"))
    page = browser.get("/admin/audit", {"Accept-Language": "en"}).text
    assert "The chain is broken at line 2." in page
    bad = parvis(node, "audit", "verify")
    assert bad.exit_code == 1
    assert "does not hold at line 2" in bad.output


def test_a_check_is_kept_for_a_while(node: Node, browser: Browser) -> None:
    browser.get("/admin/audit")
    checked = trail_of(node.ground).checked()
    node.clock.move(minutes=5)
    assert trail_of(node.ground).checked() is checked
    node.clock.move(minutes=11)
    assert trail_of(node.ground).checked().at > checked.at


def test_a_script_reads_pages(node: Node, ines: Person) -> None:
    fields = bearer(node, ines)
    record(node, *(Act("space.created", ines.actor, detail={"n": number}) for number in range(5)))
    client = node.browser()
    first = client.get("/api/v1/audit?action=space.&limit=3", fields).json
    assert first is not None
    assert [line["detail"]["n"] for line in first["items"]] == [4, 3, 2]
    assert first["items"][0]["result"] == "done"
    rest = client.get(f"/api/v1/audit?action=space.&before={first['next']}", fields).json
    assert rest is not None
    assert [line["detail"]["n"] for line in rest["items"]] == [1, 0]
    assert rest["next"] is None


@pytest.mark.parametrize("path", ["/api/v1/audit", "/api/v1/audit/lines", "/api/v1/audit/check"])
def test_a_script_needs_the_scope_and_its_person_the_role(node: Node, ines: Person, path: str) -> None:
    client = node.browser()
    assert client.get(path, {"Accept": "application/json"}).status_code == 401
    assert client.get(path, bearer(node, ines, Scope.ME_READ)).status_code == 403
    assert client.get(path, bearer(node, node.person("Paul"), Scope.ME_READ)).status_code == 404
    assert client.get(path, bearer(node, ines)).status_code == 200


def test_the_exported_lines_can_be_checked_by_anybody(node: Node, ines: Person) -> None:
    record(node, *(Act("space.created", ines.actor, detail={"é": number}) for number in range(600)))
    answer = node.browser().get("/api/v1/audit/lines", bearer(node, ines))
    assert answer.content_type == "application/x-ndjson"
    previous = FIRST_HASH
    lines = [json.loads(line) for line in answer.text.splitlines()]
    for line in lines:
        stated = line.pop("hash")
        canonical = json.dumps(
            {**line, "previous": previous}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        previous = hashlib.sha256(canonical.encode()).hexdigest()
        assert stated == previous
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["action"] == "audit.exported"
    check = node.browser().get("/api/v1/audit/check", bearer(node, ines)).json
    assert check is not None
    assert (check["brokenAt"], check["lines"]) == (None, len(lines) + 1)  # one line for the second token


def test_the_command_line_exports(node: Node, monkeypatch: pytest.MonkeyPatch, ines: Person) -> None:
    monkeypatch.setattr("node.cli.opening.require_current", lambda _settings: None)
    lines = parvis(node, "audit", "export").output.splitlines()
    assert json.loads(lines[-1])["action"] == "audit.exported"
