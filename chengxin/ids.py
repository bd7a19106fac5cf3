"""Identifiers: new ones, and those derived from what they name."""

import base64
import hashlib
import hmac
import os
import time
from typing import NewType

SubjectRef = NewType("SubjectRef", str)


def new_id(prefix: str) -> str:
    """A fresh identifier, sortable by time: `<prefix>_` and 26 characters of base32hex (48 bits of ms, 80 random)."""
    raw = int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10)
    # Not base32: there the digits come after the letters, and before them as text.
    return f"{prefix}_{base64.b32hexencode(raw).decode().rstrip('=').lower()}"


class SubjectKey:
    """Turns identifiers into pseudonyms (decision 7). One secret of at least 32 bytes for the whole system."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("the subject key has fewer than 32 bytes; generate one with `chengxin keys`")
        self._secret = secret

    def subject_ref(self, scheme: str, identifier: str) -> SubjectRef:
        """The subject known as `identifier` under `scheme` (`uscc`, `identity_number`), whoever reports it."""
        return SubjectRef("s_" + self._keyed(f"subject\0{scheme}\0{identifier.strip().upper()}"))

    def record_id(self, entry: str, provider: str, natural_key: tuple[str, ...]) -> str:
        """The record of `provider` under `entry` with these values of its natural key."""
        return "r_" + self._keyed("\0".join(("record", entry, provider, *natural_key)))

    def _keyed(self, text: str) -> str:
        return _base32(hmac.digest(self._secret, text.encode(), hashlib.sha256)[:16])


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()
