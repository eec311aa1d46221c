"""What somebody wrote and could not send before signing in once more: kept for a day, for its writer alone.

Rule: one for each person, the last; bytes of its files are those that `files` took in, which keeps them as long.
Source: PROTOCOL 2.d (L1); RFC 9470.
"""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from node.core.db import table_of
from node.core.ground import Ground
from node.core.jobs import every
from node.core.values import value
from node.files.service import Taken
from node.threads import tables
from node.threads.services.posting import Draft

DRAFT = table_of(tables.Draft)
KEPT_FOR = timedelta(days=1)


@value
class Kept:
    """A draft that waits; `reply_to` is the key of the post that it answers, or ""."""

    draft: Draft
    reply_to: str


def keep(ground: Ground, actor: str, draft: Draft, reply_to: str = "") -> None:
    """Keeps it in place of the one before."""
    files = [
        {"name": each.name, "media_type": each.media_type, "size": each.size, "sha256": each.sha256.hex()}
        for each in draft.files
    ]
    row = {
        "actor": actor,
        "title": draft.title,
        "text": draft.text,
        "lang": draft.lang,
        "reply_to": reply_to,
        "again": draft.again,
        "files": json.dumps(files),
        "at": ground.clock.now(),
    }
    with ground.database.writing() as session:
        session.execute(delete(DRAFT).where(DRAFT.c.actor == actor))
        session.execute(insert(DRAFT), row)


def kept(session: Session, actor: str) -> Kept | None:
    """The draft of this author, or None."""
    row = session.execute(select(DRAFT).where(DRAFT.c.actor == actor)).first()
    if row is None:
        return None
    files = [Taken(**{**each, "sha256": bytes.fromhex(each["sha256"])}) for each in json.loads(row.files)]
    return Kept(Draft(row.text, row.lang, row.title, files, again=row.again), row.reply_to)


def forget(ground: Ground, actor: str) -> None:
    """It was sent."""
    with ground.database.writing() as session:
        session.execute(delete(DRAFT).where(DRAFT.c.actor == actor))


@every(60, "threads.drafts")
def tidy(ground: Ground) -> None:
    """Forgets what nobody came back for within a day."""
    with ground.database.writing() as session:
        session.execute(delete(DRAFT).where(DRAFT.c.at < ground.clock.now() - KEPT_FOR))
