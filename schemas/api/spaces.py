"""The JSON API of spaces, threads, posts and files."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

LANGUAGE_TAG = r"([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3})?\Z"
KEY = validate.Length(1, 64)


class Page(Schema):
    """How much of a list, and from where."""

    before = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 2**53),
        metadata={"description": "A rev."},
    )
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 200))


class After(Schema):
    """Where a live reader stands."""

    after = fields.String(
        load_default="0.0",
        validate=validate.Regexp(r"[0-9]{1,18}\.[0-9]{1,18}\Z"),
        metadata={"description": "The cursor of the answer before."},
    )
    wait = fields.Boolean(
        load_default=True, metadata={"description": "Whether to be held until something is new."}
    )


class Organisation(Schema):
    node = fields.String(required=True, metadata={"description": "IRI of its node actor."})
    name = fields.String(required=True)


class OrganisationIn(Organisation):
    people = fields.Integer(
        required=True, metadata={"description": "How many of its people are in the space."}
    )


class Participant(Schema):
    key = fields.String(required=True)
    id = fields.String(required=True, metadata={"description": "IRI of the actor."})
    name = fields.String(required=True)
    handle = fields.String(required=True)
    organisation = fields.Nested(Organisation, required=True)


class Space(Schema):
    key = fields.String(required=True)
    id = fields.String(required=True, metadata={"description": "IRI of the Group."})
    name = fields.String(required=True)
    purpose = fields.String(required=True)
    hosted = fields.Boolean(required=True, metadata={"description": "Whether this node keeps it."})
    host = fields.String(required=True, metadata={"description": "IRI of the node actor that keeps it."})
    role = fields.String(required=True, validate=validate.OneOf(("member", "manager")))
    rev = fields.Integer(required=True)
    history_from = fields.Date(data_key="historyFrom", allow_none=True)
    organisations = fields.List(fields.Nested(OrganisationIn), required=True)


class NewSpace(Schema):
    name = fields.String(required=True, validate=validate.Length(1, 100))
    purpose = fields.String(load_default="", validate=validate.Length(max=500))


class Key(Schema):
    """What was made."""

    key = fields.String(required=True)


class Member(Participant):
    role = fields.String(required=True, validate=validate.OneOf(("member", "manager")))
    since = fields.AwareDateTime(required=True)


class Audience(Schema):
    """Who reads what is said now. `token` may be sent with a post as `If-Match`."""

    token = fields.String(required=True)
    people = fields.List(fields.Nested(Member), required=True)
    organisations = fields.List(fields.Nested(OrganisationIn), required=True)


class NewMember(Schema):
    person = fields.String(required=True, validate=KEY, metadata={"description": "Key of a colleague."})


class RoleOf(Schema):
    role = fields.String(required=True, validate=validate.OneOf(("member", "manager")))


class NewInvitation(Schema):
    partner = fields.String(required=True, validate=KEY, metadata={"description": "Key of the relation."})
    history = fields.String(load_default="none", validate=validate.OneOf(("none", "from", "all")))
    history_from = fields.Date(load_default=None, allow_none=True, data_key="historyFrom")


class SentInvitation(Schema):
    """An invitation of ours; `told` of `toTell` turns of the past are on their way."""

    key = fields.String(required=True)
    node = fields.String(required=True)
    state = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    told = fields.Integer(required=True)
    to_tell = fields.Integer(required=True, data_key="toTell")


class OfferedSpace(Schema):
    """A space of a partner: offered to the house (`open`), or accepted and open to be joined."""

    key = fields.String(required=True)
    space = fields.String(required=True, metadata={"description": "Key of the space."})
    name = fields.String(required=True)
    purpose = fields.String(required=True)
    host = fields.Nested(Organisation, required=True)
    at = fields.AwareDateTime(required=True)
    state = fields.String(required=True)
    history_from = fields.Date(data_key="historyFrom", allow_none=True)


class OfferAnswer(Schema):
    accept = fields.Boolean(required=True)


class JoinRequest(Schema):
    """Somebody who asks to come in; can be let in once the organisation is in the space."""

    key = fields.String(required=True)
    id = fields.String(required=True, metadata={"description": "IRI of the actor."})
    name = fields.String(required=True)
    handle = fields.String(required=True)
    node = fields.String(
        required=True, metadata={"description": "IRI of the node actor of the organisation."}
    )
    at = fields.AwareDateTime(required=True)
    may_enter = fields.Boolean(required=True, data_key="mayEnter")


class RosterFork(Schema):
    """Two rosters of a space, both proved by the key of its host, that cannot be of one history."""

    at = fields.AwareDateTime(required=True)
    seen_at = fields.String(
        required=True, data_key="seenAt", metadata={"description": "Node actor of who had the other roster."}
    )
    ours = fields.Dict(required=True)
    theirs = fields.Dict(required=True)


class RequestAnswer(Schema):
    accept = fields.Boolean(required=True)


class Thread(Schema):
    key = fields.String(required=True)
    space = fields.String(required=True, metadata={"description": "Key of the space."})
    title = fields.String(required=True)
    author = fields.Nested(Participant, required=True)
    published = fields.AwareDateTime(required=True)
    rev = fields.Integer(allow_none=True)
    state = fields.String(required=True)
    replies = fields.Integer(required=True)
    last = fields.AwareDateTime(required=True)


class ThreadPage(Schema):
    items = fields.List(fields.Nested(Thread), required=True)
    before = fields.Integer(allow_none=True, metadata={"description": "Ask before this rev for older ones."})


class Delivery(Schema):
    """Where one's own post stands at an organisation. `via`: nothing is known of it yet but through the host.

    `relation` is null for one that is no partner of this node.
    """

    organisation = fields.Nested(Organisation, required=True)
    relation = fields.String(required=True, allow_none=True)
    via = fields.String(
        required=True, allow_none=True, metadata={"description": "IRI of the node actor of the host."}
    )
    state = fields.String(
        required=True,
        validate=validate.OneOf(("queued", "late", "unconfirmed", "delivered", "refused")),
    )
    at = fields.AwareDateTime(allow_none=True)
    reason = fields.String(required=True)


class ProofQuery(Schema):
    relation = fields.String(
        required=True,
        metadata={"description": "As `delivery` of the post names it, of a partner that has receipted."},
    )


class File(Schema):
    name = fields.String(required=True)
    media_type = fields.String(required=True, data_key="mediaType")
    size = fields.Integer(required=True)
    sha256 = fields.String(required=True)
    url = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(("here", "coming", "missing")))


class Post(Schema):
    key = fields.String(required=True)
    id = fields.String(required=True, metadata={"description": "IRI of the object."})
    author = fields.Nested(Participant, required=True)
    rev = fields.Integer(
        allow_none=True, metadata={"description": "Its place in the space; null while it waits."}
    )
    state = fields.String(
        required=True, validate=validate.OneOf(("pending", "accepted", "refused", "deleted", "hidden"))
    )
    reason = fields.String(required=True)
    published = fields.AwareDateTime(required=True)
    edited = fields.AwareDateTime(allow_none=True)
    lang = fields.String(required=True)
    content = fields.String(required=True, metadata={"description": "HTML, sanitised."})
    reply_to = fields.String(required=True, data_key="replyTo")
    likes = fields.Integer(required=True)
    liked = fields.Boolean(required=True)
    files = fields.List(fields.Nested(File), required=True)
    delivery = fields.List(fields.Nested(Delivery), required=True)


class PostPage(Schema):
    items = fields.List(fields.Nested(Post), required=True)
    before = fields.Integer(allow_none=True, metadata={"description": "Ask before this rev for older ones."})


class ThreadWithPosts(Schema):
    thread = fields.Nested(Thread, required=True)
    first = fields.Nested(Post, required=True)
    items = fields.List(fields.Nested(Post), required=True)
    before = fields.Integer(allow_none=True)


class NewPost(Schema):
    text = fields.String(
        required=True, validate=validate.Length(max=50_000), metadata={"description": "Markdown."}
    )
    lang = fields.String(load_default="", validate=validate.Regexp(LANGUAGE_TAG))
    reply_to = fields.String(load_default="", data_key="replyTo", validate=validate.Length(max=64))
    files = fields.List(
        fields.String(validate=validate.Length(1, 2000)),
        load_default=list,
        validate=validate.Length(max=20),
        metadata={"description": "Tickets of files that were uploaded before."},
    )


class NewThread(NewPost):
    title = fields.String(required=True, validate=validate.Length(1, 200))


class Edit(Schema):
    text = fields.String(required=True, validate=validate.Length(max=50_000))
    lang = fields.String(load_default="", validate=validate.Regexp(LANGUAGE_TAG))
    title = fields.String(load_default="", validate=validate.Length(max=200))


class Posted(Schema):
    thread = fields.String(required=True)
    post = fields.String(required=True)
    id = fields.String(required=True)


class Live(Schema):
    """What came after the cursor: posts of a space, new or changed; `cursor` goes into the next request."""

    cursor = fields.String(required=True)
    posts = fields.List(fields.Nested(Post), required=True)


class Version(Schema):
    at = fields.AwareDateTime(required=True)
    content = fields.String(required=True)


class Upload(Schema):
    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})


class Uploaded(Schema):
    """A file that is safe here; the ticket names it in a post of the same person, within a day."""

    ticket = fields.String(required=True)
    name = fields.String(required=True)
    media_type = fields.String(required=True, data_key="mediaType")
    size = fields.Integer(required=True)
    sha256 = fields.String(required=True)


class NewRecall(Schema):
    """Calling one's own post back."""

    reason = fields.String(
        required=True,
        validate=validate.OneOf(("wrong-recipient", "mistake", "personal-data", "confidential")),
    )
    replacement = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "Key of the post of the same space that stands for it now."},
    )
