"""What a store keeps and what JSON says, as Python holds it: names to values."""

from typing import Any

RawDocument = dict[str, Any]
