"""Disclosure as it runs, seen by its tests: its callers, its feeds, and what ingest publishes."""

import json
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from werkzeug.test import TestResponse

from chengxin.audit.trail import Relay
from chengxin.errors import Problem
from chengxin.feeds.follower import Follower
from chengxin.feeds.parts import CatalogParts, ObjectionParts
from chengxin.feeds.quarantine import Quarantine
from chengxin.values.clock import FixedClock
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2, disclosure_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from services.disclosure.context import DisclosureContext
from services.disclosure.projections.consumers import (
    Pieces,
    SealedRecords,
    apply_catalog,
    apply_ingest,
    apply_objection,
)
from tests.support import Issuer, RecordingAuditService, until

DEMO = Path(__file__).parents[2] / "demo"
# A Tuesday, noon in Yangjiang.
TODAY = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
CODES = ("XZXK", "XZCF", "CFGR", "SXBZX", "SBJF", "SDQQF", "QYDJ", "AJNSR", "ZYZG")
COMPANY = "91000000MA000901XJ"
LI_NA = "441702189001010020"
REGULATOR = "11000000MB73324542"


class FeedStream:
    """Another service's feed, as a stream of the changes that a test sends."""

    def __init__(self) -> None:
        self._told: queue.Queue[Any] = queue.Queue()
        self.after = 0

    def __call__(self, after: int) -> "FeedStream":
        self.after = after
        return self

    def tell(self, change: Any) -> None:
        self._told.put(change)

    def initial_metadata(self) -> None:
        return None

    def cancel(self) -> None:
        self._told.put(None)

    def __iter__(self) -> Iterator[Any]:
        while (change := self._told.get()) is not None:
            yield change


@dataclass
class DisclosureCaller:
    """A caller of disclosure over HTTP."""

    client: Any
    headers: dict[str, str]

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=self.headers | headers)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers | headers)

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers | headers)


