"""The job `stores-init`: makes each store a replica set of one with an account for its service; repeatable.

It handles every store that it may find: a new one, one that is a replica set already, one that knows no
`replSetInitiate`, one that has its accounts already, or one without authentication.
"""

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pymongo
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

Client = pymongo.MongoClient[dict[str, Any]]

ROOT: Final = "root"
REPLICA_SET: Final = "chengxin"
_PASSWORDS: Final = Path("/run/secrets/stores.json")
_SECONDS: Final = 120
# For each command: a store that accepts connections and says nothing is asked again. To become a replica set takes
# seconds.
_COMMAND_SECONDS: Final = 15.0
_AUTHENTICATION_FAILED: Final = 18
_ALREADY_INITIALIZED: Final = 23
_COMMAND_NOT_FOUND: Final = 59
_USER_EXISTS: Final = 51003


class NotPrimary(ConnectionFailure):
    """The store does not take writes yet."""


def connect(address: str, user: str | None, password: str | None) -> Client:
    """A client of one store; it signs in unless `user` is None."""
    uri = f"mongodb://{address}/?directConnection=true&retryWrites=false&serverSelectionTimeoutMS=2000"
    return pymongo.MongoClient(uri, username=user, password=password, timeoutMS=round(_COMMAND_SECONDS * 1000))


# A new store stops and starts once while it makes its administrator: then this begins again.
@retry(
    retry=retry_if_exception_type((ConnectionFailure, ExecutionTimeout)),
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
    """Prepares the store of a process; returns how it was found. `passwords` are those of `root` and `account`."""
    account_client = _check_sign_in(connect(address, process, passwords["account"]))
    if account_client is not None:
        _check_primary(account_client)
        return "ready already"
    root_client = _check_sign_in(connect(address, ROOT, passwords["root"]))
    # Only a store that runs without authentication serves a client that has not signed in.
    client = connect(address, None, None) if root_client is None else root_client
    state = "initiated" if _initiate(client, address) else "a replica set already"
    _check_primary(client)
    if root_client is None:
        _save_account(client, ROOT, passwords["root"], [{"role": "root", "db": "admin"}])
        state += ", without authentication"
    roles = [{"role": "readWrite", "db": process}, {"role": "dbAdmin", "db": process}]
    _save_account(client, process, passwords["account"], roles)
    return state


def _check_sign_in(client: Client) -> Client | None:
    """The client; None when the store does not know its account."""
    try:
        client.admin.command("ping")
    except OperationFailure as e:
        if e.code != _AUTHENTICATION_FAILED:
            raise
        return None
    return client


def _initiate(client: Client, address: str) -> bool:
    """Makes the store a replica set; returns whether that was necessary."""
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
    """Prepares all stores at once; their addresses are `<process>-store:27017`."""
    passwords: dict[str, dict[str, str]] = json.loads(_PASSWORDS.read_text())

    def prepare_store(process: str) -> str | PyMongoError:
        try:
            return prepare(process, f"{process}-store:27017", passwords[process])
        except PyMongoError as e:
            return e

    with ThreadPoolExecutor(len(passwords)) as pool:
        results = dict(zip(passwords, pool.map(prepare_store, passwords), strict=True))
    for process, result in results.items():
        print(f"{process}: {result}")
    sys.exit(any(isinstance(result, PyMongoError) for result in results.values()))


if __name__ == "__main__":
    main()
