"""How the audit service learns of revoked tokens from a gateway that itself needs the audit service, so that neither
waits for the other.

The gateway gives a service its token, and hands out the list, without a call to the audit service. But it must not
answer a revoked token before that is on record, and the audit service, which has to put it on record, may be waiting
for that very answer. So the audit service never uses a token again after a failed call.
"""

from collections.abc import Callable
from typing import Final

from chengxin.auth.revocation import OwnTokens, Revocation

# Often enough that no caller has to fetch the list: all threads of the gateway may be waiting for a call that asks the
# gateway.
RELOAD_SECONDS: Final = 5.0


def with_fresh_token(fetch: Callable[[], list[Revocation]], tokens: OwnTokens) -> Callable[[], list[Revocation]]:
    """Wraps `fetch`, so that it uses a new token after any failure."""

    def fetch_or_forget() -> list[Revocation]:
        try:
            return fetch()
        except Exception:
            tokens.forget()
            raise

    return fetch_or_forget
