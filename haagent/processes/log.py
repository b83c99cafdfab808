"""Structured logs: to journald with fields where systemd gave us its stream, else lines on standard error.

structlog's one home. State changes and refusals are logged once, by the director; everything else is counted.
"""

import logging
import os
import socket
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

JOURNAL_SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

Logger = structlog.typing.FilteringBoundLogger


class Journal:
    """Writes entries by journald's native protocol (systemd.journal-fields(7)): each key becomes a field."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def msg(self, *, event: str, level: str = "info", **fields: object) -> None:
        entry = {"MESSAGE": event, "PRIORITY": _PRIORITIES.get(level, 6), "SYSLOG_IDENTIFIER": "haagent"}
        entry |= {f"HAAGENT_{key.upper()}": value for key, value in fields.items()}
        data = b"".join(_field(key, str(value)) for key, value in entry.items())
        try:
            self._socket.sendto(data, JOURNAL_SOCKET)
        except OSError as error:  # journald is being restarted, or the entry is too large
            print(f"{event} {fields} (journal: {error.strerror})", file=sys.stderr)

    log = debug = info = warning = error = critical = msg


def _field(key: str, value: str) -> bytes:
    data = value.encode()
    if b"\n" in data:
        return key.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return key.encode() + b"=" + data + b"\n"


def _as_fields(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["level"] = level
    return event


def open_log(director: str) -> Logger:
    """JOURNAL_STREAM is set by systemd when our standard error is the journal."""
    if os.environ.get("JOURNAL_STREAM") and os.path.exists(JOURNAL_SOCKET):
        structlog.configure(
            processors=[_as_fields],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=lambda *_: Journal(),
        )
    else:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
                structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False)
                if sys.stderr.isatty()
                else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        )
    logger: Logger = structlog.get_logger().bind(director=director)
    return logger
