"""What people say and see, in the houses of `tests.node.spaces.world`."""

from __future__ import annotations

from typing import Any

from node.files.service import Taken
from node.identity.services.people import Person
from node.spaces.services import reading as spaces
from node.threads.markdown import excerpt
from node.threads.services import posting, reading
from node.threads.services.posting import Draft, Posted
from node.threads.services.reading import PostSeen
from tests.node.spaces.world import House


def begin(house: House, person: Person, key: str, text: str, title: str = "Grue", **members: Any) -> Posted:
    return posting.begin(house.ground, house.by(person), key, Draft(text, title=title, **members))


def reply(house: House, person: Person, thread: str, text: str, to: str = "", **members: Any) -> Posted:
    return posting.reply(house.ground, house.by(person), thread, Draft(text, **members), to)


def thread_key(house: House, person: Person, number: int = 0) -> str:
    """The key that this house gives to a thread that the person sees."""
    with house.ground.database.reading() as session:
        space = spaces.of_person(session, person.actor)[0]
        return reading.threads(session, space)[number].key


def seen(house: House, person: Person, number: int = 0) -> list[PostSeen]:
    """All posts of a thread, as the person sees them."""
    with house.ground.database.reading() as session:
        found, space = reading.thread(session, thread_key(house, person, number), person.actor)
        replies, _ = reading.entries(session, found, space)
        return [found.first, *replies]


def texts(house: House, person: Person, number: int = 0) -> list[str]:
    return [excerpt(each.html) for each in seen(house, person, number)]


def latest(house: House, person: Person) -> list[str]:
    with house.ground.database.reading() as session:
        space = spaces.of_person(session, person.actor)[0]
        return [excerpt(each.html) for each in reading.latest(session, space)]


__all__ = ["Taken", "begin", "latest", "reply", "seen", "texts", "thread_key"]
