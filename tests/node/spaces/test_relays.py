"""What organisations behind the host have receipted: relayed, verified, shown to the author (PROTOCOL 2.j)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from federation import documents, relay, signatures
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import Outcome
from node.core.http import shown
from node.exchange import service as exchange
from node.identity.services.keys import keys_of
from node.spaces.present import Looks
from node.spaces.register import register_of
from node.spaces.services import reading, relays, sharing
from node.threads import present
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads import talk
from tests.node.threads.test_api import Script

MOMENT = "2026-11-24T08:00:00Z"


class Three:
    """Aubier hosts; Nord Acier, with Marie, and Leroux know each other only through it."""

    def __init__(self, aubier: House, nord: House, leroux: House) -> None:
        self.aubier, self.nord, self.leroux = aubier, nord, leroux
        peered(aubier, nord)
        peered(aubier, leroux)
        self.ines, self.marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
        self.owen = leroux.person("Owen Hart")
        self.key = aubier.space(self.ines)
        self.iri = opened(aubier, nord, self.key, self.ines, self.marie)
        nord.join(self.marie, self.iri, aubier)
        opened(aubier, leroux, self.key, self.ines, self.owen)
        leroux.join(self.owen, self.iri, aubier)
        exchange_all(aubier, nord, leroux)

    def says(self, text: str = "La note est close.") -> None:
        """Marie writes; the host has it and has announced it, and Leroux may not have it yet."""
        talk.begin(self.nord, self.marie, self.nord.key_of(self.iri), text)
        self.nord.deliver(self.aubier)
        self.aubier.deliver(self.nord)

    def pull(self) -> None:
        relays.pull.run(self.nord.ground, self.number)

    @property
    def number(self) -> int:
        return int(self.nord.fact("SELECT id FROM space"))

    def deliveries(self) -> list[shown.Delivery]:
        """The marks of Marie's newest post, as she sees them."""
        with self.nord.app.test_request_context(), self.nord.ground.database.reading() as session:
            space = reading.of_person(session, self.marie.actor)[0]
            there = reading.shares(session, [space.id])[space.id]
            (post,) = talk.seen(self.nord, self.marie)
            return present.deliveries(Looks(session, self.nord.ground), post, space, there)

    def leroux_mark(self) -> shown.Delivery:
        return next(each for each in self.deliveries() if each.org.name.startswith("Leroux"))

    def asks(self, house: House, after: int = 0, key: SigningKey | None = None) -> Response:
        """A signed GET of the receipts, by the node of that house."""
        with exchange.open_reading(house.ground) as work:
            signed = signatures.sign_request(
                Request("GET", f"{self.iri}/receipts?after={after}", Headers(())),
                key or work.actors.signer(house.iri),
                created=int(work.now.timestamp()),
                nonce="n" * 22,
            )
        return house.net.send(signed)


@pytest.fixture
def three(aubier: House, nord: House, leroux: House) -> Three:
    return Three(aubier, nord, leroux)


def test_the_author_sees_the_mark_of_who_is_behind_the_host(three: Three) -> None:
    three.says()
    before = three.leroux_mark()
    assert (before.state, before.via is not None) == ("queued", True)
    three.aubier.deliver(three.leroux)
    three.pull()
    after = three.leroux_mark()
    assert (after.state, after.via) == ("delivered", None)
    assert three.nord.count("relayed_receipt") == 2  # of her words, and of her entering
    assert three.nord.fact("SELECT rev FROM relay") == three.nord.fact("SELECT rev FROM space")


def test_a_script_of_the_author_reads_the_same_marks(three: Three) -> None:
    three.says()
    marie = Script(three.nord, three.marie)
    (post,) = talk.seen(three.nord, three.marie)
    waiting = {
        each["organisation"]["node"]: each for each in marie("GET", f"/posts/{post.key}").json["delivery"]
    }
    assert waiting.keys() == {three.aubier.iri, three.leroux.iri}
    assert waiting[three.aubier.iri]["relation"] == three.nord.relation(three.aubier).id
    assert (waiting[three.leroux.iri]["relation"], waiting[three.leroux.iri]["via"]) == (
        None,
        three.aubier.iri,
    )
    three.aubier.deliver(three.leroux)
    three.nord.settle_jobs()  # the script looked: the host is asked
    marks = [each.state for each in three.deliveries()]
    assert marks == ["delivered", "delivered"]
    thread = marie("GET", f"/threads/{talk.thread_key(three.nord, three.marie)}").json["first"]
    assert [each["state"] for each in thread["delivery"]] == marks
    assert [each["via"] for each in thread["delivery"]] == [None, None]
    assert (
        Script(three.leroux, three.owen)("GET", f"/posts/{post.key}").json["delivery"] == []
    )  # another's post


def test_a_member_that_has_changed_its_key_is_believed_by_the_new_roster(three: Three) -> None:
    keys_of(three.leroux.ground).rotate()
    for _ in range(4):
        three.leroux.settle_jobs()
        three.aubier.settle_jobs()
    exchange_all(three.aubier, three.leroux)
    three.says()
    three.aubier.deliver(three.leroux)
    three.pull()
    assert three.leroux_mark().state == "queued"
    sharing.renew_keys.run(three.aubier.ground)
    three.aubier.settle_jobs()
    exchange_all(three.aubier, three.nord, three.leroux)
    three.nord.clock.move(seconds=31)
    three.pull()
    assert three.leroux_mark().state == "delivered"


