"""Fails when a tracked file holds a secret, an identifier that may be real, or a path of one machine.

usage: python tools/check_secrets.py [DIRECTORY]. It names each finding by file, line and kind, and never prints it in
full.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stdnum import numdb
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

# No person who was born before this year is alive; the demonstration's people were
# born before it (demo/identifiers.py).
_LIVING_FROM: Final = 1900
_BINARY: Final = b"\0"


@dataclass(frozen=True)
class Allowed:
    """A finding that is allowed, and why."""

    path: str
    kind: str
    text: str
    reason: str


ALLOWED: Final = (
    Allowed("tests/compose/test_keys.py", "password in a URI", "audit:hush@", "made up, to see that it is masked"),
    Allowed(
        "tests/gateway/test_clients_and_officers.py",
        "password",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "well-known TOTP example",
    ),
    *(
        Allowed(
            "tests/data/cases/23-id-birth-date/ids.csv",
            "identity number",
            f"441702{rest}",
            "born in the future, as the issue has it",
        )
        for rest in ("209904170012", "202611300010")
    ),
    Allowed("tests/gateway/test_bootstrap.py", "password", "JBSWY3DP", "too short to be one, which the test is about"),
)


@dataclass(frozen=True)
class Leak:
    """A kind of text that must not be in the repository."""

    path: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}: {self.text[:6]}… ({len(self.text)} characters)"


def _accept(_: str) -> bool:
    return True


def _may_be_living(number: str) -> bool:
    """Whether an identity number (GB 11643) could be a living person's."""
    if ric.calc_check_digit(number.upper()) != number[-1].upper() or int(number[6:10]) < _LIVING_FROM:
        return False
    try:
        ric.get_birth_date(number)
    except ValidationError:
        return False
    return _is_known_region(number[:2])


def _may_be_registered(code: str) -> bool:
    """Whether a unified social credit code (GB 32100) could be a real organisation's."""
    return _is_known_region(code[2:4]) and uscc.calc_check_digit(code) == code[-1]


def _is_known_region(digits: str) -> bool:
    return any(properties for _, properties in numdb.get("cn/loc").info(digits))


_KINDS: Final[tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]] = (
    ("private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[\n\\]"), _accept),
    ("private key", re.compile(r'"d"\s*:\s*"([A-Za-z0-9_-]{40,})"'), _accept),
    ("token", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"), _accept),
    ("token", re.compile(r"\b(?:gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|AKIA[0-9A-Z]{16})"), _accept),
    ("token", re.compile(r"\b(?:npm_\w{30,}|pypi-[\w-]{40,}|xox[abpr]-[\w-]{20,}|sk-[\w-]{30,})"), _accept),
    (
        "password",
        re.compile(r"""(?i)(?:passwo?r?d|secret|api_?key)\w*["']?\s*[:=]\s*["']([^"'{}$<>\s/]{8,})["']"""),
        _accept,
    ),
    ("password in a URI", re.compile(r"://([^/\s:@\"'{}$]+:[^/\s@\"'{}$%]+@)"), _accept),
    ("identity number", re.compile(r"(?<![0-9A-Za-z])(\d{17}[\dXx])(?![0-9A-Za-z])"), _may_be_living),
    (
        "unified social credit code",
        re.compile(r"(?<![0-9A-Za-z])([1-9A-HJ-NPQRTUWXY][1-9]\d{6}[0-9A-HJ-NPQRTUWXY]{10})(?![0-9A-Za-z])"),
        _may_be_registered,
    ),
    ("path of one machine", re.compile(r"(?<![\w.\-/$}])(/(?:root|work|home/\w+|Users/\w+)/)"), _accept),
)


def findings_in(path: str, text: str) -> Iterator[Leak]:
    """What must not be in a file with this text."""
    for kind, pattern, real in _KINDS:
        for match in pattern.finditer(text):
            value = match[match.lastindex or 0]
            if real(value):
                yield Leak(path, text.count("\n", 0, match.start()) + 1, kind, value)


def check(directory: Path, allowed: tuple[Allowed, ...] = ALLOWED) -> list[str]:
    """A line for each finding, and for each allowance that is no longer needed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=directory, check=True, capture_output=True).stdout
    messages, used_allowances = [], set()
    for path in sorted(filter(None, listed.decode().split("\0"))):
        file = directory / path
        # The file is deleted but not yet committed, or a link to elsewhere, or not a text.
        if not file.is_file() or file.is_symlink() or _BINARY in (data := file.read_bytes()):
            continue
        for finding in findings_in(path, data.decode(errors="replace")):
            allowance = next((a for a in allowed if _covers(a, finding)), None)
            used_allowances.add(allowance)
            if allowance is None:
                messages.append(str(finding))
    unused = [
        f"{a.path}: nothing needs the allowance for {a.kind} ({a.reason})" for a in allowed if a not in used_allowances
    ]
    return messages + unused


def _covers(allowed: Allowed, finding: Leak) -> bool:
    return (allowed.path, allowed.kind, allowed.text) == (finding.path, finding.kind, finding.text)


def main(arguments: list[str]) -> None:
    """Prints what is found; exits with 1 when there is something."""
    lines = check(Path(arguments[0] if arguments else "."))
    print("\n".join(lines) or "check_secrets: nothing found")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
