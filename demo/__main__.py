"""`python -m demo people|load HOME` and `python -m demo code HOME OFFICER`."""

import sys
from pathlib import Path

from demo.load import LoadFailed, load
from demo.people import code_of, make_people


def main(arguments: list[str]) -> None:
    """Runs one of the commands; messages for people go to standard output."""
    match arguments:
        case ["people", home]:
            make_people(Path(home))
        case ["load", home]:
            try:
                load(Path(home))
            except LoadFailed as e:
                sys.exit(f"demo: {e}")
        case ["code", home, officer]:
            print(code_of(Path(home), officer))
        case _:
            sys.exit("usage: python -m demo people HOME | load HOME | code HOME OFFICER")


if __name__ == "__main__":
    main(sys.argv[1:])
