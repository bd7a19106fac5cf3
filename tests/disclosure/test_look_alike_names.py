"""A name is found however its characters are written: by every form in which it may have been delivered (Art. 15)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chengxin.values import character_tables
from chengxin.values.text_forms import standard_name
from services.disclosure.projections.name_index import NameIndex
from tests.disclosure.name_searches import directory, refs
from tests.disclosure.names_store import MemoryNames, row

_DELIVERED = {
    "dot": "阿凡提•乙",
    "traditional": "廣東長發貿易有限公司",
    "simplified": "阳江后海馬達有限公司",
    "brackets": "阳江海陵(集团)公司",
}


@pytest.fixture(scope="module")
def here() -> Iterator[NameIndex]:
    names = MemoryNames()
    names.change(*(row(ref, standard_name(name)) for ref, name in _DELIVERED.items()))
    index = directory(names)
    yield index
    index.close()


@pytest.mark.parametrize(
    ("query", "ref"),
    [
        *((f"阿凡提{dot}乙", "dot") for dot in "·•‧∙⋅・･⸱ꞏ"),
        ("阿凡提·\u200b乙", "dot"),
        *((query, "traditional") for query in ("广东长发贸易", "廣東長發", "广東⾧發", "gdcf", "长发 广东")),
        *((query, "simplified") for query in ("後海马达", "后海馬達", "後海", "马\ufe00達")),
        *((query, "brackets") for query in ("海陵（集团）", "海陵（集團）", "海陵﹙集团﹚", "海陵 (集团) 公司")),
    ],
)
def test_a_name_is_found_as_it_may_be_written(here: NameIndex, query: str, ref: str) -> None:
    assert refs(here, query) == [ref]


def test_the_index_of_the_version_before_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names were kept in another form."""
    names = MemoryNames()
    names.change(row("sub", "廣東"))
    with monkeypatch.context() as before:
        before.setattr(character_tables, "TRADITIONAL", "")
        old = directory(names, tmp_path)
        assert refs(old, "廣東") == ["sub"]
        old.close()
    new = directory(names, tmp_path)
    assert new._opened().refused
    assert refs(new, "广东") == ["sub"]
    new.close()
