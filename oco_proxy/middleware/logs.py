"""Structured JSON logs on stderr: names, sizes and outcomes, never content."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# These would write addresses with query strings, which may carry a provider's key.
_TOO_TALKATIVE: Final = ("uvicorn.access", "aiohttp.access", "aiohttp.client", "httpx", "asyncio")


def log_call(values: dict[str, Any]) -> None:
    """The line of a call, in the form of every other line; structlog would cost as much as a Redis.

    Args:
        values: without event, level and timestamp.
    """
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {**values, "event": "call", "level": "info", "timestamp": at}
    sys.stderr.write(_line(line) + "\n")


def _line(values: Any, **_: Any) -> str:
    return msgspec.json.encode(values, enc_hook=str).decode()


def configure_logs(level: str) -> None:
    """Set up structlog once, and quieten the libraries that log what they carry."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
