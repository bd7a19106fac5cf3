"""The demonstration entry of administrative licensing, as a document and as content, and the day of the tests."""

from datetime import UTC, date, datetime
from typing import Any

from services.catalog.domain.entry import read_content
from tests.catalog.conftest import demo_entry

LICENSING = demo_entry("XZXK")
CONTENT = read_content(LICENSING)
NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)


def item(entry: dict[str, Any], code: str) -> dict[str, Any]:
    return next(i for i in entry["items"] if i["code"] == code)
