"""A process that is asked to stop ends, however often and whenever it is asked."""

import subprocess
import sys
import threading

import pytest

from chengxin.process import stop_signals
from chengxin_cli.suite.stores import free_ports
from tests.chengxin.process import stopped_rounds

STOPS = 200
ON_STOP = """
import os, signal, threading
from chengxin.process import stop_signals
lock, stop = threading.Lock(), threading.Event()
def act():
    with lock:
        stop.set()
stop_signals.on_stop(act)
for _ in range(3):
    with lock:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), number)
print(stop.wait(10), flush=True)
"""


def test_200_stops_at_drawn_moments_of_start_load_and_rest_leave_nothing_behind() -> None:
    ports = [str(port) for port in free_ports(8)]
    program = [sys.executable, "-m", stopped_rounds.__name__, "41", str(STOPS), *ports]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=200)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_done_at_a_stop_may_take_a_lock_that_the_main_thread_holds() -> None:
    done = subprocess.run([sys.executable, "-c", ON_STOP], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.parametrize("ignored", ["SIGHUP", "SIGINT"])
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(ignored: str) -> None:
    program = f"import signal\nsignal.signal(signal.{ignored}, signal.SIG_IGN)\n" + ON_STOP.replace(
        "(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)", f"(signal.{ignored},)"
    ).replace("stop.wait(10)", "stop.wait(0.2)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_a_thread_that_would_still_get_the_signals_is_a_mistake_that_is_told() -> None:
    running = threading.Event()
    other = threading.Thread(target=running.wait)
    other.start()
    try:
        with pytest.raises(RuntimeError, match="another thread runs already"):
            stop_signals.on_stop(running.set)
    finally:
        running.set()
        other.join()
