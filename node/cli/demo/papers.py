"""The two files of the demo, made here: a page of PDF and a plan as PNG. No library, so that nothing is shipped.

Source: ISO 32000-1, sections 7.5 and 9.4; PNG (third edition), sections 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence

PAGE_MM = (210, 297)
_POINT_MM = 25.4 / 72
_WIDTH, _HEIGHT = 960, 400
_MARGIN = 60
_INK, _TIMBER, _STEEL, _PAPER, _WATER = (
    (46, 52, 60),
    (190, 140, 84),
    (92, 108, 128),
    (250, 249, 246),
    (206, 224, 232),
)


def pdf(title: str, lines: Sequence[str]) -> bytes:
    """One A4 page with a title and lines, in Helvetica; what Latin 1 (cp1252) cannot write becomes '?'."""
    width, height = (round(side / _POINT_MM) for side in PAGE_MM)
    shown = [b"BT /F1 18 Tf 56 %d Td (%s) Tj ET" % (height - 80, _escaped(title))]
    shown += [
        b"BT /F1 11 Tf 56 %d Td (%s) Tj ET" % (height - 120 - 18 * number, _escaped(line))
        for number, line in enumerate(lines)
    ]
    stream = b"\n".join(shown)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>" % (width, height),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Title (%s) >>" % _escaped(title),
    ]
    written, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        written
        + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
        + table
        + b"trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, len(written))
    )


def plan_of_the_footbridge() -> bytes:
    """The elevation of an arch of timber over water, 960 x 400 pixels, PNG."""
    pixels = [bytearray(bytes(_PAPER) * _WIDTH) for _ in range(_HEIGHT)]

    def dot(x: float, y: float, colour: tuple[int, int, int], size: int) -> None:
        for row in range(round(y) - size // 2, round(y) - size // 2 + size):
            for column in range(round(x) - size // 2, round(x) - size // 2 + size):
                if 0 <= row < _HEIGHT and 0 <= column < _WIDTH:
                    pixels[row][3 * column : 3 * column + 3] = bytes(colour)

    def line(
        start: tuple[float, float], end: tuple[float, float], colour: tuple[int, int, int], size: int
    ) -> None:
        steps = round(max(abs(end[0] - start[0]), abs(end[1] - start[1]))) or 1
        for step in range(steps + 1):
            part = step / steps
            dot(start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part, colour, size)

    left, right, deck, springing = _MARGIN, _WIDTH - _MARGIN, 150, 300
    for row in range(318, 360):
        pixels[row][:] = bytes(_WATER) * _WIDTH
    for x in range(left, right + 1):
        across = 2 * (x - left) / (right - left) - 1
        dot(x, springing - 190 * (1 - across**2), _TIMBER, 11)
        dot(x, deck, _STEEL, 7)
    for x in range(left + 60, right, 60):
        across = 2 * (x - left) / (right - left) - 1
        line((x, springing - 190 * (1 - across**2)), (x, deck), _INK, 2)
    for x in (left, right):
        line((x, springing - 8), (x, 372), _INK, 26)
    line((left, 388), (right, 388), _INK, 1)
    return _png(pixels)


def _escaped(text: str) -> bytes:
    plain = text.encode("cp1252", "replace")
    return plain.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _png(rows: Iterable[bytes | bytearray]) -> bytes:
    raw = b"".join(b"\x00" + bytes(row) for row in rows)
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
