"""Hashes and proofs of the log, which everybody may read."""

from chengxin.tlog import merkle
from chengxin.tlog.signed_note import Checkpoint, VerifierKey
from chengxin_api.audit.v1 import audit_pb2
from tests.audit.conftest import RunningAudit, an_event


def test_hashes_are_for_everybody(audit: RunningAudit) -> None:
    events = [an_event(details={"n": n}) for n in range(300)]
    audit.append(events)
    audit.published(300)
    key = VerifierKey.parse(audit.get("/tlog/key").text)
    checkpoint = audit.get("/tlog/checkpoint")
    assert checkpoint.content_type == "text/plain; charset=utf-8"
    assert Checkpoint.open(checkpoint.text, key).size == 300
    full = audit.get("/tlog/tile/0/000")
    assert full.data == b"".join(map(merkle.leaf_hash, events[:256]))
    assert "immutable" in full.headers["Cache-Control"]
    assert audit.get("/tlog/tile/0/001.p/44").data == b"".join(map(merkle.leaf_hash, events[256:]))
    assert audit.get("/tlog/tile/0/000.p/3").data == full.data[:96]
    assert audit.get("/tlog/tile/1/000.p/1").data == merkle.subtree_root(merkle.split(full.data))
    bundle = audit.get("/tlog/tile/entries/001.p/44", "supervisor")
    assert merkle.unpack_bundle(bundle.data) == events[256:]
    for absent in (
        "0/001",
        "0/001.p/45",
        "0/002",
        "1/000",
        "1/000.p/2",
        "2/000.p/1",
        "00/000",
        "64/000",
        "0/0",
        "x/000",
    ):
        assert audit.get(f"/tlog/tile/{absent}").json["code"] == "TILE_NOT_FOUND", absent


def test_proofs_hold_at_every_size(audit: RunningAudit) -> None:
    events = [an_event(details={"n": n}) for n in range(260)]
    for start in range(0, 260, 13):
        audit.append(events[start : start + 13])
    audit.published(260)
    leaves = [merkle.leaf_hash(e) for e in events]
    frontier, roots = merkle.Frontier(), []
    for leaf in leaves:
        frontier.append(leaf)
        roots.append(frontier.root())
    for size in (1, 2, 3, 7, 64, 255, 256, 257, 260):
        for index in {0, size // 2, size - 1}:
            request = audit_pb2.GetInclusionProofRequest(index=index, tree_size=size)
            proof = audit.stub.GetInclusionProof(request, metadata=audit.metadata("public"))
            assert proof.root_hash == roots[size - 1]
            assert merkle.verify_inclusion(index, size, leaves[index], list(proof.path), proof.root_hash)
        body = audit.get(f"/v1/audit/proofs/consistency?first_size={size}", "public").json
        path = [bytes.fromhex(h) for h in body["path"]]
        assert merkle.verify_consistency(size, 260, roots[size - 1], roots[-1], path)
    checkpoint = audit.stub.GetCheckpoint(audit_pb2.GetCheckpointRequest(), metadata=audit.metadata("public"))
    assert (checkpoint.tree_size, checkpoint.root_hash) == (260, roots[-1])


UNPROVABLE = {
    "inclusion": (400, "INPUT_INVALID"),
    "inclusion?index=0&event_id=ev_1": (400, "INPUT_INVALID"),
    "inclusion?index=9": (404, "EVENT_NOT_FOUND"),
    "inclusion?event_id=ev_00000000000000000000000000": (404, "EVENT_NOT_FOUND"),
    "inclusion?index=1&tree_size=1": (400, "INPUT_INVALID"),
    "inclusion?index=0&tree_size=99": (400, "INPUT_INVALID"),
    "consistency?first_size=0": (400, "INPUT_INVALID"),
    "consistency?first_size=3": (400, "INPUT_INVALID"),
    "consistency?first_size=2&second_size=1": (400, "INPUT_INVALID"),
}


def test_what_cannot_be_proved(audit: RunningAudit) -> None:
    audit.append([an_event(), an_event()])
    audit.published(2)
    for path, expected in UNPROVABLE.items():
        answer = audit.get(f"/v1/audit/proofs/{path}", "public")
        assert (answer.status_code, answer.json["code"]) == expected, path
