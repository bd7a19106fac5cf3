"""Several processes share one store: none blocks another, and none answers from data that may be out of use."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from chengxin.feeds.follower import Follower
from chengxin.store.database import FeedHead, UnitOfWork
from chengxin.store.leases import Holder
from services.disclosure.__main__ import policy
from services.disclosure.context import OWN, BeingFilled
from services.disclosure.projections.consumers import mark_awaited
from services.disclosure.projections.feeds import FeedPart, Feeds, Projection
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.usecases.archive_records import archive
from tests.disclosure.running_disclosure import COMPANY, REGULATOR, FeedStream, RunningDisclosure
from tests.support import until

NAME = "阳江市海陵食品有限公司"
SHARES = 4
BY_LAW = {"legal_basis": "《民事诉讼法》", "case_no": "（2026）演1702执1号", "officer": "F0001"}


def licence(city: RunningDisclosure, **items: object) -> None:
    city.delivers(city.record("XZXK", COMPANY, NAME, "a", XK_WSH="1", **items))


class SilentSources:
    """Sources that send nothing."""

    def head(self, source: str) -> Callable[[int], FeedHead]:
        return FeedHead

    def follower(
        self, projection: Projection, part: FeedPart, word: str, confirm: Callable[[UnitOfWork], None]
    ) -> Follower:
        place = part.place(projection.store.generation)
        return Follower(part.source, projection.store.store, FeedStream(), lambda unit, change: None, place=place)

    def retry(self, projection: Projection) -> None: ...


@pytest.fixture
def process(city: RunningDisclosure) -> Iterator[Callable[[], tuple[Feeds, Holder]]]:
    """Starts the feeds of a process; their sources send nothing."""
    started: list[Feeds] = []

    def start() -> tuple[Feeds, Holder]:
        holder = Holder(city.ctx.store.store)
        projection = Projection(city.ctx.store, city.ctx.keys, city.ctx.subject_key, city.ctx.clock)
        feeds = Feeds(SilentSources(), projection, holder, SHARES)
        feeds.start()
        started.append(feeds)
        return feeds, holder

    yield start
    for feeds in started:
        feeds.stop()


def held(city: RunningDisclosure, holder: Holder) -> int:
    """How many shares of ingest's changes a process has."""
    rows = city.ctx.store.store.db["leases"].find({"holder": holder.id})
    return sum(row["_id"].startswith("feed.ingest ") for row in rows)


