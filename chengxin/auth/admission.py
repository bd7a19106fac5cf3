"""Who is let in to a face: the token and the capacity are checked before anything the caller sent is read."""

from collections.abc import Sequence
from typing import Any

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.policy import Refusals, Rule, wrong_capacity
from chengxin.auth.principal import Principal
from chengxin.errors import UNAUTHENTICATED
from chengxin.store.silent_store import StoreSilence


class Admission:
    """Admits callers to a face: it verifies the token and checks the role before anything that they sent is read.

    A caller without the role learns neither what the input should be nor what exists, and the refusal is on record.
    """

    def __init__(self, verifier: Verifier, audit: Refusals, silence: StoreSilence) -> None:
        self._verifier = verifier
        self._audit = audit
        self._silence = silence

    def verify(self, authorization: str) -> Principal:
        """The caller of an `Authorization: Bearer <token>`. Raises UNAUTHENTICATED."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UNAUTHENTICATED(reason="请求头应为 / the header is Authorization: Bearer <token>")
        return self._verifier.verify(token)

    def check(self, caller: Principal, view: Any, named: Sequence[object] = ()) -> None:
        """Raises ROLE_NOT_ALLOWED or STEP_UP_REQUIRED, and puts it on record, when the view's rule refuses the caller.

        `named` are the words by which the address names what is asked for.

        Raises STORE_UNAVAILABLE while the store is silent.
        """
        declared: Rule | None = getattr(view, "rule", None)
        if declared is not None and (problem := wrong_capacity(declared, caller)) is not None:
            self._audit.refused(declared.act, caller, problem, named)
            raise problem
        self._silence.must_be_over()

    def suspect_silence(self) -> None:
        """Tells that the store has not answered a caller of the face."""
        self._silence.suspect()
