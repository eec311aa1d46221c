"""Files: taken in from people, named by posts, fetched from partners, read by whom the space lets.

Rule: bytes are named by their SHA-256 and looked at by ourselves; what a name or a partner says they are is only shown.
A fetch asks the host of the space, or as host the author's node, and nobody else. A digest opens nothing: an
attachment is served once bytes came for it, by our author's upload or from whom its fetch asks, whatever lies here
already; what it claims of size binds itself alone. Source: PROTOCOL 2.j (*Attachments*); SECURITY TH-35, TH-40, B11,
G1–G10; PERFORMANCE 4.13.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any, NamedTuple
from urllib.parse import quote

from flask_babel import lazy_gettext as _
from sqlalchemy import bindparam, case, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from federation import charter, digest, iris
from federation.errors import EgressError
from federation.ports import Relation, State
from node.core import events, failpoints, ids
from node.core.db import table_of
from node.core.errors import Invalid
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.log import get_logger
from node.core.storage import NoSuchFile
from node.core.values import value
from node.exchange import service as exchange
from node.files import tables
from node.identity.services.names import shown
from node.spaces.register import register_of

log = get_logger(__name__)

AT_ONCE_BYTES = 25 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
KEPT_UNNAMED = timedelta(days=1)
HEAD_BYTES = 8 * 1024
FIRST_WAIT_S = 5  # twice as long after each try
LONGEST_WAIT_S = 6 * 3600
SEEK_MIN = 10
MAX_TRIES = 40  # about a week
MAX_NAME_CHARS = 120
UNKNOWN_TYPE = "application/octet-stream"
HERE, COMING, MISSING = "here", "coming", "missing"

SHOWN_INLINE = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""What a browser may show in place; all else is a download, whatever it says it is."""

EXTENSIONS = frozenset(
    [
        "7z",
        "bmp",
        "csv",
        "dgn",
        "doc",
        "docx",
        "dwg",
        "dxf",
        "eml",
        "gif",
        "heic",
        "htm",
        "html",
        "ics",
        "ifc",
        "igs",
        "iges",
        "jpeg",
        "jpg",
        "json",
        "md",
        "mp3",
        "mp4",
        "msg",
        "odg",
        "odp",
        "ods",
        "odt",
        "ogg",
        "pdf",
        "png",
        "ppt",
        "pptx",
        "rtf",
        "step",
        "stl",
        "stp",
        "svg",
        "tif",
        "tiff",
        "txt",
        "wav",
        "webm",
        "webp",
        "xls",
        "xlsx",
        "xml",
        "zip",
    ]
)
"""What people exchange about a piece of work; a program is none of it."""

_PROGRAMS = (
    b"MZ",
    b"\x7fELF",
    b"\xcf\xfa\xed\xfe",
    b"\xfe\xed\xfa",
    b"\xca\xfe\xba\xbe",
    b"#!",
    b"L\x00\x00\x00\x01\x14\x02\x00",
)
_HTML_HEADS = (b"<!doctype html", b"<html", b"<script", b"<svg", b"<?xml")

BLOB = table_of(tables.Blob)
ATTACHMENT = table_of(tables.Attachment)
KEEP = table_of(tables.Keep)

_UNNAMED = (
    ~exists().where(ATTACHMENT.c.digest == BLOB.c.digest, ATTACHMENT.c.state == HERE)
    & ~exists().where(KEEP.c.digest == BLOB.c.digest)
)  # fmt: skip

_BLOB = select(BLOB.c.id).where(BLOB.c.digest == bindparam("sought"))
_OF_POSTS = (
    select(
        ATTACHMENT.c.post_id,
        ATTACHMENT.c.key,
        ATTACHMENT.c.name,
        ATTACHMENT.c.media_type,
        ATTACHMENT.c.size,
        ATTACHMENT.c.digest,
        ATTACHMENT.c.state,
    )
    .where(ATTACHMENT.c.post_id.in_(bindparam("posts", expanding=True)))
    .order_by(ATTACHMENT.c.post_id, ATTACHMENT.c.position)
)


