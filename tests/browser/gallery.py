"""Every template with an invented context, in a bare Flask app: to look at them, and for the tests of the look.

    .venv/bin/python tests/browser/gallery.py FOLDER    writes a picture of each, 1280 and 360 px, light and dark

The people, firms and figures are invented. Addresses come from the table of node/templates/CONTEXTS.md.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, abort, request
from flask_babel import Babel
from markupsafe import Markup
from werkzeug.serving import make_server

from node.core.http import headers, rendering, shown
from node.exchange import remote
from node.exchange.histories import Checkpoint, Dispute, Version
from node.identity.keyring import State
from node.identity.services import keys
from node.relations import phrases
from node.relations.services import terms

NODE = Path(rendering.__file__).resolve().parents[2]
NOW = datetime(2026, 11, 23, 10, 50, tzinfo=UTC)
SHA = "3b7a1f0c9d2e4a5568f1c0de77aa42b19c3d5e6f708192a3b4c5d6e7f8091a2b"

AUBIER = shown.Org("Aubier", ours=True, domain="aubier.example")
NORD = shown.Org("Nord Acier", hue=1, domain="nordacier.example", key="nord")
LEROUX = shown.Org("Leroux & Hart", hue=2, domain="lerouxhart.example", key="leroux")
GALVA = shown.Org("Galva Sambre", state="unverified", domain="galva-sambre.example", key="galva")
MEUNIER = shown.Org("Ponts Meunier", hue=4, state="suspended", domain="meunier.example", key="meunier")

CAMILLE = shown.Person("Camille Roussel", AUBIER, "chargée d’affaires", "camille", "camille@aubier.example")
HUGO = shown.Person("Hugo Bessière", AUBIER, "qualité", "hugo")
PAUL = shown.Person("Paul Delmotte", AUBIER, "achats", "paul")
MARIE = shown.Person("Marie Lenoir", NORD, "ingénieure soudage", "marie")
ANAIS = shown.Person("Anaïs Verhaeghe", NORD, "assurance qualité", "anais", by_mail=True)
OWEN = shown.Person("Owen Hart", LEROUX, "structural engineer", "owen")

SHARES = (shown.Share(AUBIER, 14), shown.Share(NORD, 11, 2), shown.Share(LEROUX, 7))
BEHIND = (shown.Share(AUBIER, 3), shown.Share(NORD, 2), shown.Share(GALVA, 2))
OURS = (shown.Share(AUBIER, 14),)
RECALL = shown.Recall(
    "r1",
    CAMILLE,
    NOW - timedelta(days=12),
    "Passerelle de l’Ill",
    "erase",
    "envoyé aux mauvaises personnes",
    NOW - timedelta(days=8),
    NOW - timedelta(days=8, hours=-1),
    "zQmdMvESrcH3SqWRgc9zwYzY1jTaTgxRomo4LkxuFpBnQVi",
    [
        shown.RecallAnswer(
            AUBIER,
            "erased",
            NOW - timedelta(days=8, minutes=-1),
            residual_until=NOW + timedelta(days=27),
        ),
        shown.RecallAnswer(
            LEROUX,
            "retained",
            NOW - timedelta(days=8, minutes=-2),
            "legal-hold",
            "LH-2026-04",
            NOW + timedelta(days=60),
            NOW + timedelta(days=27),
        ),
        shown.RecallAnswer(NORD, "waiting", overdue=True, reminded=1),
        shown.RecallAnswer(GALVA, "refused", NOW - timedelta(days=8), "out-of-scope"),
    ],
)
HOLD = shown.Hold(
    "h1",
    "post",
    "Passerelle de l’Ill",
    "/spaces/s1",
    NOW - timedelta(days=30),
    "Article 145 du code de procédure civile",
    "LH-2026-04",
    date(2027, 1, 31),
    "Camille Roussel",
    NOW - timedelta(days=9),
    kept=3,
)
GAP = shown.Gap(NORD, 3, NOW - timedelta(minutes=8))
GAP_IN = shown.Gap(NORD, 1, NOW - timedelta(hours=2), "in")


HASH = "zQmRSRsT6fzciTrBLS76wz61bPdLhtmp2shKdYUGF8FMFbU"
DIGEST = "sha-256=:0N1zoymuhg3MfPOdjw2fTEtH6N3a3APhPKQm0E2ZAy0=:"


def ago(**by: float) -> datetime:
    """A moment before the gallery's now."""
    return NOW - timedelta(**by)


def _key(state: State, letter: str, *notices: keys.Notice, **times: datetime | None) -> keys.Key:
    """A key of the node, its fingerprint made of one letter."""
    when = {"began_at": None, "ends": None, "compromised": None, **times}
    return keys.Key("", state, "", letter * 43, ago(days=300), notices=notices, **when)


def _notice(name: str, state: keys.Told, problem: str = "") -> keys.Notice:
    confirmed = ago(minutes=50) if state == "confirmed" else None
    return keys.Notice("1", "", name, "next", state, ago(hours=1), confirmed, problem)


KEYS = [
    _key(State.CURRENT, "a", began_at=ago(days=300)),
    _key(
        State.NEXT,
        "b",
        _notice("Nord Acier", "confirmed"),
        _notice("Leroux & Hart", "waiting", "503 Service unavailable"),
    ),
    _key(State.FORMER, "c", began_at=ago(days=600), ends=NOW + timedelta(days=9)),
    _key(State.RETIRED, "d", began_at=ago(days=700), ends=ago(days=90)),
    _key(State.REVOKED, "e", began_at=ago(days=800), ends=ago(days=700), compromised=ago(days=701)),
]
KEY_PARTNERS = [
    keys.Partner("1", "", "Nord Acier", "", "f" * 43, None, 0, recompare=False),
    keys.Partner(
        "2",
        "https://lerouxhart.example/actor",
        "Leroux & Hart",
        "",
        "g" * 43,
        ago(hours=3),
        12,
        recompare=False,
    ),
    keys.Partner("3", "", "Galva Sambre", "", "h" * 43, None, 0, recompare=True),
]

