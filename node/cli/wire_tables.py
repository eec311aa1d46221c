"""The tables of docs/protocol.md and FEDERATION.md that are made from the code: what stands between two marks.

Rule: a table says what the code decides. `<!-- made: NAME -->` begins it and `<!-- end -->` ends it; `parvis manual`
writes it, and a test fails while it is old. Source: RFC 9457; FEP-67ff.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from flask import Flask
from marshmallow import fields, validate
from marshmallow.schema import Schema

from federation import (
    authority,
    charter,
    discovery,
    errors,
    exchange,
    handshake,
    inbox,
    limits,
    service,
    signatures,
)
from federation.activity import Activity
from federation.authority import Thing
from federation.errors import OutOfScope, RemoteError
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from node.wire.signed import READ_PREFIX
from schemas.as2 import actor, agreement, note, roster

PART = re.compile(r"(?P<begin><!-- made: (?P<name>[a-z-]+) -->\n).*?<!-- end -->", re.DOTALL)
BLUEPRINTS = ("discovery", "wire")
FILES = "files.for_partner"
_SOURCE = re.compile(
    r" \((?:PROTOCOL |FEP-|RFC )[^)]*\)|; asked for by the IRI of the stream|[,;] signed(?=[.;])"
)


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with its made parts anew; those that stand under no name of `parts` are left as they are."""

    def part(found: re.Match[str]) -> str:
        text = parts.get(found["name"])
        return found[0] if text is None else f"{found['begin']}\n{text}\n\n<!-- end -->"

    return PART.sub(part, page)


def parts(app: Flask) -> dict[str, str]:
    """Name -> text of every part."""
    return {
        "activities": _table(("activity", "its `object`", "who", "node inbox", "order"), _activities()),
        "endpoints": _table(("", "address", "who", "takes", "gives", "what"), _endpoints(app)),
        "media-types": _table(("media type", "of"), _media_types()),
        "messages": _table(
            ("message", "header fields", "the signature covers", "its parameters"), _messages()
        ),
        "refusals": _table(("status", "type", "when"), _refusals()),
        "properties": "\n\n".join(_properties()),
        "federation-activities": _table(("activity", "about"), _abouts()),
        "federation-types": _table(("", "types"), _types()),
    }


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = tuple(heads)
    written = (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    return "\n".join((f"| {' | '.join(names)} |", "|" + "---|" * len(names), *written))


# -- activities

_EMBEDDED = (
    *sorted(authority.ACTOR_TYPES - {"Organization", "Service"}),
    *charter.OBJECT_TYPES,
    "PeeringAgreement",
    "DeliveryReceipt",
    "Follow",
    "Invite",
    "Join",
    "Like",
    "LogCheckpoint",
    "Offer",
    "ReplicaStatement",
    "Roster",
)
"""The types of what an activity may embed."""


def _activities() -> Iterator[tuple[str, ...]]:
    rows = sorted(authority.TABLE.items(), key=lambda row: (row[0][0], row[0][1].name))
    for act, alternatives in rows:
        yield (
            f"`{act[0]}`",
            ", ".join(_objects(*act)),
            "; or ".join(
                " and ".join(each for each in authority.Standing if each in alternative)
                for alternative in alternatives
            ),
            _inbox(act),
            "gets a `rev`" if act in authority.ORDERED else "",
        )


def _objects(verb: str, thing: Thing) -> Iterator[str]:
    """What `object` of this activity is, as `authority.thing_of` reads it."""
    if thing is Thing.ANNOUNCED:
        yield "an activity that gets a `rev`"
        return
    for name in charter.OBJECT_TYPES if thing is Thing.OBJECT else _EMBEDDED:
        if _thing(verb, {"type": name}) is thing:
            yield f"`{name}`"
    for accepted in ("Invite", "Offer"):
        if verb == "Undo" and _thing(verb, {"type": "Accept", "object": {"type": accepted}}) is thing:
            yield f"an `Accept` of an `{accepted}`"
    if _thing(verb, None) is thing:
        yield "an id"


def _thing(verb: str, embedded: dict[str, object] | None) -> Thing | None:
    types = () if embedded is None else (str(embedded["type"]),)
    said = Activity("", verb, "", "", embedded, types, None, "", None, {}, b"", "")
    try:
        return authority.thing_of(said)
    except OutOfScope:
        return None


_ASIDE = {("Update", Thing.ACTOR): "of the node itself", ("Accept", Thing.INVITE): "with `inviteBinding`"}
_RECALL = {("Delete", Thing.OBJECT): ", with `recall`", ("Announce", Thing.ANNOUNCED): ", of a recall"}


def _inbox(act: tuple[str, Thing]) -> str:
    if act in inbox.HANDSHAKE:
        return "always"
    if act in _ASIDE:
        return f"always, {_ASIDE[act]}"
    if act not in authority.PASSES_SUSPENDED:
        return ""
    return f"also while suspended{_RECALL.get(act, '')}"


def _abouts() -> Iterator[tuple[str, ...]]:
    for name in sorted({verb for verb, _ in authority.TABLE}):
        yield f"`{name}`", "; ".join(thing for verb, thing in authority.TABLE if verb == name)


def _types() -> Iterator[tuple[str, ...]]:
    actors, objects = sorted(authority.ACTOR_TYPES), charter.OBJECT_TYPES
    verbs = {verb for verb, _ in authority.TABLE}
    own = sorted(set(_EMBEDDED) - set(actors) - set(objects) - verbs)
    problems = sorted({f"#{kind.problem}" for kind in refusals() if kind.problem})
    for name, types in (
        ("objects", objects),
        ("actors", actors),
        ("of the profile", own),
        ("problems", problems),
    ):
        yield name, ", ".join(f"`{each}`" for each in types)


# -- endpoints

_ACTIVITY, _LINES, _JSON = service.ACTIVITY_TYPE, exchange.MEDIA_TYPE, "application/json"
_ANY = "as the file"
_LOG, _SYNCHRONIZATION = "Exchange-Log", "Collection-Synchronization"
_FORMS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "discovery.webfinger": ("", (discovery.JRD_TYPE,)),
        "discovery.nodeinfo_index": ("", (_JSON,)),
        "discovery.nodeinfo": ("", (_JSON,)),
        "discovery.actor": ("", (_ACTIVITY,)),
        "wire.exchange": (_LINES, (_ACTIVITY,)),
        "wire.inbox": (_ACTIVITY, (_ACTIVITY,)),
        "wire.shared_inbox": (_ACTIVITY, (_ACTIVITY,)),
        "wire.stream": ("", (_LINES,)),
        "wire.copy": ("", (_LINES,)),
        "wire.checkpoint": ("", (_ACTIVITY,)),
        "wire.copy_checkpoint": ("", (_ACTIVITY,)),
        "wire.digest": ("", (_ACTIVITY, _JSON, _LINES)),
        "wire.outbox": ("", (_LINES,)),
        "wire.receipts": ("", (_LINES,)),
        "wire.roster": ("", (_ACTIVITY,)),
        "wire.document": ("", (_ACTIVITY,)),
        FILES: ("", (_ANY,)),
    }
)
"""Endpoint -> the media type that it takes, and those that it gives."""


