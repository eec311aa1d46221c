"""Receipts that are kept prove the delivery: each is verified again, and a changed or lost one shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from federation import proofs
from federation.keys import SigningKey
from node.exchange import service as exchange
from node.exchange.cli import exchange_group
from node.exchange.evidence import TAKEN, Evidence, evidence
from node.exchange.packing import pack, unpack
from tests.node.exchange.talk import Talk


@pytest.fixture
def sent(talk: Talk) -> Talk:
    """Aubier sent at least three batches to Nord Acier."""
    for number in range(3):
        talk.from_host(str(number))
        talk.settle()
    return talk


def checked(talk: Talk) -> Evidence:
    with exchange.open_reading(talk.aubier.ground) as work:
        [found] = evidence(work)
    return found


def change(talk: Talk, how: Callable[[list[Any]], list[Any]]) -> None:
    """Writes the last receipt but one anew."""
    with talk.aubier.ground.database.writing() as session:
        row = session.execute(select(TAKEN).order_by(TAKEN.c.last.desc()).offset(1).limit(1)).one()
        session.execute(
            update(TAKEN)
            .where(TAKEN.c.stream_id == row.stream_id, TAKEN.c.last == row.last, TAKEN.c.first == row.first)
            .values(document=pack(how(unpack(row.document))))
        )


def test_receipts_prove_all_that_is_acknowledged(sent: Talk) -> None:
    found = checked(sent)
    assert found.wrong == ()
    assert found.partner == sent.nord.iri
    assert found.receipts == sent.aubier.count("receipt_taken") >= 3
    assert found.proved == found.acknowledged == sent.aubier.fact("SELECT seq FROM stream WHERE ours") > 3


def _other(name: str, value: object) -> Callable[[list[Any]], list[Any]]:
    return lambda kept: [kept[0], kept[1], {**kept[2], name: value}]


def _forged(kept: list[Any]) -> list[Any]:
    key = SigningKey.generate(kept[2]["proof"]["verificationMethod"])
    return [kept[0], kept[1], proofs.sign(kept[2], key, kept[2]["published"])]


def _another(kept: list[Any]) -> list[Any]:
    key = SigningKey.generate("http://leroux-hart.localhost:8103/actor#ed25519")
    return [kept[0], kept[1], proofs.sign(kept[2], key, kept[2]["published"])]


TAMPERED: dict[str, tuple[Callable[[list[Any]], list[Any]], str]] = {
    "another outcome": (_other("outcome", "rejected"), ""),
    "another hash": (_other("entryHash", "zQmAAAA"), ""),
    "an exception left out": (_other("exceptions", [{"seq": 1, "outcome": "rejected"}]), ""),
    "no proof": (_other("proof", None), "proof"),
    "a forged proof": (_forged, ""),
    "the key of another": (_another, "no key"),
    "another body": (lambda kept: [[], kept[1], kept[2]], "contentDigest"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_receipt_that_was_changed_proves_nothing(sent: Talk, case: str) -> None:
    how, reason = TAMPERED[case]
    before = checked(sent)
    change(sent, how)
    found = checked(sent)
    assert found.receipts == before.receipts - 1
    assert found.proved < found.acknowledged == before.acknowledged
    assert len(found.wrong) == 2
    assert reason in found.wrong[0]


def test_a_receipt_of_the_partner_for_another_entry_proves_nothing(sent: Talk) -> None:
    with exchange.open_reading(sent.nord.ground) as work:
        key = work.actors.signer(sent.nord.iri)

    def how(kept: list[Any]) -> list[Any]:
        other = {**kept[2], "entryHash": "zQmAAAA"}
        return [kept[0], kept[1], proofs.sign(other, key, kept[2]["published"])]

    change(sent, how)
    assert "entryHash is not what we sent" in checked(sent).wrong[0]


def test_a_lost_receipt_is_a_hole(sent: Talk) -> None:
    with sent.aubier.ground.database.writing() as session:
        first = session.execute(select(TAKEN).order_by(TAKEN.c.first).limit(1)).one()
        session.execute(delete(TAKEN).where(TAKEN.c.last == first.last))
    found = checked(sent)
    assert found.proved == 0
    assert "without a hole reach entry 0" in found.wrong[0]


def test_the_command_says_so_and_ends_with_1_when_something_is_wrong(sent: Talk) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(
            exchange_group, ["verify", *words], obj=lambda: nullcontext(sent.aubier.ground)
        )

    good = run("--json")
    assert good.exit_code == 0
    [told] = json.loads(good.output)
    assert told["proved"] == told["acknowledged"]
    assert f"{told['receipts']} receipts hold" in run().output
    change(sent, _other("outcome", "rejected"))
    bad = run()
    assert bad.exit_code == 1
    assert "The receipt for" in bad.output
