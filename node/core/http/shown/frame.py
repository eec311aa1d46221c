"""What every page has around it, and what waits for its reader."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from node.core.http.shown.people import Org, Person
from node.core.http.shown.spaces import SpaceLine
from node.core.values import value


@value
class Waiting:
    """One thing that waits for the reader (D.1)."""

    title: str
    url: str
    why: str
    org: Org
    button: str
    due: datetime | None = None
    now: bool = False


@value
class Next:
    """Where a list goes on: addresses, empty where it ends."""

    newer: str = ""
    older: str = ""


@value
class NavItem:
    """One entry of the left column, and of the dock on a phone."""

    name: str  # what `current` is compared with
    label: str
    url: str
    icon: str
    key: str = ""  # second key after `g`
    count: int = 0  # only what needs the reader
    dock: bool = True


@value
class Frame:
    """What every page has around it."""

    house: Org
    domain: str
    me: Person | None = None
    nav: Sequence[NavItem] = ()
    spaces: Sequence[SpaceLine] = ()  # followed, for the left column
    theme: Literal["", "light", "dark"] = ""  # empty: the system's
    shortcuts: bool = True
    search_url: str = ""  # empty: no search field
    write_url: str = ""  # empty: no button
    notices: Sequence[tuple[str, str]] = ()  # ("ok" | "late" | "stop" | "", sentence), shown once
