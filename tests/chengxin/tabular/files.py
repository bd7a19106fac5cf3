"""Files of given content, as a service opens them."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from chengxin.concurrency.shares import Claimant
from chengxin.errors import Problem
from chengxin.tabular.columns import Column, Columns
from chengxin.tabular.source import Source, open_source


@contextlib.contextmanager
def given(content: bytes) -> Iterator[Any]:
    """A file of this content."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file


# Whose files are read in tests.
CALLER: Final = Claimant("a provider", proven=True)


class _AnyColumns(Columns):
    """Takes any header."""

    def code(self, label: str) -> str:
        """Each column is an item."""
        return label

    def of_header(self, labels: Sequence[str]) -> list[Column]:
        """Refuses nothing."""
        return [Column(label, label) for label in labels]


ANY_COLUMNS: Final = _AnyColumns([])


def opened(content: bytes, name: str, entry: Columns = ANY_COLUMNS) -> Source:
    """The file as it was read."""
    with given(content) as file:
        return open_source(file, name, entry, CALLER)


def refused(content: bytes, name: str) -> Problem:
    """Why a file is refused."""
    with pytest.raises(Problem) as told, opened(content, name) as source:
        for _ in source._content.pieces():
            pass
    return told.value
