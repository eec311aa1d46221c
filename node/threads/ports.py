"""The answer of threads to `federation.ports.Objects`: what people post, as the walks bring it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError
from sqlalchemy.orm import Session

from federation import recall
from federation.errors import Malformed, OutOfScope, ReplayedMessage
from federation.ports import TOMBSTONE, Effect, Stored
from node.core import events
from node.core.ground import Ground
from node.exchange import service as exchange
from node.threads import markdown
from node.threads.posts import Known, posts_of
from schemas.as2.note import NOTE, TYPES


class Objects:
    """Answers `ports.Objects`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._posts = posts_of(session, ground)
        self._register = self._posts.register
        self._session, self._ground = session, ground

    def stored(self, object_id: str) -> Stored | None:
        known = self._posts.find(object_id)
        if known is None:
            return None
        return Stored(
            id=known.iri,
            type=TOMBSTONE if known.gone else known.type,
            attributed_to=self._register.iri_of(known.author_id),
            audience=self._register.by_id(known.space_id).iri,
        )

    def knows(self, object_type: str) -> bool:
        return object_type in TYPES

    def create(self, effect: Effect) -> None:
        """Raises Malformed for another shape, ReplayedMessage for a post that has its place already."""
        known = self._posts.find(str(effect.activity.object_id))
        self._register.turn(effect)
        if known is None:
            note = self._read(effect)
            self._posts.add(effect, note, markdown.clean(note["content"]))
        elif known.rev is None and not known.gone:
            self._posts.accept(effect, known)
        else:
            raise ReplayedMessage("The object exists.")
        if effect.rev is None:
            self._tell(effect.actor)

    def update(self, effect: Effect) -> None:
        """Raises Malformed for another shape, OutOfScope for what is not here or gone."""
        known = self._known(effect, str(effect.activity.object_id))
        if known.gone:
            raise OutOfScope("The object is gone.")
        note = self._read(effect)
        self._register.turn(effect)
        self._posts.edit(effect, known, note, markdown.clean(note["content"]))

    def delete(self, effect: Effect) -> None:
        self._register.turn(effect)
        known = self._posts.find(str(effect.activity.object_id))
        exchange.erase_held(self._session, str(effect.activity.object_id))
        if known is None:
            self._posts.bury_unseen(effect)
            return
        if known.gone:
            if effect.rev is not None:
                self._posts.bury_again(known, effect.rev)
            return
        author = self._register.iri_of(known.author_id)
        by_author = effect.actor in {author, effect.space.iri} or self._register.is_node_of(
            effect.actor, author
        )
        asked = recall.read(effect.activity)
        reason = "" if asked is None else asked.reason
        by_author = by_author or reason in recall.OUT_OF_TIME
        journal = self._ground.work(self._session).journal
        for activity in self._posts.bury(known, effect.rev, by_author=by_author, reason=reason):
            journal.erase(activity)

    def like(self, effect: Effect) -> None:
        known = self._known(effect, str(effect.activity.object_id))
        if known.gone or known.rev is None:
            raise OutOfScope("The object is gone, or waits for its space.")
        self._register.turn(effect)
        self._posts.like(effect, known)

    def unlike(self, effect: Effect) -> None:
        self._register.turn(effect)
        liked = (effect.activity.object or {}).get("object")
        known = self._posts.find(liked) if isinstance(liked, str) else None
        if known is not None:
            self._posts.unlike(effect, known)

    def refused(self, activity_id: str, problem: Mapping[str, object]) -> None:
        activity = self._ground.work(self._session).journal.get(activity_id)
        if activity is None or activity.type != "Create" or activity.object_id is None:
            return
        known = self._posts.find(activity.object_id)
        if known is not None and known.rev is None:
            self._posts.refuse(known, problem)
            self._tell(self._register.iri_of(known.author_id))
            self._register.changed(self._register.by_id(known.space_id).iri)

    def _known(self, effect: Effect, object_id: str) -> Known:
        known = self._posts.find(object_id)
        if known is None or known.space_id != self._register.get(effect.space.iri).id:
            raise OutOfScope("No such object in this space.")
        return known

    def _read(self, effect: Effect) -> dict[str, Any]:
        try:
            note: dict[str, Any] = NOTE.load(effect.activity.object or {})
        except ValidationError as error:
            where = ", ".join(sorted(map(str, error.messages)))
            raise Malformed(f"The post has another shape: {where}.") from error
        if note["attributed_to"] != effect.actor or note["audience"] != effect.space.iri:
            raise OutOfScope("The post names another author or space than what brought it.")
        if note["published"] is None:
            note["published"] = datetime.fromisoformat(effect.activity.published).astimezone(UTC)
        return note

    def _tell(self, actor: str) -> None:
        """Wakes the pages of the author, who alone sees what waits."""
        wake, channel = self._ground.wake, f"person:{actor}"
        events.after_commit(self._session, lambda: wake.notify(channel))
