"""Threads and posts: what people say to each other in a space."""

from __future__ import annotations

from flask import Flask

from node.core.capability import Capability
from node.core.ground import Ground
from node.files.service import Arrived
from node.threads.api import api
from node.threads.ports import Objects
from node.threads.posts import posts_of
from node.threads.services import drafts
from node.threads.web import install, web


def _set_up(app: Flask, ground: Ground) -> None:
    install(app, ground)
    ground.events.subscribe(
        Arrived, lambda happened, session: posts_of(session, ground).arrived(happened.posts)
    )


capability = Capability(
    name="threads",
    blueprints=(web, api),
    ports={"objects": Objects},
    jobs=(drafts.tidy,),
    commands="node.threads.cli",
    set_up=_set_up,
)
