"""Consents (Art. 16) name grantee, purpose, scope, time and uses, and end at once when they are withdrawn."""

import pytest

from chengxin.values.page_tokens import encode_page_token
from services.disclosure.store.consents import ConsentStore
from tests.disclosure.running_disclosure import COMPANY, LI_NA, RunningDisclosure

BANK = "91000000MA0009028J"
TERMS = {"grantee": BANK, "purpose": "loan_application", "entries": ["CFGR"], "valid_to": "2026-12-31"}


@pytest.fixture
def lending(city: RunningDisclosure) -> RunningDisclosure:
    """Li Na has a penalty and a social-insurance record, and asks the bank for a loan."""
    city.delivers(
        city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="1", CF_GSJZQ="2027-11-20", BZ="内部备注"),
        city.record("SBJF", LI_NA, "李娜", "sb", SB_BH="9", SB_DH="8", SB_HDRQ="2026-06-01"),
    )
    return city


def given(city: RunningDisclosure, **terms: object) -> str:
    answer = city.person().post("/v1/me/consents", TERMS | terms)
    assert answer.status_code == 201, answer.text
    return answer.json["consent_id"]


def asked(city: RunningDisclosure, named: str, body: dict[str, object] | None = None, **claims: str):
    bank = {"sub": "c-bank", "org": BANK, "consent_id": named, "purpose": "loan_application"} | claims
    return city.caller("subject_authorized", **bank).post("/v1/authorized/queries", body or {})


def test_the_grantee_sees_what_the_consent_names(lending: RunningDisclosure) -> None:
    answer = asked(lending, given(lending)).json
    assert [r["entry_code"] for r in answer["records"]] == ["CFGR"]
    assert answer["records"][0]["items"]["CF_XDR_MC"] == "李娜"
    assert not {"CF_XDR_ZJHM", "BZ"} & set(answer["records"][0]["items"])
    [event] = lending.audit.of("record.queried.authorized")
    assert (event["purpose"], event["subject_refs"]) == ("loan_application", [lending.ref(LI_NA)])
    assert event["consent_id"]


def test_an_identifier_that_a_consent_covers_is_opened(lending: RunningDisclosure) -> None:
    answer = asked(lending, given(lending, entries=["SBJF"])).json
    assert answer["records"][0]["items"]["SB_ZJHM"] == LI_NA


def test_without_named_entries_it_covers_all_that_consent_can(lending: RunningDisclosure) -> None:
    answer = asked(lending, given(lending, entries=[])).json
    assert {r["entry_code"] for r in answer["records"]} == {"CFGR", "SBJF"}


@pytest.mark.parametrize(
    ("claims", "body", "code"),
    [
        ({"org": "91000000MA000901XJ"}, {}, "CONSENT_OTHER_GRANTEE"),
        ({"purpose": "marketing"}, {}, "CONSENT_OTHER_PURPOSE"),
        ({}, {"entries": ["SBJF"]}, "CONSENT_OTHER_ENTRIES"),
        ({}, {"subject": {"uscc": BANK}}, "CONSENT_OTHER_SUBJECT"),
        ({"consent_id": "consent_x"}, {}, "CONSENT_UNKNOWN"),
        ({"consent_id": ""}, {}, "CONSENT_UNKNOWN"),
    ],
)
def test_anything_beyond_it_is_refused_and_on_record(lending: RunningDisclosure, claims, body, code: str) -> None:
    answer = asked(lending, given(lending), body, **claims)
    assert (answer.status_code, answer.json["code"]) == (403, code)
    [event] = lending.audit.of("record.queried.authorized")
    assert (event["outcome"], event["details"]["code"]) == ("refused", code)


def test_a_withdrawn_consent_ends_a_token_already_issued(lending: RunningDisclosure) -> None:
    consent_id = given(lending)
    assert asked(lending, consent_id).status_code == 200
    assert lending.person().delete(f"/v1/me/consents/{consent_id}").json["withdrawn_at"]
    assert asked(lending, consent_id).json["code"] == "CONSENT_WITHDRAWN"


