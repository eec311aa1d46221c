"""Periods of an agreement (ISO 8601 durations, such as `P30D`) on the calendar.

Rule: years and months keep the day, or take the last one of a shorter month. Source: ISO 8601-1, 5.5.2.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import MAXYEAR, UTC, datetime, timedelta

from federation.errors import Malformed

MAX_CHARS = 40
_PERIOD = re.compile(
    r"P(?=\d|T\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)


def after(moment: datetime, period: str) -> datetime:
    """The time that lies `period` after `moment`; beyond the calendar, its last day.

    Raises Malformed when `period` is none.
    """
    found = _PERIOD.fullmatch(period) if len(period) <= MAX_CHARS else None
    if found is None:
        raise Malformed(f"No period: {period[:MAX_CHARS]!r}.")
    years, months, weeks, days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    month = moment.month - 1 + months
    year, month = moment.year + years + month // 12, month % 12 + 1
    try:
        day = min(moment.day, monthrange(year, month)[1]) if year <= MAXYEAR else 1
        return moment.replace(year=year, month=month, day=day) + timedelta(
            weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds
        )
    except (OverflowError, ValueError):
        return datetime(MAXYEAR, 12, 31, tzinfo=UTC)
