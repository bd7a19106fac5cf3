"""The log line of an error has enough to find its cause, and no delivered data."""

import json
import subprocess
import sys

_PROGRAM = """
import structlog
from chengxin.process.runtime import configure_logging

configure_logging("ingest")
try:
    try:
        raise ValueError("full error: " + "x" * 300 + "of a person" * 100_000)
    except ValueError as e:
        raise RuntimeError("the write failed") from e
except RuntimeError as e:
    structlog.get_logger().exception("unexpected error", error=repr(e)[:200])
"""


def test_a_line_about_an_error_is_short_and_without_the_document() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    line = json.loads(done.stderr)
    assert "RuntimeError: the write failed" in line["exception"]
    assert "ValueError: full error: x" in line["exception"]
    assert "of a person" not in done.stderr
    assert len(done.stderr) < 3000
