"""What the people of the demo do, through the doors of their own nodes: peer, share a space, talk.

Rule: each act is one that an administrator or a member does with a token; where something must first arrive at
another node, it is waited for there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from node.cli.demo import papers
from node.cli.demo.client import Refused, Voice
from node.cli.demo.houses import House
from node.cli.demo.story import (
    INTERNAL_PURPOSE,
    INTERNAL_SPACE,
    INTERNAL_THREAD,
    PDF_LINES,
    PDF_TITLE,
    PNG_NAME,
    SPACE,
    SPACE_PURPOSE,
    THREADS,
    Post,
    Thread,
)

ARRIVAL_S = 20.0
POLL_S = 0.03
NOT_FOUND = 404

T = TypeVar("T")


class TookTooLong(Exception):
    """Something did not arrive in time; the message says what."""


def until(what: str, look: Callable[[], T | None], timeout_s: float = ARRIVAL_S) -> T:
    """What `look` gives as soon as it gives something. Raises `TookTooLong`."""
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise TookTooLong(f"{what} did not happen within {timeout_s:.0f} s.")
        time.sleep(POLL_S)


def peer(inviting: House, invited: House) -> None:
    """The handshake between two administrators, to the charter in force on both sides (PROTOCOL 2.a, steps 1 to 4)."""
    link = inviting.admin.post("/relations/invitations", purpose="Passerelle de l’Ill", contract="2026-117")
    invited.admin.post("/relations/acceptances", link=link["link"])
    ours, theirs = _relation(inviting, invited), _relation(invited, inviting)
    here, there = (
        until(f"The fingerprint at {each.name}", partial(_state, each, key, "keys-exchanged"))
        for each, key in ((inviting, ours), (invited, theirs))
    )
    # On the telephone: each types the two groups that the other reads aloud.
    invited.admin.put(f"/relations/{theirs}/confirmation", groups=_read_aloud(here), channel="phone")
    inviting.admin.put(f"/relations/{ours}/confirmation", groups=_read_aloud(there), channel="phone")
    for each, key in ((inviting, ours), (invited, theirs)):
        until(f"Confirmation at {each.name}", partial(_state, each, key, "verified"))
    inviting.admin.put(
        f"/relations/{ours}/offer",
        purpose="Passerelle de l’Ill",
        contract="2026-117",
        onward="allowed",  # a third organisation will be in the space
    )
    offered = until(f"The charter at {invited.name}", lambda: _state(invited, theirs, "offered"))
    invited.admin.put(f"/relations/{theirs}/agreement", digest=offered["offer"]["digest"])
    for each, key in ((inviting, ours), (invited, theirs)):
        until(f"The charter in force at {each.name}", partial(_state, each, key, "in-force"))


def relation_with(house: House, partner: House) -> dict[str, Any]:
    """All that `house` shows of its relation with `partner`."""
    found: dict[str, Any] = house.admin.get(f"/relations/{_relation(house, partner)}")
    return found


def _relation(house: House, partner: House) -> str:
    node = f"{partner.node.origin}/actor"

    def look() -> str | None:
        items = house.admin.get("/relations")["items"]
        return next((item["key"] for item in items if item["id"] == node), None)

    return until(f"{partner.name} at {house.name}", look)


def _state(house: House, key: str, state: str) -> dict[str, Any] | None:
    relation: dict[str, Any] = house.admin.get(f"/relations/{key}")
    return relation if relation["state"] == state else None


def _read_aloud(relation: dict[str, Any]) -> dict[str, str]:
    return {str(group["number"]): group["digits"] for group in relation["groups"] if group["readBy"] == "us"}


def play(houses: Sequence[House], say: Callable[[str], None]) -> dict[str, str]:
    """The whole story. `houses` as in `story.ORGANISATIONS`; gives the key of the shared space by slug."""
    aubier, *partners = houses
    for partner in partners:
        peer(aubier, partner)
        say(f"{aubier.name} and {partner.name}: fingerprint compared, charter in force.")
    space = open_space(aubier, SPACE, SPACE_PURPOSE)
    internal = open_space(aubier, INTERNAL_SPACE, INTERNAL_PURPOSE)
    keys = {aubier.organisation.slug: space}
    first, *others = THREADS
    begun = _say(houses, keys, first, 0)  # before the others come: they receive it as history
    for partner in partners:
        share(aubier, space, partner)
        keys[partner.organisation.slug] = enter(partner, SPACE)
        say(f"{partner.name} is in “{SPACE}”, with its people.")
    _arrive_and_please(houses, keys, first.posts[0], begun)
    _tell(houses, keys, first, after=1)
    for thread in others:
        _tell(houses, keys, thread)
    _tell(houses, {aubier.organisation.slug: internal}, INTERNAL_THREAD)
    posts = sum(len(thread.posts) for thread in THREADS)
    say(f"{len(THREADS)} threads with {posts} posts, their likes and two files are told.")
    return keys


def open_space(house: House, name: str, purpose: str) -> str:
    """A new space of this house with all of its people; the administrator manages it. Its key."""
    key: str = house.admin.post("/spaces", name=name, purpose=purpose)["key"]
    for handle, voice in house.voices.items():
        if voice is not house.admin:
            house.admin.post(f"/spaces/{key}/members", person=house.voices[handle].get("/me")["key"])
    return key


def share(house: House, space: str, partner: House) -> None:
    """Offers a space to a partner, its past included; the partner's administrator accepts it."""
    house.admin.post(f"/spaces/{space}/invitations", partner=_relation(house, partner), history="all")

    def look() -> str | None:
        offers = partner.admin.get("/invitations")
        return next((offer["key"] for offer in offers if offer["state"] == "open"), None)

    offer = until(f"The invitation at {partner.name}", look)
    partner.admin.post(f"/invitations/{offer}", accept=True)


