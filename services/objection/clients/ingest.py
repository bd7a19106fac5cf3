"""Whose a record is and who answers for it: ingest knows, and is asked when somebody objects to it."""

from collections.abc import Callable
from typing import Final

import grpc

from chengxin.auth import request_context
from chengxin.errors import Problem
from chengxin_api.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from services.objection.domain.cases import ChallengedRecord

# A record by its id; None when there is none.
Records = Callable[[str], ChallengedRecord | None]

_SECONDS: Final = 5


def records_of(stub: ingest_pb2_grpc.IngestServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]) -> Records:
    """Asks ingest, with the service's own token in `metadata`. What it gives may raise UPSTREAM_UNAVAILABLE."""

    def record(record_id: str) -> ChallengedRecord | None:
        request = ingest_pb2.GetRecordHeadRequest(record_id=record_id)
        try:
            found = stub.GetRecordHead(request, metadata=(*metadata(), *request_context.hop()), timeout=_SECONDS)
        except grpc.RpcError as e:
            if e.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise Problem.from_rpc(e) from None
        return ChallengedRecord(
            record_id=found.record_id,
            subject_ref=found.subject_ref,
            record_version=found.version,
            entry_code=found.entry_code,
            entry_version=found.entry_version,
            provider_uscc=found.provider_uscc,
            provider_name=found.provider_name,
        )

    return record
