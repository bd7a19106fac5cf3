"""Loads the demonstration world through the gateway, as the authority and the providers do; it can be repeated."""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

import urllib3

from chengxin.errors import Problem
from chengxin.values.clock import SystemClock
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_cli.gateway_client import Caller, Edge, HttpRefused
from chengxin_cli.suite.home import Home
from chengxin_cli.suite.waiting import Awaited, Standstill, wait_for
from demo.access import DemoAccess
from demo.dates import ago
from demo.records import DemoDelivery, deliveries
from demo.world import catalog, companies, organs

T = TypeVar("T")

# Errors of a system that has just started: an entry has not come by the feed yet, or a service does not answer yet.
_TRANSIENT_CODES: Final = frozenset(
    {
        "DELIVERY_ENTRY_UNKNOWN",
        "AUDIT_UNAVAILABLE",
        "GATEWAY_UNREACHABLE",
        "ANSWER_LOST",
        "UPSTREAM_UNAVAILABLE",
        "UNAVAILABLE",
    }
)


class LoadFailed(Exception):
    """The world could not be loaded; the message says what to do."""


def load(home: Path) -> None:
    """Publishes the catalog and delivers the records; touches `HOME/demo/loaded` at the end.

    Raises LoadFailed, DemoMissing.
    """
    began = time.monotonic()
    access = DemoAccess.of(home)
    try:
        # Both use one sign-in, because a one-time code is good once.
        authority = access.officer("authority")
        entries = _publish_catalog(access, authority)
        _fill_directory(access, authority)
        counts = _deliver_all(access)
        raised = authority.post("/v1/submissions/quality/recompute", {})["raised"]
        print(f"  quality: {raised} findings", flush=True)
    except (Problem, HttpRefused, urllib3.exceptions.HTTPError) as e:
        raise LoadFailed(f"the suite at {access.edge.http} refused: {e}") from e
    (access.directory / "loaded").touch()
    print(f"  {entries} entries, {counts} in {time.monotonic() - began:.1f} s", flush=True)


def _publish_catalog(access: DemoAccess, authority: Caller) -> int:
    published = access.edge.anonymous().get("/v1/catalog/entries?page_size=200")["entries"]
    missing = catalog().keys() - {e["code"] for e in published}
    if missing:
        today = SystemClock().today().isoformat()
        for code in sorted(missing):
            headers = {"Idempotency-Key": f"demo-{code}-{today}"}
            draft = authority.post("/v1/catalog/drafts", catalog()[code], headers=headers)
            address = f"/v1/catalog/drafts/{draft['draft_id']}/publish"
            period = {"revision": draft["revision"], "effective_from": today}
            authority.post(address, period, headers={"Idempotency-Key": f"demo-publish-{code}-{today}"})
    print(f"  catalog: {len(missing)} entries published, {len(catalog()) - len(missing)} were there", flush=True)
    return len(catalog())


def _fill_directory(access: DemoAccess, authority: Caller) -> None:
    listed = {o.uscc: o for o in organs().values() if o.kind and o.functions}
    entered = access.edge.anonymous().get("/v1/catalog/organisations?page_size=200")["organisations"]
    missing = listed.keys() - {o["uscc"] for o in entered}
    for uscc in sorted(missing):
        organ = listed[uscc]
        details = {
            "name": organ.name,
            "kind": organ.kind,
            "region": organ.region,
            "functions": organ.functions,
            "responsible_unit": "信用工作科室",
            "contact_function": "信用信息联络员",
        }
        authority.put(f"/v1/catalog/organisations/{uscc}", details)
    print(f"  directory: {len(missing)} organisations entered, {len(listed) - len(missing)} were there", flush=True)


def _deliver_all(access: DemoAccess) -> str:
    since = date.fromisoformat(access.people["since"])
    providers: dict[str, Caller] = {}
    answers = {}
    for delivery in deliveries(since):
        provider = providers.setdefault(delivery.provider.key, access.client(delivery.provider.key, scope="provider"))
        answers[delivery.submission_id] = _deliver(access, provider, delivery)
    total = sum(len(d.records) for d in deliveries(since))
    print(f"  records: {total} in {len(answers)} deliveries of {len(providers)} providers", flush=True)
    regulator = providers["market_regulator"]
    _revoke(regulator, answers["demo-XZCF-market_regulator"].outcomes[1].record_id, since)
    amended = _amend(regulator, answers["demo-XZXK-market_regulator"].outcomes[0].record_id, since)
    _wait_until(access, lambda: _is_public(access.edge, amended), "the records are public")
    return f"{total} records, one amended and one revoked"


