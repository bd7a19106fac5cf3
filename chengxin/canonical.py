"""Canonical JSON (RFC 8785): the bytes that are digested, signed and logged."""

import hashlib
from typing import Any

import rfc8785


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value. Raises `ValueError` for what JSON cannot say."""
    return rfc8785.dumps(value)


def digest(data: bytes) -> str:
    """SHA-256 of `data`, lower-case hex."""
    return hashlib.sha256(data).hexdigest()
