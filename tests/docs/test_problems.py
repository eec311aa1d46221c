"""Every problem type has a page, and no other has one (DECISIONS 15)."""

from __future__ import annotations

import pytest

from federation.errors import NAMESPACE, RemoteError
from node.cli.manual import problem_types
from tests.docs.examples import PAGE

FOLDER = PAGE.parent / "problems"
INDEX = (FOLDER / "index.md").read_text(encoding="utf-8")


def test_every_type_has_a_page_and_every_page_a_type() -> None:
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"index"}
    assert pages == {kind.problem for kind in problem_types()}


@pytest.mark.parametrize("kind", problem_types(), ids=lambda kind: kind.__name__)
def test_a_page_says_what_it_means_who_can_change_it_and_what_to_do(kind: type[RemoteError]) -> None:
    page = (FOLDER / f"{kind.problem}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {kind.title}\n")
    assert f"`{NAMESPACE}#{kind.problem}`" in page
    assert str(kind.status) in page.splitlines()[2]
    assert "**Who can change it:**" in page
    assert "**Next step:**" in page
    assert f"[`#{kind.problem}`]({kind.problem}.md)" in INDEX
