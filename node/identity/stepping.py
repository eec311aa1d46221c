"""What a charter asks of a sign-in beside what one's own is, in words.

Rule: decides nothing: the fence does (`federation.fence`); here is only what people read before they sign in once more.
Source: PROTOCOL 2.d (L1); RFC 9470.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask_babel import gettext as _
from flask_babel import ngettext

from federation.authn import LOWEST, SignIn
from node.core.http import shown

MINUTE_S = 60
HOUR_S = 3600


def compared(
    sign_in: SignIn, acr_values: Sequence[str], max_age: int | None, now: datetime
) -> list[shown.Demand]:
    """One line for each thing asked; where nothing is, the address that no sign-in of ours has confirmed."""
    lines = []
    if acr_values:
        had = _("by password") if "pwd" in sign_in.amr and sign_in.acr == LOWEST else sign_in.acr
        asked = _("one of: %(names)s", names=", ".join(acr_values))
        lines.append(shown.Demand(_("Kind of sign-in"), asked, had, sign_in.acr in acr_values))
    if max_age is not None:
        age = None if sign_in.auth_time is None else max(0, int(now.timestamp()) - sign_in.auth_time)
        had = _("not known") if age is None else _("%(duration)s ago", duration=duration(age))
        asked = _("within the last %(duration)s", duration=duration(max_age))
        lines.append(shown.Demand(_("Time of sign-in"), asked, had, age is not None and age <= max_age))
    if not lines:
        asked = _("a confirmed address of a domain named in the charter")
        had = sign_in.email_domain or _("none that is confirmed")
        lines.append(shown.Demand(_("Mail address"), asked, had, met=False))
    return lines


def duration(seconds: int) -> str:
    """Roughly, in its largest unit."""
    if seconds >= HOUR_S:
        hours = round(seconds / HOUR_S)
        return str(ngettext("%(num)d hour", "%(num)d hours", hours))
    minutes = max(1, round(seconds / MINUTE_S))
    return str(ngettext("%(num)d minute", "%(num)d minutes", minutes))