AUDIENCE = shown.Audience(
    "tok-1",
    SHARES,
    readers=[
        shown.Reader(CAMILLE, you=True),
        shown.Reader(HUGO),
        shown.Reader(PAUL),
        shown.Reader(MARIE),
        shown.Reader(ANAIS, added=ago(days=1)),
        shown.Reader(OWEN),
    ],
    terms=["Conservé 3 ans chez Nord Acier, 6 ans chez Leroux & Hart."],
)
CHANGED = replace(
    AUDIENCE,
    shares=(shown.Share(AUBIER, 14), shown.Share(NORD, 12, 2), shown.Share(LEROUX, 6)),
    came=[shown.Person("Léo Dewaele", NORD), ANAIS],
    went=[OWEN],
    before=31,
)
INTERNAL = shown.Audience("tok-2", OURS, readers=[shown.Reader(CAMILLE, you=True), shown.Reader(HUGO)])

SPACE = shown.Space(
    "lot4",
    "Passerelle de l’Ill",
    SHARES,
    "Tout ce qui touche à la passerelle\u00a0: questions d’atelier, calculs, contrôles, décisions.",
    last=ago(minutes=3),
    managers=[PAUL, CAMILLE],
    history_from=date(2026, 3, 12),
    retention=["5 ans chez nous", "3 ans chez Nord Acier", "6 ans chez Leroux & Hart"],
    gaps=[GAP],
    may_write=True,
    may_manage=True,
    may_share=True,
    may_leave=True,
)
BUREAU = shown.Space(
    "be", "Bureau d’études", OURS, "Entre nous\u00a0: méthodes, outils, retours.", may_write=True
)
LINES = [
    shown.SpaceLine("lot4", SPACE.name, SHARES, SPACE.purpose, ago(minutes=3), "manager", waiting=GAP),
    shown.SpaceLine("veze", "Vézeronce footbridge", (OURS[0], SHARES[2]), "", ago(days=2), host=LEROUX),
    shown.SpaceLine("be", BUREAU.name, OURS, BUREAU.purpose, ago(days=40)),
]

QUESTION = shown.Post(
    "p1",
    OWEN,
    ago(days=1, hours=2),
    Markup(
        "<p>We hesitate between 80 and 110 °C for 30 mm of S355J2, with the workshop near 5 °C. The file only says "
        "<em>as usual</em>. What do you do, and how do you measure?</p><ul><li>Process 135</li><li>Carbon equivalent "
        "0.41</li></ul>"
    ),
    lang="en",
    edited=ago(days=1),
    likes=2,
    may_reply=True,
    may_like=True,
    may_hide=True,
)
FILE = shown.Attachment(
    "Fiche procédé QMOS 135-30, révision B.pdf", "application/pdf", 240_132, SHA, NORD, "/f/1"
)
ENTRIES: list[shown.Post | shown.Gap] = [
    shown.Post(
        "p2",
        MARIE,
        ago(hours=3),
        Markup(
            "<p>80 °C suffisent avec un carbone équivalent de 0,41. On mesure au crayon thermique à 75 mm du joint, des"
            " deux côtés.</p>"
        ),
        quote=shown.Quote("p1", OWEN, "What do you do, and how do you measure?"),
        attachments=[
            FILE,
            shown.Attachment("relevé.png", "image/png", 1_840_000, SHA, NORD, state="coming"),
        ],
        likes=4,
        liked=True,
        may_reply=True,
        may_like=True,
        may_hide=True,
    ),
    shown.Post("p3", HUGO, ago(hours=2), state="deleted"),
    shown.Post(
        "p3b",
        CAMILLE,
        ago(hours=2),
        state="deleted",
        mine=True,
        recalled="Rappelé : envoyé aux mauvaises personnes.",
    ),
    shown.Post("p4", OWEN, ago(hours=1), state="hidden", reason="Prix : à traiter entre acheteurs."),
    GAP,
    shown.Post(
        "p5",
        CAMILLE,
        ago(minutes=6),
        Markup(
            '<p>J’ajoute le relevé à la fiche de contrôle. <a class="mention" href="/x">@Marie Lenoir · Nord Acier</a>,'
            " pouvez-vous me dire où l’atelier le note ?</p><pre><code>T = 80 + k * (CE - 0.41)</code></pre>"
        ),
        deliveries=[
            shown.Delivery(LEROUX, "delivered", ago(minutes=5)),
            shown.Delivery(NORD, "late", ago(minutes=8)),
            shown.Delivery(shown.Org("Atelier Gallois", hue=5), "delivered", ago(minutes=5), via=LEROUX),
            shown.Delivery(shown.Org("Visserie Bleue", hue=7), "refused", reason="espace hors charte"),
        ],
        mine=True,
        may_reply=True,
        may_edit=True,
        may_delete=True,
    ),
    shown.Post("p6", CAMILLE, ago(minutes=1), Markup("<p>Et pour le vent ?</p>"), "pending", mine=True),
    shown.Post(
        "p7",
        CAMILLE,
        ago(minutes=1),
        Markup("<p>Voici le plan complet.</p>"),
        "refused",
        reason="L’hôte a refusé : vous n’êtes plus membre de cet espace.",
        mine=True,
        may_delete=True,
    ),
]
TITLE = "Quelle température de préchauffage pour les goussets de 30 mm ?"
THREAD = shown.Thread("t1", TITLE, SPACE, QUESTION, ENTRIES, "c1", older="c0")
QUIET = shown.Thread(
    "t2", "Retour d’expérience : humidité du mélèze", BUREAU, replace(QUESTION, author=HUGO, lang="")
)
THREADS = [
    shown.ThreadLine(
        "t1", TITLE, OWEN, ago(hours=4), LINES[0], "We hesitate between 80 and 110 °C.", "en", 3, ago(hours=1)
    ),
    shown.ThreadLine(
        "t2",
        "Humidité du mélèze à la livraison",
        HUGO,
        ago(days=3),
        LINES[2],
        "Sur les neuf derniers lots, deux dépassaient 18 %. Je propose de mesurer au déchargement.",
        replies=0,
    ),
    shown.ThreadLine(
        "t3", "Trois goussets repris, contrôle lundi", MARIE, ago(days=20), LINES[0], "", "", 1, ago(days=19)
    ),
    shown.ThreadLine(
        "t4", "Brouillon de planning", CAMILLE, ago(minutes=1), LINES[0], "À relire.", state="pending"
    ),
    shown.ThreadLine(
        "t5", "Ancien sujet", PAUL, ago(days=400), LINES[2], state="deleted", replies=1, last=ago(days=399)
    ),
]

