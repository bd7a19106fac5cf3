"""Threads that are all there before the first call comes, so that no call can find that the system has none left."""

import threading
from concurrent.futures import ThreadPoolExecutor

from chengxin.bounds import Bound, own

own(
    __name__,
    "ThreadPoolExecutor",
    resource="Pools of threads that are all started",
    total=1,
    why="Declared where such a pool is made",
)


def fixed_threads(bound: Bound, name: str) -> ThreadPoolExecutor:
    """Returns a pool whose `total` threads are started.

    A pool starts its threads when they are needed. When the system refuses one, `submit` raises; in gRPC's server that
    ends the thread that serves, for good, while the process lives on (grpcio 1.85). Here the process does not start.

    Raises `RuntimeError` when the system does not give so many threads.
    """
    threads = ThreadPoolExecutor(bound.total, thread_name_prefix=name)
    all_started = threading.Event()
    try:
        # As long as none is free, each piece of work starts another thread.
        for _ in range(bound.total):
            threads.submit(all_started.wait)
    except RuntimeError:
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        all_started.set()
    return threads
