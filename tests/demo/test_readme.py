"""The commands in the READMEs work, in both languages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.city import City

ROOT = Path(__file__).parents[2]
# A word of each block, and what its output must contain.
EXPECTED = {
    "chengxin submit": "1 rejected",
    "/v1/shared/queries": "audit_event_id",
    "/v1/me/records": "qualification_review",
    "audit verify": "record.queried.shared",
}


def _blocks(name: str) -> list[str]:
    """The commands of the five minutes."""
    section = re.split(r"^## ", (ROOT / name).read_text(), flags=re.MULTILINE)[2]
    return re.findall(r"^```\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)


def test_both_languages_tell_the_same_commands() -> None:
    english, chinese = _blocks("README.md"), _blocks("README.zh-CN.md")
    assert len(english) == len(EXPECTED)
    assert [b.replace(" --language en", "") for b in english] == chinese


def test_the_five_minutes_work(city: City, tmp_path: Path) -> None:
    for block, (word, expected) in zip(_blocks("README.md"), EXPECTED.items(), strict=True):
        assert word in block
        output = _typed(block, city, tmp_path)
        assert expected in output, output


def _typed(block: str, city: City, tmp_path: Path) -> str:
    """The output of a shell that runs the block, in this city instead of one on the default ports."""
    file = tmp_path / "registrations.csv"
    shutil.copy(ROOT / "demo/examples/registrations.csv", file)
    for told, here in {
        "http://127.0.0.1:8080": city.edge.http,
        ".venv/bin": str(Path(sys.executable).parent),
        "demo/examples/registrations.csv": str(file),
        "/tmp/checkpoint": str(tmp_path / "checkpoint"),
    }.items():
        block = block.replace(told, here)
    environment = os.environ | {"CHENGXIN_HOME": str(city.home)}
    done = subprocess.run(
        ["bash", "-c", block], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr
