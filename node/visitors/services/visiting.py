"""A visit: somebody arrives, speaks through his or her home, and goes.

Rule: the tokens of a visit are sealed and end with it. Source: PROTOCOL 2.e, steps 4 to 6.
"""

from __future__ import annotations

from datetime import timedelta
from threading import Lock
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from federation.authn import LOWEST, SignIn
from node.config import LANGUAGES
from node.core.audit import Act
from node.core.ground import Ground
from node.identity.services.identity import Browser, identity_of
from node.identity.services.visits import LiveVisit, Visitor
from node.visitors import tables
from node.visitors.services import arriving, partners
from node.visitors.services.arriving import Arrived, Spoken

EARLY = timedelta(seconds=20)  # a token is changed a little before it ends
MAX_ID_CHARS = 255

_CHANGING = tuple(Lock() for _ in range(32))


def arrive(ground: Ground, arrived: Arrived, browser: Browser) -> str:
    """Begins the visit of who arrived; the browser's former session ends in the same commit. Answers its secret.

    Raises StateUsed.
    """
    claims, now = arrived.claims, ground.clock.now()
    visitor = Visitor(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        sid=_said(claims.get("sid"), MAX_ID_CHARS) or str(claims["sub"]),
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
        _keep(db, ground, visit_id, arrived.tokens)
        ground.audit.append(db, Act("visit.began", visitor.actor, detail={"node": visitor.node}))
    return secret


def access(ground: Ground, visit: LiveVisit) -> str | None:
    """An access token that holds now; None when the home gives none any more: the visit is over.

    Raises HomeUnavailable, UnknownOrganisation.
    """
    with _CHANGING[visit.id % len(_CHANGING)]:  # a refresh token that is used twice ends all
        now = ground.clock.now()
        with ground.database.reading() as db:
            row = db.get(tables.VisitTokens, visit.id)
            if row is None:
                return None
            if row.access_expires_at - EARLY > now:
                return ground.vault.open(row.access, f"access token {visit.id}").decode()
            refresh = ground.vault.open(row.refresh, f"refresh token {visit.id}").decode()
            relation = partners.by_host(db, ground, urlsplit(visit.visitor.node).netloc)
        got = arriving.again(ground, relation, refresh)
        with ground.database.writing() as db:
            if got is None:
                identity_of(ground).visits.end(db, now, id=visit.id)
                return None
            _keep(db, ground, visit.id, got)
        return got.access


def _keep(db: Session, ground: Ground, visit_id: int, got: Spoken) -> None:
    vault = ground.vault
    db.merge(
        tables.VisitTokens(
            visit_id=visit_id,
            access=vault.seal(got.access.encode(), f"access token {visit_id}"),
            access_expires_at=ground.clock.now() + got.lasts,
            refresh=vault.seal(got.refresh.encode(), f"refresh token {visit_id}"),
        )
    )


def _sign_in(claims: dict[str, object]) -> SignIn:
    """How the sign-in went, as the home says."""
    amr, when, mail = claims.get("amr"), claims.get("auth_time"), claims.get("email")
    methods = tuple(each for each in amr if isinstance(each, str))[:10] if isinstance(amr, list) else ()
    confirmed = isinstance(mail, str) and claims.get("email_verified") is True
    return SignIn(
        idp=_said(claims.get("idp"), MAX_ID_CHARS),
        acr=_said(claims.get("acr"), 100) or LOWEST,
        amr=tuple(each for each in methods if len(each) <= 20 and " " not in each),
        auth_time=when if type(when) is int else None,
        email_domain=str(mail).rpartition("@")[2].lower()[:253] if confirmed else "",
    )


def _language(locale: object, otherwise: str) -> str:
    said = str(locale).partition("-")[0].lower()
    return said if said in LANGUAGES else otherwise


def _said(value: object, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""
