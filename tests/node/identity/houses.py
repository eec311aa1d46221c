"""A node on its own database, and browsers before its door."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from node.config import Provider
from node.core.clock import SetClock
from node.core.ground import Ground
from node.identity.services.identity import Identity, identity_of
from node.identity.services.people import Person, Role

ORIGIN = "http://aubier.localhost:8101"
PASSWORD = "une phrase de passe longue"


class Node:
    """An application with its ground, clock and identity."""

    def __init__(self, app: Flask, ground: Ground, clock: SetClock) -> None:
        self.app = app
        self.ground = ground
        self.clock = clock
        self.identity: Identity = identity_of(ground)
        self.origin = ground.settings.origin

    def browser(self) -> Browser:
        """A browser without cookies."""
        return Browser(self)

    def person(self, name: str, role: Role = Role.MEMBER, password: str = PASSWORD) -> Person:
        """A built-in account with a password."""
        person, _link = self.identity.add_person(name, role)
        self.identity.set_password(person.id, password)
        return person

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self.ground.database.reading() as db:
            return int(db.scalar(text(f'SELECT count(*) FROM "{table}"')) or 0)

    def audited(self) -> list[str]:
        """The actions and details on record, oldest first."""
        self.ground.audit.write_counted(at_once=True)
        with self.ground.database.reading() as db:
            return [
                f"{row.action} {row.detail}" for row in db.execute(text("SELECT * FROM audit ORDER BY seq"))
            ]


class MakeNode(Protocol):
    """The fixture `make_node`."""

    def __call__(
        self, name: str = "aubier", *, providers: tuple[Provider, ...] = (), **settings: str
    ) -> Node: ...


class Browser:
    """A browser as far as a node sees it: cookies, forms with their token, Origin."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.host = node.origin.split("://")[1].split(":")[0]
        self.client: FlaskClient = node.app.test_client()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        fields = {"Accept": "text/html", **(headers or {})}
        return self.client.get(path, base_url=self.node.origin, headers=fields)

    def token(self, path: str = "/signin") -> str:
        """The form token of a page."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
        assert found is not None, path
        return found[1]

    def post(
        self,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        page: str = "/signin",
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """What the form on `page` sends."""
        fields = {"Accept": "text/html", "Origin": self.node.origin, **(headers or {})}
        form = {"csrf_token": self.token(page), **(data or {})}
        return self.client.post(path, base_url=self.node.origin, data=form, headers=fields)

    def sign_in(self, person: Person, password: str = PASSWORD) -> TestResponse:
        return self.post("/signin", {"name": person.preferred_username, "password": password})

    def cookie(self, name: str = "parvis") -> str | None:
        found = self.client.get_cookie(name, domain=self.host)
        return None if found is None else found.value

    def put(self, name: str, value: str) -> None:
        """Puts a cookie of this node's host into the browser."""
        self.client.set_cookie(name, value, domain=self.host)

    def is_in(self) -> bool:
        """Whether the browser may see its account page."""
        return bool(self.get("/me").status_code == 200)
