"""How long the suite takes to be ready once it is set up, and the memory that it holds at rest."""

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench.figures import figure
from tests.city import City, running_city


def starting(city: City) -> Iterator[Any]:
    """Of a second start, and of the suite that ran all along."""
    ours = [psutil.Process(city.process.pid), *psutil.Process(city.process.pid).children(recursive=True)]
    yield figure("memory.after_bench", [sum(p.memory_full_info().pss for p in ours) / 1024**2], "MiB")
    with TemporaryDirectory(prefix="chengxin-start-") as directory:
        home = Path(directory)
        with running_city(home):
            pass
        with running_city(home) as again:
            ours = [psutil.Process(again.process.pid), *psutil.Process(again.process.pid).children(recursive=True)]
            idle = sum(p.memory_full_info().pss for p in ours) / 1024**2
        seconds = [float(s) for s in re.findall(r"ready after ([0-9.]+) s", (home / "up.log").read_text())]
    yield figure("memory.idle", [idle], "MiB")
    yield figure("start.ready", [seconds[-1]], "s")
