"""The authority publishes an entry with its effective date, and every version is kept (Art. 7)."""

from typing import Any

import pytest

from tests.catalog.conftest import RunningCatalog
from tests.support import until


def test_the_authority_publishes_an_entry_and_everybody_reads_it(
    catalog: RunningCatalog, licensing: dict[str, Any]
) -> None:
    published = catalog.authority.publishes(licensing, "2026-11-24")
    assert published.status_code == 200
    entry = catalog.anybody.get("/v1/catalog/entries/XZXK").json
    assert entry == published.json
    assert {k: entry[k] for k in ("version", "effective_from", "effective_to")} == {
        "version": 1,
        "effective_from": "2026-11-24",
        "effective_to": "",
    }
    assert entry["items"][2]["identifier"] == "uscc"
    assert [e["code"] for e in catalog.anybody.get("/v1/catalog/entries").json["entries"]] == ["XZXK"]


def test_the_next_version_closes_the_one_before(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["reporting_limit_working_days"] = 5
    assert catalog.authority.publishes(licensing, "2027-01-01").json["version"] == 2

    versions = catalog.anybody.get("/v1/catalog/entries/XZXK/versions").json["entries"]
    assert [(v["version"], v["effective_from"], v["effective_to"]) for v in versions] == [
        (1, "2026-11-24", "2026-12-31"),
        (2, "2027-01-01", ""),
    ]
    assert catalog.anybody.get("/v1/catalog/entries/XZXK").json["version"] == 1
    assert catalog.anybody.get("/v1/catalog/entries/XZXK?version=2").json["reporting_limit_working_days"] == 5
    [coming] = catalog.anybody.get("/v1/catalog/entries?as_of=2027-01-01").json["entries"]
    assert coming["version"] == 2
    assert catalog.anybody.get("/v1/catalog/entries?as_of=2026-11-23").json["entries"] == []


def test_a_publication_must_not_be_backdated_or_overlap(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    authority = catalog.authority
    assert authority.publishes(licensing, "2026-11-23").json["code"] == "PUBLICATION_BACKDATED"
    assert authority.publishes(licensing, "2026-12-02", "2026-12-01").json["code"] == "PERIOD_REVERSED"
    authority.publishes(licensing, "2026-12-01")
    assert authority.publishes(licensing, "2026-12-01").json["code"] == "PUBLICATION_OVERLAPS"
    assert authority.publishes(licensing, "2026-11-30").status_code == 409


@pytest.mark.parametrize("role", ["public", "subject", "provider", "agency", "centre", "supervisor", "service"])
def test_only_the_authority_compiles_and_publishes(
    catalog: RunningCatalog, licensing: dict[str, Any], role: str
) -> None:
    someone = catalog.caller(role)
    for refused in (
        someone.post("/v1/catalog/drafts", licensing),
        someone.post("/v1/catalog/drafts/draft_x/publish", {"revision": 1, "effective_from": "2026-11-24"}),
        someone.post("/v1/catalog/rules", {"name": "x_y", "effective_from": "2027-01-01", "values": {"days": 1}}),
        someone.put("/v1/catalog/calendar/2027", {"days_off": [], "days_worked": []}),
    ):
        assert (refused.status_code, refused.json["code"]) == (403, "ROLE_NOT_ALLOWED")
    # The refusals themselves are on record.
    assert len([e for e in catalog.audit.events if e["outcome"] == "refused"]) == 4


def test_a_repeated_request_publishes_once(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    authority, key = catalog.authority, {"Idempotency-Key": "k1"}
    first = authority.post("/v1/catalog/drafts", licensing, **key)
    assert authority.post("/v1/catalog/drafts", licensing, **key).json == first.json
    path = f"/v1/catalog/drafts/{first.json['draft_id']}/publish"
    once = authority.post(path, {"revision": 1, "effective_from": "2026-11-24"}, **{"Idempotency-Key": "k2"})
    again = authority.post(path, {"revision": 1, "effective_from": "2026-11-24"}, **{"Idempotency-Key": "k2"})
    assert (once.status_code, again.json) == (200, once.json)
    other = authority.post(path, {"revision": 1, "effective_from": "2026-11-25"}, **{"Idempotency-Key": "k2"})
    assert other.json["code"] == "IDEMPOTENCY_CONFLICT"
    assert len(catalog.anybody.get("/v1/catalog/entries/XZXK/versions").json["entries"]) == 1


def test_each_modification_is_on_record_against_its_actor(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["reporting_limit_working_days"] = 5
    catalog.authority.publishes(licensing, "2026-12-01")
    published = until(lambda: len(found := catalog.audit.of("entry.published")) == 2 and found, "events are delivered")
    assert published[1]["actor"]["sub"] == "officer:authority"
    assert published[1]["entries"] == ["XZXK"]
    assert published[1]["details"]["closes"] == {"version": 1, "effective_to": "2026-11-30"}
    assert len(catalog.audit.of("draft.created")) == 2
