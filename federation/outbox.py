"""The outbound walk: what our own people, spaces or node say, into the logs of those who must have it.

Rule: held to the same table and charter as a partner's words, before anything is kept; entries and
effect in the same unit of work. Nothing is sent here: `delivery` reads the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from federation import authn, authority, authorship, charter, cutting, exchange, fence, gate, sequencer
from federation.activity import Activity, Document
from federation.apply import take
from federation.authn import SignIn
from federation.errors import LocalError, NoAgreement
from federation.kind import effect_of
from federation.ports import Relation, Work
from federation.settings import Settings
from federation.trust import Trusted


def publish(
    document: Document,
    actor: str,
    work: Work,
    settings: Settings,
    failpoint: Callable[[str], None],
    sign_in: SignIn | None = None,
) -> Activity:
    """Say `document` (type, object, audience …) as `actor`, in the space that is its audience.

    `sign_in` is how the person signed in, where the host knows: it goes in as `authn`, as far as the charters ask,
    unless `document` says it by itself (PROTOCOL 2.d, L1).

    In a space of ours it is ordered and announced at once. In another's it goes to the host, and a
    new object waits, visible to its author, for the host's Announce (PROTOCOL 2.j).

    Raises:
        OutOfScope, NotMember: it may not be said here; nothing was kept.
        InsufficientAuthentication: a charter asks for another sign-in; nothing was kept.
        AgreementSuspended, NoAgreement: the host of the space is no partner now.
    """
    if sign_in is not None:
        place = work.spaces.get(document.get("audience", ""))
        document = {**authn.claim(sign_in, authn.asked_in(place, work), settings), **document}
    said = authorship.write(document, actor, work, settings)
    trusted = gate.own(said, work)
    failpoint("outbox.written")
    if trusted.space is None:
        raise LocalError("What is said in no space is told to a partner: `tell`.")
    if trusted.space.hosted:
        take(trusted, work, settings)
        failpoint("outbox.announced")
        return said
    _send_to_host(trusted, work, settings)
    failpoint("outbox.appended")
    return said


def tell(
    relation: Relation,
    document: Document,
    actor: str,
    work: Work,
    settings: Settings,
    sign_in: SignIn | None = None,
) -> Activity:
    """Say something to one partner: a space invited to, an answer. `actor` is ours; `sign_in` as for `publish`.

    Raises:
        AgreementSuspended, NoAgreement: no agreement is in force.
        OutOfScope: the agreement does not cover it; nothing was kept.
    """
    charter.check_in_force(relation, work.now)
    sequencer.introduce(relation, (actor,), None, work, settings)
    asked = [relation.agreement["identity"]] if relation.agreement else []
    said = authorship.write({**authn.claim(sign_in, asked, settings), **document}, actor, work, settings)
    problem = cutting.outside(relation, said, work)
    if problem is not None:
        raise problem
    exchange.append(relation, said, work)
    return said


def backfill(
    relation: Relation,
    space: str,
    announces: Iterable[tuple[Activity, str]],
    work: Work,
    settings: Settings,
) -> int:
    """Append past Announces, oldest first, each with its author introduced; how many (DECISIONS 5).

    What the agreement does not cover is withheld: the partner sees a hole in the order (PROTOCOL 2.c). Nothing
    newer may stand in the log before all of them do: a Delete that came before its Create would be forgotten.
    Raises AgreementSuspended or NoAgreement when no agreement is in force.
    """
    charter.check_in_force(relation, work.now)
    count = 0
    for announce, author in announces:
        if cutting.outside(relation, announce, work) is not None:
            continue
        sequencer.introduce(relation, (author,), space, work, settings)
        exchange.append(relation, announce, work)
        count += 1
    return count


def _send_to_host(trusted: Trusted, work: Work, settings: Settings) -> None:
    space = trusted.space
    relation = None if space is None else work.peers.of_node(space.host)
    if space is None or relation is None:
        raise NoAgreement("The host of this space is no partner any more.")
    act = (trusted.activity.type, authority.thing_of(trusted.activity))
    charter.check_in_force(relation, work.now, act if authority.passes_suspended(trusted.activity) else None)
    if act not in authority.CONTROL:
        fence.covers(relation, trusted.activity, space.iri, work.node)
    sequencer.introduce(relation, (trusted.activity.actor,), None, work, settings)
    exchange.append(relation, trusted.activity, work)
    if trusted.activity.type == "Create":
        work.objects.create(effect_of(trusted))
    elif "recall" in trusted.activity.document:
        take(trusted, work, settings)  # gone here at once, whenever the host answers
