"""Large changes of ingest's feed are applied in pieces of bounded size."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import cast

import pytest
from pymongo.errors import OperationFailure

from chengxin.feeds.follower import Follower
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from services.disclosure.projections import consumers as feeds
from services.disclosure.projections.read_ahead import MOST_GATHERED
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.subject_state import RecordLocation
from services.disclosure.store.writes import Writes
from tests.disclosure.licences import NAME, OTHER_COMPANY, everything, licence
from tests.disclosure.running_disclosure import COMPANY, FeedStream, RunningDisclosure, follower
from tests.support import until


def test_a_large_change_comes_in_pieces_and_its_position_at_the_end(city: RunningDisclosure) -> None:
    records = [licence(city, str(n)) for n in range(120)]
    pieces = feeds.Pieces(most=50)
    cut = list(pieces.cut([ingest_pb2.Change(position=7, records=records, last=True)]))
    assert [(len(c.records), c.last, c.position) for c in cut] == [(50, False, 7), (50, False, 7), (20, True, 7)]
    open_end = list(pieces.cut([ingest_pb2.Change(position=7, records=records[:60], last=False)]))
    assert [c.last for c in open_end] == [False, False]


def test_what_has_come_is_taken_in_subject_by_subject(city: RunningDisclosure) -> None:
    """Each subject is written once for all its records, in the order in which they came."""
    codes = [demo_uscc("91", 500_000 + n, "MC") for n in range(10)]
    changes = [
        ingest_pb2.Change(position=n + 1, records=[licence(city, f"{code}{n}", code=code) for code in codes], last=True)
        for n in range(12)
    ]
    changes.append(ingest_pb2.Change(position=13, records=[licence(city, "begun", code=codes[0])], last=False))
    pieces = feeds.Pieces(most=30)
    cut = list(pieces.cut(changes))
    assert [len(piece.records) for piece in cut] == [30, 30, 30, 30, 1, 0]
    came = [version.subject.subject_ref for piece in cut for version in piece.records]
    assert [ref for ref, _ in groupby(came)] == [city.ref(code) for code in codes]
    own = [v.record_id for piece in cut for v in piece.records if v.subject.subject_ref == city.ref(codes[0])]
    assert own == [*(f"r_{codes[0]}{n}" for n in range(12)), "r_begun"]
    # The thirteenth position is begun and not complete.
    assert [(piece.position, piece.last) for piece in cut] == [*[(13, False)] * 5, (12, True)]


def test_each_version_is_taken_in_though_several_wait(city: RunningDisclosure) -> None:
    """A name that only an earlier version has is a former name, however far behind disclosure is."""
    called = [licence(city, version=n + 1, name=name) for n, name in enumerate(("海陵食品厂", NAME))]
    gone = [
        licence(city, "gone", code=OTHER_COMPANY),
        licence(city, "gone", code=OTHER_COMPANY, version=2, revoked=True),
    ]
    pieces = feeds.Pieces()
    changes = [ingest_pb2.Change(position=n, records=[v], last=True) for n, v in enumerate((*called, *gone), 1)]
    for piece in pieces.cut(changes):
        city.ctx.store.transact(lambda unit, piece=piece: pieces.apply(city.ctx, unit, piece))
    subject = city.caller("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json["subject"]
    assert (subject["name"], subject["former_names"]) == (NAME, ["海陵食品厂"])
    assert city.ctx.store.head(city.ref(OTHER_COMPANY)) is not None


def test_versions_of_a_record_that_went_to_another_subject_come_in_their_order(city: RunningDisclosure) -> None:
    """The records of a subject are applied together, so a newer version of a subject named earlier once came first."""
    theirs, hers = licence(city, "theirs", code=OTHER_COMPANY), licence(city, "moved")
    moved = licence(city, "moved", code=OTHER_COMPANY, version=2)
    changes = [ingest_pb2.Change(position=n, records=[v], last=True) for n, v in enumerate((theirs, hers, moved), 1)]
    cut = [(v.record_id, v.version) for piece in feeds.Pieces().cut(changes) for v in piece.records]
    assert cut == [(v.record_id, v.version) for v in (theirs, hers, moved)]


def test_of_other_shares_a_stream_keeps_nothing_but_the_position(city: RunningDisclosure) -> None:
    mine = city.ref(COMPANY)
    records = [licence(city, "mine"), licence(city, "theirs", code=OTHER_COMPANY)]
    changes = [
        ingest_pb2.Change(position=1, records=records, last=True),
        ingest_pb2.Change(position=2, records=records[1:], last=True),
    ]
    pieces = list(feeds.Pieces(lambda ref: ref == mine).of(Stream(iter(changes))))
    assert [v.record_id for piece in pieces for v in piece.records] == [records[0].record_id]
    assert (pieces[-1].position, pieces[-1].last) == (2, True)


def test_no_more_of_a_stream_is_read_ahead_than_memory_allows(city: RunningDisclosure) -> None:
    """A stream without end is read while one piece is being applied; pieces that were read come before the stream's
    error."""
    size, read = 500, []

    def stream() -> Iterator[ingest_pb2.Change]:
        records = [licence(city, str(n)) for n in range(size)]
        for position in range(1, 101):
            read.append(position)
            yield ingest_pb2.Change(position=position, records=records, last=True)
        raise OSError("the line is cut")

    call = Stream(stream())
    given = iter(feeds.Pieces().of(call))
    next(given)
    enough = -(-MOST_GATHERED // size)
    until(lambda: len(read) > enough, "it is full")
    assert len(read) <= 2 * enough + 2
    remembered = []

    def read_on() -> None:
        for piece in given:
            remembered.append(piece.position if piece.last else 0)

    with pytest.raises(OSError, match="cut"):
        read_on()
    assert remembered[-1] == 100
    assert call.cancelled


def test_a_stream_that_is_cancelled_ends_after_the_piece_in_hand(city: RunningDisclosure) -> None:
    feed = FeedStream()
    for position in range(1, 4):
        records = [licence(city, f"{position}-{n}") for n in range(200)]
        feed.tell(ingest_pb2.Change(position=position, records=records, last=True))
    call = feeds.Pieces(most=10).of(feed(0))
    given = iter(call)
    assert len(next(given).records) == 10
    call.cancel()
    assert list(given) == []


class Stream:
    """A call that returns the changes it is given."""

    def __init__(self, changes: Iterator[ingest_pb2.Change]) -> None:
        self._changes = changes
        self.cancelled = False

    def __iter__(self) -> Iterator[ingest_pb2.Change]:
        return self._changes

    def cancel(self) -> None:
        self.cancelled = True


class Small:
    """The real store, except that it refuses transactions of more than 30 records as the embedded server does."""

    def __init__(self, store: DisclosureStore, code: int) -> None:
        self._store = store
        self._code = code

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write_locations(self, changed: list[tuple[RecordLocation, bool]], writes: Writes) -> None:
        if len(changed) > 30:
            labels = [] if self._code == 388 else ["TransientTransactionError"]
            raise OperationFailure("too large", self._code, {"code": self._code, "errorLabels": labels})
        self._store.write_locations(changed, writes)


@pytest.mark.parametrize("code", [388, 112])
def test_what_the_store_refuses_for_its_size_is_cut_finer(city: RunningDisclosure, code: int) -> None:
    """The store names the reason, or only fails the transaction each time."""
    small = replace(city.ctx, store=cast(DisclosureStore, Small(city.ctx.store, code)))
    feed, pieces = FeedStream(), feeds.Pieces()
    follows = Follower(
        "ingest",
        city.ctx.store.store,
        lambda after: pieces.of(feed(after)),
        partial(pieces.apply, small),
        feeds.SealedRecords(city.ctx.keys),
    )
    feed.tell(ingest_pb2.Change(position=1, records=[licence(city, str(n)) for n in range(200)], last=True))
    follows.start()
    until(lambda: city.ctx.store.store.position("feed.ingest") == 1, "the position is remembered", 60)
    follows.stop()
    assert len(everything(city)) == 200
    assert city.quarantine.is_empty()


def test_the_follower_remembers_a_position_when_it_is_complete(city: RunningDisclosure) -> None:
    feed = FeedStream()
    follows = follower(city, "ingest", feed)
    feed.tell(ingest_pb2.Change(position=5, records=[licence(city, "a")], last=False))
    follows.start()
    until(city.public, "the first part is applied")
    # The position is stored as begun: a rebuild that replaces this generation must be as far.
    place = city.ctx.store.store.db["positions"].find_one({"_id": "feed.ingest"})
    assert (place["position"], place["begun"]) == (0, 5)
    feed.tell(ingest_pb2.Change(position=5, records=[licence(city, "b")], last=True))
    until(lambda: city.ctx.store.store.position("feed.ingest") == 5, "the position is remembered")
    follows.stop()
    assert len(city.public()) == 2
