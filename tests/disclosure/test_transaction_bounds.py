"""Ordinary deliveries once stopped the city: long texts, and a company with very many references."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from prometheus_client import REGISTRY

from chengxin.store.database import Store
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from services.disclosure.projections.consumers import Pieces, apply_catalog
from services.disclosure.projections.records import MOST_BYTES, RecordProjection, TooMuchAtOnce
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.writes import Writes
from tests.disclosure.running_disclosure import COMPANY, RunningDisclosure, demo_entry
from tests.support import StoreDaemon

NAME = "阳江市海陵食品有限公司"


@pytest.fixture
def small_store(tmp_path: Path) -> Iterator[StoreDaemon]:
    """A store with a small cache, which stops easily."""
    daemon = StoreDaemon(tmp_path / "store", "64M")
    daemon.start()
    yield daemon
    daemon.kill()


def delivered(city: RunningDisclosure, pieces: Pieces, records: list[ingest_pb2.RecordVersion]) -> None:
    """Ingest publishes records, and the follower applies them."""
    city.position += 1
    for piece in pieces.cut([ingest_pb2.Change(position=city.position, records=records, last=True)]):
        try:
            city.ctx.store.transact(lambda unit, piece=piece: pieces.apply(city.ctx, unit, piece))
        except TooMuchAtOnce:
            middle = len(piece.records) // 2
            delivered(city, pieces, piece.records[:middle])
            delivered(city, pieces, piece.records[middle:])


@pytest.mark.parametrize(("length", "rounds"), [(1000, 12), (4000, 5)])
def test_long_texts_of_many_companies_round_after_round_leave_the_store_answering(
    city: RunningDisclosure, small_store: StoreDaemon, length: int, rounds: int
) -> None:
    """Each round once rewrote a page of all earlier texts in four views: tens of megabytes, which stop the store."""
    store = DisclosureStore(Store(small_store.uri("stops"), "stops", city.clock))
    store.create_indexes()
    object.__setattr__(city.ctx, "store", store)
    entry = ParseDict(demo_entry("XZXK") | {"version": 1}, catalog_pb2.Entry())
    store.transact(lambda unit: apply_catalog(city.ctx, unit, catalog_pb2.Change(entry=entry)))
    codes = [demo_uscc("91", 500_000 + n, "MC") for n in range(250)]
    pieces = Pieces()
    for number in range(rounds):
        texts = {"XK_NR": chr(0x4E00 + number) * length, "XK_YXQZI": "2031-01-01"}
        records = [city.record("XZXK", c, NAME, f"{c}x{number}", XK_WSH=f"{c}{number}", **texts) for c in codes]
        delivered(city, pieces, records)
    for code in (codes[0], codes[-1]):
        shown = city.public(code)
        assert [r["items"]["XK_NR"][0] for r in shown] == [chr(0x4E00 + n) for n in reversed(range(rounds))]
        assert {len(r["items"]["XK_NR"]) for r in shown} == {length}
    store.store.close()


def test_no_transaction_writes_more_than_the_store_bears(
    city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = DisclosureStore.write

    def seen(self: DisclosureStore, writes: Writes, unit: object) -> None:
        written.append(writes.bytes)
        write(self, writes, unit)  # type: ignore[arg-type]

    monkeypatch.setattr(DisclosureStore, "write", seen)
    codes = [demo_uscc("91", 500_000 + n, "MC") for n in range(200)]
    pieces = Pieces()
    for number in range(3):
        texts = {f"XK_{item}": "文" * 1500 for item in ("NR", "XKZS")} | {"XK_YXQZI": "2031-01-01"}
        delivered(
            city, pieces, [city.record("XZXK", c, NAME, f"{c}x{number}", XK_WSH=f"{c}{number}", **texts) for c in codes]
        )
    assert 0 < max(written) <= MOST_BYTES


def told(name: str) -> float:
    """A figure of /metrics."""
    return REGISTRY.get_sample_value(f"chengxin_intake_{name}_total") or 0.0


def test_what_a_further_record_writes_is_told_and_does_not_grow_with_its_subject(city: RunningDisclosure) -> None:
    pieces = Pieces()

    def written(first: int) -> float:
        """The most bytes that one record writes when records come one by one: a page fills, and a new one begins."""
        most = 0.0
        for number in range(first, first + 20):
            bytes_before, records_before = told("bytes"), told("records")
            delivered(city, pieces, [city.record("XZXK", COMPANY, NAME, f"r{number}", XK_WSH=f"r{number}")])
            assert told("records") - records_before == 1
            most = max(most, told("bytes") - bytes_before)
        return most

    some = [city.record("XZXK", COMPANY, NAME, f"r{number}", XK_WSH=f"r{number}") for number in range(20, 400)]
    few = written(0)
    delivered(city, pieces, some)
    assert 0 < written(400) <= 1.5 * few
    assert few < 32 * 1024


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_a_company_with_very_many_references_is_one_subject_like_any_other(city: RunningDisclosure, count: int) -> None:
    """Each reference has a record of its own. A further reference once rewrote all earlier ones."""
    own = city.ref(COMPANY)
    pieces = Pieces()

    def known_by(number: int, key: str) -> ingest_pb2.RecordVersion:
        made = city.record("XZXK", COMPANY, NAME, key, XK_WSH=key, XK_YXQZI="2031-01-01")
        del made.items["XK_XDR_SHXYM"]
        made.items["XK_XDR_GSZC"] = f"44170000{number:06d}"
        made.subject.scheme, made.subject.uscc = "registration_number", ""
        made.subject.subject_ref = city.ctx.subject_key.subject_ref("registration_number", f"44170000{number:06d}")
        return made

    def naming_both(number: int) -> ingest_pb2.RecordVersion:
        made = city.record("XZXK", COMPANY, NAME, f"both{number}", XK_WSH=f"both{number}", XK_YXQZI="2031-01-01")
        made.items["XK_XDR_GSZC"] = f"44170000{number:06d}"
        return made

    for start in range(0, count, 100):
        numbers = range(start, start + 100)
        delivered(city, pieces, [known_by(n, f"own{n}") for n in numbers])
        delivered(city, pieces, [naming_both(n) for n in numbers])
    sizes: list[int] = []
    save = RecordProjection.save

    def sized(self: RecordProjection, changes: object = None) -> None:
        save(self, changes)  # type: ignore[arg-type]
        sizes.append(self.writes.bytes)

    RecordProjection.save = sized  # type: ignore[method-assign, assignment]
    try:
        delivered(city, pieces, [known_by(count, "last"), naming_both(count)])
    finally:
        RecordProjection.save = save  # type: ignore[method-assign]
    # One document has all references; the other writes do not grow with them.
    assert sizes[-1] < 256 * 1024
    found, token = [], ""
    while True:
        answer = city.caller("subject", sub=own).get(f"/v1/me/records?page_size=200&page_token={token}").json
        found += [record["record_id"] for record in answer["records"]]
        if not (token := answer["next_page_token"]):
            break
    assert len(found) == len(set(found)) == 2 * (count + 1)
    weak = city.ctx.subject_key.subject_ref("registration_number", f"44170000{count // 2:06d}")
    answer = city.anybody.get(f"/v1/public/subjects/{weak}").json
    assert answer["subject"]["subject_ref"] == own
    assert [s["subject_ref"] for s in city.found("海陵")] == [own]
    officer = city.caller("centre", sub="officer-1")
    identity = officer.post("/v1/subjects/queries", {"subject_ref": own}).json
    assert len(identity["members"]) >= count
    link = next(link["link_id"] for link in identity["links"] if weak in link["subject_refs"])
    assert officer.post(f"/v1/subjects/links/{link}/split", {"reason": "不是"}).status_code == 200
    assert city.anybody.get(f"/v1/public/subjects/{weak}").json["subject"]["subject_ref"] == weak
    city.decides(officer, f"/{link}/undo", {"reason": "是"})
    assert city.anybody.get(f"/v1/public/subjects/{weak}").json["subject"]["subject_ref"] == own
