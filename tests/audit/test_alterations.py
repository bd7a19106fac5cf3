"""Whoever can write to the log's store can alter no row of it unnoticed, and gets no false answer from it."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from werkzeug.test import TestResponse

from chengxin.errors import Problem
from chengxin.tlog import merkle
from chengxin.tlog.signed_note import Checkpoint, split_note
from chengxin.values.ids import new_id
from chengxin_api.audit.v1 import audit_pb2
from services.audit.__main__ import policy
from services.audit.domain.alterations import DERIVED, ORIGINAL
from services.audit.store.rows import CheckpointRow, SegmentRow
from tests.audit.alterations import all_collections, collection_of, tamperings
from tests.audit.conftest import Run, RunningAudit, an_event
from tests.support import until

SUBJECT = "s_" + "a" * 26
SEGMENT = 130
GROUPS, OF_A_GROUP = 4, 130
SIZE = GROUPS * OF_A_GROUP


def fill(audit: RunningAudit) -> None:
    """Some groups, tiles and segments, and entries that are in none yet."""
    for n in range(GROUPS):
        events = [an_event(subject_refs=[SUBJECT], details={"n": n, "of": k}) for k in range(OF_A_GROUP)]
        audit.append(events, [n + 1] * OF_A_GROUP)
    audit.published(SIZE)


def rows_of(audit: RunningAudit, document: Any) -> dict[Any, dict[str, Any]]:
    return {row["_id"]: row for row in audit.ctx.store.store.collection(document).find()}


def write(audit: RunningAudit, document: Any, rows: dict[Any, dict[str, Any] | None]) -> None:
    collection = audit.ctx.store.store.collection(document)
    for key, row in rows.items():
        if row is None:
            collection.delete_one({"_id": key})
        else:
            collection.replace_one({"_id": key}, row, upsert=True)


def told(audit: RunningAudit, name: str) -> list[str]:
    """What readiness says of a collection."""
    answer = audit.get("/readyz")
    if answer.status_code == 200:
        return []
    return [words for words in answer.json.get("altered", ()) if words.startswith(f"{name} ")]


def ready(audit: RunningAudit) -> bool:
    return audit.get("/readyz").status_code == 200


def http(path: str, *roles: str, **claims: Any) -> Callable[[RunningAudit], str]:
    def call(audit: RunningAudit) -> str:
        answer = audit.get(path, *roles, **claims)
        return "" if answer.status_code < 300 else str(answer.json["code"])

    return call


def rpc(method: str, request: Any, role: str = "public") -> Callable[[RunningAudit], str]:
    def call(audit: RunningAudit) -> str:
        try:
            getattr(audit.stub, method)(request, metadata=audit.metadata(role, sub="disclosure"), timeout=20)
        except grpc.RpcError as e:
            return Problem.from_rpc(e).code
        return ""

    return call


def proves(audit: RunningAudit) -> str:
    """An inclusion that is answered leads to the signed root."""
    answer = audit.get("/v1/audit/proofs/inclusion?index=3&tree_size=300", "public")
    if answer.status_code != 200:
        return str(answer.json["code"])
    leaf, root = bytes.fromhex(answer.json["leaf_hash"]), bytes.fromhex(answer.json["root_hash"])
    assert merkle.verify_inclusion(3, 300, leaf, [bytes.fromhex(h) for h in answer.json["path"]], root)
    signed = Checkpoint.parse(split_note(audit.get("/tlog/checkpoint").text)[0])
    shown = audit.get(f"/v1/audit/proofs/consistency?first_size=300&second_size={signed.size}", "public")
    if shown.status_code != 200:
        return str(shown.json["code"])
    path = [bytes.fromhex(h) for h in shown.json["path"]]
    assert merkle.verify_consistency(300, signed.size, root, signed.root, path)
    return ""


SERVICE = "chengxin.audit.v1.AuditService"
# A face that is not here fails the test below.
FACES: dict[str, list[Callable[[RunningAudit], str]]] = {
    "GET /tlog/checkpoint": [http("/tlog/checkpoint")],
    "GET /tlog/key": [http("/tlog/key")],
    "GET /tlog/tile/<level>/<path:number>": [
        http("/tlog/tile/0/000"),
        http("/tlog/tile/0/001.p/9"),
        http("/tlog/tile/1/000.p/2"),
    ],
    "GET /tlog/tile/entries/<path:number>": [http("/tlog/tile/entries/001", "supervisor")],
    "GET /v1/audit/events": [
        http(f"/v1/audit/events?page_size=90&{condition}", "supervisor")
        for condition in (
            "",
            f"subject_ref={SUBJECT}",
            "from=2026-11-24T04:00:00Z",
            "act=record.queried.own&until=2027-01-01T00:00:00Z",
        )
    ],
    "GET /v1/me/accesses": [http("/v1/me/accesses?page_size=90", "subject", sub=SUBJECT)],
    "GET /me/accesses": [http("/me/accesses", "subject", sub=SUBJECT)],
    "GET /v1/audit/proofs/inclusion": [proves, http("/v1/audit/proofs/inclusion?index=519", "public")],
    "GET /v1/audit/proofs/consistency": [http("/v1/audit/proofs/consistency?first_size=257", "public")],
    "GET /v1/operations/audit/repair": [http("/v1/operations/audit/repair", "supervisor")],
    f"{SERVICE}/Append": [
        rpc("Append", audit_pb2.AppendRequest(entries=[an_event(event_id="once")], positions=[GROUPS]), "service")
    ],
    f"{SERVICE}/GetCheckpoint": [rpc("GetCheckpoint", audit_pb2.GetCheckpointRequest())],
    f"{SERVICE}/GetInclusionProof": [
        rpc("GetInclusionProof", audit_pb2.GetInclusionProofRequest(index=index, tree_size=SIZE))
        for index in (0, SIZE - 1)
    ],
    f"{SERVICE}/GetConsistencyProof": [rpc("GetConsistencyProof", audit_pb2.GetConsistencyProofRequest(first_size=7))],
    f"{SERVICE}/ListEvents": [rpc("ListEvents", audit_pb2.ListEventsRequest(page_size=90), "supervisor")],
}
# They tell of the process, or are tried on their own below.
OTHERS = {"/feedz", "/healthz", "/metrics", "/openapi.json", "/readyz", "POST /v1/operations/audit/repair"}
# No document of the log has such a key, or ever so great a one.
FOREIGN_KEYS = (-5, "7", 7.5, True, 9_000, "0/9000", "x")
# A caller learns that the log was altered, or, of a log that cannot be continued, that nothing goes on record.
REFUSALS = {"", "LOG_ALTERED", "AUDIT_UNAVAILABLE", "STORE_UNAVAILABLE"}


def test_every_collection_and_every_face_is_tried() -> None:
    assert {collection_of(document) for document in all_collections()} == DERIVED | ORIGINAL
    assert not DERIVED & ORIGINAL
    faces = {row["face"] for row in policy()}
    assert {face for face in faces if not any(other in face for other in OTHERS)} == set(FACES)


@pytest.fixture
def filled(stores: Callable[[str], str], run: Run) -> Callable[[], RunningAudit]:
    """Starts the service again on the same store."""
    uri = stores(new_id("audit"))

    def start() -> RunningAudit:
        return run(uri, SEGMENT)

    audit = start()
    fill(audit)
    audit.close()
    return start


def _as_long(document: Any) -> Any:
    """Twenty seconds each: one that is derived and one that is not are always tried."""
    name = collection_of(document)
    return pytest.param(document, id=name, marks=[] if name in ("tiles", "groups") else [pytest.mark.long])


@pytest.mark.parametrize("document", [_as_long(document) for document in all_collections()])
def test_no_row_is_altered_unnoticed(filled: Callable[[], RunningAudit], document: Any) -> None:
    name = collection_of(document)
    audit = filled()
    until(lambda: ready(audit) and audit.ctx.condition.inspected, "ready at first")
    for tampering in tamperings(document):
        until(lambda: audit.size() == audit.ctx.appender.size(), "all is published")  # noqa: B023
        before = rows_of(audit, document)
        written = tampering.of(before)
        write(audit, document, written)
        assert wrong_answers(audit) == [], f"{name}: {tampering.name}"
        assert until(lambda: told_or_mended(audit, document, written), f"{name}: {tampering.name}")  # noqa: B023
        if tampering.after_restart and told(audit, name):
            audit.close()
            audit = filled()
            after = f"{name}: {tampering.name}, after a restart"
            assert until(lambda: told_or_mended(audit, document, written), after)  # noqa: B023
            if len(written) > 1 or tampering.name == "row removed":
                assert wrong_answers(audit) == [], after
        undo(audit, document, {key: before.get(key) for key in written}, tampering.name)
        assert until(lambda: ready(audit), f"{name}: {tampering.name} is undone")  # noqa: B023


def test_rows_that_no_query_finds_change_no_answer_and_all_others_are_told(filled: Callable[[], RunningAudit]) -> None:
    audit = filled()
    until(lambda: ready(audit) and audit.ctx.condition.inspected, "ready at first")
    for document in all_collections():
        row = next(iter(rows_of(audit, document).values()))
        write(audit, document, {key: row | {"_id": key} for key in FOREIGN_KEYS})
    audit.ctx.store.store.db["undeclared"].insert_one({"_id": 1})
    audit.close()
    audit = filled()
    # Of these, all rows are listed.
    listed = {"segments", "checkpoints", "progress"}
    assert until(lambda: all(told(audit, name) for name in listed), "they are told")
    undo(audit, CheckpointRow, dict.fromkeys(FOREIGN_KEYS), "foreign keys")
    until(lambda: not told(audit, "checkpoints"), "an original is put back by hand")
    undo(audit, SegmentRow, {}, "foreign keys")
    assert until(lambda: ready(audit), "repaired")
    assert {code for calls in FACES.values() for call in calls if (code := call(audit))} == set()


def wrong_answers(audit: RunningAudit) -> list[str]:
    """Of all faces, what is answered that is neither an answer nor says what is wrong."""
    return [
        f"{face} answers {code}"
        for face, calls in FACES.items()
        for call in calls
        if (code := call(audit)) not in REFUSALS
    ]


def told_or_mended(audit: RunningAudit, document: Any, written: dict[Any, Any]) -> bool:
    """Whether readiness names the collection, or what is derived was made again meanwhile."""
    name = collection_of(document)
    if told(audit, name):
        return True
    present = rows_of(audit, document)
    return name in DERIVED and all(present.get(key) != row for key, row in written.items()) and ready(audit)


def undo(audit: RunningAudit, document: Any, before: dict[Any, Any], what: str) -> None:
    """What is derived is repaired on request; originals are put back as from a backup."""
    if collection_of(document) in ORIGINAL:
        assert repair(audit).status_code in (409, 503), what
        write(audit, document, before)
    elif not ready(audit):
        assert repair(audit).status_code == 202, what


def repair(audit: RunningAudit) -> TestResponse:
    return audit.app.test_client().post("/v1/operations/audit/repair", headers=audit.issuer.bearer("centre"))
