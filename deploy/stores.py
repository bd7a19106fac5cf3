"""The job `stores-init`: makes each store a replica set of one with an account for its service; repeatable.

It takes a store as it finds it: new, already a replica set, one that knows no `replSetInitiate`, with its accounts made
already, or without authentication.
"""

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pymongo
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

Client = pymongo.MongoClient[dict[str, Any]]

ROOT: Final = "root"
REPLICA_SET: Final = "chengxin"
_PASSWORDS: Final = Path("/run/secrets/stores.json")
_SECONDS: Final = 120
_AUTHENTICATION_FAILED: Final = 18
_ALREADY_INITIALIZED: Final = 23
_COMMAND_NOT_FOUND: Final = 59
_USER_EXISTS: Final = 51003


class NotPrimary(ConnectionFailure):
    """The store does not take writes yet."""


def connect(address: str, user: str | None, password: str | None) -> Client:
    """A client of one store; without a name when `user` is None."""
    uri = f"mongodb://{address}/?directConnection=true&retryWrites=false&serverSelectionTimeoutMS=2000"
    return pymongo.MongoClient(uri, username=user, password=password)


# A new store stops and starts once while it makes its administrator: then all is asked again.
@retry(
    retry=retry_if_exception_type(ConnectionFailure),
    wait=wait_fixed(0.3),
    stop=stop_after_delay(_SECONDS),
    reraise=True,
)
def prepare(
    process: str,
    address: str,
    passwords: Mapping[str, str],
    connect: Callable[[str, str | None, str | None], Any] = connect,
) -> str:
    """Makes the store of a process ready for it; what was found. `passwords` are those of `root` and `account`."""
    own = _signed_in(connect(address, process, passwords["account"]))
    if own is not None:
        _check_primary(own)
        return "ready already"
    root = _signed_in(connect(address, ROOT, passwords["root"]))
    # Only a store that runs without authentication serves somebody without a name.
    client = connect(address, None, None) if root is None else root
    found = "initiated" if _initiate(client, address) else "a replica set already"
    _check_primary(client)
    if root is None:
        _save_account(client, ROOT, passwords["root"], [{"role": "root", "db": "admin"}])
        found += ", without authentication"
    roles = [{"role": "readWrite", "db": process}, {"role": "dbAdmin", "db": process}]
    _save_account(client, process, passwords["account"], roles)
    return found


def _signed_in(client: Client) -> Client | None:
    """The client; None when the store does not know its account."""
    try:
        client.admin.command("ping")
    except OperationFailure as e:
        if e.code != _AUTHENTICATION_FAILED:
            raise
        return None
    return client


def _initiate(client: Client, address: str) -> bool:
    """Whether the store had to be made a replica set."""
    config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": address}]}
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as e:
        if e.code not in (_COMMAND_NOT_FOUND, _ALREADY_INITIALIZED):
            raise
        return False
    return True


def _check_primary(client: Client) -> None:
    if not client.admin.command("hello").get("isWritablePrimary"):
        raise NotPrimary("not primary yet")


def _save_account(client: Client, user: str, password: str, roles: list[dict[str, str]]) -> None:
    try:
        client.admin.command("createUser", user, pwd=password, roles=roles)
    except OperationFailure as e:
        if e.code != _USER_EXISTS:
            raise
        client.admin.command("updateUser", user, pwd=password, roles=roles)


def main() -> None:
    """All stores at once; their addresses are `<process>-store:27017`."""
    known: dict[str, dict[str, str]] = json.loads(_PASSWORDS.read_text())

    def one(process: str) -> str | PyMongoError:
        try:
            return prepare(process, f"{process}-store:27017", known[process])
        except PyMongoError as e:
            return e

    with ThreadPoolExecutor(len(known)) as pool:
        found = dict(zip(known, pool.map(one, known), strict=True))
    for process, said in found.items():
        print(f"{process}: {said}")
    sys.exit(any(isinstance(said, PyMongoError) for said in found.values()))


if __name__ == "__main__":
    main()
