"""What is an agreement, and what is none (PROTOCOL 2.a.5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from federation import charter
from federation.activity import Document
from schemas.as2.agreement import objections
from tests.federation.test_charter import GUEST, HOST, SPACE, party

KEY = "z6MksJULaopXiBJvxuT4km1yycsb4icQLG6qQjg4M9m5LxJi"
DIGEST = "zQmcpg34cFCFo7QAotwvPa3aKsfVh3137i25tfizL7TB3S4"
CLASS = {"class": "partner", "personalData": True, "retention": "P2Y", "afterEnd": "P30D"}


def _agreement(path: str = "", value: object = None) -> Document:
    document = charter.draft(
        "https://north.example/peering/agreements/1",
        party(HOST, "host"),
        party(GUEST, "partner"),
        datetime(2026, 11, 24, tzinfo=UTC),
    )
    for side in document["parties"]:
        side["keys"] = [KEY]
    place: Any = document
    *above, last = path.split(".")
    for name in above:
        place = place[name]
    if last:
        place[last] = value
    return document


def test_a_draft_is_an_agreement() -> None:
    assert objections(_agreement()) == ""


def test_the_agreement_of_the_vectors_is_one(vectors: Any) -> None:

    offer = json.loads((vectors / "own-peering-profile/03-agreement.json").read_text())
    assert objections(offer["agreement"]) == ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("scope.spaces", [{"id": SPACE, "direction": "in", "replica": "full", "dataClass": "partner"}]),
        ("scope.spaces", [{"id": SPACE, "direction": "out"}, {"id": f"{SPACE}2"}]),
        ("scope.mediaTypes", ["image/*", "application/pdf", "application/vnd.ms-excel"]),
        ("scope.dataClasses", [CLASS, {**CLASS, "class": "restricted"}]),
        ("scope.onwardTransfer", "none"),
        ("identity.minAcr", ["phr", "http://eidas.europa.eu/LoA/high"]),
        ("identity.maxAuthAge", 43200),
        ("identity.emailDomains", "any"),
        ("identity.emailDomains", "declared-only"),
        ("evidence.timestamping", "optional-rfc3161"),
        ("evidence.more", "kept"),
        ("terms.url", None),
        ("more", "kept"),
    ],
)
def test_may_say(path: str, value: object) -> None:
    document = _agreement() if path == "terms.url" else _agreement(path, value)
    if path == "terms.url":
        document["terms"] |= {
            "url": "https://north.example/v1.pdf",
            "mediaType": "application/pdf",
            "digestMultibase": DIGEST,
        }
    assert objections(document) == ""


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("scope.spaces", [{"id": SPACE, "direction": "sideways"}], "scope.spaces.0.direction"),
        ("scope.spaces", [{"id": SPACE, "replica": "half"}], "scope.spaces.0.replica"),
        ("scope.spaces", [{"id": SPACE, "from": "today"}], "scope.spaces.0.from"),
        ("scope.spaces", [{"id": SPACE}, {"id": SPACE, "direction": "in"}], "scope.spaces"),
        ("scope.spaces", [{"id": SPACE, "dataClass": "secret"}], "scope.spaces"),
        ("scope.mediaTypes", [], "scope.mediaTypes"),
        ("scope.mediaTypes", ["*/*"], "scope.mediaTypes.0"),
        ("scope.mediaTypes", ["Image/PNG"], "scope.mediaTypes.0"),
        ("scope.mediaTypes", ["image/png; q=1"], "scope.mediaTypes.0"),
        ("scope.dataClasses", [CLASS, CLASS], "scope.dataClasses"),
        ("scope.dataClasses", [{**CLASS, "afterEnd": f"P{'0' * 40}D"}], "scope.dataClasses.0.afterEnd"),
        ("scope.maxObjectBytes", 0, "scope.maxObjectBytes"),
        ("scope.maxFileBytes", "many", "scope.maxFileBytes"),
        ("scope.onwardTransfer", "sometimes", "scope.onwardTransfer"),
        ("scope.unheardOf", True, "scope.unheardOf"),
        ("identity.minAcr", ["phr phrh"], "identity.minAcr.0"),
        ("identity.maxAuthAge", 0, "identity.maxAuthAge"),
        ("identity.emailDomains", "some", "identity.emailDomains"),
        ("identity.unheardOf", True, "identity.unheardOf"),
        ("evidence.receipt", "never", "evidence.receipt"),
        ("recall.applySeconds", "soon", "recall.applySeconds"),
        ("recall.legalHold", "always", "recall.legalHold"),
        ("recall", {}, "recall.applySeconds"),
        ("terms.url", "https://north.example/v1.pdf", "terms.digestMultibase"),
        ("terms.url", "javascript:x", "terms.url"),
        ("terms.digestMultibase", "Qm", "terms.digestMultibase"),
        ("endTime", "2020-01-01T00:00:00Z", "endTime"),
        ("object", HOST, "parties"),
    ],
)
def test_may_not_say(path: str, value: object, place: str) -> None:
    assert place in [each.partition(": ")[0] for each in objections(_agreement(path, value)).split("; ")]


@pytest.mark.parametrize("kept", ["soon", "P", "P1D ", 90, None, {"P": 1}])
def test_a_side_keeps_for_a_duration_or_says_nothing(kept: object) -> None:
    document = _agreement()
    document["parties"][0]["retention"] = "P90D"
    assert objections(document) == ""
    document["parties"][1]["retention"] = kept
    assert objections(document).startswith("parties.1.retention: ")
