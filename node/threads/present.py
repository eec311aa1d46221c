"""From threads and posts to what pages show. Rule: rights were asked before; here are only looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import url_for
from markupsafe import Markup

from node.core.http import shown
from node.exchange import refusals, remote
from node.exchange.dossier import Received
from node.exchange.remote import Flagged
from node.exchange.service import Mark
from node.files.service import HERE, Attached
from node.spaces.present import Looks
from node.spaces.services import copies, relays
from node.spaces.services import reading as spaces
from node.spaces.services.reading import SpaceSeen
from node.threads import markdown
from node.threads.services import spots
from node.threads.services.reading import PostSeen, ThreadSeen
from node.threads.services.reasons import gone

MOST_FLAGGED = 1000
"""Entries behind one flag that are looked at."""


def post(looks: Looks, seen: PostSeen, space: SpaceSeen, others: Sequence[spaces.Share]) -> shown.Post:
    """A post for its reader; delivery marks for its author."""
    accepted = seen.state == "accepted"
    author = looks.person(seen.author, seen.author.organisation)
    return shown.Post(
        seen.key,
        author,
        seen.published,
        Markup(seen.html),  # noqa: S704 -- sanitised when it was taken in
        seen.state,  # type: ignore[arg-type]  # the same five words
        seen.lang,
        str(refusals.sentence(seen.problem)) if seen.state == "refused" else seen.reason,
        seen.edited,
        None if seen.quoted is None else quote(looks, seen.quoted),
        [_file(each, author.org) for each in seen.files],
        deliveries(looks, seen, space, others) if seen.mine and accepted else (),
        seen.likes,
        seen.liked,
        mine=seen.mine,
        may_reply=accepted and looks.may_write(space),
        may_like=accepted and looks.may_write(space),
        may_edit=seen.mine and accepted and looks.may_write(space),
        may_delete=seen.mine and accepted and looks.may_write(space),
        may_hide=space.managed and accepted and not seen.mine and not looks.visiting,
        recalled=gone(seen.recalled) if seen.recalled else "",
        again=_again(seen) if seen.mine and seen.problem.get("type") == refusals.STEP_UP else "",
    )


def _again(seen: PostSeen) -> str:
    """Where the author signs in once more, and then finds the text to send again."""
    asked = {name: seen.problem[name] for name in ("acr_values", "max_age") if name in seen.problem}
    return url_for("identity.again", next=url_for("threads.again", key=seen.key), **asked)


def quote(looks: Looks, seen: PostSeen) -> shown.Quote:
    """The beginning of the post that a reply answers."""
    return shown.Quote(
        seen.key, looks.person(seen.author, seen.author.organisation), markdown.excerpt(seen.html)
    )


def deliveries(
    looks: Looks, seen: PostSeen, space: SpaceSeen, others: Sequence[spaces.Share]
) -> list[shown.Delivery]:
    """Where one's own post stands at each organisation; those behind the host say so through it."""
    return [each for _, each in standings(looks, seen, space, others)]


def standings(
    looks: Looks, seen: PostSeen, space: SpaceSeen, others: Sequence[spaces.Share]
) -> list[tuple[str, shown.Delivery]]:
    """The same, each with the node actor of its organisation."""
    by_relation = {mark.relation_id: mark for mark in seen.marks}
    host = looks.org(space.host)
    relayed = {} if seen.rev is None else looks.relayed(space, others, seen.rev)
    found = []
    for each in others:
        node = each.organisation.node
        org, face = looks.org(node, each.organisation.name), looks.face(node)
        if org.ours:
            continue
        mark = None if face is None else by_relation.get(face.relation_id)
        if mark is not None and (space.hosted or org == host):
            found.append((node, _delivery(org, mark)))
        elif not space.hosted and org != host:
            found.append((node, _behind(looks, seen, space, org, relayed.get(node))))
    return found


def proofs(
    looks: Looks,
    seen: PostSeen,
    space: SpaceSeen,
    others: Sequence[spaces.Share],
    receipts: Sequence[Received],
) -> list[shown.PostProof]:
    """What proves where one's own post stands: who is in the space, then who was and has receipted it."""
    signed: dict[str, list[Received]] = {}
    for each in receipts:
        signed.setdefault(each.relation_id, []).append(each)
    marks = dict(standings(looks, seen, space, others))
    found = []
    for node in [*marks, *(each for each in looks.partners(signed) if each not in marks)]:
        face = looks.face(node)
        relation = "" if face is None or face.relation_id not in signed else face.relation_id
        entries = [
            shown.PostReceipt(each.seq, each.at, each.receipt, each.outcome, each.signed)
            for each in signed.get(relation, ())
        ]
        found.append(shown.PostProof(looks.org(node), marks.get(node), entries, relation))
    return found