def test_a_consent_is_good_as_often_as_it_says(lending: RunningDisclosure) -> None:
    consent_id = given(lending, uses=2)
    assert [asked(lending, consent_id).status_code for _ in range(3)] == [200, 200, 403]


def test_a_further_page_is_the_same_use(lending: RunningDisclosure) -> None:
    """For the token and the entries of the first page: the token of a page can be made by anybody."""
    lending.delivers(lending.record("CFGR", LI_NA, "李娜", "more", CF_WSH="2", CF_GSJZQ="2027-11-20"))
    consent_id = given(lending, uses=1)
    claims = {"sub": "c-bank", "org": BANK, "consent_id": consent_id, "purpose": "loan_application"}
    bank, other = (lending.caller("subject_authorized", **claims) for _ in range(2))
    asks = "/v1/authorized/queries"
    first = bank.post(asks, {"page_size": 1}).json
    following = {"page_size": 1, "page_token": first["next_page_token"]}
    assert first["next_page_token"]
    for _ in range(2):
        # Also when its answer was lost.
        second = bank.post(asks, following).json
        assert [len(second["records"]), second["next_page_token"]] == [1, ""]
    assert second["records"] != first["records"]
    for refused in (
        bank.post(asks, {"page_size": 1}),
        bank.post(asks, following | {"entries": ["CFGR"]}),
        bank.post(asks, following | {"page_token": encode_page_token(second["records"][0]["record_id"])}),
        other.post(asks, following),
    ):
        assert (refused.status_code, refused.json["code"]) == (403, "CONSENT_USED_UP")
    assert lending.person().get(f"/v1/me/consents/{consent_id}").json["uses_left"] == 0
    lending.person().delete(f"/v1/me/consents/{consent_id}")
    assert bank.post(asks, following).json["code"] == "CONSENT_WITHDRAWN"


def test_a_person_consents_to_what_may_be_about_persons(lending: RunningDisclosure) -> None:
    terms = TERMS | {"entries": ["CFGR", "XZXK"]}
    refused = lending.person().post("/v1/me/consents", terms)
    assert [(e["field"], e["rule"]) for e in refused.json["errors"]] == [("entries", "about_organisations")]
    assert "XZXK" in refused.json["errors"][0]["message"]
    assert "CFGR" not in refused.json["errors"][0]["message"]
    company = lending.caller("subject", sub=lending.ref(BANK), org=BANK)
    assert company.post("/v1/me/consents", terms | {"entries": ["XZXK", "XZXK"]}).json["entries"] == ["XZXK"]


def test_the_last_use_is_taken_once(lending: RunningDisclosure, monkeypatch: pytest.MonkeyPatch) -> None:
    consent_id = given(lending, uses=1)
    take = ConsentStore.take_use

    def taken_by_another_first(self: ConsentStore, which: str) -> bool:
        assert take(self, which)
        return take(self, which)

    monkeypatch.setattr(ConsentStore, "take_use", taken_by_another_first)
    assert asked(lending, consent_id).json["code"] == "CONSENT_USED_UP"


def test_a_query_that_was_not_answered_was_no_use(lending: RunningDisclosure) -> None:
    consent_id = given(lending, uses=1)
    lending.audit.away = True
    assert asked(lending, consent_id).status_code == 503
    lending.audit.away = False
    assert asked(lending, consent_id).status_code == 200
    assert asked(lending, consent_id).json["code"] == "CONSENT_USED_UP"


def test_a_consent_is_good_on_its_days(lending: RunningDisclosure) -> None:
    coming = given(lending, valid_from="2026-11-25")
    assert asked(lending, coming).json["code"] == "CONSENT_NOT_IN_TIME"
    last_day = given(lending, valid_to="2026-11-24")
    assert asked(lending, last_day).status_code == 200


def test_only_the_subject_takes_it_back(lending: RunningDisclosure) -> None:
    consent_id = given(lending)
    stranger = lending.caller("subject", sub="s_stranger")
    assert stranger.delete(f"/v1/me/consents/{consent_id}").json["code"] == "CONSENT_ABSENT"
    [event] = lending.audit.of("consent.withdrawn")
    assert (event["outcome"], event["details"]) == ("refused", {"code": "CONSENT_ABSENT", "asked": [consent_id]})
    assert stranger.get("/v1/me/consents").json["consents"] == []
    assert asked(lending, consent_id).status_code == 200


