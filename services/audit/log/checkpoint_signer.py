"""The log's name and key, with which checkpoints are signed."""

import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.tlog import signed_note


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

    def sign(self, size: int, root: bytes) -> str:
        """Returns a signed checkpoint."""
        return signed_note.sign(signed_note.Checkpoint(self.name, size, root).text, self.name, self.key)
