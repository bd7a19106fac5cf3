"""A document of a store, or an object of JSON, as Python holds it: a dict from names to values."""

from typing import Any

RawDocument = dict[str, Any]
