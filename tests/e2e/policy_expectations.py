"""What the conditions of the authorization table answer to callers to whom the thing does not belong."""

import re
from typing import Any

from chengxin.auth.principal import Role

_OFFICERS = (Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR)
# By condition, as the table words it: the code for callers to whom the thing does not belong.
CONFINED: dict[str, dict[Role, str]] = {
    "Only the applicant; others are told that there is no such case.": {Role.SUBJECT: "OBJECTION_UNKNOWN"},
    "Only the subject of the record.": {Role.SUBJECT: "NOT_YOUR_RECORD"},
    "Only the organisation that supplied the record, once it is notified; others are told that there is none.": {
        Role.PROVIDER: "OBJECTION_UNKNOWN"
    },
    "a provider reads only its own": {Role.PROVIDER: "NOT_FOUND"},
    "a provider reads only its own submissions": {Role.PROVIDER: "NOT_FOUND"},
    "a provider reads only records of its own": {Role.PROVIDER: "NOT_FOUND"},
    "the entry names the caller's organisation as a provider": {Role.PROVIDER: "NOT_A_PROVIDER"},
    "a version of the entry names the caller's organisation as provider": {Role.PROVIDER: "NOT_A_PROVIDER"},
    "a provider changes only records of its own, and the centre those of providers in the officer's region": {
        Role.PROVIDER: "RECORD_NOT_YOURS"
    },
    "A provider only when the draft names it; to others of them it is as if it did not exist.": {
        Role.PROVIDER: "DRAFT_UNKNOWN"
    },
    "the officer acts for the whole city, not for a county": dict.fromkeys(_OFFICERS, "OUTSIDE_REGION"),
    "the gateway itself asks": {Role.SERVICE: "NOT_THE_GATEWAY"},
    **{f"the service is {name}": {Role.SERVICE: "FEED_NOT_FOR_YOU"} for name in ("disclosure", "objection")},
    **{
        f"the {what} lies within the {whose}": dict.fromkeys(_OFFICERS, "OUTSIDE_REGION")
        for what, whose in (
            ("organisation's region", "officer's"),
            ("organisation's new region", "officer's"),
            ("client's region", "officer's"),
            ("officer's region", "caller's"),
        )
    },
}
# Faces whose use case finds this out itself, because it must read the thing.
_FOUND_OUT: dict[str, dict[Role, str]] = {
    "GET /v1/me/consents/<consent_id>": {Role.SUBJECT: "CONSENT_ABSENT"},
    "DELETE /v1/me/consents/<consent_id>": {Role.SUBJECT: "CONSENT_ABSENT"},
    "POST /v1/me/consents/<consent_id>/code": {Role.SUBJECT: "CONSENT_ABSENT"},
    "POST /v1/authorized/queries": {Role.SUBJECT_AUTHORIZED: "CONSENT_OTHER_GRANTEE"},
    "chengxin.disclosure.v1.DisclosureService/Query": {Role.SUBJECT_AUTHORIZED: "CONSENT_OTHER_GRANTEE"},
}
# These come last, because they change the things that others are asked about.
_ENDING = re.compile(r"DELETE |/(withdraw|suspend|reset|approve|reject|sign-out|resume)$")


def confined(row: dict[str, Any], role: Role) -> str:
    """The code for a caller in this role to whom the thing does not belong; empty when ownership does not matter."""
    if role not in row.get("roles", ()):
        return ""
    # What an officer's power reaches is declared with it.
    if role in _OFFICERS and row.get("power", {}).get("region") in ("own", "city"):
        return "OUTSIDE_REGION"
    found = [CONFINED[c][role] for c in row["conditions"] if role in CONFINED.get(c, {})]
    return found[0] if found else _FOUND_OUT.get(row["face"], {}).get(role, "")


def is_kept_inside(row: dict[str, Any], role: Role) -> bool:
    """Whether the face is one that the edge forwards, to which no service comes from outside; over gRPC they are inside."""
    return role is Role.SERVICE and " " in row["face"] and row["service"] != "gateway"


def has_owner(row: dict[str, Any]) -> bool:
    """Whether the face's answer depends on whose thing it is."""
    return any(confined(row, role) for role in Role)


def takes_nothing(face: str) -> bool:
    """Whether a face takes no input."""
    return face.startswith(("GET ", "DELETE ")) or bool(_ENDING.search(face))


def in_order(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows; those that change the most come last."""
    return sorted(table, key=lambda row: bool(_ENDING.search(row["face"])))
