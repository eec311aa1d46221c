"""What we keep of the sign-in services of partners, and of visits with them. Rule: private to this capability.

Source: PROTOCOL 2.e.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import Base
from node.core.secrets import sealed_for


class PartnerKeys(Base):
    """The keys that sign the tokens of a partner: the members of its JWK set, as JSON, read at `read_at`."""

    __tablename__ = "partner_keys"

    node: Mapped[str] = mapped_column(String(255), primary_key=True)
    keys: Mapped[str] = mapped_column(Text)
    read_at: Mapped[datetime]


class VisitThread(Base):
    """By what we ask a visitor's home whether the visit still holds: the refresh token of the sign-in, sealed.

    `asked_at` is when the home said so last.
    """

    __tablename__ = "visit_thread"

    visit_id: Mapped[int] = mapped_column(ForeignKey("visit.id", ondelete="CASCADE"), primary_key=True)
    node: Mapped[str] = mapped_column(String(255))
    refresh: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_for("visit {visit_id}"))
    asked_at: Mapped[datetime]
