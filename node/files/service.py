"""Files: taken in from people, named by posts, fetched from partners, read by whom the space lets.

Rule: bytes are named by their SHA-256 and looked at by ourselves; what a name or a partner says they are is only shown.
A fetch asks the host of the space, or as host the author's node, and nobody else. Source: PROTOCOL 2.j
(*Attachments*); SECURITY TH-35, B11, G1–G10; PERFORMANCE 4.13.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import IO, Any, NamedTuple
from urllib.parse import quote

from flask_babel import lazy_gettext as _
from sqlalchemy import bindparam, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from federation import charter, digest, iris
from federation.errors import EgressError
from federation.ports import Relation, State
from node.core import events, ids
from node.core.db import table_of
from node.core.errors import Invalid
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.log import get_logger
from node.core.storage import NoSuchFile
from node.exchange import service as exchange
from node.files import tables
from node.identity.services.names import shown
from node.spaces.register import register_of

log = get_logger(__name__)

AT_ONCE_BYTES = 25 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
KEPT_UNNAMED = timedelta(days=1)
HEAD_BYTES = 8 * 1024
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

_BLOB = select(BLOB.c.id, BLOB.c.state).where(BLOB.c.digest == bindparam("sought"))
_OF_POSTS = (
    select(
        ATTACHMENT.c.post_id,
        ATTACHMENT.c.key,
        ATTACHMENT.c.name,
        ATTACHMENT.c.media_type,
        BLOB.c.size,
        BLOB.c.digest,
        BLOB.c.state,
    )
    .select_from(ATTACHMENT.join(BLOB, BLOB.c.id == ATTACHMENT.c.blob_id))
    .where(ATTACHMENT.c.post_id.in_(bindparam("posts", expanding=True)))
    .order_by(ATTACHMENT.c.post_id, ATTACHMENT.c.position)
)


class Place(NamedTuple):
    """Where files are attached: a post of a space, by its author, accepted or still waiting."""

    space_id: int
    post_id: int
    author_id: int
    accepted: bool


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of a post, for readers."""

    post_id: int
    key: str
    name: str
    media_type: str
    size: int
    sha256: bytes
    state: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
    media_type = kind_of(head, extension)
    with ground.database.writing() as session:
        _here(session, sha256, size, media_type, ground)
    return Taken(said, media_type, size, sha256)


def attach(session: Session, ground: Ground, place: Place, attached: Sequence[Mapping[str, Any]]) -> None:
    """Notes the files that a post names, as the schema gave them; what is not here is fetched after the commit.

    Raises federation's Malformed for a digest that is none.
    """
    execute = session.connection().execute
    for position, each in enumerate(attached):
        sha256 = digest.sha256_of(each["digest_multibase"])
        found = execute(_BLOB, {"sought": sha256}).first()
        if found is None:
            values = {
                "digest": sha256,
                "size": each["size"],
                "media_type": "",
                "state": COMING if each["size"] <= AT_ONCE_BYTES else MISSING,
                "tries": 0,
                "at": ground.clock.now(),
            }
            blob_id = execute(insert(BLOB).returning(BLOB.c.id), values).scalar_one()
            if values["state"] == COMING:
                _fetch_soon(session, ground, blob_id)
        else:
            blob_id = found.id
        execute(
            insert(ATTACHMENT),
            {
                "key": ids.wire_id(),
                "blob_id": blob_id,
                **place._asdict(),
                "position": position,
                "name": _name(each["name"]) or digest.multibase_of(sha256)[:12],
                "media_type": each["media_type"],
            },
        )


def accept(session: Session, post_id: int) -> None:
    """The space has the post now, so its readers may have the files."""
    session.connection().execute(
        update(ATTACHMENT).where(ATTACHMENT.c.post_id == post_id).values(accepted=True)
    )


def detach(session: Session, post_id: int) -> None:
    """The post is gone: nobody gets its files any more."""
    session.connection().execute(delete(ATTACHMENT).where(ATTACHMENT.c.post_id == post_id))


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
            select(ATTACHMENT.c.name, BLOB.c.id, BLOB.c.media_type, BLOB.c.size, BLOB.c.digest, BLOB.c.state)
            .select_from(ATTACHMENT.join(BLOB, BLOB.c.id == ATTACHMENT.c.blob_id))
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
    """A file that a live post of this space names and that is here; None for all else."""
    row = register_of(session, ground).find(space)
    if row is None:
        return None
    query = (
        select(ATTACHMENT.c.name, BLOB.c.media_type, BLOB.c.size)
        .select_from(ATTACHMENT.join(BLOB, BLOB.c.id == ATTACHMENT.c.blob_id))
        .where(
            BLOB.c.digest == sha256,
            BLOB.c.state == HERE,
            ATTACHMENT.c.space_id == row.id,
        )
        .limit(1)
    )
    found = session.execute(query).first()
    return None if found is None else Found(found.name, found.media_type or UNKNOWN_TYPE, found.size, sha256)


def bytes_of(ground: Ground, found: Found) -> IO[bytes]:
    """Its bytes. Raises NoSuchFile."""
    return ground.files.open(place(found.sha256))


