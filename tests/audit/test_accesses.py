"""What a subject is told at `/v1/me/accesses` beside queries: acts of officers about it, and how readers were verified."""

import re
from html import escape, unescape

import pytest

from chengxin.auth.principal import ACR_LEVELS, Capacity, Principal, Role
from chengxin.values.acts import Act
from services.audit.domain.access_messages import ACTS_TOLD, CAPACITIES, NAMED, VERIFICATIONS
from tests.audit.conftest import RunningAudit, an_event

LI_NA = "s_" + "l" * 26
OFFICER = Principal("officer:zhang.wei", frozenset({Role.CENTRE}), "portal", "1200", "441700", "pwd+totp")


WANG, COMPANY, USCC = "s_" + "w" * 26, "s_" + "c" * 26, "91000000MA0000242C"


def told(audit: RunningAudit, language: str = "zh-CN", whom: str = LI_NA) -> list[dict[str, str]]:
    return audit.get("/v1/me/accesses", "subject", sub=whom, language=language).json["accesses"]


@pytest.mark.parametrize("act", sorted(ACTS_TOLD.keys() - NAMED))
def test_whom_an_officers_act_concerns_is_told_without_the_officers_name(audit: RunningAudit, act: str) -> None:
    audit.append([an_event(act, actor=OFFICER, subject_refs=[LI_NA, "s_other"], details={"link": "s_l.s_other"})])
    [chinese], [english] = told(audit), told(audit, "en")
    assert (chinese["act"], chinese["org"]) == (act, "1200")
    assert chinese["description"] == f"信用中心（1200）{ACTS_TOLD[act][0]}"
    assert english["description"] == f"the credit centre (1200) {ACTS_TOLD[act][1]}"
    assert not re.search("zhang|s_other", str(chinese) + str(english))


@pytest.mark.parametrize("act", sorted(NAMED))
def test_who_lets_somebody_act_in_ones_name_is_told_by_user_name(audit: RunningAudit, act: str) -> None:
    details = {"proposed_by": "officer:li", "counter": "3"}
    audit.append([an_event(act, actor=OFFICER, subject_refs=[LI_NA], details=details)])
    [chinese], [english] = told(audit), told(audit, "en")
    assert chinese["description"] == f"信用中心（1200）{ACTS_TOLD[act][0]}，经办人：li、zhang.wei，窗口：3"
    assert english["description"].endswith("; officer: li, zhang.wei; counter: 3")


def test_what_is_done_with_a_code_names_the_officer_who_handed_it_out(audit: RunningAudit) -> None:
    by_code = Principal(LI_NA, frozenset({Role.SUBJECT}), acr="counter", verified_by="officer:zhang.wei")
    audit.append([an_event(actor=by_code, subject_refs=[LI_NA])])
    [seen] = told(audit, "en")
    assert seen["verified_by"] == "officer:zhang.wei"
    assert seen["description"].endswith("the code was issued by officer: zhang.wei")


@pytest.mark.parametrize(
    ("act", "capacity"),
    [(Act.RECORD_QUERIED_OWN, Capacity.LEGAL_REPRESENTATIVE), (Act.CONSENT_GIVEN, Capacity.AGENT)],
)
def test_what_is_done_for_an_organisation_is_told_to_it_and_to_who_did_it(
    audit: RunningAudit, act: Act, capacity: Capacity
) -> None:
    """By pseudonym and capacity; of two representatives each is told what she did herself. The supervisor finds both."""
    for person in (LI_NA, WANG):
        acting = Principal(
            COMPANY, frozenset({Role.SUBJECT}), org=USCC, acr="oidc", represented_by=person, capacity=capacity
        )
        audit.append([an_event(act, actor=acting, subject_refs=[COMPANY])])
    by_wang, by_li = told(audit, "en", COMPANY)
    assert (by_li["own"], by_li["represented_by"], by_li["capacity"]) == (True, LI_NA, capacity)
    assert by_li["description"].startswith(f"your {CAPACITIES[capacity][1]} ({LI_NA}) ")
    assert by_wang["description"].startswith(f"your {CAPACITIES[capacity][1]} ({WANG}) ")
    assert told(audit, whom=COMPANY)[1]["description"].startswith(f"贵单位{CAPACITIES[capacity][0]}（{LI_NA}）")
    [own], [chinese] = told(audit, "en"), told(audit)
    assert (own["own"], own["org"], own["act"]) == (True, USCC, act)
    assert own["description"].startswith(f"you, as {CAPACITIES[capacity][1]} of {USCC}: {act.en};")
    assert chinese["description"].startswith(f"您作为{USCC}的{CAPACITIES[capacity][0]}：{act.zh}，")
    for actor, indexes in ((LI_NA, [0]), (WANG, [1]), (COMPANY, [1, 0])):
        found = audit.supervisor(f"/v1/audit/events?actor={actor}&act={act}")["events"]
        assert [e["index"] for e in found] == indexes


@pytest.mark.parametrize("acr", ACR_LEVELS)
def test_how_a_reader_was_verified_is_told(audit: RunningAudit, acr: str) -> None:
    """Whoever acts in another's name by a code of the counter is seen to have come by the counter."""
    audit.append([an_event(actor=Principal(LI_NA, frozenset({Role.SUBJECT}), acr=acr), subject_refs=[LI_NA])])
    [chinese], [english] = told(audit), told(audit, "en")
    assert (chinese["own"], chinese["acr"]) == (True, acr)
    assert chinese["description"] == f"您本人查询了您的记录，{VERIFICATIONS[acr][0]}"
    assert english["description"] == f"you yourself looked at your records; {VERIFICATIONS[acr][1]}"


def test_an_act_that_was_refused_is_told_as_refused(audit: RunningAudit) -> None:
    refused = an_event("subject.merged", actor=OFFICER, subject_refs=[LI_NA], outcome="refused")
    audit.append([refused])
    [seen] = told(audit)
    assert seen["description"].endswith("（被拒绝）")


def page(audit: RunningAudit, query: str = "", language: str = "zh-CN") -> str:
    answer = audit.get(f"/me/accesses{query}", "subject", sub=LI_NA, language=language)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return answer.text


def test_the_page_says_what_the_address_for_programs_says(audit: RunningAudit) -> None:
    agency = Principal("client:a", frozenset({Role.AGENCY}), "a", "1200", purpose="<b>贷款")
    # Late on the 24th in UTC is the 25th in Shanghai.
    for at in ("2026-11-24T04:00:00.000000Z", "2026-11-24T17:30:05.000000Z"):
        audit.append([an_event(actor=agency, subject_refs=[LI_NA], at=at)])
    newest, older = told(audit, "en")
    english = page(audit, "?lang=en")
    assert '<html lang="en">' in english
    assert english.index('datetime="2026-11-25"') < english.index("01:30:05") < english.index('datetime="2026-11-24"')
    for one in (newest, older):
        assert escape(one["description"]) in english
        assert one["event_id"] in english
    assert "<b>" not in english
    assert escape(told(audit)[0]["description"]) in page(audit)


def test_each_look_at_the_page_is_on_record_and_older_ones_follow(audit: RunningAudit) -> None:
    audit.append([an_event(subject_refs=[LI_NA], request_id=f"req_{n}") for n in range(51)])
    first = page(audit, language="en")
    assert first.count("Reference in the log") == 50
    rest = page(audit, unescape(first.split('rel="next" href="/me/accesses')[1].split('"')[0]))
    assert rest.count('class="reference"') == 1
    looked = audit.supervisor("/v1/audit/events?act=accesses.listed")["events"]
    assert [e["event"]["subject_refs"] for e in looked] == [[LI_NA]] * 2