def test_one_that_joins_while_all_stands_still_for_a_switch_gets_its_share(
    city: RunningDisclosure, process: Callable[[], tuple[Feeds, Holder]]
) -> None:
    """The first process once held shares that it had not begun, and never followed anything again."""
    feeds, holder = process()
    until(lambda: held(city, holder) == SHARES, "the first has all")
    feeds.pause()
    other, second = process()
    until(lambda: holder.processes == 2, "they know of each other")
    feeds.go_on(feeds.projection)
    until(lambda: held(city, holder) == held(city, second) == SHARES // 2, "each has its share")
    both = feeds.followed + other.followed
    until(lambda: all(followed.connected for followed in both), "all of it is followed")
    assert holder.processes == second.processes == 2


def test_what_one_leaves_the_other_takes_at_once(
    city: RunningDisclosure, process: Callable[[], tuple[Feeds, Holder]]
) -> None:
    feeds, holder = process()
    _, second = process()
    until(lambda: held(city, holder) == held(city, second) == SHARES // 2, "each has its share")
    feeds.stop()
    until(lambda: held(city, second) == SHARES, "the second has all")
    assert held(city, holder) == 0


def test_an_objection_and_its_record_that_do_not_see_each_other_meet_in_the_end(city: RunningDisclosure) -> None:
    """Two processes apply them at the same moment, and neither sees the other's change."""
    licence(city)
    city.objection("YJ1", "a", is_open=True)
    city.objection("YJ1", "a", is_open=False)
    store = city.ctx.store
    store.store.transact(lambda unit: store.objections.save("YJ2", city.record_id("a"), True, 99, False, unit))
    assert not city.public()[0].get("under_objection")
    mark_awaited(city.ctx)
    assert city.public()[0]["under_objection"]
    assert store.objections.awaited_in_vain() == ([], "")


def test_those_who_wait_rightly_hide_nobody_who_waits_in_vain(
    city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.disclosure.store.followed_objections._AWAITED_PER_ROUND", 2)
    licence(city)
    store = city.ctx.store
    for n in range(1, 6):
        record = city.record_id("a") if n == 5 else f"not here yet {n}"
        store.store.transact(lambda unit, n=n, r=record: store.objections.save(f"YJ{n}", r, True, n, False, unit))
    after = mark_awaited(city.ctx)
    assert not city.public()[0].get("under_objection")
    # Each round goes on where the one before it ended, and begins again at the end.
    while after:
        after = mark_awaited(city.ctx, after)
    assert city.public()[0]["under_objection"]


def test_two_who_archive_the_same_put_it_on_record_once(city: RunningDisclosure) -> None:
    licence(city, XK_YXQZI="2026-11-01")
    store = city.ctx.store.store
    assert archive(city.ctx, OWN, [city.record_id("a")]) == 1
    events = sum(len(row.events) for row in store.rows(0))
    assert archive(city.ctx, OWN, [city.record_id("a")]) == 0
    assert sum(len(row.events) for row in store.rows(0)) == events


REF = "s_" + "a" * 26
BODY = {"subject": {"uscc": COMPANY}}
# A request to each face that answers from derived data.
ASKED: dict[str, tuple[str, dict[str, str], dict[str, object] | None]] = {
    "GET /": ("public", {}, None),
    "GET /me": ("subject", {}, None),
    "GET /subjects/<subject_ref>": ("public", {}, None),
    "GET /v1/me/records": ("subject", {}, None),
    "GET /v1/public/feed": ("public", {}, None),
    "GET /v1/public/records/<record_id>": ("public", {}, None),
    "GET /v1/public/subjects": ("public", {}, None),
    "GET /v1/public/subjects/<subject_ref>": ("public", {}, None),
    "POST /v1/public/feed/differences": ("provider", {"org": REGULATOR}, {"records": []}),
    "POST /v1/shared/queries": ("agency", {"purpose": "p"}, BODY),
    "POST /v1/statutory/queries": ("statutory", BY_LAW, BODY),
    "GET /v1/subjects/<subject_ref>": ("centre", {}, None),
    "GET /v1/subjects/<subject_ref>/conflicts": ("centre", {}, None),
    "GET /v1/subjects/conflicts": ("centre", {}, None),
    "GET /v1/subjects/disagreements": ("centre", {}, None),
    "POST /v1/subjects/links": ("centre", {}, {"subjects": [{"uscc": COMPANY}, {"subject_ref": REF}], "reason": "r"}),
    "POST /v1/subjects/links/<link_id>/split": ("centre", {}, {"reason": "r"}),
    "POST /v1/subjects/links/<link_id>/undo": ("centre", {}, {"reason": "r"}),
    "POST /v1/subjects/queries": ("centre", {}, {"uscc": COMPANY}),
}
# Consents, proposals, rebuilds and the quarantine belong to no generation; queries by consent are tested with consents
# (`test_consents.py`), by reading the same page as the others; what gRPC tells are the same use cases.
OTHERS = (
    "GET /feedz",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "POST /v1/authorized/queries",
)
PLACES = ("/v1/me/consents", "/v1/operations/disclosure", "/v1/subjects/proposals")


def test_every_face_is_here() -> None:
    faces = {row["face"] for row in policy() if " " in row["face"]}
    other = {f for f in faces if f in OTHERS or f.partition(" ")[2].startswith(PLACES)}
    assert faces - other == ASKED.keys()


def ask(city: RunningDisclosure, face: str) -> int:
    """The status or code that the face answers with."""
    role, claims, body = ASKED[face]
    method, _, path = face.partition(" ")
    path = path.replace("<subject_ref>", city.ref(COMPANY)).replace("<record_id>", city.record_id("a"))
    path = path.replace("<link_id>", "l_" + "a" * 26) + (
        "?q=海陵" if face in ("GET /", "GET /v1/public/subjects") else ""
    )
    caller = city.caller(role, sub=city.ref(COMPANY), **claims)
    return (caller.get(path) if method == "GET" else caller.post(path, body)).status_code


@pytest.mark.parametrize("face", ASKED)
def test_who_cannot_be_sure_which_generation_is_in_use_tells_nothing_of_it(city: RunningDisclosure, face: str) -> None:
    licence(city, XK_YXQZI="2031-01-01")
    assert ask(city, face) in (200, 404)
    city.ctx.is_current = lambda generation: False
    assert ask(city, face) == 503


@pytest.mark.parametrize("face", ASKED)
def test_nothing_is_told_from_what_is_still_being_filled(city: RunningDisclosure, face: str) -> None:
    licence(city, XK_YXQZI="2031-01-01")
    city.ctx.store = BeingFilled()  # type: ignore[assignment]
    assert ask(city, face) == 503


def test_a_search_in_names_that_are_not_all_there_is_refused(
    city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    licence(city, XK_YXQZI="2031-01-01")
    with closing(NameIndex(city.ctx.store)) as directory:
        monkeypatch.setattr(NameIndex, "_taken_in_at_once", lambda self: False)
        monkeypatch.setattr(NameIndex, "_go_on_beside", lambda self: None)
        city.ctx.directory = directory
        assert city.anybody.get("/v1/public/subjects?q=海陵").status_code == 503
