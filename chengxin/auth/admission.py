"""Who is let in to a face: the token and the capacity are checked before anything the caller sent is read."""

import re
from collections.abc import Sequence
from typing import Any, Final

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.policy import RULE, Refusals, wrong_capacity
from chengxin.auth.principal import Principal
from chengxin.errors import UNAUTHENTICATED, InBoth, unauthenticated
from chengxin.store.silent_store import StoreSilence

AUTHORIZATION_UNREADABLE = unauthenticated(
    "AUTHORIZATION_UNREADABLE",
    "须有且只有一个 Authorization 头，形如：Bearer <访问令牌>",
    "A request has one Authorization header field, and not more, which reads: Bearer <access token>",
)
# RFC 6750, 2.1. Of two fields each transport makes one with a comma between.
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)\Z", re.IGNORECASE)


def bearer_token(authorization: str) -> str:
    """The token in an `Authorization` field. Raises UNAUTHENTICATED without one, and AUTHORIZATION_UNREADABLE."""
    if not authorization:
        raise UNAUTHENTICATED(
            reason=InBoth("请求头应为 Authorization: Bearer <访问令牌>", "the header is Authorization: Bearer <token>")
        )
    if (found := _BEARER.match(authorization)) is None:
        raise AUTHORIZATION_UNREADABLE()
    return found[1]


class Admission:
    """Admits callers to a face: it verifies the token and checks the role before anything that they sent is read.

    A caller without the role learns neither what the input should be nor what exists, and the refusal is on record.
    """

    def __init__(self, verifier: Verifier, audit: Refusals, silence: StoreSilence) -> None:
        self._verifier = verifier
        self._audit = audit
        self._silence = silence

    def verify(self, authorization: str) -> Principal:
        """The caller of an `Authorization: Bearer <token>`. Raises UNAUTHENTICATED, AUTHORIZATION_UNREADABLE."""
        return self._verifier.verify(bearer_token(authorization))

    def check(self, caller: Principal, view: Any, named: Sequence[object] = ()) -> None:
        """Raises ROLE_NOT_ALLOWED or STEP_UP_REQUIRED, and puts it on record, when the view's rule refuses the caller.

        `named` are the words by which the address names what is asked for.

        Raises STORE_UNAVAILABLE while the store is silent.
        """
        declared = RULE.of(view)
        if declared is not None and (problem := wrong_capacity(declared, caller)) is not None:
            self._audit.refused(declared.act, caller, problem, named)
            raise problem
        self._silence.must_be_over()

    def suspect_silence(self) -> None:
        """Tells that the store has not answered a caller of the face."""
        self._silence.suspect()
