"""Logs as lines of JSON on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time

#: What every record has; the rest is what a caller added.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class JsonLines(logging.Formatter):
    """A record as one line of JSON; line ends and terminal codes in values are escaped by it."""

    def format(self, record: logging.LogRecord) -> str:
        """``time``, ``level``, ``logger``, ``event``, and what the caller added."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        # Libraries add names of their own, such as Ray, which begin with an underscore.
        own = {k: v for k, v in vars(record).items() if k not in _USUAL and k[0] != "_"}
        entry.update(own)
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Send every logger's records to stderr as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
