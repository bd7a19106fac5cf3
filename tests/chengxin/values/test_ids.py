"""Identifiers: new ones are in the order of time, derived ones are what their definition says."""

import base64
import hmac

from hypothesis import given
from hypothesis import strategies as st

from chengxin.values import ids


def test_new_ids_sort_by_the_millisecond_in_which_they_were_made(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    made = []
    # Across every change of a character: letters after digits, carries.
    for ms in (*range(0, 70_000, 7), 1_764_000_000_000, 1_764_000_000_001, 2**47):
        monkeypatch.setattr(ids.time, "time", lambda ms=ms: (ms + 0.5) / 1000)
        made.append(ids.new_id("t"))
    assert made == sorted(made)
    assert len(made[0]) == len("t_") + 26


@given(st.binary(min_size=32, max_size=64), st.text(), st.text())
def test_a_pseudonym_is_the_keyed_digest_in_base32(secret: bytes, scheme: str, identifier: str) -> None:
    text = f"subject\0{scheme}\0{identifier.strip().upper()}"
    digest = hmac.new(secret, text.encode(), "sha256").digest()[:16]
    plain = base64.b32encode(digest).decode().rstrip("=").lower()
    assert ids.SubjectKey(secret).subject_ref(scheme, identifier) == f"s_{plain}"


def test_a_content_tag_tells_contents_entries_and_keys_apart() -> None:
    key = ids.SubjectKey(b"k" * 32)
    tags = {
        key.content_tag("XZXK", b'{"a":"1"}'),
        key.content_tag("XZXK", b'{"a":"2"}'),
        key.content_tag("XZCF", b'{"a":"1"}'),
        ids.SubjectKey(b"l" * 32).content_tag("XZXK", b'{"a":"1"}'),
    }
    assert len(tags) == 4
    assert key.content_tag("XZXK", b'{"a":"1"}') in tags
