"""Organisations, people, and who will read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from node.core.values import value

OrgState = Literal["verified", "unverified", "suspended"]


STONES_MAX = 60  # above it one stone stands for several people (look/README, idea 2)


def letters_of(name: str) -> str:
    """Two letters for an organisation: `Nord Acier` -> `NA`, `Aubier` -> `Au`."""
    words = [word for word in name.replace("&", " ").split() if word[0].isalnum()]
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    return name[:1].upper() + name[1:2].lower()


def initials_of(name: str) -> str:
    """Two letters for a person: `Marie Lenoir` -> `ML`, `Cher` -> `CH`."""
    words = [word for word in name.split() if word[0].isalnum()]
    if len(words) > 1:
        return (words[0][0] + words[-1][0]).upper()
    return name[:2].upper()


@value
class Org:
    """An organisation as it is marked everywhere: ours without a hue, a partner with its own for life."""

    name: str
    hue: int | None = None  # 1–8, given once per relation; None for ours and for one not verified
    ours: bool = False
    state: OrgState = "verified"
    domain: str = ""
    key: str = ""  # opaque, for addresses of its partner page

    @property
    def letters(self) -> str:
        """Its two letters."""
        return letters_of(self.name)


@value
class Person:
    """A person with the organisation that is always written after an external name."""

    name: str
    org: Org
    role: str = ""  # in this relation, in their own words
    key: str = ""
    handle: str = ""  # what a mention is typed as, e.g. `marie@nordacier.example`
    by_mail: bool = False

    @property
    def initials(self) -> str:
        """Their two letters."""
        return initials_of(self.name)

    @property
    def external(self) -> bool:
        """Whether they come from outside."""
        return not self.org.ours


@value
class Share:
    """How many readers one organisation has in an audience; ours comes first, then the largest."""

    org: Org
    count: int
    by_mail: int = 0


@value
class Reader:
    """One person in an audience, with what a writer should know of them."""

    person: Person
    you: bool = False
    added: datetime | None = None  # only if within the last 7 days


@value
class Audience:
    """Who will read what is about to be written: the list that delivery itself uses (PRODUCT B4)."""

    token: str  # DECISIONS 1; goes back in the form
    shares: Sequence[Share]
    readers: Sequence[Reader] = ()  # all of them, or the first of each organisation
    terms: Sequence[str] = ()  # sentences on retention
    came: Sequence[Person] = ()  # since the token of the form
    went: Sequence[Person] = ()
    before: int | None = None  # how many there were; None when nothing changed

    @property
    def total(self) -> int:
        """All readers."""
        return sum(share.count for share in self.shares)

    @property
    def by_mail(self) -> int:
        """Those who read by mail."""
        return sum(share.by_mail for share in self.shares)

    @property
    def external(self) -> int:
        """Readers who are not ours."""
        return sum(share.count for share in self.shares if not share.org.ours)

    @property
    def per_stone(self) -> int:
        """How many people one stone stands for."""
        return -(-self.total // STONES_MAX) or 1

    def of(self, org: Org) -> list[Reader]:
        """The readers of one organisation."""
        return [reader for reader in self.readers if reader.person.org == org]
