"""Groups rows into batches that fit a transaction and a message: the same file always gives the same batches."""

from collections.abc import Iterable, Iterator
from typing import Final

from chengxin.tabular.bounds import MOST_BYTES_OF_BATCH, bytes_of
from chengxin.tabular.source import SourceRow

_MOST_RECORDS: Final = 1000


def in_batches(rows: Iterable[SourceRow]) -> Iterator[list[SourceRow]]:
    """Batches of up to 1,000 rows, fewer where rows are long; a row that is longer than a batch is a batch alone."""
    batch: list[SourceRow] = []
    size = 0
    for row in rows:
        row_size = bytes_of(row.items)
        if batch and (len(batch) == _MOST_RECORDS or size + row_size > MOST_BYTES_OF_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row_size
    if batch:
        yield batch
