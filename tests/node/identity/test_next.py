"""Where a sign-in leads on: a path of this node, whatever was asked for (SECURITY H7)."""

from __future__ import annotations

import pytest

from node.identity.web import path_of_ours
from tests.node.identity.houses import PASSWORD, Node

OURS = [
    "/",
    "/me",
    "/spaces/RmTcAjxm6733OOo9gtaxKQ",
    "/spaces/x?after=12&before=a%20b",
    "/find?q=%C3%A9t%C3%A9",
    "/a-b_c.d~e",
    "/me?next=https://evil.example/",
    "/threads/1#post-3",
]

ELSEWHERE = [
    "",
    " ",
    "me",
    "me/",
    "?next=/",
    "#top",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "//evil.example/%2f..",
    "//evil.example:443/",
    "//user@evil.example/",
    "//aubier.localhost:8101@evil.example/",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "/\\\\evil.example",
    "\\evil.example",
    "/me\\@evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/./evil.example/..//x",
    "/me//evil.example",
    "/me/..//evil.example",
    "/../me",
    "/me/../../x",
    "/me/.",
    "/%2e%2e/me",
    "/%2E%2e//evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    "\n//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/\x00/evil.example",
    "/\x0b/evil.example",
    "/\x7f/evil.example",
    "/me\r\nSet-Cookie: parvis=x",
    "/me\r\nLocation: https://evil.example",
    "/me\n\nbody",
    "https://evil.example",
    "https://evil.example/me",
    "HTTPS://EVIL.EXAMPLE",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "http://evil.example",
    "http://aubier.localhost:8101.evil.example/",
    "http://aubier.localhost:8101@evil.example/",
    "http://aubier.localhost:8101/me",
    "http:\\evil.example",
    "ftp://evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "mailto:eve@evil.example",
    "file:///etc/passwd",
    "blob:https://evil.example/x",
    "about:blank",
    "view-source:https://evil.example",
    "evil.example",
    "evil.example/me",
    ".evil.example",
    "@evil.example",
    ":80",
    "/\u2215evil.example",
    "/\uff0fevil.example",
    "\uff0f\uff0fevil.example",
    "/\u3002evil.example",
    "/me\u202e",
    "/é",
    "%2f%2fevil.example",
    "%5c%5cevil.example",
    "%68ttps://evil.example",
    "/" + "x" * 2048,
    "/signin",
    "/signin/op",
    "/auth/callback/op?code=x",
    "//[::1]/",
    "//[evil/",
    "//127.0.0.1/",
    "//2130706433/",
]


@pytest.mark.parametrize("wanted", OURS)
def test_a_path_of_ours_is_kept(wanted: str) -> None:
    assert path_of_ours(wanted) == wanted


def test_the_corpus_has_eighty() -> None:
    assert len(set(ELSEWHERE)) >= 80


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_refuses_every_other_place(wanted: str) -> None:
    assert path_of_ours(wanted) == "/"


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/me\r\nX: y"]
)
def test_no_form_and_no_link_leads_away(node: Node, wanted: str) -> None:
    browser = node.browser()
    node.person("Inès")
    for answer in (
        browser.post("/me/preferences", {"language": "fr", "next": wanted}),
        browser.post("/signin", {"name": "ines", "password": PASSWORD, "next": wanted}),
    ):
        assert answer.location == "/"
    from urllib.parse import quote

    assert browser.get(f"/signin?next={quote(wanted)}").location == "/"


def test_a_page_behind_the_door_leads_back_to_itself(node: Node) -> None:
    browser = node.browser()
    node.person("Inès")
    door = browser.get("/me?tab=tokens")
    assert door.status_code == 303
    page = browser.get(door.location)
    assert 'name="next" value="/me?tab=tokens"' in page.text
