"""Logs: to standard error, for a person on a terminal and as one JSON object a line everywhere else."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from peerkey_cli.terminal import coloured

if TYPE_CHECKING:
    from structlog.typing import Processor


def configure(*, level: int = logging.INFO) -> None:
    """Send what this process logs, and the warnings of the libraries in it, to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Processor
    if sys.stderr.isatty():
        last = structlog.dev.ConsoleRenderer(colors=coloured(sys.stderr))
    else:
        shared.append(structlog.processors.format_exc_info)
        last = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove_meta, last])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
