"""Versions of entries are held in memory, as many as there is room for."""

from typing import Any

import pytest

from services.disclosure.store import followed_entries
from services.disclosure.store.disclosure_store import DisclosureStore
from tests.loads import counted_loads


def _entry(code: str, values: int) -> dict[str, Any]:
    codes = [{"code": str(n)} for n in range(values)]
    return {"code": code, "version": 1, "items": [{"code": "XK_LX", "code_list": codes}]}


def test_entries_in_use_are_held_and_the_others_read_again(
    names: tuple[str, DisclosureStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_entries, "_HELD_VALUES", 10)
    store = DisclosureStore(names[1].store)
    sizes = {"A": 4, "B": 3, "C": 3, "LARGE": 20}
    for code, values in sizes.items():
        store.transact(lambda unit, code=code, values=values: store.save_entry(_entry(code, values), unit))

    def read(*codes: str) -> int:
        with counted_loads() as loads:
            for code in codes:
                entry = store.entry(code, 1)
                assert entry is not None
                assert len(entry.items[0].code_list) == sizes[code]
        return sum(loads.values())

    assert read("A", "B", "A", "B") == 2
    # C takes the place of what was used longest ago; what has no room is read each time.
    assert read("B", "C", "B", "C") == 1
    assert read("LARGE", "LARGE", "B", "C") == 2
    assert read("A") == 1
    assert store.entry("D", 1) is None
