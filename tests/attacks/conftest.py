"""One honest world a module, one fence an attack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from jinja2 import FileSystemBytecodeCache

from node.relations.services import outside
from tests.attacks.fence import Fence, Recorded, World
from tests.node.spaces.world import Way, compiled


@contextmanager
def world_in(
    folder: Path, cache: FileSystemBytecodeCache, **settings: str
) -> Iterator[tuple[World, Recorded]]:
    """A world of its own; `settings` are of the one that is attacked."""
    net = Recorded()
    with ExitStack() as closing:
        patched = closing.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(outside, "egress_to", lambda _ground, _origin: Way(net))
        yield World.begin(folder, net, cache, closing, **settings), net


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, compiled: FileSystemBytecodeCache
) -> Iterator[tuple[World, Recorded]]:
    """The world of the attacks of a module: none of them changes it."""
    with world_in(tmp_path_factory.mktemp("attacks"), compiled) as made:
        yield made


@pytest.fixture
def fence(world: tuple[World, Recorded]) -> Fence:
    return Fence(*world)


@pytest.fixture
def fresh(tmp_path: Path, compiled: FileSystemBytecodeCache) -> Iterator[Fence]:
    """A fence of its own, for what must change the world before it attacks."""
    with world_in(tmp_path, compiled) as (made, net):
        yield Fence(made, net)


__all__ = ["compiled"]