class Place(NamedTuple):
    """Where files are attached: a post of a space, by its author, accepted or still waiting."""

    space_id: int
    post_id: int
    author_id: int
    accepted: bool


@value
class Taken:
    """A file that somebody brought; its bytes are safe."""

    name: str
    media_type: str
    size: int
    sha256: bytes

    def document(self) -> dict[str, Any]:
        """As it stands in a post (FEP-1311)."""
        return {
            "type": "Document",
            "name": self.name,
            "mediaType": self.media_type,
            "size": self.size,
            "digestMultibase": digest.multibase_of(self.sha256),
        }


@value
class Attached:
    """A file of a post, for readers."""

    post_id: int
    key: str
    name: str
    media_type: str
    size: int
    sha256: bytes
    state: str


@value
class Found:
    """A file to be read now. `media_type` is what our own look said."""

    name: str
    media_type: str
    size: int
    sha256: bytes

    @property
    def inline(self) -> bool:
        """Whether a browser may show it in place."""
        return self.media_type in SHOWN_INLINE


@value
class Arrived:
    """The bytes of a file came: told to who shows the posts that name it."""

    posts: tuple[tuple[int, int], ...]
    """(space, post)."""


def take_in(ground: Ground, name: str, stream: IO[bytes]) -> Taken:
    """Keeps what somebody brings. Raises Invalid when it is too large, empty, or of a kind that is not exchanged."""
    said = _name(name)
    extension = said.rpartition(".")[2].lower()
    if extension not in EXTENSIONS:
        raise _refused(_("“%(name)s” is of a kind that is not exchanged here.", name=said))
    hashed, size, head = hashlib.sha256(), 0, b""
    for chunk in _chunks(stream):
        head = head or chunk[:HEAD_BYTES]
        size += len(chunk)
        if size > ground.settings.max_file_bytes:
            raise _refused(_("“%(name)s” is larger than what this node takes.", name=said))
        hashed.update(chunk)
    if not size:
        raise _refused(_("“%(name)s” is empty.", name=said))
    if head.startswith(_PROGRAMS):
        raise _refused(_("“%(name)s” is a program, whatever its name says.", name=said))
    sha256 = hashed.digest()
    if not ground.files.exists(place(sha256)):
        stream.seek(0)
        ground.files.write(place(sha256), _chunks(stream))
    failpoints.hit("file.written")
    media_type = kind_of(head, extension)
    with ground.database.writing() as session:
        _keep(session, ground, sha256, size, media_type)
    failpoints.hit("file.kept")
    return Taken(said, media_type, size, sha256)


def attach(session: Session, ground: Ground, place: Place, attached: Sequence[Mapping[str, Any]]) -> None:
    """Notes the files that a post names, as the schema gave them; what did not come for it is fetched after the commit.

    Raises federation's Malformed for a digest that is none.
    """
    execute = session.connection().execute
    author = register_of(session, ground).iri_of(place.author_id)
    ours, now = iris.same_origin(author, ground.settings.origin), ground.clock.now()
    for position, each in enumerate(attached):
        sha256 = digest.sha256_of(each["digest_multibase"])
        state, due = MISSING, None
        if ours and execute(_BLOB, {"sought": sha256}).first() is not None:  # a ticket stood for it
            state = HERE
        elif each["size"] <= AT_ONCE_BYTES:
            state, due = COMING, now
        values = {
            "key": ids.wire_id(),
            "digest": sha256,
            "size": each["size"],
            "state": state,
            "tries": 0,
            "due": due,
            **place._asdict(),
            "position": position,
            "name": _name(each["name"]) or digest.multibase_of(sha256)[:12],
            "media_type": each["media_type"],
        }
        number = execute(insert(ATTACHMENT).returning(ATTACHMENT.c.id), values).scalar_one()
        if state == COMING:
            events.after_commit(session, partial(ground.jobs.enqueue, fetch, number))


