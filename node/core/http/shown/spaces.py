"""Spaces, their threads and members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from node.core.http.shown.people import Org, Person, Share
from node.core.http.shown.posts import Gap, Post, PostState
from node.core.values import value


@value
class SpaceLine:
    """A space in a list."""

    key: str
    name: str
    shares: Sequence[Share]
    purpose: str = ""
    last: datetime | None = None
    role: Literal["member", "manager", ""] = "member"  # empty: not in it yet
    host: Org | None = None  # None: ours
    waiting: Gap | None = None
    address: str = ""  # between nodes

    @property
    def total(self) -> int:
        """All members."""
        return sum(share.count for share in self.shares)

    @property
    def partners(self) -> list[Share]:
        """The organisations that are not ours."""
        return [share for share in self.shares if not share.org.ours]


@value
class Space(SpaceLine):
    """A space that one is in."""

    managers: Sequence[Person] = ()
    history_from: date | None = None  # what the reader sees begins here; None: all
    retention: Sequence[str] = ()  # one sentence per organisation
    gaps: Sequence[Gap] = ()
    may_write: bool = False
    closed: str = ""  # why nobody may write here now
    requests: int = 0  # who ask to come in, for a manager
    may_manage: bool = False
    may_share: bool = False
    may_leave: bool = False


@value
class ThreadLine:
    """A thread in a list."""

    key: str
    title: str
    author: Person
    at: datetime
    space: SpaceLine
    excerpt: str = ""
    lang: str = ""
    replies: int = 0
    last: datetime | None = None
    state: PostState = "accepted"


@value
class Thread:
    """A thread that one reads: its first post, then what came after."""

    key: str
    title: str
    space: Space
    first: Post
    entries: Sequence[Post | Gap] = ()
    cursor: str = ""  # for `threads.live`
    older: str = ""  # cursor of the page before, empty at the beginning


@value
class Member:
    """A person in a space."""

    person: Person
    role: Literal["member", "manager"]
    since: datetime | None = None
    you: bool = False
    may_remove: bool = False
    may_promote: bool = False


@value
class MemberGroup:
    """The members of one organisation."""

    org: Org
    members: Sequence[Member]
    node: str = ""  # its node actor, for the form that takes it out
    may_remove: bool = False
    stopped: bool = False  # exchange with it is stopped here: its people read nothing now


@value
class JoinRequest:
    """Somebody from outside who asks to come in; not `may_enter` while the organisation has no place in the space."""

    key: str
    person: Person
    at: datetime
    may_enter: bool = False


@value
class Asked:
    """What one has asked a partner: to come into the space at this address. `answered` is None while it waits."""

    address: str
    host: Org
    state: Literal["open", "accepted", "declined"]
    at: datetime
    answered: datetime | None = None


@value
class Invitation:
    """A space that a partner offers us (admin), or that colleagues may join (member)."""

    key: str
    space: SpaceLine
    sent_by: Org
    at: datetime
    history_from: date | None = None
    retention: Sequence[str] = ()
