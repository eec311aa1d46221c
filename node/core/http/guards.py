"""Who may pass a door. Closed by default: a route without a guard answers 404 unless it is in `OPEN_DOORS`.

    @web.get("/spaces/<space>")
    @guarded()                          # any member, by a session of the browser
    def space(space: str) -> str: ...

    @api.post("/api/v1/posts")
    @guarded(scope="posts:write")       # a session, or a token with this scope
    def post() -> Response: ...

Rule: `guarded` only marks; `install` checks before every request, so the mark survives other decorators and
a missing one is found. A wrong role is answered like an absent page. Source: ARCHITECTURE, section 6; SECURITY, TH-40.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flask import Flask, g, request
from flask.typing import ResponseReturnValue

from node.core.errors import Absent, NotAllowed, NotSignedIn
from node.core.log import get_logger

log = get_logger(__name__)

Role = Literal["visitor", "member", "manager", "admin"]
View = TypeVar("View", bound=Callable[..., Any])

OPEN_DOORS: dict[str, str] = {
    "static": "styles, scripts, fonts: the same for everybody",
    "health.ready": "a monitor asks whether the node answers",
    "api-docs.openapi_json": "the description of the API: the same for everybody",
}
"""Endpoint -> why everybody may enter. The wire's doors are here too: the gate of federation guards them."""

_MARK = "__guard__"
_LOADER = "parvis.viewer_loader"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, for one request."""

    person: int | None
    """Key of the person in this database; None for a visitor: somebody of a partner's organisation."""
    actor: str
    """IRI of the person's actor."""
    name: str
    roles: frozenset[Role]
    """Roles in the organisation; the role in a space is the space's matter."""
    language: str
    session_id: str | None = None
    """The session, when a browser looks."""
    scopes: frozenset[str] | None = None
    """What the token may, when a script looks; None for a session, which may all that its roles may."""
    sign_in: Any = None
    """How the person signed in (a `federation.authn.SignIn`), when a browser looks."""

    @property
    def person_id(self) -> int:
        """Key of the person, behind a door for our own people. Raises Absent for a visitor."""
        if self.person is None:
            raise Absent(cause=f"{self.actor} is a visitor")
        return self.person

    @property
    def is_visitor(self) -> bool:
        """Whether it is somebody of a partner's organisation, who signed in at home."""
        return self.person is None


@dataclass(frozen=True, slots=True)
class Guard:
    """What a door asks for."""

    role: Role
    scope: str | None


def guarded(role: Role = "member", *, scope: str | None = None) -> Callable[[View], View]:
    """Marks a view as for viewers with `role`; with `scope` also for a token that holds it.

    `visitor` is the lowest: our own people have it, too. Every other role is of our own people alone.
    """

    def mark(view: View) -> View:
        setattr(view, _MARK, Guard(role, scope))
        return view

    return mark


def guard_of(view: Callable[..., Any] | None, method: str = "GET") -> Guard | None:
    """The guard of a view function, or of the method of a `MethodView`."""
    view_class = getattr(view, "view_class", None)
    if view_class is not None:
        name = "get" if method == "HEAD" and not hasattr(view_class, "head") else method.lower()
        view = getattr(view_class, name, None)
    guard = getattr(view, _MARK, None)
    return guard if isinstance(guard, Guard) else None


def set_viewer_loader(app: Flask, loader: Callable[[], Viewer | None]) -> None:
    """Names the function that finds the viewer of `flask.request` (session or bearer token), or None."""
    app.extensions[_LOADER] = loader


def viewer() -> Viewer:
    """Who looks, behind a guard. Raises `NotSignedIn` before an open door where nobody is signed in."""
    found = g.get("viewer")
    if found is None:
        raise NotSignedIn
    assert isinstance(found, Viewer)  # noqa: S101 -- narrows the type
    return found


def viewer_or_none() -> Viewer | None:
    """Who looks, at an open door."""
    found = g.get("viewer")
    return found if isinstance(found, Viewer) else None


def install_loading(app: Flask) -> None:
    """Loads the viewer into `flask.g.viewer` before every request; a bad proof is kept for the guard to refuse."""

    @app.before_request
    def load() -> None:
        g.viewer = g.not_signed_in = None
        loader = app.extensions.get(_LOADER)
        if loader and request.endpoint != "static":
            try:
                g.viewer = loader()
            except NotSignedIn as refusal:
                g.not_signed_in = refusal


def install(app: Flask) -> None:
    """Checks the guard before every request, after the viewer was loaded."""

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if g.not_signed_in is not None:
            raise g.not_signed_in
        if request.endpoint is None:
            return None  # no such route: Flask raises its 404, or 405, next
        guard = guard_of(app.view_functions.get(request.endpoint), request.method)
        if guard is not None:
            admit(guard, g.viewer)
        elif request.endpoint not in OPEN_DOORS:
            log.error("guard.missing", endpoint=request.endpoint)
            raise Absent(cause=f"{request.endpoint} has no guard")
        return None


def admit(guard: Guard, who: Viewer | None) -> None:
    """Lets `who` pass, or raises `NotSignedIn`, `Absent` (wrong role) or `NotAllowed` (wrong scope)."""
    if who is None:
        raise NotSignedIn
    if guard.role not in who.roles:
        raise Absent(cause=f"{who.actor} lacks the role {guard.role}")
    if who.scopes is None:
        return
    if guard.scope is None:
        raise Absent(cause="a token on a page")
    if guard.scope not in who.scopes:
        raise _InsufficientScope(guard.scope)


class _InsufficientScope(NotAllowed):
    """RFC 6750, section 3.1."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This token lacks the scope {scope}.", scope=scope)


__all__ = [
    "OPEN_DOORS",
    "Guard",
    "Role",
    "Viewer",
    "admit",
    "guard_of",
    "guarded",
    "install",
    "install_loading",
    "set_viewer_loader",
    "viewer",
    "viewer_or_none",
]
