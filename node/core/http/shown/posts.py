"""What people say, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from node.core.http.shown.people import Org, Person
from node.core.values import value

PostState = Literal["accepted", "pending", "refused", "deleted", "hidden"]


DeliveryState = Literal["queued", "delivered", "late", "unconfirmed", "refused"]


FileState = Literal["here", "coming", "missing"]


@value
class Delivery:
    """Where a post stands at one organisation; `via` is the host when we have no relation with `org`."""

    org: Org
    state: DeliveryState
    at: datetime | None = None  # received at, late or queued since
    via: Org | None = None
    reason: str = ""


@value
class PostReceipt:
    """One entry of our log that a partner has receipted; `signed` is when both had signed the log up to it."""

    entry: int
    at: datetime
    receipt: str
    outcome: str
    signed: datetime | None = None


@value
class PostProof:
    """What an organisation has signed of one's own post; `mark` is None for one that is no longer in the space.

    `relation` names the file to take along, "" when there is none.
    """

    org: Org
    mark: Delivery | None
    receipts: Sequence[PostReceipt] = ()
    relation: str = ""


@value
class FoundPost:
    """A post without its words, for who may not read them; `url` is "" for who is not in its space."""

    author: Person
    space: str
    at: datetime
    url: str = ""


@value
class Attachment:
    """A file of a post."""

    name: str
    media_type: str
    size: int  # bytes
    sha256: str  # hexadecimal
    origin: Org
    url: str = ""  # empty unless `here`
    state: FileState = "here"


@value
class Quote:
    """The post that a reply answers."""

    key: str
    author: Person
    text: str


@value
class Post:
    """A post or a reply. A tombstone (`deleted`, `hidden`) has no html, files or quote."""

    key: str
    author: Person
    at: datetime
    html: Markup | str = ""
    state: PostState = "accepted"
    lang: str = ""  # BCP 47, when it is not the reader's
    reason: str = ""  # why refused or hidden, for those who may know
    edited: datetime | None = None
    quote: Quote | None = None
    attachments: Sequence[Attachment] = ()
    deliveries: Sequence[Delivery] = ()  # the author's view only
    likes: int = 0
    liked: bool = False
    mine: bool = False
    may_reply: bool = False
    may_like: bool = False
    may_edit: bool = False
    may_delete: bool = False
    may_hide: bool = False
    recalled: str = ""  # why it was called back, in words
    again: str = ""  # address: to sign in once more and send it again
    kind: Literal["post"] = "post"


@value
class Gap:
    """Messages that are not yet where they should be: `out` they lack ours, `in` we lack theirs."""

    org: Org
    missing: int
    since: datetime
    direction: Literal["out", "in"] = "out"
    kind: Literal["gap"] = "gap"


@value
class Version:
    """One version of a post, newest first; `by` differs from the author only after a moderator."""

    at: datetime
    html: Markup | str
    by: Person
    number: int
