"""A record that cannot be projected stops no other: it is set aside with its reason, listed, and tried again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from services.disclosure.context import OWN
from services.disclosure.domain import disclosure_period
from services.disclosure.projections import consumers, records
from services.disclosure.store.documents import DueRow
from services.disclosure.usecases.archive_records import Archiver
from tests.disclosure.licences import NAME, OTHER, licence
from tests.disclosure.running_disclosure import COMPANY, FeedStream, RunningDisclosure, follower
from tests.support import until

LIST = "/v1/operations/disclosure/quarantine"


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Numbers of the documents whose records cannot be projected: an unknown fault of the software."""
    bad: set[str] = set()
    project = records.fragment_of

    def fragment_of(slot: int, delivered: Any, *rest: Any) -> Any:
        if delivered.items.get("XK_WSH") in bad:
            raise ValueError(f"cannot project {delivered.name}")
        return project(slot, delivered, *rest)

    monkeypatch.setattr(records, "fragment_of", fragment_of)
    return bad


class Following:
    """A follower of ingest's feed."""

    def __init__(self, city: RunningDisclosure, patience: float = 30) -> None:
        self.city, self.feed, self.position = city, FeedStream(), 0
        self.follower = follower(city, "ingest", self.feed, patience)
        self.follower.start()

    def told(self, *versions: ingest_pb2.RecordVersion) -> None:
        self.position += 1
        change = ingest_pb2.Change(position=self.position, records=versions, last=True)
        self.feed.tell(change)

        def gone_on() -> bool:
            if self.city.ctx.store.store.position("feed.ingest") == self.position:
                return True
            if not self.follower.connected:
                # The source sends again what was not remembered.
                self.feed.tell(change)
            return False

        until(gone_on, "the feed has gone on")

    def __enter__(self) -> "Following":
        return self

    def __exit__(self, *_: object) -> None:
        self.follower.stop()
        assert self.follower.ended(20)


def _other(city: RunningDisclosure, key: str, **items: Any) -> ingest_pb2.RecordVersion:
    return licence(city, key, code=OTHER, name="阳江市东平渔业有限公司", **items)


def test_everybody_elses_records_become_public_and_the_centre_sees_what_did_not(
    city: RunningDisclosure, poison: set[str]
) -> None:
    poison.add("7")
    with Following(city) as feed:
        feed.told(*(_other(city, str(n)) for n in range(7)), licence(city, "7"), _other(city, "8"))
        assert len(city.public(OTHER)) == 8
        assert city.public(COMPANY) == []
        # The changes of the failed record's subject, in order.
        feed.told(licence(city, "9"), _other(city, "10"))
        assert len(city.public(OTHER)) == 9
    ready = city.anybody.get("/readyz")
    assert (ready.status_code, ready.json["quarantine"]) == (200, False)
    centre = city.caller("centre", sub="officer:centre")
    listed = centre.get(LIST).json["items"]
    assert [(item["name"], item["state"]) for item in listed] == [("r_7", "failed"), ("r_9", "behind")]
    assert listed[0]["error"] == "ValueError"
    assert listed[0]["reason"].startswith(("services/disclosure/", "tests/disclosure/"))
    # The copy that is kept is encrypted, and the list names no person.
    row = city.ctx.store.store.db["quarantine"].find_one({"name": "r_7"})
    assert row is not None
    assert NAME.encode() not in bytes(row["message"])
    assert NAME not in str(listed)
    assert city.caller("provider", org="x").get(LIST).json["code"] == "ROLE_NOT_ALLOWED"

    still = centre.post(f"{LIST}/{listed[1]['id']}/retry", {}).json
    assert (still["resolved"], still["item"]["state"]) == (False, "behind")
    poison.clear()
    assert centre.post(f"{LIST}/{listed[0]['id']}/retry", {}).json == {"resolved": True, "item": None}
    city.quarantine.round()
    assert {r["record_id"] for r in city.public(COMPANY)} == {"r_7", "r_9"}
    assert city.anybody.get("/readyz").json["quarantine"]
    assert centre.post(f"{LIST}/{listed[0]['id']}/retry", {}).status_code == 404
    [first, last] = city.audit.of("quarantine.retried")[:2]
    assert first["details"] == {"quarantine": listed[1]["id"], "feed": "feed.ingest", "name": "r_9"}
    assert last["details"]["name"] == "r_7"


