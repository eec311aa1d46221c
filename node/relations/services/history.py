"""What both sides have signed of what passed between them, for administrators: logs, disputes, evidence."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext as _

from federation.errors import EgressError
from node.core.audit import Act
from node.core.errors import Invalid, NodeError
from node.core.ground import Ground
from node.core.values import value
from node.exchange import histories
from node.exchange.dossier import TooMuch, Wanted, dossier
from node.exchange.histories import Checkpoint, Dispute
from node.exchange.service import open_reading, open_work
from node.relations.services.desk import By, NotTheStep
from node.relations.services.relations import relations_of


class Unreached(NodeError):
    """The partner gave no answer that proves anything."""

    status = 502
    title = _("No answer")

    def __init__(self, cause: str) -> None:
        super().__init__(_("Their node gives no answer now. It is asked again by itself."), cause)


@value
class History:
    """The newest checkpoint of each log, and where the histories of both sides part."""

    checkpoints: Sequence[Checkpoint]
    disputes: Sequence[Dispute]


def of(ground: Ground, key: str) -> History:
    """All of it. Raises NoSuchPartner; NotTheStep before there was an agreement."""
    relation_id = _relation_id(ground, key)
    with open_reading(ground) as work:
        return History(histories.latest(work, relation_id), histories.disputes(work, relation_id))


def compare(ground: Ground, key: str, by: By) -> bool | None:
    """Has the partner confirm our log to it now: whether it agrees, None when there is nothing that proves it.

    Raises NoSuchPartner, NotTheStep, Unreached.
    """
    relation_id = _relation_id(ground, key)
    try:
        agreed = histories.checkpoint(ground, relation_id, again=True)
    except EgressError as error:
        raise Unreached(str(error)) from error
    _note(ground, "exchange.compared", key, by)
    return agreed


def evidence(ground: Ground, key: str, wanted: Wanted, by: By) -> bytes:
    """A file of evidence. Raises NoSuchPartner, NotTheStep; Invalid (`from`) when it would be too large."""
    relation_id = _relation_id(ground, key)
    try:
        with open_reading(ground) as work:
            written = dossier(work, relation_id, wanted)
    except TooMuch as error:
        said = _("That is more than 10,000 entries. Choose a shorter time.")
        raise Invalid(said, errors={"from": said}) from error
    _note(ground, "exchange.evidence", key, by)
    return written


def _relation_id(ground: Ground, key: str) -> str:
    partner = relations_of(ground).partner(key)
    if partner.agreed_at is None or partner.id is None:
        raise NotTheStep(partner.state)
    return str(partner.id)


def _note(ground: Ground, action: str, key: str, by: By) -> None:
    peer = relations_of(ground).partner(key).node
    with open_work(ground) as work:
        ground.audit.append(work.session, Act(action, by.actor, peer))
