"""Named instants at which a test may end the process as a crash would: no handler, no flush, exit status 9.

`PARVIS_FAILPOINT=lane.sent` ends it at the first `hit("lane.sent")`, `lane.sent:3` at the third.
Without that variable a hit costs one comparison. Source: RELIABILITY, R2.
"""

from __future__ import annotations

import os

STATUS = 9

_name, _, _count = os.environ.get("PARVIS_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def hit(name: str) -> None:
    """Ends the process here, if the environment asks for it."""
    if name != _name:
        return
    global _left
    _left -= 1
    if _left <= 0:
        os._exit(STATUS)
