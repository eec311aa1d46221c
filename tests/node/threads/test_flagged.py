"""The messages behind the entries that came under a key which a partner revoked later."""

from __future__ import annotations

from datetime import timedelta

from node.identity.services.keys import keys_of
from node.identity.services.people import Role
from tests.node.identity.houses import PASSWORD
from tests.node.spaces.test_leaving import Two
from tests.node.spaces.world import House, exchange_all
from tests.node.threads.talk import begin
from tests.node.threads.test_pages import words


def test_an_administrator_sees_which_messages_came_under_a_key_that_was_stolen(
    partners: tuple[House, House],
) -> None:
    two = Two(*partners)
    aubier, nord = partners
    begin(nord, two.marie, two.there, "Avant le vol.", title="Avant")
    exchange_all(aubier, nord)
    for house in partners:
        house.clock.move(hours=1)
    begin(nord, two.marie, two.there, "Est-ce moi ?", title="Après")
    begin(aubier, two.ines, two.key, "Pas elle.", title="Nous")
    exchange_all(aubier, nord)
    keys_of(nord.ground).revoke(since=nord.clock.now() - timedelta(minutes=5))
    nord.settle_jobs()
    outside = aubier.person("Nora Lind", Role.ADMIN, PASSWORD)
    browsers = [aubier.browser(), aubier.browser()]
    for browser, person, opens in zip(browsers, (two.ines, outside), (1, 0), strict=True):
        browser.sign_in(person, PASSWORD)
        browser.put("language", "en")
        page = browser.get("/admin/keys").text
        assert "Nord Acierentries" in words(page)
        assert "1 message to look at Marie Lenoir," in words(page)
        assert page.count("#post-") == opens
        assert "Est-ce moi" not in page
    two.end()
    page = browsers[1].get("/admin/keys").text
    assert "entries" in words(page)
    assert "1 message to look at Marie Lenoir," in words(page)
