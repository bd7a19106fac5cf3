"""How a process learns that it is asked to stop: the only place that handles signals.

A Python handler runs between two instructions of the main thread. When it takes a lock which that thread holds, the
process hangs for ever: `threading.Event.set` in a handler does so when a second signal interrupts the first handler.
So no handler runs here. The signals are blocked, which every thread that starts later inherits, and one thread waits
for them (`sigwait`, POSIX); what it calls may take any lock. A second signal changes nothing (decision 41).
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from chengxin.bounds import own

_STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A library that serves may not have prepared yet for what its handler does, so it is asked again.
_REPEAT_SECONDS: Final = 1.0
own(
    __name__,
    "Thread",
    resource="The thread that waits for a signal to stop",
    total=1,
    why="one waits from the start; a second signal changes nothing",
)


def on_stop(act: Callable[[], object]) -> None:
    """Runs `act` in a thread of its own at the first SIGTERM, SIGINT or SIGHUP; the process no longer ends by them.

    Raises `RuntimeError` when another thread runs already: it does not block the signals, so they would end it and the
    process. A signal that this process was started to ignore (`nohup`) stays ignored. Child processes inherit that the
    signals are blocked: start them by `pdeathsig.py`, which takes the block away.
    """
    if sys.platform == "linux" and len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("another thread runs already; call on_stop first, also before imports that start one")
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    awaited = [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]

    def wait() -> None:
        signal.sigwait(awaited)
        act()

    threading.Thread(target=wait, name="stop-signals", daemon=True).start()


def on_stop_in_worker() -> None:
    """The same in a forked worker whose library will install a handler of its own.

    Until it has done so a stop ends the process at once. Afterwards its handler is called, from a thread.
    """
    for number in _STOPS:
        # The fork inherits the handlers of its parent, which are not meant for it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    on_stop(_call_the_librarys_handler)


def take_no_more() -> None:
    """From now on a stop changes nothing: the process is ending."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


def _call_the_librarys_handler() -> None:
    while callable(handler := signal.getsignal(signal.SIGTERM)):
        handler(signal.SIGTERM, None)
        time.sleep(_REPEAT_SECONDS)
    os._exit(128 + signal.SIGTERM)
