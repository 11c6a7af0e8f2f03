"""Structured logs: one JSON object a line on standard error, or coloured text for a person in dev mode."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure_logs(dev: bool = False, level: int = logging.INFO) -> None:
    """Sets up logging of the whole process; standard output stays free for answers."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if dev and sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry the name of the part that wrote them."""
    if not structlog.is_configured():
        configure_logs()
    return structlog.get_logger(part=name)
