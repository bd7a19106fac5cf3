"""Fails when a document has a line of more than 120 characters, or names a file of the repository that is not there.

usage: python tools/check_documents.py [DIRECTORY]
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_WIDTH: Final = 120
_TOP: Final = "chengxin|chengxin_api|chengxin_cli|services|gateway|demo|deploy|proto|tests|tools|bench|docs"
_PATH: Final = re.compile(rf"(?<![\w/.-])((?:{_TOP})/[\w./-]*\.(?:py|md|json|html|js|css|proto|yml))\b")
_LINK: Final = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
# Files that documents name although they are not, or no longer, in the repository.
_NOT_FILES: Final = {
    "docs/decisions/0030-the-house-is-a-grid.md": "it tells what was moved",
    "CHANGELOG.md": "it tells what was",
}


def faults(directory: Path) -> Iterator[str]:
    """What is wrong, document by document."""
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=directory, text=True
    )
    for name in listed.split():
        document = directory / name
        if not document.exists():
            continue
        for number, line in enumerate(document.read_text().splitlines(), 1):
            if len(line) > _WIDTH:
                yield f"{name}:{number}: {len(line)} characters, more than {_WIDTH}"
            if name not in _NOT_FILES:
                for path in _PATH.findall(line):
                    if not (directory / path).exists() and not (document.parent / path).exists():
                        yield f"{name}:{number}: there is no {path}"
            for link in _LINK.findall(line):
                if not (document.parent / link).exists():
                    yield f"{name}:{number}: the link {link} leads nowhere"


def main(arguments: list[str]) -> None:
    """Prints what is wrong; exits with 1 when something is."""
    found = list(faults(Path(arguments[0] if arguments else ".")))
    print("\n".join(found) or "check_documents: lines are short and what they name is there")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
