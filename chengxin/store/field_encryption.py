"""Field encryption with a versioned key ring (AES-256-GCM)."""

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PREFIX = "enc:"
# A query decrypts a value of each of its records, and `base64.urlsafe_b64decode` takes as long as the decryption.
_URLSAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


class DecryptionError(ValueError):
    """The ciphertext was altered, or its key is not in the ring."""


class KeyRing:
    """Keys by version; new values use the newest, old values stay readable.

    An encrypted text is `enc:<version>:<base64url of nonce, ciphertext and tag>`. `context` is authenticated with it,
    so that a value cannot be moved to another field.
    """

    def __init__(self, keys: dict[int, bytes]) -> None:
        if not keys:
            raise ValueError("the key ring is empty; generate one with `chengxin keys`")
        self._newest = max(keys)
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a ring from JSON: `{"1": "<base64 of 32 bytes>", …}`."""
        return cls({int(v): base64.b64decode(k) for v, k in json.loads(path.read_text()).items()})

    @staticmethod
    def generate() -> dict[str, str]:
        """A new ring with one key, in the form that `load` reads."""
        return {"1": base64.b64encode(AESGCM.generate_key(256)).decode()}

    def encrypt(self, text: str, context: str) -> str:
        """Encrypts a text field."""
        return f"{_PREFIX}{self._newest}:{base64.urlsafe_b64encode(self._seal(text.encode(), context)).decode()}"

    def decrypt(self, sealed: str, context: str) -> str:
        """Decrypts what `encrypt` returned. Raises `DecryptionError`."""
        try:
            _, version, body = sealed.split(":", 2)
            return self._open(
                int(version), binascii.a2b_base64(body.encode().translate(_URLSAFE_TO_STANDARD)), context
            ).decode()
        except (ValueError, KeyError, InvalidTag) as e:
            raise DecryptionError(f"cannot decrypt a value of {context}") from e

    def encrypt_bytes(self, data: bytes, context: str) -> bytes:
        """Encrypts a blob: four bytes of key version, nonce, ciphertext and tag."""
        return self._newest.to_bytes(4, "big") + self._seal(data, context)

    def decrypt_bytes(self, sealed: bytes, context: str) -> bytes:
        """Decrypts what `encrypt_bytes` returned. Raises `DecryptionError`."""
        try:
            return self._open(int.from_bytes(sealed[:4], "big"), sealed[4:], context)
        except (ValueError, KeyError, InvalidTag) as e:
            raise DecryptionError(f"cannot decrypt a value of {context}") from e

    def _seal(self, data: bytes, context: str) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._ciphers[self._newest].encrypt(nonce, data, context.encode())

    def _open(self, version: int, body: bytes, context: str) -> bytes:
        return self._ciphers[version].decrypt(body[:12], body[12:], context.encode())


def is_encrypted(text: str) -> bool:
    """Whether a stored text is encrypted."""
    return text.startswith(_PREFIX)
