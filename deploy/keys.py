"""The job `keys`: makes the suite's secrets once and gives each reader only its own; a second run changes nothing.

Under one directory there is a directory (in `docker-compose.yml`: a volume) for each reader, and `master`, which only
this job sees and from which the others can be made again.
"""

import base64
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Final

from chengxin_cli.suite.home import PROCESSES, Home, write_private

ROOT: Final = Path("/secrets")
# The group of mongod in the image `mongo`: beside this user, only that group reads the secrets of a store.
STORE_GROUP: Final = 999

_FIELD_KEYS: Final = "field-keys.json"
_SUBJECT_KEY: Final = "subject.key"
# The processes that work with identity numbers and pseudonyms; catalog and audit know neither.
_SHARED_SECRETS: Final = {
    "gateway": (_FIELD_KEYS, _SUBJECT_KEY),
    "ingest": (_FIELD_KEYS, _SUBJECT_KEY),
    "disclosure": (_FIELD_KEYS, _SUBJECT_KEY),
    "objection": (_FIELD_KEYS, _SUBJECT_KEY),
}


def make(root: Path) -> None:
    """Makes the secrets that are missing in `root/master`, and writes each reader's files."""
    master = Home(root / "master")
    master.make()
    admins = _make_admins(master)
    accounts = master.store_passwords()
    for process in PROCESSES:
        keys = master.path / "keys"
        files = {
            "key.pem": master.key_file(process).read_bytes(),
            "store-password": accounts[process].encode(),
            **{name: (keys / name).read_bytes() for name in _SHARED_SECRETS.get(process, ())},
        }
        if process == "gateway":
            files["services.json"] = json.dumps(master.service_clients()).encode()
        _write_files(root / process, files)
        store_files = {name: admins[process][name].encode() for name in ("root-password", "keyfile")}
        _write_files(root / f"{process}-store", store_files, group=STORE_GROUP)
    passwords = {p: {"root": admins[p]["root-password"], "account": accounts[p]} for p in PROCESSES}
    _write_files(root / "stores-init", {"stores.json": json.dumps(passwords).encode()})


def _make_admins(master: Home) -> dict[str, dict[str, str]]:
    """What belongs to the stores themselves: the administrator's password, the key of the replica set."""
    file = master.path / "keys" / "store-admins.json"
    if not file.exists():
        admins = {
            process: {
                "root-password": secrets.token_urlsafe(24),
                "keyfile": base64.b64encode(secrets.token_bytes(96)).decode(),
            }
            for process in PROCESSES
        }
        write_private(file, json.dumps(admins).encode())
    return dict(json.loads(file.read_text()))


def _write_files(directory: Path, files: dict[str, bytes], group: int | None = None) -> None:
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        if not (directory / name).exists() or (directory / name).read_bytes() != data:
            write_private(directory / name, data)
        _restrict(directory / name, 0o400, group)
    _restrict(directory, 0o700, group)


def _restrict(path: Path, mode: int, group: int | None) -> None:
    """Lets only the owner in, and with a `group` also its members."""
    if group is not None:
        os.chown(path, -1, group)
        mode |= (mode & 0o500) >> 3
    path.chmod(mode)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
