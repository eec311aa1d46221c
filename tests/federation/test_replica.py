"""Leaves, views, tallies and statements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import jcs, replica
from federation.digest import digest, followers_digest
from federation.errors import BadProof, Malformed
from federation.keys import PublicKey, SigningKey
from federation.replica import Leaf, Outline, View

NODE = "https://north.example/actor"
SPACE = "https://north.example/spaces/1"
KEY = SigningKey.generate(f"{NODE}#ed25519")
MOMENT = "2026-11-24T08:00:00Z"


def leaf(number: int, rev: int = 1, **members: Any) -> Leaf:
    values: dict[str, Any] = {
        "state": "live",
        "digest": digest(number),
        "born": rev,
        "outline": Outline("note", 100, 0),
        **members,
    }
    return Leaf(f"https://north.example/o/{number}", rev, **values)


def ordered(*leaves: Leaf) -> list[Leaf]:
    return sorted(leaves, key=lambda each: each.place)


def signed(**members: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"as_of": 7, "view": replica.WHOLE, **members}
    found = replica.tally(ordered(leaf(1), leaf(2)))
    blobs = {"have": 3, "missing": 1}
    return replica.state(NODE, SPACE, values["as_of"], found, values["view"], blobs, KEY, MOMENT).document


@given(st.sets(st.integers(0, 5000), max_size=60))
def test_a_tally_in_order_is_the_buckets_in_any_order(numbers: set[int]) -> None:
    leaves = [leaf(number) for number in numbers]

    found = replica.tally(ordered(*leaves))

    assert (found.count, list(found.hashes)) == (len(leaves), replica.buckets(leaves))


@given(st.text(), st.integers(0, 2**53 - 1), st.sampled_from(sorted(replica.STATES)))
def test_what_is_hashed_is_jcs(name: str, rev: int, state: replica.LeafState) -> None:
    one = Leaf(
        name.encode("utf-8", "ignore").decode(), rev, state, "" if state == "withheld" else digest(rev)
    )

    assert one.data == jcs.canonicalize(one.document())


def test_no_leaf_of_the_public_example_is_another_and_its_statement_is_proved(vectors: Path) -> None:
    vector = json.loads((vectors / "own-peering-profile/09-space-state-digest.json").read_text("utf-8"))
    keys = json.loads((vectors / "own-peering-profile/keys.json").read_text("utf-8"))
    leaves = [replica.leaf_of(each) for each in vector["leaves"]]

    found = replica.tally(ordered(*leaves))

    assert found.root == vector["root"]
    named = vector["statement"]["proof"]["verificationMethod"]
    multikey = next(text for text in strings(keys) if text.startswith("z6Mk") and reads(vector, named, text))
    said = replica.read(vector["statement"], [PublicKey.from_multibase(named, multikey)])
    assert (said.count, said.root) == (found.count, found.root)


def reads(vector: dict[str, Any], named: str, multikey: str) -> bool:
    try:
        replica.read(vector["statement"], [PublicKey.from_multibase(named, multikey)])
    except BadProof:
        return False
    return True


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in strings(each)]


def test_what_is_withheld_has_no_digest() -> None:
    [told] = View(scope=digest(1), passes=lambda one: one.form != "note").of([leaf(1)])

    assert told.document() == {"id": leaf(1).id, "rev": 1, "state": "withheld"}
    assert replica.leaf_of(told.document()) == told


@pytest.mark.parametrize(
    ("seen", "one"),
    [
        (True, leaf(1, 9, born=5)),
        (False, leaf(1, 9, born=4)),
        (True, leaf(1, 5, state="tombstone", born=0)),
        (False, leaf(1, 4, state="tombstone", born=0)),
        (True, leaf(1, 1, state="member")),
        (False, leaf(1, 7, state="left")),
        (True, leaf(1, 8, state="left")),
    ],
)
def test_a_view_shows_what_came_since(one: Leaf, seen: bool) -> None:
    assert list(View(posts=5, members=7).of([one])) == ([one] if seen else [])


def test_a_statement_comes_back_as_it_was_signed() -> None:
    view = View(5, 7, digest(1), lambda _one: True)
    document = signed(view=view)

    said = replica.read(document, [KEY.public])

    assert (said.node, said.space, said.as_of, said.count) == (NODE, SPACE, 7, 2)
    assert said.view == replica.view_of(view.document())
    assert document["blobs"] == {"have": 3, "missing": 1}


def test_the_whole_space_names_no_view() -> None:
    assert "view" not in signed()
    assert replica.view_of(None) == replica.WHOLE


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "Note"},
        {"attributedTo": None},
        {"asOf": -1},
        {"asOf": True},
        {"count": 1.5},
        {"root": "z6Mk"},
        {"root": None},
        {"published": "now"},
        {"object": "spaces/1"},
        {"view": "all"},
        {"view": {"posts": 1}},
        {"view": {"posts": -1, "members": 0}},
        {"view": {"posts": 1, "members": 0, "scope": 3}},
    ],
)
def test_refuses_what_is_no_statement(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replica.read({**signed(), **changed}, [KEY.public])


@pytest.mark.parametrize("changed", [{"asOf": 8}, {"count": 3}, {"root": digest(1)}, {"blobs": {}}])
def test_refuses_a_statement_that_was_altered(changed: dict[str, Any]) -> None:
    with pytest.raises(BadProof):
        replica.read({**signed(), **changed}, [KEY.public])


def test_refuses_a_statement_by_the_key_of_another_node() -> None:
    other = SigningKey.generate("https://south.example/actor#ed25519")
    with pytest.raises(BadProof):
        replica.read(signed(), [other.public])


@pytest.mark.parametrize(
    "changed",
    [
        {"rev": -1},
        {"rev": True},
        {"rev": "1"},
        {"state": "lost"},
        {"digest": 3},
        {"digest": ""},
        {"state": "withheld"},
        {"id": "o/1"},
        {"id": None},
    ],
)
def test_refuses_what_is_no_leaf(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replica.leaf_of({**leaf(1).document(), **changed})


def test_two_followers_that_are_one_do_not_cancel_each_other() -> None:
    one = "https://north.example/people/1"
    assert followers_digest([one, one]) == followers_digest([one])
