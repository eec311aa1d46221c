"""What is withheld of a space is what the fence would not let pass: every case of the fence's own table, both ways."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from federation import fence, withholding
from federation.activity import Activity
from federation.replica import Outline
from tests.federation.test_charter import ACTS, CHARTERS, SPACE, SPEAKERS, _relation, _said, _under

BRINGING = [name for name, document in ACTS.items() if document["type"] in {"Create", "Update"}]


def said(act: str, speaker: str) -> Activity:
    return _said(ACTS[act], SPEAKERS[speaker][0])


def _outline(one: Activity) -> Outline:
    return withholding.outline(one.document, one.raw)


@pytest.mark.parametrize("name", CHARTERS)
def test_an_outline_passes_where_its_activity_does(name: str) -> None:
    relation = _relation(_under(name))
    passes = withholding.passes(relation, SPACE)

    for act in BRINGING:
        for speaker in ("host", "guest", "third"):
            one = said(act, speaker)
            case = fence.case_of(relation, one, SPACE, SPEAKERS[speaker][1])
            assert passes(_outline(one)) == (fence.broken(case) is None), (act, speaker)


def test_an_outline_has_no_content() -> None:
    one = said(BRINGING[0], "guest")

    assert "Rev C" in one.raw.decode()
    assert "Rev C" not in json.dumps(_outline(one))


def test_what_the_dns_proves_at_the_moment_is_not_asked() -> None:
    relation = _relation(_under("own domains"))
    outlines = [_outline(said(act, "guest")) for act in BRINGING]

    proven, unproven = (
        list(map(withholding.passes(each, SPACE), outlines))
        for each in (relation, replace(relation, proven=frozenset()))
    )

    assert proven == unproven
    assert any(proven)


def test_nothing_passes_without_a_charter() -> None:
    passes = withholding.passes(replace(_relation(_under("as drafted")), agreement=None), SPACE)

    assert not any(passes(_outline(said(act, "host"))) for act in BRINGING)
