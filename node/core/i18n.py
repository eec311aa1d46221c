"""Which language and zone the reader has. The catalogue lies in `node/translations`, English is the source.

Rule: a person's own choice, else the cookie that a visitor's choice set, else what his browser asks for, else the
node's. Source: https://python-babel.github.io/flask-babel/.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask, has_request_context, request
from flask_babel import Babel

from node.config import LANGUAGES, Settings
from node.core.http.guards import viewer_or_none

LANGUAGE_COOKIE = "language"
CATALOGUES = Path(__file__).resolve().parents[1] / "translations"


def install(app: Flask, settings: Settings) -> None:
    """Sets up Flask-Babel on `app`."""

    def language() -> str:
        if not has_request_context():
            return settings.language  # a command or a job: nobody looks
        who = viewer_or_none()
        if who is not None and who.language in LANGUAGES:
            return who.language
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        if chosen in LANGUAGES:
            return chosen
        return request.accept_languages.best_match(LANGUAGES, settings.language) or settings.language

    Babel(
        app,
        default_locale=settings.language,
        default_timezone=settings.timezone,
        default_translation_directories=str(CATALOGUES),
        locale_selector=language,
    )
