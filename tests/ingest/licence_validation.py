"""The validator and the record factory of the licensing entry."""

from datetime import UTC, date, datetime

from chengxin.store.field_encryption import KeyRing
from chengxin.values.ids import SubjectKey
from services.ingest.domain.catalog_entry import DeliveryEntry, EntryProvider, read_entry
from services.ingest.domain.validator import Validator
from services.ingest.store.record_factory import RecordFactory
from tests.ingest.deliveries import REGULATOR
from tests.ingest.running_ingest import demo_entry


def _entry() -> DeliveryEntry:
    """The licensing entry, with two sums and a reason that only some states may have."""
    entry = demo_entry("XZXK")
    for code in ("PAID", "DUE"):
        entry["items"].append({"code": code, "type": "number", "length": 12, "scale": 2, "unit": "元"})
    entry["items"].append({"code": "REASON", "type": "text", "length": 100})
    entry["cross_rules"] += [
        {"rule": "not_less", "item": "PAID", "other": "DUE"},
        {"rule": "forbidden_when", "item": "REASON", "other": "XK_ZT", "values": ["1"]},
    ]
    return read_entry(entry | {"version": 1})


ENTRY: DeliveryEntry = _entry()
VALIDATOR = Validator(ENTRY)
RECORDER = RecordFactory(SubjectKey(b"k" * 32), KeyRing({1: bytes(32)}))
PROVIDER = EntryProvider(REGULATOR, "阳江市市场监督管理局")
AT = datetime(2026, 11, 24, tzinfo=UTC)
TODAY = date(2026, 11, 24)