def flagged(looks: Looks, flag: Flagged, actor: str) -> list[shown.FoundPost]:
    """Posts of the partner's people that came in these entries; those of others are proved by other keys."""
    brought = spots.brought_by(looks.session, remote.said_in(looks.session, flag, MOST_FLAGGED))
    people = spaces.people(looks.session, (each.author_id for each in brought))
    open_to = {each.id for each in spaces.of_person(looks.session, actor)}
    return [
        shown.FoundPost(
            looks.person(people[each.author_id], people[each.author_id].organisation),
            copies.by_id(looks.session, each.space_id).name,
            each.written,
            url_for("threads.thread", key=each.thread, _anchor=f"post-{each.post}")
            if each.space_id in open_to
            else "",
        )
        for each in brought
        if people[each.author_id].node == flag.node
    ]


def line(looks: Looks, thread: ThreadSeen, space: shown.SpaceLine) -> shown.ThreadLine:
    """A thread in a list."""
    first = thread.first
    gone = first.state in {"deleted", "hidden"}
    return shown.ThreadLine(
        thread.key,
        thread.title,
        looks.person(first.author, first.author.organisation),
        first.published,
        space,
        "" if gone else markdown.excerpt(first.html),
        first.lang,
        thread.replies,
        thread.last,
        first.state,  # type: ignore[arg-type]  # the same five words
    )


def lines(
    looks: Looks,
    found: Sequence[ThreadSeen],
    where: Sequence[SpaceSeen],
    there: Mapping[int, Sequence[spaces.Share]],
) -> list[shown.ThreadLine]:
    """Threads of several spaces in a list."""
    by_id = {each.id: looks.line(each, there.get(each.id, [])) for each in where}
    return [line(looks, each, by_id[each.space_id]) for each in found if each.space_id in by_id]


def with_gaps(
    looks: Looks,
    space: SpaceSeen,
    posts: Sequence[PostSeen],
    holes: Sequence[tuple[int, datetime]],
    others: Sequence[spaces.Share],
) -> list[shown.Post | shown.Gap]:
    """Posts in their order, with a marker where one of the space is missing here, and one from where on a partner who
    is away lacks ours (PRODUCT B12).
    """
    found: list[shown.Post | shown.Gap] = []
    waiting, host = list(holes), looks.org(space.host)
    away = [gap for gap in looks.gaps(space, others) if gap.direction == "out"]
    for position, seen in enumerate(posts):
        before = [hole for hole in waiting if seen.rev is not None and hole[0] < seen.rev]
        if before:
            found.append(shown.Gap(host, len(before), before[0][1], "in"))
        waiting = waiting[len(before) :]
        lacking = [gap for gap in away if seen.rev is not None and gap.since <= seen.published]
        found += [shown.Gap(gap.org, len(posts) - position, gap.since) for gap in lacking]
        away = [gap for gap in away if gap not in lacking]
        found.append(post(looks, seen, space, others))
    return found


def _delivery(org: shown.Org, mark: Mark) -> shown.Delivery:
    return shown.Delivery(org, mark.state, mark.at, None, str(refusals.sentence(mark.problem)))


def _behind(
    looks: Looks,
    seen: PostSeen,
    space: SpaceSeen,
    org: shown.Org,
    mark: relays.Relayed | None,
) -> shown.Delivery:
    """Where a post stands at an organisation that has it through the host: as its own receipt says."""
    if mark is not None:
        return shown.Delivery(org, mark.state, mark.at, None, mark.reason)
    host = looks.org(space.host)
    late = looks.ground.clock.now() - seen.published >= relays.UNCONFIRMED
    if late and (seen.rev or 0) > relays.settled(looks.session, space.id):
        return shown.Delivery(org, "unconfirmed", seen.published, host)
    return shown.Delivery(org, "queued", None, host)


def _file(each: Attached, origin: shown.Org) -> shown.Attachment:
    url = url_for("files.file", key=each.key, name=each.name)
    state: shown.FileState = "here" if each.state == HERE else "coming"
    if each.state == "missing":
        state = "missing"
    return shown.Attachment(
        each.name,
        each.media_type,
        each.size,
        each.sha256.hex(),
        origin,
        url if state == "here" else "",
        state,
    )