def accept(session: Session, post_id: int) -> None:
    """The space has the post now, so its readers may have the files."""
    session.connection().execute(
        update(ATTACHMENT).where(ATTACHMENT.c.post_id == post_id).values(accepted=True)
    )


def detach(session: Session, post_id: int) -> None:
    """The post is gone: nobody gets its files any more."""
    session.connection().execute(delete(ATTACHMENT).where(ATTACHMENT.c.post_id == post_id))


def digests(session: Session, post_id: int) -> set[bytes]:
    """The SHA-256 of every file of a post whose bytes came for it."""
    query = select(ATTACHMENT.c.digest).where(ATTACHMENT.c.post_id == post_id, ATTACHMENT.c.state == HERE)
    return {bytes(each) for each in session.connection().execute(query).scalars()}


def keep(session: Session, digests: Iterable[bytes], why: str) -> None:
    """These bytes stay, whatever names them, until `let_go` of the same `why`."""
    rows = [{"digest": each, "why": why} for each in sorted(digests)]
    if rows:
        session.connection().execute(insert(KEEP), rows)


def let_go(session: Session, why: str) -> None:
    """They stay no longer for this reason."""
    session.connection().execute(delete(KEEP).where(KEEP.c.why == why))


def erase(ground: Ground, sha256: bytes, *, brought_before: datetime) -> None:
    """The bytes go now, unless a post that lives names them, they are kept, or somebody brought them since."""
    gone = delete(BLOB).where(BLOB.c.digest == sha256, _UNNAMED, BLOB.c.at <= brought_before)
    with ground.database.writing() as session:
        if session.connection().execute(gone).rowcount:
            events.after_commit(session, partial(ground.files.remove, place(sha256)))
        failpoints.hit("file.erased")


def of_posts(session: Session, posts: Iterable[int]) -> dict[int, list[Attached]]:
    """The files of these posts, in their order."""
    numbers = list(posts)
    found: dict[int, list[Attached]] = {}
    if numbers:
        for row in session.connection().execute(_OF_POSTS, {"posts": numbers}):
            each = Attached(
                row.post_id, row.key, row.name, row.media_type, row.size, bytes(row.digest), row.state
            )
            found.setdefault(row.post_id, []).append(each)
    return found


def place_of(session: Session, key: str) -> Place | None:
    """Where the attachment of this key is, so that one may ask who sees it; None when there is none."""
    columns = (ATTACHMENT.c.space_id, ATTACHMENT.c.post_id, ATTACHMENT.c.author_id, ATTACHMENT.c.accepted)
    found = session.execute(select(*columns).where(ATTACHMENT.c.key == key)).first()
    return None if found is None else Place(*found)


def open_file(ground: Ground, key: str) -> tuple[Found, IO[bytes] | None]:
    """The file of an attachment, and its bytes when they are here; else they are asked for now.

    The caller has asked whether the reader may have it.
    """
    with ground.database.reading() as session:
        row = session.execute(
            select(
                ATTACHMENT.c.id,
                ATTACHMENT.c.name,
                ATTACHMENT.c.state,
                ATTACHMENT.c.digest,
                func.coalesce(BLOB.c.size, ATTACHMENT.c.size).label("size"),
                BLOB.c.media_type,
            )
            .select_from(ATTACHMENT.outerjoin(BLOB, BLOB.c.digest == ATTACHMENT.c.digest))
            .where(ATTACHMENT.c.key == key)
        ).one()
    found = Found(row.name, row.media_type or UNKNOWN_TYPE, row.size, bytes(row.digest))
    if row.state == HERE:
        try:
            return found, ground.files.open(place(found.sha256))
        except NoSuchFile:
            log.exception("file.lost", digest=found.sha256.hex())
    ground.jobs.enqueue(fetch, row.id)
    return found, None


