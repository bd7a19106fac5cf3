"""Asks disclosure which references are one subject, because a subject is known by several."""

from collections.abc import Callable, Collection
from typing import Final

import grpc

from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2, disclosure_pb2_grpc

References = Callable[[str], Collection[str]]

_TIMEOUT_SECONDS: Final = 5


def alone(ref: str) -> Collection[str]:
    """Returns the references of a subject that is known by no other one."""
    return (ref,)


def references_of(
    stub: disclosure_pb2_grpc.DisclosureServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]
) -> References:
    """Makes a function that asks disclosure, with the service's own token in `metadata`, for all references of a
    subject. The function may raise UPSTREAM_UNAVAILABLE."""

    def references(ref: str) -> Collection[str]:
        request = disclosure_pb2.ListReferencesRequest(subject_ref=ref)
        try:
            response = stub.ListReferences(request, metadata=metadata(), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as e:
            raise Problem.from_rpc(e) from None
        return frozenset(response.subject_refs)

    return references
