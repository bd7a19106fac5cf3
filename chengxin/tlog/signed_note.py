"""Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature v1)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chengxin.tlog.merkle import HASH

# No log has more entries; Python reads numbers of very many digits only with an error of its own.
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_ED25519: Final = 1
_COSIGNATURE: Final = 4
_SIGNATURE_PREFIX: Final = "\u2014 "
# Characters of a note: a few lines of text, and no more signatures than a log with its witnesses has.
_LONGEST_NOTE: Final = 64 * 1024


class NoteError(ValueError):
    """A note that is malformed, or not signed by the key that should have signed it."""


@dataclass(frozen=True)
class VerifierKey:
    """A vkey: name, key id, and the kind and public key that its base64 part holds."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `name+hash+base64`. Raises `NoteError`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            material = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            material = b""
        if not name or len(material) != HASH + 1 or material[0] not in (_ED25519, _COSIGNATURE):
            raise NoteError("this is not a verifier key: name+hash+base64 of an Ed25519 key is one")
        key = cls(name, material[0], material[1:])
        if key.key_id.hex() != key_id:
            raise NoteError(f"the verifier key of {name} has the hash {key.key_id.hex()}, not {key_id}")
        return key

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey, kind: int = _ED25519) -> Self:
        """The key under which `key` signs as `name`. Raises `NoteError` for a name that a note cannot hold."""
        if not name or "+" in name or any(c.isspace() for c in name):
            raise NoteError(f"{name!r} is no name of a key: it must not be empty nor hold spaces or +")
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return cls(name, kind, raw)

    @classmethod
    def of_witness(cls, name: str, key: Ed25519PrivateKey) -> Self:
        """The key under which `key` cosigns as `name`."""
        return cls.of(name, key, _COSIGNATURE)

    @property
    def key_id(self) -> bytes:
        """The four bytes that a signature begins with."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    def verify(self, note: str) -> str:
        """The text of a note that this key signed, or cosigned. Raises `NoteError`."""
        text, signatures = split_note(note)
        own_signatures = [s[4:] for name, s in signatures if name == self.name and s[:4] == self.key_id]
        if not own_signatures:
            raise NoteError(f"the note is not signed by {self.name} with key {self.key_id.hex()}")
        for signature in own_signatures:
            signed = text.encode()
            if self.kind == _COSIGNATURE:
                signed, signature = _cosigned_bytes(text, int.from_bytes(signature[:8], "big")), signature[8:]
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
            except InvalidSignature:
                raise NoteError(f"the signature of {self.name} is not over this text") from None
        return text


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log at a moment: origin, number of entries, root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text of a checkpoint; extension lines are ignored. Raises `NoteError`."""
        lines = text.split("\n")
        size = lines[1] if len(lines) > 3 else ""
        if not lines[0] or not _SIZE.fullmatch(size):
            raise NoteError("this is not a checkpoint: origin, size and root hash are its first three lines")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except binascii.Error:
            root = b""
        if len(root) != HASH or base64.b64encode(root).decode() != lines[2]:
            raise NoteError("the root hash of the checkpoint is not 32 bytes in base64")
        return cls(lines[0], int(size), root)

    @classmethod
    def open(cls, note: str, key: VerifierKey) -> Self:
        """Reads a signed checkpoint of the log whose key and origin have the name of `key`. Raises `NoteError`."""
        checkpoint = cls.parse(key.verify(note))
        if checkpoint.origin != key.name:
            raise NoteError(f"the checkpoint is of {checkpoint.origin}, not of {key.name}")
        return checkpoint


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """The note that `name` signs; `text` ends with a newline."""
    signature = VerifierKey.of(name, key).key_id + key.sign(text.encode())
    return f"{text}\n{_SIGNATURE_PREFIX}{name} {base64.b64encode(signature).decode()}\n"


def cosign(note: str, name: str, key: Ed25519PrivateKey, timestamp: int) -> str:
    """The note with a witness's cosignature added; `timestamp` in seconds since 1970. Raises `NoteError`."""
    text, _ = split_note(note)
    signature = VerifierKey.of_witness(name, key).key_id + timestamp.to_bytes(8, "big")
    signature += key.sign(_cosigned_bytes(text, timestamp))
    return f"{note}{_SIGNATURE_PREFIX}{name} {base64.b64encode(signature).decode()}\n"


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and name and bytes of each signature. Raises `NoteError`."""
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n") or len(note) > _LONGEST_NOTE or any(c < " " and c != "\n" for c in note):
        raise NoteError("this is not a signed note: text, an empty line, and signature lines are one")
    signatures = []
    for line in tail[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
        try:
            signature = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            signature = b""
        if not line.startswith(_SIGNATURE_PREFIX) or not name or len(signature) < 5:
            raise NoteError("a signature line of the note is malformed")
        signatures.append((name, signature))
    return text + "\n", signatures


def _cosigned_bytes(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
