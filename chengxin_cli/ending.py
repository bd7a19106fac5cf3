"""How every command ends: with one of the exit codes below, and when it is not well, with one clear line on stderr.

`docs/operations/commands.md` lists the codes. Commands raise; nothing here is caught anywhere else. What was done and
recorded before something failed is told by `after`: a failure that comes later must not hide it.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import IntEnum
from typing import IO, Any, Final

import click
import jwt

from chengxin.errors import Problem
from chengxin.process import stop_signals
from chengxin.values.shown_text import escape, escape_lines
from chengxin_cli.gateway_client import ANSWER_LOST, HttpRefused
from chengxin_cli.output import print_lines
from chengxin_cli.submission import DELIVERY_NOT_KNOWN

# The traceback of a fault of the program, for whoever reports it.
_TRACEBACK: Final = "CHENGXIN_TRACEBACK"
_LANGUAGE: Final = "chengxin.language"
# Errors of a stream name no file.
_STREAM_ERRORS: Final = {errno.EPIPE, errno.ENOSPC, errno.EBADF, errno.EIO, errno.EDQUOT, errno.EFBIG}
_INTERRUPTED: Final = "stopped by Ctrl-C; what the system has answered is done, run the command again for the rest"


class ExitCode(IntEnum):
    """What a caller learns of the end of a command."""

    DONE = 0
    # Nothing was done, or what was verified is wrong, or what was asked about is not well.
    FAILED = 1
    # click's code for a wrong command line.
    USAGE = 2
    SOME_REJECTED = 3
    # It is on record; something about it could not be saved or shown.
    DONE_UNSAVED = 4
    # The request was sent, and its answer was lost.
    NOT_KNOWN = 5
    # EX_SOFTWARE of sysexits.h.
    FAULT = 70
    # As a shell tells an end by SIGINT.
    INTERRUPTED = 130


class Ended(click.ClickException):
    """A command ended; `message` tells why."""

    def __init__(self, message: str, code: ExitCode, shown_by: click.ClickException | None = None) -> None:
        """`shown_by` shows it in its own way, for example a wrong command line beside the right one."""
        super().__init__(escape_lines(message))
        # click reads it of the instance, and declares it of the class.
        self.exit_code = code  # type: ignore[misc]
        self._shown_by = shown_by

    def show(self, file: IO[Any] | None = None) -> None:
        """Shows the message. When nobody takes it, the exit code still tells."""
        try:
            if self.exit_code == ExitCode.DONE_UNSAVED:
                print_lines(*f"Done, but not all: {self.message}".split("\n"), err=True)
            elif self._shown_by is not None:
                self._shown_by.show(file)
            else:
                super().show(file)
        except OSError:
            _give_up(sys.stderr)


def _set_language(ctx: click.Context, _: click.Parameter, language: str) -> str:
    ctx.meta[_LANGUAGE] = language
    return language


# In this language the gateway answers and errors are told. It is read first, so that no error comes before.
LANGUAGE: Final = click.option(
    "--language",
    type=click.Choice(["zh-CN", "en"]),
    default="zh-CN",
    show_default=True,
    is_eager=True,
    callback=_set_language,
    help="Of reasons.",
)


@contextmanager
def ending(meta: dict[str, Any]) -> Iterator[None]:
    """Makes of whatever ends a command what click shows as one line; `meta` is that of the command's context."""
    try:
        yield
    except (click.exceptions.Exit, Ended, SystemExit):
        raise
    except click.exceptions.NoArgsIsHelpError as e:
        raise Ended(e.message, ExitCode.USAGE, e) from None
    except click.UsageError as e:
        text = describe(e)
        raise Ended(text, ExitCode.USAGE, click.UsageError(text, e.ctx)) from None
    # What is raised is judged here and nowhere else.
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt) or isinstance(e.__context__, KeyboardInterrupt):
            # A second one would interrupt the end.
            stop_signals.take_no_more()
        code = _code_of(e)
        if code is ExitCode.FAULT and os.environ.get(_TRACEBACK):
            raise
        if _is_of_output(e):
            _give_up(sys.stdout)
        raise Ended(describe(e, meta.get(_LANGUAGE, "en")), code) from None


Step = Callable[[str], AbstractContextManager[None]]


@contextmanager
def after(done: str, again: str) -> Iterator[Step]:
    """For what comes after something is on record: saving the receipt, showing the answer.

    Gives a function that makes the context of one step, named by what fails with it. Every step is tried. When one
    fails, the command ends with DONE_UNSAVED and a line of `done`, what failed, and `again`: how to get it.
    """
    language = click.get_current_context().meta.get(_LANGUAGE, "en")
    failed: list[str] = []

    @contextmanager
    def step(what: str) -> Iterator[None]:
        try:
            yield
        # Also Ctrl-C: the change is on record all the same.
        except BaseException as e:
            failed.append(f"{what}: {describe(e, language)}")
            if _is_of_output(e):
                _give_up(sys.stdout)

    yield step
    if failed:
        raise Ended(f"{done}; but {'; '.join(failed)}. {again}", ExitCode.DONE_UNSAVED)


def describe(error: BaseException, language: str = "en") -> str:
    """What to tell of an error: what is wrong, where, and how to mend it."""
    return escape_lines(_describe(error, language))


def _describe(error: BaseException, language: str) -> str:
    match error:
        case Problem():
            fields = [f"\n  {escape(f'{f.field}: {f.message}')}" for f in error.fields]
            return escape(f"{error.code}: {error.text(language)}") + "".join(fields)
        case HttpRefused():
            return escape(str(error))
        case jwt.PyJWTError():
            return f"the receipt is not signed as it should be ({error})"
        case click.ClickException():
            return error.format_message()
        case KeyboardInterrupt():
            return _INTERRUPTED
        case click.Abort():
            interrupted = isinstance(error.__context__, KeyboardInterrupt)
            return _INTERRUPTED if interrupted else "no answer to the question: nothing was done"
        case OSError() if _is_of_output(error):
            return f"the output cannot be written ({error.strerror})"
        case OSError():
            where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
            return f"{where}{error.strerror or error}"
    return (
        f"unexpected {type(error).__name__} ({error}): a fault of this program, or of what answers at the address; "
        f"set {_TRACEBACK}=1 to see where, and report it"
    )


def _code_of(error: BaseException) -> ExitCode:
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, Problem) and error.type in (ANSWER_LOST, DELIVERY_NOT_KNOWN):
        return ExitCode.NOT_KNOWN
    known = isinstance(error, (Problem, HttpRefused, click.ClickException, click.Abort, OSError, jwt.PyJWTError))
    return ExitCode.FAILED if known else ExitCode.FAULT


def _is_of_output(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.filename is None and error.errno in _STREAM_ERRORS


def prepare_streams() -> None:
    """Has the standard streams take every character, and makes writing to a closed one fail instead of vanish."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # A file that is opened later must not become the output. What is open to be read takes no output.
            os.open(os.devnull, os.O_RDONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding lacks is shown as an escape.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _give_up(stream: IO[str]) -> None:
    """What was not taken must not be written again at the end of the process, which would fail once more."""
    with suppress(OSError, ValueError, AttributeError):
        number = stream.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
