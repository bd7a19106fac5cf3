"""Writes docs/errors.md, the table of every error code, from the code; with --check fails when it is stale.

usage: python tools/list_errors.py [--check] [FILE]
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "docs" / "errors.md"
_PACKAGES: Final = (
    ("Everywhere", "chengxin"),
    ("Gateway", "gateway"),
    *((name.title(), f"services.{name}") for name in ("catalog", "ingest", "disclosure", "objection", "audit")),
)
# What is run, not imported.
_PROGRAMS: Final = ("__main__", "pdeathsig")
_HEAD: Final = """<!-- made by `make docs` (tools/list_errors.py) -->

# Error codes

A refusal has a stable `code`, in HTTP as `application/problem+json` (RFC 9457) and in gRPC as `google.rpc.ErrorInfo.reason`, the
same for both. Words in braces are filled in; texts come in the language that `Accept-Language` asks for, Chinese without one.
"""


def document() -> str:
    """The whole document."""
    sys.path.insert(0, str(ROOT))
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    from chengxin.errors import known_problems

    seen: set[str] = set()
    for title, package in _PACKAGES:
        _import_all(package)
        new = [p for p in known_problems() if p.code not in seen]
        seen |= {p.code for p in new}
        if new:
            rows = (f"| `{p.code}` | {p.status} | {p.grpc_code.name} | {_cell(p.zh)} | {_cell(p.en)} |\n" for p in new)
            yield f"\n## {title}\n| code | HTTP | gRPC | zh-CN | en |\n|---|---|---|---|---|\n{''.join(rows)}"


def _import_all(package: str) -> None:
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if module.name.rpartition(".")[2] not in _PROGRAMS:
            importlib.import_module(module.name)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main(arguments: list[str]) -> None:
    """Writes, or compares."""
    check, rest = arguments[:1] == ["--check"], [a for a in arguments if a != "--check"]
    target = Path(rest[0]) if rest else TARGET
    made = document()
    if not check:
        target.write_text(made)
    elif not target.exists() or target.read_text() != made:
        sys.exit(f"{target.name} is stale: run make docs")


if __name__ == "__main__":
    main(sys.argv[1:])
