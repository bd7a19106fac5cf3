"""Makes identifiers: new ones, and those derived from what they name."""

import hashlib
import hmac
import itertools
import os
import re
import time
from typing import Final, NewType

SubjectRef = NewType("SubjectRef", str)


def _pairs_of(alphabet: str) -> list[str]:
    return ["".join(pair) for pair in itertools.product(alphabet, repeat=2)]


_PAIRS: Final = _pairs_of("abcdefghijklmnopqrstuvwxyz234567")
# base32hex, because base32 orders the digits after the letters, while text orders them before.
_SORTABLE_PAIRS: Final = _pairs_of("0123456789abcdefghijklmnopqrstuv")
_SHIFTS: Final = range(120, -1, -10)

_SUBJECT_REF = re.compile(r"s_[a-z2-7]{26}\Z")

# The form of the objection service's case numbers.
_OBJECTION_NO = re.compile(r"YY-20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])-\d{4,9}\Z", re.ASCII)


def is_subject_ref(text: str) -> bool:
    """Whether a text has the form of a pseudonym. Any other text is neither looked up nor put on record."""
    return bool(_SUBJECT_REF.match(text))


def is_objection_no(text: str) -> bool:
    """Whether a text has the form of an objection's number, `YY-20261124-0001`; the objection need not exist."""
    return bool(_OBJECTION_NO.match(text))


def new_id(prefix: str) -> str:
    """A fresh identifier, sortable by time: `<prefix>_` and 26 characters of base32hex (48 bits of ms, 80 random)."""
    return f"{prefix}_{_encode(int(time.time() * 1000).to_bytes(6, 'big') + os.urandom(10), _SORTABLE_PAIRS)}"


class SubjectKey:
    """Turns identifiers into pseudonyms (principle 7). One secret of at least 32 bytes for the whole system."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("the subject key has fewer than 32 bytes; generate one with `chengxin keys`")
        self._secret = secret

    def subject_ref(self, scheme: str, identifier: str) -> SubjectRef:
        """The pseudonym of `identifier` under `scheme` (`uscc`, `identity_number`), the same for every provider."""
        return SubjectRef("s_" + self._derive(f"subject\0{scheme}\0{identifier.strip().upper()}"))

    def person_lookup(self, name: str, number: str) -> str:
        """What the public finds a person by: a full name together with a number, which it does not tell."""
        return self._derive(f"lookup\0{name}\0{number}")

    def record_id(self, entry: str, provider: str, natural_key: tuple[str, ...]) -> str:
        """The record of `provider` under `entry` with these values of its natural key."""
        return "r_" + self._derive("\0".join(("record", entry, provider, *natural_key)))

    def content_tag(self, entry: str, content: bytes) -> str:
        """Shows whether a record's content is what it was: equal for equal bytes under `entry`. 32 hex digits.

        The digest is keyed, because with a plain one anybody with the store could try out identity numbers.
        """
        return hmac.digest(self._secret, b"content\0%b\0%b" % (entry.encode(), content), hashlib.sha256)[:16].hex()

    def _derive(self, text: str) -> str:
        return _encode(hmac.digest(self._secret, text.encode(), hashlib.sha256)[:16], _PAIRS)


def _encode(raw: bytes, pairs: list[str]) -> str:
    # Encodes 16 bytes as `base64.b32encode` or `b32hexencode` does, without padding, in lower case, in half the time:
    # every record of a delivery needs two, every query three.
    bits = int.from_bytes(raw, "big") << 2
    return "".join([pairs[bits >> shift & 1023] for shift in _SHIFTS])