CHARTER = shown.Charter(
    3,
    "la construction de la passerelle de l’Ill",
    "AU-2026-118",
    ["Passerelle de l’Ill", "Vézeronce footbridge"],
    keep_ours="5 ans",
    keep_theirs="3 ans",
    max_file=200_000_000,
    ends=date(2027, 11, 1),
    notice="30 jours",
    digest="zQmPeKaWLs2Epq6iQVYzUes1tJJYBUmiWuuMAii5s6zQkDt",
    proposed_by=NORD,
    proposed_at=ago(hours=1),
    agreed_at=ago(days=200),
)
LIFE = [
    shown.Step("présentés", ago(days=420)),
    shown.Step("vérifiés", ago(days=419)),
    shown.Step("en vigueur", ago(days=418)),
    shown.Step("version 3 en vigueur", ago(days=200)),
]
DIFFERENCES = [
    shown.Difference("Nous gardons les messages", "5 ans", "2 ans", "narrows"),
    shown.Difference("Nord Acier garde les messages", "3 ans", "5 ans", "widens"),
    shown.Difference(
        "Sociétés tierces", "jamais", "peuvent être dans un espace partagé, vues de tous", "widens"
    ),
    shown.Difference("evidence.receiptSeconds", "300", "600", "changes"),
]
VERSIONS = [
    CHARTER,
    replace(
        CHARTER, version=2, agreed_at=ago(days=300), until=ago(days=200), approvers=["Directrice des achats"]
    ),
]
MAY: dict[str, Any] = {"may_propose": True, "may_suspend": True, "may_end": True}
DIGITS = ("48120", "77316", "90254", "11871", "00345", "62907")
WHOSE = ("theirs", "ours", "both", "both", "ours", "theirs")
COVERED = [
    shown.Group(n, "" if whose == "theirs" else digits, whose)  # type: ignore[arg-type]
    for n, (digits, whose) in enumerate(zip(DIGITS, WHOSE, strict=True), 1)
]
OPEN = [shown.Group(n, digits, "both") for n, digits in enumerate(DIGITS, 1)]
WORDS = ("harbour", "linen", "copper", "orchard", "winter", "ladder", "velvet", "quarry")
HEALTHY = shown.Health(last_out=ago(minutes=2), last_in=ago(minutes=4), refused=1, skew=0.3)
ILL = shown.Health(3, ago(minutes=8), ago(minutes=9), ago(hours=2), 0, 0.3, 1)
BY_US = shown.Confirmation("Camille Roussel", ago(days=3), "phone")
BY_THEM = shown.Confirmation("Yann Duthoit", ago(days=3, minutes=-4), "phone")
NODE_OF = {"node": "https://parvis.nordacier.example"}
KEEP = [("P1Y", "1 an"), ("P3Y", "3 ans"), ("P5Y", "5 ans")]


def _relation(state: shown.RelationState, org: shown.Org = NORD, **more: Any) -> dict[str, Any]:
    relation = shown.Relation(
        key=org.key,
        org=org,
        state=state,
        node=f"https://{org.domain}",
        **{"health": HEALTHY, **more},
    )
    return {
        "relation": relation,
        "spaces": LINES[:1] if state == "in-force" else [],
        "revising": False,
        "keep_choices": KEEP,
        "labels": phrases.FURTHER,
        "values": {
            "purpose": "la construction de la passerelle de l’Ill",
            "keep_ours": "P5Y",
            **terms.first(),
        },
        "errors": {},
    }


def _without(context: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in context.items() if name not in names}


ACCOUNT = shown.Account(
    "camille",
    CAMILLE,
    "camille.roussel",
    "admin",
    "open",
    added=ago(days=400),
    signed_in=ago(hours=3),
    you=True,
    may_link=True,
)
INVITED = shown.Account(
    "ines",
    shown.Person("Inès Le Goff", AUBIER),
    "ines.le.goff",
    "member",
    "invited",
    added=ago(minutes=1),
    may_link=True,
)
CLOSED = shown.Account(
    "paul",
    PAUL,
    "paul.delmotte",
    "member",
    "closed",
    "Je travaille chez Aubier",
    ago(days=900),
    ago(days=30),
    ago(days=29),
)
WELCOME_LINK = "https://parvis.aubier.example/welcome/8fQ2xkR0m3TzYw9bN4vLcA7sJd1eHgUu5pQwErTyUiO"
WAYS = [
    ("", "Avec un mot de passe de ce nœud", "Vous recevez un lien à remettre ; il sert une fois"),
    ("aubier", "Je travaille chez Aubier", "https://login.aubier.example"),
]

FORM: dict[str, Any] = {"values": {}, "errors": {}}
WRONG = {
    "name": "Ce nom est déjà pris.",
    "text": "Écrivez quelque chose.",
    "": "La liste des lecteurs a changé.",
}
LISTED: dict[str, Any] = {"live": "", "next": shown.Next(older="?before=x")}

#: Name of the picture -> (template, context).
COPY_PROOFS = [
    shown.CopyProof(NORD, ago(hours=9)),
    shown.CopyProof(LEROUX, ago(days=3), differs=ago(hours=9)),
]
COPY = shown.Copy("a", "Passerelle de l’Ill", NORD, False, "equal", ago(hours=9), 1284, 3, "", COPY_PROOFS)
TORN = replace(
    COPY,
    state="differs",
    forks=[
        shown.CopyFork(
            1_204,
            ("zQmaT6cRgCsVcU6NxtMJ4CpJZ5cQE1tRFua3yzWdTXmdVhZ", ago(hours=9)),
            ("zQmS8ijyuWRNxRDggUgCyXvBoSAva9D6y4A6FDz1BH4YWmb", ago(hours=1)),
        )
    ],
    differences=[
        shown.CopyDifference(
            "https://nordacier.example/o/R83B8FQ8nP6s_C3mGw3Hfw",
            "surplus",
            shown.CopySide("live", 812, "zQmS8ijyuWRNxRDggUgCyXvBoSAva9D6y4A6FDz1BH4YWmb"),
            None,
            ago(hours=9),
        ),
        shown.CopyDifference(
            "https://aubier.example/o/wnN_nOX2TsCQ4fU6rDBvzw",
            "dropped",
            shown.CopySide("live", 0, ""),
            None,
            ago(hours=1),
        ),
        shown.CopyDifference(
            "https://nordacier.example/o/DRs13-25EgyhGrsDlwwujQ",
            "missing",
            None,
            shown.CopySide("tombstone", 97, "zQmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"),
            ago(hours=9),
        ),
    ],
)

PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "copies": (
        "replicas/list.html",
        {
            "copies": [
                COPY,
                TORN,
                replace(COPY, name="Appels d’offres", host=LEROUX, state="older", proofs=[]),
                replace(COPY, name="Garde-corps", state="failed", reason="404", proofs=COPY_PROOFS[:1]),
                replace(COPY, name="Chantier", host=AUBIER, hosted=True, state=""),
            ]
        },
    ),
    "copies-none": ("replicas/list.html", {"copies": []}),
    "copy": ("replicas/copy.html", {"copy": COPY}),
    "copy-torn": ("replicas/copy.html", {"copy": TORN}),
    "copy-older": (
        "replicas/copy.html",
        {"copy": replace(COPY, state="older", proofs=[], at=ago(minutes=4))},
    ),
    "home": (
        "home.html",
        {
            "today": NOW.date(),
            "threads": THREADS,
            "filters": [("Tout", "?", True), ("Partenaires", "?f=p", False)],
            "gaps": [GAP],
            "offered": 2,
            **LISTED,
            "waiting": [
                shown.Waiting(
                    "Comparer l’empreinte de Galva Sambre",
                    "/x",
                    "elle a accepté votre invitation",
                    GALVA,
                    "Comparer",
                    ago(hours=-6),
                    now=True,
                ),
                shown.Waiting(TITLE, "/y", "Owen Hart vous a mentionnée", LEROUX, "Répondre"),
            ],
        },
    ),
    "home-empty": (
        "home.html",
        {
            "today": NOW.date(),
            "threads": [],
            "filters": [],
            "gaps": [],
            "offered": 0,
            "waiting": [],
            **LISTED,
        },
    ),
    "problem": (
        "problem.html",
        {
            "status": 404,
            "title": "Cette page ne vous est pas ouverte, ou n’existe pas",
            "sentence": "Nous disons la même chose dans les deux cas. Si vous l’attendiez, demandez à Paul Delmotte.",
            "ways": [("Aller à l’accueil", "/"), ("Voir les espaces", "/spaces")],
            "text": "Le texte que j’écrivais.",
        },
    ),
    "problem-outside": (
        "problem.html",
        {"status": 429, "title": "Trop de demandes", "sentence": "Attendez un instant."},
    ),
    "maintenance": ("maintenance.html", {}),
    "signin": (
        "identity/signin.html",
        {
            "providers": [
                shown.Provider("aubier", "Je travaille chez Aubier"),
                shown.Provider("group", "Groupe Charpente"),
            ],
            "accounts": True,
            "partners": True,
            "next": "/",
            "values": {},
            "errors": {"": "Ce nom et ce mot de passe ne vont pas ensemble."},
        },
    ),
    "consent": (
        "provider/consent.html",
        {
            "partner": {"name": "Nord Acier", "host": "nord-acier.localhost:8102"},
            "client_id": "http://nord-acier.localhost:8102/actor",
            "request_uri": "urn:ietf:params:oauth:request_uri:x",
            "spaces": ["Passerelle de l’Ill", "Lot 4 – Soudures"],
            "tells_mail": True,
            "person": {"name": "Claire Morel", "email": "claire@aubier.example"},
        },
    ),
    "visitor-door": (
        "visitors/start.html",
        {"values": {"address": "nord-acier.localhost:8102"}, "errors": {}, "next": "/"},
    ),
    "visitor-door-wrong": (
        "visitors/start.html",
        {
            "values": {"address": "claire@unheard-of.example"},
            "errors": {"": "Cette adresse ne nous mène à aucune organisation."},
            "next": "/",
        },
    ),
    "visit": ("identity/visit.html", {"visit": {"created_at": NOW}}),
    "signin-again": (
        "identity/again.html",
        {
            "asked": [
                shown.Demand("Kind of sign-in", "one of: phr, phrh", "by password", met=False),
                shown.Demand("Time of sign-in", "within the last 12 hours", "3 hours ago", met=True),
            ],
            "acr_values": "phr phrh",
            "max_age": 43200,
            "provider": shown.Provider("op", "Aubier’s own sign-in"),
            "with_password": False,
            "errors": {},
            "next": "/",
        },
    ),
    "signin-accounts": (
        "identity/signin.html",
        {"providers": [], "accounts": True, "partners": True, "next": "/", **FORM},
    ),
    "first-admin": (
        "identity/first_admin.html",
        {"token": "x", "values": {}, "errors": {"name": "Petites lettres seulement."}},
    ),
    "new-password": (
        "identity/new_password.html",
        {
            "token": "x",
            "errors": {},
            "person": SimpleNamespace(name="Camille Roussel", preferred_username="camille"),
        },
    ),
    "me": (
        "identity/me.html",
        {
            "sessions": [
                shown.Session("1", "Firefox, Linux", ago(days=2), NOW, current=True),
                shown.Session("2", "Safari, iPhone", ago(days=9), ago(hours=5)),
            ],
            "tokens": [
                shown.Token(
                    "1", "Export du lundi", ["Lire mes espaces"], ago(days=30), ago(days=7), ago(days=-60)
                )
            ],
            "scopes": [
                ("spaces:read", "Lire mes espaces", "spaces:read"),
                ("posts:write", "Écrire", "posts:write"),
            ],
            "new_token": "pvs_8fQ2xkR0m3TzYw9bN4vLcA7sJd1eHgUu",
            "errors": {},
        },
    ),
    "people": (
        "identity/people.html",
        {
            "people": [
                ACCOUNT,
                replace(ACCOUNT, key="hugo", person=HUGO, name="hugo.bessiere", role="member", you=False),
                INVITED,
                CLOSED,
            ],
            "only_admin": True,
            "filtered": False,
            "values": {},
            "next": shown.Next(older="?after=x"),
        },
    ),
    "people-empty": (
        "identity/people.html",
        {
            "people": [],
            "only_admin": False,
            "filtered": True,
            "values": {"q": "zoé", "only": "closed"},
            "next": shown.Next(),
        },
    ),
    "keys": (
        "identity/keys.html",
        {
            "keys": KEYS,
            "next": KEYS[1],
            "partners": KEY_PARTNERS,
            "flagged": [
                (
                    remote.Flagged(
                        "2", "https://lerouxhart.example/actor", "", ago(hours=5), ago(hours=1), 1042, 1057
                    ),
                    [
                        shown.FoundPost(OWEN, "Passerelle de l’Ill", ago(hours=4), "/threads/t1#post-p1"),
                        shown.FoundPost(OWEN, "Vézeronce footbridge", ago(hours=2)),
                    ],
                )
            ],
            "errors": {},
            "values": {},
        },
    ),
    "keys-first": (
        "identity/keys.html",
        {
            "keys": KEYS[:1],
            "next": None,
            "partners": [],
            "flagged": [],
            "errors": {"since": "Ce moment est encore à venir."},
            "values": {"since": "2026-11-24T10:00"},
        },
    ),
    "keys-rehearsal": ("identity/rehearsal.html", {"partners": KEY_PARTNERS, "overlap_days": 14}),
    "person": (
        "identity/person.html",
        {
            "account": replace(ACCOUNT, person=HUGO, name="hugo.bessiere", role="member", you=False),
            "link": "",
            "added": False,
            "errors": {},
        },
    ),
    "person-link": (
        "identity/person.html",
        {"account": INVITED, "link": WELCOME_LINK, "added": True, "errors": {}},
    ),
    "person-closed": (
        "identity/person.html",
        {"account": CLOSED, "link": "", "added": False, "errors": {}},
    ),
    "person-me": (
        "identity/person.html",
        {
            "account": ACCOUNT,
            "link": "",
            "added": False,
            "errors": {
                "": "Une organisation a besoin d’au moins un administrateur. Nommez-en d’abord un autre."
            },
        },
    ),
    "person-new": (
        "identity/person_new.html",
        {
            "ways": WAYS,
            "values": {"name": "Inès Le Goff", "way": "aubier"},
            "errors": {"subject": "Quelqu’un ici a déjà cet identifiant."},
        },
    ),
    "person-new-plain": ("identity/person_new.html", {"ways": WAYS[:1], **FORM}),
    "person-new-empty": ("identity/person_new.html", {"ways": [], **FORM}),
    "spaces": ("spaces/list.html", {"spaces": LINES, "may_create": True, "offered": 2}),
    "spaces-empty": ("spaces/list.html", {"spaces": [], "may_create": True, "offered": 0}),
    "space-ask": (
        "spaces/ask.html",
        {
            "asked": [
                shown.Asked("https://nordacier.example/spaces/4f1c", NORD, "open", ago(hours=3)),
                shown.Asked(
                    "https://leroux-hart.example/spaces/9b20", LEROUX, "declined", ago(days=4), ago(days=3)
                ),
            ],
            "values": {"address": "nordacier.example"},
            "errors": {"address": "Ceci n’est pas l’adresse d’un espace. Elle commence par https://."},
        },
    ),
    "space-new": ("spaces/new.html", {"values": {"name": "Lot 4"}, "errors": WRONG}),
    "space": (
        "spaces/space.html",
        {
            "copies": COPY_PROOFS,
            "space": SPACE,
            "threads": THREADS,
            "audience": AUDIENCE,
            "writing": False,
            **FORM,
            **LISTED,
        },
    ),
    "space-behind": (
        "spaces/space.html",
        {
            "copies": COPY_PROOFS,
            "space": replace(SPACE, shares=BEHIND, host=NORD, requests=0, may_share=False),
            "threads": THREADS[:1],
            "audience": replace(AUDIENCE, shares=BEHIND),
            "writing": True,
            **FORM,
            **LISTED,
        },
    ),
    "space-writing": (
        "spaces/space.html",
        {
            "copies": COPY_PROOFS,
            "space": SPACE,
            "threads": THREADS[:1],
            "audience": CHANGED,
            "writing": True,
            **LISTED,
            "values": {"title": "Contrôle de lundi", "text": "Qui vient ?", "lang": "fr"},
            "errors": WRONG,
        },
    ),
    "space-internal": (
        "spaces/space.html",
        {
            "copies": COPY_PROOFS,
            "space": BUREAU,
            "threads": [],
            "audience": INTERNAL,
            "writing": False,
            **FORM,
            "live": "",
            "next": shown.Next(),
        },
    ),
    "members": (
        "spaces/members.html",
        {
            "space": replace(SPACE, shares=(*SHARES, shown.Share(GALVA, 2)), requests=2),
            "errors": {"person": "Choisissez quelqu’un."},
            "requests": [
                shown.JoinRequest("q1", ANAIS, ago(hours=3), may_enter=True),
                shown.JoinRequest("q2", shown.Person("Saskia Timmers", GALVA), ago(days=2)),
            ],
            "addable": [PAUL],
            "may_withdraw": True,
            "forked": None,
            "address": "https://aubier.example/spaces/Jq3fQm0XvP8sLzT1bKcYdw",
            "groups": [
                shown.MemberGroup(
                    AUBIER,
                    [
                        shown.Member(CAMILLE, "manager", ago(days=200), you=True),
                        shown.Member(HUGO, "member", ago(days=100), may_remove=True, may_promote=True),
                    ],
                ),
                shown.MemberGroup(
                    NORD,
                    [
                        shown.Member(MARIE, "member", ago(days=90), may_remove=True),
                        shown.Member(ANAIS, "member", ago(days=1), may_remove=True),
                    ],
                    "https://nordacier.example/actor",
                    may_remove=True,
                    stopped=True,
                ),
            ],
        },
    ),
    "members-guest": (
        "spaces/members.html",
        {
            "space": replace(SPACE, host=NORD, may_manage=False, may_share=False, role="member"),
            "errors": {},
            "requests": [],
            "addable": [],
            "may_withdraw": True,
            "forked": ago(hours=2),
            "address": "https://nordacier.example/spaces/Jq3fQm0XvP8sLzT1bKcYdw",
            "groups": [
                shown.MemberGroup(AUBIER, [shown.Member(CAMILLE, "member", ago(days=20), you=True)]),
                shown.MemberGroup(NORD, [shown.Member(MARIE, "manager", ago(days=90))]),
                shown.MemberGroup(
                    GALVA, [shown.Member(shown.Person("Saskia Timmers", GALVA), "member", ago(days=2))]
                ),
            ],
        },
    ),
    "share": (
        "spaces/share.html",
        {
            "space": SPACE,
            "partners": [NORD, LEROUX],
            "posts": 128,
            "oldest": date(2026, 1, 12),
            "may_invite": True,
            "values": {"partner": "nord", "history": "from"},
            "errors": {"history_from": "Choisissez une date passée."},
        },
    ),
    "share-none": (
        "spaces/share.html",
        {"space": BUREAU, "partners": [], "posts": 1, "oldest": None, "may_invite": True, **FORM},
    ),
    "invitations": (
        "spaces/invitations.html",
        {
            "offered": [
                shown.Invitation("i1", LINES[1], LEROUX, ago(hours=5), retention=["6 ans chez Leroux & Hart"])
            ],
            "joinable": [shown.Invitation("i2", LINES[0], NORD, ago(days=2), date(2026, 3, 1))],
            "may_withdraw": True,
        },
    ),
    "invitations-empty": ("spaces/invitations.html", {"offered": [], "joinable": [], "may_withdraw": True}),
    "thread": (
        "threads/thread.html",
        {
            "thread": THREAD,
            "audience": AUDIENCE,
            "reply_to": None,
            "closed": "",
            "live": "",
            **FORM,
        },
    ),
    "thread-reply": (
        "threads/thread.html",
        {
            "thread": replace(THREAD, entries=[GAP_IN, ENTRIES[0]]),
            "audience": CHANGED,
            "live": "",
            "closed": "",
            "reply_to": shown.Quote("p2", MARIE, "80 °C suffisent avec un carbone équivalent de 0,41."),
            "values": {"text": "Merci, je reprends cela."},
            "errors": {},
        },
    ),
    "thread-internal": (
        "threads/thread.html",
        {
            "thread": QUIET,
            "audience": INTERNAL,
            "reply_to": None,
            "closed": "",
            "live": "",
            **FORM,
        },
    ),
    "edit": (
        "threads/edit.html",
        {
            "thread": THREAD,
            "post_key": "p5",
            "has_title": True,
            "audience": AUDIENCE,
            "values": {"title": TITLE, "text": "J’ajoute le relevé.", "lang": "fr"},
            "errors": {},
        },
    ),
    "call-back": (
        "threads/recall.html",
        {
            "thread": THREAD,
            "post_key": "p1",
            "excerpt": "80 ou 110 °C, à 5 °C ?",
            "shares": SHARES,
            "reasons": [
                ("wrong-recipient", "envoyé aux mauvaises personnes", ""),
                ("mistake", "il contient une erreur", ""),
                ("personal-data", "il contient des données personnelles", ""),
                ("confidential", "confidentiel", ""),
            ],
            "values": {},
            "errors": {"reason": "Choisissez un motif."},
        },
    ),
    "proof": (
        "threads/proof.html",
        {
            "thread": THREAD,
            "post_key": "p1",
            "excerpt": "80 ou 110 °C, à 5 °C ?",
            "proofs": [
                shown.PostProof(
                    NORD,
                    shown.Delivery(NORD, "delivered", ago(days=1)),
                    [
                        shown.PostReceipt(
                            1_204,
                            ago(days=1),
                            "https://node.nord.example/receipts/RLqVwx3kTfm0nCk2y8sD4w",
                            "processed",
                            ago(hours=9),
                        ),
                        shown.PostReceipt(
                            1_207,
                            ago(hours=2),
                            "https://node.nord.example/receipts/c4Z0pQ2mSgyVd6oZl1uFJA",
                            "processed",
                        ),
                    ],
                    "r1",
                ),
                shown.PostProof(LEROUX, shown.Delivery(LEROUX, "delivered", ago(hours=20))),
                shown.PostProof(MEUNIER, None, (), "r4"),
            ],
        },
    ),
    "recalls": (
        "retention/list.html",
        {
            "recalls": [RECALL, replace(RECALL, key="r2", answers=RECALL.answers[:1], at=ago(days=40))],
            "everybody": True,
            "runs": [
                shown.RetentionRun("u1", NORD, True, ago(days=2), 14),
                shown.RetentionRun("u2", LEROUX, False, ago(days=3), 1203),
            ],
            "next": shown.Next("", "/recalls?before=3"),
        },
    ),
    "recalls-none": (
        "retention/list.html",
        {"recalls": [], "everybody": False, "runs": [], "next": shown.Next()},
    ),
    "recalled": ("retention/recall.html", {"recall": RECALL}),
    "letter": ("retention/letter.html", {"recall": RECALL, "house": "Aubier", "now": NOW}),
    "holds": (
        "retention/holds.html",
        {
            "holds": [
                HOLD,
                replace(HOLD, key="h2", on="space", written=None, overdue=True, review_by=date(2026, 11, 20)),
                replace(HOLD, key="h3", on="thread", released_at=ago(days=1), kept=0),
            ],
            "values": {"on": "/threads/nowhere"},
            "errors": {"on": "Il n’y a rien à cette adresse."},
        },
    ),
    "holds-none": ("retention/holds.html", {"holds": [], "values": {}, "errors": {}}),
    "history": (
        "threads/history.html",
        {
            "thread": THREAD,
            "post_key": "p1",
            "versions": [
                shown.Version(ago(days=1), Markup("<p>80 ou 110 °C, à 5 °C ?</p>"), OWEN, 3),
                shown.Version(ago(days=1, minutes=9), Markup("<p>80 ou 110 °C ?</p>"), OWEN, 2),
                shown.Version(ago(days=1, hours=2), Markup("<p>80 ou 100 °C ?</p>"), OWEN, 1),
            ],
        },
    ),
    "partners": (
        "relations/list.html",
        {
            "relations": [
                shown.RelationLine("nord", NORD, "in-force", ILL, 2),
                shown.RelationLine("leroux", LEROUX, "in-force", HEALTHY, 1),
                shown.RelationLine("galva", GALVA, "keys-exchanged", our_turn=True),
                shown.RelationLine("meunier", MEUNIER, "suspended", spaces=1),
            ],
        },
    ),
    "partners-empty": ("relations/list.html", {"relations": []}),
    "invite": (
        "relations/invite.html",
        {
            "link": "",
            "expires": None,
            "key": "",
            "alike": "nordacier.example",
            "values": {"domain": "nord-acier.example"},
            "errors": {},
        },
    ),
    "invite-link": (
        "relations/invite.html",
        {
            "link": "https://parvis.aubier.example/peering/invite#v=1&i=7f3c&t=vc5rLZlt_CwBp6WjX0ZGeH91fUPcu93TowEb7PmPQZc",
            "expires": ago(hours=-72),
            "key": "galva",
            "alike": "",
            **FORM,
        },
    ),
    "invite-where": ("relations/where.html", {}),
    "accept": (
        "relations/accept.html",
        {"values": {}, "errors": {"link": "Il manque la fin du lien, après le signe #."}},
    ),
    "partner-invited": (
        "relations/partner.html",
        _relation("invited", replace(GALVA, name=""), expires=ago(hours=-70)),
    ),
    "partner-verify": (
        "relations/partner.html",
        _relation("keys-exchanged", GALVA, groups=COVERED, theirs_confirmed=BY_THEM)
        | {
            "errors": {"group-6": "Le groupe 6 est différent. Faites-le relire lentement."},
            "values": {"group-1": "48120", "group-6": "62970"},
        },
    ),
    "partner-confirmed": (
        "relations/partner.html",
        _relation("keys-exchanged", GALVA, groups=OPEN, words=WORDS, ours_confirmed=BY_US),
    ),
    "partner-verified": (
        "relations/partner.html",
        _relation("verified", ours_confirmed=BY_US, theirs_confirmed=BY_THEM),
    ),
    "partner-offered": (
        "relations/partner.html",
        _relation(
            "offered",
            ours_confirmed=BY_US,
            theirs_confirmed=BY_THEM,
            offer=CHARTER,
            expires=ago(days=-7),
        ),
    ),
    "partner": (
        "relations/partner.html",
        _relation(
            "in-force",
            groups=OPEN,
            charter=CHARTER,
            ours_confirmed=BY_US,
            theirs_confirmed=BY_THEM,
            life=LIFE,
            spaces_stopped={"https://aubier.example/spaces/1": True},
            **MAY,
        )
        | {
            "spaces": [
                replace(each, address=f"https://aubier.example/spaces/{n}")
                for n, each in enumerate(LINES[:2])
            ]
        },
    ),
    "partner-late": (
        "relations/partner.html",
        _relation(
            "in-force",
            groups=OPEN,
            charter=CHARTER,
            offer=replace(CHARTER, version=4),
            health=ILL,
        ),
    ),
    "partner-stopped": (
        "relations/partner.html",
        _relation(
            "in-force",
            groups=OPEN,
            charter=CHARTER,
            health=replace(
                ILL,
                delivery="stopped",
                reason="409 Entry 3 has another hash here.",
                disputed=ago(minutes=9),
                held=1,
                given_up=2,
            ),
        ),
    ),
    "partner-suspended": (
        "relations/partner.html",
        _relation(
            "suspended",
            MEUNIER,
            charter=CHARTER,
            stops=[
                shown.Stop(AUBIER, ago(days=20), "Audit de sécurité.", "fr"),
                shown.Stop(MEUNIER, ago(days=2), "Incident IR-7: suspected key theft", "en"),
            ],
            life=[*LIFE, shown.Step("suspendue", ago(days=20))],
            may_resume=True,
            may_end=True,
        ),
    ),
    "partner-ending": (
        "relations/partner.html",
        _relation(
            "terminating",
            charter=CHARTER,
            ending=shown.Ending(
                NORD,
                ago(days=3),
                ago(days=-27),
                "Chaque côté garde ce que la loi exige, et efface le reste.",
                "Project closed",
                "en",
            ),
            life=[*LIFE, shown.Step("préavis", ago(days=3)), shown.Step("fin", ago(days=-27))],
            may_suspend=True,
        ),
    ),
    "partner-expired": (
        "relations/partner.html",
        _relation(
            "expired",
            charter=replace(CHARTER, ends=date(2026, 11, 20)),
            life=LIFE,
            may_propose=True,
        ),
    ),
    "charter": (
        "relations/charter.html",
        _without(
            _relation(
                "in-force",
                charter=CHARTER,
                offer=replace(CHARTER, version=4),
                differences=DIFFERENCES,
                expires=ago(days=-6),
            ),
            "spaces",
        )
        | {"versions": VERSIONS},
    ),
    "charter-ours": (
        "relations/charter.html",
        _without(
            _relation("in-force", charter=CHARTER, offer=replace(CHARTER, version=4, proposed_by=AUBIER)),
            "spaces",
        )
        | {"versions": VERSIONS},
    ),
    "charter-propose": (
        "relations/charter.html",
        _without(_relation("in-force", charter=CHARTER), "spaces") | {"versions": VERSIONS, "revising": True},
    ),
    "suspend": (
        "relations/suspend.html",
        _without(_relation("in-force", charter=CHARTER), "spaces", "revising", "keep_choices", "labels"),
    ),
    "end": (
        "relations/end.html",
        _without(_relation("in-force", charter=CHARTER), "spaces", "revising", "keep_choices", "labels")
        | {
            "earliest": date(2026, 12, 23),
            "dispositions": [
                ("purge-after-retention", "Effacé quand le délai de la charte est passé.", ""),
                ("purge-now", "Effacé le jour de la fin, des deux côtés.", ""),
                ("keep-per-law", "Chaque côté garde ce que la loi exige, et efface le reste.", ""),
            ],
            "values": {"when": "on", "on": "2026-12-23"},
            "errors": {"reason": "Plus tôt que le préavis convenu, il faut un motif."},
        },
    ),
    "signed": (
        "relations/history.html",
        _without(_relation("in-force", charter=CHARTER), "spaces", "revising", "keep_choices", "labels")
        | {
            "checkpoints": [
                Checkpoint("https://ici.example/streams/nord", True, 1284, ago(hours=5), True),
                Checkpoint("https://nord.example/streams/ici", False, 977, ago(hours=3), True),
            ],
            "disputes": [],
        },
    ),
    "signed-torn": (
        "relations/history.html",
        _without(_relation("in-force", charter=CHARTER), "spaces", "revising", "keep_choices", "labels")
        | {
            "checkpoints": [Checkpoint("https://nord.example/streams/ici", False, 977, ago(hours=3), False)],
            "disputes": [
                Dispute(
                    "https://nord.example/streams/ici",
                    False,
                    ago(hours=3),
                    "chain",
                    977,
                    HASH,
                    HASH,
                    941,
                    Version(
                        941, "https://nord.example/a/9c1", "Create", DIGEST, "2026-11-22T09:14:00Z", HASH
                    ),
                    Version(
                        941, "https://nord.example/a/9c1", "Create", DIGEST, "2026-11-23T17:40:00Z", HASH
                    ),
                    [],
                ),
                Dispute(
                    "https://nord.example/streams/ici",
                    False,
                    ago(hours=3),
                    "equivocation",
                    950,
                    HASH,
                    HASH,
                    None,
                    None,
                    None,
                    [],
                ),
            ],
        },
    ),
    "partner-ended": ("relations/partner.html", _relation("rejected", GALVA, health=shown.Health())),
    "audit": (
        "admin/audit.html",
        {
            "chain": shown.Chain(whole=True, lines=18_214, checked=ago(minutes=1)),
            "acts": [("relation.verified", "Partenaire vérifié")],
            "partners": [("nord", "Nord Acier")],
            "filtered": True,
            "values": {"result": "refused"},
            "next": shown.Next(older="?b=1"),
            "lines": [
                shown.AuditLine(
                    18214,
                    ago(minutes=4),
                    "Camille Roussel",
                    "relation.verified",
                    "a confirmé l’empreinte de Nord Acier",
                    "done",
                    object="7f3c",
                ),
                shown.AuditLine(
                    18213,
                    ago(days=1),
                    "nordacier.example",
                    "inbound.refused",
                    "a envoyé une activité",
                    "refused",
                    NORD,
                    reason="signature d’une autre clé",
                ),
            ],
        },
    ),
    "audit-empty": (
        "admin/audit.html",
        {
            "chain": None,
            "acts": [],
            "partners": [],
            "filtered": False,
            "values": {},
            "next": shown.Next(),
            "lines": [],
        },
    ),
}

