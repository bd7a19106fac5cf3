"""An encrypted field decrypts only unaltered, under its own name, with its key."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.store.field_encryption import DecryptionError, KeyRing, is_encrypted

RING = KeyRing({1: b"1" * 32, 2: b"2" * 32})


@given(st.text(), st.text())
def test_a_text_comes_back_as_it_was_and_never_looks_the_same_twice(text: str, context: str) -> None:
    sealed = RING.encrypt(text, context)
    assert RING.decrypt(sealed, context) == text
    assert is_encrypted(sealed)
    assert RING.encrypt(text, context) != sealed


@given(st.binary(max_size=300), st.integers(min_value=0), st.integers(1, 255))
def test_a_blob_opens_whole_or_not_at_all(data: bytes, place: int, change: int) -> None:
    sealed = RING.encrypt_bytes(data, "evidence")
    assert RING.decrypt_bytes(sealed, "evidence") == data
    at = place % len(sealed)
    altered = sealed[:at] + bytes([sealed[at] ^ change]) + sealed[at + 1 :]
    with pytest.raises(DecryptionError):
        RING.decrypt_bytes(altered, "evidence")
    with pytest.raises(DecryptionError):
        RING.decrypt_bytes(sealed[:at], "evidence")


def test_a_value_cannot_be_moved_to_another_field() -> None:
    with pytest.raises(DecryptionError, match="another"):
        RING.decrypt(RING.encrypt("text", "one"), "another")
    with pytest.raises(DecryptionError):
        RING.decrypt_bytes(RING.encrypt_bytes(b"data", "one"), "another")


def test_old_keys_open_and_the_newest_seals() -> None:
    old, new = KeyRing({1: b"1" * 32}), KeyRing({2: b"2" * 32})
    assert RING.decrypt(old.encrypt("text", "c"), "c") == "text"
    assert new.decrypt(RING.encrypt("text", "c"), "c") == "text"
    with pytest.raises(DecryptionError):
        old.decrypt(RING.encrypt("text", "c"), "c")


@pytest.mark.parametrize(
    "text", ["", "plain", "enc:", "enc:x:y", "enc:1", "enc:1:!!", "enc:9:AAAA", "enc:1:AAAA", "enc:1:é"]
)
def test_what_is_not_sealed_is_told_as_such(text: str) -> None:
    with pytest.raises(DecryptionError):
        RING.decrypt(text, "c")


def test_a_ring_is_read_from_its_file_and_is_never_empty(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    path.write_text(json.dumps(KeyRing.generate()))
    assert KeyRing.load(path).decrypt(KeyRing.load(path).encrypt("text", "c"), "c") == "text"
    with pytest.raises(ValueError, match="empty"):
        KeyRing({})
