"""Fields by which messages name things (`chengxin/values/named_things.py`), by their names in all services' contracts."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.message import Message

from chengxin.errors import INPUT_INVALID
from chengxin.values.named_things import ACT, ACTOR, EVENT, ORGANISATION, REQUEST, SUBJECT, NamedThing

# An `Amend` has a `request_id` of its caller's choice; it narrows nothing, and is not asked about here.
NAMED: Final[Mapping[str, NamedThing]] = {
    "provider_uscc": ORGANISATION,
    "subject_ref": SUBJECT,
    "event_id": EVENT,
    "request_id": REQUEST,
    "actor": ACTOR,
    "act": ACT,
}


def must_name_what_can_be(request: Message) -> None:
    """Raises INPUT_INVALID for each field of a message that names what cannot be."""
    given = ((field.name, value) for field, value in request.ListFields() if field.name in NAMED)
    if faults := [fault for name, value in given if (fault := NAMED[name].fault(name, value))]:
        raise INPUT_INVALID(fields=faults)
