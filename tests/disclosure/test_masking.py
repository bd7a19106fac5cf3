"""Names and identifiers are masked, and identity numbers are found in texts."""

import json
from dataclasses import dataclass
from datetime import date
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chengxin.values.identifiers import IDENTIFIERS, PERSONAL
from chengxin.values.personal_numbers import holds_personal_number, is_personal_number, number_as_read
from chengxin.values.text_forms import search_key, standard_name
from demo.records import BUILDERS
from services.catalog.domain.entry import IdentifierScheme
from services.catalog.domain.sample_record import SAMPLES
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.masking import mask_identifier, mask_name, scrub, without_names
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import PERSON_PUBLIC, View
from tests.chengxin.values.test_personal_numbers import OTHER, WRITTEN
from tests.disclosure.delivered_records import ENTRIES, fragment
from tests.disclosure.running_disclosure import COMPANY, LI_NA


def check_character(seventeen: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(d) * w for d, w in zip(seventeen, weights, strict=True)) % 11]


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    born = draw(st.dates(date(1930, 1, 1), date(2010, 12, 31)))
    serial = draw(st.integers(0, 999))
    body = f"{draw(st.sampled_from(['441702', '110101', '650102']))}{born:%Y%m%d}{serial:03d}"
    return body + check_character(body)


@pytest.mark.parametrize(
    ("name", "masked"),
    [("李娜", "李**"), ("李小龙", "李**"), ("欧阳娜娜", "欧**"), ("买买提·吐尔逊", "买**"), ("", "")],
)
def test_a_masked_name_keeps_its_first_character(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("identifier", "masked"),
    [
        (LI_NA, "441702********0020"),
        ("E12345678", "*****5678"),
        ("12345678", "****5678"),
        ("1234567", "*******"),
        ("", ""),
    ],
)
def test_a_masked_identifier_hides_what_is_in_the_middle(identifier: str, masked: str) -> None:
    assert mask_identifier(identifier) == masked


@given(st.text(min_size=1, max_size=40))
def test_a_masked_identifier_never_tells_the_identifier(identifier: str) -> None:
    masked = mask_identifier(identifier)
    assert len(masked) == len(identifier)
    assert masked.count("*") >= min(len(identifier), 4)


@given(
    identity_numbers(),
    st.text(alphabet="，。身份证号码为是：（）", max_size=8),
    st.text(alphabet="，。）的", max_size=8),
)
def test_an_identity_number_in_a_text_is_found(number: str, before: str, after: str) -> None:
    assert is_personal_number(number)
    assert number not in scrub(before + number + after, ())
    assert number.lower() not in scrub(before + number.lower() + after, ())


def test_a_social_credit_code_in_a_text_stays() -> None:
    text = f"与{COMPANY}、91441700123456789X、44170219900101002200 有关"
    assert scrub(text, ()) == text


@pytest.mark.parametrize("text", [text for text in OTHER if text != "441702198813020027"])
def test_numbers_of_documents_amounts_and_days_stay(text: str) -> None:
    assert scrub(f"关于{text}的记录", [LI_NA]) == f"关于{text}的记录"


def test_texts_of_the_demonstration_stay() -> None:
    texts = {
        items[item.code]
        for code, entry in ENTRIES.items()
        for _, items in BUILDERS[code](date(2026, 11, 30))
        for item in entry.items
        if item.free_text and not item.personal_identifier and items.get(item.code)
    }
    assert len(texts) > 400
    assert {text for text in texts if scrub(text, [LI_NA]) != text} == set()


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_number_of_a_person_in_a_text_is_masked_however_it_is_written(written: str) -> None:
    masked = scrub(f"当事人（{written}）有关", ())
    assert number_as_read(written) not in number_as_read(masked)
    assert masked.startswith("当事人（")
    assert masked.endswith("）有关")
    assert "*" in masked


def as_people_write(number: str) -> set[str]:
    """A number, a passport's also without the State that issued it, with what people put between."""
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    return {
        form
        for one in (number, number.rpartition("-")[2])
        for form in (
            one,
            " ".join(one),
            f"{one[:6]} {one[6:]}",
            f"{one[:4]}-{one[4:]}",
            one.lower(),
            one.translate(wide),
        )
    }


@pytest.mark.parametrize("document", sorted(kind for kind in PERSONAL if kind in IDENTIFIERS))
def test_the_number_of_each_document_is_masked_in_texts_as_people_write_it(document: str) -> None:
    number = SAMPLES[IdentifierScheme(document)]
    for written in as_people_write(number):
        masked = scrub(f"持证人（{written}）有关", [number])
        assert number_as_read(written) not in number_as_read(masked), written
        assert masked.startswith("持证人（")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("李娜", "李娜"),
        ("李娜", "李 娜"),
        ("李娜", "李　娜"),
        ("邓丽君", "鄧麗君"),
        ("李娜", "\uf9e1娜"),
        ("Jonas Nilsson", "JONAS  NILSSON"),
        ("Jonas Nilsson", "Ｊonas nilsson"),
        ("买买提·吐尔逊", "买买提•吐尔逊"),
        ("刘洋、邓丽君", "邓 丽君"),
        ("刘洋（邓丽君）", "刘洋"),
    ],
)
def test_a_name_in_a_text_is_left_out_however_it_is_written(name: str, written: str) -> None:
    assert without_names(f"当事人{written}，住阳江", [name]) == "当事人***，住阳江"


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize(
    "name", ["José Núñez", "Nguyễn Văn Ánh", "김철수", "Žižek", "ガンダム", "Ａｎｄｒe\u0301", "Ω Άλφα"]
)
def test_a_name_in_a_text_is_left_out_in_every_form_of_unicode(name: str, form: str) -> None:
    """Also where recording leaves a text as it came, because composing would make it longer (U+0958)."""
    for tail in ("等", "等\u0958\u0958\u0958\u0958\u0958\u0958"):
        text = f"因{normalize(form, name)}{tail}"
        assert without_names(text, [standard_name(name)]) == f"因***{tail}"


