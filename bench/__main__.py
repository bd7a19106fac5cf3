"""`make bench`: prints the figures and writes `build/bench.json`, a list of {name, value, unit, against, ratio}.

Every ratio is of medians over interleaved rounds in this one run, on this machine, with both sides on the same store.
`python -m bench NAME …` measures only `queries`, `audit`, `ingestion`, `intake`, `start` or `search`, or what takes ten minutes more: `streaming`.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.auditing import auditing
from bench.ingestion import ingestion
from bench.intake import intake
from bench.queries import queries
from bench.search import search
from bench.starting import starting
from bench.streaming import streaming
from tests.city import City, running_city

PARTS: dict[str, Callable[[City], Iterable[Any]]] = {
    "queries": queries,
    "audit": auditing,
    "ingestion": ingestion,
    "intake": intake,
    "start": starting,
    # Last: a million organisations stay in the store.
    "search": search,
}
LONG: dict[str, Callable[[City], Iterable[Any]]] = {"streaming": streaming}


def main(names: list[str]) -> None:
    """Runs the suite, measures, prints and writes."""
    with running_city() as city:
        figures = [figure for name in names or PARTS for figure in (PARTS | LONG)[name](city)]
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps(figures, indent=1))
    table = Table("name", "value", "unit", "against", "ratio")
    for f in figures:
        ratio = "" if f["ratio"] is None else f"{f['ratio']:.3f}"
        table.add_row(f["name"], f"{f['value']:,}", f["unit"], f["against"] or "", ratio)
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
