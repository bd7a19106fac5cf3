"""Fakes of the services that the objection service uses: their feeds and methods."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from chengxin_api.disclosure.v1 import disclosure_pb2, disclosure_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from tests.support import free_port

OBJECTION_RULES = {
    "acceptance_working_days": 3,
    "verification_working_days": 3,
    "answer_working_days": 10,
    "answer_extended_working_days": 20,
    "conclusion_working_days": 3,
}


def days(text: str) -> list[str]:
    """Dates with spaces between them."""
    return text.split()


YEARS = [
    # The notices of the State Council for 2025 and 2026, and what the law fixes of 2027.
    catalog_pb2.CalendarYear(
        year=2025,
        announced=True,
        days_off=days(
            "2025-01-01 2025-01-28 2025-01-29 2025-01-30 2025-01-31 2025-02-03 2025-02-04 2025-04-04 2025-05-01 "
            "2025-05-02 2025-05-05 2025-06-02 2025-10-01 2025-10-02 2025-10-03 2025-10-06 2025-10-07 2025-10-08"
        ),
        days_worked=days("2025-01-26 2025-02-08 2025-04-27 2025-09-28 2025-10-11"),
    ),
    catalog_pb2.CalendarYear(
        year=2026,
        announced=True,
        days_off=days(
            "2026-01-01 2026-01-02 2026-02-16 2026-02-17 2026-02-18 2026-02-19 2026-02-20 2026-02-23 2026-04-06 "
            "2026-05-01 2026-05-04 2026-05-05 2026-06-19 2026-09-25 2026-10-01 2026-10-02 2026-10-05 2026-10-06 "
            "2026-10-07"
        ),
        days_worked=days("2026-01-04 2026-02-14 2026-02-28 2026-05-09 2026-09-20 2026-10-10"),
    ),
    catalog_pb2.CalendarYear(
        year=2027,
        announced=False,
        days_off=days("2027-01-01 2027-02-05 2027-02-08 2027-02-09 2027-02-10 2027-04-05 2027-05-03"),
    ),
]


class ServedFeed:
    """Changes in order, each with the next position, for as many as watch."""

    def __init__(self) -> None:
        self._changes: list[Any] = []
        self._more = threading.Condition()

    def tell(self, change: Any) -> None:
        """Commits a change."""
        with self._more:
            change.position = len(self._changes) + 1
            self._changes.append(change)
            self._more.notify_all()

    @property
    def position(self) -> int:
        """The position of the last change."""
        return len(self._changes)

    def watch(self, after: int, context: grpc.ServicerContext) -> Iterator[Any]:
        """The stream."""
        context.send_initial_metadata(())
        while context.is_active():
            with self._more:
                found = self._changes[after:]
                if not found:
                    self._more.wait(0.1)
            yield from found
            after += len(found)


class CatalogSource(catalog_pb2_grpc.CatalogServiceServicer):
    """The catalog's feed."""

    def __init__(self) -> None:
        self.feed = ServedFeed()

    def Watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        return self.feed.watch(request.after, context)

    def publishes(self, code: str, *items: str, version: int = 1) -> None:
        """An entry version."""
        entry = catalog_pb2.Entry(
            code=code,
            version=version,
            name=catalog_pb2.LocalText(zh=f"{code} 目录", en=f"Entry {code}"),
            items=[catalog_pb2.Item(code=i, name=catalog_pb2.LocalText(zh=f"{i} 项", en=f"Item {i}")) for i in items],
        )
        self.feed.tell(catalog_pb2.Change(entry=entry))

    def rules(self, version: int, effective_from: str, **values: int) -> None:
        """A version of the deadlines."""
        rules = catalog_pb2.RuleSet(
            name="objection", version=version, effective_from=effective_from, values=OBJECTION_RULES | values
        )
        self.feed.tell(catalog_pb2.Change(rule_set=rules))

    def year(self, year: catalog_pb2.CalendarYear) -> None:
        """A year of the calendar."""
        self.feed.tell(catalog_pb2.Change(calendar_year=year))


class IngestSource(ingest_pb2_grpc.IngestServiceServicer):
    """Records, and the feed of their later versions."""

    def __init__(self) -> None:
        self.feed = ServedFeed()
        self.heads: dict[str, ingest_pb2.RecordHead] = {}
        self._items: dict[tuple[str, int], dict[str, str]] = {}
        # How often somebody asked whose a record is.
        self.asked = 0
        self.away = False

    def WatchCorrections(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        return self.feed.watch(request.after, context)

    def GetRecordHead(self, request: Any, context: grpc.ServicerContext) -> ingest_pb2.RecordHead:
        self.asked += 1
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        if request.record_id not in self.heads:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such record")
        head = ingest_pb2.RecordHead()
        head.CopyFrom(self.heads[request.record_id])
        if request.since_version:
            now, then = (self._items[request.record_id, version] for version in (head.version, request.since_version))
            head.changed_items.extend(sorted(code for code in now if now[code] != then[code]))
        return head

    def record(self, record_id: str, subject_ref: str, version: int = 1, **more: Any) -> None:
        """A version of a licence; `items` are those with other values than the first version has."""
        items = more.pop("items", {})
        record = ingest_pb2.RecordVersion(
            record_id=record_id,
            version=version,
            entry_code=more.pop("entry_code", "XZXK"),
            entry_version=1,
            provider_uscc=more.pop("provider", REGULATOR),
            provider_name="市场监管局",
            subject=ingest_pb2.SubjectIdentity(subject_ref=subject_ref, kind="enterprise", name="某公司"),
            recorded_at={"seconds": 1_795_492_800 + version},
            **more,
        )
        self._items[record_id, version] = {"XK_NR": "食品经营", "XK_WSH": "1号"} | items
        self.heads[record_id] = ingest_pb2.RecordHead(
            record_id=record_id,
            version=version,
            entry_code=record.entry_code,
            entry_version=1,
            provider_uscc=record.provider_uscc,
            provider_name=record.provider_name,
            subject_ref=subject_ref,
            revoked=record.revoked,
        )
        self.feed.tell(ingest_pb2.Change(records=[record] if version > 1 else [], last=True))


class DisclosureSource(disclosure_pb2_grpc.DisclosureServiceServicer):
    """A fake of disclosure that knows which references are one subject."""

    def __init__(self) -> None:
        self.together: set[str] = set()
        self.asked = 0

    def ListReferences(
        self, request: disclosure_pb2.ListReferencesRequest, context: grpc.ServicerContext
    ) -> disclosure_pb2.ListReferencesResponse:
        self.asked += 1
        refs = self.together if request.subject_ref in self.together else {request.subject_ref}
        return disclosure_pb2.ListReferencesResponse(subject_refs=sorted(refs))


# Codes of no organisation.
REGULATOR = "11000000000000027K"
OTHER_ORGAN = "12000000000000182W"


def served(add: Any, servicer: Any) -> tuple[grpc.Server, str]:
    """A running server of its own, and its address."""
    port = free_port()
    server = grpc.server(ThreadPoolExecutor(8))
    add(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, f"127.0.0.1:{port}"
