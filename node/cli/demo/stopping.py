"""Being asked to stop, once, as an exception: so that whatever was started is ended on the way out."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody asked us to end."""


def heed() -> None:
    """From now on the first of `SIGNALS` raises `Stopped` in the main thread; later ones cannot disturb the ending."""
    for each in SIGNALS:
        signal.signal(each, _stop)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped
