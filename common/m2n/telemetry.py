"""Logs as JSON lines and figures for Prometheus; neither ever holds message text, phone numbers or secrets."""

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

HANDLED = Counter("m2n_events_handled", "Events by topic and what became of them", ["topic", "result"])
DEAD_LETTERS = Counter("m2n_dead_letters", "Messages set aside", ["origin"])
DEAD_LETTERS_KEPT = Gauge("m2n_dead_letters_kept", "Dead letters that nobody has put back yet", ["tenant"])
DEAD_LETTERS_SPOOLED = Gauge("m2n_dead_letters_spooled", "Dead letters on disk, waiting for the database")
REDRIVES = Counter("m2n_dead_letter_redrives", "Dead letters put back", ["origin", "result"])
UNREADABLE = Counter("m2n_webhooks_unreadable", "Genuine webhooks that no adapter could read", ["channel"])
HANDLE_SECONDS = Histogram("m2n_event_seconds", "Time to handle one event", ["topic"])

_NEVER_LOGGED = frozenset(
    {"text", "body", "content", "messages", "lines", "token", "secret", "authorization", "phone", "to"}
)


def _drop_private(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: ("(not logged)" if key in _NEVER_LOGGED else value) for key, value in event.items()}


def configure_logging(service: str, level: str) -> None:
    """JSON lines on standard output, from structlog and from the libraries' loggers alike."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_private,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    _take_over_library_logs([*shared, structlog.stdlib.add_logger_name])


def _take_over_library_logs(processors: list[Any]) -> None:
    """uvicorn has set up loggers of its own by the time that the app is loaded."""
    handler = logging.StreamHandler(sys.stdout)
    render = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=processors, processors=render))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        if library.hasHandlers():  # --no-access-log takes them away, and means it
            library.handlers.clear()
            library.propagate = True


def where(failed: BaseException) -> str:
    """File, line and function at which an exception was raised: unlike its words, they cannot quote data."""
    frames = traceback.extract_tb(failed.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else ""


def log() -> Any:
    return structlog.get_logger()
