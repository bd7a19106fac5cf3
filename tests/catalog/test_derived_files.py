"""Files that anybody may ask for are made once for each version, and not at all for whoever has them."""

from typing import Any

import pytest

from chengxin.http.web import KeptCopyRequest
from services.catalog.http import workbooks
from services.catalog.http.derived_files import DerivedFiles
from tests.catalog.conftest import RunningCatalog, demo_entry
from tests.catalog.workbooks import CODES

PUBLIC_BOOKS = {
    "/v1/catalog/entries/<code>/entry.xlsx": "write_entry",
    "/v1/catalog/entries/<code>/template.xlsx": "template_book",
    "/v1/catalog/resources.xlsx": "resource_book",
}


def addresses_of_public_books(catalog: RunningCatalog) -> set[str]:
    """The routes of workbooks that the public may ask for."""
    rules = {
        r.rule: catalog.app.view_functions[r.endpoint].rule
        for r in catalog.app.url_map.iter_rules()
        if "xlsx" in r.rule
    }
    return {address for address, rule in rules.items() if "public" in rule.roles}


@pytest.fixture
def made(catalog: RunningCatalog, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which books were made, in order."""
    counted: list[str] = []

    def counting(name: str) -> Any:
        make = getattr(workbooks, name)

        def counted_make(of: Any) -> Any:
            counted.append(name)
            return make(of)

        return counted_make

    for name in PUBLIC_BOOKS.values():
        monkeypatch.setattr(workbooks, name, counting(name))
    return counted


def test_every_workbook_for_the_public_is_made_once(catalog: RunningCatalog, made: list[str]) -> None:
    # The faces are those of other tests, too: none has asked for the books of this entry.
    catalog.authority.publishes(demo_entry("XZXK") | {"code": "GZBXK"}, "2026-11-24")
    assert addresses_of_public_books(catalog) == set(PUBLIC_BOOKS)
    for address, writer in PUBLIC_BOOKS.items():
        path = address.replace("<code>", "GZBXK")
        first, second = catalog.anybody.get(path), catalog.anybody.get(path)
        assert first.status_code == second.status_code == 200
        assert first.data == second.data
        had = catalog.anybody.client.get(
            path, headers=catalog.anybody.headers | {"If-None-Match": first.headers["ETag"]}
        )
        assert (had.status_code, had.data, had.headers["ETag"]) == (304, b"", first.headers["ETag"])
        assert made == [writer]
        made.clear()


def test_whoever_has_an_answer_is_not_sent_it_again(catalog: RunningCatalog) -> None:
    """At every address that says so. The ETag is weak when a proxy has compressed the answer (RFC 9110, 13.1.2)."""
    catalog.authority.publishes(demo_entry("XZXK"), "2026-11-24")
    described = catalog.anybody.get("/openapi.json").json["paths"]
    kept = [path for path, operations in described.items() if "304" in operations.get("get", {}).get("responses", ())]
    assert len(kept) > len(PUBLIC_BOOKS)
    for path in (path.format(code="XZXK", version=1) for path in kept):
        etag = catalog.anybody.get(path).headers["ETag"]
        for had, status in {
            etag: 304,
            f"W/{etag}": 304,
            f'"another", W/{etag}': 304,
            "*": 304,
            'W/"another"': 200,
            '"another"': 200,
            "": 200,
        }.items():
            found = catalog.anybody.client.get(path, headers=catalog.anybody.headers | {"If-None-Match": had})
            assert (found.status_code, found.headers["ETag"]) == (status, etag), (path, had)


def test_a_new_version_is_another_file(catalog: RunningCatalog, made: list[str]) -> None:
    catalog.authority.publishes(demo_entry(CODES[0]), "2026-11-24")
    before = catalog.anybody.get("/v1/catalog/resources.xlsx")
    catalog.authority.publishes(demo_entry(CODES[1]), "2026-11-24")
    after = catalog.anybody.get("/v1/catalog/resources.xlsx")
    assert (after.headers["ETag"] != before.headers["ETag"], after.data != before.data) == (True, True)
    assert made == ["resource_book"] * 2


def test_what_is_kept_is_bounded_by_its_bytes(catalog: RunningCatalog) -> None:
    files = DerivedFiles(most_bytes=100)
    with catalog.app.test_request_context():
        for n in range(50):
            assert files.answer(f"{n}.xlsx", "", [], lambda: b"x" * 30, KeptCopyRequest()).data == b"x" * 30
        assert files.answer("large.xlsx", "", [], lambda: b"x" * 300, KeptCopyRequest()).data == b"x" * 300
    assert files._kept.currsize <= 100
