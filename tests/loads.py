"""What a request reads of its service's store."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.collection import Collection


@contextmanager
def counted_loads() -> Iterator[Counter[str]]:
    """How often each collection is asked inside, by any thread; a generation's number is left out of its name."""
    loads: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for method in ("find", "find_one", "aggregate", "count_documents"):
            patch.setattr(Collection, method, _counting(getattr(Collection, method), loads))
        yield loads


def _counting(method: Any, loads: Counter[str]) -> Any:
    def counting(collection: Any, *arguments: Any, **options: Any) -> Any:
        # `find_one` asks by `find`.
        if method.__name__ != "find_one":
            loads[collection.name.partition(".")[0]] += 1
        return method(collection, *arguments, **options)

    return counting
