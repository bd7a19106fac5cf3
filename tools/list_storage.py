"""Writes docs/operations/storage.md, every collection and how it shrinks, from the code; with --check fails when it is
stale, or when a document does not say how its collection shrinks.

usage: python tools/list_storage.py [--check] [FILE]
"""

import inspect
import sys
from collections.abc import Iterator
from typing import Any, Final

from generated_documents import PACKAGES, ROOT, import_all, item, write_or_compare

_HEAD: Final = """<!-- made by `make docs` (tools/list_storage.py) -->

# What the stores keep, and for how long

Each service has a database of its own. Of each collection this page says what keeps it from growing without end: its
documents expire by an index of the store, the service removes them, there are few of them, or they are kept for ever,
with the reason. It is declared beside each document (`chengxin/store/retention.py`); a document without it fails
`make check`. Why so: [decision 39](../decisions/0039-what-a-store-tells-and-keeps.md).

A change commits with its audit event or not at all. Writes outside of a transaction escape that check: they are listed
with the reason.
"""


def documents() -> dict[str, list[Any]]:
    """The document classes of each part of the suite, in the order of its modules and lines."""
    from mongoengine import Document

    for _, package in PACKAGES:
        import_all(package)
    found: dict[str, list[Any]] = {title: [] for title, _ in PACKAGES}
    for document in _heirs(Document):
        for title, package in PACKAGES:
            if document.__module__.startswith(f"{package}.") and not document._meta.get("abstract"):
                found[title].append(document)
    return {
        title: sorted(some, key=lambda d: (d.__module__, inspect.getsourcelines(d)[1])) for title, some in found.items()
    }


def document() -> str:
    """The whole document. Raises `UndeclaredRetention`."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    for title, some in documents().items():
        if some:
            yield f"\n## {title}\n\n{''.join(map(_collection, some))}"


def _collection(document: Any) -> str:
    from chengxin.store.documents import collection_name
    from chengxin.store.retention import direct_writes_of, retention_of

    retention, about = retention_of(document), " ".join((inspect.getdoc(document) or "").split())
    text = item(f"`{collection_name(document)}`: {about}") + item(f"{retention.kind}: {retention.why}", 2)
    reasons: dict[str, list[str]] = {}
    for function, reason in direct_writes_of(document).items():
        reasons.setdefault(reason, []).append(f"`{function}`")
    return text + "".join(
        item(f"outside of a transaction, by {', '.join(functions)}: {reason}", 2)
        for reason, functions in reasons.items()
    )


def _heirs(of: Any) -> Iterator[Any]:
    heir: Any
    for heir in of.__subclasses__():
        yield heir
        yield from _heirs(heir)


if __name__ == "__main__":
    write_or_compare(sys.argv[1:], ROOT / "docs" / "operations" / "storage.md", document)
