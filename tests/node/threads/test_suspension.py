"""What people see of a suspension, and what waits while it lasts."""

from __future__ import annotations

import pytest

from federation.delivery import Delivered, Refused
from node.identity.services.people import Role
from node.spaces.services.spaces import Refused as NotSaid
from tests.node.identity.houses import PASSWORD
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, exchange_all, opened
from tests.node.threads.talk import begin, texts, thread_key


def test_a_suspended_space_is_closed_with_a_reason_and_goes_on_in_order(
    partners: tuple[House, House],
) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff", Role.ADMIN), nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    begin(aubier, ines, key, "before")
    exchange_all(aubier, nord)
    browser = nord.browser()
    browser.sign_in(marie)
    space = f"/spaces/{nord.key_of(iri)}"
    thread = f"/threads/{thread_key(nord, marie)}"
    assert 'name="audience"' in browser.get(space).text

    aubier.relations.suspend(aubier.partner(nord).key, "IR-7", "en", MARIE)
    for page in (space, thread):
        shown = browser.get(page).text
        assert "The relation with Aubier is suspended" in shown
        assert 'name="audience"' not in shown
        assert "before" in shown  # what is here stays readable
    with pytest.raises(NotSaid):
        begin(nord, marie, nord.key_of(iri), "while suspended")
    begin(aubier, ines, key, "meanwhile", title="Meanwhile")
    assert isinstance(aubier.deliver(nord), Refused)
    assert isinstance(nord.deliver(aubier), Refused)

    aubier.relations.resume(aubier.partner(nord).key, MARIE)
    assert isinstance(aubier.deliver(nord), Delivered)
    assert texts(nord, marie, 0) == ["meanwhile"]
    assert 'name="audience"' in browser.get(space).text
