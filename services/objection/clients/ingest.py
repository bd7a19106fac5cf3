"""Asks ingest for a record: whose it is when an applicant objects to it, what changed in it when the centre decides."""

from collections.abc import Callable
from typing import Final

import grpc

from chengxin.errors import Problem
from chengxin_api.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from services.objection.domain.challenged_records import ChallengedRecord, RecordHead

# Returns a record by its id and what changed in it since a version (0: not asked), or None when there is none.
Records = Callable[[str, int], RecordHead | None]

_TIMEOUT_SECONDS: Final = 5


def records_of(stub: ingest_pb2_grpc.IngestServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]) -> Records:
    """Makes a function that asks ingest for a record, with the service's own token in `metadata`. The function may
    raise UPSTREAM_UNAVAILABLE."""

    def record(record_id: str, since_version: int) -> RecordHead | None:
        request = ingest_pb2.GetRecordHeadRequest(record_id=record_id, since_version=since_version)
        try:
            head = stub.GetRecordHead(request, metadata=metadata(), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as e:
            if e.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise Problem.from_rpc(e) from None
        record = ChallengedRecord(
            record_id=head.record_id,
            subject_ref=head.subject_ref,
            record_version=head.version,
            entry_code=head.entry_code,
            entry_version=head.entry_version,
            provider_uscc=head.provider_uscc,
            provider_name=head.provider_name,
        )
        return RecordHead(record, head.revoked, frozenset(head.changed_items))

    return record
