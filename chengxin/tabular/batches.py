"""Rows in batches that fit a transaction and a message: the same file always gives the same batches."""

from collections.abc import Iterable, Iterator
from typing import Final

from chengxin.tabular.source import Row

_RECORDS: Final = 1000
# Well under the 16 MiB of a message at three bytes a character.
_CHARACTERS: Final = 2_000_000


def in_batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Batches of up to 1,000 rows, fewer where rows are very long."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(map(len, row.items.values()))
        if len(batch) == _RECORDS or size >= _CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
