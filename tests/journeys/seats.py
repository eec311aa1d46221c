"""Someone at a browser before a node: what a person reads and presses, by the words of the person's language.

Rule: everything is found as a reader finds it, by role and name, never by the structure of the page; so the same
journey runs in both languages, and without script. Every page seen is held against axe and photographed once.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from babel.support import Translations

from node.cli.demo.houses import House
from tests.nodes import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
AXE = (ROOT / "tests" / "browser" / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RUN_AXE = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, {runOnly: rules});
  const where = (one) => one.nodes.map((node) => node.target.join(" ")).slice(0, 4).join(" | ");
  return found.violations.map((one) => `${one.id}: ${where(one)}`);
}"""
SHOTS = Path(os.environ.get("PARVIS_SHOTS") or ROOT / "var" / "shots")
ARRIVES_MS = 15_000
KEY = re.compile(r"/(?:[A-Za-z0-9_-]{16,}|\d+)(?=/|$)")
EXPECTED = re.compile(r"Failed to load resource|net::ERR_")  # an answer like 409, a node that was killed

T = TypeVar("T")


@cache
def catalogue(language: str) -> Any:
    return Translations.load(str(ROOT / "node" / "translations"), [language])


@dataclass
class Looked:
    """What was seen in a run: kinds of page, and what was wrong with them."""

    pages: set[tuple[str, str]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


class Seat:
    """One person at one browser. `handle` is the account name."""

    def __init__(
        self,
        browser: Any,
        house: House,
        handle: str,
        looked: Looked,
        *,
        script: bool = True,
        width: int = 1280,
    ) -> None:
        self.house = house
        self.handle = handle
        self.language = house.organisation.language
        self.name = house.voices[handle].name
        self._looked = looked
        self._script = script
        locale = {"fr": "fr-FR", "en": "en-GB"}[self.language]
        self.context = browser.new_context(
            java_script_enabled=script, viewport={"width": width, "height": 900}, locale=locale
        )
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(ARRIVES_MS)
        self.tab.on("pageerror", lambda error: looked.wrong.append(f"script: {error}"))
        self.tab.on("console", self._heard)

    # -- words

    def say(self, text: str, **values: object) -> str:
        """A text of the node in this person's language."""
        translated: str = catalogue(self.language).gettext(text)
        return translated % values if values else translated

    def say_many(self, one: str, many: str, count: int, **values: object) -> str:
        """A text with a plural."""
        translated: str = catalogue(self.language).ngettext(one, many, count)
        return translated % {"count": count, "n": count, **values}

    def people(self, count: int) -> str:
        return self.say_many("%(n)s person", "%(n)s people", count)

    # -- walking

    def sign_in(self) -> None:
        self.go("/signin")
        self.fill("Account name", self.handle)
        self.fill("Password", PASSWORD)
        self.press("Sign in")

    def go(self, path: str) -> None:
        """Opens a path of this node, or an address that a page has shown."""
        self.tab.goto(path if path.startswith("http") else self.house.node.origin + path)
        self.look()

    def reload(self) -> None:
        self.tab.reload()

    def press(self, text: str, *, within: Any = None, stays: bool = False, **values: object) -> None:
        """Presses the button that begins with these words; `stays`: with script, the page is not left."""
        words = self.say(text, **values)
        with self._telling(f"press “{words}”"):
            self.click(self._named("button", words, within), stays=stays and self._script)
        self.look()

    def open(self, text: str, *, within: Any = None, **values: object) -> None:
        """Follows the link that begins with these words."""
        words = self.say(text, **values)
        with self._telling(f"follow “{words}”"):
            self.click(self._named("link", words, within))
        self.look()

    def unfold(self, text: str, *, within: Any = None, **values: object) -> None:
        """Opens what is folded under these words."""
        words = self.say(text, **values)
        self._within(within).locator("summary", has_text=words).first.click()

    def click(self, place: Any, *, stays: bool = False) -> None:
        """Clicks, and waits for the page that this leads to."""
        if stays:
            place.click()
            return
        with self.tab.expect_navigation():
            place.click()

    def act_on(self, post: Any, text: str, *, sure: bool = False) -> None:
        """Chooses an act in the menu of a post; `sure`: confirms it."""
        post.locator("details.menu > summary").click()
        if sure:
            post.locator("details.sure > summary", has_text=self.say(text)).click()
            self.click(post.locator("details.sure").get_by_role("button", name=self.say(text)).last)
        else:
            self.click(post.get_by_role("link", name=self.say(text)))
        self.look()

    def fill(self, label: str, value: str, *, within: Any = None) -> None:
        words = self.say(label)
        with self._telling(f"fill “{words}”"):
            self._within(within).get_by_label(words).first.fill(value)

    def choose(self, label: str, *, within: Any = None) -> None:
        """Chooses the radio button whose text begins so."""
        words = self.say(label)
        with self._telling(f"choose “{words}”"):
            self._within(within).get_by_label(words).first.check()

    def text(self) -> str:
        """What the page says."""
        return str(self.tab.inner_text("body"))

    def sees(self, text: str, *, within: Any = None, timeout_ms: float = ARRIVES_MS) -> Any:
        """The place where this stands, as soon as it does."""
        found = self._within(within).get_by_text(text).first
        with self._telling(f"see “{text}”"):
            found.wait_for(state="visible", timeout=timeout_ms)
        return found

    def post_with(self, text: str) -> Any:
        """The post that says this, as soon as it is there."""
        found = self.tab.locator("article.post", has_text=text).first
        with self._telling(f"see a post with “{text}”"):
            found.wait_for(state="visible")
        return found

    def until(
        self, what: str, look: Callable[[], T | None], *, within_s: float = 15.0, fresh: bool = True
    ) -> T:
        """What `look` gives as soon as it gives something, on the page loaded again and again."""
        end = time.monotonic() + within_s
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < end, f"{self.name} does not see {what}:\n{self.text()}"
            time.sleep(0.2)
            if fresh:
                self.tab.reload()

    # -- looking

    def look(self, state: str = "") -> None:
        """Holds the page against axe and takes a picture, once for each kind of page, or each `state` of one."""
        if not self.tab.url.startswith(self.house.node.origin):
            return
        path = KEY.sub(
            "/one", re.sub(r"^https?://[^/]+", "", self.tab.url.partition("?")[0].partition("#")[0])
        )
        path += f"/{state}" if state else ""
        title = self.tab.title()
        kind = (path, self.language)
        if kind in self._looked.pages:
            return
        self._looked.pages.add(kind)
        SHOTS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "home"
        how = "" if self._script else "-plain"
        self.tab.screenshot(path=str(SHOTS / f"{name}-{self.language}{how}.png"), full_page=True)
        if self._script:
            self.tab.evaluate(AXE)
            self._looked.wrong += [f"{path} ({title}): {one}" for one in self.tab.evaluate(RUN_AXE)]

    def close(self) -> None:
        self.context.close()

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Says what the page said when something could not be done."""
        from playwright.sync_api import Error

        try:
            yield
        except Error as failed:
            raise AssertionError(f"{self.name} cannot {what} at {self.tab.url}:\n{self.text()}") from failed

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not EXPECTED.search(message.text):
            self._looked.wrong.append(f"{self.tab.url}: {message.text}")

    def _within(self, part: Any) -> Any:
        return self.tab if part is None else part

    def _named(self, role: str, words: str, within: Any) -> Any:
        pattern = re.compile(r"^\s*" + re.sub(r"\s+", r"\\s+", re.escape(words).replace(r"\ ", " ")))
        return self._within(within).get_by_role(role, name=pattern).first
