"""What a charter or a partner does not let through, in the reader's language and with a next step.

Rule: a sentence is chosen by what is machine-readable of a problem: the row of the fence (`rule`), else its type; what
nobody knows here keeps the sentence of whoever refused. Source: PRODUCT D.24; RFC 9457.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _

from federation.errors import NAMESPACE

MAX_NAME_CHARS = 120
STEP_UP = f"{NAMESPACE}#insufficient-authentication"

_BY_RULE: Mapping[str, Any] = {
    "space": _("The charter does not cover this space. An administrator can propose to add it."),
    "stopped": _(
        "The exchange is stopped in this space. An administrator, on the side that stopped it, can let it go on."
    ),
    "direction": _(
        "By the charter, this side reads here and the other speaks. An administrator can propose a change."
    ),
    "activity type": _("The charter does not allow this act. An administrator can propose to add it."),
    "object type": _(
        "The charter does not allow this kind of content. An administrator can propose to add it."
    ),
    "data class": _(
        "The charter does not allow data of this class here. Choose a space for it, or leave it out."
    ),
    "object size": _("It is longer than the charter allows. Shorten it, or write it in several messages."),
    "file size": _("A file is larger than the charter allows. Send a smaller one."),
    "media type": _("The charter does not allow files of this type. Send it in another format."),
    "public": _("The charter does not allow what is addressed to the public. Address it to the space."),
    "onward": _(
        "The charter does not allow a third company in a space. Write in a space that you two have alone."
    ),
    "identity": _("The charter asks for another sign-in than yours. Sign in once more, then send it again."),
}
_BY_TYPE: Mapping[str, Any] = {
    "agreement-suspended": _(
        "The relation is suspended. Send it again when it is resumed; an administrator knows why."
    ),
    "no-agreement": _("There is no charter in force with them any more. Ask an administrator."),
    "not-member": _("You were not in this space when it arrived. Ask to come in, then send it again."),
    "insufficient-authentication": _BY_RULE["identity"],
    "out-of-scope": _("The charter does not cover this. Ask an administrator what it allows."),
    "too-large": _("It is larger than they take. Make it smaller, then send it again."),
    "actor-disabled": _("By what they know, your account is closed. Ask an administrator."),
}


def sentence(problem: Mapping[str, Any]) -> Any:
    """What a problem document says, as a lazy translation."""
    told = _BY_RULE.get(str(problem.get("rule", "")))
    if told is None:
        told = _BY_TYPE.get(str(problem.get("type", "")).removeprefix(f"{NAMESPACE}#"))
    if told is None:
        return str(problem.get("detail") or problem.get("title") or "")
    organisation = problem.get("organisationName")
    if not isinstance(organisation, str) or not organisation:
        return told
    return _("%(org)s: %(sentence)s", org=organisation[:MAX_NAME_CHARS], sentence=told)
