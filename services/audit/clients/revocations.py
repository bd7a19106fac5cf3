"""How the audit service hears of revoked tokens from a gateway that needs it in turn, without either waiting for the other.

The gateway gives a service its token, and hands out the list, without a word to the audit service. It must not hand
anything to a dead token before that is on record, though, and putting it on record could wait here for the very answer:
so a token with which nothing was heard is not used again.
"""

from collections.abc import Callable
from typing import Final

from chengxin.auth.revocation import OwnTokens, Revocation

# More often than a caller would have to ask: the gateway's threads may all be waiting for a call that asked the gateway.
RELOAD_SECONDS: Final = 5.0


def anew(fetch: Callable[[], list[Revocation]], tokens: OwnTokens) -> Callable[[], list[Revocation]]:
    """As `fetch`, but with another token after any failure."""

    def fetched() -> list[Revocation]:
        try:
            return fetch()
        except Exception:
            tokens.forget()
            raise

    return fetched
