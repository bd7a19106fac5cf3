"""Nobody is left out: a person with any document is in an entry about persons, as long as the number is right (Art. 9)."""

from datetime import date, timedelta

import pytest

from chengxin.values.identifiers import ANY_DOCUMENT, PERSONAL
from chengxin.values.ids import SubjectKey
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.catalog.domain.entry import IdentifierScheme
from services.catalog.domain.sample_record import SAMPLES
from services.ingest.domain.catalog_entry import read_entry
from services.ingest.domain.validator import Validator
from tests.chengxin.values.test_identifiers import person
from tests.ingest.deliveries import REGULATOR, licence
from tests.ingest.running_ingest import DEMO, RunningIngest, demo_entry

TOMORROW = date(2026, 11, 25)
SCHEMES = sorted(PERSONAL - {ANY_DOCUMENT})
KINDS = {
    "identity_number": "身份证",
    "permanent_residence": "外国人永久居留身份证",
    "hk_macao_permit": "港澳居民来往内地通行证",
    "taiwan_permit": "台湾居民来往大陆通行证",
    "passport": "护照号",
}


def personal_licence(number: str, kind: str = "身份证") -> dict[str, str]:
    """A licence of a natural person (XKGR)."""
    taken = {item["code"] for item in demo_entry("XKGR")["items"]}
    items = {code: value for code, value in licence().items() if code in taken}
    return items | {
        "XK_XDR_MC": "演示某人",
        "XK_XDR_LB": "自然人",
        "XK_XDR_ZJLX": kind,
        "XK_XDR_ZJHM": number,
    }


@pytest.fixture
def persons(ingest: RunningIngest) -> RunningIngest:
    """Ingest that also knows the entry of personal licences."""
    ingest.knows(ingest.catalog.publishes(demo_entry("XKGR")))
    return ingest


def test_a_person_with_any_document_is_recorded_amended_and_revoked(persons: RunningIngest) -> None:
    assert KINDS.keys() == set(SCHEMES)
    numbers = {scheme: SAMPLES[IdentifierScheme(scheme)] for scheme in SCHEMES}
    delivered = [personal_licence(number.lower(), KINDS[scheme]) for scheme, number in numbers.items()]
    done = persons.regulator.submits_batch(*delivered, entry_code="XKGR")
    assert [o.outcome for o in done.outcomes] == [pb.OUTCOME_ACCEPTED] * len(SCHEMES), done
    told = [r for c in persons.watched(len(SCHEMES)) for r in c.records]
    assert sorted(r.subject.scheme for r in told) == SCHEMES
    assert {r.subject.kind for r in told} == {"individual"}
    for record in told:
        number = numbers[record.subject.scheme]
        assert record.subject.subject_ref == SubjectKey(b"s" * 32).subject_ref(record.subject.scheme, number)
        assert record.items["XK_XDR_ZJHM"].startswith("enc:")
        amended = persons.regulator.rpc(
            "Amend",
            pb.AmendRequest(
                record_id=record.record_id,
                items=personal_licence(number, KINDS[record.subject.scheme]) | {"XK_NR": "餐饮"},
                reason="录入错误",
            ),
        )
        assert (amended.outcome, amended.version) == (pb.OUTCOME_AMENDED, 2)
        revoked = persons.regulator.rpc("Revoke", pb.RevokeRequest(record_id=record.record_id, reason="决定被撤销"))
        assert revoked.outcome == pb.OUTCOME_REVOKED
    assert not [number for number in numbers.values() if len(number) > 8 and number in str(persons.audit.events)]


def test_the_day_of_birth_is_judged_by_the_citys_clock(persons: RunningIngest) -> None:
    """Shanghai is eight hours ahead: who was born on the 25th may be recorded from 16:00 UTC on the 24th."""
    born = person("441702", TOMORROW)
    [early] = persons.regulator.submits_batch(personal_licence(born), entry_code="XKGR").outcomes
    assert [v.rule for v in early.violations] == ["identity_number.birth_date"]
    persons.clock.instant += timedelta(hours=12)
    [then] = persons.regulator.submits_batch(personal_licence(born), entry_code="XKGR").outcomes
    assert then.outcome == pb.OUTCOME_ACCEPTED


PASSPORTS = [
    "E12345678",
    "EA1234567",
    "G12345678",
    "123456789",
    "C01X00T47",
    "AB123456",
    "CHNE12345678",
    "USA123456789",
]


@pytest.mark.parametrize("code", sorted(path.stem for path in (DEMO / "catalog").glob("*.json")))
def test_a_passport_without_its_state_is_told_how_to_write_it(code: str) -> None:
    entry = demo_entry(code)
    validator = Validator(read_entry(entry | {"version": 1}))
    for item in [item["code"] for item in entry["items"] if item.get("identifier") == ANY_DOCUMENT]:
        for number in PASSPORTS:
            _, violations = validator.check({item: number}, TOMORROW)
            [told] = [v for v in violations if v.item == item]
            assert told.rule == "personal_document.passport", number
            for words in (told.zh, told.en):
                assert "CHN-E00000000" in words
                assert "18" not in words


@pytest.mark.parametrize(
    "code",
    ["N2000000MF0000312Q", "N3000000MF0000320G", "Y10000000000003429", "A1000000000000350Q", "910000190004170336"],
)
def test_organisations_of_every_registrar_are_recorded(ingest: RunningIngest, code: str) -> None:
    [outcome] = ingest.regulator.submits_batch(licence(XK_XDR_SHXYM=code)).outcomes
    assert outcome.outcome == pb.OUTCOME_ACCEPTED, outcome
    [record] = [r for c in ingest.watched(1) for r in c.records]
    assert (record.subject.uscc, record.subject.scheme, record.provider_uscc) == (code, "uscc", REGULATOR)
