"""Log lines as JSON, one object a line, for programs that collect logs."""

from __future__ import annotations

import json
import logging
import os

from data.domain import format_instant

_LOGGERS = ("", "bentoml", "uvicorn", "uvicorn.error", "leadloop")


class JsonLines(logging.Formatter):
    """``time`` (UTC), ``level``, ``logger``, ``message``, ``process``, and with a fault its type as ``fault``; never a stack trace."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": format_instant(int(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": os.getpid(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            # A trace may quote what a caller sent.
            said["fault"] = record.exc_info[0].__name__
        return json.dumps(said, ensure_ascii=False)


def write_json_lines() -> None:
    """Have all handlers of this process write JSON lines to standard error."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(JsonLines())
            else:  # one that draws for a terminal formats as it likes
                logger.removeHandler(handler)
                logger.addHandler(_to_stderr(handler.level))
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(_to_stderr(logging.NOTSET))


def _to_stderr(level: int) -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(JsonLines())
    return handler
