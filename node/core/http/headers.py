"""What every answer carries: what a browser may load, and that nobody keeps it.

Rule: nothing inline, nothing from elsewhere. A page that leads to a provider or partner names it with
`allow_form_targets`, as browsers hold redirects of a form against `form-action`. A view that wants to be kept sets
Cache-Control itself. Source: SECURITY, TH-34, TH-39; CSP Level 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from flask import Flask, Response, g, request

from node.core.http.rendering import marks_content

ONE_YEAR_S = 31_536_000

KEPT = f"public, max-age={ONE_YEAR_S}, immutable"
FONTS = "fonts/"
"""Where a file of another content gets another name, since a style sheet can’t name the mark of one."""

CSP_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'{targets};"
    " frame-ancestors 'none'; base-uri 'none'"
)
CSP_OTHER = "default-src 'none'; frame-ancestors 'none'; sandbox"
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def allow_form_targets(origins: Iterable[str]) -> None:
    """Adds origins (`https://login.example`) to `form-action` of the answer that is made now."""
    g.form_targets = " ".join(sorted(origins))


def install(app: Flask, *, secure: bool) -> None:
    """Sets the headers after each request; `secure`: the node is reached over https."""
    plain_csp = CSP_PAGE.format(targets="")

    @app.after_request
    def dress(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if request.endpoint == "static":
            found = response.status_code < HTTPStatus.BAD_REQUEST
            headers["Cache-Control"] = KEPT if found and _never_changes() else "no-cache"
        else:
            headers.setdefault("Cache-Control", "no-store")
        if secure:
            headers.setdefault("Strict-Transport-Security", f"max-age={ONE_YEAR_S}")
        if response.mimetype != "text/html":
            headers.setdefault("Content-Security-Policy", CSP_OTHER)
            return response
        targets = g.get("form_targets")
        headers["Content-Security-Policy"] = CSP_PAGE.format(targets=f" {targets}") if targets else plain_csp
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = PERMISSIONS
        headers["X-Frame-Options"] = "DENY"
        headers.add("Vary", "HX-Request")
        return response


def _never_changes() -> bool:
    """Whether the static file that was found can be kept for ever: its address names this very content."""
    name = (request.view_args or {}).get("filename", "")
    return name.startswith(FONTS) or marks_content(request.args.get("v", ""), name)
