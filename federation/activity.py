"""Activity: a strict document read as an activity, with its exact bytes.

Rule: the bytes stay beside the document, because digests are over bytes and an Announce splices
them in unchanged (PROTOCOL 2.0, 2.j). Checked by hand, not by a schema: this is the hot path
(PERFORMANCE 1.1). Source: ActivityPub 3 and 7; FEP-fe34.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from federation import documents, iris
from federation.digest import content_digest
from federation.errors import NAMESPACE, Malformed

Document = dict[str, Any]

CONTEXT = (
    "https://www.w3.org/ns/activitystreams",
    "https://w3id.org/security/data-integrity/v2",
    NAMESPACE,
)
ACTOR_CONTEXT = (CONTEXT[0], "https://www.w3.org/ns/cid/v1", *CONTEXT[1:])

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def is_moment(value: object) -> TypeGuard[str]:
    """Whether this is a time in the form of the wire that is on the calendar, too."""
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity. `raw` are the bytes it came in, or goes out, as; `document` is what they say."""

    id: str
    type: str
    actor: str
    object_id: str | None
    object: Document | None
    object_types: tuple[str, ...]
    audience: str | None
    published: str
    rev: int | None
    document: Document
    raw: bytes
    content_digest: str

    @property
    def object_type(self) -> str | None:
        """The first type of an embedded object, or None."""
        return self.object_types[0] if self.object_types else None


def read(raw: bytes) -> Activity:
    """Bytes to Activity. `bto` and `bcc` are taken out before anything is kept or proved (ActivityPub 6).

    Raises:
        Malformed: not strict JSON (2.k step 3), or not an activity.
    """
    document = documents.loads(raw)
    documents.refuse_jsonld_keywords(document)
    if documents.may_hide(raw):
        stripped = documents.without_hidden(document)
        if stripped != document:
            return of(stripped, documents.dumps(stripped))
    return of(document, raw)


def of(document: Document, raw: bytes) -> Activity:
    """`document`, already strict, as an Activity whose bytes are `raw`.

    Raises:
        Malformed: an authority field is missing, doubled, or no absolute IRI (SECURITY B8, TH-32).
    """
    kind = document.get("type")
    if not isinstance(kind, str):
        raise Malformed("`type` of an activity must be one text.")
    object_ = document.get("object")
    if object_ is None:
        raise Malformed("`object` is missing.")
    embedded = object_ if isinstance(object_, dict) else None
    object_id = embedded.get("id") if embedded is not None else object_
    rev = document.get("rev")
    if rev is not None and (not isinstance(rev, int) or isinstance(rev, bool) or rev < 1):
        raise Malformed("`rev` must be a positive integer.")
    published = document.get("published")
    if not is_moment(published):
        raise Malformed("`published` must be a UTC time, RFC 3339.")
    return Activity(
        id=iri(document.get("id"), "id"),
        type=kind,
        actor=iri(document.get("actor"), "actor"),
        object_id=None if object_id is None else iri(object_id, "object"),
        object=embedded,
        object_types=documents.types(embedded),
        audience=None if document.get("audience") is None else iri(document["audience"], "audience"),
        published=published,
        rev=rev,
        document=document,
        raw=raw,
        content_digest=content_digest(raw),
    )


def inside(announce: Activity) -> Activity:
    """What an Announce embeds, with the bytes that stand in it. Raises Malformed when it embeds nothing."""
    if announce.object is None:
        raise Malformed("An Announce embeds what it announces.")
    start, end = documents.span_of(announce.raw, "object")
    return of(announce.object, announce.raw[start:end])


def new_id() -> str:
    """128 random bits, base64url: ids on the wire tell nothing (PROTOCOL 2.0, *Endpoints*)."""
    return secrets.token_urlsafe(16)


def iri(value: object, name: str) -> str:
    """A member that must be one absolute IRI. Raises Malformed."""
    if not isinstance(value, str):
        raise Malformed(f"`{name}` must be one absolute IRI.")
    iris.check_canonical(value)
    return value