def for_partner(ground: Ground, session: Session, space: str, sha256: bytes) -> Found | None:
    """A file that a live post of this space names and whose bytes came for that post; None for all else."""
    row = register_of(session, ground).find(space)
    if row is None:
        return None
    query = (
        select(ATTACHMENT.c.name, BLOB.c.media_type, BLOB.c.size)
        .select_from(ATTACHMENT.join(BLOB, BLOB.c.digest == ATTACHMENT.c.digest))
        .where(
            ATTACHMENT.c.digest == sha256,
            ATTACHMENT.c.state == HERE,
            ATTACHMENT.c.space_id == row.id,
        )
        .limit(1)
    )
    found = session.execute(query).first()
    return None if found is None else Found(found.name, found.media_type or UNKNOWN_TYPE, found.size, sha256)


def held(session: Session, space_id: int) -> tuple[int, int]:
    """Of how many files of a space the bytes are here, and of how many they are not."""
    here = func.max(case((ATTACHMENT.c.state == HERE, 1), else_=0)).label("here")
    files = (
        select(here)
        .where(ATTACHMENT.c.space_id == space_id, ATTACHMENT.c.accepted)
        .group_by(ATTACHMENT.c.digest)
        .subquery()
    )
    count, have = session.execute(
        select(func.count(), func.coalesce(func.sum(files.c.here), 0)).select_from(files)
    ).one()
    return int(have), int(count) - int(have)


def bytes_of(ground: Ground, found: Found) -> IO[bytes]:
    """Its bytes. Raises NoSuchFile."""
    return ground.files.open(place(found.sha256))


@job("files.fetch", tries=1)
def fetch(ground: Ground, number: int) -> None:
    """Gets the bytes for an attachment from the host of its space, or as host from its author's node.

    They are asked for even where the same lie here already: that they come shows that whoever names them has them.
    """
    query = select(ATTACHMENT).where(ATTACHMENT.c.id == number)
    with ground.database.reading() as session:
        wanted = session.execute(query).first()
        if wanted is None:
            return
        sha256 = bytes(wanted.digest)
        if wanted.state == HERE and ground.files.exists(place(sha256)):
            return
        source = _source(ground, session, wanted.space_id, wanted.author_id)
    body = None if source is None else _asked(ground, *source, sha256, wanted.size)
    if body is None:
        _wait(ground, number)
        return
    if not ground.files.exists(place(sha256)):
        ground.files.write(place(sha256), [body])
    failpoints.hit("file.fetched")
    with ground.database.writing() as session:
        _keep(session, ground, sha256, len(body), kind_of(body[:HEAD_BYTES], ""))
        came = update(ATTACHMENT).where(ATTACHMENT.c.id == number).values(state=HERE, due=None)
        if session.connection().execute(came).rowcount:
            ground.events.publish(Arrived(((wanted.space_id, wanted.post_id),)), session)
        failpoints.hit("file.arrived")


@every(SEEK_MIN, "files.seek")
def seek(ground: Ground) -> None:
    """Asks again for files that did not come and are not given up, who waits longest first."""
    with ground.database.reading() as session:
        waiting = session.execute(
            select(ATTACHMENT.c.id)
            .where(ATTACHMENT.c.due <= ground.clock.now())
            .order_by(ATTACHMENT.c.due)
            .limit(20)
        ).scalars()
        numbers = list(waiting)
    for number in numbers:
        ground.jobs.enqueue(fetch, number)


@every(60, "files.sweep")
def sweep(ground: Ground) -> None:
    """Takes away bytes that nobody may have for a day: of drafts that came to nothing, of posts that are gone."""
    before = ground.clock.now() - KEPT_UNNAMED
    with ground.database.reading() as session:
        digests = session.scalars(select(BLOB.c.digest).where(_UNNAMED, BLOB.c.at < before)).all()
    for each in digests:
        erase(ground, bytes(each), brought_before=before)


