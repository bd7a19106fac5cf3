"""The demonstration records: valid, of every kind, some of them past their disclosure."""

import csv
from collections import defaultdict
from datetime import date

import pytest

from demo.records import BUILDERS, deliveries
from demo.world import HERE, catalog, companies, licence_of, organs, people
from services.ingest.domain.catalog_entry import DeliveryEntry, read_entry
from services.ingest.domain.validator import Validator
from tests.demo.periods import last_day

# Leap day, turn of the year, and an ordinary day.
DAYS = [date(2028, 2, 29), date(2026, 12, 31), date(2027, 6, 15)]


def _entry(code: str) -> DeliveryEntry:
    return read_entry(catalog()[code] | {"version": 1, "effective_from": "2026-01-01", "effective_to": ""})


def _by_entry(since: date) -> dict[str, list[dict[str, str]]]:
    found = defaultdict(list)
    for delivery in deliveries(since):
        found[delivery.entry_code] += delivery.records
    return found


@pytest.mark.parametrize("since", DAYS, ids=str)
def test_every_record_is_valid_and_delivered_as_it_is_recorded(since: date) -> None:
    for delivery in deliveries(since):
        validator = Validator(_entry(delivery.entry_code))
        assert validator.entry.provider(delivery.provider.uscc), delivery.submission_id
        for record in delivery.records:
            assert validator.check(record, since) == (record, []), delivery.submission_id


def test_deliveries_are_the_same_each_time_and_name_each_record_once() -> None:
    made = deliveries(DAYS[0])
    assert made == deliveries(DAYS[0])
    assert len({d.submission_id for d in made}) == len(made)
    for delivery in made:
        assert 8 <= len(delivery.submission_id) <= 64
        key = catalog()[delivery.entry_code]["natural_key"]
        keys = {tuple(r.get(code, "") for code in key) for r in delivery.records}
        assert len(keys) == len(delivery.records), delivery.submission_id


def test_every_entry_has_records() -> None:
    assert BUILDERS.keys() == catalog().keys() == _by_entry(DAYS[0]).keys()
    assert sum(len(records) for records in _by_entry(DAYS[0]).values()) >= 250


def test_the_world_is_dated_by_its_day_alone() -> None:
    decided = {d["XK_JDRQ"] for d in _by_entry(date(2040, 1, 1))["XZXK"]}
    assert max(decided) < "2040-01-01"
    assert min(decided) > "2030-01-01"


@pytest.mark.parametrize("code", ["XZXK", "XKGR", "XZCF", "CFGR", "SXBZX", "AJNSR", "SHZZNJ", "JZZZ", "ZYFWRY", "ZYZG"])
def test_some_are_past_their_disclosure_and_others_not(code: str) -> None:
    today = DAYS[2].isoformat()
    past = {last_day(catalog()[code], r) < today for r in _by_entry(DAYS[2])[code]}
    assert past == {True, False}


def test_li_na_has_records_of_every_mode() -> None:
    number = people()["li_na"].identity_number
    hers = {code for code, records in _by_entry(DAYS[2]).items() if any(number in r.values() for r in records)}
    assert len(hers) >= 5
    modes = {tuple(catalog()[code]["modes"]) for code in hers}
    assert {("shared",), ("authorized", "shared"), ("public", "authorized", "shared")} <= modes


def test_there_are_long_texts() -> None:
    longest = max(len(v) for r in _by_entry(DAYS[2])["XZCF"] for v in r.values())
    assert longest == next(i["length"] for i in catalog()["XZCF"]["items"] if i["code"] == "CF_SY")


def test_the_licence_for_further_deliveries_is_valid_and_plain_csv() -> None:
    licence = licence_of(companies()[0], organs()["market_regulator"])
    assert Validator(_entry("XZXK")).check(licence, DAYS[1]) == (licence, [])
    # The tour joins it by commas and writes it in GB18030.
    assert not [v for v in licence.values() if "," in v or '"' in v or "\n" in v]
    assert ",".join(licence.values()).encode("gb18030")


def test_the_example_file_has_one_wrong_row() -> None:
    entry = _entry("QYDJ")
    codes = {i.name.zh: i.code for i in entry.items}
    with (HERE / "examples" / "registrations.csv").open(encoding="utf-8", newline="") as file:
        rows = [{codes[name]: value for name, value in row.items()} for row in csv.DictReader(file)]
    wrong = [(n, v.item, v.rule) for n, row in enumerate(rows, 2) for v in Validator(entry).check(row, DAYS[1])[1]]
    assert len(rows) == 5
    assert wrong == [(5, "TYSHXYDM", "uscc.check_digit")]


def test_every_record_names_its_legal_document() -> None:
    for entry in catalog().values():
        required = {i["code"] for i in entry["items"] if i.get("required")}
        assert required >= set(entry["legal_document"].values()), entry["code"]


def test_sums_may_be_written_with_their_unit() -> None:
    items = [item for code in catalog() for item in _entry(code).items]
    named = [item for item in items if item.type == "number" and item.name.zh.endswith("）")]
    assert {item.unit for item in named} == {"元", "万元", "小时"}
    assert all(item.name.zh.endswith(f"（{item.unit}）") for item in named)
    fine = Validator(_entry("XZCF")).standard
    # The table in docs/operations/submit.md.
    for written, recorded in (
        ("1250元", "0.125"),
        ("人民币1250元整", "0.125"),
        ("0.3亿元", "3000"),
        ("¥1250", "¥1250"),
    ):
        assert fine({"CF_NR_FK": written}) == {"CF_NR_FK": recorded}
