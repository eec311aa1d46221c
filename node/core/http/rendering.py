"""From values to pages: templates, languages, dates and sizes for people.

Rule: texts are English msgids, French comes from the catalogue; whatever depends on the reader (language, zone) is
asked of Flask-Babel at the time of rendering. No inline script or style leaves from here (SECURITY TH-34).
Source: PRODUCT D.0 (words, dates), ARCHITECTURE section 3.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_decimal
from flask import Flask, current_app, render_template, request, url_for
from flask_babel import get_locale, get_timezone, gettext
from jinja2 import FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from node.config import LANGUAGES
from node.core.http.shown import Frame

NODE = Path(__file__).resolve().parents[2]
REGIONS = {
    "en": "en_GB",
    "fr": "fr_FR",
}  # `12 March 2027` and 24-hour times: PRODUCT D.0 wants neither from en_US
HTMX_CONFIG = (
    '{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0}'
)
STEP = 1000  # SI, as disks and mails count
ROUND_FROM = 10
DAYS_NAMED = 6  # younger than a week: the weekday says it


def install(
    app: Flask,
    *,
    frame: Callable[[], Frame],
    csrf_token: Callable[[], str],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Set up Jinja for `app`: loaders, filters, globals, tests.

    `frame()` gives what surrounds the page for the current request, `csrf_token()` the token of its forms.
    Babel must have been initialised on `app` (it brings `_`, `trans` and the catalogue).
    """
    app.jinja_loader = FileSystemLoader([NODE / "templates", *sorted(NODE.glob("*/templates"))])
    jinja = app.jinja_env
    jinja.undefined = StrictUndefined
    jinja.trim_blocks = jinja.lstrip_blocks = True
    jinja.policies["ext.i18n.trimmed"] = True
    jinja.filters |= {
        "day": day,
        "short_day": short_day,
        "moment": lambda when: moment(when, now()),
        "since": lambda when: since(when, now()),
        "full": full,
        "clock": clock,
        "ago": lambda when: ago(when, now()),
        "iso": iso,
        "size": size,
        "number": number,
        "listing": listing,
        "fingerprint": fingerprint,
    }
    jinja.globals |= {
        "asset": asset,
        "csrf_token": csrf_token,
        "htmx_config": HTMX_CONFIG,
        "language": language,
    }
    app.context_processor(lambda: {"frame": frame()})


def page(template: str, *, fragment: str = "", **context: object) -> str:
    """The whole page, or `fragment` alone when htmx asked and named no history to restore."""
    wants_part = request.headers.get("HX-Request") == "true" and not request.headers.get(
        "HX-History-Restore-Request"
    )
    return render_template(fragment if fragment and wants_part else template, **context)


def language() -> str:
    """The reader's language, one of `LANGUAGES`."""
    locale = get_locale()
    return locale.language if locale is not None and locale.language in LANGUAGES else "en"


def _region() -> str:
    return REGIONS[language()]


def _local(when: datetime) -> datetime:
    return when.astimezone(get_timezone())


def day(when: date) -> str:
    """`12 mars 2027`, `12 March 2027`."""
    return _day(when, "d MMMM y")


def short_day(when: date) -> str:
    """`12 mars`, `12 March`."""
    return _day(when, "d MMMM")


def _day(when: date, pattern: str) -> str:
    plain = _local(when) if isinstance(when, datetime) else when
    said = format_date(plain, pattern, locale=_region())
    return (
        said.replace("1 ", "1er ", 1) if plain.day == 1 and language() == "fr" else said
    )  # CLDR writes `1 mars`


def clock(when: datetime) -> str:
    """`16:30`, in the reader's zone."""
    return format_time(_local(when), "HH:mm", locale=_region())


def full(when: datetime) -> str:
    """`20 novembre 2026, 16:30`."""
    return f"{day(when)}, {clock(when)}"


def moment(when: datetime, now: datetime) -> str:
    """A moment as one would say it: `16:30` today, `vendredi 16:30` this week, else the day."""
    local, today = _local(when), _local(now)
    age = (today.date() - local.date()).days
    if age == 0:
        return clock(when)
    if 0 < age <= DAYS_NAMED:
        return f"{format_date(local, 'EEEE', locale=_region())} {clock(when)}"
    return f"{short_day(when) if local.year == today.year else day(when)}, {clock(when)}"


def since(when: datetime, now: datetime) -> str:
    """The same after `since`: French puts an article before a day (`depuis le 3 novembre, 11:50`)."""
    said = moment(when, now)
    return f"le {said}" if language() == "fr" and said[0].isdigit() and "," in said else said


def ago(when: datetime, now: datetime) -> str:
    """`il y a 2 minutes`, `2 minutes ago`."""
    passed = max(now - when, timedelta())
    if passed < timedelta(minutes=1):
        return str(gettext("just now"))
    return format_timedelta(-passed, granularity="minute", add_direction=True, locale=_region())


def iso(when: date) -> str:
    """For `<time datetime>`: UTC with seconds, or the plain day."""
    if isinstance(when, datetime):
        return format_datetime(when.astimezone(UTC), "yyyy-MM-dd'T'HH:mm:ss'Z'", locale="en")
    return when.isoformat()


def size(count: int) -> str:
    """`240 ko`, `240 kB`: bytes in steps of a thousand."""
    letter = "o" if language() == "fr" else "B"
    value, unit = float(count), ""
    for larger in ("k", "M", "G"):
        if value < STEP:
            break
        value, unit = value / STEP, larger
    shown = round(value) if value >= ROUND_FROM or not unit else round(value, 1)
    return f"{number(shown)}\u00a0{unit}{letter}"


def number(value: float) -> str:
    """Digits grouped as the reader does it."""
    return format_decimal(value, locale=_region())


def listing(parts: Iterable[str | Markup]) -> Markup:
    """`a, b et c`, `a, b and c`; parts that are not Markup are escaped."""
    return Markup(format_list([escape(part) for part in parts], locale=_region()))  # noqa: S704 - each part escaped


def fingerprint(digits: str) -> str:
    """Thirty digits in six groups of five."""
    return " ".join(re.findall(r"\d{5}", digits))


def asset(name: str) -> str:
    """Address of a static file with a mark of its content, so that it may be cached for ever."""
    return url_for("static", filename=name, v=_mark(_static(name)))


def marks_content(mark: str, name: str) -> bool:
    """Whether `mark` is that of what the static file holds here and now, not of an older or newer release."""
    return bool(mark) and mark == _mark(_static(name))


def _static(name: str) -> str:
    return str(Path(current_app.static_folder or "", name))


@cache
def _mark(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:10]
