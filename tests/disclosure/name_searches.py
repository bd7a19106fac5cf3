"""Searches in an index of names, and the characters that tests of it draw from."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from services.disclosure.domain.text_normalisation import as_code
from services.disclosure.projections.name_index import NameIndex

TODAY = "2026-11-29"


def directory(store: Any, folder: Path | None = None) -> NameIndex:
    return NameIndex(store, folder)


def found(where: NameIndex, query: str, start: int = 0, size: int = 200) -> list[tuple[str, str, list[str]]]:
    page, total = where.found(query, as_code(query), TODAY, start, size)
    assert total >= len(page)
    return [(listed.ref, listed.name(TODAY), listed.former(TODAY)) for listed in page]


def refs(where: NameIndex, query: str) -> list[str]:
    return [ref for ref, *_ in found(where, query)]


SIGNS = st.sampled_from("阳江海陵长行重会食品公司aAｂz12９·•・（）()*%\"' \u3000ßﬁİ𠮷\x00\ud7ff\U0010ffff")
