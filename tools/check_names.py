"""Fails when one class name stands for two things: a search for it would find both.

usage: python tools/check_names.py [DIRECTORY]
"""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

# Names that may be defined more than once, with the reason.
ALLOWED: Final[dict[str, str]] = {}
_GENERATED: Final = "chengxin_api/"


def duplicates(directory: Path) -> list[str]:
    """Each class name that is defined more than once, with the files."""
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"], cwd=directory, text=True
    )
    where: dict[str, list[str]] = defaultdict(list)
    for name in listed.split():
        if not name.startswith(_GENERATED) and (directory / name).exists():
            for node in ast.walk(ast.parse((directory / name).read_text())):
                if isinstance(node, ast.ClassDef):
                    where[node.name].append(name)
    return [
        f"class {name}: {', '.join(sorted(files))}"
        for name, files in sorted(where.items())
        if len(files) > 1 and name not in ALLOWED
    ]


def main(arguments: list[str]) -> None:
    """Prints what is defined twice; exits with 1 when something is."""
    found = duplicates(Path(arguments[0] if arguments else "."))
    print("\n".join(found) or "check_names: every class name stands for one thing")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
