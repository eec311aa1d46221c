"""What two copies of a space must agree on: leaves, 256 buckets, one root, and the statement that a node signs of them.

Rule: pure. A leaf falls into the bucket of the first byte of SHA-256(id) and stands there in the order of
SHA-256(id); bucket and root are trees of RFC 9162. Source: PROTOCOL 2.c.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from json.encoder import encode_basestring as _quoted
from operator import itemgetter
from typing import Literal, NamedTuple, cast, get_args

from federation import merkle, proofs
from federation.activity import CONTEXT, Document, iri, is_moment, new_id
from federation.digest import digest, digest_of_bytes, multibase_of, sha256_of
from federation.errors import BadProof, Malformed
from federation.keys import PublicKey, SigningKey

BUCKETS = 256
HASH_BYTES = 32
TYPE = "ReplicaStatement"

LeafState = Literal["live", "tombstone", "member", "left", "withheld"]
STATES: frozenset[str] = frozenset(get_args(LeafState))

GONE = digest_of_bytes(b"")
"""The digest of a tombstone: of nothing."""


class Outline(NamedTuple):
    """What a charter looks at of what says an object: its form (JSON), its bytes, those of its largest file.

    Made and judged by `federation.withholding`.
    """

    form: str
    raw_bytes: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """One object or member of a space: `rev` is the last activity that changed it, `digest` D(object).

    What is withheld has no digest. `born` is the rev that brought the object, `outline` what a charter looks at of a
    live one; they decide what a partner sees and are not hashed.
    """

    id: str
    rev: int
    state: LeafState
    digest: str
    born: int = field(default=0, compare=False)
    outline: Outline | None = field(default=None, compare=False)

    @property
    def place(self) -> bytes:
        """Where it stands."""
        return place_of(self.id)

    @property
    def data(self) -> bytes:
        """What is hashed into the tree: JCS of its members, written by hand as a space has many."""
        said = "" if self.state == "withheld" else f'"digest":"{self.digest}",'
        return f'{{{said}"id":{_quoted(self.id)},"rev":{self.rev},"state":"{self.state}"}}'.encode()

    @property
    def hash(self) -> bytes:
        """Its hash in the tree, 32 bytes."""
        return merkle.hash_of(self.data)

    def document(self) -> Document:
        """As it stands on a line of a list of leaves."""
        written: Document = {"id": self.id, "rev": self.rev, "state": self.state}
        return written if self.state == "withheld" else {**written, "digest": self.digest}


def place_of(id_: str) -> bytes:
    """Where the leaf of this id stands: SHA-256(id)."""
    return hashlib.sha256(id_.encode()).digest()


def leaf_of(document: Document) -> Leaf:
    """A line of a list of leaves. Raises Malformed."""
    rev, state, said = document.get("rev"), document.get("state"), document.get("digest", "")
    if type(rev) is not int or rev < 0 or state not in STATES:
        raise Malformed("A leaf has a `rev` and a `state`.")
    if not isinstance(said, str) or (state == "withheld") != (said == ""):
        raise Malformed("A leaf has a `digest`, unless it is withheld.")
    return Leaf(iri(document.get("id"), "id"), rev, cast("LeafState", state), said)


def member_digest(actor: str, role: str) -> str:
    """The digest of the leaf of a member, who is in or has left."""
    return digest({"actor": actor, "role": role})


@dataclass(frozen=True, slots=True)
class View:
    """What one organisation sees of a space; the same to both sides.

    Of posts those that came (or were deleted) with `posts` or later; of members those who are in, and those who left
    later than `members`. What does not pass its charter (`passes`; None: all does) it learns of, and no more.
    """

    posts: int = 0
    members: int = 0
    scope: str = ""
    """The digest of the charter by which something is withheld; "" when nothing is."""
    passes: Callable[[Outline], bool] | None = field(default=None, compare=False)

    def document(self) -> Document | None:
        """As a statement carries it; None when it is the whole space."""
        if not (self.posts or self.members or self.scope):
            return None
        seen: Document = {"posts": self.posts, "members": self.members}
        return {**seen, "scope": self.scope} if self.scope else seen

    def of(self, leaves: Iterable[Leaf]) -> Iterable[Leaf]:
        """Those of the leaves that are seen, as they are seen."""
        for leaf in leaves:
            if self.shows(leaf.state, leaf.rev, leaf.born):
                yield Leaf(leaf.id, leaf.rev, "withheld", "") if self._withholds(leaf) else leaf

    def shows(self, state: str, rev: int, born: int) -> bool:
        """Whether a leaf of this state and these revs is seen, be it withheld or not."""
        match state:
            case "live":
                return born >= self.posts
            case "tombstone":
                return rev >= self.posts
            case "left":
                return rev > self.members
            case _:
                return True

    def _withholds(self, leaf: Leaf) -> bool:
        return self.passes is not None and leaf.outline is not None and not self.passes(leaf.outline)


WHOLE = View()


def view_of(document: object) -> View:
    """The view that a statement names. Raises Malformed."""
    if document is None:
        return WHOLE
    if not isinstance(document, dict):
        raise Malformed("`view` is an object.")
    posts, members, scope = document.get("posts"), document.get("members"), document.get("scope", "")
    if type(posts) is not int or type(members) is not int or min(posts, members) < 0:
        raise Malformed("`view` says from which rev on.")
    if not isinstance(scope, str):
        raise Malformed("`scope` of a view is a digest.")
    return View(posts, members, scope)


@dataclass(frozen=True, slots=True)
class Tally:
    """The 256 bucket hashes of 32 bytes, and how many leaves each bucket has."""

    hashes: Sequence[bytes]
    counts: Sequence[int]

    @property
    def count(self) -> int:
        """How many leaves there are."""
        return sum(self.counts)

    @property
    def root(self) -> str:
        """The root over the bucket hashes, in the form of D."""
        return multibase_of(root(self.hashes))

    def with_(self, other: Tally, numbers: Iterable[int]) -> Tally:
        """The same, with these buckets as `other` has them."""
        hashes, counts = list(self.hashes), list(self.counts)
        for number in numbers:
            hashes[number], counts[number] = other.hashes[number], other.counts[number]
        return Tally(hashes, counts)


def tally(leaves: Iterable[Leaf]) -> Tally:
    """Of leaves that come in the order of SHA-256(id)."""
    return tally_of((leaf.place[0], leaf.hash) for leaf in leaves)


def tally_of(hashed: Iterable[tuple[int, bytes]]) -> Tally:
    """Of (number of the bucket, hash of the leaf), in the order of leaves: no more than one bucket is held."""
    hashes, counts = [EMPTY] * BUCKETS, [0] * BUCKETS
    for number, filled in groupby(hashed, itemgetter(0)):
        found = [each for _, each in filled]
        hashes[number], counts[number] = merkle.join(found), len(found)
    return Tally(hashes, counts)


EMPTY = merkle.root(())
"""The hash of an empty bucket."""


def buckets(leaves: Iterable[Leaf]) -> list[bytes]:
    """The 256 bucket hashes of 32 bytes, of leaves in any order; of an empty bucket it is SHA-256 of nothing."""
    return list(tally(sorted(leaves, key=lambda leaf: leaf.place)).hashes)


def root(bucket_hashes: Sequence[bytes]) -> bytes:
    """The root over the 256 bucket hashes, 32 bytes."""
    return merkle.root(bucket_hashes)


def differing(ours: Sequence[bytes], theirs: Sequence[bytes]) -> list[int]:
    """The numbers of the buckets in which two copies differ."""
    return [number for number in range(BUCKETS) if ours[number] != theirs[number]]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a node signed of its copy of a space. `blobs` counts files: have, missing."""

    node: str
    space: str
    as_of: int
    count: int
    root: str
    view: View
    document: Document

    @property
    def subject(self) -> tuple[str, int, View]:
        """Of what it speaks: two different roots for one subject cannot both be true."""
        return self.space, self.as_of, self.view


