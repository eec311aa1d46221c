"""What a node says of itself to the library: fixed for the life of the process."""

from __future__ import annotations

from dataclasses import dataclass

from federation import limits


@dataclass(frozen=True, slots=True)
class Settings:
    """The node that this library speaks for.

    `node` is the IRI of its node actor, `origin` its scheme://host[:port], `name` its legal name.
    Sizes in bytes.
    """

    node: str
    origin: str
    name: str
    development: bool = False
    max_line_bytes: int = limits.MAX_LINE_BYTES
    max_batch_bytes: int = limits.MAX_BATCH_BYTES
    max_batch_lines: int = limits.MAX_BATCH_LINES

    @property
    def exchange(self) -> str:
        """Where partners post batches (PROTOCOL 2.i)."""
        return f"{self.origin}/exchange"

    @property
    def inbox(self) -> str:
        """Where the handshake arrives (PROTOCOL 2.0, *Endpoints*)."""
        return f"{self.node}/inbox"