def test_a_list_comes_in_pages(city: RunningDisclosure, poison: set[str]) -> None:
    poison |= {str(n) for n in range(5)}
    with Following(city) as feed:
        feed.told(*(licence(city, str(n), code=COMPANY) for n in range(5)))
    centre, found, token = city.caller("centre", sub="officer:centre"), [], ""
    while True:
        page = centre.get(f"{LIST}?page_size=2&page_token={token}").json
        found += [item["name"] for item in page["items"]]
        if not (token := page["next_page_token"]):
            break
    assert found == [f"r_{n}" for n in range(5)]


def test_what_the_provider_corrects_or_revokes_is_not_kept_waiting(city: RunningDisclosure, poison: set[str]) -> None:
    poison.add("wrong")
    with Following(city) as feed:
        feed.told(licence(city, "a", XK_WSH="wrong"), licence(city, "b", code=OTHER, XK_WSH="wrong"))
        feed.told(
            licence(city, "a", version=2, XK_WSH="right"), licence(city, "b", code=OTHER, version=2, revoked=True)
        )
    city.quarantine.round()
    assert [r["items"]["XK_WSH"] for r in city.public(COMPANY)] == ["right"]
    assert city.public(OTHER) == []
    assert city.quarantine.is_empty()


def test_a_record_whose_entry_never_comes_stops_nothing_and_follows_its_entry_when_it_does(
    city: RunningDisclosure,
) -> None:
    with Following(city, patience=0.3) as feed:
        feed.told(licence(city, "a", entry_version=2), _other(city, "b"))
        assert [r["record_id"] for r in city.public(OTHER)] == ["r_b"]
        feed.told(_other(city, "c"))
    assert city.public(COMPANY) == []
    assert city.caller("centre").get(LIST).json["items"][0]["reason"] == "waits for XZXK:2"
    city.publishes("XZXK", 2)
    city.quarantine.round()
    assert [r["record_id"] for r in city.public(COMPANY)] == ["r_a"]


