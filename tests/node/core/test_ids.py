"""Names on the wire and in commands."""

from __future__ import annotations

import secrets

import pytest

from node.core.ids import WIRE_ID_CHARS, wire_id


def test_a_name_is_128_random_bits_in_22_characters() -> None:
    names = {wire_id() for _ in range(1000)}
    assert len(names) == 1000
    assert {len(name) for name in names} == {WIRE_ID_CHARS}


def test_no_name_looks_like_an_option_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([b"\xf8" + bytes(15), b"\x00" * 16])
    monkeypatch.setattr(secrets, "token_bytes", lambda _: next(drawn))
    assert wire_id() == "A" * WIRE_ID_CHARS