def kind_of(head: bytes, extension: str) -> str:
    """What bytes are by their beginning; a text with a text's name stays one; else unknown."""
    if head.lstrip().lower().startswith(_HTML_HEADS):
        return {"svg": "image/svg+xml", "xml": "application/xml"}.get(extension, "text/html")
    import puremagic

    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        matches = []
    for match in matches:
        if match.mime_type and (not extension or match.extension.lstrip(".") == extension):
            return str(match.mime_type)
    if extension in {"txt", "csv", "md"} and b"\0" not in head:
        return "text/csv" if extension == "csv" else "text/plain"
    return str(matches[0].mime_type) if matches and matches[0].mime_type else UNKNOWN_TYPE


def _keep(session: Session, ground: Ground, sha256: bytes, size: int, media_type: str) -> None:
    """Notes that the bytes are safe, as of now."""
    execute, now = session.connection().execute, ground.clock.now()
    if execute(update(BLOB).where(BLOB.c.digest == sha256).values(at=now)).rowcount == 0:
        execute(insert(BLOB), {"digest": sha256, "size": size, "media_type": media_type, "at": now})


def _source(ground: Ground, session: Session, space_id: int, author_id: int) -> tuple[Relation, str] | None:
    """Whom to ask, for which space; None when it is nobody with whom an agreement is in force."""
    register, peers = register_of(session, ground), ground.work(session).peers
    space = register.by_id(space_id)
    author = iris.origin(register.iri_of(author_id))
    relation = peers.of_origin(author) if space.hosted else peers.of_node(space.host)
    return None if relation is None or relation.state is not State.IN_FORCE else (relation, space.iri)


def _asked(ground: Ground, relation: Relation, space: str, sha256: bytes, size: int) -> bytes | None:
    """The bytes of this digest and size from a partner; None when it does not give them."""
    if size > charter.limit(relation, "maxFileBytes", AT_ONCE_BYTES):
        return None
    url = f"{iris.origin(relation.node)}/files/{digest.multibase_of(sha256)}?space={quote(space, safe='')}"
    try:
        answer = exchange.fetch(ground, relation, url, size + 1)
    except EgressError as error:
        log.info("file.unreachable", node=relation.node, cause=str(error))
        return None
    if answer.status != 200:
        log.info("file.not_there", node=relation.node, status=answer.status)
        return None
    if len(answer.body) != size or hashlib.sha256(answer.body).digest() != sha256:
        log.warning("file.other_bytes", node=relation.node, digest=sha256.hex())
        return None
    return answer.body


def _wait(ground: Ground, number: int) -> None:
    """The bytes did not come: asks again later, or gives up until somebody opens the file."""
    with ground.database.writing() as session:
        execute = session.connection().execute
        tries = execute(
            update(ATTACHMENT)
            .where(ATTACHMENT.c.id == number)
            .values(state=MISSING, tries=ATTACHMENT.c.tries + 1)
            .returning(ATTACHMENT.c.tries)
        ).scalar()
        if tries is None:
            return
        wait_s, due = min(FIRST_WAIT_S * 2 ** min(tries - 1, MAX_TRIES), LONGEST_WAIT_S), None
        if tries < MAX_TRIES:
            due = ground.clock.now() + timedelta(seconds=wait_s)
            if wait_s < SEEK_MIN * 60:
                again = partial(ground.jobs.enqueue, fetch, number, delay_s=wait_s)
                events.after_commit(session, again)
        else:
            log.info("file.given_up", attachment=number, tries=tries)
        execute(update(ATTACHMENT).where(ATTACHMENT.c.id == number).values(due=due))


def place(sha256: bytes) -> str:
    """Where the bytes of a digest lie."""
    name = sha256.hex()
    return f"{name[:2]}/{name[2:4]}/{name}"


def _name(name: str) -> str:
    """A file's name as it may be shown: its last part, at most 120 characters, its ending kept."""
    bare = shown(name.replace("\\", "/").rpartition("/")[2][-400:])
    return bare[-MAX_NAME_CHARS:].strip(". ")


def _refused(sentence: Any) -> Invalid:
    return Invalid(sentence, errors={"files": sentence})


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
