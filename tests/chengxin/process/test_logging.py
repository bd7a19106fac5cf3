"""The log line of an error has enough to find its cause, and no delivered data."""

import json
import subprocess
import sys

from tests.chengxin.values.test_personal_numbers import WRITTEN

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


_TYPED = """
import logging
import sys
import threading
import structlog
from chengxin.process.runtime import configure_logging

configure_logging("ingest")
log = structlog.get_logger()
for text in sys.argv[1:]:
    log.warning(text, reason=f"of {text}", fields=[text], by={"who": text}, n=3)
    try:
        raise ValueError(text)
    except ValueError as e:
        log.exception("unexpected error", error=repr(e))
        logging.getLogger("grpc").exception("calling: %s", text)
thread = threading.Thread(target=lambda: int(text + "x"))
thread.start()
thread.join()
raise RuntimeError(text)
"""


def test_a_line_is_text_whatever_was_said_in_it() -> None:
    hostile = "\x1b[2J\x9b31m\n\u2028\u202e\x7f\U000e0001"
    done = subprocess.run([sys.executable, "-c", _TYPED, hostile], capture_output=True, text=True)
    lines = done.stderr.split("\n")
    assert not any(character in line for character in hostile if character not in "[2J31m" for line in lines)
    assert {"\x1b", "\x9b", "\u202e"} <= set(json.loads(lines[0])["message"])


def test_no_line_holds_a_number_of_a_person_however_it_is_written() -> None:
    texts = list(WRITTEN.values())
    done = subprocess.run([sys.executable, "-c", _TYPED, *texts], capture_output=True, text=True)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines if "n" in line] == ["withheld"] * len(texts)
    assert [line["message"] for line in lines[-2:]] == ["uncaught error"] * 2
    assert "calling" not in done.stderr
    assert not any(line in done.stderr for text in texts for line in text.splitlines() if len(line) > 8)
