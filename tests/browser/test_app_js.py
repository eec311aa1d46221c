"""What the script adds to pages that work without it: live lists, the audience while one writes, keys, menus."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import gallery

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with gallery.served() as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    opened = browser.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    opened.close()
    assert not wrong


def answer_live(tab: Any, *bodies: str) -> list[str]:
    """The long poll of the gallery answers `bodies` in turn, then nothing new; gives the addresses asked for."""
    asked: list[str] = []

    def handle(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) <= len(bodies):
            fresh = {"X-Live": f"/live?after={len(asked)}", "Content-Type": "text/html; charset=utf-8"}
            route.fulfill(status=200, headers=fresh, body=bodies[len(asked) - 1])
        else:
            route.fulfill(status=204, headers={"Retry-After": "60"})

    tab.route("**/live?**", handle)
    return asked


def test_a_new_reply_comes_at_the_end_and_a_known_one_is_replaced(tab: Any, origin: str) -> None:
    asked = answer_live(
        tab,
        '<li id="line-p9"><article class="post" tabindex="-1">Une réponse</article></li>',
        '<li id="line-p2"><article class="post" tabindex="-1">Changée</article></li>',
    )
    tab.goto(f"{origin}/page/thread-live")
    tab.wait_for_selector("#posts > li:last-child#line-p9")
    tab.wait_for_selector("#line-p2:has-text('Changée')")
    assert tab.locator("#line-p2").count() == 1
    assert "Nouvelle réponse" in tab.inner_text("#said")
    assert asked[1].endswith("/live?after=1")


def test_new_discussions_wait_for_a_press(tab: Any, origin: str) -> None:
    answer_live(
        tab,
        '<li id="line-a"><article class="post" tabindex="-1">A</article></li>'
        '<li id="line-b"><article class="post" tabindex="-1">B</article></li>',
    )
    tab.goto(f"{origin}/page/space-live")
    button = tab.locator("[data-fresh]")
    button.wait_for(state="visible")
    assert button.inner_text() == "2 nouvelles discussions"
    assert tab.locator("#line-a").count() == 0
    button.click()
    assert tab.locator("#lines > li").first.get_attribute("id") in {"line-a", "line-b"}
    assert button.is_hidden()


def test_a_discussion_that_changes_while_it_waits_is_counted_once(tab: Any, origin: str) -> None:
    answer_live(
        tab,
        '<li id="line-a"><article class="post" tabindex="-1">A</article></li>',
        '<li id="line-a"><article class="post" tabindex="-1">A, changed</article></li>',
    )
    tab.goto(f"{origin}/page/space-live")
    tab.locator("[data-fresh]").wait_for(state="visible")
    tab.wait_for_timeout(300)
    assert tab.locator("[data-fresh]").inner_text() == "1 nouvelle discussion"
    tab.locator("[data-fresh]").click()
    assert tab.locator("#line-a").inner_text() == "A, changed"


def test_a_mark_of_delivery_settles_without_reload(tab: Any, origin: str) -> None:
    page = tab.request.get(f"{origin}/page/thread").text()
    assert "en retard depuis" in page
    tab.goto(f"{origin}/page/thread")
    settled = page.replace("en retard depuis", "reçu,").replace(" data-settling", "")
    tab.route("**/page/thread", lambda route: route.fulfill(content_type="text/html", body=settled))
    tab.locator("[data-settling]").wait_for(state="detached")
    assert "en retard" not in tab.inner_text("main")
    assert "Nord Acier : reçu," in tab.inner_text("main").replace("\u00a0", " ")


def test_a_changed_audience_is_shown_said_and_counted_on_the_button(tab: Any, origin: str) -> None:
    changed = tab.request.get(f"{origin}/page/audience-changed").text()
    tab.route(
        "**/audience?**", lambda route: route.fulfill(status=200, content_type="text/html", body=changed)
    )
    tab.goto(f"{origin}/page/thread")
    assert tab.inner_text("#composer-to-go") == "Publier pour 32 personnes"
    tab.fill("#f-text", "Bonjour")
    tab.wait_for_selector("[data-changed]")
    assert "32 personnes au lieu de 31" in tab.inner_text("[data-changed]")
    tab.locator("#said", has_text="au lieu de").wait_for(state="attached")
    assert tab.input_value("#f-text") == "Bonjour"
    assert tab.input_value("[name=audience]") == "tok-1"


def test_ctrl_enter_opens_the_list_first_then_posts(tab: Any, origin: str) -> None:
    sent: list[str] = []
    tab.route("**/audience?**", lambda route: route.fulfill(status=204))

    def take(route: Any) -> None:
        sent.append(route.request.method)
        route.fulfill(status=204)

    tab.route("**/threads/t1/posts", take)
    tab.goto(f"{origin}/page/thread")
    tab.fill("#f-text", "Bonjour")
    tab.keyboard.press("Control+Enter")
    assert tab.get_attribute("#composer details.audience", "open") is not None
    assert sent == []
    tab.focus("#f-text")
    with tab.expect_response("**/threads/t1/posts"):
        tab.keyboard.press("Control+Enter")
    assert sent == ["POST"]


def test_keys_walk_the_posts_help_opens_and_never_while_one_types(tab: Any, origin: str) -> None:
    tab.goto(f"{origin}/page/thread")
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    assert tab.evaluate("document.activeElement.id") == "post-p2"
    tab.keyboard.press("k")
    assert tab.evaluate("document.activeElement.id") == "post-p1"
    tab.focus("#f-text")
    tab.keyboard.type("j?")
    assert tab.input_value("#f-text") == "j?"
    assert not tab.evaluate("document.querySelector('#keys').open")
    tab.locator("h1").click()
    tab.keyboard.press("?")
    assert tab.evaluate("document.querySelector('#keys').open")


def test_escape_closes_a_menu_and_gives_the_focus_back(tab: Any, origin: str) -> None:
    tab.goto(f"{origin}/page/home")
    tab.locator(".tools summary").click()
    assert tab.locator(".tools .menu-in").is_visible()
    tab.keyboard.press("Escape")
    assert tab.locator(".tools .menu-in").is_hidden()
    assert tab.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_without_script_every_form_and_list_is_there(browser: Any, origin: str) -> None:
    plain = browser.new_context(java_script_enabled=False)
    tab = plain.new_page()
    tab.goto(f"{origin}/page/thread")
    assert tab.locator("#composer button[type=submit]").is_visible()
    tab.locator("#composer details.audience summary").click()
    assert tab.locator("#composer .readers").is_visible()
    tab.goto(f"{origin}/page/home")
    tab.locator(".tools summary").click()
    assert tab.locator(".tools .menu-in form button").is_visible()
    plain.close()
