"""What each act on record is in words: short and without a subject, who did it stands beside.

Rule: every action that the code records is here; a test looks for them. `%(…)s` are members of the detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _

FAMILIES: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "access": (
        _("Sign-ins, links and tokens"),
        ("signin.", "signout.", "session.", "link.", "password.", "token.", "visit.", "provider."),
    ),
    "people": (_("People and roles"), ("person.",)),
    "partners": (_("Partners and charters"), ("invite.", "relation.", "charter.")),
    "spaces": (_("Spaces"), ("space.",)),
    "exchange": (_("Exchange with partners"), ("exchange.", "delivery.", "receipt.", "refused.")),
    "keys": (_("Keys"), ("key.", "secrets.")),
    "copies": (_("Copies of spaces"), ("replica.",)),
    "retention": (_("Recalls, holds and erasure"), ("recall.", "hold.", "retention.")),
    "audit": (_("Reading of the audit"), ("audit.",)),
}  # fmt: skip
"""What one may filter by -> its name, and how its actions begin."""

SENTENCES: Mapping[str, Any] = {
    "signin.done": _("Signed in (%(provider)s)"),
    "signout.done": _("Signed out"),
    "visit.began": _("Came in from %(node)s"),
    "visit.ended": _("Went, as a visitor"),
    "visit.ended-at-home": _("A visit ended, as the home of the visitor said, or said nothing any more"),
    "provider.consent": _("Let a partner know who he or she is"),
    "session.ended": _("Ended a session in another browser"),
    "link.created": _("Made a one-time link"),
    "link.used": _("Used a one-time link"),
    "password.set": _("Set a password"),
    "token.created": _("Made a token: %(scopes)s"),
    "token.ended": _("Ended a token"),
    "person.added": _("Added a person: %(role)s"),
    "person.role": _("Gave a role: %(role)s"),
    "person.disabled": _("Closed an account"),
    "person.enabled": _("Opened an account again"),
    "key.announced": _("Announced a new key"),
    "key.confirmed": _("Confirmed the new key of ours"),
    "key.not-confirmed": _("Did not take in the new key of ours"),
    "key.switched": _("A new key signs"),
    "key.gone-on": _("Went on with the new key without %(without)s partners"),
    "key.retired": _("A former key is no longer accepted"),
    "key.revoked": _("Revoked a key, compromised since %(since)s"),
    "key.token-made": _("A new key signs tokens"),
    "key.token-ended": _("A key of tokens ended at once"),
    "key.changed-there": _("Changed the key of its node"),
    "key.revoked-there": _("Revoked the key of its node"),
    "secrets.resealed": _("Sealed %(values)s secrets under a new secret key"),
    "invite.created": _("Made an invitation link"),
    "invite.cancelled": _("Cancelled an invitation"),
    "invite.accepted": _("Accepted an invitation link"),
    "invite.alike": _("The address looks like %(alike)s"),
    "relation.spaces-stopped": _("Stopped single spaces with this partner (%(spaces)s)"),
    "relation.spaces-stopped-there": _("Stopped single spaces, or let them go on"),
    "relation.introduced": _("Answered an invitation of ours"),
    "relation.domain-proven": _("The DNS confirms the e-mail domain %(domain)s"),
    "relation.domain-lost": _("The DNS does not confirm the e-mail domain %(domain)s any more"),
    "relation.confirmed": _("Confirmed the fingerprint"),
    "relation.confirmed-there": _("Confirmed the fingerprint on their side"),
    "relation.offered": _("Proposed a charter"),
    "relation.offer-ended": _("A proposed charter ended without agreement"),
    "relation.in-force": _("Agreed on the charter; it is in force"),
    "relation.suspended": _("Suspended the relation"),
    "relation.suspended-there": _("Suspended the relation on their side"),
    "relation.resumed": _("Ended their own suspension"),
    "relation.resumed-there": _("Ended the suspension on their side"),
    "relation.notice": _("Gave notice"),
    "relation.notice-there": _("Gave notice on their side"),
    "relation.ends-soon": _("The charter ends in %(days)s days"),
    "relation.expired": _("The charter ran out"),
    "relation.ended": _("The relation has ended"),
    "delivery.resumed": _("Had everything tried again at once"),
    "exchange.compared": _("Had the log confirmed by the partner"),
    "exchange.evidence": _("Took a file of evidence along"),
    "receipt.late": _("Applied a line later that it had taken before"),
    "relation.registered": _("Changed contact or review date"),
    "charter.cut": _("Held back what a narrower charter no longer covers"),
    "charter.proposed": _("Proposed a charter"),
    "charter.agreed": _("Agreed on the charter; it is in force"),
    "charter.declined": _("Declined a charter"),
    "charter.withdrawn": _("Withdrew a proposed charter"),
    "space.created": _("Created a space"),
    "space.offered": _("Offered a space"),
    "space.accepted": _("Accepted a space"),
    "space.declined": _("Declined a space"),
    "space.closed": _("Closed a space of a partner: the relation has ended"),
    "space.left": _("Left a space with the whole organisation"),
    "space.role": _("Gave a role in a space"),
    "space.removed": _("Removed a person from a space"),
    "space.asked": _("Asked to come into a partner’s space"),
    "space.request-accepted": _("Let a person into a space who had asked"),
    "space.request-declined": _("Declined a person who had asked to come into a space"),
    "space.organisation-removed": _("Removed an organisation from a space"),
    "replica.compared": _("Compared the copies of a space (%(state)s)"),
    "replica.surplus": _("Hid what only this node has of a space"),
    "replica.newer": _("Found something newer here than at its host"),
    "replica.differs": _("Found that two copies of a space differ"),
    "replica.missing": _("Found something missing that the host did not give"),
    "replica.dropped": _("Found something that the host receipted and never showed"),
    "replica.forked": _("Found two signed statements of a host that contradict each other"),
    "replica.not-synchronized": _("Did not believe what a partner said of who is in a space"),
    "replica.refused": _("Did not take what was to mend a copy"),
    "recall.erased": _("Erased what was called back (%(reason)s)"),
    "recall.retained": _("Kept out of sight what was called back (%(reason)s)"),
    "recall.unanswered": _("Has not answered a recall for %(days)s days"),
    "recall.for-somebody": _("Called a message back for its author (%(reason)s)"),
    "hold.placed": _("Placed a legal hold (%(reference)s)"),
    "hold.released": _("Released a legal hold; %(erased)s messages go"),
    "hold.exported": _("Read %(kept)s messages that a legal hold keeps"),
    "retention.run": _("Erased %(count)s messages whose time was over"),
    "retention.replayed": _("Erased once more, after an older copy was put back"),
    "audit.read": _("Read the audit"),
    "audit.exported": _("Exported the audit"),
}
"""Action -> what was done."""

REFUSALS: Mapping[str, Any] = {
    "receipt.unproved": _("Passed on a receipt that proves nothing"),
    "invite.burnt": _("An invitation was tried five times with a wrong key and ended"),
    "invite.other-key": _("The node that answered showed another key than the invitation"),
    "relation.other-key": _("Their node shows another key than the one that answered"),
    "relation.mistyped": _("The typed groups did not match"),
    "relation.fingerprint-differs": _("The fingerprints differed; the relation was ended"),
    "relation.refused-there": _("Their node did not take our message"),
    "exchange.refused": _("A request was refused"),
    "exchange.line-rejected": _("A line was rejected, the rest went on"),
    "exchange.histories-part": _("Found the first entry by which two histories differ"),
    "exchange.restored": _("Got back from the partner what a backup lacked"),
    "exchange.restored-person": _(
        "Gave back a person made after the backup, who needs a password link (People)"
    ),
    "exchange.lost-space": _("Has a space of ours made after the backup and lost here; make it anew"),
    "exchange.restored-unproved": _("Got something back that no key here can prove"),
    "delivery.unconfirmed": _("Something was not confirmed in the time agreed on"),
    "exchange.quarantined": _("A line was given up after five tries"),
    "receipt.late-refusal": _("Their node gave a line up that it had taken"),
    "space.forked": _("The host of a space shows two rosters that cannot both be true (version %(version)s)"),
    "space.told-otherwise": _("The host of a space told another organisation something else than us"),
    "space.roster-wrong": _("Their node holds a roster that proves nothing"),
    "receipt.relayed-wrong": _("Their node relayed a receipt that proves nothing"),
    "delivery.refused": _("Their node takes nothing from us for now"),
    "delivery.stopped": _("Delivery stopped until an administrator acts"),
    "delivery.undelivered": _("Entries could not be delivered in thirty days"),
    "refused.unauthenticated": _("Refusals of senders that nobody knows, counted"),
}
"""Action -> what was refused, or went wrong."""


def sentence_of(action: str, detail: Mapping[str, Any]) -> str:
    """The act in the reader's language; its code where there is no sentence."""
    sentence = SENTENCES.get(action) or REFUSALS.get(action)
    return action if sentence is None else str(sentence) % _Told(detail)


class _Told(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "–"
