"""The table of address prefixes, and the service that answers each of them."""

from typing import Final

SERVICES: Final = ("catalog", "ingest", "disclosure", "objection", "audit")

# A prefix covers itself and every path below it; `/` covers only itself. The gateway answers all other addresses.
PREFIXES: Final = {
    "/": "disclosure",
    "/me": "disclosure",
    "/me/accesses": "audit",
    "/report": "ingest",
    "/static": "disclosure",
    "/subjects": "disclosure",
    "/tlog": "audit",
    "/v1/audit": "audit",
    "/v1/authorized": "disclosure",
    "/v1/catalog": "catalog",
    "/v1/checks": "disclosure",
    "/v1/me/accesses": "audit",
    "/v1/me/consents": "disclosure",
    "/v1/me/objections": "objection",
    "/v1/me/records": "disclosure",
    "/v1/me/report": "disclosure",
    "/v1/memoranda": "disclosure",
    "/v1/operations/audit": "audit",
    "/v1/operations/catalog": "catalog",
    "/v1/operations/disclosure": "disclosure",
    "/v1/operations/ingest": "ingest",
    "/v1/operations/objection": "objection",
    "/v1/objections": "objection",
    "/v1/public": "disclosure",
    "/v1/records": "ingest",
    "/v1/reports": "disclosure",
    "/v1/shared": "disclosure",
    "/v1/statutory": "disclosure",
    "/v1/subjects": "disclosure",
    "/v1/submissions": "ingest",
    "/v1/usage-feedback": "disclosure",
}

_MIB: Final = 1024 * 1024
_BODY_LIMITS: Final = {"/v1/submissions": 256 * _MIB}
_DEFAULT_BODY_LIMIT: Final = 64 * _MIB


def prefix_of(path: str) -> str | None:
    """Returns the prefix under which a path is forwarded; None for the gateway's own paths and for unknown paths."""
    parts = path.split("/", 4)
    # The longest one: "/me/accesses" is another service's than "/me". They have three segments at most.
    for depth in range(min(len(parts), 4), 1, -1):
        prefix = "/".join(parts[:depth])
        if prefix in PREFIXES and (prefix != "/" or path == "/"):
            return prefix
    return None


def limit_of(prefix: str) -> int:
    """Returns the size of the largest request body that a prefix accepts, in bytes."""
    return _BODY_LIMITS.get(prefix, _DEFAULT_BODY_LIMIT)
