"""Spaces: their order, their organisations and people; who reads what is said in them."""

from __future__ import annotations

from flask import Flask

from node.core.capability import Capability
from node.core.ground import Ground
from node.exchange.remote import Learned
from node.identity.happenings import Renamed
from node.relations.present import SPACES_OF
from node.relations.records import RelationEnded, SpacesStopped
from node.spaces.api import api
from node.spaces.happenings import Accepted, RosterStale
from node.spaces.ports import Spaces
from node.spaces.register import register_of
from node.spaces.services import ended, forks, relays, sharing
from node.spaces.web import frame, lines_with, navigation, web


def _set_up(app: Flask, ground: Ground) -> None:
    app.extensions[SPACES_OF] = lines_with
    ground.events.subscribe(
        Accepted, lambda happened, session: sharing.when_accepted(ground, happened, session)
    )
    ground.events.subscribe(
        Learned,
        lambda known, session: register_of(session, ground).learned(known.actor, known.document),
    )
    ground.events.subscribe(
        Renamed,
        lambda happened, session: register_of(session, ground).renamed(happened.actor, happened.name),
    )
    ground.events.subscribe(
        RosterStale, lambda happened, session: sharing.when_stale(ground, happened, session)
    )
    ground.events.subscribe(
        SpacesStopped, lambda happened, session: sharing.when_stopped(ground, happened, session)
    )
    ground.events.subscribe(
        RelationEnded, lambda happened, session: ended.when_ended(ground, happened, session)
    )


capability = Capability(
    name="spaces",
    blueprints=(web, api),
    ports={"spaces": Spaces},
    jobs=(
        sharing.admit_organisation,
        sharing.tell_past,
        sharing.renew_roster,
        sharing.renew_keys,
        sharing.finish,
        ended.take_out,
        ended.take_out_ended,
        relays.pull,
        relays.pull_all,
        forks.keep,
        forks.compare,
        forks.compare_all,
    ),
    navigation=navigation,
    frame=frame,
    set_up=_set_up,
)
