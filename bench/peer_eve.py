"""The peer: Eve, REST over MongoDB, on the same store. `python -m bench.peer_eve PORT URI TOKEN`.

It checks a fixed token, validates records by a schema of the same items, and puts nothing on record.
"""

import json
import sys
from pathlib import Path
from typing import Any

from eve import Eve
from eve.auth import TokenAuth
from granian import Granian
from granian.constants import Interfaces

from tests.city import City

ENTRY = Path(__file__).parents[1] / "demo" / "catalog" / "XZXK.json"
LOOKUP = "bench_eve"
BULK = "bench_eve_bulk"


def application(uri: str, token: str) -> Any:
    """The app: one resource to look records up by subject, one to deliver them to."""

    class Fixed(TokenAuth):
        def check_auth(self, given: str, *_: Any) -> bool:
            return given == token

    items = json.loads(ENTRY.read_text())["items"]
    schema = {item["code"]: _field(item) for item in items}
    resource = {"schema": {"subject_ref": {"type": "string"}, "items": {"type": "dict", "schema": schema}}}
    settings = {
        "MONGO_URI": uri,
        "DOMAIN": {LOOKUP: {**resource, "pagination": False}, BULK: resource},
        "RESOURCE_METHODS": ["GET", "POST"],
        "XML": False,
        "HATEOAS": False,
        "BULK_ENABLED": True,
        "IF_MATCH": False,
        "TRANSPARENT_SCHEMA_RULES": True,
    }
    return Eve(settings=settings, auth=Fixed)


def _field(item: dict[str, Any]) -> dict[str, Any]:
    rules: dict[str, Any] = {"type": "string", "required": item.get("required", False)}
    if item["length"]:
        rules["maxlength"] = item["length"]
    if item.get("code_list"):
        rules["allowed"] = [value["code"] for value in item["code_list"]]
    return rules


def documents(city: City, count: int, subject: str) -> list[dict[str, Any]]:
    """Records as Eve takes them."""
    items = city.people["licence"]
    return [{"subject_ref": subject, "items": {**items, "XK_WSH": f"{n}"}} for n in range(count)]


def main() -> None:
    """Serves until it is stopped."""
    port, uri, token = sys.argv[1:4]
    server = Granian(
        "eve",
        "127.0.0.1",
        int(port),
        interface=Interfaces.WSGI,
        blocking_threads=16,
        websockets=False,
        log_enabled=False,
    )
    server.serve(target_loader=lambda *_: application(uri, token), wrap_loader=False)


if __name__ == "__main__":
    main()
