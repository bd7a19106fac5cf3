"""Files of given content, as a service opens them."""

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin.tabular.source import Source, open_source


@contextlib.contextmanager
def given(content: bytes) -> Iterator[Any]:
    """A file of this content."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file


def opened(content: bytes, name: str) -> Source:
    """The file as it was read."""
    with given(content) as file:
        return open_source(file, name)


def refused(content: bytes, name: str) -> Problem:
    """Why a file is refused."""
    with pytest.raises(Problem) as told, opened(content, name) as source:
        for _ in source._content.pieces():
            pass
    return told.value