def state(
    node: str,
    space: str,
    as_of: int,
    found: Tally,
    view: View,
    blobs: Mapping[str, int],
    key: SigningKey,
    moment: str,
    counterpart: Document | None = None,
) -> Statement:
    """Sign what our copy is at `as_of`. `moment` is a UTC time, RFC 3339.

    `counterpart` is what the host signed of the same: shown to other members, it lets them see whether the host tells
    everybody one history.
    """
    origin = node.rpartition("/")[0]
    document: Document = {
        "@context": list(CONTEXT),
        "id": f"{origin}/digest/{space.rpartition('/')[2]}/{as_of}/{new_id()}",
        "type": TYPE,
        "attributedTo": node,
        "object": space,
        "asOf": as_of,
        "count": found.count,
        "root": found.root,
        "blobs": dict(blobs),
        "published": moment,
    }
    seen = view.document()
    if seen is not None:
        document["view"] = seen
    if counterpart is not None:
        document["counterpart"] = counterpart
    signed = proofs.sign(document, key, moment)
    return Statement(node, space, as_of, found.count, found.root, view_of(seen), signed)


def read(document: Document, keys: Iterable[PublicKey]) -> Statement:
    """A statement of the node whose keys these are.

    Raises:
        Malformed: it is none.
        BadProof: another node proves it.
    """
    found = parsed(document)
    named = proofs.proof_of(document).verification_method
    key = next((each for each in keys if each.key_id == named and each.controller == found.node), None)
    if key is None:
        raise BadProof("The statement is proved by no key of the node that it names.")
    proofs.verify(document, key)
    return found


def parsed(document: Document) -> Statement:
    """A statement whose proof nobody looked at. Raises Malformed."""
    node, as_of, count, said = (document.get(each) for each in ("attributedTo", "asOf", "count", "root"))
    if document.get("type") != TYPE or not isinstance(node, str) or not isinstance(said, str):
        raise Malformed("A ReplicaStatement says whose copy it is, and its root.")
    if type(as_of) is not int or type(count) is not int or min(as_of, count) < 0:
        raise Malformed("`asOf` and `count` are integers.")
    published = document.get("published")
    if not is_moment(published):
        raise Malformed("`published` must be a UTC time, RFC 3339.")
    sha256_of(said)
    space = iri(document.get("object"), "object")
    return Statement(node, space, as_of, count, said, view_of(document.get("view")), document)
