"""Each fact is recorded in one standard form beside the form as delivered; standardising twice changes nothing."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chengxin.store.field_encryption import is_encrypted
from chengxin.values.catalog_contract import NamedCode, TranslatedText
from chengxin.values.text_forms import standard_name, standard_text
from services.ingest.domain.catalog_entry import DeliveryEntry, DeliveryItem, read_entry
from services.ingest.domain.normalisation import ItemNormaliser, to_date, to_number
from services.ingest.domain.submission import DeliveredRecord
from services.ingest.domain.validator import Validator
from tests.ingest.deliveries import licence
from tests.ingest.licence_validation import PROVIDER, RECORDER, TODAY, VALIDATOR
from tests.ingest.running_ingest import RunningIngest, demo_entry

STATES = (
    NamedCode("1", TranslatedText("有效", "Valid")),
    NamedCode("2", TranslatedText("无效", "Invalid")),
    NamedCode("3", TranslatedText("其他", "Other")),
    NamedCode("4", TranslatedText("其他", "Miscellaneous")),
    NamedCode("财政补助、非财政补助", TranslatedText("财政补助、非财政补助", "Both")),
)
ITEMS = (
    DeliveryItem("DATE", type="date"),
    DeliveryItem("SUM", type="number", unit="万元"),
    DeliveryItem("AREA", type="number", unit="平方米"),
    DeliveryItem("COUNT", type="number"),
    DeliveryItem("NAME"),
    DeliveryItem("PERSON", masking="name"),
    DeliveryItem("HEAD", TranslatedText("法定代表人")),
    DeliveryItem("USCC", identifier="uscc"),
    DeliveryItem("ORG", identifier="organisation_code"),
    DeliveryItem("REGISTRATION", identifier="registration_number"),
    DeliveryItem("STATE", code_list=STATES),
    DeliveryItem("STATES", code_list=STATES, multiple=True),
    DeliveryItem("TEXT"),
)
STANDARD = ItemNormaliser(DeliveryEntry("X", 1, items=ITEMS, subject_name_item="NAME"))

# A value as it is delivered, and as it is recorded.
EXAMPLES = [
    ("DATE", "2024/1/5", "2024-01-05"),
    ("DATE", "２０２４．１．５", "2024-01-05"),
    ("DATE", "2024年 1月 5日", "2024-01-05"),
    ("DATE", "2024年1月5号", "2024-01-05"),
    ("DATE", "2024-01-05 00:00:00", "2024-01-05"),
    ("DATE", "长期", "2099-12-31"),
    ("DATE", "2024-01-05 13:00:00", "2024-01-05 13:00:00"),
    ("DATE", "24-1-5", "24-1-5"),
    ("SUM", "1,250元", "0.125"),
    ("SUM", "人民币 1250 元整", "0.125"),
    ("SUM", "１２．５０万元", "12.5"),
    ("SUM", "0.3亿元", "3000"),
    ("SUM", "0.3亿", "3000"),
    ("SUM", "1,2500", "1,2500"),
    ("SUM", "¥1250", "¥1250"),
    ("SUM", "1250美元", "1250美元"),
    ("SUM", "12.5", "12.5"),
    ("AREA", "80.0平方米", "80"),
    ("AREA", "80亩", "80亩"),
    ("COUNT", "1,234,567.00", "1234567"),
    ("COUNT", "1250元", "1250元"),
    ("NAME", "阳江 演示(集团)有限 公司", "阳江演示（集团）有限公司"),
    ("NAME", "阳江ＡＢＣ公司", "阳江ABC公司"),
    ("NAME", "Yangjiang  Demo (Group)\u00a0Ltd", "Yangjiang Demo (Group) Ltd"),
    ("PERSON", "张　三", "张三"),
    ("PERSON", "买买提•艾力", "买买提·艾力"),
    ("HEAD", "李　娜", "李娜"),
    ("USCC", " 9144 1702ma00000001 ", "91441702MA00000001"),
    ("ORG", "d2143569-x", "D2143569X"),
    ("REGISTRATION", "粤工商 gd–4417", "粤工商GD-4417"),
    ("STATE", "有效", "1"),
    ("STATE", "invalid", "2"),
    ("STATE", "１", "1"),
    ("STATE", "其他", "其他"),
    ("STATES", "有效、Invalid", "1;2"),
    ("STATES", "1；2", "1;2"),
    ("STATES", "财政补助、非财政补助", "财政补助、非财政补助"),
    ("STATES", "有效、未知", "有效、未知"),
    ("TEXT", "演许字〔２０２６〕１号，（甲）", "演许字〔2026〕1号，（甲）"),
    ("TEXT", "二　楼 (东)", "二 楼 (东)"),
]


@pytest.mark.parametrize(("code", "delivered", "recorded"), EXAMPLES)
def test_values_are_recorded_in_one_form(code: str, delivered: str, recorded: str) -> None:
    assert STANDARD.apply({code: delivered}) == {code: recorded}
    assert STANDARD.apply({code: recorded}) == {code: recorded}


_PIECES = st.sampled_from(
    [
        *"１２0359.,-+/年月日号元万亿整¥％ＡａBb 　\u00a0\t()（）•·・;；、[]张三阳江\u0301ﬁ",
        "有效",
        "人民币",
        "长期",
        "00:00",
        "e5",
    ]
)
TEXTS = st.one_of(st.text(max_size=20), st.lists(_PIECES, max_size=12).map("".join))


@given(st.fixed_dictionaries({}, optional={item.code: TEXTS for item in ITEMS} | {"UNKNOWN": TEXTS}))
@example({"ORG": "-"})
def test_standardising_twice_is_standardising_once(delivered: dict[str, str]) -> None:
    once = STANDARD.apply(delivered)
    assert STANDARD.apply(once) == once
    assert set(once) <= set(delivered)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("NAME", "PERSON", "TEXT", "REGISTRATION"), TEXTS)))
def test_what_is_not_odd_is_standard(delivered: dict[str, str]) -> None:
    """The fast path looks only for unusual values, and must miss none that has another standard form."""
    stripped = {code: text for code, value in delivered.items() if (text := value.strip())}
    if not STANDARD.is_odd(stripped):
        assert STANDARD.apply(stripped) == stripped


@given(
    st.decimals(0, 10**9, places=2), st.sampled_from(["元", "千元", "万元", "亿元"]), st.sampled_from(["元", "万元"])
)
def test_a_sum_is_the_same_sum_in_the_unit_of_its_item(amount: Decimal, own: str, unit: str) -> None:
    powers = {"元": 0, "千元": 3, "万元": 4, "亿元": 8}
    recorded = to_number(f"{amount}{own}", unit)
    assert Decimal(recorded).scaleb(powers[unit]) == amount.scaleb(powers[own])


def test_the_forms_by_themselves() -> None:
    assert (to_date("x"), to_number("x"), standard_name("x"), standard_text("x")) == ("x",) * 4


def test_the_value_as_delivered_is_kept_beside_the_standard_one() -> None:
    delivered = licence(XK_JDRQ="2026年1月2日", XK_ZT="有效", XK_FR_ZJHM=_wide(licence()["XK_FR_ZJHM"]))
    document = RECORDER.check(VALIDATOR, PROVIDER, DeliveredRecord(1, delivered), TODAY).document
    assert document is not None
    assert RECORDER.opened(VALIDATOR.entry, document) == licence()
    raw: dict[str, Any] = document["raw"]
    assert set(raw) == {"XK_JDRQ", "XK_ZT", "XK_FR_ZJHM"}
    # A personal identifier is sealed in whatever form it came.
    assert is_encrypted(raw["XK_FR_ZJHM"])
    assert RECORDER.opened(VALIDATOR.entry, document, "raw") == {code: delivered[code] for code in raw}


def test_the_same_fact_in_another_form_is_unchanged(ingest: RunningIngest) -> None:
    assert ingest.regulator.submits_batch(licence()).receipt.counts.accepted == 1
    receipt = ingest.regulator.submits_batch(licence(XK_ZT="有效", XK_XDR_MC="阳江 演示 1 有限公司")).receipt
    assert (receipt.counts.unchanged, receipt.counts.amended) == (1, 0)
    receipt = ingest.regulator.submits_batch(licence(XK_ZT="无效")).receipt
    assert receipt.counts.amended == 1
    found = ingest.ctx.store.records.find_one({})
    assert found is not None
    assert (found["items"]["XK_ZT"], found["raw"]) == ("2", {"XK_ZT": "无效"})


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) for c in text)


def test_units_come_from_the_entry() -> None:
    entry = demo_entry("XZXK") | {"version": 1}
    entry["items"] = [
        *entry["items"],
        {"code": "JE", "name": {"zh": "金额"}, "type": "number", "length": 12, "scale": 4, "unit": "万元"},
    ]
    validator = Validator(read_entry(entry))
    items, violations = validator.check(licence(JE="12,500元"), TODAY)
    assert (items["JE"], violations) == ("1.25", [])
