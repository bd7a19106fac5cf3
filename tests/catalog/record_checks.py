"""Whether the schema of a version accepts a record."""

from collections.abc import Callable
from functools import cache

import fastjsonschema

from services.catalog.domain.entry import Entry, EntryContent
from services.catalog.domain.record_schema import record_schema
from tests.catalog.licensing_entry import NOW, TODAY


@cache
def accepts(content: EntryContent) -> Callable[[dict[str, str]], bool]:
    """Whether a version's published schema accepts a record."""
    check = fastjsonschema.compile(record_schema(Entry(content, 1, TODAY, None, NOW)))

    def good(record: dict[str, str]) -> bool:
        try:
            check(record)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return good


def fits(content: EntryContent) -> Callable[[dict[str, str]], bool]:
    """Whether the schema accepts the example of a template, but for the name that marks it as one."""
    good = accepts(content)
    name = {content.subject_name_item: "甲"} if content.subject_name_item else {}
    return lambda example: good(example | name) and not (name and good(example))
