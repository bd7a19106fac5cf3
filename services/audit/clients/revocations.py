"""How the audit service learns of revoked tokens from a gateway that itself needs the audit service, so that neither
waits for the other.

The gateway issues a service's token and the list without a call to the audit service. But it answers a revoked token
only after the refusal is on record, and the audit service, which puts it on record, may be waiting for that answer. So
the audit service never uses a token again after a failed call.
"""

from collections.abc import Callable
from typing import Final

from chengxin.auth.revocation import OwnTokens, Revocation

# Often enough that no caller has to fetch the list. All threads of the gateway may be waiting for calls to this service,
# which would wait for the gateway.
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
