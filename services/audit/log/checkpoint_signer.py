"""The log's name and key, with which checkpoints are signed and stored rows are sealed."""

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chengxin.tlog import signed_note

# What the sealing key is derived for: no other use of the log's key gives the same one (RFC 5869).
_SEALING = b"chengxin audit log: seals of stored rows"


@dataclass(frozen=True)
class Seals:
    """MACs (HMAC-SHA-256) over what the log's store keeps and no signature covers, under a key that the store lacks."""

    key: bytes

    def seal(self, text: bytes) -> bytes:
        """Returns the seal over a text: 32 bytes."""
        return hmac.digest(self.key, text, "sha256")

    def hold(self, text: bytes, seal: bytes) -> bool:
        """Whether `seal` is over this text. An empty one is of a version before seals, and holds."""
        return not seal or hmac.compare_digest(seal, self.seal(text))


@dataclass(frozen=True)
class CheckpointSigner:
    """Signs checkpoints with a log's name and key."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def of(cls, key: Ed25519PrivateKey) -> Self:
        """Makes the signer of the log with this key. The name stays when the suite's address changes."""
        public = signed_note.VerifierKey.of("-", key).public
        return cls(f"chengxin-audit/{hashlib.sha256(public).hexdigest()[:16]}", key)

    @property
    def vkey(self) -> signed_note.VerifierKey:
        """The key that verifies the checkpoints."""
        return signed_note.VerifierKey.of(self.name, self.key)

    @cached_property
    def seals(self) -> Seals:
        """Seals stored rows, under a key that is derived from the log's."""
        return Seals(HKDF(SHA256(), 32, salt=None, info=_SEALING).derive(self.key.private_bytes_raw()))

    def sign(self, size: int, root: bytes) -> str:
        """Returns a signed checkpoint."""
        return signed_note.sign(signed_note.Checkpoint(self.name, size, root).text, self.name, self.key)
