"""Functions for the tools that write documents from the code: import a package, wrap a list, write or compare."""

import importlib
import pkgutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# Titles and packages, in the order of the documents.
PACKAGES: Final = (
    ("Everywhere", "chengxin"),
    ("Gateway", "gateway"),
    *((name.title(), f"services.{name}") for name in ("catalog", "ingest", "disclosure", "objection", "audit")),
    ("Command line", "chengxin_cli"),
)
# Modules that are run, not imported.
_PROGRAMS: Final = ("__main__", "pdeathsig")
_WIDTH: Final = 116


def import_all(package: str) -> None:
    """Imports every module of a package, so that all that is declared in them is known."""
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if module.name.rpartition(".")[2] not in _PROGRAMS:
            importlib.import_module(module.name)


def item(text: str, indent: int = 0) -> str:
    """An item of a list, its lines no longer than documents may have."""
    lead = " " * indent + "- "
    escaped = text.replace("<", "&lt;")
    return textwrap.fill(escaped, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead)) + "\n"


def write_or_compare(arguments: list[str], target: Path, document: Callable[[], str]) -> None:
    """Writes the document to `target` or to the file named; with --check exits with 1 when that is stale."""
    check, rest = arguments[:1] == ["--check"], [a for a in arguments if a != "--check"]
    target = Path(rest[0]) if rest else target
    sys.path.insert(0, str(ROOT))
    made = document()
    if not check:
        target.write_text(made)
    elif not target.exists() or target.read_text() != made:
        sys.exit(f"{target.name} is stale: run make docs")