def enter(house: House, name: str) -> str:
    """Everybody of this house joins the partner's space of this name. Its key here."""
    for voice in house.voices.values():

        def offered(voice: Voice = voice) -> str | None:
            return next((each["space"] for each in voice.get("/joinable") if each["name"] == name), None)

        key = until(f"“{name}” for {voice.name} of {house.name}", offered)
        voice.post(f"/spaces/{key}/join")
    for voice in house.voices.values():
        until(f"{voice.name} in “{name}”", partial(_space_named, voice, name))
    return str(_space_named(house.admin, name))


def thread_titled(voice: Voice, space: str, title: str) -> str:
    """The key that a thread has at this node, once it is there."""

    def look() -> str | None:
        items = voice.get(f"/spaces/{space}/threads", limit=200)["items"]
        return next((item["key"] for item in items if item["title"] == title), None)

    return until(f"The thread “{title}”", look)


def say_something(house: House, space: str, text: str) -> str:
    """A reply of the administrator in the first thread of the space; the key of the post, the same at all nodes."""
    thread = thread_titled(house.admin, space, THREADS[0].title)
    posted = house.admin.post(f"/threads/{thread}/posts", text=text, lang=house.organisation.language)
    return str(posted["post"])


def posts_of(house: House, space: str) -> list[dict[str, Any]]:
    """Every post of the space at this node, oldest last, as the administrator sees them; pending ones too."""
    found: dict[str, dict[str, Any]] = {}
    for thread in house.admin.get(f"/spaces/{space}/threads", limit=200)["items"]:
        page = house.admin.get(f"/threads/{thread['key']}", limit=200)
        posts = page["items"]
        while page["before"] is not None:
            page = house.admin.get(f"/threads/{thread['key']}", limit=200, before=page["before"])
            posts = [*page["items"], *posts]
        found |= {post["id"]: post for post in [page["first"], *posts]}
    return list(found.values())


def _tell(houses: Sequence[House], keys: Mapping[str, str], thread: Thread, after: int = 0) -> None:
    """The posts of a thread from number `after` on, one after the other, with who likes them."""
    for number, post in enumerate(thread.posts[after:], start=after):
        _arrive_and_please(houses, keys, post, _say(houses, keys, thread, number))


def _say(houses: Sequence[House], keys: Mapping[str, str], thread: Thread, number: int) -> str:
    """A post of a thread, by its author at the own node; its key."""
    post = thread.posts[number]
    house = _home(houses, post.author)
    voice, space = house.voices[post.author], keys[house.organisation.slug]
    said: dict[str, Any] = {
        "text": post.text.format_map({handle: f"@{handle}" for each in houses for handle in each.voices}),
        "lang": post.language,
        "files": [_brought(voice, post.paper)] if post.paper else [],
    }
    if number == 0:
        posted = voice.post(f"/spaces/{space}/threads", title=thread.title, **said)
    else:
        posted = voice.post(f"/threads/{thread_titled(voice, space, thread.title)}/posts", **said)
    return str(posted["post"])


def _arrive_and_please(houses: Sequence[House], keys: Mapping[str, str], post: Post, key: str) -> None:
    """Waits until a post is in its place at every house that is in the space; then its readers like it."""
    for house in houses:
        if house.organisation.slug in keys:
            until(f"{post.author}’s post at {house.name}", partial(_accepted, house.admin, key))
    for handle in post.likes:
        _home(houses, handle).voices[handle].put(f"/posts/{key}/like")


def _home(houses: Sequence[House], handle: str) -> House:
    return next(house for house in houses if handle in house.voices)


def _brought(voice: Voice, name: str) -> str:
    """Uploads one of the two papers; its ticket."""
    content, media_type = (
        (papers.plan_of_the_footbridge(), "image/png")
        if name == PNG_NAME
        else (papers.pdf(PDF_TITLE, PDF_LINES), "application/pdf")
    )
    return str(voice.upload("/files", name, media_type, content)["ticket"])


def _accepted(voice: Voice, post: str) -> bool:
    try:
        return bool(voice.get(f"/posts/{post}")["state"] == "accepted")
    except Refused as refused:
        if refused.status != NOT_FOUND:
            raise
        return False


def _space_named(voice: Voice, name: str) -> str | None:
    return next((space["key"] for space in voice.get("/spaces") if space["name"] == name), None)
