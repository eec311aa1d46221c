"""Words for what an agreement says: periods, what differs between versions, what becomes of the data.

Rule: sentences in the language of the reader; nothing is looked up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _later
from flask_babel import ngettext

from node.core.http import rendering
from node.relations.services import terms
from node.relations.services.partners import Partner

_RECEIPTS: Mapping[str, Any] = {
    "received": _later("when it has arrived"),
    "processed": _later("when it is kept"),
}

FURTHER: Mapping[str, Any] = {
    "spaces": _later("Spaces named in the charter"),
    "classes": _later("Data classes, the least first"),
    "personal": _later("Personal data may be among it"),
    "activity_types": _later("Acts that may pass"),
    "object_types": _later("Kinds of content"),
    "media_types": _later("Types of files"),
    "max_object_kib": _later("Largest message, in KiB"),
    "max_batch_kib": _later("Largest parcel of messages, in KiB"),
    "max_file_mib": _later("Largest file, in MiB"),
    "sign_ins": _later("Kinds of sign-in, any of which will do"),
    "sign_in_h": _later("Oldest sign-in, in hours"),
    "own_domains": _later("Only people with a confirmed address of a domain of their side"),
    "leave_s": _later("Time to shut out who leaves, in seconds"),
    "receipt": _later("A message is confirmed"),
    "receipt_min": _later("Time to confirm a message, in minutes"),
    "checkpoint_h": _later("Time between comparisons of the logs, in hours"),
    "log_years": _later("Time that logs are kept, in years"),
    "timestamps": _later("Time stamps of a third party (RFC 3161)"),
    "recall_h": _later("Time to erase what is called back, in hours"),
    "backup_days": _later("Time that backups are kept, in days"),
    "after_end_days": _later("Time to erase what is left after the end, in days"),
    "notice_days": _later("Notice, in days"),
    "text_url": _later("Address of the signed text"),
    "text_type": _later("Type of the signed text"),
    "text_digest": _later("Digest of the signed text"),
}
"""What a charter says beyond its sentences: field of its form -> label."""
_FIELD_OF = {
    **{f"{part}.{member}": name for name, part, member, *_ in terms.MEMBERS},
    "scope.spaces": "spaces",
    "scope.dataClasses": "classes",
}


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
            return str(FURTHER.get(_FIELD_OF.get(name, ""), name))


def further(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of all that a charter says and its sentences do not."""
    values = terms.written(document)
    return [(str(text), _plain(values[name])) for name, text in FURTHER.items() if values[name] != ""]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    return _RECEIPTS.get(str(value)) or str(value)


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
        case _, bool():
            return _plain(value)
        case _, str():
            return _plain(value)
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
