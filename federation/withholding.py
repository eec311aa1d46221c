"""What a charter withholds of a space that is there already: the fence, asked of outlines that are kept with leaves.

Rule: one table decides (`fence`), as when it was said. An outline has of an activity what the rules look at, and no
content, so most posts of a space share one. What the DNS proves at the moment is not asked: the two sides of a copy
would not agree. Source: PROTOCOL 2.c, *Failure cases*; 2.a.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from federation import documents, fence, iris
from federation.activity import Activity, Document
from federation.ports import Relation
from federation.replica import Outline

_NO_DATE = "1970-01-01T00:00:00Z"


def outline(said: Document, raw: bytes) -> Outline:
    """What a charter looks at of the activity that says an object as it is now, read from these bytes."""
    spoken: Document = said["object"]
    attached = documents.as_list(spoken.get("attachment"))
    files: list[Document] = [each if isinstance(each, dict) else {} for each in attached]
    sizes = [each["size"] for each in files if _is_size(each.get("size"))]
    kinds = {documents.dumps(kind): kind for kind in map(_kind, files)}
    form: Document = {
        **_named(said, "type", "dataClass"),
        "actor": f"{iris.origin(said['actor'])}/",
        "object": {
            **_named(spoken, *_LABELS, "size"),
            "attachment": [kinds[name] for name in sorted(kinds)],
        },
    }
    if documents.is_public(said, raw):
        form["to"] = [_PUBLIC]
    if "authn" in said:
        form |= {"authn": said["authn"], "published": said["published"]}
    return Outline(documents.dumps(form).decode(), len(raw), max(sizes, default=0))


def passes(relation: Relation, space: str) -> Callable[[Outline], bool]:
    """Whether the charter of `relation` lets pass, in the space (IRI), what has this outline."""
    agreement = relation.agreement or {}
    parties = agreement.get("parties", ())
    nodes = {f"{iris.origin(each['node'])}/": each["node"] for each in parties}
    domains = frozenset(domain for each in parties for domain in each["domains"])
    asked = replace(relation, proven=domains)
    scope = agreement.get("scope", {})
    most, most_of_files = scope.get("maxObjectBytes", 0), scope.get("maxFileBytes", 0)
    known: dict[str, bool] = {}

    def passes_(one: Outline) -> bool:
        found = known.get(one.form)
        if found is None:
            said = _said(documents.loads(one.form.encode()), space)
            case = fence.case_of(asked, said, space, nodes.get(said.actor, f"{said.actor}actor"))
            found = known[one.form] = fence.broken(case) is None
        return found and one.raw_bytes <= most and one.file_bytes <= most_of_files

    return passes_


_PUBLIC = min(documents.PUBLIC)
_LABELS = ("type", "dataClass", "mediaType")


def _kind(file: Document) -> Document:
    """Of a file: what it is, and that it says its size, if it does."""
    kind = _named(file, *_LABELS)
    return {**kind, "size": 0} if _is_size(file.get("size")) else kind


def _named(document: Document, *names: str) -> Document:
    return {name: document[name] for name in names if name in document}


def _is_size(value: object) -> bool:
    return type(value) is int and value >= 0


def _said(form: Document, space: str) -> Activity:
    """An activity of which the fence thinks as of those with this form; sizes are asked beside it."""
    return Activity(
        id="",
        type=form["type"],
        actor=form["actor"],
        object_id=None,
        object=form["object"],
        object_types=documents.types(form["object"]),
        audience=space,
        published=form.get("published", _NO_DATE),
        rev=None,
        document=form,
        raw=_PUBLIC.encode() if "to" in form else b"",
        content_digest="",
    )
