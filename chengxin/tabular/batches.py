"""Rows in batches that fit a transaction and a message: the same file always gives the same batches."""

from collections.abc import Iterable, Iterator
from typing import Final

from chengxin.tabular.bounds import MOST_BYTES_OF_BATCH, bytes_of
from chengxin.tabular.source import SourceRow

_RECORDS: Final = 1000


def in_batches(rows: Iterable[SourceRow]) -> Iterator[list[SourceRow]]:
    """Batches of up to 1,000 rows, fewer where rows are long; one that is longer than a batch is one."""
    batch: list[SourceRow] = []
    size = 0
    for row in rows:
        more = bytes_of(row.items)
        if batch and (len(batch) == _RECORDS or size + more > MOST_BYTES_OF_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += more
    if batch:
        yield batch
