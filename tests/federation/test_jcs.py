"""RFC 8785: the fast path and the library give the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from federation import jcs
from federation.errors import LocalError
from federation.limits import MAX_SAFE_INTEGER

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=30,
)


@given(_values)
def test_every_value_has_the_bytes_of_the_rfc(value: Any) -> None:
    assert jcs.canonicalize(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.sampled_from(["a", "é", "\ue000", "\uffff", "😀", "B", ""]), st.integers(0, 3)))
def test_keys_are_sorted_by_utf16(value: dict[str, Any]) -> None:
    assert jcs.canonicalize(value) == rfc8785.dumps(value)


def test_astral_keys_come_before_the_private_use_area() -> None:
    assert jcs.canonicalize({"\ue000": 1, "😀": 2}) == '{"😀":2,"\ue000":1}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        [2**60],
        "\ud800",
        {"\udc00": 1},
        {1: 2},
        {"a": object()},
        {"a": {1}},
    ],
)
def test_what_has_no_canonical_form_is_our_fault(value: Any) -> None:
    with pytest.raises(LocalError):
        jcs.canonicalize(value)


def test_a_bottomless_value_is_our_fault() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(LocalError):
        jcs.canonicalize(value)


def test_scalars_at_the_top() -> None:
    assert [jcs.canonicalize(v) for v in (None, True, 5, "é", 1.5, ())] == [
        b"null",
        b"true",
        b"5",
        b'"\xc3\xa9"',
        b"1.5",
        b"[]",
    ]
