"""What we keep of the sign-in services of partners. Rule: private to this capability. Source: PROTOCOL 2.e."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import Base


class PartnerKeys(Base):
    """The keys that sign the tokens of a partner: the members of its JWK set, as JSON, read at `read_at`."""

    __tablename__ = "partner_keys"

    node: Mapped[str] = mapped_column(String(255), primary_key=True)
    keys: Mapped[str] = mapped_column(Text)
    read_at: Mapped[datetime]
