"""A visit begins: what the home says of somebody becomes a row of ours. Source: PROTOCOL 2.e, step 4."""

from __future__ import annotations

from federation.authn import LOWEST, SignIn
from node.config import LANGUAGES
from node.core.audit import Act
from node.core.ground import Ground
from node.identity.services.answers import auth_time_of, domain_of, methods_of
from node.identity.services.identity import Browser, identity_of
from node.identity.services.visits import Visitor
from node.visitors.services.arriving import Arrived

MAX_ID_CHARS = 255
MAX_ACR_CHARS = 100


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
        secret = identity.visits.begin(db, visitor, browser.user_agent, now)
        ground.audit.append(db, Act("visit.began", visitor.actor, detail={"node": visitor.node}))
    return secret


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
