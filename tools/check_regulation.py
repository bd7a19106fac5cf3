"""Fails when docs/regulation.md names code or tests that are not there, or leaves out an article.

usage: python tools/check_regulation.py [DIRECTORY]. A section is `## Art. <articles>: <state>`, the obligation, and lists
after `Code:` and `Tests:`. Code is `path` or `path:name` (of a function, class, method, variable, or of a message or rpc
in a .proto), tests are `path::test`. A section that is done or thin names both; one that is not yet may name none.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

# Article 1 is the purpose, 34 and later ones are about the regulation itself.
_ARTICLES: Final = frozenset(range(2, 34))
_STATES: Final = ("done", "thin", "not yet")
# So many words in a row are in one obligation once.
_RUN: Final = 7
_HEADING: Final = re.compile(r"^## Art\. (\d+(?:, ?\d+)*): (.*)$", re.MULTILINE)
_ITEM: Final = re.compile(r"^- `([^`]+)`$", re.MULTILINE)


@dataclass(frozen=True)
class ArticleSection:
    """What is said of some articles."""

    articles: str
    state: str
    obligation: str
    code: tuple[str, ...]
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"Art. {self.articles}"


def rows(text: str) -> Iterator[ArticleSection]:
    """The sections about one or more articles."""
    parts = _HEADING.split(text)[1:]
    for articles, state, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        before_tests, _, tests = body.partition("\nTests:\n")
        obligation, _, code = before_tests.partition("\nCode:\n")
        yield ArticleSection(articles, state, obligation, tuple(_ITEM.findall(code)), tuple(_ITEM.findall(tests)))


def faults(directory: Path) -> list[str]:
    """What is wrong with the document, section by section."""
    sections = list(rows((directory / "docs" / "regulation.md").read_text()))
    covered = {int(n) for row in sections for n in row.articles.split(",")}
    problems = [f"no section for Art. {n}" for n in sorted(_ARTICLES - covered)]
    for row in sections:
        if row.state not in _STATES:
            problems.append(f"{row}: the state is {row.state!r}, not one of {', '.join(_STATES)}")
        if row.state != "not yet" and not (row.code and row.tests):
            problems.append(f"{row}: it is {row.state}, but names no {'tests' if row.code else 'code'}")
        if twice := _told_twice(row.obligation):
            problems.append(f"{row}: it says twice “{twice}”, as when two versions of a text were joined")
        problems += [f"{row}: {fault}" for ref in row.code if (fault := _find_code_fault(directory, ref))]
        problems += [f"{row}: {fault}" for ref in row.tests if (fault := find_test_fault(directory, ref))]
    return problems


def _told_twice(text: str) -> str | None:
    words = text.split()
    runs = Counter(" ".join(words[n : n + _RUN]) for n in range(len(words) - _RUN + 1))
    return next((run for run, times in runs.items() if times > 1), None)


def _find_code_fault(directory: Path, reference: str) -> str | None:
    path, _, name = reference.partition(":")
    file = directory / path
    if not file.exists():
        return f"there is no {path}"
    if name and name not in _list_names(file):
        return f"{path} has no {name}"
    return None


def find_test_fault(directory: Path, reference: str) -> str | None:
    """What is wrong with a reference to a test, `path::test`; None when there is such a test."""
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
    print("\n".join(lines) or "check_regulation: every section is right")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
