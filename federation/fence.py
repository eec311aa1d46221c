"""The fence: what an agreement lets pass between two nodes, one rule a row.

Rule: one table (`RULES`) decides on send and on receive. Control messages (introductions, receipts, hello,
handshake) never come here: `authority.CONTROL`. Source: PROTOCOL 2.a.5, 2.d.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from federation import documents, iris
from federation.activity import Activity, Document
from federation.charter import ACTIVITY_TYPES, DECLARED_ONLY, is_demanding, party
from federation.errors import Forbidden, InsufficientAuthentication, Malformed, OutOfScope
from federation.limits import CLOCK_SKEW_S
from federation.ports import Relation


@dataclass(slots=True)
class Case:
    """One question to the fence: `activity`, said under the authority of `node`, may it pass between us and
    the partner of `relation`?

    `place` is the space (IRI) that it acts in; of an Invite the space that it offers. The answer is the same on
    both sides: all that is looked at stands in the two documents or was told to both, but for what the DNS proves.
    """

    relation: Relation
    activity: Activity
    node: str
    place: str
    scope: Document
    entry: Document
    """The place as `scope.spaces` lists it; empty when it does not."""

    @property
    def verb(self) -> str:
        """The type of the activity; RECALL for a Delete that recalls, which passes where others do not."""
        recalls = self.activity.type == "Delete" and "recall" in self.activity.document
        return RECALL if recalls else self.activity.type

    @property
    def is_party(self) -> bool:
        """Whether it is said by one of the two; else by a third organisation, through the host."""
        return any(each["node"] == self.node for each in self.agreement.get("parties", ()))

    @property
    def agreement(self) -> Document:
        """The document in force; empty when there is none."""
        return self.relation.agreement or {}

    @property
    def max_object_bytes(self) -> int:
        """The most that one activity may have."""
        most: int = self.scope.get("maxObjectBytes", 0)
        return most

    @property
    def identity(self) -> Document:
        """What is asked of how people sign in."""
        demands: Document = self.agreement.get("identity", {})
        return demands


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the fence. `holds` is asked of every verb, but not of those in `spares`; unknown verbs are asked.

    `says` is the sentence of the refusal; `{case}` may stand in it.
    """

    name: str
    holds: Callable[[Case], bool]
    says: str
    spares: frozenset[str] = frozenset()
    refusal: Callable[[Case, str], Forbidden] = lambda _case, sentence: OutOfScope(sentence)


def case_of(relation: Relation, activity: Activity, place: str, node: str) -> Case:
    """The question whether `activity` may pass. `place` is an IRI of a space, `node` a node actor."""
    scope: Document = relation.agreement["scope"] if relation.agreement else {}
    entry: Document = next((each for each in scope.get("spaces", ()) if each.get("id") == place), {})
    return Case(relation, activity, node, place, scope, entry)


def broken(case: Case) -> Rule | None:
    """The first rule that does not hold, or None when all do."""
    verb = case.verb
    for rule in RULES:
        if verb not in rule.spares and not rule.holds(case):
            return rule
    return None


def covers(relation: Relation, activity: Activity, place: str, node: str) -> None:
    """Let pass what the agreement with `relation` allows in `place`, in either direction.

    `place` is the IRI of the space, `node` the node actor under whose authority it was said: of an announced
    activity its author's, not the host's.

    Raises:
        OutOfScope: it lies outside; `rule` names the row that says so, the detail is its sentence.
        InsufficientAuthentication: the author has not signed in as agreed.
    """
    case = case_of(relation, activity, place, node)
    rule = broken(case)
    if rule is not None:
        refusal = rule.refusal(case, rule.says.format(case=case))
        refusal.members = {"rule": rule.name, **refusal.members}
        raise refusal


def _in_scope(case: Case) -> bool:
    return bool(case.entry) or case.scope.get("allowNewSpaces") == "by-invite"


def _in_direction(case: Case) -> bool:
    """`in`: into the space from outside its host; `out`: from its host. Missing is both."""
    match case.entry.get("direction", "both"):
        case "both":
            return True
        case "in":
            return case.is_party and not iris.same_origin(case.node, case.place)
        case "out":
            return not case.is_party or iris.same_origin(case.node, case.place)
        case _:
            return False


def _of_object_type(case: Case) -> bool:
    kind = case.activity.object_type
    return kind is None or kind in case.scope.get("objectTypes", ())


def _in_class(case: Case) -> bool:
    """Labels of the activity, its object and its attachments, else the class of the space; the list ascends."""
    classes = [each["class"] for each in case.scope.get("dataClasses", ())]
    own = case.entry.get("dataClass")
    labels = [each["dataClass"] for each in _labelled(case.activity) if "dataClass" in each]
    if (own is not None and own not in classes) or any(each not in classes for each in labels):
        return False
    return own is None or all(classes.index(each) <= classes.index(own) for each in labels)


def _labelled(activity: Activity) -> Iterator[Document]:
    yield activity.document
    if activity.object is not None:
        yield activity.object
        yield from (
            each for each in documents.as_list(activity.object.get("attachment")) if isinstance(each, dict)
        )


def _files(activity: Activity) -> Iterator[object]:
    """The files that it brings: attachments, and the object itself when it is one."""
    if activity.object is not None:
        yield from documents.as_list(activity.object.get("attachment"))
        if activity.object_type in _FILE_TYPES:
            yield activity.object


def _of_file_size(case: Case) -> bool:
    most = case.scope.get("maxFileBytes", 0)
    return all(_at_most(most, _member(each, "size")) for each in _files(case.activity))


def _of_media_type(case: Case) -> bool:
    """`mediaTypes` lists types, or whole families as `image/*`; missing is no limit."""
    allowed = case.scope.get("mediaTypes")
    return allowed is None or all(
        _is_listed(_member(each, "mediaType"), allowed) for each in _files(case.activity)
    )


