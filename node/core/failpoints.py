"""Named instants at which a test may end the process as a crash would: no handler, no flush, exit status 9.

`PARVIS_FAILPOINT=lane.sent` ends it at the first `hit("lane.sent")`, `lane.sent:3` at the third.
Without that variable a hit costs one comparison. Source: RELIABILITY, R2.
"""

from __future__ import annotations

import os

STATUS = 9

_name, _left = "", 0


def arm(failpoint: str) -> None:
    """From now on the process ends at `name`, or at its `count`-th hit for `name:count`; "" is nowhere."""
    global _name, _left
    _name, _, count = failpoint.partition(":")
    _left = int(count or 1)


def hit(name: str) -> None:
    """Ends the process here, if it was asked to."""
    if name != _name:
        return
    global _left
    _left -= 1
    if _left <= 0:
        os._exit(STATUS)


arm(os.environ.get("PARVIS_FAILPOINT", ""))
