"""Words for what an agreement says: periods, what differs between versions, what becomes of the data.

Rule: sentences in the language of the reader; nothing is looked up.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from node.core.http import rendering
from node.relations.services.partners import Partner


def label(name: str, partner: Partner) -> str:
    match name:
        case "purpose":
            return str(_("What the relation is for"))
        case "contract":
            return str(_("Contract or order number"))
        case "spaces":
            return str(_("Shared spaces"))
        case "new_spaces":
            return str(_("Which spaces may be shared"))
        case "onward":
            return str(_("Third companies"))
        case "keep_ours":
            return str(_("We keep messages for"))
        case "keep_theirs":
            return str(_("%(org)s keeps messages for", org=partner.name))
        case "max_file_bytes":
            return str(_("Largest file"))
        case "ends":
            return str(_("Ends on"))
        case "notice":
            return str(_("Notice"))
        case _:
            return name


def said(name: str, value: Any) -> str:
    """One side of a difference in words; "–" for nothing."""
    match name, value:
        case _, None | "" | () | []:
            return "–"
        case "new_spaces", bool():
            return str(
                _("those that one side offers and the other accepts")
                if value
                else _("none beyond the present ones")
            )
        case "onward", bool():
            return str(_("may be in a shared space, seen by all") if value else _("never"))
        case (("keep_ours" | "keep_theirs" | "notice"), str()):
            return duration(value)
        case "max_file_bytes", int():
            return rendering.size(value)
        case "ends", date():
            return rendering.day(value)
        case _, str():
            return value
        case _, (list() | tuple()) if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def disposition(name: str) -> str:
    """What becomes of what was exchanged, in a sentence."""
    match name:
        case "purge-now":
            return str(_("It is erased on the day of the end, on both sides."))
        case "keep-per-law":
            return str(_("Each side keeps what the law demands, and erases the rest."))
        case _:
            return str(_("It is erased when the time agreed on in the charter is over."))


def ended(note: str) -> str:
    match note:
        case "notice":
            return str(_("Notice was given."))
        case "expired":
            return str(_("The charter ran out, and nobody renewed it."))
        case "fingerprint-differs":
            return str(_("The fingerprints differed."))
        case "superseded":
            return str(_("A newer invitation took its place."))
        case _:
            answer = note.removeprefix("refused: ")
            return str(_("Their node did not take the invitation. %(answer)s", answer=answer))


def duration(period: str) -> str:
    """`P2Y` as one says it: `2 years`, `2 ans`. A period of several units stays as it is written."""
    number, unit = period[1:-1], period[-1:]
    if not (period.startswith("P") and number.isdecimal()):
        return period
    count = int(number)
    match unit:
        case "Y":
            return str(ngettext("%(num)d year", "%(num)d years", count))
        case "M":
            return str(ngettext("%(num)d month", "%(num)d months", count))
        case "D":
            return str(ngettext("%(num)d day", "%(num)d days", count))
        case _:
            return period
