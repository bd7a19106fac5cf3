"""Every collection says how it shrinks, and every write outside of a transaction says why."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from mongoengine import DateTimeField, Document, StringField

from chengxin.store.documents import collection_name
from chengxin.store.retention import (
    RetentionKind,
    UndeclaredRetention,
    direct_writes_of,
    expires,
    kept,
    retention_of,
)
from tests.documents import DECLARED
from tests.tools.loading import ROOT, tool

WRITES = {
    *("insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many", "bulk_write"),
    *("replace_one", "find_one_and_update", "find_one_and_delete", "find_one_and_replace"),
}
# Of `Documents`, which are fields of a store's class. Other things have methods of these names.
DOCUMENT_WRITES = {"insert", "insert_row", "replace", "replace_found", "delete"}
# They are given the session by whoever calls them, and are not asked here who that is.
PASSED_ON = {"chengxin/store/documents.py"}


@pytest.fixture(scope="module")
def declared() -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        return [document for some in tool("list_storage").documents().values() for document in some]


def test_every_document_says_how_its_collection_shrinks(declared: list[Any]) -> None:
    assert len(declared) > 50
    assert {retention_of(document).kind for document in declared} == set(RetentionKind)
    assert {document for some in DECLARED.values() for document in some} <= set(declared)


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"retention": "for ever"},
        {"retention": kept("it says that it stays"), "indexes": [{"fields": ["at"], "expireAfterSeconds": 0}]},
        {"retention": expires("it says that it goes"), "indexes": ["at"]},
    ],
)
def test_one_that_does_not_say_so_fails(meta: dict[str, Any]) -> None:
    body = {"key": StringField(primary_key=True), "at": DateTimeField(), "meta": meta, "__module__": __name__}
    with pytest.raises(UndeclaredRetention):
        retention_of(type("Undeclared", (Document,), body))


def direct_writes(source: str) -> Iterator[str]:
    """The functions of a file that write outside of a transaction, or may."""
    for function in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)):
        optional = any(
            argument.arg in ("session", "unit") and isinstance(default, ast.Constant)
            for argument, default in zip(reversed(function.args.args), reversed(function.args.defaults), strict=False)
        )
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if not isinstance(call.func, ast.Attribute):
                continue
            writes = call.func.attr in WRITES or (
                call.func.attr in DOCUMENT_WRITES and ast.unparse(call.func.value).startswith("self._")
            )
            keywords = {keyword.arg for keyword in call.keywords}
            given = "session" in keywords or any(ast.unparse(a).endswith("session") for a in call.args)
            if writes and (optional or not given):
                yield function.name
                break


def test_every_write_outside_of_a_transaction_says_why(declared: list[Any]) -> None:
    files = [file for part in ("chengxin", "services", "gateway") for file in (ROOT / part).rglob("*.py")]
    found = {
        name
        for file in files
        if str(file.relative_to(ROOT)) not in PASSED_ON
        for name in direct_writes(file.read_text())
    }
    assert found == {name for document in declared for name in direct_writes_of(document)}


@pytest.mark.parametrize(
    "line",
    ["self._rows.update_one(a, b)", "rows.delete_many(a)", "self._flows.insert(Row(a))", "self.db[x].bulk_write(w)"],
)
def test_one_that_does_not_is_found(line: str) -> None:
    assert list(direct_writes(f"def save(self):\n    {line}\n")) == ["save"]
    assert not list(direct_writes("def save(self, unit):\n    self._rows.insert(row, unit.session)\n"))


def test_the_page_tells_each_collection_and_names_each_direct_write(declared: list[Any]) -> None:
    page = (ROOT / "docs" / "operations" / "storage.md").read_text()
    for document in declared:
        assert f"- `{collection_name(document)}`: " in page
        assert inspect.getdoc(document)
        for name in direct_writes_of(document):
            assert f"`{name}`" in page
