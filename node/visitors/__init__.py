"""Visitors: people of partners sign in here with what they are at home."""

from __future__ import annotations

from flask import Flask
from sqlalchemy.orm import Session

from node.core.capability import Capability
from node.core.ground import Ground
from node.identity.services.identity import identity_of
from node.identity.services.visits import Visitor
from node.relations.records import RevokedThere
from node.visitors.services import partners, visiting
from node.visitors.web import web


def _set_up(app: Flask, ground: Ground) -> None:  # noqa: ARG001 - the shape of Capability.set_up
    ground.events.subscribe(RevokedThere, partners.when_revoked)

    def admits(db: Session, visitor: Visitor) -> bool:
        return partners.is_in_force(db, ground, visitor.node)

    identity_of(ground).visits.admits = admits


capability = Capability(
    name="visitors", blueprints=(web,), jobs=(partners.read_keys, visiting.ask_homes), set_up=_set_up
)
