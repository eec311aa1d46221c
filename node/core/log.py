"""The log: one line a fact, names and values, to standard error, where systemd or the container keeps it.

Rule: never content, secrets or whole bodies: ids, digests, rules, times. Source: SECURITY, TH-54; structlog.org.
"""

from __future__ import annotations

import logging
import sys

from node.config import Settings
from node.core.lean import without

with without("rich"):
    import structlog

get_logger = structlog.get_logger


def configure(settings: Settings) -> None:
    """Sets level and form for our own lines and for those of libraries (from WARNING on)."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_text = settings.log_format == "text"
    render: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=False)]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*chain, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        ),
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
