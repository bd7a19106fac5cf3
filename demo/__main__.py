"""`python -m demo people|load HOME`; `token` and `code` help to try things by hand."""

import sys
from pathlib import Path
from typing import Final

import urllib3

from chengxin.errors import Problem
from chengxin.process import stop_signals
from chengxin.values.shown_text import escape_lines
from chengxin_cli.gateway_client import HttpRefused
from chengxin_cli.suite.home import Home
from demo.access import DemoAccess, DemoMissing, code_of
from demo.load import LoadFailed, load
from demo.people import make_people

_USAGE: Final = """usage: python -m demo people HOME       make accounts, keys and credentials
       python -m demo load HOME         publish the catalog and deliver the records
       python -m demo token WHO [uscc=CODE | scope=ROLE [purpose=…] [legal_basis=… case_no=… officer=…]]
       python -m demo code OFFICER      the one-time code of this half minute
WHO is a citizen or an officer, or with a scope a client; the last two look into $CHENGXIN_HOME or ~/.chengxin."""


def main(arguments: list[str]) -> None:
    """Runs one of the commands; messages for people go to standard output."""
    try:
        _run(arguments)
    except (LoadFailed, DemoMissing, Problem, HttpRefused, urllib3.exceptions.HTTPError) as e:
        sys.exit(f"demo: {escape_lines(str(e))}")
    except KeyboardInterrupt:
        # A second one would interrupt the end.
        stop_signals.take_no_more()
        sys.exit("demo: stopped by Ctrl-C; run it again, what is done already is not repeated")


def _run(arguments: list[str]) -> None:
    match arguments:
        case ["people", home]:
            make_people(Path(home))
        case ["load", home]:
            load(Path(home))
        case ["token", who, *parameters] if all("=" in p for p in parameters):
            fields = dict(p.split("=", 1) for p in parameters)
            print(DemoAccess.of(Home.default().path).anybody(who, **fields).token())
        case ["code", officer]:
            print(code_of(Home.default().path, officer))
        case _:
            sys.exit(_USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
