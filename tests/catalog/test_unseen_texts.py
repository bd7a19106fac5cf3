"""No text that the catalog publishes has characters that nobody sees, wherever it stands (Art. 8)."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from services.catalog.domain.code_list import CodeListContent
from services.catalog.domain.entry import read_content
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.organisation import read_organisation
from tests.catalog.conftest import demo_entry

_UNSEEN = "\u3164"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all texts; of each list those in its first two members."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, part in list(value.items() if isinstance(value, dict) else enumerate(value[:2])):
            yield from places(part, (*path, key))


def with_unseen(plain: Any, path: tuple[Any, ...]) -> Any:
    changed = json.loads(json.dumps(plain))
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] += _UNSEEN
    return changed


@pytest.mark.parametrize("code", ["XZXK", "XZCF", "CFGR"])
def test_every_text_of_an_entry_is_looked_at(code: str) -> None:
    entry = demo_entry(code)
    looked_at = 0
    for path in places(entry):
        try:
            content = read_content(with_unseen(entry, path))
        except (msgspec.ValidationError, ValueError):
            # A word of the contract, which is none then.
            continue
        found = [f for f in findings(content) if f.rule == "text.unprintable"]
        assert [(f.where, f.words) for f in found] == [(".".join(map(str, path)), {"found": "U+3164"})]
        looked_at += 1
    assert looked_at > 25


def test_every_text_of_an_organisation_and_of_a_code_list_is_looked_at() -> None:
    person = {"name": "张三", "duty": "科长", "telephone": ""}
    organ = {"uscc": "11000000000000019Q", "name": "阳江市发展和改革局", "kind": "administrative_organ"}
    organ |= {"region": "441700", "functions": ["provider"], "responsible_unit": "信用科", "officers": [person]}
    for path in (("name",), ("responsible_unit",), ("officers", 0, "name"), ("officers", 0, "duty")):
        found = [f.where for f in read_organisation(with_unseen(organ, path)).findings({"441700"})]
        assert found == [".".join(map(str, path))]
    values = [{"code": "1", "name": {"zh": f"有{_UNSEEN}效"}}]
    plain = {"name": "states", "title": {"zh": "状态"}, "values": values}
    [finding] = msgspec.convert(plain, CodeListContent).findings()
    assert (finding.where, finding.rule) == ("values.0.name.zh", "text.unprintable")
