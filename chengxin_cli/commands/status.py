"""`chengxin status`: the state of a running suite."""

import contextlib
import json
import sys
import xmlrpc.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from xml.parsers.expat import ExpatError

import click
import urllib3
from rich.table import Table

from chengxin.auth.tls import Trust, pool
from chengxin.feeds.quarantine import QUARANTINE
from chengxin_cli.input_files import FilePath
from chengxin_cli.output import OutputConsole, print_json, print_lines
from chengxin_cli.suite.home import Home
from chengxin_cli.suite.stores_watch import StoreAnswer, StoreProber
from chengxin_cli.suite.supervision import UNREACHABLE, UnixTransport

_ANSWER_SECONDS: Final = 3.0


@click.command("status")
@click.option("--home", type=FilePath(), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(home: Path | None, as_json: bool) -> None:
    """Each process, whether each store answers, the readiness of each service, how far each feed is behind, the last
    checkpoint; exits 1 unless all is well."""
    suite_home = Home(home.absolute()) if home else Home.default()
    addresses = suite_home.running()
    ready = _fetch(f"{addresses['http']}/readyz")
    report: dict[str, Any] = {
        "processes": _list_processes(Path(addresses.get("supervisor", "")), _ask_stores(suite_home)),
        "ready": ready,
        "lag": _list_lags(ready["body"]),
        "checkpoint": _fetch(f"{addresses['http']}/tlog/checkpoint"),
    }
    if as_json:
        print_json(report, indent=1)
    else:
        _show(report)
    sys.exit(0 if _is_well(report) else 1)


def _is_well(report: dict[str, Any]) -> bool:
    """Whether everything runs, answers, is ready, and is not too far behind."""
    running = all(p["state"] == "RUNNING" and p.get("answers", True) for p in report["processes"])
    behind = not all(row["within_limit"] for row in report["lag"])
    return (
        running and report["ready"]["status"] == 200 and not behind and not _find_quarantines(report["ready"]["body"])
    )


def _show(report: dict[str, Any]) -> None:
    processes = Table("process", "state", "pid", "store")
    for process in report["processes"]:
        processes.add_row(process["name"], process["state"], str(process["pid"]), process.get("says", ""))
    lag = Table("service", "follows", "changes behind", "seconds behind", "")
    for row in report["lag"]:
        lag.add_row(row["service"], row["consumer"], _format(row["changes"]), _format(row["seconds"]), _remark(row))
    OutputConsole().print(processes)
    OutputConsole().print(lag)
    print_lines(f"ready: {json.dumps(_omit_lag(report['ready']['body']), ensure_ascii=False)}")
    if services := _find_quarantines(report["ready"]["body"]):
        print_lines(f"set aside in {', '.join(services)}: see chengxin quarantine list")
    if altered := _find_alterations(report["ready"]["body"]):
        print_lines(f"the store of the audit log was altered: {'; '.join(altered)}: see chengxin audit repair")
    print_lines("checkpoint:", *str(report["checkpoint"]["body"]).split("\n"))


def _find_quarantines(ready: Any) -> list[str]:
    """The services that have set something aside."""
    services = ready.items() if isinstance(ready, dict) else ()
    return [name for name, state in services if isinstance(state, dict) and state.get(QUARANTINE) is False]


def _find_alterations(ready: Any) -> list[str]:
    """What the audit service says of rows that are not as it wrote them."""
    audit = ready.get("audit") if isinstance(ready, dict) else None
    return [*audit.get("altered", ())] if isinstance(audit, dict) else []


def _ask_stores(home: Home) -> dict[str, StoreAnswer]:
    asker = StoreProber(home, _ANSWER_SECONDS)
    with contextlib.closing(asker), ThreadPoolExecutor() as pool:
        return dict(zip(asker.processes, pool.map(asker, asker.processes), strict=True))


def _list_lags(ready: Any) -> list[dict[str, Any]]:
    """One row for each consumer, from the report of each service."""
    rows = []
    for service, state in ready.items() if isinstance(ready, dict) else ():
        report: dict[str, Any] = state.get("lag", {}) if isinstance(state, dict) else {}
        for consumer, lag in report.get("consumers", {}).items():
            unknown = lag.get("unknown_seconds", 0)
            within_limit = max(lag["seconds"] or 0, unknown) <= report["limit_seconds"]
            rows.append({"service": service, "consumer": consumer, **lag, "within_limit": within_limit})
    return rows


def _remark(row: dict[str, Any]) -> str:
    unknown = f"not known for {row['unknown_seconds']} s" if row.get("unknown_seconds") else ""
    return ", ".join(filter(None, (unknown, "" if row["within_limit"] else "above the limit")))


def _format(figure: float | None) -> str:
    return "?" if figure is None else str(figure)


def _omit_lag(ready: Any) -> Any:
    if not isinstance(ready, dict):
        return ready
    return {
        service: {name: has for name, has in state.items() if name != "lag"} if isinstance(state, dict) else state
        for service, state in ready.items()
    }


def _list_processes(socket: Path, stores: dict[str, StoreAnswer]) -> list[dict[str, Any]]:
    try:
        with xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(socket)) as rpc:
            found: Any = rpc.supervisor.getAllProcessInfo()
    # ExpatError: what answers is no supervisor.
    except (*UNREACHABLE, ExpatError) as e:
        raise click.ClickException(f"the suite is starting or stopping: its supervisor does not answer ({e})") from None
    rows = [{"name": p["name"], "state": p["statename"], "pid": p["pid"]} for p in found]
    for row in rows:
        if (answer := stores.get(str(row["name"]).removesuffix("-store"))) and row["name"].endswith("-store"):
            row |= {"answers": answer is StoreAnswer.WORKS, "says": answer.value}
    return rows


def _fetch(url: str) -> dict[str, Any]:
    try:
        answer = pool(Trust.of_environment(), retries=False, timeout=5).request("GET", url)
    except urllib3.exceptions.HTTPError as e:
        return {"status": 0, "body": str(e)}
    text = answer.data.decode(errors="replace")
    try:
        parsed = json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text
    except ValueError:
        parsed = text
    return {"status": answer.status, "body": parsed}
