"""Demonstration entries as disclosure keeps them, and records delivered under them."""

from datetime import UTC, datetime, timedelta

from msgspec import structs

from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.record_fragments import Fragment, fragment_of
from services.disclosure.domain.record_views import RecordVersion
from tests.disclosure.running_disclosure import demo_entry

CODES = ("XZXK", "XZCF", "CFGR", "SXBZX", "SBJF", "SDQQF", "TQNMGGZ", "XKGR", "ZDSSWF", "ZYFWRY", "ZYZG")
ENTRIES = {code: DisclosureEntry.read(demo_entry(code) | {"version": 1}) for code in CODES}


def fragment(entry: DisclosureEntry, items: dict[str, str], opened: dict[str, str], kind: str) -> Fragment:
    return fragment_of(0, structs.replace(delivered(entry, items), kind=kind), entry, opened, False)[0]


def delivered(entry: DisclosureEntry, items: dict[str, str]) -> RecordVersion:
    at = datetime(2026, 11, 24, tzinfo=UTC) + timedelta(0)
    return RecordVersion(
        "r_1",
        1,
        entry.code,
        1,
        "P",
        "提供单位",
        "s_1",
        "identity_number",
        "individual",
        "李娜",
        "",
        items,
        False,
        at.isoformat(),
        at.date(),
    )
