"""Long calls end when their tokens are revoked, and only then."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

import pytest

from chengxin.auth.access_tokens import Verifier
from chengxin.errors import UNAUTHENTICATED, Problem
from gateway.edge.open_streams import OpenStreams


class StubUpstream:
    """A call to a service."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class StubVerifier:
    """A verifier that finds every token revoked; meanwhile something may happen."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._meanwhile = meanwhile

    def is_revoked(self, _token: str) -> bool:
        self._meanwhile()
        return True

    def verify(self, _token: str) -> None:
        raise UNAUTHENTICATED(reason="the token was revoked")


def streams(verifier: Any) -> OpenStreams:
    return OpenStreams(cast(Verifier, verifier))


def test_a_call_whose_token_is_revoked_is_cancelled_and_says_why() -> None:
    live, upstream = streams(StubVerifier()), StubUpstream()

    def ended() -> None:
        live.end_revoked()
        raise RuntimeError("cancelled")

    with pytest.raises(Problem, match="revoked"), live.lasting("token", upstream):
        ended()
    assert upstream.cancelled


def test_nothing_is_left_of_a_call_that_ends_while_its_token_is_looked_at() -> None:
    upstream, call = StubUpstream(), ExitStack()
    live = streams(StubVerifier(call.close))
    call.enter_context(live.lasting("token", upstream))
    live.end_revoked()
    # The next call with the same upstream fails for a reason of its own.
    with pytest.raises(RuntimeError, match="the service failed"), live.lasting("token", upstream):
        raise RuntimeError("the service failed")
