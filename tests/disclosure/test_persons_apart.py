"""Two identity numbers are two persons: whatever officers decide, have decided, or decide again (Art. 2, 5)."""

import pytest

from services.disclosure.domain.entity_resolution import LinkDecision, SchemedReference, link_id
from services.disclosure.projections.feeds import Projection
from services.disclosure.projections.persons_apart import take_persons_apart
from services.disclosure.store.generations import Generations
from services.disclosure.store.links import LinkAct, StoredLink
from services.disclosure.store.subject_state import SubjectGroup
from services.disclosure.store.writes import Writes
from tests.disclosure.running_disclosure import LI_NA, DisclosureCaller, RunningDisclosure
from tests.disclosure.subject_references import records

WANG_FANG = "441702189603120024"
BOTH = {"subjects": [{"identity_number": LI_NA}, {"identity_number": WANG_FANG}], "reason": "同一人"}


@pytest.fixture
def persons(city: RunningDisclosure) -> tuple[str, str]:
    """Li Na and Wang Fang, with a record each."""
    for key, number, name in (("li", LI_NA, "李娜"), ("wang", WANG_FANG, "王芳")):
        city.delivers(city.record("CFGR", number, name, key, CF_WSH=key, CF_GSJZQ="2029-01-01"))
    return city.ref(LI_NA), city.ref(WANG_FANG)


def each_sees_only_its_own(city: RunningDisclosure) -> bool:
    seen = [records(city.person(number), "/v1/me/records") for number in (LI_NA, WANG_FANG)]
    return seen == [["r_li"], ["r_wang"]]


def merged_by_the_last_version(city: RunningDisclosure, one: str, other: str) -> str:
    """Writes what the last version stored when an officer merged two persons. Returns the number of the link."""
    store, refs, writes = city.ctx.store, sorted((one, other)), Writes()
    reason = city.ctx.keys.encrypt("同一人", "reason")
    low, high = (SchemedReference(ref, "identity_number") for ref in refs)
    decided = [LinkAct(LinkDecision.SAME.value, "officer-1", "2026-11-01T00:00:00Z", reason)]
    store.links.write([StoredLink(low, high, history=decided, state="merged")], writes)
    store.links.write_group(SubjectGroup("g_1", refs, store.links.states(refs)), writes)
    for ref in refs:
        store.links.write_member(ref, "g_1", writes)
        store.links.write_grouped(ref, writes)
    for document, rows in writes.items():
        store.rows(document).bulk_write(rows)
    return link_id(*refs)


def test_nobody_merges_two_persons(
    city: RunningDisclosure, officer: DisclosureCaller, persons: tuple[str, str]
) -> None:
    refused = officer.post("/v1/subjects/links", BOTH)
    assert (refused.status_code, refused.json["code"]) == (409, "TWO_PERSONS")
    assert each_sees_only_its_own(city)


def test_what_officers_of_the_last_version_merged_is_taken_apart_and_told(
    city: RunningDisclosure, officer: DisclosureCaller, persons: tuple[str, str]
) -> None:
    number = merged_by_the_last_version(city, *persons)
    assert len(records(city.person(), "/v1/me/records")) == 2
    ctx = city.ctx
    take_persons_apart(Projection(ctx.store, ctx.keys, ctx.subject_key, ctx.clock), Generations(ctx.store.store))
    assert each_sees_only_its_own(city)
    [held] = officer.get("/v1/subjects/conflicts").json["conflicts"]
    assert (held["link_id"], held["state"], held["history"][0]["decision"]) == (number, "conflict", "same")
    # It is cleared by taking the decision back, and does not come back when that is undone.
    split = officer.post(f"/v1/subjects/links/{number}/split", {"reason": "两个人"})
    assert split.status_code == 200, split.text
    assert officer.get("/v1/subjects/conflicts").json["conflicts"] == []
    again = officer.post(f"/v1/subjects/links/{number}/undo", {"reason": "还是同一人"})
    assert (again.status_code, again.json["code"]) == (409, "TWO_PERSONS")
    assert each_sees_only_its_own(city)
