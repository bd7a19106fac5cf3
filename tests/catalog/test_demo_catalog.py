"""The demonstration catalog is a catalog that the authority could publish."""

import json
from datetime import date

import pytest

from demo.identifiers import demo_identity_number, demo_uscc
from services.catalog.domain.entry import InformationClass, Mode, Sensitivity, SubjectKind, read_content
from services.catalog.domain.entry_validation import findings
from tests.catalog.conftest import DEMO

ENTRIES = {p.stem: read_content(json.loads(p.read_text())) for p in sorted((DEMO / "catalog").glob("*.json"))}
# Dates on which something begins or ends, which may lie ahead.
BEGINNINGS_AND_ENDS = {
    *("CF_YXQ", "CF_GSJZQ", "JZ_YXQZI", "QF_ZQ", "SB_JZRQ", "SY_YXQZ", "SY_YXQZI", "XK_YXQZ", "XK_YXQZI"),
    *("YYQXZ", "YYQXZI", "ZY_YXQZ", "ZY_YXQZI"),
}
ORGANISATIONS = json.loads((DEMO / "organs.json").read_text())


@pytest.mark.parametrize("code", ENTRIES)
def test_each_entry_is_sound(code: str) -> None:
    assert ENTRIES[code].code == code
    assert findings(ENTRIES[code]) == []


def test_all_kinds_classes_and_modes_are_covered() -> None:
    entries = list(ENTRIES.values())
    assert len(entries) >= 14
    assert {kind for e in entries for kind in e.subject_kinds} == set(SubjectKind)
    assert {e.information_class for e in entries} == set(InformationClass)
    assert {mode for e in entries for mode in e.modes} == set(Mode)


def test_every_date_has_happened_or_is_a_beginning_or_an_end() -> None:
    dates = [item for entry in ENTRIES.values() for item in entry.items if item.type == "date"]
    assert {item.code for item in dates if not item.not_after_delivery} == BEGINNINGS_AND_ENDS


def test_identity_numbers_are_never_public() -> None:
    sealed = [i for e in ENTRIES.values() for i in e.items if i.sensitivity is Sensitivity.IDENTIFIER]
    assert sealed
    assert not [i.code for i in sealed if Mode.PUBLIC in i.modes]


@pytest.mark.parametrize("code", ["XKGR", "CFGR"])
def test_a_natural_persons_name_is_masked_in_licences_and_penalties(code: str) -> None:
    entry = ENTRIES[code]
    [name] = [i for i in entry.items if i.code == entry.subject_name_item]
    assert name.masking == "name"


@pytest.mark.parametrize("code", ["XZCF", "CFGR"])
def test_penalties_are_disclosed_until_the_end_of_their_publication(code: str) -> None:
    assert ENTRIES[code].disclosure_period.item == "CF_GSJZQ"


@pytest.mark.parametrize(
    ("code", "prefix", "last"), [("XZXK", "XK", 26), ("XZCF", "CF", 28), ("XKGR", "XK", 19), ("CFGR", "CF", 21)]
)
def test_the_national_field_sets_are_complete(code: str, prefix: str, last: int) -> None:
    items = [i.code for i in ENTRIES[code].items]
    assert len(items) == last
    assert {item for item in items if not item.startswith(prefix)} == {"BZ"}


def test_the_columns_of_the_company_register_are_named_as_in_its_files() -> None:
    assert [i.name.zh for i in ENTRIES["QYDJ"].items] == [
        *("统一社会信用代码", "主体名称", "主体类型", "登记机关", "登记状态", "成立日期", "核准日期"),
        *("营业期限自", "营业期限至", "注册资本（元）", "币种", "经营范围"),
    ]


def test_every_provider_is_an_organisation_of_the_demonstration() -> None:
    known = {(o["uscc"], o["name"]) for o in ORGANISATIONS}
    assert len({o["key"] for o in ORGANISATIONS}) == len({o["uscc"] for o in ORGANISATIONS}) == len(ORGANISATIONS)
    assert {(p.uscc, p.name) for e in ENTRIES.values() for p in e.providers} <= known
    assert all(o["uscc"][2:8] == "000000" for o in ORGANISATIONS)


def test_demonstration_identifiers_are_valid_and_nobodys() -> None:
    assert demo_uscc("11", 2) == "11000000000000027K"
    assert demo_uscc("91", 21, "MA") == "91000000MA0000218U"
    with pytest.raises(ValueError, match="born"):
        demo_identity_number(date(1990, 1, 1), 1)
