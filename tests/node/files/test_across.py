"""Files across the wall: asked of the host, held to their digest, for organisations on the roster alone."""

from __future__ import annotations

import hashlib
from io import BytesIO
from urllib.parse import quote

import pytest

from federation import digest
from federation.http import Headers, Request
from node.exchange.messages import MAX_TARGET_CHARS
from node.files import service
from node.files.service import Taken, kind_of
from node.identity.services.people import Person
from node.spaces.services import reading as spaces
from node.threads.services import posting, reading
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin, seen

PLAN = b"%PDF-1.7\nplan de la passerelle, rev C"
ADDRESS = digest.multibase_of(hashlib.sha256(PLAN).digest())

Three = tuple[House, House, House, str, Person, Person, Person]


@pytest.fixture
def three(aubier: House, nord: House, leroux: House) -> Three:
    """Aubier hosts; Nord Acier and Leroux & Hart have no relation with each other."""
    peered(aubier, nord)
    peered(aubier, leroux)
    ines, marie, owen = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir"), leroux.person("Owen Hart")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    opened(aubier, leroux, key, ines, owen)
    nord.join(marie, iri, aubier)
    leroux.join(owen, iri, aubier)
    exchange_all(aubier, nord, leroux)
    return aubier, nord, leroux, iri, ines, marie, owen


def attach(house: House, person: Person, iri: str) -> posting.Posted:
    taken = service.take_in(house.ground, "plan.pdf", BytesIO(PLAN))
    return begin(house, person, house.key_of(iri), "Voici le plan.", files=(taken,))


def asked(house: House, of: House, space: str, address: str = ADDRESS) -> tuple[int, bytes]:
    """What a node's signed request for a file is answered."""
    url = f"{of.origin}/files/{address}?space={quote(space, safe='')}"
    answer = house.net.send(house.sign(Request("GET", url, Headers(()))))
    return answer.status, answer.body


def files_of(house: House, person: Person, iri: str) -> list[service.Attached]:
    """The files of all posts of a space, as the person sees them."""
    with house.ground.database.reading() as session:
        space = spaces.seen(session, house.key_of(iri), person.actor)
        threads = [
            reading.thread(session, each.key, person.actor)[0] for each in reading.threads(session, space)
        ]
        return [file for each in threads for file in each.first.files]


def test_a_file_of_one_partner_reaches_the_other_through_the_host(three: Three) -> None:
    aubier, nord, leroux, iri, ines, marie, owen = three
    attach(nord, marie, iri)
    exchange_all(aubier, nord, leroux)
    assert seen(leroux, owen)[0].files[0].state == "coming"
    aubier.settle_jobs()
    leroux.settle_jobs()
    for house, person in ((aubier, ines), (nord, marie), (leroux, owen)):
        file = seen(house, person)[0].files[0]
        assert (file.name, file.state) == ("plan.pdf", "here")
        found, stream = service.open_file(house.ground, file.key)
        assert stream is not None
        assert (stream.read(), found.media_type) == (PLAN, "application/pdf")
        stream.close()


def test_only_the_roster_may_have_it(three: Three) -> None:
    aubier, nord, leroux, iri, ines, *_ = three
    attach(aubier, ines, iri)
    other = aubier.iri_of(aubier.space(ines, "Entre nous"))
    assert asked(nord, aubier, iri) == (200, PLAN)
    nothing = asked(nord, aubier, iri, digest.multibase_of(b"\x01" * 32))
    assert nothing[0] == 404
    assert asked(nord, aubier, other) == nothing
    assert asked(nord, aubier, f"{aubier.origin}/spaces/unknown") == nothing
    assert asked(nord, aubier, "no iri") == nothing
    assert asked(leroux, nord, iri)[0] == 404


def test_a_refused_partner_is_on_record_and_a_stranger_counted(three: Three) -> None:
    aubier, nord, leroux, iri, ines, *_ = three
    attach(aubier, ines, iri)
    assert asked(nord, aubier, iri) == (200, PLAN)
    asked(nord, aubier, iri, digest.multibase_of(b"\x01" * 32))
    asked(leroux, nord, iri)
    [noted] = [line for line in aubier.audited() if line.startswith("exchange.refused")]
    assert "nothing live in" in noted
    lines = nord.audited()
    assert any(
        line.startswith("refused.unauthenticated") and "exchange.unauthenticated no-agreement" in line
        for line in lines
    )
    assert not any(line.startswith("exchange.refused") for line in lines)


def test_an_unsigned_request_gets_nothing(three: Three) -> None:
    aubier, _nord, _leroux, iri, ines, *_ = three
    attach(aubier, ines, iri)
    url = f"{aubier.origin}/files/{ADDRESS}?space={quote(iri, safe='')}"
    assert aubier.net.send(Request("GET", url, Headers(()))).status == 404


