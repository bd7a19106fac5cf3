"""How a collection shrinks, or why it does not: declared beside each document, shown in docs/operations/storage.md."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RetentionKind(StrEnum):
    """What keeps a collection from growing without end."""

    # The store deletes its documents at an instant, by an index.
    EXPIRES = "expires"
    # The service deletes its documents when they are no longer needed.
    REMOVED = "removed"
    # It has one document for each of something that a city has few of.
    BOUNDED = "bounded"
    # Its documents are what the service is for, or what must be proved later.
    KEPT = "kept"


@dataclass(frozen=True)
class Retention:
    """What keeps a collection from growing without end, and when or why."""

    kind: RetentionKind
    why: str


class UndeclaredRetention(LookupError):
    """A document does not say how its collection shrinks, or says what its indexes do not do."""


def expires(why: str) -> Retention:
    """The store deletes its documents; `why` says when."""
    return Retention(RetentionKind.EXPIRES, why)


def removed(why: str) -> Retention:
    """The service deletes its documents; `why` says when."""
    return Retention(RetentionKind.REMOVED, why)


def bounded(why: str) -> Retention:
    """It has few documents; `why` says one for each of what."""
    return Retention(RetentionKind.BOUNDED, why)


def kept(why: str) -> Retention:
    """Its documents stay for ever; `why` says what they are needed for."""
    return Retention(RetentionKind.KEPT, why)


def retention_of(document: Any) -> Retention:
    """What a document class declares in its `meta` as `retention`. Raises `UndeclaredRetention`."""
    declared = document._meta.get("retention")
    if not isinstance(declared, Retention):
        raise UndeclaredRetention(f"{document.__name__}: its meta has no `retention`; see chengxin/store/retention.py")
    has_expiry = any("expireAfterSeconds" in spec for spec in document._meta["index_specs"])
    if has_expiry is not (declared.kind is RetentionKind.EXPIRES):
        raise UndeclaredRetention(f"{document.__name__}: its indexes and its `retention` differ on whether it expires")
    return declared


def direct_writes_of(document: Any) -> dict[str, str]:
    """The functions that write to a document's collection outside of a transaction, each with the reason.

    They escape the check that a change commits with its audit event.
    """
    return dict(document._meta.get("direct_writes", {}))
