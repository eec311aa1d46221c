"""Messages as values."""

from __future__ import annotations

from federation.http import Headers


def test_fields_compare_without_case_and_are_joined_in_order() -> None:
    headers = Headers([("Via", " a "), ("via", "b"), ("Date", "x")])
    assert headers.get("VIA") == "a, b"
    assert headers.get("expect") is None
    assert list(headers.with_(("VIA", "c"))) == [("Date", "x"), ("VIA", "c")]


def test_headers_are_values() -> None:
    one, same, other = Headers([("A", "1")]), Headers([("A", "1")]), Headers([("A", "2")])
    assert one == same
    assert one != other
    assert one != [("A", "1")]
    assert len({one, same, other}) == 2
    assert repr(one) == "Headers([('A', '1')])"
