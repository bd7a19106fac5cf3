"""Names of files: numbers of persons are crossed out, what Windows reads otherwise is refused, and none runs when opened."""

import pytest

from chengxin.values.file_names import file_name_faults, kept_file_name, offered_file_name
from chengxin.values.personal_numbers import holds_personal_number
from tests.chengxin.values.test_personal_numbers import WRITTEN

DEVICES = ("CON", "prn", "Aux.txt", "NUL.tar.gz", "COM1", "lpt9.pdf", "COM¹", "CON .txt", "CONIN$", "conout$.txt")


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_number_of_a_person_is_crossed_out_however_it_is_written(written: str) -> None:
    kept = kept_file_name(f"证件 {written}.pdf")
    assert not holds_personal_number(kept)
    assert (kept[:3], kept[-4:]) == ("证件 ", ".pdf")
    assert kept_file_name(kept) == kept


@pytest.mark.parametrize(
    "name", ["records.csv", "2026-11-30 名单（终稿）.xlsx", "mmexport1701234567890.jpg", "a.tar.gz", ".a"]
)
def test_other_names_stay(name: str) -> None:
    assert kept_file_name(name) == name
    assert list(file_name_faults("name", name, 200)) == []


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        *((name, "name.device") for name in DEVICES),
        *(
            (name, "name.characters")
            for name in (".", "..", "a.", "a..", "a. ", " a", "a ", "a/b", "a\\b", "C:a", "a?", "a\nb")
        ),
        *((name, "characters") for name in ("gpj.\u202efdp", "a\u200b.pdf", "a\0", "\u3164a")),
        *((name, "name.length") for name in ("", " ", "a" * 201)),
    ],
)
def test_a_name_that_means_something_else_is_refused_with_its_field(name: str, rule: str) -> None:
    faults = list(file_name_faults("evidence.0.name", name, 200))
    assert (rule, "evidence.0.name") in {(fault.rule, fault.field) for fault in faults}
    assert all(" / " in fault.message or fault.rule == "name.length" for fault in faults)


@pytest.mark.parametrize(
    "name", [*DEVICES, "..", "a.html", "a.pdf.exe", "a/b.js", "a. ", "", "COM1.pdf", "441702189001010020"]
)
def test_what_goes_out_can_be_saved_everywhere_and_opens_as_what_it_is(name: str) -> None:
    """Also what was handed in before names were looked at."""
    offered = offered_file_name(name, (".pdf",))
    assert offered.lower().endswith(".pdf")
    assert list(file_name_faults("name", offered, 255)) == []
    assert not holds_personal_number(offered)
    assert offered_file_name(offered, (".pdf",)) == offered