def test_one_record_too_large_for_the_store_stops_nothing(
    city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = consumers.apply_ingest

    def refused(ctx: Any, unit: Any, change: Any) -> Any:
        if any(record.record_id == "r_a" for record in change.records):
            # The store refuses the transaction for its size, however it is cut.
            raise consumers.TooMuchAtOnce
        return apply(ctx, unit, change)

    monkeypatch.setattr(consumers, "apply_ingest", refused)
    with Following(city) as feed:
        feed.told(licence(city, "a"), _other(city, "b"))
    assert [r["record_id"] for r in city.public(OTHER)] == ["r_b"]
    assert city.quarantine.names("feed.ingest") == {"r_a"}


def test_the_poison_that_was_seen_is_projected(city: RunningDisclosure) -> None:
    """A date at the end of the calendar, from which a period of years counts."""
    with Following(city) as feed:
        feed.told(city.record("AJNSR", COMPANY, NAME, "tax", NS_ND="2025", NS_JB="A", NS_WH="1", NS_RQ="9999-12-31"))
        feed.told(_other(city, "b"))
    assert [r["disclosed_until"] for r in city.public(COMPANY)] == ["9999-12-31"]
    assert city.public(OTHER)
    assert city.quarantine.is_empty()


def test_one_record_that_cannot_be_archived_keeps_no_other(
    city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(8):
        city.delivers(licence(city, str(n), XK_YXQZI="2026-11-30"))
    archive = records.RecordProjection.archive

    def broken(self: Any, record_id: str) -> bool:
        if record_id == "r_3":
            raise KeyError(record_id)
        return archive(self, record_id)

    monkeypatch.setattr(records.RecordProjection, "archive", broken)
    _later(city)
    archiver = Archiver(city.ctx, city.quarantine)
    while archiver.round():
        pass
    assert [records for _, records in city.ctx.store.due("2099-01-01")] == [["r_3"]]
    assert city.quarantine.names("job.archive") == {"r_3"}
    monkeypatch.undo()
    [row] = city.quarantine.rows()
    assert city.quarantine.retry(row["_id"])
    while archiver.round():
        pass
    assert list(city.ctx.store.due("2099-01-01")) == []
    assert OWN.sub in str(city.audit.of("record.archived"))


def test_lists_that_are_set_aside_or_done_hide_no_later_one(
    city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is listed again with each of its versions: lists of one that is set aside may be many."""
    city.delivers(licence(city, "a", XK_YXQZI="2026-11-30"))
    city.delivers(licence(city, "b", XK_YXQZI="2026-12-01"))
    rows = city.ctx.store.rows(DueRow)
    rows.insert_many({"_id": f"again {n}", "day": "2026-11-30", "records": ["r_a"]} for n in range(103))
    rows.insert_many({"_id": f"gone {n}", "day": "2026-11-29", "records": ["r_unknown"]} for n in range(103))
    archive = records.RecordProjection.archive

    def broken(self: Any, record_id: str) -> bool:
        if record_id == "r_a":
            raise KeyError(record_id)
        return archive(self, record_id)

    monkeypatch.setattr(records.RecordProjection, "archive", broken)
    city.clock.instant = datetime(2026, 12, 5, 4, tzinfo=UTC)
    archiver = Archiver(city.ctx, city.quarantine)
    while archiver.round():
        pass
    assert city.quarantine.names("job.archive") == {"r_a"}
    assert "r_b" in str(city.audit.of("record.archived"))
    assert rows.count_documents({"records": "r_unknown"}) == 0


def _later(city: RunningDisclosure) -> None:
    city.clock.instant = city.clock.instant.replace(year=2027)


def test_an_entry_that_cannot_be_read_waits_and_others_come(city: RunningDisclosure) -> None:
    feed = FeedStream()
    follows = follower(city, "catalog", feed)
    bad = catalog_pb2.Change(position=1, entry=catalog_pb2.Entry(code="BAD", version=1))
    good = catalog_pb2.Change(position=2, entry=catalog_pb2.Entry(code="GOOD", version=1))
    save = city.ctx.store.save_entry

    def refuse(entry: Any, unit: Any) -> None:
        if entry["code"] == "BAD":
            raise RuntimeError
        save(entry, unit)

    city.ctx.store.save_entry = refuse  # type: ignore[method-assign]
    follows.start()
    feed.tell(bad)
    feed.tell(good)
    until(lambda: city.ctx.store.store.position("feed.catalog") == 2, "the feed goes on")
    assert city.ctx.store.entry("GOOD", 1) is not None
    assert city.quarantine.names("feed.catalog") == {"BAD:1"}
    follows.stop()


@pytest.mark.parametrize("day", ["0001-01-01", "0001-12-31", "2024-02-29", "9999-02-28", "9999-12-31"])
@pytest.mark.parametrize("years", [0, 1, 5, 100, 9998, 10**9])
def test_every_period_has_a_last_day(day: str, years: int) -> None:
    period = disclosure_period.DisclosurePeriodRule("years_from_item", "D", years)
    from datetime import date

    until_day = disclosure_period.disclosed_until(period, {"D": day}, date(2026, 11, 24))
    assert date.fromisoformat(until_day) >= date.fromisoformat(day)
    assert not disclosure_period.is_over(until_day, day)
