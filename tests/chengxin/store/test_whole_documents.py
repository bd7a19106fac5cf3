"""A document that is written whole loses what another version stored in it: who does that says why nothing is lost."""

import ast
from collections.abc import Iterator
from typing import Final

import pytest

from tests.tools.loading import ROOT

# By file and function. Everything else goes through `Documents`, which leaves what is not declared as it is stored.
WHOLE: Final = {
    ("chengxin/store/documents.py", "replace"): "with what is not declared",
    ("chengxin/store/database.py", "_own_session"): "an id and a time, of a process that runs",
    ("chengxin/feeds/quarantine_rows.py", "put"): "a later part of the same name takes the place of an earlier one",
    ("services/audit/store/log.py", "save_segment"): "derived from the log, and written once",
    ("services/ingest/store/ingest_store.py", "put_entry"): "derived from the catalog's feed",
    ("services/ingest/store/ingest_store.py", "put_calendar_year"): "derived from the catalog's feed",
    (
        "services/ingest/store/ingest_store.py",
        "write",
    ): "another version of a record; the one before goes to history whole",
    ("services/ingest/store/ingest_store.py", "replace"): "another version of a record, as above",
    ("services/ingest/store/quality.py", "put_series"): "read whole in the same transaction, and changed",
    ("services/audit/store/log.py", "save_checkpoint"): "its seal is over the whole row",
    ("services/audit/store/log.py", "replace"): "derived: made again as it was",
    ("services/ingest/store/quality.py", "put_day"): "derived from the outbox",
    ("services/ingest/store/quality.py", "put_rules"): "derived from the catalog's feed",
    ("services/disclosure/store/public_feed.py", "tell_later"): "derived, and deleted when it is published",
    ("services/disclosure/store/followed_entries.py", "save"): "derived from the catalog's feed",
    ("services/disclosure/store/disclosure_store.py", "write_locations"): "derived: a rebuild makes it again",
    ("services/disclosure/store/followed_objections.py", "save"): "derived: a rebuild makes it again",
    ("services/disclosure/store/disclosure_store.py", "write_summaries"): "derived: a rebuild makes it again",
    ("services/disclosure/store/disclosure_store.py", "write_subject"): "derived: a rebuild makes it again",
    ("services/disclosure/store/disclosure_store.py", "write_names"): "derived: a rebuild makes it again",
    ("services/disclosure/store/disclosure_store.py", "write_long_items"): "derived: a rebuild makes it again",
    ("services/disclosure/store/generations.py", "request_rebuild"): "another request",
    ("services/disclosure/store/disagreements.py", "write"): "derived: a rebuild makes it again",
    ("services/disclosure/store/links.py", "write_group"): "derived: a rebuild makes it again",
    ("services/disclosure/store/links.py", "write_member"): "derived: a rebuild makes it again",
}


def whole_writes(source: str) -> Iterator[str]:
    """The functions of a file that write whole documents."""
    for function in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)):
        for node in ast.walk(function):
            if getattr(node, "id", getattr(node, "attr", "")) in ("ReplaceOne", "replace_one", "find_one_and_replace"):
                yield function.name
                break


def found() -> set[tuple[str, str]]:
    files = [file for package in ("chengxin", "services", "gateway") for file in (ROOT / package).rglob("*.py")]
    sources = ((str(file.relative_to(ROOT)), file.read_text()) for file in files)
    return {(file, name) for file, source in sources if "eplace" in source for name in whole_writes(source)}


def test_each_says_why() -> None:
    assert found() == WHOLE.keys()


@pytest.mark.parametrize("line", ["rows.replace_one(a, b)", "writes.append(ReplaceOne(a, b))"])
def test_one_that_does_not_is_found(line: str) -> None:
    assert list(whole_writes(f"def save(self):\n    {line}\n")) == ["save"]
