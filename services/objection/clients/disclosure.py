"""Whose a reference is: a subject is known by several, and disclosure knows which are one."""

from collections.abc import Callable, Collection
from typing import Final

import grpc

from chengxin.auth import request_context
from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2, disclosure_pb2_grpc

References = Callable[[str], Collection[str]]

_SECONDS: Final = 5


def alone(ref: str) -> Collection[str]:
    """A subject that is known by nothing else."""
    return (ref,)


def references_of(
    stub: disclosure_pb2_grpc.DisclosureServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]
) -> References:
    """Asks disclosure, with the service's own token in `metadata`. What it gives may raise UPSTREAM_UNAVAILABLE."""

    def references(ref: str) -> Collection[str]:
        request = disclosure_pb2.ListReferencesRequest(subject_ref=ref)
        try:
            found = stub.ListReferences(request, metadata=(*metadata(), *request_context.hop()), timeout=_SECONDS)
        except grpc.RpcError as e:
            raise Problem.from_rpc(e) from None
        return frozenset(found.subject_refs)

    return references
