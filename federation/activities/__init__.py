"""Every activity type that this library knows. ALL is the registration; a handler takes `Trusted`."""

from __future__ import annotations

from federation.activities.accept import ACCEPT
from federation.activities.add import ADD
from federation.activities.announce import ANNOUNCE
from federation.activities.create import CREATE
from federation.activities.delete import DELETE
from federation.activities.follow import FOLLOW
from federation.activities.invite import INVITE
from federation.activities.join import JOIN
from federation.activities.leave import LEAVE
from federation.activities.like import LIKE
from federation.activities.offer import OFFER
from federation.activities.reject import REJECT
from federation.activities.remove import REMOVE
from federation.activities.undo import UNDO
from federation.activities.update import UPDATE

ALL = (
    CREATE,
    UPDATE,
    DELETE,
    ANNOUNCE,
    FOLLOW,
    JOIN,
    LEAVE,
    ACCEPT,
    REJECT,
    UNDO,
    LIKE,
    ADD,
    REMOVE,
    OFFER,
    INVITE,
)

BY_NAME = {kind.name: kind for kind in ALL}