@job("files.fetch", tries=8, retry_delay_s=5)
def fetch(ground: Ground, blob_id: int) -> None:
    """Gets the bytes of a file from the host of a space that names it, or as host from its author's node."""
    with ground.database.reading() as session:
        blob = session.execute(
            select(BLOB.c.digest, BLOB.c.size, BLOB.c.state).where(BLOB.c.id == blob_id)
        ).first()
        if blob is None or blob.state == HERE:
            return
        sources = list(_sources(ground, session, blob_id))
    sha256 = bytes(blob.digest)
    for relation, space in sources:
        limit = charter.limit(relation, "maxFileBytes", AT_ONCE_BYTES)
        if blob.size > limit:
            continue
        url = (
            f"{iris.origin(relation.node)}/files/{digest.multibase_of(sha256)}?space={quote(space, safe='')}"
        )
        try:
            answer = exchange.fetch(ground, relation, url, blob.size + 1)
        except EgressError as error:
            log.info("file.unreachable", node=relation.node, cause=str(error))
            continue
        if answer.status != 200:
            log.info("file.not_there", node=relation.node, status=answer.status)
            continue
        if len(answer.body) != blob.size or hashlib.sha256(answer.body).digest() != sha256:
            log.warning("file.other_bytes", node=relation.node, digest=sha256.hex())
            continue
        ground.files.write(place(sha256), [answer.body])
        with ground.database.writing() as session:
            _here(session, sha256, blob.size, kind_of(answer.body[:HEAD_BYTES], ""), ground)
        return
    with ground.database.writing() as session:
        session.execute(
            update(BLOB).where(BLOB.c.id == blob_id).values(state=MISSING, tries=BLOB.c.tries + 1)
        )
    raise NotThereYet(sha256.hex())


class NotThereYet(Exception):
    """Nobody who may have the file gave it yet; the job is tried again."""


@every(10, "files.seek")
def seek(ground: Ground) -> None:
    """Asks again for files that did not come, the smaller ones first."""
    with ground.database.reading() as session:
        waiting = session.execute(
            select(BLOB.c.id)
            .where(BLOB.c.state != HERE, BLOB.c.size <= AT_ONCE_BYTES)
            .order_by(BLOB.c.tries, BLOB.c.size)
            .limit(20)
        ).scalars()
        numbers = list(waiting)
    for number in numbers:
        ground.jobs.enqueue(fetch, number)


@every(60, "files.sweep")
def sweep(ground: Ground) -> None:
    """Takes away bytes that no post has named for a day: of drafts that came to nothing, of posts that are gone."""
    unnamed = ~exists().where(ATTACHMENT.c.blob_id == BLOB.c.id)
    before = ground.clock.now() - KEPT_UNNAMED
    with ground.database.reading() as session:
        rows = session.execute(select(BLOB.c.id, BLOB.c.digest).where(unnamed, BLOB.c.at < before)).all()
    for row in rows:
        with ground.database.writing() as session:
            gone = delete(BLOB).where(BLOB.c.id == row.id, unnamed)
            if session.connection().execute(gone).rowcount:
                events.after_commit(session, partial(ground.files.remove, place(bytes(row.digest))))


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


def _here(session: Session, sha256: bytes, size: int, media_type: str, ground: Ground) -> None:
    """Notes that the bytes are safe, and tells who shows them."""
    execute = session.connection().execute
    found = execute(_BLOB, {"sought": sha256}).first()
    now = ground.clock.now()
    if found is None:
        values = {
            "digest": sha256,
            "size": size,
            "media_type": media_type,
            "state": HERE,
            "tries": 0,
            "at": now,
        }
        execute(insert(BLOB), values)
        return
    if found.state == HERE:
        return
    execute(
        update(BLOB).where(BLOB.c.id == found.id).values(state=HERE, size=size, media_type=media_type, at=now)
    )
    posts = execute(
        select(ATTACHMENT.c.space_id, ATTACHMENT.c.post_id).where(ATTACHMENT.c.blob_id == found.id)
    )
    ground.events.publish(Arrived(tuple((row.space_id, row.post_id) for row in posts)), session)


def _sources(ground: Ground, session: Session, blob_id: int) -> Iterator[tuple[Relation, str]]:
    """Whom to ask, in turn: (relation, space)."""
    register, peers = register_of(session, ground), ground.work(session).peers
    rows = session.execute(
        select(ATTACHMENT.c.space_id, ATTACHMENT.c.author_id).where(ATTACHMENT.c.blob_id == blob_id)
    )
    for row in rows:
        space = register.by_id(row.space_id)
        if space.hosted:
            relation = peers.of_origin(iris.origin(register.iri_of(row.author_id)))
        else:
            relation = peers.of_node(space.host)
        if relation is not None and relation.state is State.IN_FORCE:
            yield relation, space.iri


def _fetch_soon(session: Session, ground: Ground, blob_id: int) -> None:
    events.after_commit(session, lambda: ground.jobs.enqueue(fetch, blob_id))


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
