"""What a use case refuses: a status, a sentence that may go out, and the cause that stays in the log.

Rule: `safe` is shown to people and clients (a lazy translation is welcome), `cause` never is.
Source: STYLE, section 3; RFC 9457.
"""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _

Text = Any
"""A `str`, or a lazy translation of flask-babel (which has no types)."""


class NodeError(Exception):
    """Root of what this node refuses on purpose. Members of the problem document are keyword arguments."""

    status = 400
    title: Text = _("This did not work")
    kind = "about:blank"
    """The `type` of the problem document."""

    def __init__(self, safe: Text, cause: str = "", **members: object) -> None:
        super().__init__(cause or str(type(self).__name__))
        self.safe = safe
        self.cause = cause
        self.members = members


class Invalid(NodeError):
    """What was sent does not have the shape, or a value is not allowed: 422. `errors` by field, if any."""

    status = 422
    title = _("Something is not right in what was sent")


class NotSignedIn(NodeError):
    """Nobody is signed in, or the token is unknown: 401; a page leads to the sign-in page instead."""

    status = 401
    title = _("Please sign in")

    def __init__(self, safe: Text = _("Sign in to go on."), cause: str = "") -> None:
        super().__init__(safe, cause)


class NotAllowed(NodeError):
    """The viewer knows that the thing exists, but may not do this with it: 403."""

    status = 403
    title = _("You may not do this")


class StepUp(NotAllowed):
    """A charter asks for a stronger sign-in, or a later one: 403; a page leads to it instead, and back to `back`.

    `members` are those of the wire's problem: `acr_values` and `max_age` (RFC 9470, section 3).
    """

    title = _("Sign in once more")
    kind = "https://w3id.org/parvis/v1#insufficient-authentication"
    back = ""
    """The path to come back to; "" for the page that the reader came from."""


class Absent(NodeError):
    """Absent, or not for the viewer: always the same answer, 404."""

    status = 404
    title = _("Nothing here")

    def __init__(self, cause: str = "") -> None:
        super().__init__(_("There is nothing at this address, or it is not for you."), cause)


class Changed(NodeError):
    """What the viewer saw has changed meanwhile: 409; `members` say what."""

    status = 409
    title = _("This has changed meanwhile")


class TooMany(NodeError):
    """Over a limit: 429, to be tried again after `retry_after` seconds."""

    status = 429
    title = _("Too many requests")

    def __init__(self, safe: Text, *, retry_after: int, cause: str = "") -> None:
        super().__init__(safe, cause)
        self.retry_after = retry_after


class Unavailable(NodeError):
    """For the moment, and only for it: 503, to be tried again after `retry_after` seconds."""

    status = 503
    title = _("Not available at the moment")

    def __init__(self, safe: Text, *, retry_after: int = 3, cause: str = "") -> None:
        super().__init__(safe, cause)
        self.retry_after = retry_after
