"""Fails when signals are handled outside of `chengxin/process/stop_signals.py`.

A handler that takes a lock which the interrupted thread holds hangs the process for ever (decision 41). So there are
none: one place blocks the signals and waits for them.

usage: python tools/check_signals.py [DIRECTORY]
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PLACE: Final = "chengxin/process/stop_signals.py"
# Functions of `signal` that install a handler, wait for a signal, or block one; and of an asyncio loop.
_HANDLING: Final = frozenset(
    {
        "signal", "set_wakeup_fd", "siginterrupt", "setitimer", "alarm", "sigwait", "sigwaitinfo", "sigtimedwait",
        "pause", "pthread_sigmask",
    }
)  # fmt: skip
_OF_LOOPS: Final = frozenset({"add_signal_handler"})
# Uses that handle no signal, with the reason.
ALLOWED: Final = {
    ("chengxin_cli/suite/pdeathsig.py", "pthread_sigmask"): "it takes away the block that its parent has set",
}


def find_handling(directory: Path) -> list[str]:
    """Each place that handles signals and is not allowed to, as `file:line function`."""
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"], cwd=directory, text=True
    )
    return [
        f"{name}:{line} {function}"
        for name in sorted(listed.split())
        if name != _PLACE and (directory / name).exists()
        for line, function in _find_calls(ast.parse((directory / name).read_text()))
        if (name, function) not in ALLOWED
    ]


def _find_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="signal"), attr=name) if name in _HANDLING:
                yield node.lineno, name
            case ast.Attribute(attr=name) if name in _OF_LOOPS:
                yield node.lineno, name
            case ast.ImportFrom(module="signal", names=names):
                yield from ((node.lineno, one.name) for one in names if one.name in _HANDLING | {"*"})
            case ast.Import(names=names):
                # Under another name its functions would not be found.
                yield from ((node.lineno, f"as {one.asname}") for one in names if one.name == "signal" and one.asname)


def main(arguments: list[str]) -> None:
    """Prints where signals are handled; exits with 1 when that is not in the one place."""
    found = find_handling(Path(arguments[0] if arguments else "."))
    print("\n".join(found) or f"check_signals: signals are handled in {_PLACE} alone")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
