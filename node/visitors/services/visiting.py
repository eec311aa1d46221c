"""A visit: what the home says of somebody becomes a row of ours, and holds as long as the home says so.

Rule: every home is asked once a minute; one that says no ends the visit at once, one that has not answered for a
quarter of an hour, too. Source: PROTOCOL 2.d (*Fail closed*), 2.e, step 4; SECURITY TH-46, TH-47.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from federation.authn import LOWEST, SignIn
from node.config import LANGUAGES
from node.core.audit import Act
from node.core.ground import Ground
from node.core.jobs import every
from node.identity.services.answers import auth_time_of, domain_of, methods_of
from node.identity.services.identity import Browser, identity_of
from node.identity.services.visits import Visitor
from node.visitors import tables
from node.visitors.services import arriving, partners
from node.visitors.services.arriving import Arrived
from node.visitors.services.partners import HomeUnavailable, UnknownOrganisation

MAX_ID_CHARS = 255
MAX_ACR_CHARS = 100
UNHEARD = timedelta(minutes=15)
"""How long a visit holds while the home does not answer (PROTOCOL 2.d, `maxStale`)."""


def arrive(ground: Ground, arrived: Arrived, browser: Browser) -> str:
    """Begins the visit of who arrived; the browser's former session ends in the same commit. Answers its secret.

    Raises StateUsed.
    """
    claims, now = arrived.claims, ground.clock.now()
    visitor = Visitor(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        sid=_said(claims.get("sid"), MAX_ID_CHARS) or str(claims["nonce"]),  # one for each sign-in, too
        actor=str(claims["actor"]),
        node=arrived.relation.node,
        organisation=arrived.relation.name,
        name=_said(claims.get("name"), MAX_ID_CHARS) or str(claims["actor"]),
        language=_language(claims.get("locale"), ground.settings.language),
        sign_in=_sign_in(claims),
    )
    identity = identity_of(ground)
    with ground.database.writing() as db:
        if browser.session_id is not None:
            identity.sessions.replace(db, browser.session_id, now)
        visit_id, secret = identity.visits.begin(db, visitor, browser.user_agent, now)
        sealed = ground.vault.seal(arrived.refresh.encode(), f"visit {visit_id}")
        db.add(tables.VisitThread(visit_id=visit_id, node=visitor.node, refresh=sealed, asked_at=now))
        ground.audit.append(db, Act("visit.began", visitor.actor, detail={"node": visitor.node}))
    return secret


@every(1, "visitors.ask-homes")
def ask_homes(ground: Ground) -> None:
    """Asks the home of everybody who visits whether the sign-in still holds."""
    identity, now = identity_of(ground), ground.clock.now()
    with ground.database.reading() as db:
        threads = [db.get(tables.VisitThread, each) for each in identity.visits.living(db, now)]
    for thread in threads:
        if thread is not None:
            _ask_home(ground, thread, now)


def _ask_home(ground: Ground, thread: tables.VisitThread, now: datetime) -> None:
    purpose = f"visit {thread.visit_id}"
    try:
        with ground.database.reading() as db:
            relation = partners.by_host(db, ground, urlsplit(thread.node).netloc)
        refresh = ground.vault.open(thread.refresh, purpose).decode()
        following = arriving.still_holds(ground, relation, refresh)
    except (HomeUnavailable, UnknownOrganisation):
        if now - thread.asked_at < UNHEARD:
            return
        following = None
    with ground.database.writing() as db:
        if following is None:
            identity_of(ground).visits.end(db, thread.visit_id, now)
            ground.audit.append(db, Act("visit.ended-at-home", subject=thread.node))
        else:
            sealed = ground.vault.seal(following.encode(), purpose)
            kept = tables.VisitThread(
                visit_id=thread.visit_id, node=thread.node, refresh=sealed, asked_at=now
            )
            db.merge(kept)


def _sign_in(claims: dict[str, object]) -> SignIn:
    """How the sign-in went, as the home says."""
    return SignIn(
        idp=_said(claims.get("idp"), MAX_ID_CHARS),
        acr=_said(claims.get("acr"), MAX_ACR_CHARS) or LOWEST,
        amr=methods_of(claims),
        auth_time=auth_time_of(claims),
        email_domain=domain_of(claims),
    )


def _language(locale: object, otherwise: str) -> str:
    said = str(locale).partition("-")[0].lower()
    return said if said in LANGUAGES else otherwise


def _said(value: object, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""
