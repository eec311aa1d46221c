"""The fingerprint: both administrators compare it over the phone (PROTOCOL 2.a, step 3).

Rule: the groups that the other reads aloud stay covered until typed (DECISIONS 27); nothing is agreed before both
have confirmed. Source: PRODUCT B2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from federation import handshake
from federation.ports import State
from node.core.errors import Invalid
from node.core.secrets import same
from node.exchange import service as exchange
from node.relations import records
from node.relations.services import messages
from node.relations.services.desk import By, NotTheStep
from node.relations.services.partners import Partner, Partners, read_by_them

CHANNELS = ("phone", "in-person", "video")
AFTER_FORGERY = "purge-after-retention"


class Fingerprints(Partners):
    """The use cases of the comparison."""

    def confirm(self, key: str, typed: Mapping[int, str], channel: str, by: By) -> Partner:
        """Our admin has typed the groups that the other read aloud; confirmed when they are right.

        Raises NoSuchPartner, NotTheStep, Invalid (`errors` by `group-N` and `channel`).
        """
        errors: dict[str, Any] = {}
        if channel not in CHANNELS:
            errors["channel"] = _("Say how you spoke.")
        with exchange.open_work(self._ground) as work:
            session: Session = work.session
            row = self._row(session, key)
            if not _is_compared(row) or row["confirmed_here_at"] is not None:
                raise NotTheStep(row["state"])
            digits = self._digits(session, row)
            for number in read_by_them(row):
                if not same(typed.get(number, "").strip(), digits[number - 1]):
                    errors[f"group-{number}"] = _("Not the same. Ask them to read it again.")
            if not errors:
                relation = records.confirm(
                    session,
                    self._ground,
                    row["id"],
                    confirmed_here_at=self._now(),
                    confirmed_here_by=by.name,
                    confirmed_channel=channel,
                )
                said = handshake.confirmation(relation, work, self._settings)
                messages.keep(session, self._ground, relation, said, relation.invite)
            action = "relation.mistyped" if errors else "relation.confirmed"
            self._record(session, action, by, peer=row["node"], subject=row["invite"], channel=channel)
        if errors:
            raise Invalid(_("The groups do not match yet."), "mistyped", errors=errors)
        self._send(row["id"])
        return self.partner(key)

    def differs(self, key: str, by: By) -> None:
        """The digits differ: the relation ends here and nothing is said to whoever is there.

        Raises NoSuchPartner, NotTheStep.
        """
        with self._ground.database.writing() as session:
            row = self._row(session, key)
            if not _is_compared(row) and row["state"] != State.VERIFIED:
                raise NotTheStep(row["state"])
            if row["agreement"]:
                relation = records.relation_of(row)
                records.end(session, self._ground, relation, AFTER_FORGERY, "fingerprint-differs")
            else:
                records.change(
                    session,
                    self._ground,
                    row["id"],
                    state=State.TERMINATED,
                    ended_at=self._now(),
                    note="fingerprint-differs",
                )
            self._record(session, "relation.fingerprint-differs", by, peer=row["node"], subject=row["invite"])


def _is_compared(row: Mapping[Any, Any]) -> bool:
    """Whether the comparison is due: at the beginning, or anew since a node key was revoked."""
    return row["state"] == State.KEYS_EXCHANGED or records.relation_of(row).recompare
