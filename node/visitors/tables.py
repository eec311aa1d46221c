"""What we keep of people of partners while they are here, and of the sign-in services of partners.

Rule: private to this capability; tokens stand here sealed, keys are public. Source: PROTOCOL 2.e; SECURITY I23.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import Base
from node.core.secrets import sealed_for


class VisitTokens(Base):
    """With what a visitor speaks through his or her home: the tokens of one visit."""

    __tablename__ = "visit_tokens"

    visit_id: Mapped[int] = mapped_column(ForeignKey("visit.id", ondelete="CASCADE"), primary_key=True)
    access: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_for("access token {visit_id}"))
    access_expires_at: Mapped[datetime]
    refresh: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_for("refresh token {visit_id}"))


class PartnerKeys(Base):
    """The keys that sign the tokens of a partner: the members of its JWK set, as JSON, read at `read_at`."""

    __tablename__ = "partner_keys"

    node: Mapped[str] = mapped_column(String(255), primary_key=True)
    keys: Mapped[str] = mapped_column(Text)
    read_at: Mapped[datetime]
