"""Which names the public search finds, as records come, change and go."""

from datetime import timedelta

import pytest

from chengxin_api.ingest.v1 import ingest_pb2
from services.disclosure.store.documents import NameRow
from tests.disclosure.licences import licence
from tests.disclosure.running_disclosure import LI_NA, RunningDisclosure, demo_entry


def test_a_new_name_is_found_and_the_old_one_while_a_record_shows_it(city: RunningDisclosure) -> None:
    at = city.clock.now()
    city.delivers(licence(city, "a", name="阳江市旧名贸易有限公司", at=at))
    city.delivers(licence(city, "b", name="阳江市新名贸易有限公司", at=at + timedelta(days=1)))
    [found] = city.found("旧名")
    assert (found["name"], found["former_names"]) == ("阳江市新名贸易有限公司", ["阳江市旧名贸易有限公司"])
    city.delivers(licence(city, "a", version=2, revoked=True))
    assert city.found("旧名") == []
    assert [s["former_names"] for s in city.found("新名")] == [[]]


def test_a_name_far_down_disappears_when_its_record_is_revoked(city: RunningDisclosure) -> None:
    city.delivers(licence(city, "old", name="阳江市旧名贸易有限公司"))
    city.delivers(*(licence(city, str(n)) for n in range(60)))
    assert len(city.found("旧名")) == 1
    city.delivers(licence(city, "old", version=2, revoked=True))
    assert city.found("旧名") == []
    assert len(city.found("海陵")) == 1


DOCUMENT = "阳市监罚〔2026〕12号"


def fine(city: RunningDisclosure, name: str = "李娜", **items: object) -> ingest_pb2.RecordVersion:
    return city.record("CFGR", LI_NA, name, "fine", **{"CF_WSH": DOCUMENT, "CF_GSJZQ": "2027-01-01"} | items)


@pytest.mark.parametrize(
    "query",
    [
        "李娜 010020",
        " 李　娜  ０１００２０ ",
        f"李娜 {DOCUMENT}",
        "李娜 阳市监罚[2026]12号",
        "李娜 阳市监罚 （2026） 12 号",
    ],
)
def test_a_person_is_found_by_the_full_name_with_a_number(city: RunningDisclosure, query: str) -> None:
    city.delivers(fine(city))
    [found] = city.found(query)
    assert (found["subject_ref"], found["name"], found["kind"]) == (city.ref(LI_NA), "李**", "individual")
    assert found["uscc"] == ""


@pytest.mark.parametrize("shown", ["name", ""])
@pytest.mark.parametrize(
    "query",
    [
        *("李", "李娜", "李**", "李* 010020", "娜 010020", "ln", "李娜010020", "010020", DOCUMENT, "4417", LI_NA),
        *("李娜 0020", "李娜 10020", "李娜 010021", "王娜 010020", f"李娜 {LI_NA}"),
        *(f"李娜 {DOCUMENT[:-1]}", f"{DOCUMENT} 李娜"),
    ],
)
def test_nothing_else_finds_a_person(city: RunningDisclosure, query: str, shown: str) -> None:
    """However her entry shows her name."""
    entry = demo_entry("CFGR")
    items = [item | ({"masking": shown} if item["code"] == "CF_XDR_MC" else {}) for item in entry["items"]]
    city.publishes("CFGR", 2, items=items)
    city.delivers(fine(city, entry_version=2))
    assert city.found(query) == []


def test_a_person_is_found_as_long_as_a_public_record_has_the_name_and_the_number(city: RunningDisclosure) -> None:
    city.delivers(fine(city), city.record("SDQQF", LI_NA, "李娜", "water", QF_DH="1", QF_HH="2"))
    assert len(city.found("李娜 010020")) == 1
    city.delivers(fine(city, "李红", version=2, CF_WSH="阳市监罚〔2026〕99号"))
    assert [city.found(q) for q in ("李娜 010020", f"李红 {DOCUMENT}")] == [[], []]
    assert len(city.found("李红 010020")) == len(city.found("李红 阳市监罚〔2026〕99号")) == 1
    city.delivers(fine(city, "李红", version=3, revoked=True))
    assert city.found("李红 010020") == []


def test_neither_name_nor_number_is_where_a_person_is_looked_up(city: RunningDisclosure) -> None:
    city.delivers(fine(city))
    [row] = city.ctx.store.rows(NameRow).find()
    assert len(row["lookups"]) == 2
    assert not [text for text in ("李娜", "010020", DOCUMENT) if text in str(row)]
