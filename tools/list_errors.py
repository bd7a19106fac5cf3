"""Writes docs/errors.md, every error code, from the code; with --check fails when it is stale.

usage: python tools/list_errors.py [--check] [FILE]
"""

import sys
from collections.abc import Iterator
from typing import Final

from generated_documents import PACKAGES, ROOT, import_all, item, write_or_compare

_HEAD: Final = """<!-- made by `make docs` (tools/list_errors.py) -->

# Error codes

A refusal has a stable `code`, in HTTP as `application/problem+json` (RFC 9457) and in gRPC as
`google.rpc.ErrorInfo.reason`, the same for both. Words in braces are filled in; texts come in the language that
`Accept-Language` asks for, Chinese without one. A browser gets a page that says the same.
"""


def document() -> str:
    """The whole document."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    from chengxin.errors import known_problems

    seen: set[str] = set()
    for title, package in PACKAGES:
        import_all(package)
        new = [p for p in known_problems() if p.code not in seen]
        seen |= {p.code for p in new}
        if new:
            items = (
                item(f"`{p.code}` (HTTP {p.status}, gRPC {p.grpc_code.name})") + item(p.zh, 2) + item(p.en, 2)
                for p in new
            )
            yield f"\n## {title}\n\n{''.join(items)}"


if __name__ == "__main__":
    write_or_compare(sys.argv[1:], ROOT / "docs" / "errors.md", document)
