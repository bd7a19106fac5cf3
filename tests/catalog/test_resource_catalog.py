"""Entries go into the government's resource catalog (Art. 8)."""

import pytest

from services.catalog.usecases import read_catalog
from services.catalog.usecases.read_entry_workbook import read_book
from tests.catalog.conftest import RunningCatalog, demo_entry
from tests.catalog.workbooks import CODES
from tests.chengxin.tabular.files import CALLER


def test_entries_go_into_the_government_resource_catalog(catalog: RunningCatalog) -> None:
    for code in CODES:
        entry = demo_entry(code) | ({"resource_code": "306001/7", "description": "许可"} if code == "XZXK" else {})
        catalog.authority.publishes(entry, "2026-11-24")
    one = catalog.anybody.get("/v1/catalog/entries/XZXK/resource").json
    assert {
        k: one[k] for k in ("resource_code", "sharing_type", "open", "update_cycle", "published_on", "abstract")
    } == {
        "resource_code": "306001/7",
        "sharing_type": "无条件共享",
        "open": "是",
        "update_cycle": "每日",
        "published_on": "2026-11-24",
        "abstract": "许可",
    }
    assert one["items"][0] == {
        "name": "行政相对人名称",
        "code": "XK_XDR_MC",
        "data_type": "字符型C",
        "length": "200",
    }
    first = catalog.anybody.get("/v1/catalog/resources?page_size=10").json
    second = catalog.anybody.get(f"/v1/catalog/resources?page_token={first['next_page_token']}").json
    assert [r["entry_code"] for r in (*first["resources"], *second["resources"])] == CODES
    assert one in (*first["resources"], *second["resources"])

    book = read_book(catalog.anybody.get("/v1/catalog/resources.xlsx").data, CALLER)
    heading, *rows = book["政务信息资源目录"]
    assert [row[heading.index("信用目录条目代码")] for row in rows] == CODES
    assert [one["provider"]] == [row[2] for row in rows if row[0] == "306001/7"]
    assert len(book["信息项"]) == 1 + sum(len(demo_entry(code)["items"]) for code in CODES)


def test_a_workbook_has_all_entries_or_is_refused(catalog: RunningCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_catalog, "_MOST_EXPORTED", 2)
    for number, code in enumerate(CODES[:3]):
        catalog.authority.publishes(demo_entry(code), "2026-11-24")
        answer = catalog.anybody.get("/v1/catalog/resources.xlsx")
        assert answer.status_code == (200 if number < 2 else 409)
    assert answer.json["code"] == "RESOURCES_TOO_MANY"
