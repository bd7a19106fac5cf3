"""A subject has its registered name, if there is one; former names, and names that only others use, are found too."""

from datetime import timedelta
from typing import Any

from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from services.disclosure.store.documents import NameRow
from tests.disclosure.running_disclosure import COMPANY, RunningDisclosure

OLD, NEW, OTHER = "阳江市旧名贸易有限公司", "阳江市新名贸易有限公司", "阳江市别名贸易行"
BUREAU = "11000000MB7332462W"
# Another company.
SECOND = demo_uscc("91", 77, "MA")


def told(city: RunningDisclosure, code: str, name: str, key: str, day: int, **more: Any) -> ingest_pb2.RecordVersion:
    return city.record(code, COMPANY, name, key, at=city.clock.now() + timedelta(days=day), **more)


def by_bureau(city: RunningDisclosure, name: str, key: str, day: int, **more: Any) -> ingest_pb2.RecordVersion:
    made = told(city, "XZCF", name, key, day, CF_WSH=key, CF_GSJZQ="2030-01-01", **more)
    made.provider_uscc = BUREAU
    return made


def called(city: RunningDisclosure) -> list[tuple[str, list[str]]]:
    """Its name and former names: on the public page, in a search, in shared queries, and on its own page."""
    ref = city.ref(COMPANY)
    agency = city.caller("agency", sub="c", purpose="review", org="O")
    subjects = [
        city.anybody.get(f"/v1/public/subjects/{ref}").json["subject"],
        *city.found(COMPANY),
        agency.post("/v1/shared/queries", {"subject": {"uscc": COMPANY}}).json["subject"],
        city.caller("subject", sub=ref).get("/v1/me/records").json["subject"],
    ]
    return [(s["name"], s["former_names"]) for s in subjects]


def conflicts(city: RunningDisclosure) -> list[str]:
    own = city.caller("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json["conflicts"]
    return [statement["value"] for conflict in own for statement in conflict["statements"]]


def test_what_others_call_it_does_not_rename_what_a_register_named(city: RunningDisclosure) -> None:
    city.delivers(told(city, "QYDJ", NEW, "register", 0))
    city.delivers(by_bureau(city, OTHER, "fine", 1))
    assert called(city) == [(NEW, [])] * 4
    assert conflicts(city) == [OTHER, NEW]
    # It is found under both names, and shown with its registered name.
    assert [s["name"] for s in city.found("别名")] == [NEW]


def test_what_the_registrar_says_elsewhere_does_not_take_its_register_s_word_away(city: RunningDisclosure) -> None:
    city.delivers(told(city, "QYDJ", NEW, "register", 0), told(city, "XZXK", NEW, "licence", 1, XK_WSH="licence"))
    city.delivers(by_bureau(city, OTHER, "fine", 2))
    assert called(city) == [(NEW, [])] * 4
    assert conflicts(city) == [OTHER, NEW]


def test_a_register_that_renames_makes_the_old_name_a_former_one(city: RunningDisclosure) -> None:
    city.delivers(told(city, "QYDJ", OLD, "register", 0), by_bureau(city, OLD, "fine", 1))
    assert called(city) == [(OLD, [])] * 4
    # The same record, amended: its place is older than that of the fine.
    city.delivers(told(city, "QYDJ", NEW, "register", 2, version=2))
    assert called(city) == [(NEW, [OLD])] * 4
    assert conflicts(city) == []


def test_without_a_register_the_newest_name_counts(city: RunningDisclosure) -> None:
    city.delivers(told(city, "XZXK", OLD, "a", 0, XK_WSH="a"), told(city, "XZXK", NEW, "b", 1, XK_WSH="b"))
    assert called(city) == [(NEW, [OLD])] * 4
    city.delivers(told(city, "XZXK", OLD, "c", 2, XK_WSH="c"))
    assert called(city) == [(OLD, [NEW])] * 4


def test_a_register_that_takes_its_record_back_names_nobody(city: RunningDisclosure) -> None:
    city.delivers(told(city, "QYDJ", NEW, "register", 0), by_bureau(city, OTHER, "fine", 1))
    city.delivers(told(city, "QYDJ", NEW, "register", 2, version=2, revoked=True))
    assert [name for name, _ in called(city)] == [OTHER] * 4


def test_a_further_record_under_the_same_name_is_no_change_of_names(city: RunningDisclosure) -> None:
    """Each change would be written, and read by every process at its next search."""
    city.delivers(by_bureau(city, NEW, "one", 0))
    names = city.ctx.store.rows(NameRow)
    before = names.find_one({"_id": city.ref(COMPANY)})
    city.delivers(by_bureau(city, NEW, "two", 1))
    assert names.find_one({"_id": city.ref(COMPANY)}) == before


def test_what_a_provider_took_back_was_never_its_name(city: RunningDisclosure) -> None:
    city.delivers(told(city, "XZXK", NEW, "a", 0, XK_WSH="a"), by_bureau(city, OTHER, "fine", 1))
    assert called(city) == [(OTHER, [])] * 4
    city.delivers(by_bureau(city, OTHER, "fine", 2, version=2, revoked=True))
    assert called(city) == [(NEW, [])] * 4


def test_what_others_call_it_is_no_former_name_when_the_register_speaks_again(city: RunningDisclosure) -> None:
    city.delivers(told(city, "QYDJ", OLD, "register", 0), by_bureau(city, OTHER, "fine", 1))
    city.delivers(told(city, "QYDJ", NEW, "register", 2, version=2))
    # OLD was its name; no public record shows it any more.
    assert called(city) == [(NEW, []), (NEW, []), (NEW, [OLD]), (NEW, [OLD])]


def test_a_merged_subject_is_called_what_the_register_said_last_and_found_by_each_of_its_codes(
    city: RunningDisclosure,
) -> None:
    at = city.clock.now()
    city.delivers(told(city, "QYDJ", OLD, "one", 0), by_bureau(city, OLD, "fine", 1))
    city.delivers(city.record("QYDJ", SECOND, NEW, "two", at=at + timedelta(days=3)))
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": SECOND}], "reason": "换发新的统一社会信用代码"}
    officer = city.caller("centre", sub="officer-1")
    merged = city.decides(officer, "", both)
    assert called(city) == [(NEW, [OLD])] * 4
    for text in (COMPANY, SECOND, OLD, NEW):
        [found] = city.found(text)
        assert (found["name"], found["former_names"]) == (NEW, [OLD]), text
    [link] = [link for link in merged["links"] if link["state"] == "merged"]
    assert officer.post(f"/v1/subjects/links/{link['link_id']}/undo", {"reason": "另一家公司"}).status_code == 200
    assert called(city) == [(OLD, [])] * 4
    assert [s["name"] for s in city.found(SECOND)] == [NEW]
