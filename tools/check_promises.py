"""Fails when something that a published document promises is linked to no test.

usage: python tools/check_promises.py [DIRECTORY]. Every block (paragraph, item of a list, row of a table, code) of
DOCUMENTS stands in `blocks` of one promise in tests/promises.toml, as `<document>: <sha> <beginning of the text>`. A
promise has either `tests`, as docs/regulation.md names them, or `none`: why its blocks promise nothing. The sha is of
the whole text: when a text changes, its tests are read again. Readers of the documents see nothing of this.
"""

import hashlib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from check_regulation import find_test_fault

DOCUMENTS: Final = ("README.md", "README.zh-CN.md", "docs/objection-guideline.md")
PROMISES: Final = "tests/promises.toml"
_SEPARATOR: Final = re.compile(r"^\|[ :|-]*\|$")
_ITEM: Final = re.compile(r"^(?:[-*]|\d+\.) ")


@dataclass(frozen=True)
class Block:
    """A part of a document that is read as one."""

    document: str
    text: str

    @property
    def line(self) -> str:
        """How a promise names it: changes with any part of the text."""
        return f"{self.document}: {hashlib.sha256(self.text.encode()).hexdigest()[:8]} {self.text[:40].strip()}"


def blocks(document: str, text: str) -> Iterator[Block]:
    """The blocks of a document, without headings, comments and the heads of tables; lines are joined."""
    lines: list[str] = []
    in_code = False
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            in_code = not in_code
        begins = _ITEM.match(line) or line.startswith(("|", "#", "<!--"))
        if not in_code and (begins or not line.strip() or line.startswith("```")) and lines:
            yield Block(document, " ".join(lines))
            lines = []
        if _SEPARATOR.match(line):
            continue
        if in_code or (line.strip() and not line.startswith(("#", "<!--", "---", "```"))):
            lines.append(line.removeprefix("```").strip())


def faults(directory: Path) -> list[str]:
    """What is wrong, promise by promise and block by block."""
    promises: list[dict[str, Any]] = tomllib.loads((directory / PROMISES).read_text())["promise"]
    problems = [f"{PROMISES}: {fault}" for promise in promises for fault in _find_promise_faults(directory, promise)]
    linked = Counter(line for promise in promises for line in promise["blocks"])
    wanted = [block.line for document in DOCUMENTS for block in blocks(document, (directory / document).read_text())]
    problems += [f"{PROMISES}: no promise has {line!r}: link it to its tests" for line in wanted if line not in linked]
    problems += [f"{PROMISES}: nothing says {line!r} any more" for line in linked if line not in wanted]
    return problems + [f"{PROMISES}: {line!r} is there {n} times" for line, n in linked.items() if n > 1]


def _find_promise_faults(directory: Path, promise: dict[str, Any]) -> Iterator[str]:
    if bool(promise.get("tests")) == bool(promise.get("none")):
        yield f"{promise['blocks'][0]!r} has either tests or none"
    for test in promise.get("tests", ()):
        if fault := find_test_fault(directory, test):
            yield fault


def main(arguments: list[str]) -> None:
    """Prints what is wrong; exits with 1 when something is."""
    found = faults(Path(arguments[0] if arguments else "."))
    print("\n".join(found) or "check_promises: what documents promise is linked to tests")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
