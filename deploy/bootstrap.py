"""The job `bootstrap`: gives the gateway its accounts: services, and demonstration people; it can be repeated."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from chengxin.process.settings import Settings
from chengxin_cli.suite.home import Home

_SERVICES: Final = Path("/run/secrets/services.json")


def main() -> None:
    """Runs beside the gateway's store, with the gateway's settings."""
    accounts: dict[str, Any] = {"services": json.loads(_SERVICES.read_text())}
    if Settings().demo:
        home = Home.default()
        subprocess.run([sys.executable, "-m", "demo", "people", str(home.path)], check=True)
        accounts |= json.loads((home.path / "demo" / "accounts.json").read_text())
    # The file holds passwords and demonstration people: only this job can read it, and it is on a tmpfs.
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(accounts, file)
        file.flush()
        subprocess.run([sys.executable, "-m", "gateway", "bootstrap", file.name], check=True)


if __name__ == "__main__":
    main()
