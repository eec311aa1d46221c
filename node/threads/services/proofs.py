"""The proof of one message: what partners have signed of it, and a file that verifies without this node.

Rule: for its author alone, as the marks are. Source: PROTOCOL 2.b; PRODUCT B20.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.core.audit import Act
from node.core.errors import Absent
from node.core.ground import Ground
from node.exchange import dossier
from node.exchange import service as exchange
from node.exchange.dossier import Received, Wanted
from node.spaces.services.spaces import By
from node.threads.posts import VERSION
from node.threads.services import reading
from node.threads.services.reading import PostSeen


def received(session: Session, post: PostSeen) -> list[Received]:
    """What partners have receipted of it and of its edits, in the order of the logs."""
    return dossier.received(session, _said(session, post))


def file(ground: Ground, by: By, key: str, relation_id: str) -> bytes:
    """The evidence of one's own message and its edits, as exchanged with one partner, for `parvis verify`.

    Raises Absent for another's message, and for a partner that has receipted nothing of it.
    """
    with exchange.open_work(ground) as work:
        post, _, _ = reading.thread_of_post(work.session, key, by.actor)
        if not provable(post) or relation_id not in {
            each.relation_id for each in received(work.session, post)
        }:
            raise Absent(
                f"post {key!r} is another's, or relation {relation_id!r} has receipted nothing of it"
            )
        try:
            written = dossier.dossier(work, relation_id, Wanted(_said(work.session, post)))
        except dossier.NoSuchRelation as error:
            raise Absent(f"the relation {relation_id!r} has ended") from error
        partner = next(each.node for each in exchange.live(work) if each.id == relation_id)
        ground.audit.append(work.session, Act("exchange.evidence", by.actor, partner, post.iri))
    return written


def provable(post: PostSeen) -> bool:
    """Whether its reader, who wrote it, can have a proof of it."""
    return post.mine and post.state == "accepted"


def _said(session: Session, post: PostSeen) -> tuple[str, ...]:
    """The activities that said what it says and said."""
    edits = select(VERSION.c.activity).where(VERSION.c.post_id == post.id).order_by(VERSION.c.number)
    return (post.activity, *session.scalars(edits))
