"""Records that were accepted before `subject.two` name an organisation and a person: nobody sees the person in them."""

import json

import pytest

from chengxin_api.ingest.v1 import ingest_pb2
from services.disclosure.domain.record_views import View
from tests.disclosure.delivered_records import ENTRIES, fragment
from tests.disclosure.running_disclosure import COMPANY, LI_NA, RunningDisclosure

OF_BOTH = sorted(
    code
    for code, entry in ENTRIES.items()
    if len({s for _, s in entry.identifying}) > 1 and code not in ("XZXK", "XZCF")
)
PERSON, ITS_NAME = "王强", "阳江演示建筑有限公司"


@pytest.mark.parametrize("code", OF_BOTH)
def test_no_view_shows_the_person_of_a_record_that_names_an_organisation(code: str) -> None:
    entry = ENTRIES[code]
    persons = [item.code for item in entry.items if item.personal_identifier]
    assert entry.names_two_subjects([c for c, _ in entry.identifying])
    until = {entry.disclosure_period.item: "2099-12-31"} if entry.disclosure_period.item else {}
    texts = {
        i.code: f"因{PERSON}（{LI_NA}）等" for i in entry.items if i.free_text and i.code != entry.subject_name_item
    }
    items = texts | until | {entry.identifying[0][0]: COMPANY, entry.subject_name_item: PERSON}
    sealed = dict.fromkeys(persons, LI_NA)
    kept = fragment(entry, items | dict.fromkeys(persons, "enc:1:sealed"), sealed, "enterprise")
    for view in (v for v in View if kept.shows_in(v)):
        shown = kept.items(view)
        assert not {entry.subject_name_item, *persons} & shown.keys(), view
        if view in (View.PUBLIC, View.SHARED):
            assert PERSON not in json.dumps(shown, ensure_ascii=False)
            assert LI_NA not in str(shown)
    alone = fragment(entry, items, {}, "enterprise")
    assert alone.items(View.OWN)[entry.subject_name_item] == PERSON


def both(city: RunningDisclosure, **more: object) -> ingest_pb2.RecordVersion:
    made = city.record("SXBZX", COMPANY, PERSON, "both", SX_AH="（2026）粤1702执1号", **more)
    made.items["SX_ZJHM"] = city.ctx.keys.encrypt(LI_NA, "SX_ZJHM")
    return made


def test_a_company_is_neither_called_nor_found_by_the_person_of_its_record(city: RunningDisclosure) -> None:
    city.delivers(both(city))
    assert city.public() != []
    assert PERSON not in json.dumps(city.public(), ensure_ascii=False)
    assert city.found(PERSON) == []
    assert PERSON not in city.anybody.get(f"/subjects/{city.ref(COMPANY)}").text
    own = city.caller("subject", sub=city.ref(COMPANY)).get("/v1/me/records").text
    assert PERSON not in own
    assert LI_NA not in own
    # The two are no subject together.
    assert city.public(LI_NA) == []
    assert city.caller("subject", sub=city.ref(LI_NA)).get("/v1/me/records").json["records"] == []
    city.delivers(city.record("QYDJ", COMPANY, ITS_NAME, "register", DJZT="存续"))
    assert [found["name"] for found in city.found(ITS_NAME)] == [ITS_NAME]
    assert city.found(PERSON) == []


def test_a_mended_version_is_shown_again(city: RunningDisclosure) -> None:
    city.delivers(both(city))
    city.delivers(city.record("SXBZX", COMPANY, ITS_NAME, "both", SX_AH="（2026）粤1702执1号", version=2))
    assert [found["name"] for found in city.found(ITS_NAME)] == [ITS_NAME]
    [record] = city.public()
    assert record["items"]["SX_MC"] == ITS_NAME
