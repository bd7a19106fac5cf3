"""Fails when docs/regulation.md names code or tests that are not there, or leaves out an article.

usage: python tools/check_regulation.py [DIRECTORY]. A row is `| article | obligation | state | code | tests |`: code is
`path` or `path:name` (of a function, class, method, variable, or of a message or rpc in a .proto), tests are
`path::test`. A row that is done or thin names both; one that is not yet may be empty.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

# Article 1 is the purpose, 34 and later ones are about the regulation itself.
_ARTICLES: Final = frozenset(range(2, 34))
_STATES: Final = ("done", "thin", "not yet")
_COLUMNS: Final = 5
_QUOTED: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class TableRow:
    """One row of the table."""

    articles: str
    state: str
    code: tuple[str, ...]
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"row Art. {self.articles}"


def rows(text: str) -> Iterator[TableRow]:
    """The rows of the table whose first column is one or more articles."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == _COLUMNS and re.fullmatch(r"\d+(, ?\d+)*", cells[0]):
            yield TableRow(cells[0], cells[2], tuple(_QUOTED.findall(cells[3])), tuple(_QUOTED.findall(cells[4])))


def faults(directory: Path) -> list[str]:
    """What is wrong with the table, row by row."""
    table = list(rows((directory / "docs" / "regulation.md").read_text()))
    covered = {int(n) for row in table for n in row.articles.split(",")}
    problems = [f"no row for Art. {n}" for n in sorted(_ARTICLES - covered)]
    for row in table:
        if row.state not in _STATES:
            problems.append(f"{row}: the state is {row.state!r}, not one of {', '.join(_STATES)}")
        if row.state != "not yet" and not (row.code and row.tests):
            problems.append(f"{row}: it is {row.state}, but names no {'tests' if row.code else 'code'}")
        problems += [f"{row}: {fault}" for ref in row.code if (fault := _find_code_fault(directory, ref))]
        problems += [f"{row}: {fault}" for ref in row.tests if (fault := _find_test_fault(directory, ref))]
    return problems


def _find_code_fault(directory: Path, reference: str) -> str | None:
    path, _, name = reference.partition(":")
    file = directory / path
    if not file.exists():
        return f"there is no {path}"
    if name and name not in _list_names(file):
        return f"{path} has no {name}"
    return None


def _find_test_fault(directory: Path, reference: str) -> str | None:
    path, _, name = reference.partition("::")
    if not path.startswith("tests/") or not (directory / path).is_file():
        return f"there is no test file {path}"
    if not name.rpartition(".")[2].startswith("test_"):
        return f"{reference} names no test"
    return None if name in _list_names(directory / path) else f"{path} has no test {name}"


@cache
def _list_names(file: Path) -> frozenset[str]:
    """What a file defines; `Class.method` for methods."""
    if file.suffix == ".proto":
        return frozenset(re.findall(r"^\s*(?:rpc|message|service|enum)\s+(\w+)", file.read_text(), re.MULTILINE))
    if file.suffix != ".py":
        return frozenset()
    return frozenset(_list_definitions(ast.parse(file.read_text()).body, ""))


def _list_definitions(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name
            yield from _list_definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + t.id for t in targets if isinstance(t, ast.Name))


def main(arguments: list[str]) -> None:
    """Prints what is wrong; exits with 1 when something is."""
    lines = faults(Path(arguments[0] if arguments else "."))
    print("\n".join(lines) or "check_regulation: every row is right")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
