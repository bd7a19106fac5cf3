"""What an event must be, and which of a relay's events are new."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.values.canonical_json import canonical
from services.audit.domain.event import EventFault, RelayPosition, instant, read_event, undelivered
from tests.audit.conftest import an_event

EVENT: dict[str, Any] = json.loads(an_event())
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
@settings(max_examples=200)
def test_exactly_the_canonical_form_is_taken(details: Any) -> None:
    entry = canonical(EVENT | {"details": {"d": details}})
    assert read_event(entry) == json.loads(entry)
    for other in (json.dumps(json.loads(entry)), json.dumps(json.loads(entry), separators=(",", ":"))):
        if other.encode() != entry:
            assert isinstance(read_event(other.encode()), EventFault)


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        (b"{", "json"),
        (b"[]", "object"),
        (b"\xff", "json"),
        (b'{"a":1,"a":1}', "canonical"),
        (b'{"b":1,"a":1}', "canonical"),
        (b'{"a":1.0}', "canonical"),
        (b'{"a":12345678901234567890}', "canonical"),
        (b'{"a":"\\u0041"}', "canonical"),
        (canonical({"a": "x" * 32768}), "size"),
        (b"[" * 20000, "json"),
    ],
)
def test_what_is_no_event(entry: bytes, rule: str) -> None:
    found = read_event(entry)
    assert isinstance(found, EventFault)
    assert found.rule == rule
    assert found.zh
    assert found.en


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("v", 2),
        ("v", True),
        ("event_id", ""),
        ("event_id", "a b"),
        ("event_id", None),
        ("at", "2026-11-24"),
        ("at", "2026-11-24T12:00:00+08:00"),
        ("at", "2026-13-24T12:00:00Z"),
        ("service", "Catalog"),
        ("act", "record queried"),
        ("actor", {}),
        ("actor", {"sub": ""}),
        ("actor", "me"),
        ("subject_refs", ["s", 1]),
        ("subject_refs", "s"),
        ("request_id", 7),
    ],
)
def test_members_that_are_wrong(member: str, value: object) -> None:
    found = read_event(canonical(EVENT | {member: value}))
    assert isinstance(found, EventFault)
    assert found.member == member
    assert found.field_error(3).field == f"entries[3].{member}"


@pytest.mark.parametrize("member", ["v", "event_id", "at", "service", "act", "actor"])
def test_members_that_are_missing(member: str) -> None:
    found = read_event(canonical({k: v for k, v in EVENT.items() if k != member}))
    assert isinstance(found, EventFault)
    assert found.member == member


def test_instants_sort_as_texts() -> None:
    assert instant("2026-11-24T04:00:00Z") == "2026-11-24T04:00:00.000000Z"
    assert instant("2026-11-24T04:00:00.5Z") == "2026-11-24T04:00:00.500000Z"
    assert instant("yesterday") is None


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_whatever_of_a_feed_was_delivered_the_rest_comes_once(rows: list[int], data: st.DataObject) -> None:
    """A relay delivers rows of a few events each; wherever it was interrupted, it resumes some rows earlier."""
    events = [(position, n) for position, count in enumerate(rows, 1) for n in range(count)]
    log: list[tuple[int, int]] = []
    reached = RelayPosition()
    start = 1
    while len(log) < len(events):
        positions = [position for position, _ in events if position >= start]
        offset = len(events) - len(positions)
        new = list(undelivered(positions, reached))
        for number, so_far in new[: data.draw(st.integers(1, len(new)))]:
            log.append(events[offset + number])
            reached = so_far
        start = data.draw(st.integers(1, reached.position))
    assert log == events
