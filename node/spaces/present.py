"""From spaces and their people to what pages show. Rule: rights were asked before; here are only looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast
from urllib.parse import urlsplit

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from federation.ports import State
from node.core.ground import Ground
from node.core.http import shown
from node.exchange import service as exchange
from node.relations.services.faces import Face, faces
from node.spaces.audience import Audience, Difference, Reader, stamped
from node.spaces.services import reading, relays, requests
from node.spaces.services.asking import Asked
from node.spaces.services.reading import PersonSeen, SpaceSeen
from node.spaces.services.requests import Request

ADDED_LATELY_S = 7 * 24 * 3600


@dataclass
class Looks:
    """How organisations look to the reader, for one request."""

    session: Session
    ground: Ground
    visiting: bool = False
    """Whether the reader is of another organisation, and writes from there."""
    _faces: dict[str, Face] = field(init=False)
    _orgs: dict[str, shown.Org] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._faces = faces(self.session)

    def org(self, node: str, name: str = "") -> shown.Org:
        """An organisation by its node actor; one that we have no relation with is not verified by us."""
        found = self._orgs.get(node)
        if found is None:
            found = self._orgs[node] = self._made(node, name)
        return found

    def face(self, node: str) -> Face | None:
        """The relation with an organisation, if there is one."""
        return self._faces.get(node)

    def partners(self, relations: Iterable[str]) -> list[str]:
        """The node actors of the partners with these relations."""
        wanted = set(relations)
        return [each.node for each in self._faces.values() if each.relation_id in wanted]

    def person(self, person: PersonSeen | Reader, organisation: str = "") -> shown.Person:
        """A person; one whom nobody introduced yet is named by nothing but the organisation."""
        org = self.org(person.node, organisation)
        name = person.name or _("someone of %(org)s", org=org.name)
        return shown.Person(name, org, key=person.key, handle=f"{person.handle}@{org.domain}")

    def shares(self, counted: Iterable[reading.Share]) -> list[shown.Share]:
        """Readers by organisation: ours first, then the largest."""
        made = [
            shown.Share(self.org(each.organisation.node, each.organisation.name), each.count)
            for each in counted
        ]
        return sorted(made, key=lambda share: (not share.org.ours, -share.count, share.org.name))

    def audience(self, found: Audience, me: int, *, difference: Difference | None = None) -> shown.Audience:
        """Who will read what is about to be written; with `difference` what changed since the writer looked."""
        now = self.ground.clock.now()
        counts = dict.fromkeys((each.node for each in found.organisations), 0)
        names = {each.node: each.name for each in found.organisations}
        for each in found.people:
            counts[each.node] = counts.get(each.node, 0) + 1
        shares = [shown.Share(self.org(node, names.get(node, "")), count) for node, count in counts.items()]
        shares.sort(key=lambda share: (not share.org.ours, -share.count, share.org.name))
        readers = [
            shown.Reader(
                self.person(each, names.get(each.node, "")),
                you=each.id == me,
                added=each.since if (now - each.since).total_seconds() < ADDED_LATELY_S else None,
            )
            for each in found.people
        ]
        changed = difference or Difference((), (), 0)
        stopped = dict.fromkeys(self.org(each.node) for each in found.apart)
        return shown.Audience(
            stamped(found.token, now),
            shares,
            readers,
            terms=[
                _(
                    "Exchange with %(org)s is stopped in this space: its people do not read this.",
                    org=each.name,
                )
                for each in stopped
            ],
            came=[self.person(each) for each in changed.came],
            went=[self.person(each) for each in changed.went],
            before=None if difference is None else difference.before,
        )

    def gaps(self, space: SpaceSeen, counted: Sequence[reading.Share]) -> list[shown.Gap]:
        """What is not yet where it should be: ours at partners who are away, theirs here."""
        found = []
        for node in self.told(space, counted):
            face = self.face(node)
            if face is None:
                continue
            health = exchange.health(self.session, face.relation_id)
            away = health.since is not None and self.ground.clock.now() - health.since >= exchange.LATE
            if away and health.queued and health.oldest is not None:
                found.append(shown.Gap(self.org(node), health.queued, health.oldest))
        if not space.hosted:
            holes, since = reading.missing(self.session, space.id)
            if holes and since is not None:
                found.append(shown.Gap(self.org(space.host), holes, since, "in"))
        return found

    def relayed(
        self, space: SpaceSeen, counted: Sequence[reading.Share], rev: int
    ) -> dict[str, relays.Relayed]:
        """What organisations behind the host of a space have receipted of what has this rev, by node actor."""
        if space.hosted or len(counted) < relays.MIN_ORGANISATIONS:
            return {}
        return relays.marks(self.session, space.id, rev)

    def told(self, space: SpaceSeen, counted: Sequence[reading.Share]) -> list[str]:
        """To whom our node itself sends what is said here: the others as host, else the host alone."""
        if not space.hosted:
            return [space.host]
        return [each.organisation.node for each in counted if not self.org(each.organisation.node).ours]

    def line(
        self,
        space: SpaceSeen,
        counted: Sequence[reading.Share],
        last: datetime | None = None,
        waiting: shown.Gap | None = None,
    ) -> shown.SpaceLine:
        """A space in a list."""
        return shown.SpaceLine(
            space.key,
            space.name,
            self.shares(counted),
            space.purpose,
            last,
            "manager" if space.managed else "member",
            None if space.hosted else self.org(space.host),
            waiting,
            space.iri,
        )

    def space(self, space: SpaceSeen, found: Audience, counted: Sequence[reading.Share]) -> shown.Space:
        """A space that one is in."""
        everybody = (*found.people, *found.apart)
        managers = [self.person(each) for each in everybody if each.role.value == "manager"]
        return shown.Space(
            space.key,
            space.name,
            self.shares(counted),
            space.purpose,
            None,
            "manager" if space.managed else "member",
            None if space.hosted else self.org(space.host),
            managers=managers,
            history_from=space.history_from,
            gaps=self.gaps(space, counted),
            may_write=self.may_write(space),
            closed=self.closed(space),
            requests=requests.count(self.session, space)
            if space.managed and space.hosted and not self.visiting
            else 0,
            may_manage=space.managed and space.hosted and not self.visiting,
            may_share=space.managed and space.hosted and not self.visiting,
            may_leave=not self.visiting and not (space.managed and space.hosted and len(managers) == 1),
        )

    def request(self, asked: Request) -> shown.JoinRequest:
        """Somebody who asks to come into a space of ours."""
        org = self.org(asked.node)
        name = asked.name or _("someone of %(org)s", org=org.name)
        person = shown.Person(name, org, handle=f"{asked.handle}@{org.domain}")
        return shown.JoinRequest(asked.key, person, asked.at, asked.may_enter)

    def asked(self, asked: Asked) -> shown.Asked:
        """What one of ours has asked a partner."""
        state = cast("Literal['open', 'accepted', 'declined']", asked.state)
        return shown.Asked(asked.address, self.org(asked.node), state, asked.at, asked.answered_at)

    def may_write(self, space: SpaceSeen) -> bool:
        """Whether what is written now can go out at all."""
        return not self.closed(space)

    def closed(self, space: SpaceSeen) -> str:
        """Why the reader may not write now, in a sentence; "" when he or she may."""
        if self.visiting:
            return str(_("You read here as a guest. In this space you write from your own company."))
        if space.hosted:
            return ""
        face = self.face(space.host)
        if face is None:
            return str(_("The organisation that keeps this space is no partner any more."))
        match face.state:
            case State.IN_FORCE if space.iri in face.stopped:
                sentence = _(
                    "Exchange with %(org)s is stopped in this space: nothing can be written here.",
                    org=face.name,
                )
            case State.IN_FORCE:
                return ""
            case State.SUSPENDED:
                sentence = _(
                    "The relation with %(org)s is suspended: nothing can be written here.", org=face.name
                )
            case _:
                sentence = _(
                    "No charter with %(org)s is in force: nothing can be written here.", org=face.name
                )
        return str(sentence)

    def _made(self, node: str, name: str) -> shown.Org:
        settings = self.ground.settings
        if node == f"{settings.origin}/actor":
            return shown.Org(settings.organisation, ours=True, domain=urlsplit(node).netloc)
        face = self.face(node)
        if face is None:
            known = name or reading.organisation_name(self.session, node) or urlsplit(node).netloc
            return shown.Org(known, state="unverified", domain=urlsplit(node).netloc)
        state: shown.OrgState = "verified" if face.hue is not None else "unverified"
        if face.state is State.SUSPENDED:
            state = "suspended"
        return shown.Org(face.name, face.hue, state=state, domain=urlsplit(node).netloc, key=face.key)
