"""Words for people: dates, sizes and lists in both languages, and a catalogue without holes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask
from flask_babel import Babel
from markupsafe import Markup

from node.core.http import rendering, shown

NODE = Path(rendering.__file__).resolve().parents[2]
PO = NODE / "translations" / "fr" / "LC_MESSAGES" / "messages.po"
NOW = datetime(2026, 11, 23, 10, 50, tzinfo=UTC)
HOUSE = shown.Org("Aubier", ours=True)
NORD = shown.Org("Nord Acier", hue=1)


@contextmanager
def reader(language: str) -> Iterator[None]:
    app = Flask("reader")
    Babel(app, locale_selector=lambda: language, default_timezone="Europe/Paris")
    with app.test_request_context():
        yield


@pytest.mark.parametrize(
    ("language", "age", "said"),
    [
        ("fr", timedelta(minutes=8), "11:42"),
        ("en", timedelta(minutes=8), "11:42"),
        ("fr", timedelta(days=3), "vendredi 11:50"),
        ("en", timedelta(days=3), "Friday 11:50"),
        ("fr", timedelta(days=20), "3 novembre, 11:50"),
        ("fr", timedelta(days=22), "1er novembre, 11:50"),
        ("en", timedelta(days=400), "19 October 2025, 12:50"),
    ],
)
def test_a_moment_is_said_as_one_would_say_it(language: str, age: timedelta, said: str) -> None:
    with reader(language):
        assert rendering.moment(NOW - age, NOW) == said


def test_after_since_french_puts_an_article_before_a_day() -> None:
    with reader("fr"):
        assert rendering.since(NOW - timedelta(days=20), NOW) == "le 3 novembre, 11:50"
        assert rendering.since(NOW - timedelta(days=3), NOW) == "vendredi 11:50"
        assert rendering.since(NOW, NOW) == "11:50"


def test_a_moment_near_midnight_belongs_to_the_readers_day() -> None:
    with reader("fr"):
        assert rendering.moment(datetime(2026, 11, 22, 23, 30, tzinfo=UTC), NOW) == "00:30"


def test_days_and_full_moments() -> None:
    with reader("fr"):
        assert rendering.day(date(2027, 3, 12)) == "12 mars 2027"
        assert rendering.day(date(2027, 3, 1)) == "1er mars 2027"
        assert rendering.full(NOW) == "23 novembre 2026, 11:50"
        assert rendering.ago(NOW - timedelta(minutes=2), NOW) == "il y a 2\u00a0minutes".replace(
            "\u00a0", " "
        )
    with reader("en"):
        assert rendering.day(date(2027, 3, 1)) == "1 March 2027"
        assert rendering.iso(NOW) == "2026-11-23T10:50:00Z"
        assert rendering.ago(NOW + timedelta(minutes=2), NOW) == "just now"


@pytest.mark.parametrize(
    ("count", "french", "english"),
    [
        (0, "0\u00a0o", "0\u00a0B"),
        (999, "999\u00a0o", "999\u00a0B"),
        (1840, "1,8\u00a0ko", "1.8\u00a0kB"),
        (240_132, "240\u00a0ko", "240\u00a0kB"),
        (200_000_000, "200\u00a0Mo", "200\u00a0MB"),
        (3_000_000_000_000, "3\u202f000\u00a0Go", "3,000\u00a0GB"),
    ],
)
def test_sizes(count: int, french: str, english: str) -> None:
    with reader("fr"):
        assert rendering.size(count) == french
    with reader("en"):
        assert rendering.size(count) == english


def test_a_list_escapes_what_is_not_markup() -> None:
    with reader("fr"):
        assert rendering.listing(["<a>", Markup("<b>B</b>"), "c"]) == "&lt;a&gt;, <b>B</b> et c"


def test_letters_and_initials() -> None:
    assert [shown.letters_of(name) for name in ("Aubier", "Nord Acier", "Leroux & Hart", "X")] == [
        "Au",
        "NA",
        "LH",
        "X",
    ]
    assert [shown.initials_of(name) for name in ("Marie Lenoir", "Jean de La Tour", "Cher")] == [
        "ML",
        "JT",
        "CH",
    ]


def test_an_audience_counts_and_never_shows_more_than_sixty_stones() -> None:
    audience = shown.Audience("t", [shown.Share(HOUSE, 100), shown.Share(NORD, 25, 5)])
    assert (audience.total, audience.external, audience.by_mail, audience.per_stone) == (125, 25, 5, 3)
    assert shown.Audience("t", []).per_stone == 1


def messages() -> Iterator[Message]:
    with PO.open("rb") as file:
        yield from (message for message in read_po(file, locale="fr") if message.id)


def strings(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def test_every_text_has_its_french() -> None:
    known = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in messages()
        if all(strings(message))
    }
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    found = extract_from_dir(
        str(NODE),
        methods,
        {"**/templates/**.html": {"trimmed": "true", "silent": "false"}},
        {"_": None, "gettext": None, "lazy_gettext": None, "_later": None, "ngettext": (1, 2)},
        directory_filter=lambda folder: not Path(folder).name.startswith("."),
    )
    texts = {text if isinstance(text, str) else text[0] for _file, _line, text, _comments, _context in found}
    assert not {text for text in texts if text} - known


def test_french_has_its_no_break_spaces_and_keeps_every_name() -> None:
    for message in messages():
        wanted = set(re.findall(r"%\((\w+)\)s", message.id if isinstance(message.id, str) else message.id[1]))
        for text in strings(message):
            bare = re.sub(r"https?://|%\(\w+\)s", "x", text)
            assert not re.search(
                r"[^\u00a0\d]([;!?»]|:(?!\d))|« ?(?!\u00a0)", bare.replace("[Partagé]", "")
            ), text
            assert not re.search(r"(?<!\u00a0)%(?!\()", bare), text
        assert wanted == set(re.findall(r"%\((\w+)\)s", strings(message)[-1])), message.id


def test_the_compiled_catalogue_says_what_is_read() -> None:
    with PO.with_suffix(".mo").open("rb") as file:
        compiled = GNUTranslations(file)
    for message in messages():
        if isinstance(message.id, str):
            assert compiled.gettext(message.id) == message.string
        else:
            assert [compiled.ngettext(message.id[0], message.id[1], n) for n in (1, 2)] == strings(message)
