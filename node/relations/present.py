"""A relation as pages show it: state, steps, charter, differences, health.

Rule: decides nothing; what an administrator may do now is read off the state. Source: PRODUCT D.15 to D.17.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import current_app
from flask_babel import gettext as _

from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import Viewer, viewer
from node.core.http.rendering import language
from node.relations import phrases
from node.relations.services import health, terms
from node.relations.services.partners import Confirmed, Ending, Partner, Version
from node.relations.services.words import words

SPACES_OF = "parvis.relations.spaces_of"
"""Key of `app.extensions`: `(viewer, node actor of a partner) -> [shown.SpaceLine]`, set by whatever has spaces."""

SpacesOf = Callable[[Viewer, str], Iterable[shown.SpaceLine]]


def spaces(partner: Partner) -> list[shown.SpaceLine]:
    """The spaces that the reader shares with this partner."""
    found: SpacesOf | None = current_app.extensions.get(SPACES_OF)
    return list(found(viewer(), partner.node)) if found and partner.id else []


def warnings(partner: Partner) -> dict[str, str]:
    """What an administrator must know before going on."""
    if partner.state not in {"keys-exchanged", "verified", "offered"}:
        return {}
    said = []
    if partner.note == "other-key":
        said.append(_("Their node shows another key than the one that answered. Do not go on: call them."))
    if partner.alike:
        said.append(
            _("%(host)s looks like %(known)s, which is another node.", host=partner.host, known=partner.alike)
        )
    if partner.foreign_script:
        said.append(
            _(
                "The address has letters outside plain Latin; here it is as machines read it: %(host)s.",
                host=partner.host,
            )
        )
    if partner.waits:
        said.append(_("Their node has not taken our last step yet; it goes again by itself."))
    elif partner.note and partner.note != "other-key":
        said.append(_("Their node answered: %(answer)s", answer=partner.note))
    return {"": " ".join(said)} if said else {}


def chosen(partner: Partner) -> dict[str, Any]:
    """What the form of a charter begins with: what is on offer, else in force, else our register."""
    offered = partner.offer.terms if partner.offer else partner.agreement
    if offered is None:
        return {
            "purpose": partner.purpose,
            "contract": partner.contract,
            "keep_ours": terms.DEFAULT_KEEP,
            "keep_theirs": terms.DEFAULT_KEEP,
            **terms.first(),
        }
    return {
        "purpose": offered.purpose,
        "contract": offered.contract,
        "new_spaces": "by-invite" if offered.new_spaces else "none",
        "onward": "allowed" if offered.onward else "none",
        "keep_ours": offered.keep_ours,
        "keep_theirs": offered.keep_theirs,
        "ends": offered.ends.isoformat(),
        **terms.written(offered.document),
    }


def org_of(partner: Partner) -> shown.Org:
    """The partner as an organisation on pages."""
    verified = partner.hue is not None
    state: shown.OrgState = "unverified"
    if verified:
        state = "suspended" if partner.state == "suspended" else "verified"
    return shown.Org(partner.name, partner.hue, state=state, domain=partner.host, key=partner.key)


def line(partner: Partner) -> shown.RelationLine:
    return shown.RelationLine(
        key=partner.key,
        org=org_of(partner),
        state=partner.state,
        health=_health(partner),
        spaces=len(spaces(partner)) if partner.agreed_at else 0,
        our_turn=partner.our_turn,
        to_renew=partner.to_renew and partner.offer is None,
    )


def relation(partner: Partner) -> shown.Relation:
    seen = line(partner)
    whose: dict[str, Any] = {"us": "ours", "them": "theirs", "both": "both"}
    house = shown.Org(ground().settings.organisation, ours=True)
    held = partner.agreement is not None and partner.ended_at is None
    return shown.Relation(
        key=seen.key,
        org=seen.org,
        state=seen.state,
        health=seen.health,
        spaces=seen.spaces,
        our_turn=seen.our_turn,
        node=partner.node,
        groups=[shown.Group(each.number, each.digits, whose[each.read_by]) for each in partner.groups],
        words=words(partner.uncovered, language()) if partner.uncovered else (),
        ours_confirmed=_confirmation(partner.ours),
        theirs_confirmed=_confirmation(partner.theirs),
        charter=_charter(partner.agreement, agreed_at=partner.agreed_at) if partner.agreement else None,
        offer=_charter(
            partner.offer.terms,
            proposed_by=house if partner.offer.by_us else seen.org,
            proposed_at=partner.offer.at,
        )
        if partner.offer
        else None,
        expires=partner.expires,
        waits=partner.offer is not None and partner.offer.accepted,
        differences=_differences(partner),
        stops=[
            shown.Stop(house if each.by_us else seen.org, each.at, each.why, each.language)
            for each in partner.stops
        ],
        spaces_stopped={
            **dict.fromkeys(partner.spaces_stopped.get("them", ()), False),
            **dict.fromkeys(partner.spaces_stopped.get("us", ()), True),
        },
        ending=_ending(partner.ending, house, seen.org),
        life=list(_life(partner)),
        reason=phrases.ended(partner.note) if partner.state in {"rejected", "terminated"} else partner.note,
        may_propose=held and partner.offer is None and partner.ending is None,
        may_suspend=held and partner.state != "expired" and not any(each.by_us for each in partner.stops),
        may_resume=any(each.by_us for each in partner.stops),
        may_end=held and partner.state != "expired" and partner.ending is None,
    )


def _ending(ending: Ending | None, house: shown.Org, org: shown.Org) -> shown.Ending | None:
    if ending is None:
        return None
    by = house if ending.by_us else org
    data = phrases.disposition(ending.disposition)
    return shown.Ending(by, ending.noticed_at, ending.at, data, ending.why, ending.language)


def _life(partner: Partner) -> Iterable[shown.Step]:
    """The steps of a relation so far, and the day that is named for its end."""
    if not partner.id:
        return
    yield shown.Step(_("introduced"), partner.created_at)
    if partner.ours and partner.theirs:
        yield shown.Step(_("verified"), max(partner.ours.at, partner.theirs.at))
    for version in reversed(partner.versions):
        number = version.terms.version
        label = _("in force") if number == 1 else _("version %(number)s in force", number=number)
        yield shown.Step(label, version.in_force_at)
    for stop in partner.stops:
        yield shown.Step(_("suspended"), stop.at)
    if partner.ending:
        yield shown.Step(_("notice"), partner.ending.noticed_at)
    if partner.ended_at:
        yield shown.Step(_("ended"), partner.ended_at)
    elif partner.ending:
        yield shown.Step(_("ends"), partner.ending.at)


def version(version: Version) -> shown.Charter:
    return _charter(
        version.terms,
        agreed_at=version.in_force_at,
        until=version.replaced_at,
        approvers=version.approvers,
    )


def _differences(partner: Partner) -> list[shown.Difference]:
    if partner.agreement is None or partner.offer is None:
        return []
    found = terms.compare(partner.agreement, partner.offer.terms)
    return [
        shown.Difference(
            phrases.label(each.name, partner),
            phrases.said(each.name, each.before),
            phrases.said(each.name, each.after),
            each.effect,
        )
        for each in found
    ]


def _confirmation(confirmed: Confirmed | None) -> shown.Confirmation | None:
    return shown.Confirmation(confirmed.by, confirmed.at, confirmed.channel) if confirmed else None


def _charter(agreement: terms.Terms, **members: Any) -> shown.Charter:
    return shown.Charter(
        version=agreement.version,
        purpose=agreement.purpose,
        contract=agreement.contract,
        spaces=agreement.spaces,
        new_spaces=agreement.new_spaces,
        onward=agreement.onward,
        keep_ours=phrases.duration(agreement.keep_ours),
        keep_theirs=phrases.duration(agreement.keep_theirs),
        max_file=agreement.max_file_bytes,
        starts=agreement.starts,
        ends=agreement.ends,
        notice=phrases.duration(agreement.notice),
        digest=agreement.digest,
        further=phrases.further(agreement.document),
        **members,
    )


def _health(partner: Partner) -> shown.Health:
    found = health.of(ground(), partner)
    if found is None:
        return shown.Health()
    return shown.Health(
        queue=found.queued,
        oldest=health.late_since(found, ground().clock.now()),
        last_out=found.last_out,
        last_in=found.last_in,
        skew=found.skew_s,
        delivery=found.state,
        reason=found.reason,
        next_attempt=found.next_attempt,
        disputed=found.disputed,
        unconfirmed=found.unconfirmed,
        held=found.held,
        given_up=found.quarantined,
    )
