"""Tokens that end before they expire: every verifier learns what the gateway revoked.

A revocation counts everywhere within 60 s: the gateway reads its store every 2 s, and a service asks the gateway every
10 s while it is busy. A verifier that may have missed a revocation, because the gateway has not answered for so long,
refuses all tokens until the gateway answers again.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
import urllib3

from chengxin.auth.principal import Principal
from chengxin.auth.tls import Trust, pool
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import UNAUTHENTICATED, UPSTREAM_UNAVAILABLE, InBoth, Problem

log = structlog.get_logger()

EVERY_SECONDS: Final = 10.0
STALE_SECONDS: Final = 30.0
# After an attempt that failed, the next one is at most this soon.
_RETRY_SECONDS: Final = 2.0
# `issued_before` of what is revoked whenever it was issued.
ALWAYS: Final = 2**53


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens that are no longer good: those whose `kind` is `value` and whose `iat` is before `issued_before`.

    Kinds: `jti` (one token), `sub` and `client_id` (everything issued so far), `representation` (everything with which
    a person acts for an organisation), `kid` (everything that a key signed).
    """

    kind: str
    value: str
    issued_before: int = ALWAYS

    def to_dict(self) -> dict[str, Any]:
        """The revocation as the gateway sends it."""
        return {"kind": self.kind, "value": self.value, "issued_before": self.issued_before}


class Revocations:
    """What is revoked, as `fetch` last answered; a caller asks again when the answer is `every` seconds old."""

    def __init__(
        self,
        fetch: Callable[[], Iterable[Revocation]],
        every: float = EVERY_SECONDS,
        stale: float = STALE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._every = every
        self._stale = stale
        self._now = now
        self._dead: dict[tuple[str, str], int] = {}
        # A process that has just begun may go on without an answer for as long as one that lost the gateway.
        self._heard = now()
        self._due = float("-inf")
        self._turn = threading.Lock()

    def check(self, principal: Principal, kid: str, iat: float) -> None:
        """Raises UNAUTHENTICATED for a revoked token, UPSTREAM_UNAVAILABLE when that cannot be known."""
        if self._now() >= self._due:
            self._ask()
        dead = self._dead
        if not dead:
            return
        named = (
            ("jti", principal.jti),
            ("sub", principal.sub),
            ("client_id", principal.client_id),
            ("representation", principal.representation),
            ("kid", kid),
        )
        if any(iat < dead.get(name, 0) for name in named):
            raise UNAUTHENTICATED(reason=InBoth("令牌已被吊销", "it was revoked"))

    def refresh(self) -> None:
        """Asks now. When that fails, what is known stays."""
        try:
            found = {(r.kind, r.value): r.issued_before for r in self._fetch()}
        # The store or the gateway is away; `check` refuses once that lasts too long.
        except Exception as e:
            self._due = self._now() + _RETRY_SECONDS
            log.warning("revocations not heard", reason=repr(e)[:200])
        else:
            self._dead = found
            self._heard = self._now()
            self._due = self._heard + self._every

    def _ask(self) -> None:
        # One caller asks while the others go on with what is known; when that is too old, they wait for the answer.
        if self._turn.acquire(blocking=self._now() - self._heard > self._stale):
            try:
                if self._now() >= self._due:
                    self.refresh()
            finally:
                self._turn.release()
        if self._now() - self._heard > self._stale:
            raise UPSTREAM_UNAVAILABLE(retry_after=_RETRY_SECONDS)


class OwnTokens(Protocol):
    """The source of a service's own token (`chengxin.auth.access_tokens.TokenSource`)."""

    def token(self) -> str: ...
    def forget(self) -> None: ...


class RevocationReloader(PeriodicTask):
    """Asks in the background, so that no caller waits for the answer."""

    def __init__(self, revocations: Revocations, every: float) -> None:
        super().__init__("revocations", revocations.refresh, every, first_after=every)


def fetch_revocations(gateway: str, tokens: OwnTokens, trust: Trust | None = None) -> Callable[[], list[Revocation]]:
    """Reads the gateway's list over HTTP, with the service's own token; a token that is refused is not used again."""
    url = f"{gateway}/v1/identity/revocations"
    http = pool(trust, retries=False, timeout=urllib3.Timeout(connect=2, read=3))

    def fetch() -> list[Revocation]:
        answer = http.request("GET", url, headers={"Authorization": f"Bearer {tokens.token()}"})
        if answer.status == 401:
            tokens.forget()
        if answer.status != 200:
            raise ValueError(f"the gateway answers {answer.status}")
        return [Revocation(r["kind"], r["value"], int(r["issued_before"])) for r in answer.json()["revocations"]]

    return fetch


def is_revoked(revocations: Revocations, principal: Principal, kid: str, iat: float) -> bool:
    """Whether a token that was good when it came is revoked by now; False while that cannot be known."""
    try:
        revocations.check(principal, kid, iat)
    except Problem as e:
        return e.type is UNAUTHENTICATED
    return False