def _deliver(access: DemoAccess, provider: Caller, delivery: DemoDelivery) -> Any:
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=delivery.submission_id, entry_code=delivery.entry_code),
        records=[ingest_pb2.Record(row=row, items=items) for row, items in enumerate(delivery.records, 1)],
    )
    answer = _retry_while_starting(access, lambda: provider.rpc("IngestService/SubmitBatch", request))
    if answer.receipt.counts.rejected:
        first = next(o for o in answer.outcomes if o.violations)
        raise LoadFailed(f"{delivery.submission_id}, row {first.row} was rejected: {first.violations[0].message}")
    return answer


def _revoke(provider: Caller, record_id: str, since: date) -> None:
    request = ingest_pb2.RevokeRequest(
        record_id=record_id,
        reason="行政复议决定撤销原处罚决定",
        document_number=f"演复决〔{since.year}〕1号",
        effective_date=since.isoformat(),
        request_id="demo-revocation",
    )
    provider.rpc("IngestService/Revoke", request)


def _amend(provider: Caller, record_id: str, since: date) -> dict[str, str]:
    [first, *_] = next(d for d in deliveries(since) if d.submission_id == "demo-XZXK-market_regulator").records
    items = first | {"XK_NR": "食品经营（预包装食品销售、热食类食品制售）"}
    request = ingest_pb2.AmendRequest(
        record_id=record_id,
        items=items,
        reason="许可事项变更",
        document_number=f"演食许变〔{since.year}〕1号",
        # This is later than the entry allows, so that the world shows lateness.
        effective_date=ago(since, 40),
        request_id="demo-amendment",
    )
    provider.rpc("IngestService/Amend", request)
    return items


def _is_public(edge: Edge, items: dict[str, str]) -> bool:
    # The record that is committed last becomes public last: everything else is public by then.
    anonymous = edge.anonymous()
    subjects = anonymous.get(f"/v1/public/subjects?q={companies()[0].uscc}")["subjects"]
    if not subjects:
        return False
    token = ""
    shown: dict[str, str] = {}
    while True:
        page = anonymous.get(f"/v1/public/subjects/{subjects[0]['subject_ref']}?page_size=200&page_token={token}")
        shown |= {r["items"].get("XK_WSH"): r["items"].get("XK_NR") for r in page["records"]}
        if not (token := page["next_page_token"]):
            break
    return shown.get(items["XK_WSH"]) == items["XK_NR"]


def _retry_while_starting(access: DemoAccess, call: Callable[[], T]) -> T:
    def attempt() -> list[T]:
        try:
            return [call()]
        except Problem as e:
            if e.code not in _TRANSIENT_CODES:
                raise
            return []

    return _wait_until(access, attempt, "ingest knows the catalog")[0]


def _wait_until(access: DemoAccess, probe: Callable[[], T], what: str) -> T:
    """Waits as long as a feed of the suite progresses. Raises LoadFailed."""
    home = Home(access.directory.parent)
    found: list[T] = []

    def look() -> list[Awaited]:
        if result := probe():
            found.append(result)
            return []
        report = access.edge.call("GET", "/readyz").body
        return [Awaited("gateway", what, home.log("gateway"), "RUNNING"), *_list_lags(report, home)]

    try:
        wait_for(look, None)
    except Standstill as e:
        raise LoadFailed(f"{e.message}\nsee the logs, then run it again") from None
    return found[0]


def _list_lags(report: dict[str, Any], home: Home) -> list[Awaited]:
    """A consumer that is behind, by how much: each other number is progress."""
    lags = (
        (service, consumer, lag["changes"])
        for service, state in report.items()
        for consumer, lag in state.get("lag", {}).get("consumers", {}).items()
    )
    return [
        Awaited(service, f"{changes} changes of {consumer}", home.log(service), "RUNNING")
        for service, consumer, changes in lags
        if changes
    ]
