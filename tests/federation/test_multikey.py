"""Multikeys and the base under them: one value, one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import multibase, multikey
from federation.errors import LocalError, Malformed

_PRIME = 2**255 - 19
_ORDER_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
_ORDER_8_TOO = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"


@given(st.binary(max_size=120), st.integers(0, 3))
def test_bytes_and_text_convert_both_ways(raw: bytes, zeros: int) -> None:
    raw = b"\0" * zeros + raw
    assert multibase.decode(multibase.encode(raw)) == raw


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "z"),
        (b"\0", "z1"),
        (b"\0\0\x01", "z112"),
        (b"Hello World!", "z2NEpo7TZRRrLZSi2U"),  # draft-msporny-base58, section 5
        (bytes.fromhex("0000287fb4cd"), "z11233QC4"),  # the same
    ],
)
def test_known_texts(raw: bytes, text: str) -> None:
    assert multibase.encode(raw) == text
    assert multibase.decode(text) == raw


@pytest.mark.parametrize(
    "text", ["", "1", "uAAAA", "z0", "zO", "zI", "zl", "z1 ", "z\n", "zé", "z" + "2" * 1024]
)
def test_another_text_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        multibase.decode(text)


def test_fep_521a_known_key() -> None:
    raw = bytes.fromhex("2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6")
    assert multikey.encode(raw) == "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    assert multikey.decode("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK") == raw


def test_the_secret_form_reads() -> None:
    assert len(multikey.decode_secret("z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq")) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z6Mk",
        "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq",  # a secret key
        "z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",  # X25519
        "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",  # P-256
        "z" + "6" * 47,
        "u7QEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK ",
        "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2do0",
    ],
)
def test_another_kind_of_key_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        multikey.decode(text)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize(
    "y",
    [
        0,
        1,
        _PRIME - 1,
        _PRIME,
        _PRIME + 1,
        2**255 - 1,
        int.from_bytes(bytes.fromhex(_ORDER_8), "little"),
        int.from_bytes(bytes.fromhex(_ORDER_8_TOO), "little"),
    ],
)
def test_points_of_low_order_are_no_keys(y: int, sign: int) -> None:
    raw = (y | sign << 255).to_bytes(32, "little")
    with pytest.raises(Malformed):
        multikey.decode(multikey.encode(raw))


def test_a_key_of_another_length_is_our_fault() -> None:
    with pytest.raises(LocalError):
        multikey.encode(b"short")


@given(st.text(max_size=60))
def test_texts_of_strangers_are_read_or_malformed(text: str) -> None:
    try:
        raw = multikey.decode("z" + text)
    except Malformed:
        return
    assert multikey.encode(raw) == "z" + text
