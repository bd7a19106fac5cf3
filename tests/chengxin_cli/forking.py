"""Runs `chengxin` many times: a process that has imported it forks for each run, with the streams that a test wants.

As a program: reads one run a line (JSON: arguments, stdout, encoding), writes its outcome.
"""

import io
import json
import os
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Final, Literal

Stdout = Literal["taken", "full", "closed", "broken"]
# No command of these tests waits for anything that long.
_SECONDS: Final = 60


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    code: int
    stdout: str
    stderr: str


class Forker:
    """The process that forks."""

    def __init__(self, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chengxin_cli.forking"],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="ascii",
        )

    def run(self, *arguments: str, stdout: Stdout = "taken", encoding: str = "utf-8") -> Outcome:
        """Runs `chengxin` with arguments; what is no text in them is in surrogates, as of `sys.argv`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([arguments, stdout, encoding]) + "\n")
        self._process.stdin.flush()
        return Outcome(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def _fork(arguments: list[str], stdout: Stdout, encoding: str) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            _be(arguments, stdout, encoding, out.fileno(), err.fileno())
        ended = os.pidfd_open(child)
        if not select.select([ended], [], [], _SECONDS)[0]:
            os.kill(child, 9)
        os.close(ended)
        _, status = os.waitpid(child, 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "backslashreplace"))
    return os.waitstatus_to_exitcode(status), texts[0], texts[1]


def _be(arguments: list[str], stdout: Stdout, encoding: str, out: int, err: int) -> None:
    """The child: takes its streams as a shell gives them, runs, and ends as an interpreter does."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(err, 2)
    match stdout:
        case "taken":
            os.dup2(out, 1)
        case "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        case "broken":
            reading, writing = os.pipe()
            os.close(reading)
            os.dup2(writing, 1)
        case "closed":
            os.close(1)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = None if stdout == "closed" else _make_stream(1, encoding)  # type: ignore[assignment]
    sys.stderr = _make_stream(2, encoding)
    code: Any = 0
    try:
        from chengxin_cli import main

        main(arguments, prog_name="chengxin")
    except SystemExit as e:
        code = e.code
    # As an interpreter does with what nobody caught.
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        code = 120
    sys.stderr.flush()
    os._exit(int(code or 0))


def _make_stream(number: int, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(open(number, "wb", closefd=False), encoding, line_buffering=True)


def _serve() -> None:
    import importlib

    from chengxin_cli.commands import COMMANDS

    for name in COMMANDS:
        importlib.import_module(f"chengxin_cli.commands.{name}")
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    for line in sys.stdin:
        answers.write(json.dumps(_fork(*json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
