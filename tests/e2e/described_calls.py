"""Calls that schemathesis makes from the published description, as somebody in one role, and what it found wrong.

The description is used as it is published. Of the configuration only this is not schemathesis' own: an operation that
says in words what its schema cannot (`x-beyond-schema`) may refuse data that its schema takes. Every other call names
what there is, where a parameter names a thing: nobody guesses an id, and what is answered would not be looked at.
"""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from chengxin.auth.principal import Role
from chengxin.values.text_forms import first_unseen
from tests.e2e.policy_world import PolicyWorld

# Where whoever calls has no token of one of the services; these are not reachable from outside.
ROLES: Final = tuple(role for role in Role if role is not Role.SERVICE)
CHECKS: Final = frozenset(
    {
        *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
        *("response_schema_conformance", "response_headers_conformance", "allow_header_conformance"),
        *("negative_data_rejection", "positive_data_acceptance", "missing_required_header", "unsupported_method"),
        *("use_after_free", "ensure_resource_availability", "ignored_auth"),
    }
)
# It ends all tokens, those of this test too, once schemathesis has learned the name of the key.
LAST: Final = "POST /v1/identity/signing-keys/{kid}/revoke"
_TAKEN: Final = ["2xx", "3xx", "401", "403", "404", "409", "429"]
_LONGEST: Final = 600


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Sees to it that half of the bodies which a schema takes hold nothing unseen.

    That no text may hold it is said in words. Most texts that are drawn do, and no such body was ever taken.
    """
    is_taken = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if is_taken and isinstance(case.body, dict) and len(str(case.body)) % 2:
        case.body = _seen(case.body)


@dataclass
class Tried:
    """What came of the calls of one role."""

    wrong: dict[tuple[str, str], str] = field(default_factory=dict)
    checks: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)


def shared_out(api: dict[str, Any]) -> dict[Role, list[str]]:
    """Every operation under one of the roles that may call it, the one with the fewest so far."""
    shares: dict[Role, list[str]] = {role: [] for role in ROLES}
    for label, roles in sorted(_callers(api).items(), key=lambda item: (len(item[1]), item[0])):
        if roles:
            min((shares[role] for role in roles), key=len).append(label)
    return shares


def of_role(api: dict[str, Any], role: Role) -> list[str]:
    """Every operation that a role may call."""
    return [label for label, roles in _callers(api).items() if role in roles]


def tried(
    api: dict[str, Any], world: PolicyWorld, role: Role, operations: Collection[str], phases: dict[str, dict[str, Any]]
) -> Tried:
    """Calls the operations in a role; `phases` are those of schemathesis' configuration, without the others."""
    # An account with this name does not exist, so that no call ends this token.
    named = {"sub": "officer:tries"} if role in (Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR) else {}
    # It outlives the slowest run: an ended token is refused everywhere, and 401 is no fault.
    token = world.caller(role, world.owner, lifetime=7200, **named).token()
    off = {name: {"enabled": False} for name in ("examples", "coverage", "fuzzing", "stateful")}
    config = SchemathesisConfig.from_dict(
        {
            "dictionaries": {name: {"values": values} for name, values in world.known.items()},
            "parameters": {name: {"dictionary": name, "probability": 0.5} for name in world.known},
            "generation": {"deterministic": True, "database": "none"},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": _TAKEN},
            },
            "operations": [
                {"include-name": sorted(set(_callers(api)) - set(operations)), "enabled": False},
                {"include-name": _judged(api), "checks": _may_refuse()},
                {"include-name": _also_of_a_thing(api), "checks": {"allow_header_conformance": {"enabled": False}}},
                # A consent that is taken back stays to be read, with `withdrawn_at`: it says what was open until then.
                {
                    "include-name": "GET /v1/me/consents/{consent_id}",
                    "checks": {"use_after_free": {"enabled": False}},
                },
                # Elsewhere a token is not asked for, or is refused: those who come to get one have none.
                {"include-name": _guarded(api), "headers": {"Authorization": f"Bearer {token}"}},
            ],
            "phases": off | phases,
            "continue-on-failure": True,
            "workers": 1,
            # Who follows the public feed may wait for half a minute.
            "request-timeout": 60.0,
        }
    )
    schema = schemathesis.openapi.from_url(f"{api['servers'][0]['url']}/openapi.json", config=config)
    found = Tried()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _count(found, event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.wrong[str(getattr(event, "label", "")), "error"] = str(
                event.info.format() if isinstance(event, events.NonFatalError) else event.exception
            )[:_LONGEST]
    return found


def _callers(api: dict[str, Any]) -> dict[str, set[Role]]:
    return {
        f"{method.upper()} {path}": set(ROLES) & set(map(Role, operation.get("x-roles", ROLES)))
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    }


def _judged(api: dict[str, Any]) -> list[str]:
    return [
        f"{method.upper()} {path}"
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        if operation.get("x-beyond-schema")
    ]


def _guarded(api: dict[str, Any]) -> list[str]:
    return [
        f"{method.upper()} {path}"
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        if operation["security"]
    ]


def _also_of_a_thing(api: dict[str, Any]) -> list[str]:
    """Whose address is also that of a thing with this name: GET /v1/subjects/queries asks for a subject, and is allowed."""
    forms = [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) for path in api["paths"]]
    return [
        f"{method.upper()} {path}"
        for path, methods in api["paths"].items()
        if sum(bool(re.fullmatch(form, path)) for form in forms) > 1
        for method in methods
    ]


def _seen(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _seen(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_seen(part) for part in value]
    return "".join("信" if first_unseen(char, 1) else char for char in value) if isinstance(value, str) else value


def _may_refuse() -> dict[str, Any]:
    return {"positive_data_acceptance": {"expected-statuses": ["400", *_TAKEN]}}


def _count(found: Tried, event: events.ScenarioFinished) -> None:
    for interaction in event.recorder.interactions.values():
        if interaction.response is not None:
            found.statuses[interaction.response.status_code] += 1
    for case_id, checks in event.recorder.checks.items():
        found.operations.add(event.recorder.cases[case_id].value.operation.label)
        for check in checks:
            found.checks[check.name] += 1
            if check.failure_info is not None:
                failure = check.failure_info.failure
                told = f"{failure.title}: {failure.message}\n{check.failure_info.code_sample}"
                found.wrong.setdefault((str(failure.operation), check.name), told[:_LONGEST])
