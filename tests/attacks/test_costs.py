"""What a lie costs us: less than half of what the truth costs, nothing written, nobody asked, nothing read first.

Source: SECURITY TH-37; RELIABILITY S13.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from federation import exchange as log
from federation import signatures
from federation.http import Headers, Request
from federation.keys import SigningKey
from node.wire.doors import RATES
from node.wire.rates import Rates
from tests.attacks.fence import Fence

TIMES, WARM = 40, 5


def _bare(request: Request) -> Request:
    kept = [pair for pair in request.headers if not pair[0].lower().startswith("signature")]
    return replace(request, headers=Headers(kept))


def _batch(fence: Fence, lines: int = 10) -> Request:
    liar, marie = fence.liar, fence.marie
    said = [
        liar.writes("Create", actor=marie, audience=fence.bridge, object=liar.note(marie, fence.bridge))
        for _ in range(lines)
    ]
    return liar.batch(said)[0]


#: A request that nobody proved -> how it is made of a good one.
UNPROVED: dict[str, Callable[[Fence, Request], Request]] = {
    "unsigned": lambda _, request: _bare(request),
    "of a stranger": lambda fence, request: fence.liar.signs(
        _bare(request), key=SigningKey.generate("http://stranger.localhost:8101/actor#ed25519")
    ),
    "signed by another key": lambda fence, request: fence.liar.signs(
        _bare(request), key=SigningKey.generate(f"{fence.liar.node}#ed25519")
    ),
    "another body": lambda _, request: replace(request, body=request.body + b" "),
    "old": lambda fence, request: fence.liar.signs(_bare(request), skew_s=-3600),
}


@contextmanager
def _statements(fence: Fence) -> Iterator[list[str]]:
    said: list[str] = []
    engine = fence.victim.ground.database.engine

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("kind", UNPROVED)
def test_what_nobody_proved_writes_nothing_and_is_not_read(
    fence: Fence, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = UNPROVED[kind](fence, _batch(fence))
    monkeypatch.setattr(log, "read", lambda *_: pytest.fail("the body was read before the signature"))
    fence.liar.sends(request)  # what is counted is written once a minute, and now was
    fence.look()
    with _statements(fence) as said:
        assert fence.liar.sends(request).status in {401, 403}
    assert [each for each in said if not each.startswith(("SELECT", "BEGIN", "PRAGMA"))] == []
    assert len(said) <= 2
    fence.unchanged()


def test_a_key_that_no_agreement_names_is_never_asked_for(
    fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is its signature computed: the relation comes first."""
    monkeypatch.setattr(
        signatures, "verify_request", lambda *_: pytest.fail("a stranger's signature was verified")
    )
    request = UNPROVED["of a stranger"](fence, _batch(fence))
    for _ in range(3):
        assert fence.liar.sends(request).status == 403
    assert fence.net.sent[fence._sent :] == []


def test_what_nobody_proved_costs_less_than_half(fresh: Fence) -> None:
    """CPU of the whole door, beside that of a batch that is taken."""
    fresh.victim.app.extensions[RATES] = Rates(clock=lambda: time.monotonic() * 10_000)
    accepted = 0.0
    for number in range(WARM + TIMES):
        request = _batch(fresh)
        began = time.process_time()
        assert fresh.liar.sends(request).status == 200
        if number >= WARM:
            accepted += time.process_time() - began
        fresh.liar.take_over()
    for kind, make in UNPROVED.items():
        request = make(fresh, _batch(fresh))
        spent = 0.0
        for number in range(WARM + TIMES):
            began = time.process_time()
            assert fresh.liar.sends(request).status in {401, 403}
            if number >= WARM:
                spent += time.process_time() - began
        assert spent < accepted / 2, (kind, spent, accepted)
