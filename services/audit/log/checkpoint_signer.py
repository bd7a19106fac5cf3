"""Who signs the checkpoints."""

import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.tlog import signed_note


@dataclass(frozen=True)
class CheckpointSigner:
    """A log's name and key."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def of(cls, key: Ed25519PrivateKey) -> Self:
        """The signer of the log with this key. The name stays when the suite's address changes."""
        public = signed_note.VerifierKey.of("-", key).public
        return cls(f"chengxin-audit/{hashlib.sha256(public).hexdigest()[:16]}", key)

    @property
    def vkey(self) -> signed_note.VerifierKey:
        """With which checkpoints are verified."""
        return signed_note.VerifierKey.of(self.name, self.key)

    def sign(self, size: int, root: bytes) -> str:
        """A signed checkpoint."""
        return signed_note.sign(signed_note.Checkpoint(self.name, size, root).text, self.name, self.key)