#: Pages and fragments that only the tests of the script ask for.
LIVE = {
    "thread-live": (PAGES["thread"][0], PAGES["thread"][1] | {"live": "/live?after=0"}),
    "space-live": (PAGES["space"][0], PAGES["space"][1] | {"live": "/live?after=0"}),
    "audience-changed": (
        "spaces/_audience.html",
        {"audience": CHANGED, "space_key": "lot4", "id": "composer-to"},
    ),
}


def make_app() -> Flask:
    """The gallery: `/page/NAME?lang=fr&theme=dark`; every other address of the product answers 404."""
    app = Flask("node", root_path=str(NODE), static_folder="static")
    app.config["SECRET_KEY"] = "gallery"
    Babel(
        app,
        default_translation_directories=str(NODE / "translations"),
        locale_selector=lambda: request.args.get("lang", "fr"),
        default_timezone="Europe/Paris",
    )
    headers.install(app, secure=False)
    rendering.install(app, frame=_frame, csrf_token=lambda: "token", now=lambda: NOW)
    for endpoint, rule in addresses():
        app.add_url_rule(rule, endpoint, lambda **_: abort(404), methods=["GET", "POST"])

    @app.get("/page/<name>")
    def show(name: str) -> str:
        template, context = (PAGES | LIVE)[name]
        return rendering.page(template, **context)

    return app


