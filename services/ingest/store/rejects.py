"""The sealed content of stored rejects: the items as delivered, and their violations."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chengxin.store.field_encryption import KeyRing
from services.ingest.domain.submission import DeliveredRecord, RecordOutcome
from services.ingest.domain.validator import Violation

_CONTEXT: Final = "reject"
_encoder: Final = msgspec.json.Encoder()


class RejectContent(msgspec.Struct):
    """What a reject keeps sealed: the items as delivered, and their violations."""

    items: dict[str, str]
    violations: list[Violation]


def sealed_reject(ring: KeyRing, delivered: DeliveredRecord, became: RecordOutcome) -> bytes:
    """Seals the content of a reject for the store."""
    content = RejectContent(dict(delivered.items), list(became.violations))
    return ring.encrypt_bytes(_encoder.encode(content), _CONTEXT)


def opened_reject(ring: KeyRing, row: Mapping[str, Any]) -> RejectContent:
    """Opens the content of a stored reject. Raises `DecryptionError`."""
    return msgspec.json.decode(ring.decrypt_bytes(bytes(row["sealed"]), _CONTEXT), type=RejectContent)
