"""Values are what frozen dataclasses are, but smaller."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, field, replace

import pytest

from node.core.values import value


@value
class Place:
    name: str
    floor: int = 0
    seen: int = field(default=0, compare=False, repr=False)


@value
class Room(Place):
    doors: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return bool(self.doors)


def test_values_with_equal_fields_are_equal() -> None:
    assert Place("Hall", 1, seen=1) == Place("Hall", 1, seen=2)
    assert hash(Place("Hall", 1, seen=1)) == hash(Place("Hall", 1, seen=2))
    assert Place("Hall") != Place("Hall", 1)
    assert Place("Hall") != Room("Hall")
    assert Place("Hall") != object()
    assert len({Room("Hall", doors=("a",)), Room("Hall", doors=("a",)), Room("Hall")}) == 2


def test_values_say_what_is_in_them() -> None:
    assert repr(Place("Hall", seen=3)) == "Place(name='Hall', floor=0)"
    assert repr(Room("Hall", doors=("a",))) == "Room(name='Hall', floor=0, doors=('a',))"


def test_values_are_dataclasses_with_slots() -> None:
    room = replace(Room("Hall", 1), doors=("a",))
    assert room.is_open
    assert asdict(room) == {"name": "Hall", "floor": 1, "seen": 0, "doors": ("a",)}
    with pytest.raises(AttributeError):
        room.colour = "red"  # type: ignore[attr-defined]


SIZES = """
import gc, tracemalloc
from dataclasses import dataclass
from node.core.values import value

def size(made):
    gc.collect()
    tracemalloc.start()
    fields = {"__annotations__": dict.fromkeys("abcdefgh", "int"), "__module__": __name__}
    kept = [made(type(f"X{n}", (), dict(fields))) for n in range(30)]
    gc.collect()
    found = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return found

size(value)  # what is made once
print(size(value) / size(dataclass(frozen=True, slots=True)))
"""


def test_a_class_of_values_takes_less_than_half_of_a_frozen_one() -> None:
    ran = subprocess.run([sys.executable, "-c", SIZES], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 0.5
