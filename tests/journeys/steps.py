"""Parts of journeys that several of them walk: peering, sharing, writing."""

from __future__ import annotations

from tests.journeys.seats import Seat

SPACE = "Passerelle de l’Ill"
PURPOSE = "Étude, fabrication et levage"


def peer(inviting: Seat, invited: Seat) -> None:
    """From the invitation to the charter in force: two administrators, and a telephone between them."""
    inviting.go("/partners/invite")
    inviting.fill("What the relation is for", PURPOSE)
    inviting.press("Make the link")
    link = inviting.tab.get_by_label(inviting.say("Invitation link")).input_value()
    assert link.startswith(inviting.house.node.origin)
    inviting.open("Go on to the next step")

    invited.go("/partners/accept")
    invited.fill("Invitation link", link)
    invited.press("Check the invitation")

    inviting.go("/partners")
    inviting.until("the answer", lambda: _opened(inviting, invited.house.name))
    inviting.sees(inviting.say("Is this really %(org)s?", org=invited.house.name))
    inviting.look("fingerprint")
    read = {seat: _read_aloud(seat) for seat in (inviting, invited)}
    for seat, other in ((invited, inviting), (inviting, invited)):
        assert not _typed(seat) & read[seat].keys()
        for number in _typed(seat):
            seat.tab.fill(f"#f-group-{number}", read[other][number])
        seat.choose("By phone, on a number we already had")
        seat.press("Confirm for %(house)s", house=seat.house.name)

    question = "What do you agree with %(org)s?"
    inviting.until(
        "that both confirmed", lambda: _says(inviting, inviting.say(question, org=invited.house.name))
    )
    inviting.look("charter")
    inviting.choose("A shared space may have other companies in it")
    inviting.press("Propose to %(org)s", org=invited.house.name)
    proposes = invited.say("%(org)s proposes a charter", org=inviting.house.name)
    invited.until("the charter", lambda: _says(invited, proposes))
    invited.look("offer")
    invited.press("Agree for %(house)s", house=invited.house.name)
    for seat in (invited, inviting):
        seat.until("the charter in force", lambda seat=seat: _says(seat, seat.say("Working.")))  # type: ignore[misc]
        seat.look("in-force")


def make_space(seat: Seat, name: str = SPACE, *colleagues: str) -> str:
    """A new space with these colleagues in it; its path."""
    seat.go("/spaces/new")
    seat.fill("Name", name)
    seat.fill("What it is for, and what does not belong here", PURPOSE)
    seat.press("Open the space")
    path = path_of(seat)
    for colleague in colleagues:
        seat.go(f"{path}/members")
        options = seat.tab.get_by_label(seat.say("Add a colleague"))
        value = options.locator("option", has_text=colleague).get_attribute("value")
        options.select_option(value)
        seat.press("Add", within=seat.tab.locator("form.add"))
        seat.sees(colleague)
    return path


def share(seat: Seat, path: str, partner: str, past: str = "Everything since the beginning") -> None:
    """Offers a space to a partner."""
    seat.go(f"{path}/share")
    seat.choose(partner)
    seat.choose(past)
    seat.press("Offer the space")


def accept_space(admin: Seat, name: str = SPACE) -> None:
    """The administrator of the partner lets the space in."""
    admin.go("/spaces/invitations")
    admin.until("the offered space", lambda: _says(admin, name))
    admin.look()
    admin.press("Accept for %(house)s", house=admin.house.name)


def join(seat: Seat, name: str = SPACE) -> str:
    """Someone comes into a space that is open to the organisation; its path."""
    seat.go("/spaces/invitations")
    seat.until("the open space", lambda: _says(seat, name))
    seat.look()
    seat.press("Join")
    seat.go("/spaces")
    seat.until("the space", lambda: _link(seat, name))
    seat.look()
    seat.click(seat.tab.get_by_role("link", name=name).first)
    writes = seat.tab.locator("#composer")
    seat.until("the composer", writes.count)
    seat.look()
    return path_of(seat)


def write_thread(seat: Seat, path: str, title: str, text: str, files: list[str] | None = None) -> str:
    """A new thread in a space; its path."""
    seat.go(path)
    fold = seat.tab.locator("details.write")
    if fold.get_attribute("open") is None:
        fold.locator("> summary").click()
    seat.fill("Subject", title)
    seat.fill("Text", text, within=seat.tab.locator("#composer"))
    if files:
        seat.tab.set_input_files("#composer input[type=file]", files)
    send(seat)
    if "/threads/" not in seat.tab.url:
        seat.click(seat.tab.get_by_role("link", name=title).first)
    seat.sees(title)
    seat.look()
    return path_of(seat)


def reply(seat: Seat, text: str) -> None:
    """An answer in the thread that is open."""
    begin_reply(seat, text)
    send(seat)


def begin_reply(seat: Seat, text: str) -> None:
    """Writes an answer without sending it."""
    seat.fill("Your reply", text, within=seat.tab.locator("#composer"))


def send(seat: Seat) -> None:
    seat.click(seat.tab.locator("#composer button[type=submit][data-outside]"))
    seat.look()


def path_of(seat: Seat) -> str:
    """The path of the page that is open."""
    return str(seat.tab.url.removeprefix(seat.house.node.origin).partition("?")[0].partition("#")[0])


def _opened(seat: Seat, name: str) -> bool:
    link = seat.tab.locator("main").get_by_role("link", name=name)
    if not link.count():
        return False
    seat.click(link.first)
    seat.look()
    return True


def _read_aloud(seat: Seat) -> dict[int, str]:
    """The groups that this person reads aloud, by number."""
    groups = seat.tab.locator("ol.groups > li")
    return {
        place + 1: groups.nth(place).locator("> span").inner_text()
        for place in range(groups.count())
        if "say" in (groups.nth(place).get_attribute("class") or "")
    }


def _typed(seat: Seat) -> set[int]:
    fields = seat.tab.locator("input.code-field")
    return {
        int(str(fields.nth(place).get_attribute("name")).removeprefix("group-"))
        for place in range(fields.count())
    }


def _says(seat: Seat, text: str) -> bool:
    return " ".join(text.split()) in " ".join(seat.text().split())


def _link(seat: Seat, name: str) -> bool:
    return bool(seat.tab.get_by_role("link", name=name).count())
