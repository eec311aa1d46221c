"""What scenes look at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from node.cli.demo import scene
from node.cli.demo.houses import House


def test_all_posts_of_a_long_thread_are_found() -> None:
    pages = {
        None: {"first": {"id": "1"}, "items": [{"id": "4"}, {"id": "5"}], "before": 4},
        4: {"first": {"id": "1"}, "items": [{"id": "2"}, {"id": "3"}], "before": None},
    }

    def get(path: str, before: int | None = None, **_query: object) -> Any:
        return {"items": [{"key": "t"}]} if path.startswith("/spaces/") else pages[before]

    house = cast("House", SimpleNamespace(admin=SimpleNamespace(get=get)))
    assert [post["id"] for post in scene.posts_of(house, "s")] == ["1", "2", "3", "4", "5"]
