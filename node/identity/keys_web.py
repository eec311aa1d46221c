"""Pages for administrators: the keys of this node, what a change would do, the change, the end of a key at once.

Rule: for administrators alone; what cannot be taken back is asked twice. Source: PRODUCT D.18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import current_app, flash, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from node.core.errors import Changed, Invalid
from node.core.http import forms, shown
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.core.http.rendering import page
from node.exchange.remote import Flagged
from node.identity.keyring import State
from node.identity.services.keys import keys_of
from node.identity.web import FOUND_ELSEWHERE, web
from schemas.forms.identity import Compromised

__all__ = ["POSTS_BEHIND", "web"]

POSTS_BEHIND = "parvis.identity.posts_behind"
"""Key of `app.extensions`: `(session, Flagged) -> [shown.FoundPost]`, set by whatever keeps posts."""


@web.get("/admin/keys")
@guarded("admin")
def keys() -> str:
    """The keys of the node and those of the partners."""
    return _page()


@web.get("/admin/keys/rehearsal")
@guarded("admin")
def rehearse_key() -> str:
    """What a change of the key would do, partner by partner; changes nothing."""
    return page(
        "identity/rehearsal.html",
        partners=keys_of(ground()).partners(),
        overlap_days=ground().settings.key_overlap_days,
    )


@web.post("/admin/keys/rotate")
@guarded("admin")
def rotate_key() -> Response | tuple[str, int]:
    """Announces a new key; it signs once every partner has confirmed it."""
    service = keys_of(ground())
    try:
        service.rotate(viewer().actor)
    except Changed as refusal:
        return _page(forms.sentences(refusal)), refusal.status
    if any(key.state is State.NEXT for key in service.listed()):
        flash(_("The new key is announced. It signs once every partner has confirmed it."), "ok")
    else:
        flash(_("The new key signs from now on."), "ok")
    return _to_keys()


@web.post("/admin/keys/go-on")
@guarded("admin")
def go_on_with_key() -> Response | tuple[str, int]:
    """The announced key signs from now on; who has not confirmed it compares the fingerprint anew."""
    try:
        keys_of(ground()).go_on(viewer().actor)
    except Changed as refusal:
        return _page(forms.sentences(refusal)), refusal.status
    flash(_("The new key signs from now on."), "ok")
    return _to_keys()


@web.post("/admin/keys/revoke")
@guarded("admin")
def revoke_key() -> Response | tuple[str, int]:
    """Ends the key at once; every partner compares the fingerprint of the new one."""
    values, errors = forms.read(Compromised())
    if errors:
        return _page(errors, values), Invalid.status
    since: datetime | None = values.get("since")
    try:
        keys_of(ground()).revoke(viewer().actor, since=since and since.replace(tzinfo=UTC))
    except Invalid as refusal:
        return _page(forms.sentences(refusal), values), refusal.status
    flash(_("The key has ended. Call each partner and compare the new fingerprint."), "ok")
    return _to_keys()


def _page(errors: Mapping[str, Any] | None = None, values: Mapping[str, Any] | None = None) -> str:
    service = keys_of(ground())
    listed, flagged = service.listed(), service.flagged()
    return page(
        "identity/keys.html",
        keys=listed,
        next=next((key for key in listed if key.state is State.NEXT), None),
        partners=service.partners(),
        flagged=[(each, _posts_behind(each)) for each in flagged],
        errors=errors or {},
        values=values or {},
    )


def _posts_behind(flagged: Flagged) -> Sequence[shown.FoundPost]:
    posts_behind = current_app.extensions.get(POSTS_BEHIND)
    if posts_behind is None:
        return ()
    with ground().database.reading() as session:
        found: Sequence[shown.FoundPost] = posts_behind(session, flagged)
    return found


def _to_keys() -> Response:
    return redirect(url_for("identity.keys"), FOUND_ELSEWHERE)