def _is_listed(media_type: object, allowed: Sequence[str]) -> bool:
    if not isinstance(media_type, str):
        return False
    essence = media_type.partition(";")[0].strip().lower()
    return essence in allowed or f"{essence.partition('/')[0]}/*" in allowed


def _member(document: object, name: str) -> object:
    return document.get(name) if isinstance(document, dict) else None


def _at_most(most: int, value: object) -> bool:
    return type(value) is int and 0 <= value <= most


def _of_size(case: Case) -> bool:
    return len(case.activity.raw) <= case.max_object_bytes


def _is_not_public(case: Case) -> bool:
    """At any depth; of an Announce this level alone, as what it wraps is asked by itself."""
    activity = case.activity
    if case.scope.get("publicAddressing") == "allowed":
        return True
    if activity.type == "Announce":
        return documents.PUBLIC.isdisjoint(documents.addresses(activity.document))
    return not documents.is_public(activity.document, activity.raw)


def _within_roster(case: Case) -> bool:
    """`none`: no third organisation; `allowed`: those on the roster, which the gate has asked (`announced`)."""
    return case.scope.get("onwardTransfer") == "allowed" or case.is_party


def _signed_in(case: Case) -> bool:
    """What `identity` demands of people (PROTOCOL 2.d, L1); nodes and spaces sign in nowhere."""
    demands, activity = case.identity, case.activity
    if not is_demanding(demands) or activity.actor in {case.node, case.place}:
        return True
    claim = activity.document.get("authn")
    if not isinstance(claim, dict) or not _is_home(claim.get("iss"), activity.actor):
        return False
    accepted = demands.get("minAcr")
    if accepted and claim.get("acr") not in accepted:
        return False
    most = demands.get("maxAuthAge")
    if most is not None and not is_recent(
        claim.get("auth_time"), datetime.fromisoformat(activity.published), most
    ):
        return False
    return demands.get("emailDomains") != DECLARED_ONLY or _is_of_domain(claim.get("email_domain"), case)


def _is_home(issuer: object, actor: str) -> bool:
    try:
        return isinstance(issuer, str) and iris.same_origin(issuer, actor)
    except Malformed:
        return False


def is_recent(auth_time: object, at: datetime, most_s: int) -> bool:
    """Whether a sign-in (epoch seconds) lies at most `most_s` before `at`, and not after it but for the clocks."""
    if type(auth_time) is not int:
        return False
    age_s = at.timestamp() - auth_time
    return -CLOCK_SKEW_S <= age_s <= most_s


def _is_of_domain(domain: object, case: Case) -> bool:
    """Declared by the author's side; of the partner's side also proven. A third organisation's host has asked it."""
    if not case.is_party:
        return True
    declared = party(case.agreement, case.node)["domains"]
    return domain in declared and (case.node != case.relation.node or domain in case.relation.proven)


def step_up(demands: Document, sentence: str) -> Forbidden:
    """The refusal with what to ask of the person (`identity` of a charter), in the words of RFC 9470, section 3."""
    accepted, most = demands.get("minAcr"), demands.get("maxAuthAge")
    members: dict[str, object] = {"acr_values": " ".join(accepted)} if accepted else {}
    return InsufficientAuthentication(sentence, **members, **({} if most is None else {"max_age": most}))


RECALL = "Recall"
_ANNOUNCE = frozenset({"Announce"})
_RECALL = frozenset({RECALL})
_NO_SPEECH = frozenset({*ACTIVITY_TYPES, RECALL} - {"Create", "Update", "Like"})
_NO_CONTENT = frozenset({*ACTIVITY_TYPES, RECALL} - {"Create", "Update", "Delete", "Add", "Remove"})
_BRINGS_NONE = frozenset({*ACTIVITY_TYPES, RECALL} - {"Create", "Update"})
_FILE_TYPES = frozenset({"Document", "Image", "Audio", "Video"})

#: The fence: every activity but control messages, on send and on receive, meets every row (PROTOCOL 2.a.5).
#: A wrapper is asked less, as what it wraps is asked by itself; a recall passes where its post no longer would.
RULES = (
    Rule("space", _in_scope, "The agreement does not cover this space.", _RECALL),
    Rule(
        "stopped",
        lambda case: case.place not in case.relation.stopped,
        "This space is stopped.",
        _RECALL | _ANNOUNCE,
    ),
    Rule(
        "direction", _in_direction, "The agreement has this side read here, and the other speak.", _NO_SPEECH
    ),
    Rule(
        "activity type",
        lambda case: case.activity.type in case.scope.get("activityTypes", ()),
        "The agreement does not cover the activity type {case.activity.type}.",
        _RECALL,
    ),
    Rule(
        "object type",
        _of_object_type,
        "The agreement does not cover the object type {case.activity.object_type}.",
        _NO_CONTENT,
    ),
    Rule("data class", _in_class, "The agreement does not allow this data class here.", _BRINGS_NONE),
    Rule(
        "object size",
        _of_size,
        "The agreement allows {case.max_object_bytes} bytes an object.",
        _ANNOUNCE,
    ),
    Rule("file size", _of_file_size, "The agreement does not allow a file of this size.", _BRINGS_NONE),
    Rule("media type", _of_media_type, "The agreement does not allow files of this type.", _BRINGS_NONE),
    Rule("public", _is_not_public, "The agreement forbids addressing the public."),
    Rule("onward", _within_roster, "The agreement allows no third organisation in a space.", _RECALL),
    Rule(
        "identity",
        _signed_in,
        "The agreement asks for another sign-in than the author's.",
        frozenset({"Leave", RECALL}),
        lambda case, sentence: step_up(case.identity, sentence),
    ),
)