def addresses() -> Iterator[tuple[str, str]]:
    """Endpoint and rule of each line of the table in CONTEXTS.md."""
    text = (NODE / "templates" / "CONTEXTS.md").read_text(encoding="utf-8")
    yield from re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| `(/[^`]*)` \|", text, re.MULTILINE)


def _frame() -> shown.Frame:
    name = (request.view_args or {}).get("name", "")
    outside = name in {"signin", "signin-accounts", "first-admin", "new-password", "problem-outside"}
    french = request.args.get("lang", "fr") == "fr"
    words = (
        ("Accueil", "Espaces", "Partenaires", "Personnes", "Audit")
        if french
        else ("Home", "Spaces", "Partners", "People", "Audit")
    )
    marks = zip(("home", "spaces", "relations", "people", "audit"), words, "hspua", strict=True)
    icons = {
        "home": "house",
        "spaces": "layout-grid",
        "relations": "building-2",
        "people": "users",
        "audit": "scroll-text",
    }
    return shown.Frame(
        AUBIER,
        "aubier.example",
        None if outside else CAMILLE,
        ()
        if outside
        else [
            shown.NavItem(key, label, f"/{key}", icons[key], go, dock=key != "people")
            for key, label, go in marks
        ],
        () if outside or name.endswith("empty") else LINES,
        request.args.get("theme", ""),  # type: ignore[arg-type]
        notices=[("ok", "Enregistré.")] if name == "members" else (),
        write_url="" if outside else "/spaces/lot4",
    )


@contextmanager
def served() -> Iterator[str]:
    """The gallery on a free port; gives its origin."""
    server = make_server("127.0.0.1", 0, make_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _take(folder: Path, names: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    kinds = [(1280, "light", "fr"), (1280, "dark", "en"), (360, "light", "en"), (360, "dark", "fr")]
    with served() as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for width, theme, lang in kinds:
            tab = browser.new_page(viewport={"width": width, "height": 860})
            for name in names:
                tab.goto(f"{origin}/page/{name}?lang={lang}&theme={theme}")
                tab.screenshot(path=str(folder / f"{name}-{width}-{theme}.png"), full_page=True)
            tab.close()
        browser.close()


if __name__ == "__main__":
    arguments = SimpleNamespace(folder=Path(sys.argv[1]), names=sys.argv[2:] or list(PAGES))
    _take(arguments.folder, arguments.names)
