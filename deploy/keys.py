"""The job `keys`: makes the suite's secrets once and gives each reader only its own; doing it again changes nothing.

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
# The group of mongod in the image `mongo`, which alone reads the secrets of a store beside us.
STORE_GROUP: Final = 999

_FIELDS: Final = "field-keys.json"
_SUBJECT: Final = "subject.key"
# Who works with identity numbers and pseudonyms; catalog and audit know neither.
_SHARED: Final = {
    "gateway": (_FIELDS, _SUBJECT),
    "ingest": (_FIELDS, _SUBJECT),
    "disclosure": (_FIELDS, _SUBJECT),
    "objection": (_FIELDS, _SUBJECT),
}


def make(root: Path) -> None:
    """Makes whatever secrets are missing in `root/master`, and writes each reader's files."""
    master = Home(root / "master")
    master.make()
    admins = _admins(master)
    accounts = master.store_passwords()
    for process in PROCESSES:
        keys = master.path / "keys"
        files = {
            "key.pem": master.key_file(process).read_bytes(),
            "store-password": accounts[process].encode(),
            **{name: (keys / name).read_bytes() for name in _SHARED.get(process, ())},
        }
        if process == "gateway":
            files["services.json"] = json.dumps(master.service_clients()).encode()
        _give(root / process, files)
        store = {name: admins[process][name].encode() for name in ("root-password", "keyfile")}
        _give(root / f"{process}-store", store, group=STORE_GROUP)
    known = {p: {"root": admins[p]["root-password"], "account": accounts[p]} for p in PROCESSES}
    _give(root / "stores-init", {"stores.json": json.dumps(known).encode()})


def _admins(master: Home) -> dict[str, dict[str, str]]:
    """What belongs to the stores themselves: the administrator's password, the key of the replica set."""
    file = master.path / "keys" / "store-admins.json"
    if not file.exists():
        made = {
            process: {
                "root-password": secrets.token_urlsafe(24),
                "keyfile": base64.b64encode(secrets.token_bytes(96)).decode(),
            }
            for process in PROCESSES
        }
        write_private(file, json.dumps(made).encode())
    return dict(json.loads(file.read_text()))


def _give(directory: Path, files: dict[str, bytes], group: int | None = None) -> None:
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        if not (directory / name).exists() or (directory / name).read_bytes() != data:
            write_private(directory / name, data)
        _close(directory / name, 0o400, group)
    _close(directory, 0o700, group)


def _close(path: Path, mode: int, group: int | None) -> None:
    """To its owner alone, and with a group to its members as well."""
    if group is not None:
        os.chown(path, -1, group)
        mode |= (mode & 0o500) >> 3
    path.chmod(mode)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
