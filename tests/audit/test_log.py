"""The log through its faces: appending, durability, order, proofs, tiles, checkpoints."""

import json
from concurrent.futures import ThreadPoolExecutor

from chengxin.tlog import merkle
from tests.audit.conftest import RunningAudit, an_event


def test_an_event_is_appended_published_and_proved(audit: RunningAudit) -> None:
    event = an_event()
    answer = audit.append([event])
    assert (answer.first_index, answer.appended) == (0, 1)
    event_id = json.loads(event)["event_id"]
    audit.published(1)
    proof = audit.get(f"/v1/audit/proofs/inclusion?event_id={event_id}", "supervisor").json
    assert proof["leaf_hash"] == merkle.leaf_hash(event).hex()
    assert merkle.verify_inclusion(
        proof["index"],
        proof["tree_size"],
        merkle.leaf_hash(event),
        [bytes.fromhex(h) for h in proof["path"]],
        bytes.fromhex(proof["root_hash"]),
    )


def test_concurrent_callers_lose_and_repeat_nothing(audit: RunningAudit) -> None:
    def call(caller: int) -> list[tuple[int, bytes]]:
        found = []
        for n in range(20):
            entries = [an_event(details={"caller": caller, "n": n, "of": k}) for k in range(1 + n % 3)]
            answer = audit.append(entries)
            assert answer.appended == len(entries)
            found.append((answer.first_index, entries[0]))
        return found

    with ThreadPoolExecutor(16) as pool:
        answered = [pair for found in pool.map(call, range(16)) for pair in found]
    size = audit.ctx.appender.size()
    assert size == 16 * sum(1 + n % 3 for n in range(20))
    kept = [logged.entry for logged in audit.entries()]
    assert len(kept) == len(set(kept)) == size
    assert all(kept[index] == entry for index, entry in answered)
    # Each caller's events are in the order in which it appended them.
    for caller in range(16):
        mine = [e["details"] for e in map(json.loads, kept) if e["details"]["caller"] == caller]
        assert mine == sorted(mine, key=lambda d: (d["n"], d["of"]))
    assert audit.ctx.store.last_group() < 16 * 20
