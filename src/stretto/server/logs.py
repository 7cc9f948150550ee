"""The server's log: a line for each happening, as JSON for machines or as text for a terminal, without secrets."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Literal

from stretto.models.errors import masked
from stretto.monitoring.labels import clean
from stretto.server.request_ids import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Generator

LogFormat = Literal["json", "text"]
_ROOTS = ("stretto", "uvicorn")
MOST_CHARACTERS = 20_000
"""How long a line may become; a traceback is cut, not the begin of what is said."""


class LogLines(logging.Formatter):
    """Makes a line of a record: when, how bad, where from, what, and for which request; secrets are masked."""

    def __init__(self, form: LogFormat, secrets: Collection[str] = ()) -> None:
        super().__init__()
        self._form, self._secrets = form, tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end."""
        words = self._clean(record.getMessage())
        trace = self._clean(self.formatException(record.exc_info)) if record.exc_info else ""
        if self._form == "text":
            when = time.strftime("%H:%M:%S", time.localtime(record.created))
            told = self._told(record)
            tail = f" {told['ms']} ms" if "ms" in told else ""
            return f"{when} {record.levelname.lower():<7} {clean(words)}{tail}" + "".join(
                f"\n  {clean(line)}" for line in trace.splitlines()
            )
        whole: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": words,
        }
        if request_id := REQUEST_ID.get():
            whole["request_id"] = request_id
        whole.update(self._told(record))
        if trace:
            whole["exception"] = trace
        return json.dumps(whole, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode()

    def _told(self, record: logging.LogRecord) -> dict[str, Any]:
        told: Mapping[str, Any] = getattr(record, "told", {})
        return {name: self._clean(held) if isinstance(held, str) else held for name, held in told.items()}

    def _clean(self, text: str) -> str:
        kept = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} … ({len(text)} characters)"
        return masked(kept, self._secrets)


@contextmanager
def logging_to(
    stream: IO[str] | None = None, *, form: LogFormat = "json", secrets: Collection[str] = (), level: int = logging.INFO
) -> Generator[None]:
    """Has the server's records written to a stream (stderr) inside the block, and nowhere else."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LogLines(form, secrets))
    loggers = [logging.getLogger(name) for name in _ROOTS]
    before = [(one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(level if one.name == "stretto" else logging.WARNING)
        one.propagate = False
    try:
        yield
    finally:
        for one, (its_level, propagate) in zip(loggers, before, strict=True):
            one.removeHandler(handler)
            one.setLevel(its_level)
            one.propagate = propagate