@dataclass
class RunningDisclosure:
    """The running service, with what its tests need to know of it."""

    ctx: DisclosureContext
    clock: FixedClock
    issuer: Issuer
    audit: RecordingAuditService
    app: Any
    stub: disclosure_pb2_grpc.DisclosureServiceStub
    relay: Relay
    quarantine: Quarantine
    kept: dict[str, Any] = field(default_factory=dict)
    position: int = 0

    def caller(self, *roles: str, **claims: Any) -> DisclosureCaller:
        """A caller with these roles."""
        language = claims.pop("language", "zh-CN")
        return DisclosureCaller(
            self.app.test_client(), self.issuer.bearer(*roles, **claims) | {"Accept-Language": language}
        )

    def decides(self, officer: DisclosureCaller, path: str, body: Any, **headers: str) -> dict[str, Any]:
        """An officer's decision on a link, approved by a second officer where it takes two. Who the subject is then."""
        answer = officer.post(f"/v1/subjects/links{path}", body, **headers)
        if answer.status_code == 200:
            return dict(answer.json)
        assert answer.status_code == 202, answer.text
        self.approves(answer.json["proposal_id"])
        return dict(officer.get(f"/v1/subjects/{answer.json['target'].partition('.')[0]}").json)

    def approves(self, proposal_id: str) -> None:
        """A second officer approves."""
        second = self.caller("centre", sub="officer-2")
        approved = second.post(f"/v1/subjects/proposals/{proposal_id}/approve", None)
        assert (approved.status_code, approved.json["state"]) == (200, "approved"), approved.text

    @property
    def anybody(self) -> DisclosureCaller:
        return self.caller("public", sub="anonymous")

    def person(self, identity_number: str = LI_NA) -> DisclosureCaller:
        """A citizen with a verified identity."""
        return self.caller("subject", sub=self.ref(identity_number))

    def metadata(self, *roles: str, **claims: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.issuer.token(*roles, **claims)}"),)

    def ref(self, identifier: str) -> str:
        scheme = "identity_number" if identifier[:6] == "441702" else "uscc"
        return self.ctx.subject_key.subject_ref(scheme, identifier)

    def publishes(self, code: str, version: int = 1, **changes: Any) -> None:
        """The catalog publishes a demonstration entry with these changes."""
        entry = catalog_pb2.Entry()
        ParseDict(demo_entry(code) | {"version": version} | changes, entry)
        self.told(apply_catalog, catalog_pb2.Change(entry=entry))

    def record(self, code: str, identifier: str, name: str, key: str, **items: Any) -> ingest_pb2.RecordVersion:
        """A record version as ingest publishes it: identifiers sealed. `record_id` comes from `key`."""
        version = items.pop("version", 1)
        revoked = items.pop("revoked", False)
        at = items.pop("at", self.clock.now())
        entry_version = items.pop("entry_version", 1)
        entry = demo_entry(code)
        values = {k: str(v) for k, v in items.items()}
        values[entry["subject_name_item"]] = name
        individual = identifier[:6] == "441702"
        values[entry["subject_id_items"][-1 if individual else 0]] = identifier
        sealed = {i["code"] for i in entry["items"] if i.get("sensitivity") == "identifier"}
        made = ingest_pb2.RecordVersion(
            record_id=self.record_id(key),
            version=version,
            entry_code=code,
            entry_version=entry_version,
            provider_uscc=REGULATOR,
            provider_name="阳江市市场监督管理局",
            subject=ingest_pb2.SubjectIdentity(
                subject_ref=self.ref(identifier),
                kind="individual" if individual else "enterprise",
                name=name,
                scheme="identity_number" if individual else "uscc",
                uscc="" if individual else identifier,
            ),
            items={k: self.ctx.keys.encrypt(v, k) if k in sealed else v for k, v in values.items()},
            revoked=revoked,
        )
        made.recorded_at.FromDatetime(at)
        return made

    @staticmethod
    def record_id(key: str) -> str:
        return f"r_{key}"

    def delivers(self, *records: ingest_pb2.RecordVersion) -> None:
        """Ingest publishes record versions, applied at once."""
        self.told(apply_ingest, ingest_pb2.Change(records=records, last=True))

    def objection(self, number: str, key: str, is_open: bool, position: int = 0) -> None:
        """The objection service publishes a state."""
        change = objection_pb2.Change(
            objection_no=number, record_id=self.record_id(key), state="filed", open=is_open, position=position
        )
        self.position += 1
        change.position = position or self.position
        self.ctx.store.transact(lambda unit: apply_objection(self.ctx, unit, change))

    def told(self, apply: Callable[..., None], change: Any) -> None:
        """A change arrives."""
        self.position += 1
        change.position = self.position
        self.ctx.store.transact(lambda unit: apply(self.ctx, unit, change))

    def public(self, identifier: str = COMPANY, query: str = "") -> list[dict[str, Any]]:
        """The public records of a subject, all those on the first page."""
        answer = self.anybody.get(f"/v1/public/subjects/{self.ref(identifier)}{query}")
        return [] if answer.status_code == 404 else answer.json["records"]

    def found(self, text: str) -> list[dict[str, Any]]:
        """The subjects that a public search finds."""
        answer = self.anybody.get("/v1/public/subjects?q=" + text)
        assert answer.status_code == 200, answer.text
        return answer.json["subjects"]


def follower(running: RunningDisclosure, source: str, feed: FeedStream, patience: float = 30) -> Follower:
    """A real follower of a feed."""
    pieces = Pieces()
    apply = {
        "catalog": lambda unit, change: apply_catalog(running.ctx, unit, change),
        "ingest": lambda unit, change: pieces.apply(running.ctx, unit, change),
        "objection": lambda unit, change: apply_objection(running.ctx, unit, change),
    }[source]
    watch = (lambda after: pieces.of(feed(after))) if source == "ingest" else feed
    parts = {"catalog": CatalogParts(), "ingest": SealedRecords(running.ctx.keys), "objection": ObjectionParts()}[
        source
    ]
    return Follower(source, running.ctx.store.store, watch, apply, parts, running.quarantine, patience)


def first_changes(running: RunningDisclosure) -> dict[str, Any]:
    """What a new stream of the public feed tells first, to somebody without a name."""

    def told() -> Any:
        metadata = running.metadata("public", sub="anonymous")
        call = running.stub.WatchPublic(disclosure_pb2.WatchPublicRequest(), metadata=metadata, timeout=20)
        try:
            return next(part for part in call if part.changes)
        except grpc.RpcError as e:
            if Problem.from_rpc(e).code != "FEED_BUSY":
                raise
            return None
        finally:
            call.cancel()

    # Streams that were ended a moment ago may not have given their places back yet.
    return MessageToDict(until(told, "the feed has a place"), preserving_proto_field_name=True)


def demo_entry(code: str) -> dict[str, Any]:
    """A demonstration entry."""
    return dict(json.loads((DEMO / "catalog" / f"{code}.json").read_text()))