def wire_endpoints(app: Flask) -> Iterator[tuple[str, str, str, str]]:
    """(method, address, endpoint, first line of the docstring) of what another node asks for, in order."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.rule.removeprefix(READ_PREFIX)):
        view = app.view_functions[rule.endpoint]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if rule.endpoint.partition(".")[0] in BLUEPRINTS or rule.endpoint == FILES:
                saying = (inspect.getdoc(view) or "").partition("\n")[0]
                yield method, rule.rule.removeprefix(READ_PREFIX), rule.endpoint, saying


def _endpoints(app: Flask) -> Iterator[tuple[str, ...]]:
    for method, address, endpoint, saying in wire_endpoints(app):
        takes, gives = _FORMS[endpoint]
        plain = re.sub(r"<any\(([^)]*)\):\w+>", lambda found: "{" + found[1].replace('"', "") + "}", address)
        plain = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", plain)
        who = "everybody" if endpoint.startswith("discovery.") else "a partner's node, signed"
        yield (
            method,
            f"`{plain}`",
            who,
            f"`{takes}`" if takes else "",
            ", ".join(each if each == _ANY else f"`{each}`" for each in gives),
            _SOURCE.sub("", saying),
        )


def _media_types() -> Iterator[tuple[str, ...]]:
    yield f"`{_ACTIVITY}`", "one document; `application/ld+json` is read like it"
    yield f"`{_LINES}`", "a batch, a log, lists: one document a line, each ended by one LF"
    yield f"`{service.PROBLEM_TYPE}`", "a refusal"
    yield f"`{discovery.JRD_TYPE}`", "WebFinger"
    yield f"`{_JSON}`", "NodeInfo, with its `profile`; the hashes of buckets"


# -- messages


def _messages() -> Iterator[tuple[str, ...]]:
    """What is signed, and how: by signing one of each and looking."""
    key = SigningKey.generate("https://nord-acier.example/actor#ed25519")
    for name, request in _requests():
        signed = signatures.sign_request(request, key, created=0, nonce="0" * limits.MIN_NONCE_CHARS)
        yield name, *_signed(signed)
        if name == "a batch":
            typed = Headers((("Content-Type", _ACTIVITY),))
            answer = signatures.sign_response(Response(200, typed, b"{}"), signed, key, 0)
            yield "the answer to it", *_signed(answer)


def _requests() -> Iterator[tuple[str, Request]]:
    lines, single = (("Content-Type", _LINES), (_LOG, "x")), (("Content-Type", _ACTIVITY),)
    url = "https://aubier.example"
    yield "a batch", Request("POST", f"{url}/exchange", Headers(lines), b"{}")
    yield (
        "a batch that says who is in",
        Request("POST", f"{url}/exchange", Headers((*lines, (_SYNCHRONIZATION, "x"))), b"{}"),
    )
    yield "a single activity", Request("POST", f"{url}/actor/inbox", Headers(single), b"{}")
    yield "a read", Request("GET", f"{url}/a/1")


def _signed(message: Request | Response) -> tuple[str, str, str]:
    """Its fields, and what its signature covers, with which parameters."""
    (found,) = signatures.signatures(message)
    covered = (
        name + "".join(f";{each}" if value is True else f';{each}="{value}"' for each, value in more.items())
        for name, more in found.components
    )
    return (
        ", ".join(f"`{name}`" for name, _ in message.headers),
        ", ".join(f"`{each}`" for each in covered),
        ", ".join(f"`{name}`" for name in found.parameters),
    )


# -- refusals


def refusals() -> list[type[RemoteError]]:
    """Every class of refusal that a partner meets, by status and type."""
    modules = {errors.__name__, handshake.__name__}
    found = [kind for kind in _below(RemoteError) if kind.__module__ in modules]
    return sorted(found, key=lambda kind: (kind.status, kind.problem or "", kind.__name__))


def _below(kind: type[RemoteError]) -> Iterator[type[RemoteError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _refusals() -> Iterator[tuple[str, ...]]:
    for kind in refusals():
        named = f"[`#{kind.problem}`](problems/{kind.problem}.md)" if kind.problem else "`about:blank`"
        yield str(kind.status), named, _SOURCE.sub("", (inspect.getdoc(kind) or "").partition("\n")[0])


# -- properties of documents

SHAPES: tuple[tuple[str, type[Schema]], ...] = (
    ("an actor", actor.Actor),
    ("a key", actor.Key),
    ("an agreement", agreement.Agreement),
    ("a party of an agreement", agreement.Party),
    ("`scope` of an agreement", agreement.Scope),
    ("a space in `scope`", agreement.SpaceInScope),
    ("a data class in `scope`", agreement.DataClass),
    ("`identity` of an agreement", agreement.Identity),
    ("`evidence` of an agreement", agreement.Evidence),
    ("`recall` of an agreement", agreement.Recall),
    ("`terms` of an agreement", agreement.Terms),
    ("a post", note.Note),
    ("`source` of a post", note.Source),
    ("a file of a post", note.Attached),
    ("a roster", roster.Roster),
    ("an organisation in a roster", roster.Node),
    ("a former organisation, or key of one", roster.FormerNode),
    ("a person in a roster", roster.Member),
)
_NAMES: dict[object, str] = {kind: name for name, kind in SHAPES}
_UNKNOWN = {
    "raise": "Other members: refused.",
    "include": "Other members: kept.",
    "exclude": "Other members: left alone.",
}


def _properties() -> Iterator[str]:
    for name, kind in SHAPES:
        shape = kind()
        rows = ((f"`{each.data_key or key}`", _need(each), _form(each)) for key, each in shape.fields.items())
        yield f"**{name[0].upper()}{name[1:]}.** {_UNKNOWN[shape.unknown]}\n\n" + _table(
            ("member", "", "form"), rows
        )


def _need(field: fields.Field[Any]) -> str:
    null = ", may be null" if field.allow_none else ""
    return ("required" if field.required else "optional") + null


def _form(field: fields.Field[Any]) -> str:
    if isinstance(field, fields.List):
        return f"list of {_form(field.inner)}{_rules(field)}"
    if isinstance(field, fields.Nested):
        return f"{_NAMES[field.nested]}{_rules(field)}"
    kinds = {
        fields.String: "text",
        fields.Integer: "whole number",
        fields.Boolean: "true or false",
        fields.AwareDateTime: "time, RFC 3339",
        fields.Dict: "object",
        fields.Raw: "any",
    }
    return f"{next(word for kind, word in kinds.items() if isinstance(field, kind))}{_rules(field)}"


def _rules(field: fields.Field[Any]) -> str:
    return "".join(f", {_rule(each)}" for each in field.validators)


def _within(sentence: str) -> str:
    return sentence[0].lower() + sentence.removesuffix(".")[1:]


_END, _UNSAID = r"\Z", validate.Regexp.default_message


def _rule(rule: object) -> str:
    match rule:
        case validate.Length(equal=int(size)):
            return f"{size} of them"
        case validate.Length(min=low, max=high):
            return f"length {_range(low, high)}"
        case validate.Range(min=low, max=high):
            return f"{_range(low, high)}"
        case validate.Equal(comparable=value):
            return f"`{value}`"
        case validate.ContainsOnly(choices=choices):
            return "of " + ", ".join(f"`{each}`" for each in choices)
        case validate.OneOf(choices=choices):
            return "one of " + ", ".join(f"`{each}`" for each in choices)
        case validate.Regexp(regex=regex):
            said = str(rule.error)
            return _within(said) if said != _UNSAID else f"`{str(regex.pattern).removesuffix(_END)}`"
    raise TypeError(f"No words for {rule!r}.")


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low} or more"
    return f"at most {high}" if low is None else f"{low} to {high}"
