"""Somebody of one house comes to another: the steps that his or her browser takes between both."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from werkzeug.test import TestResponse

from tests.node.identity.houses import PASSWORD, Browser
from tests.node.spaces.world import House


@dataclass
class Traveller:
    """One browser, as two nodes see it: `there` the node that is visited, `here` the home."""

    home: House
    host: House
    here: Browser = field(init=False)
    there: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.here, self.there = self.home.browser(), self.host.browser()

    def sign_in_at_home(self, name: str = "Claire Morel") -> None:
        self.person = self.home.person(name, password=PASSWORD)
        self.here.sign_in(self.person)

    def knock(self, address: str = "", next_path: str = "/") -> TestResponse:
        """Names the organisation at the door."""
        form = {"address": address or urlsplit(self.home.origin).netloc, "next": next_path}
        return self.there.post("/signin/partner", form, page="/signin/partner")

    def agree(self, led: TestResponse) -> TestResponse:
        """Goes where the door leads, and agrees if asked; what the home answers."""
        address = led.headers["Refresh"].partition("url=")[2]
        assert address.startswith(f"{self.home.origin}/oauth/authorize?"), address
        path = address.removeprefix(self.home.origin)
        answer = self.here.get(path)
        if "Refresh" in answer.headers:
            return answer
        asked = parse_qs(urlsplit(address).query)
        form = {name: values[0] for name, values in asked.items()} | {"answer": "yes"}
        return self.here.post("/oauth/authorize", form, page=path)

    def come_back(self, answer: TestResponse) -> TestResponse:
        """Follows the home's answer to the door."""
        address = answer.headers["Refresh"].partition("url=")[2]
        assert address.startswith(f"{self.host.origin}/auth/callback/"), address
        return self.there.get(address.removeprefix(self.host.origin))

    def arrive(self, next_path: str = "/spaces") -> TestResponse:
        """The whole way."""
        return self.come_back(self.agree(self.knock(next_path=next_path)))

    def is_in(self) -> bool:
        """Whether the house knows the browser."""
        return self.there.get("/spaces").status_code == 200
