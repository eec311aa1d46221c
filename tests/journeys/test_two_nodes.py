"""The main job, walked by people in browsers: two organisations peer, share a space and talk, in two languages."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from node.cli.demo.houses import House
from node.cli.demo.story import AUBIER, LEROUX_HART
from node.exchange.service import LATE
from tests.journeys import steps
from tests.journeys.conftest import Seats
from tests.journeys.seats import Seat
from tests.nodes import MakeNodes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TITLE = "Pente du tablier"
QUESTION = "La pente peut-elle encore bouger de **0,5 %** ?"
PAPER = b"%PDF-1.4\n% invented for a test\n%%EOF\n"


class Pair:
    """Both houses, peered, with a space that both are in."""

    def __init__(self, aubier: House, leroux: House, seats: Seats) -> None:
        self.aubier, self.leroux = aubier, leroux
        self.camille, self.hugo = seats(aubier, "camille"), seats(aubier, "hugo")
        self.priya, self.owen = seats(leroux, "priya"), seats(leroux, "owen")
        steps.peer(self.camille, self.priya)
        self.here = steps.make_space(self.camille, steps.SPACE, self.hugo.name)
        steps.share(self.camille, self.here, leroux.name)
        steps.accept_space(self.priya)
        self.there = steps.join(self.owen)


@pytest.fixture(scope="module")
def pair(own_nodes: MakeNodes, seats: Seats) -> Pair:
    aubier, leroux = own_nodes(AUBIER, LEROUX_HART)
    return Pair(aubier, leroux, seats)


def thread_at(seat: Seat, space: str, title: str) -> None:
    """Opens a thread from the list of its space, as soon as it is there."""
    seat.go(space)
    link = seat.tab.get_by_role("link", name=title)
    seat.until(f"the thread “{title}”", link.count)
    seat.click(link.first)
    seat.sees(title)
    seat.look()


def test_both_are_partners_and_external_people_are_marked_in_words(pair: Pair) -> None:
    pair.camille.go("/partners")
    assert pair.leroux.name in pair.camille.text()
    pair.hugo.go(f"{pair.here}/members")
    pair.hugo.until("Owen", lambda: pair.owen.name in pair.hugo.text())
    pair.hugo.look()
    row = pair.hugo.tab.locator("tr", has_text=pair.owen.name)
    assert pair.leroux.name in row.inner_text()


def test_a_post_says_who_will_read_it_and_arrives_without_reload(pair: Pair, tmp_path: Path) -> None:
    paper = tmp_path / "plan.pdf"
    paper.write_bytes(PAPER)
    pair.owen.go(pair.there)
    pair.hugo.go(pair.here)
    button = pair.hugo.tab.locator("#composer button[type=submit][data-outside]")
    assert button.get_attribute("data-outside") == "1"
    assert "3" in button.inner_text()
    readers = pair.hugo.tab.locator("#composer details.audience")
    assert pair.leroux.name in readers.inner_text()

    steps.write_thread(pair.hugo, pair.here, TITLE, QUESTION, [str(paper)])
    arrived = pair.owen.tab.locator("[data-fresh]")
    arrived.wait_for(state="visible")
    assert arrived.inner_text() == "1 new discussion"
    arrived.click()
    pair.owen.open(TITLE)
    post = pair.owen.post_with("0,5 %")
    assert post.locator("strong").inner_text() == "0,5 %"
    assert pair.aubier.name in post.inner_text()
    pair.owen.until("the file", lambda: pair.owen.tab.get_by_role("link", name="plan.pdf").count())
    with pair.owen.tab.expect_download() as download:
        pair.owen.tab.get_by_role("link", name="plan.pdf").click()
    taken = Path(download.value.path()).read_bytes()
    assert hashlib.sha256(taken).digest() == hashlib.sha256(PAPER).digest()


def test_an_answer_arrives_in_the_open_thread_and_is_marked_as_received(pair: Pair) -> None:
    thread_at(pair.hugo, pair.here, TITLE)
    thread_at(pair.owen, pair.there, TITLE)
    steps.reply(pair.owen, "Not any more: the calculation is closed.")
    answer = pair.hugo.post_with("the calculation is closed")
    assert pair.leroux.name in answer.inner_text()
    assert pair.hugo.say("in English") in answer.inner_text()
    steps.reply(pair.hugo, "Alors je ferme la question.")
    mine = pair.hugo.post_with("je ferme la question")
    received = pair.hugo.say("%(org)s: received, %(at)s", org=pair.leroux.name, at="")
    pair.hugo.sees(received.strip(), within=mine)
    pair.owen.post_with("je ferme la question")


def test_an_edit_a_like_and_a_deletion_reach_the_other_side(pair: Pair) -> None:
    for seat, space in ((pair.hugo, pair.here), (pair.owen, pair.there)):
        thread_at(seat, space, TITLE)
    mine = pair.hugo.post_with("je ferme la question")
    pair.hugo.act_on(mine, "Edit")
    pair.hugo.fill("Text", "Alors je ferme la question, merci.")
    steps.send(pair.hugo)
    edited = pair.owen.post_with("la question, merci")
    pair.owen.press("Like", within=edited, stays=True)
    pair.owen.sees("Like (1)", within=pair.owen.post_with("la question, merci"))
    thread_at(pair.hugo, pair.here, TITLE)
    liked = pair.hugo.say("Like") + " (1)"
    pair.hugo.sees(liked, within=pair.hugo.post_with("la question, merci"))

    edited = pair.owen.post_with("la question, merci")
    pair.owen.click(edited.get_by_role("link", name="edited"))
    pair.owen.look()
    assert "Alors je ferme la question." in pair.owen.text()

    thread_at(pair.owen, pair.there, TITLE)
    pair.owen.act_on(pair.owen.post_with("the calculation is closed"), "Delete", sure=True)
    gone = pair.hugo.say("Deleted by its author.")
    pair.hugo.until("the tombstone", lambda: gone in pair.hugo.text())
    assert "the calculation is closed" not in pair.hugo.text()


def test_nothing_leaves_when_the_readers_have_changed_meanwhile(pair: Pair) -> None:
    thread_at(pair.hugo, pair.here, TITLE)
    steps.begin_reply(pair.hugo, "Une phrase pour ceux que je vois.")
    steps.join(pair.priya)
    pair.camille.go(f"{pair.here}/members")
    pair.camille.until("Priya", lambda: pair.priya.name in pair.camille.text())
    steps.send(pair.hugo)
    notice = pair.hugo.tab.locator("[data-changed]")
    notice.wait_for()
    assert pair.priya.name in notice.inner_text()
    assert pair.hugo.say("Nothing has been sent.") in notice.inner_text()
    field = pair.hugo.tab.locator("#composer textarea")
    assert field.input_value() == "Une phrase pour ceux que je vois."
    pair.owen.reload()
    assert "Une phrase pour ceux" not in pair.owen.text()
    steps.send(pair.hugo)
    pair.hugo.post_with("Une phrase pour ceux")
    pair.owen.until("the post", lambda: "Une phrase pour ceux" in pair.owen.text())


def test_a_post_waits_for_the_host_and_is_then_accepted(pair: Pair) -> None:
    thread_at(pair.owen, pair.there, TITLE)
    pair.aubier.node.kill()
    try:
        steps.reply(pair.owen, "Written while your node was away.")
        waiting = pair.owen.post_with("while your node was away")
        pair.owen.sees("Only you see this so far.", within=waiting)
        pair.priya.go(pair.there)
        assert "while your node was away" not in pair.priya.text()
    finally:
        pair.aubier.node.start()
        pair.aubier.node.wait_ready()
    waits = "Only you see this so far."
    pair.owen.until("that it was accepted", lambda: waits not in pair.owen.text(), within_s=30)
    thread_at(pair.hugo, pair.here, TITLE)
    pair.hugo.post_with("while your node was away")


def test_a_dead_partner_is_shown_as_late_costs_nothing_and_catches_up(pair: Pair) -> None:
    thread_at(pair.hugo, pair.here, TITLE)
    pair.leroux.node.kill()
    killed = time.monotonic()
    try:
        steps.reply(pair.hugo, "Écrit pendant votre panne.")
        mine = pair.hugo.post_with("pendant votre panne")
        pair.hugo.sees(pair.hugo.say("%(org)s: on its way", org=pair.leroux.name), within=mine)
        begun = time.monotonic()
        for path in ("/", "/spaces", pair.here):
            pair.hugo.go(path)
        assert time.monotonic() - begun < 3
        _the_rest_of_the_house(pair)
        late = pair.hugo.say("%(org)s: late since %(at)s", org=pair.leroux.name, at="").strip()
        time.sleep(max(0.0, LATE.total_seconds() - (time.monotonic() - killed)))
        thread_at(pair.hugo, pair.here, TITLE)
        pair.hugo.until("that it is late", lambda: late in pair.hugo.text(), within_s=20)
        pair.camille.go("/partners")
        pair.camille.look()
        pair.camille.click(pair.camille.tab.locator("main").get_by_role("link", name=pair.leroux.name).first)
        assert pair.camille.say("Late.") in pair.camille.text()
        pair.camille.look("late")
    finally:
        pair.leroux.node.start()
        pair.leroux.node.wait_ready()
    received = pair.hugo.say("%(org)s: received, %(at)s", org=pair.leroux.name, at="").strip()

    def arrived() -> bool:
        return received in pair.hugo.post_with("pendant votre panne").inner_text()

    pair.hugo.until("the receipt", arrived, within_s=30)
    thread_at(pair.owen, pair.there, TITLE)
    pair.owen.post_with("pendant votre panne")
    for seat, space in ((pair.hugo, pair.here), (pair.owen, pair.there)):
        thread_at(seat, space, TITLE)
        seat.look("talk")


def test_the_audit_tells_it_in_words(pair: Pair) -> None:
    for seat in (pair.camille, pair.priya):
        seat.go("/admin/audit")
        assert seat.say("The chain is whole.") in seat.text()
        assert seat.say("Confirmed the fingerprint") in seat.text()
        seat.tab.get_by_label(seat.say("What")).select_option("partners")
        seat.press("Filter")
        assert "act=partners" in seat.tab.url


def _the_rest_of_the_house(pair: Pair) -> None:
    """Pages that no other step opens, while one waits."""
    for seat in (pair.camille, pair.hugo):
        for path in ("/", "/me", "/spaces", "/spaces/invitations"):
            seat.go(path)
    pair.camille.go("/people")
    pair.camille.go("/nowhere")
    assert pair.camille.say("Nothing here") in pair.camille.text()
