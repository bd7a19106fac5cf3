"""Identifiers: new ones are in the order of time."""

from chengxin import ids


def test_new_ids_sort_by_the_millisecond_in_which_they_were_made(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    made = []
    # Across every change of a character: letters after digits, carries.
    for ms in (*range(0, 70_000, 7), 1_764_000_000_000, 1_764_000_000_001, 2**47):
        monkeypatch.setattr(ids.time, "time", lambda ms=ms: (ms + 0.5) / 1000)
        made.append(ids.new_id("t"))
    assert made == sorted(made)
    assert len(made[0]) == len("t_") + 26
