"""The look: every page in both languages, without violations, scrolling sideways, inline style or script."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import gallery

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
SHOWING = frozenset({"page", "render_template"})
NARROWEST = 320  # WCAG 1.4.10
AXE = HERE / "vendor" / "axe.min.js"
RUN_AXE = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, {runOnly: rules});
  const where = (one) => one.nodes.map((node) => node.target.join(" ")).slice(0, 4).join(" | ");
  return found.violations.map((one) => `${one.id}: ${where(one)}`);
}"""
UNFOLD = """() => document.querySelectorAll("main details").forEach((one) => {
  one.open = !one.classList.contains("menu");
})"""
WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

CONTROLS = """() => [...document.querySelectorAll("main :is(a[href], button, summary, input, select, textarea)")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.type !== "hidden" && !one.disabled
    && (one.type !== "radio" || one.checked))
  .map((one, number) => { one.dataset.number = number; return number; })"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const number = one.dataset.number === undefined ? null : Number(one.dataset.number);
  return [number, style.outlineStyle !== "none" || style.boxShadow !== "none"];
}"""
BY_KEYS = (
    "proof",
    "keys",
    "keys-rehearsal",
    "signed-torn",
    "copy",
    "holds",
    "recalled",
    "suspend",
    "end",
    "charter",
)
MOST_TABS = 80

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with gallery.served() as address:
        yield address


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_every_template_is_shown_with_its_contract_and_nothing_inline(lang: str) -> None:
    client = gallery.make_app().test_client()
    shown = set()
    for name, (template, _context) in gallery.PAGES.items():
        html = client.get(f"/page/{name}?lang={lang}").get_data(as_text=True)
        shown.add(template)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", html), name
        assert len(re.findall(r"<h1[ >]", html)) == 1, name
        ids = re.findall(r"\sid=\"([^\"]+)\"", html)
        assert sorted(set(ids)) == sorted(ids), name
    pages = {
        str(path.relative_to(folder))
        for folder in (gallery.NODE / "templates", *gallery.NODE.glob("*/templates"))
        for path in folder.rglob("*.html")
        if not any(part.startswith("_") for part in path.relative_to(folder).parts)
        and path.name != "base.html"
    }
    assert shown == pages


def test_every_page_that_a_door_shows_is_looked_at() -> None:
    """What the walk below sees is what people see: no door shows a page that is not in the gallery."""
    looked_at = {template for template, _context in (gallery.PAGES | gallery.LIVE).values()}
    asked = set()
    for path in gallery.NODE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
                template = call.args[0]
                if call.func.id in SHOWING and isinstance(template, ast.Constant):
                    asked.add(str(template.value))
    pages = {each for each in asked if not each.rpartition("/")[2].startswith("_")}
    assert len(pages) > 20
    assert pages - looked_at == set()


def test_every_address_and_every_variable_stands_in_the_contract() -> None:
    text = (gallery.NODE / "templates" / "CONTEXTS.md").read_text(encoding="utf-8")
    for template, context in gallery.PAGES.values():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{template}` |"))
        for variable in context:
            assert f"`{variable}" in line, (template, variable)
    known = {endpoint for endpoint, _rule in gallery.addresses()}
    used = set()
    for path in gallery.NODE.rglob("templates/**/*.html"):
        used |= set(re.findall(r"url_for\(['\"]([a-z]+\.[a-z_]+)['\"]", path.read_text(encoding="utf-8")))
    assert used <= known
    assert known - used <= {"identity.start"} | known


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "theme", "lang"), [(1280, "light", "fr"), (360, "dark", "en"), (320, "light", "fr")]
)
def test_no_violation_and_no_sideways_scrolling(
    browser: Any, origin: str, width: int, theme: str, lang: str
) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 860}, bypass_csp=True)
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    for name in gallery.PAGES:
        tab.goto(f"{origin}/page/{name}?lang={lang}&theme={theme}")
        tab.evaluate(UNFOLD)
        over = tab.evaluate(WIDE)
        if over > 0:
            wrong.append(f"{name}: {over} px too wide")
        if width == NARROWEST:  # the same page as at 360 px
            continue
        tab.add_script_tag(path=str(AXE))
        wrong += [f"{name}: {one}" for one in tab.evaluate(RUN_AXE)]
    tab.close()
    assert not wrong, "\n".join(wrong)


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("name", BY_KEYS)
def test_every_control_is_reached_by_tab_and_shows_it(browser: Any, origin: str, name: str) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 860})
    tab.goto(f"{origin}/page/{name}?lang=en")
    wanted, reached = set(tab.evaluate(CONTROLS)), set()
    for _ in range(MOST_TABS):
        tab.keyboard.press("Tab")
        number, ring = tab.evaluate(FOCUSED)
        assert number is None or ring, f"control {number} of {name} has the focus and does not show it"
        reached.add(number)
    tab.close()
    assert wanted
    assert wanted <= reached


@needs_browser
@pytest.mark.browser
def test_the_content_security_policy_is_never_violated(browser: Any, origin: str) -> None:
    tab = browser.new_page()
    said: list[str] = []
    tab.on(
        "console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None
    )
    for name in ("home", "thread", "space-writing", "partner-verify", "signin", "me"):
        tab.goto(f"{origin}/page/{name}?lang=fr")
        tab.wait_for_load_state("load")
    tab.close()
    assert not said