def test_what_is_not_confirmed_in_a_day_is_said_to_be_so(three: Three) -> None:
    three.says()
    three.nord.clock.move(hours=25)
    three.pull()
    assert three.leroux_mark().state == "unconfirmed"


def test_the_host_is_asked_every_thirty_seconds_at_most(three: Three) -> None:
    three.pull()
    first = three.nord.fact("SELECT asked_at FROM relay")
    three.nord.clock.move(seconds=29)
    three.pull()
    assert three.nord.fact("SELECT asked_at FROM relay") == first
    three.nord.clock.move(seconds=2)
    three.pull()
    assert three.nord.fact("SELECT asked_at FROM relay") != first


def test_looking_asks_and_so_does_the_hour(three: Three) -> None:
    three.says()
    three.aubier.deliver(three.leroux)
    relays.pull_all.run(three.nord.ground)
    three.nord.settle_jobs()
    assert three.leroux_mark().state == "delivered"


def test_only_who_is_in_the_space_is_told(three: Three, make_house: Callable[..., House]) -> None:
    three.says()
    exchange_all(three.aubier, three.leroux)
    assert three.asks(three.nord).status == 200
    meunier = make_house("meunier")
    peered(three.aubier, meunier)
    stranger = make_house("stranger")
    answers = [three.asks(meunier), three.asks(stranger)]
    assert [each.status for each in answers] == [404, 404]
    assert answers[0].body == answers[1].body


def test_the_answer_is_signed_and_names_nothing_of_other_spaces(three: Three) -> None:
    other = three.aubier.space(three.ines, "Atelier")
    opened(three.aubier, three.leroux, other, three.ines, three.owen)
    talk.begin(three.aubier, three.ines, other, "Entre nous.")
    three.says()
    talk.begin(three.aubier, three.ines, other, "Encore entre nous.")
    exchange_all(three.aubier, three.leroux)
    answer = three.asks(three.nord)
    assert "signature" in {name.lower() for name, _ in answer.headers}
    told = {row["activity"] for line in answer.body.splitlines() for row in json.loads(line)["entries"]}
    here = set(_announces(three.nord))
    assert told <= here


def test_a_receipt_for_a_stream_that_ended_leads_to_the_genesis_of_that_stream(
    three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.says()
    exchange_all(three.aubier, three.leroux)
    began = three.aubier.fact("SELECT genesis FROM relation WHERE node = :node", node=three.leroux.iri)
    monkeypatch.setattr("node.exchange.relays._in_log_of", lambda work, *_: set(_activities(work.session)))
    with three.aubier.ground.database.writing() as session:
        session.execute(text("UPDATE relation SET genesis = 'another'"))
    first = json.loads(three.asks(three.nord).body.splitlines()[0])
    assert (first["receipt"]["from"], first["prev"]) == (1, began)


def _activities(session: Session) -> list[int]:
    return [int(each) for each in session.execute(text("SELECT id FROM activity")).scalars()]


def _announces(house: House) -> list[str]:
    with house.ground.database.reading() as session:
        rows = session.execute(text("SELECT iri FROM activity WHERE type = 'Announce'"))
        return [str(each.iri) for each in rows]


def _lie(three: Three, change: Callable[[dict[str, Any]], None]) -> None:
    """The host relays something else than what Leroux signed."""
    three.says()
    three.aubier.deliver(three.leroux)
    send = three.nord.net.send

    def lying(request: Request) -> Response:
        answer = send(request)
        if "/receipts?" not in request.url:
            return answer
        changed = []
        for line in answer.body.splitlines():
            said = documents.loads(line)
            change(said)
            changed.append(documents.dumps(said) + b"\n")
        return Response(answer.status, answer.headers, b"".join(changed))

    three.nord.net.send = lying  # type: ignore[method-assign]
    three.pull()


LIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "another receipt": lambda said: said["receipt"].update(published="2026-11-24T00:00:00Z"),
    "another member": lambda said: said["receipt"].update(attributedTo="http://aubier.localhost:8101/actor"),
    "an entry that was not receipted": lambda said: said["entries"][-1].update(
        activity="http://aubier.localhost:8101/a/x"
    ),
    "another chain": lambda said: said.update(prev="zQmPYmH4tragHU5NTHn5gER2iaNLPdfgCdDxLDYgEK8vFfY"),
    "no entries": lambda said: said.update(entries=[]),
    "no receipt": lambda said: said.update(receipt="yes"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_lie_of_the_host_is_dropped_and_put_on_record(three: Three, case: str) -> None:
    _lie(three, LIES[case])
    assert three.leroux_mark().state == "queued"
    assert three.nord.count("relayed_receipt") == 0
    assert three.nord.fact("SELECT count(*) FROM audit WHERE action = 'receipt.relayed-wrong'") > 0


def test_a_host_that_told_another_member_something_else_is_put_on_record(three: Three) -> None:
    three.says()
    announce = _announces(three.nord)[-1]
    processed = Outcome("processed")
    confirmed = relay.Confirmed(three.leroux.iri, MOMENT, {announce: ("sha-256=:other:", processed)})
    with exchange.open_work(three.nord.ground) as work:
        row = register_of(work.session, three.nord.ground).get(three.iri)
        assert relays._revs(work, row, confirmed) == {}
    assert three.nord.fact("SELECT subject FROM audit WHERE action = 'space.told-otherwise'") == announce
