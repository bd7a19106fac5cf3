"""A service process: one granian worker for HTTP with the gRPC server and background work beside it."""

import ctypes
import gc
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import util
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from chengxin.audit.kinds import WITHHELD
from chengxin.bounds import FACE_THREADS, bound
from chengxin.process import stop_signals
from chengxin.values.personal_numbers import holds_personal_number
from chengxin.values.shown_text import escape, escape_lines

# A worker that has not ended after so many seconds is killed.
_STOP_SECONDS = 8
# The time for the head of a request.
_HEAD_SECONDS = 10
# New objects between two runs of the cyclic collector; Python's own 700 is for small programs.
_ALLOCATIONS = 50_000
# How much of a traceback is logged: characters of a line, and how many of the last lines.
_LONGEST_LINE = 200
_MOST_LINES = 100
# What log lines hold that no caller chose: it is looked at no further.
_MADE = ("timestamp", "level", "service")
_PLAIN = (bool, int, float, type(None))

_THREADS: Final = bound(
    __name__,
    "Granian",
    resource="Threads of an HTTP face",
    total=FACE_THREADS,
    share="the gateway's permits for one caller; at the gateway itself see its own bounds",
    seconds="until the answer",
    why="More than the gateway sends to one service, so that health is answered while everything else is taken",
    test="tests/disclosure/test_public_feed.py::test_who_finds_no_place_to_wait_in_is_answered_at_once",
)


class Background(Protocol):
    """Work that runs beside the faces."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Service:
    """What a composition root wires: the faces, the background work, and what to close last."""

    app: Any
    grpc_server: Any
    background: Sequence[Background] = field(default_factory=list)
    close: Callable[[], None] = lambda: None


def serve(
    name: str,
    http_listen: str,
    compose: Callable[[], Service],
    threads: int = _THREADS.total,
    connections: int = 1024,
) -> None:
    """Runs a service until SIGTERM, SIGINT or SIGHUP. `compose` runs in the worker process, where everything lives.

    `http_listen` is host:port, or unix: and a path. More than so many `connections` wait until others end.

    The calling process only keeps the worker alive: it should import little before the call.
    """
    host, _, port = http_listen.rpartition(":")
    listen_options: dict[str, Any] = {"uds": Path(port)} if host == "unix" else {"address": host, "port": int(port)}
    parent = os.getpid()
    server = Granian(
        name,
        **listen_options,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        websockets=False,
        log_access=False,
        log_level=LogLevels.error,
        respawn_failed_workers=False,
        # Behind the gateway everything is HTTP/1.1. One connection of HTTP/2 is as many requests as its client likes.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_SECONDS * 1000),
        backpressure=connections,
        workers_kill_timeout=_STOP_SECONDS,
    )

    def load(*_: Any) -> Any:
        stop_signals.on_stop_in_worker()
        die_with_parent(parent)
        configure_logging(name)
        service = compose()
        # The objects that exist now stay, so the collector need not look at them again. It also need not look so often
        # at what a batch of a thousand records allocates (that took a fifteenth of ingest's time).
        gc.freeze()
        gc.set_threshold(_ALLOCATIONS)
        service.grpc_server.start()
        for work in service.background:
            work.start()
        util.Finalize(None, _stop, args=(service,), exitpriority=100)
        return service.app

    stop_signals.on_stop(server.signal_handler_interrupt)
    server.serve(target_loader=load, wrap_loader=False)


def _stop(service: Service) -> None:
    for work in service.background:
        work.stop()
    service.grpc_server.stop(grace=1).wait(2)
    service.close()


def die_with_parent(parent: int) -> None:
    """Ends this process at once when its parent, `parent`, ends or has ended already (Linux).

    It ends at once because a worker that lost its parent and stops slowly holds the port of its successor. What this
    cuts off was not acknowledged.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
        # The parent may have ended before the kernel was asked.
        if os.getppid() != parent:
            os._exit(1)


def _format_traceback(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    # A store's message about a failed write ends with the document: the log must hold neither its megabytes nor its
    # content.
    return _bounded("".join(traceback.format_exception(*exc_info)))


def _bounded(text: str) -> str:
    """The last lines of a text, without what a line has too much, and without lines that hold a number of a person."""
    lines = (line[:_LONGEST_LINE] for line in text.splitlines()[-_MOST_LINES:])
    kept = "\n".join(WITHHELD if holds_personal_number(line) else line for line in lines)
    # A number may go on in the next line.
    return WITHHELD if holds_personal_number(kept) else kept


def _withhold(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The one place through which each log line goes: no value of it holds a number of a person."""
    return {
        key: value if key in _MADE or isinstance(value, _PLAIN) else _bounded(str(value))
        for key, value in event.items()
    }


class _LibraryLines(logging.Formatter):
    """Lines of libraries (gRPC, Granian, the driver), which know nothing of this."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_lines(_bounded(super().format(record)))


def _to_json(event: Any, **options: Any) -> str:
    return escape(json.dumps(event, ensure_ascii=False, **options))


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger().error("uncaught error", exc_info=(kind, error, trace))


def configure_logging(service: str) -> None:
    """Logs one JSON object a line to standard error. No log line holds a number that stands for a person."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(_LibraryLines("%(message)s"))
    logging.basicConfig(handlers=[lines], level=logging.WARNING)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_format_traceback),
            _withhold,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)
