"""What a subject is told at `/v1/me/accesses` beside queries: acts of officers about it, and how readers were verified."""

import re

import pytest

from chengxin.auth.principal import ACR_LEVELS, Principal, Role
from services.audit.domain.access_messages import ACTS_TOLD, VERIFICATIONS
from tests.audit.conftest import RunningAudit, an_event

LI_NA = "s_" + "l" * 26
OFFICER = Principal("officer:zhang.wei", frozenset({Role.CENTRE}), "portal", "1200", "441700", "pwd+totp")


def told(audit: RunningAudit, language: str = "zh-CN") -> list[dict[str, str]]:
    return audit.get("/v1/me/accesses", "subject", sub=LI_NA, language=language).json["accesses"]


@pytest.mark.parametrize("act", ACTS_TOLD)
def test_whom_an_officers_act_concerns_is_told_without_the_officers_name(audit: RunningAudit, act: str) -> None:
    audit.append([an_event(act, actor=OFFICER, subject_refs=[LI_NA, "s_other"], details={"link": "s_l.s_other"})])
    [chinese], [english] = told(audit), told(audit, "en")
    assert (chinese["act"], chinese["org"]) == (act, "1200")
    assert chinese["description"] == f"信用中心（1200）{ACTS_TOLD[act][0]}"
    assert english["description"] == f"the credit centre (1200) {ACTS_TOLD[act][1]}"
    assert not re.search("zhang|s_other", str(chinese) + str(english))


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
