"""What only the wire needs to remember, and what sends: streams, raw activities, receipts, lanes."""

from __future__ import annotations

from node.core.capability import Capability
from node.exchange import jobs, ports
from node.exchange.lanes import Lanes

capability = Capability(
    name="exchange",
    ports={
        "journal": ports.Journal,
        "log": ports.Log,
        "streams": ports.Streams,
        "receipts": ports.Receipts,
        "checkpoints": ports.Checkpoints,
        "nonces": ports.Nonces,
        "introductions": ports.Introductions,
    },
    jobs=(
        jobs.try_held_lines,
        jobs.forget_nonces,
        jobs.sign_checkpoints,
        jobs.search_histories,
        jobs.tell_unconfirmed,
    ),
    commands="node.exchange.cli",
    background=(Lanes,),
)
