"""The description of the whole HTTP interface, put together from each service's own."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
import urllib3

from chengxin import __version__
from chengxin.bounds import own
from chengxin.http.description import refuse
from chengxin.values.document import RawDocument

log = structlog.get_logger()

_OWN: Final = "gateway"
_FRESH_SECONDS: Final = 30.0
# While a service does not answer, it is asked again soon.
_INCOMPLETE_SECONDS: Final = 2.0

own(
    __name__,
    "PoolManager",
    resource="Pools of connections for the descriptions of the services",
    total=1,
    why="Made once",
)


class Description:
    """Fetches the OpenAPI 3.1 documents of the services at `addresses`, merges them, and keeps the result a while."""

    def __init__(self, issuer: str, addresses: Mapping[str, str]) -> None:
        self._issuer = issuer
        self._addresses = dict(addresses)
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1, read=5))
        self._turn = threading.Lock()
        self._merged: RawDocument = {}
        self._until = float("-inf")

    def __call__(self, own: RawDocument) -> RawDocument:
        """Returns the whole interface; `own` is the gateway's part. A service that does not answer is left out."""
        with self._turn:
            if time.monotonic() >= self._until:
                parts = {name: self._fetch(name, address) for name, address in self._addresses.items()}
                self._merged = merge(self._issuer, {_OWN: own} | {n: p for n, p in parts.items() if p})
                self._until = time.monotonic() + (_FRESH_SECONDS if all(parts.values()) else _INCOMPLETE_SECONDS)
            return self._merged

    def _fetch(self, name: str, address: str) -> RawDocument:
        try:
            return dict(self._http.request("GET", f"http://{address}/openapi.json").json())
        except (urllib3.exceptions.HTTPError, ValueError) as e:
            log.info("a service does not describe itself", service=name, reason=repr(e)[:200])
            return {}


def merge(issuer: str, parts: Mapping[str, RawDocument]) -> RawDocument:
    """Returns one document. A schema name that means something else in an earlier part gets its service in front."""
    paths: RawDocument = {}
    schemas: RawDocument = {}
    responses: RawDocument = {}
    tags: dict[str, RawDocument] = {}
    for service, part in parts.items():
        components: RawDocument = part.get("components", {})
        own: RawDocument = components.get("schemas", {})
        renamed = {
            name: f"{service.title()}{name}" for name, schema in own.items() if schemas.get(name, schema) != schema
        }
        responses |= components.get("responses", {})
        schemas |= {
            renamed.get(name, name): _titled(_refer(schema, renamed), renamed.get(name)) for name, schema in own.items()
        }
        found: RawDocument = _refer(part.get("paths", {}), renamed)
        for operation in (operation for methods in found.values() for operation in methods.values()):
            refuse(responses, operation, _refusals_at_edge(service, operation))
        paths |= found
        tags |= {tag["name"]: tag for tag in part.get("tags", [])}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Chengxin 诚信",
            "version": __version__,
            "description": "Public credit information system. Errors are RFC 9457 problem documents with stable codes.",
        },
        "servers": [{"url": issuer}],
        "tags": [tags[name] for name in sorted(tags)],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "responses": responses,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": f"RFC 9068 access token from {issuer}/oauth/token or /v1/identity",
                }
            },
        },
    }


def _refusals_at_edge(service: str, operation: RawDocument) -> set[str]:
    """The statuses with which the edge itself may answer, before a service or an own address does."""
    # The rate is limited, and so is what the edge does at once; a service may not answer.
    found = {"429", "503"}
    if "requestBody" in operation:
        found.add("413")
    if service != _OWN:
        # Whoever sends a token is verified before the call is forwarded, also where none is needed; a service is refused.
        found |= {"401", "403"}
    return found


def _titled(schema: RawDocument, name: str | None) -> RawDocument:
    """Returns a renamed schema with its new name as its title: clients are generated with classes named by titles."""
    return schema if name is None else schema | {"title": name}


def _refer(value: Any, renamed: Mapping[str, str]) -> Any:
    """Returns the same value with its references to renamed schemas corrected."""
    if isinstance(value, dict):
        return {k: _reference(v, renamed) if k == "$ref" else _refer(v, renamed) for k, v in value.items()}
    if isinstance(value, list):
        return [_refer(v, renamed) for v in value]
    return value


def _reference(target: Any, renamed: Mapping[str, str]) -> Any:
    if not isinstance(target, str):
        return target
    base, _, name = target.rpartition("/")
    return f"{base}/{renamed[name]}" if base == "#/components/schemas" and name in renamed else target