def test_a_target_is_read_as_at_every_signed_door(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, *_ = three
    attach(aubier, ines, iri)
    target = f"/files/{ADDRESS}?space={quote(iri, safe='')}"
    for written, status in ((aubier.origin + target, 200), (target + "&x=" + "y" * MAX_TARGET_CHARS, 404)):
        signed = nord.sign(Request("GET", aubier.origin + written.removeprefix(aubier.origin), Headers(())))
        answer = aubier.app.test_client().get(
            target, headers=list(signed.headers), environ_overrides={"RAW_URI": written}
        )
        assert answer.status_code == status
        answer.close()


def test_a_deleted_post_takes_its_file_along(three: Three) -> None:
    aubier, nord, _leroux, iri, ines, *_ = three
    said = attach(aubier, ines, iri)
    posting.delete(aubier.ground, aubier.by(ines), said.post)
    assert asked(nord, aubier, iri)[0] == 404
    aubier.clock.move(hours=25)
    service.sweep.run(aubier.ground)
    assert aubier.count("blob") == 0
    assert not aubier.ground.files.exists(service.place(hashlib.sha256(PLAN).digest()))


def test_other_bytes_than_the_digest_names_are_thrown_away(
    three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    aubier, nord, _leroux, iri, ines, marie, _owen = three
    attach(aubier, ines, iri)
    exchange_all(aubier, nord)
    monkeypatch.setattr(service, "bytes_of", lambda ground, found: BytesIO(PLAN.replace(b"rev C", b"rev D")))
    nord.settle_jobs()
    assert seen(nord, marie)[0].files[0].state == "missing"
    monkeypatch.undo()


def claimed(size: int = len(PLAN)) -> Taken:
    """The file as one names it who knows its digest."""
    return Taken("x.pdf", "application/pdf", size, hashlib.sha256(PLAN).digest())


def test_a_digest_alone_gives_nobody_the_bytes(three: Three) -> None:
    aubier, nord, leroux, iri, ines, marie, owen = three
    taken = service.take_in(aubier.ground, "secret.pdf", BytesIO(PLAN))
    begin(aubier, ines, aubier.space(ines, "Entre nous"), "Secret.", files=(taken,))
    begin(nord, marie, nord.key_of(iri), "Le mien.", files=(claimed(),))
    exchange_all(aubier, nord, leroux)
    aubier.settle_jobs()
    leroux.settle_jobs()
    assert asked(nord, aubier, iri)[0] == asked(leroux, aubier, iri)[0] == 404
    for house, person in ((aubier, ines), (leroux, owen)):
        (file,) = files_of(house, person, iri)
        assert file.state == "missing"
        assert service.open_file(house.ground, file.key)[1] is None


def test_bytes_that_are_here_are_asked_for_all_the_same(three: Three) -> None:
    aubier, nord, leroux, iri, ines, marie, _owen = three
    taken = service.take_in(aubier.ground, "plan.pdf", BytesIO(PLAN))
    begin(aubier, ines, aubier.space(ines, "Entre nous"), "Le plan.", files=(taken,))
    attach(nord, marie, iri)
    exchange_all(aubier, nord)
    assert asked(leroux, aubier, iri)[0] == 404
    aubier.settle_jobs()
    assert asked(leroux, aubier, iri) == (200, PLAN)


@pytest.mark.parametrize("size", [1, len(PLAN) + 1, service.AT_ONCE_BYTES])
def test_a_lie_about_the_size_hurts_nobody_else(three: Three, size: int) -> None:
    aubier, nord, leroux, iri, ines, marie, owen = three
    begin(nord, marie, nord.key_of(iri), "Le mien.", files=(claimed(size),))
    exchange_all(aubier, nord, leroux)
    aubier.settle_jobs()
    attach(leroux, owen, iri)
    exchange_all(aubier, nord, leroux)
    aubier.settle_jobs()
    assert sorted((each.size, each.state) for each in files_of(aubier, ines, iri)) == sorted(
        [(size, "missing"), (len(PLAN), "here")]
    )
    assert asked(nord, aubier, iri) == (200, PLAN)


def test_a_file_that_never_comes_is_given_up_without_a_trace(
    three: Three, caplog: pytest.LogCaptureFixture
) -> None:
    aubier, nord, leroux, iri, ines, marie, _owen = three
    begin(nord, marie, nord.key_of(iri), "Le mien.", files=(claimed(),))
    exchange_all(aubier, nord, leroux)
    aubier.settle_jobs()
    for _ in range(service.MAX_TRIES):
        aubier.clock.move(hours=6)
        service.seek.run(aubier.ground)
        aubier.settle_jobs()
    assert aubier.fact("SELECT tries FROM attachment") == service.MAX_TRIES
    assert aubier.fact("SELECT due FROM attachment") is None
    assert not [each for each in caplog.records if each.exc_info]
    assert files_of(aubier, ines, iri)[0].state == "missing"


@pytest.mark.parametrize(
    ("head", "extension", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "png", "image/png"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "pdf", "image/png"),
        (b"%PDF-1.4 ", "pdf", "application/pdf"),
        (b"<svg onload=alert(1)>", "svg", "image/svg+xml"),
        (b"  <!DOCTYPE html><script>", "png", "text/html"),
        (b"a;b;c\n1;2;3", "csv", "text/csv"),
        (b"\0\1\2\3", "dwg", "application/octet-stream"),
    ],
)
def test_bytes_are_looked_at_by_ourselves(head: bytes, extension: str, kind: str) -> None:
    assert kind_of(head, extension) == kind


def test_a_picture_by_name_alone_is_a_download() -> None:
    assert not service.Found("x.png", kind_of(b"<script>alert(1)</script>", "png"), 1, b"").inline
    assert not service.Found("x.svg", "image/svg+xml", 1, b"").inline
    assert service.Found("x.png", "image/png", 1, b"").inline
