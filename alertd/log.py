"""Logging: structlog for all, the standard library's routed through it, secrets cut out.

Whoever logs names recipients by id; the processor here is the second line of defence.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from alertd.core.errors import AlertdError
from alertd.sections import Log

REDACTED = "[redacted]"
SECRET_KEYS = re.compile(
    r"(?i)(^|_)(address|authorization|birth_date|body|child|children|companion|cookie|email|"
    r"facts|mail|master_key|number|password|phone|plate|secret|signature|texts?|to|token)s?$"
)
# What libraries write by themselves: bearer tokens, signing secrets, numbers, mailboxes.
SECRET_TEXT = re.compile(
    r"(?i)\bbearer\s+\S+|\bwhsec_\S+|\balertd_[a-z0-9_-]{16,}"
    r"|\+\d[\d ]{7,}\d|[\w.+-]+@[\w-]+\.[\w.-]+"
)
NOISY = ("aiosmtplib", "alembic", "apscheduler", "asyncio", "sqlalchemy", "twilio", "urllib3")


def configure(log: Log, stream: TextIO | None = None) -> None:
    """Send every log line of this process, ours and libraries', to `stream` (stderr)."""
    level = logging.getLevelNamesMapping()[log.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(log, handler.stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _rendering(log: Log, stream: TextIO) -> list[Processor]:
    if log.format == "json":
        return [
            without_values,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    return [
        without_values,
        redact,
        structlog.dev.ConsoleRenderer(colors=stream.isatty()),
    ]


def without_values(
    _logger: Any,
    _method: str,
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Put the exception as types and lines; what others' errors say may quote personal data."""
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple):
        raised = raised[1]
    elif raised and not isinstance(raised, BaseException):
        raised = sys.exc_info()[1]
    if isinstance(raised, BaseException):
        event["exception"] = "\n".join(_told(raised))
    return event


def _told(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _told(cause)
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{frame.filename}:{frame.lineno} {frame.name}"
    yield (
        f"{type(error).__name__}: {error}"
        if isinstance(error, AlertdError)
        else type(error).__name__
    )
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _told(part)


def redact(
    _logger: Any,
    _method: str,
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Cut out values under telling keys and whatever looks like an address or a secret."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if SECRET_KEYS.search(key) and not isinstance(value, bool | int | float | None):
        return REDACTED
    if isinstance(value, str):
        return SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, MutableMapping):
        return {name: _redacted(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(key, part) for part in value]
    return value
