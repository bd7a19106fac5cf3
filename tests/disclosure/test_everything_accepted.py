"""Whatever ingest accepts is projected, shown in all views and pages, searched, amended, objected to, archived, revoked."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chengxin.feeds.follower import Follower
from chengxin.store.database import UnitOfWork
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from services.disclosure.context import OWN
from services.disclosure.projections.consumers import Pieces, SealedRecords, apply_catalog, apply_objection
from services.disclosure.usecases.archive_records import Archiver, archive
from tests.accepted import Accepting, entry_message, version_of
from tests.disclosure.running_disclosure import DEMO, RunningDisclosure, demo_entry

CODES = sorted(file.stem for file in (DEMO / "catalog").glob("*.json"))
LAST_DAY = datetime(9999, 12, 30, tzinfo=UTC)


class AcceptedWorld:
    """Disclosure with every demonstration entry, following a feed of accepted records."""

    def __init__(self, running: RunningDisclosure) -> None:
        self.running, self.ctx = running, running.ctx
        self.begun = running.clock.instant
        self.accepting = [Accepting(demo_entry(code), running.ctx.subject_key, running.ctx.keys) for code in CODES]
        for one in self.accepting:
            message = catalog_pb2.Change(entry=entry_message(one.catalog))
            self.ctx.store.transact(lambda unit, change=message: apply_catalog(self.ctx, unit, change))
        pieces = Pieces()

        def apply(unit: UnitOfWork, change: Any) -> None:
            pieces.apply(self.ctx, unit, change)

        parts = SealedRecords(self.ctx.keys)
        store = self.ctx.store.store
        self.follower = Follower("ingest", store, lambda after: iter(()), apply, parts, running.quarantine)
        self.position = 0

    def told(self, *versions: ingest_pb2.RecordVersion) -> None:
        self.position += 1
        self.follower._process(ingest_pb2.Change(position=self.position, records=versions, last=True))
        assert [(row["name"], row["reason"]) for row in self.running.quarantine.rows()] == []

    def objected(self, record_id: str, is_open: bool) -> None:
        self.position += 1
        number = f"YY-20261124-{record_id[-4:]}"
        change = self.running_objection(number, record_id, is_open)
        self.ctx.store.transact(lambda unit: apply_objection(self.ctx, unit, change))

    def running_objection(self, number: str, record_id: str, is_open: bool) -> Any:
        from chengxin_api.objection.v1 import objection_pb2

        return objection_pb2.Change(
            objection_no=number, record_id=record_id, state="filed", open=is_open, position=self.position
        )

    def shown(self, document: dict[str, Any]) -> set[str]:
        """Looks at a subject in every way there is; returns the ways in which the record is seen."""
        ref, record_id, running = document["subject"]["ref"], document["_id"], self.running
        named = {"subject_ref": ref}
        answers = {
            "own": running.caller("subject", sub=ref).get("/v1/me/records?page_size=200"),
            "public": running.anybody.get(f"/v1/public/subjects/{ref}?page_size=200"),
            "shared": running.caller("agency", purpose="qualification_review", org="ORG").post(
                "/v1/shared/queries", {"subject": named, "page_size": 200}
            ),
            "statutory": running.caller("statutory", legal_basis="l", case_no="c", officer="o").post(
                "/v1/statutory/queries", {"subject": named, "page_size": 200}
            ),
        }
        for view, answer in answers.items():
            assert answer.status_code in (200, 404), (view, answer.text)
        for path in (f"/subjects/{ref}", f"/v1/public/records/{record_id}", "/v1/public/feed?after=0&page_size=50"):
            for language in ("zh-CN", "en"):
                assert running.caller("public", sub="anonymous", language=language).get(path).status_code in (
                    200,
                    404,
                ), path
        for name in {document["subject"]["name"][:200], document["subject"]["uscc"]}:
            for path in ("/v1/public/subjects?q=", "/?q="):
                found = running.anybody.get(path + quote(name))
                assert found.status_code == 200, (path, name, found.text)
        message = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(subject_ref=ref))
        for role, more in (
            ("agency", {"purpose": "qualification_review", "org": "ORG"}),
            ("statutory", {"legal_basis": "l", "case_no": "c", "officer": "o"}),
        ):
            running.stub.Query(message, metadata=running.metadata(role, **more))
        return {
            view
            for view, answer in answers.items()
            if answer.status_code == 200 and record_id in {r["record_id"] for r in answer.json["records"]}
        }

    def lives(self, documents: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
        """The life of accepted records, from the first version to the last."""
        running, at = self.running, self.begun
        running.clock.instant = at
        by_id = {document["_id"]: document for document in documents}
        known = self.ctx.store.locations(list(by_id))
        next_of = {i: known[i].version + 1 if i in known else 1 for i in by_id}
        self.told(*(version_of(document, next_of[i], at) for i, document in by_id.items()))
        for document in by_id.values():
            assert "own" in self.shown(document)
        # Amended: the record gets the items of another accepted record of its entry.
        amended = {i: {**other, "_id": i} for (i, _), other in zip(by_id.items(), others, strict=False)}
        self.told(*(version_of(document, next_of[i] + 1, at) for i, document in amended.items()))
        for record_id, document in amended.items():
            self.objected(record_id, True)
            assert "own" in self.shown(document)
            self.objected(record_id, False)
        running.clock.instant = LAST_DAY
        archiver = Archiver(self.ctx, running.quarantine)
        while archiver.round():
            pass
        assert archive(self.ctx, OWN) == 0
        assert running.quarantine.is_empty()
        for document in list(amended.values())[:3]:
            self.shown(document)
        running.clock.instant = at
        self.told(*(version_of(document, next_of[i] + 2, at, revoked=True) for i, document in amended.items()))
        for document in list(amended.values())[:3]:
            assert not self.shown(document)


def _examples(count: int) -> Any:
    return settings(
        max_examples=count,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )


@pytest.fixture
def world(disclosure: RunningDisclosure) -> AcceptedWorld:
    return AcceptedWorld(disclosure)


def _check(world: AcceptedWorld, data: Any) -> None:
    accepting = data.draw(st.sampled_from(world.accepting))
    documents = data.draw(st.lists(accepting.records(), min_size=1, max_size=4))
    others = data.draw(st.lists(accepting.records(), min_size=len(documents), max_size=len(documents)))
    world.lives(documents, others)


@_examples(5)
@given(data=st.data())
def test_whatever_is_accepted_lives_its_whole_life(world: AcceptedWorld, data: Any) -> None:
    _check(world, data)


@pytest.mark.long
@pytest.mark.timeout(1200)
@_examples(40)
@given(data=st.data())
def test_whatever_is_accepted_lives_its_whole_life_many_times(world: AcceptedWorld, data: Any) -> None:
    _check(world, data)
