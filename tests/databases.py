"""Databases of services, lent to one test after the other: to make one, with its collections and indexes, took a third of
the time in which a test begins."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient

from chengxin.values.ids import new_id
from tests.documents import WRITES

_free: defaultdict[tuple[str, Callable[[str], str]], list[str]] = defaultdict(list)


@contextmanager
def lent(stores: Callable[[str], str], service: str, prepare: Callable[[str], None]) -> Iterator[str]:
    """The URI of a database that is as `prepare` makes it from nothing: collections and indexes without documents. It is
    lent again only if it is so afterwards."""
    free = _free[service, stores]
    if free:
        name = free.pop()
    else:
        name = new_id(service)
        prepare(stores(name))
        assert not WRITES.written[name]
        WRITES.reshaped.discard(name)
    yield stores(name)
    with MongoClient[dict[str, Any]](stores(name)) as client:
        for collection in WRITES.written.pop(name, ()):
            client[name][collection].delete_many({})
        if name not in WRITES.reshaped and client[name].command("dbStats")["objects"] == 0:
            free.append(name)