def test_of_a_text_too_long_to_be_looked_through_nothing_is_shown() -> None:
    """A million digits took 10 s and more. No item of a record is so long."""
    for many in ("1", "4417028903020123 ", "441702189001010020", "四"):
        assert scrub(many * 1_000_000, ()) == "***"
        assert without_names(scrub(many * 1_000_000, ()), ["李娜"]) == "***"
    assert scrub("处" * 1_000_000, ()) == "处" * 1_000_000
    assert scrub("H9000" + "处" * 1_000_000, ["H90001234"]) == "***"
    assert holds_personal_number("1" * 1_000_000)


def test_with_very_many_names_nothing_of_a_text_is_shown() -> None:
    """Each name is looked for in each text: an item with 1,300 of them took 86 s for a text of 40,000 characters."""
    names = [f"甲{chr(0x4E00 + number)}" for number in range(64)]
    assert without_names("有关当事人甲一和乙二", ["、".join(names)]) == "有关当事人***和乙二"
    assert without_names("有关当事人甲一和乙二", ["、".join([*names, "丙丁"])]) == "***"


@pytest.mark.parametrize(
    ("name", "text"), [("Li", "Limited, public"), ("李", "李子"), ("邓丽君", "邓丽和君"), ("", "无")]
)
def test_what_is_no_name_stays(name: str, text: str) -> None:
    assert without_names(text, [name]) == text


@dataclass(frozen=True)
class HiddenItems:
    """An entry of which items are hidden in some way, each with a value that no other has, in each of its texts."""

    entry: DisclosureEntry
    kind: str

    @property
    def values(self) -> dict[str, str]:
        """The values of the items that are texts of persons: names and numbers, each of them once."""
        family = "邓丽君", "欧阳修", "司马迁", "诸葛亮"
        personal = [
            i for i in self.entry.items if (i.free_text and i.sensitivity == "personal") or i.personal_identifier
        ]
        made = {}
        for number, item in enumerate(i for i in personal if i.code != self.entry.subject_name_item):
            numeric = item.personal_identifier or item.masking == "identifier"
            made[item.code] = f"H9000{number:04}" if numeric else family[number]
        return made | {self.entry.subject_name_item: "李小龙"}

    def kept(self) -> Fragment:
        told = "，".join(f"{value[:2]} {value[2:]}" for value in self.values.values())
        texts = {item.code: f"因{told}等" for item in self.entry.items if item.free_text and not item.code_list}
        until = {self.entry.disclosure_period.item: "2099-12-31"} if self.entry.disclosure_period.item else {}
        sealed = {item.code: self.values[item.code] for item in self.entry.items if item.personal_identifier}
        items = texts | self.values | until | {code: f"enc:1:{code}" for code in sealed}
        return fragment(self.entry, items, sealed, self.kind)


def hidden_in_each_way(entry: DisclosureEntry) -> list[DisclosureEntry]:
    """The entry with its items about persons masked, and with them left out, beside as it is."""

    def each(**changes: object) -> DisclosureEntry:
        items = [structs.replace(i, **changes) if i.sensitivity == "personal" else i for i in entry.items]
        return structs.replace(entry, items=tuple(items))

    return [entry, each(masking="name"), each(masking="identifier"), each(modes=("authorized",)), each(masking="")]


@pytest.mark.parametrize("kind", ["individual", "enterprise"])
@pytest.mark.parametrize("code", sorted(ENTRIES))
def test_no_text_of_a_view_tells_what_its_items_do_not(code: str, kind: str) -> None:
    for entry in hidden_in_each_way(ENTRIES[code]):
        hidden = HiddenItems(entry, kind)
        kept = hidden.kept()
        for view in (*PERSON_PUBLIC, View.SHARED):
            if not kept.shows_in(view):
                continue
            shown = kept.items(view)
            texts = [shown[i.code] for i in entry.items if i.code in shown and i.code not in hidden.values]
            for item, value in hidden.values.items():
                organisation = item == entry.subject_name_item and kind != "individual"
                told = search_key(value) in search_key("".join(texts))
                assert told is (bool(texts) and (organisation or shown.get(item) == value)), (view, item, texts)


@given(st.sampled_from(sorted(ENTRIES)), identity_numbers(), st.data())
def test_no_identity_number_of_a_record_is_in_its_public_or_shared_view(
    code: str, number: str, data: st.DataObject
) -> None:
    """Whatever item it is in: the sealed one, or any free text."""
    entry = ENTRIES[code]
    texts = [item.code for item in entry.items if item.free_text]
    sealed = {item.code: number for item in entry.items if item.personal_identifier}
    written = data.draw(st.lists(st.sampled_from(texts), min_size=1, max_size=3))
    items = dict.fromkeys(written, f"（身份证号{number}）") | dict.fromkeys(sealed, "enc:1:sealed")
    until = {entry.disclosure_period.item: "2026-01-01"} if entry.disclosure_period.item else {}
    for kind in ("individual", "enterprise"):
        kept = fragment(entry, items | until, sealed, kind)
        for mode in (View.PUBLIC, View.SHARED):
            if kept.shows_in(mode):
                assert number not in json.dumps(kept.items(mode), ensure_ascii=False)
                assert set(kept.items(mode)) <= {i.code for i in entry.items if mode.value in i.modes}
        assert not (kept.shows_in(View.PUBLIC) and set(sealed) & set(kept.items(View.PUBLIC)))
