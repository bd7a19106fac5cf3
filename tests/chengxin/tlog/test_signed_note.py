"""Signed notes: the examples of the specifications verify, forgeries do not."""

import base64
import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from chengxin.tlog import signed_note
from chengxin.tlog.merkle import leaf_hash
from chengxin.tlog.signed_note import Checkpoint, NoteError, VerifierKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAME = "log.example/audit"
VKEY = VerifierKey.of(NAME, KEY)
CHECKPOINT = Checkpoint(NAME, 20852163, leaf_hash(b"x"))
NOTE = signed_note.sign(CHECKPOINT.text, NAME, KEY)

# The vkey that golang.org/x/mod/sumdb/note documents.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_that_others_signed() -> None:
    key = VerifierKey.parse(PETER)
    assert str(key) == PETER
    assert key.verify(PETER_NOTE).startswith("If you think")
    with pytest.raises(NoteError, match="not over this text"):
        key.verify(PETER_NOTE.replace("answer", "Answer"))


def test_a_checkpoint_comes_back() -> None:
    assert Checkpoint.open(NOTE, VerifierKey.parse(str(VKEY))) == CHECKPOINT


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = signed_note.sign(Checkpoint("another.example", 1, CHECKPOINT.root).text, NAME, KEY)
    with pytest.raises(NoteError, match=r"another\.example"):
        Checkpoint.open(other, VKEY)


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_no_altered_note_opens_as_another_checkpoint(at: int, character: str) -> None:
    altered = NOTE[:at] + character + NOTE[at + 1 :]
    with contextlib.suppress(NoteError):
        assert Checkpoint.open(altered, VKEY) == CHECKPOINT


def test_a_cosignature_is_over_the_time_too() -> None:
    witness = Ed25519PrivateKey.generate()
    cosigned = signed_note.cosign(NOTE, "witness.example/w1", witness, 1679315147)
    key = VerifierKey.parse(str(VerifierKey.of_witness("witness.example/w1", witness)))
    assert key.verify(cosigned) == CHECKPOINT.text
    assert Checkpoint.open(cosigned, VKEY) == CHECKPOINT
    _, [_, (name, signature)] = signed_note.split_note(cosigned)
    assert (name, int.from_bytes(signature[4:12], "big"), len(signature)) == ("witness.example/w1", 1679315147, 76)
    later = bytearray(signature)
    later[11] += 1
    forged = cosigned.replace(_encoded(signature), _encoded(bytes(later)))
    with pytest.raises(NoteError, match="not over this text"):
        key.verify(forged)


def _encoded(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
