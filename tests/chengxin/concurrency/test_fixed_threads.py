"""The threads are there before the first call, and a system that has too few says so at the start."""

import subprocess
import sys
import threading

from chengxin.bounds import Bound
from chengxin.concurrency.fixed_threads import fixed_threads

SCARCE = """
import resource, threading
from chengxin.bounds import Bound
from chengxin.concurrency.fixed_threads import fixed_threads
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
threading.stack_size(256 * 1024 * 1024)
try:
    fixed_threads(Bound("here", (), "threads", 50, 1, 1.0, "a test"), "scarce")
except RuntimeError as e:
    print(e)
"""


def test_every_thread_is_there_before_the_first_call() -> None:
    pool = fixed_threads(Bound("here", (), "threads", 20, 1, 1.0, "a test"), "early")
    try:
        assert len([t for t in threading.enumerate() if t.name.startswith("early")]) == 20
        assert pool.submit(lambda: "served").result(10) == "served"
    finally:
        pool.shutdown()


def test_a_system_without_enough_threads_is_told_at_the_start() -> None:
    done = subprocess.run([sys.executable, "-c", SCARCE], capture_output=True, text=True, timeout=30, check=False)
    assert "can't start new thread" in done.stdout, done.stderr