def test_the_subject_alone_reads_it_where_it_was_made(lending: RunningDisclosure) -> None:
    given = lending.person().post("/v1/me/consents", TERMS)
    read = lending.person().get(given.headers["Location"])
    assert (read.status_code, read.json | {"code": given.json["code"]}) == (200, given.json)
    assert lending.audit.of("consent.listed")[0]["subject_refs"] == [lending.ref(LI_NA)]
    stranger = lending.caller("subject", sub="s_stranger").get(given.headers["Location"])
    absent = lending.person().get("/v1/me/consents/consent_x")
    assert [a.json["code"] for a in (stranger, absent)] == ["CONSENT_ABSENT"] * 2
    assert [e["outcome"] for e in lending.audit.of("consent.listed")] == ["ok", "refused", "refused"]


def test_ones_consents_are_listed_newest_first(lending: RunningDisclosure) -> None:
    made = [given(lending) for _ in range(3)]
    first = lending.person().get("/v1/me/consents?page_size=2").json
    second = lending.person().get(f"/v1/me/consents?page_size=2&page_token={first['next_page_token']}").json
    assert sorted(c["consent_id"] for c in first["consents"] + second["consents"]) == sorted(made)
    assert second["next_page_token"] == ""


def test_a_repeated_request_gives_one_consent(lending: RunningDisclosure) -> None:
    person = lending.person()
    key = {"Idempotency-Key": "k1"}
    one, two = (person.post("/v1/me/consents", TERMS, **key).json for _ in range(2))
    # The code is shown once: to repeat it, the service would have to keep it.
    assert one.pop("code")
    assert two.pop("code") is None
    assert one == two
    other = person.post("/v1/me/consents", TERMS | {"purpose": "tender"}, **key)
    assert other.json["code"] == "IDEMPOTENCY_CONFLICT"


@pytest.mark.parametrize(
    "terms",
    [
        {"valid_to": "2026-11-23"},
        {"grantee": "bank"},
        {"grantee": "0" * 18},
        {"grantee": BANK[:-1] + "K"},
        {"entries": ["CFGR", "NONE"]},
        {"entries": ["cfgr"]},
        # An entry that no consent opens.
        {"entries": ["SDQQF"]},
        {"valid_to": "2126-11-29"},
        {"valid_to": "2031-11-25"},
        {"valid_from": "2126-01-01", "valid_to": "2126-11-29"},
        {"purpose": "借款 用途"},
        {"uses": 0},
        {"extra": 1},
    ],
)
def test_a_consent_that_could_never_be_used_is_refused(lending: RunningDisclosure, terms: dict[str, object]) -> None:
    assert lending.person().post("/v1/me/consents", TERMS | terms).status_code == 400


@pytest.mark.parametrize(
    ("capacity", "until", "valid_to", "status"),
    [
        ("agent", "2026-12-31", "2026-12-31", 201),
        ("agent", "2026-12-30", "2026-12-31", 400),
        ("legal_representative", "", "2031-11-01", 201),
    ],
)
def test_who_consents_for_an_organisation_is_told_and_an_agent_not_beyond_her_authorization(
    lending: RunningDisclosure, capacity: str, until: str, valid_to: str, status: int
) -> None:
    acting = {"sub": lending.ref(COMPANY), "org": COMPANY, "act": {"sub": lending.ref(LI_NA)}, "capacity": capacity}
    company = lending.caller("subject", **acting, authorized_until=until)
    answer = company.post("/v1/me/consents", TERMS | {"entries": [], "valid_to": valid_to})
    assert answer.status_code == status, answer.text
    listed = company.get("/v1/me/consents").json["consents"]
    if status == 201:
        assert [(c["given_by"], c["given_as"]) for c in listed] == [(lending.ref(LI_NA), capacity)]
    else:
        assert [(e["field"], e["rule"]) for e in answer.json["errors"]] == [("valid_to", "authorization")]
        assert not listed
