"""A subject's own page shows the subject everything about itself (Art. 16)."""

import pytest

from tests.disclosure.running_disclosure import LI_NA, RunningDisclosure


@pytest.fixture
def recorded(city: RunningDisclosure) -> RunningDisclosure:
    """An archived penalty of Li Na's, and a record of social insurance payments."""
    city.delivers(
        city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="罚<1>号", CF_GSJZQ="2026-11-01"),
        city.record("SBJF", LI_NA, "李娜", "sb", SB_BH="9", SB_DH="8", SB_HDRQ="2026-06-01"),
    )
    return city


def test_she_sees_everything_in_full_and_what_is_archived(recorded: RunningDisclosure) -> None:
    page = recorded.person().get("/me")
    assert page.status_code == 200
    assert "<h1>李娜</h1>" in page.text
    assert LI_NA in page.text
    assert "罚&lt;1&gt;号" in page.text
    assert page.text.count('class="record"') == 2
    assert "已归档" in page.text
    assert [e["subject_refs"] for e in recorded.audit.of("record.queried.own")] == [[recorded.ref(LI_NA)]]


def test_it_is_nobody_elses(recorded: RunningDisclosure) -> None:
    assert recorded.anybody.get("/me").status_code == 401
    for caller in (recorded.caller("agency", sub="x", org="x"), recorded.caller("centre", sub="x")):
        assert caller.get("/me").status_code == 403
    assert recorded.caller("subject", sub="s_other").get("/me").text.count("<article") == 0


def test_in_english(recorded: RunningDisclosure) -> None:
    page = recorded.person().get("/me?lang=en")
    assert "Archived, no longer disclosed" in page.text
    assert page.headers["Content-Language"] == "en"
