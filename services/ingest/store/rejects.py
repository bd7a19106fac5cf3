"""Rejects as they are kept: the items as delivered and what is wrong with them, sealed."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chengxin.store.field_encryption import KeyRing
from services.ingest.domain.submission import DeliveredRecord, RecordOutcome
from services.ingest.domain.validator import Violation

_CONTEXT: Final = "reject"
_encoder: Final = msgspec.json.Encoder()


class RejectContent(msgspec.Struct):
    """What a reject keeps sealed: the items as delivered, and what is wrong."""

    items: dict[str, str]
    violations: list[Violation]


def sealed_reject(ring: KeyRing, delivered: DeliveredRecord, became: RecordOutcome) -> bytes:
    """The content of a reject as the store keeps it."""
    content = RejectContent(dict(delivered.items), list(became.violations))
    return ring.encrypt_bytes(_encoder.encode(content), _CONTEXT)


def opened_reject(ring: KeyRing, row: Mapping[str, Any]) -> RejectContent:
    """The content of a stored reject."""
    return msgspec.json.decode(ring.decrypt_bytes(bytes(row["sealed"]), _CONTEXT), type=RejectContent)
