"""The description of the whole HTTP interface, put together from each service's own."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
import urllib3

from chengxin import __version__
from chengxin.bounds import own
from chengxin.values.document import RawDocument

log = structlog.get_logger()

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
                self._merged = merge(self._issuer, {"gateway": own} | {n: p for n, p in parts.items() if p})
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
    tags: dict[str, RawDocument] = {}
    for service, part in parts.items():
        own: RawDocument = part.get("components", {}).get("schemas", {})
        renamed = {
            name: f"{service.title()}{name}" for name, schema in own.items() if schemas.get(name, schema) != schema
        }
        schemas |= {renamed.get(name, name): _refer(schema, renamed) for name, schema in own.items()}
        paths |= _refer(part.get("paths", {}), renamed)
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
