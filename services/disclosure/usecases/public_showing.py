"""How the public is shown a record, beside what the record says: under which subject, in which form, with which mark."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.disclosure.domain.record_views import View
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.store.generations import FORM
from services.disclosure.store.subject_state import RecordLocation, SubjectGroup

_ETAG_LENGTH: Final = 16


@dataclass(frozen=True)
class Showing:
    """How a record is shown."""

    # The references under which it is: that of the subject's page first.
    refs: Sequence[str]
    view: View
    # Another one whenever anything that is shown of the record, or of where it is, is another.
    etag: str


def showings(
    places: Iterable[RecordLocation],
    states: Mapping[str, SubjectState],
    groups: Mapping[str, SubjectGroup],
    today: str,
) -> dict[str, Showing]:
    """Returns how records are shown on a day, by record; `states` and `groups` are those of their references. A record
    whose reference has no state has moved away meanwhile, and is left out."""
    found = {}
    for place in places:
        if (state := states.get(place.ref)) is None:
            continue
        group = groups.get(place.ref)
        leader, visible = (group.refs[0], group.visible) if group else (place.ref, state.summary.visible)
        view = visible.view(today)
        etag = _etag(FORM, place.record_id, place.version, view, place.objected, leader)
        found[place.record_id] = Showing(tuple(dict.fromkeys((leader, place.ref))), view, etag)
    return found


def _etag(*shown: object) -> str:
    return hashlib.sha256(repr(tuple(map(str, shown))).encode()).hexdigest()[:_ETAG_LENGTH]
